"""Every setting of the service, read from the environment (TIDEPLAN_…) or given by the command line.

Defaults are those of one machine: SQLite and artifacts below `data_folder`, bound to loopback.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Settings(BaseSettings):
    """Settings of server, worker and tools. Units stand in the names; MiB are 2**20 bytes.

    database_url: None for SQLite below `data_folder`; postgresql://… for PostgreSQL.
    executor_id: who claims jobs. It must survive a restart, so that a restarted process finds its own work, and no
        two processes may share one; None: "embedded" on SQLite, host name and port on PostgreSQL.
    run_jobs: whether the server works on jobs itself. On PostgreSQL it may be left to `tideplan worker`.
    solve_memory_mb: memory of one solve; its address space is limited to 1.5 times that.
    read_slots: how much is made at the same time while somebody waits: reports, contents of pages, readings, checks.
    max_at_once_per_key: how many requests of one key may wait for such work, and how many may upload.
    body_silence_s: how long a client may send nothing of a request that it has begun.
    min_free_mb: free space of the data folder's disk below which nothing new is taken in.
    comparison_days: how long the finished parts of comparisons are kept after somebody last asked for them; results
        of comparisons stay.
    work_module: the module that does the work inside the solve child; another one is for tests.
    """

    model_config = SettingsConfigDict(env_prefix="TIDEPLAN_", frozen=True, extra="ignore")

    data_folder: Path = Path("var/tideplan")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    allowed_hosts: Annotated[list[str], NoDecode] = []
    allowed_origins: Annotated[list[str], NoDecode] = []
    executor_id: str | None = None
    run_jobs: bool = True
    log_level: str = "info"

    solve_slots: Annotated[int, Field(ge=1, le=64)] = 1
    solve_threads_max: Annotated[int, Field(ge=1)] = os.cpu_count() or 1
    solve_seconds_max: Annotated[float, Field(gt=0)] = 6 * 3600
    solve_memory_mb: Annotated[int, Field(ge=256)] = 8192
    read_slots: Annotated[int, Field(ge=1, le=64)] = 2
    max_at_once_per_key: Annotated[int, Field(ge=1)] = 8
    read_seconds_max: Annotated[float, Field(gt=0)] = 120
    max_attempts: Annotated[int, Field(ge=1)] = 4
    worker_timeout_s: Annotated[float, Field(gt=0)] = 20
    heartbeat_s: Annotated[float, Field(gt=0)] = 2

    body_silence_s: Annotated[float, Field(gt=0)] = 30
    min_free_mb: Annotated[float, Field(ge=0)] = 200
    max_body_mb: Annotated[float, Field(gt=0)] = 64
    max_case_mb: Annotated[float, Field(gt=0)] = 16
    max_history_rows: Annotated[int, Field(ge=1)] = 20_000_000
    max_unfinished_per_key: Annotated[int, Field(ge=1)] = 50
    events_stream_seconds_max: Annotated[float, Field(gt=0)] = 600
    comparison_days: Annotated[float, Field(gt=0)] = 30
    work_module: str = "api.work.work"

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            kind = value.split(":", 1)[0]
            raise ValueError(f"found {kind}:…; allowed: sqlite:///PATH or postgresql://…")
        return value

    @property
    def is_postgres(self) -> bool:
        """Whether the database is PostgreSQL."""
        return (self.database_url or "").startswith("postgresql")

    @property
    def sqlalchemy_url(self) -> str:
        """The database's address for SQLAlchemy."""
        if self.database_url is None:
            return f"sqlite:///{self.data_folder.absolute() / 'tideplan.sqlite'}"
        if self.is_postgres:
            return "postgresql+psycopg://" + self.database_url.split("://", 1)[1]
        return self.database_url

    @property
    def executor(self) -> str:
        """This process's name among workers."""
        if self.executor_id:
            return self.executor_id
        return f"{socket.gethostname()}-{self.port}" if self.is_postgres else "embedded"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
