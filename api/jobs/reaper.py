"""The promise keeper: a heartbeat for this process, work of silent ones handed on, runs without a job queued again."""

from __future__ import annotations

import os
import socket
import threading

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.jobs.port import JobEngine
from api.store.database import Database
from api.store.heartbeats import Heartbeats
from api.store.runs import Runs
from api.store.settings import Settings

log = structlog.get_logger()


class Reaper:
    """`executor` beats only when this process works on jobs itself; the sweep is done by every process."""

    def __init__(self, settings: Settings, database: Database, engine: JobEngine, runs: Runs, *, works: bool) -> None:
        self.settings, self.database, self.engine, self.runs, self.works = settings, database, engine, runs, works
        self.heartbeats = Heartbeats(database)
        self.name = settings.executor if works else f"{settings.executor}-front"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat and to sweep."""
        if self.works:
            self._beat()
        self._thread = threading.Thread(target=self._loop, name="reaper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, within seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self.works:
            try:
                self.heartbeats.forget(self.name)
            except SQLAlchemyError as fault:
                log.warning("no good-bye", fault=str(fault))

    def _beat(self) -> None:
        self.heartbeats.beat(self.name, {"pid": os.getpid(), "host": socket.gethostname()})

    def _loop(self) -> None:
        while not self._stop.wait(self.settings.heartbeat_s):
            try:
                if self.works:
                    self._beat()
                self.sweep()
            except Exception as fault:  # noqa: BLE001 - the database may be away; the next beat tries again
                log.warning("reaper could not work", fault=f"{type(fault).__name__}: {fault}")

    def sweep(self) -> None:
        """Hand on what silent executors left, and queue again every unfinished run whose job has ended."""
        silent = self.heartbeats.claim_silent(self.name, self.settings.worker_timeout_s)
        for executor in silent:
            count = self.engine.recover([executor])
            self.heartbeats.forget(executor, self.name)
            log.warning("silent worker", executor=executor, jobs_handed_on=count)
        for run in self.runs.unfinished():
            if self.engine.status(run) not in ("ended", "unknown"):
                continue
            with self.database.write() as connection:
                again = self.runs.resubmission(connection, run)
                if again is not None:
                    self.engine.submit(connection, again)
                    log.warning("run queued again", run=run.id, attempt=run.attempt)
