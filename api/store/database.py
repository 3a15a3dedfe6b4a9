"""Engine and transactions: the same code on SQLite and PostgreSQL.

`read()` gives a connection for looking; `write()` one transaction, which on SQLite takes the write lock at its start
(BEGIN IMMEDIATE), so that nothing read inside it can be stale when it writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text

from api.store.settings import Settings

BUSY_TIMEOUT_MS = 30_000


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def make_engine(settings: Settings) -> Engine:
    """An engine for the settings' database; connects to nothing yet."""
    if settings.is_postgres:
        return create_engine(
            settings.sqlalchemy_url, pool_size=10, max_overflow=20, pool_pre_ping=True, pool_timeout=10
        )
    engine = create_engine(settings.sqlalchemy_url, pool_size=10, max_overflow=20)
    Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # an accepted plan must survive a power cut

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class Database:
    def __init__(self, settings: Settings) -> None:
        self.engine = make_engine(settings)
        self.writer = self.engine.execution_options(writes=True)
        self.is_postgres = settings.is_postgres
        self.file = None if self.is_postgres else Path(str(self.engine.url.database))
        self.place = self.file or self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read on."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, one at a time on SQLite."""
        with self.writer.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection on which every look sees the same moment, whatever others write meanwhile."""
        frozen = self.engine.execution_options(isolation_level="REPEATABLE READ") if self.is_postgres else self.engine
        with frozen.begin() as connection:  # SQLite with WAL: a transaction that reads stays with what it first saw
            yield connection

    def ping(self) -> None:
        """Raises OSError or sqlalchemy.exc.SQLAlchemyError when the database is away or does not answer."""
        if self.file is not None:
            self.file.stat()  # an open connection would go on with a file that nobody can find any more
        with self.read() as connection:
            connection.execute(text("SELECT version_num FROM alembic_version"))

    def lock_for(self, connection: Connection, name: str) -> None:
        """Hold everyone else who asks for `name` until the transaction ends (SQLite: the write lock does it)."""
        if self.is_postgres:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})

    def close(self) -> None:
        """Let go of what it holds."""
        self.engine.dispose()
