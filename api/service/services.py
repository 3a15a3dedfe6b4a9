"""The parts of a running service, put together once: store, job engine, runner, reaper."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from api.jobs.port import JobEngine
from api.jobs.problems import ProblemError
from api.jobs.process import end_leftovers
from api.jobs.reaper import Reaper
from api.store import migrations
from api.store.artifacts import Artifacts
from api.store.database import Database
from api.store.documents import Documents
from api.store.keys import Keys
from api.store.runs import Run, Runs
from api.store.settings import Settings

log = structlog.get_logger()

_RETRY_S = 2.0


@dataclass(frozen=True)
class Readiness:
    """Whether the service can accept work, and why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


def default_engine(settings: Settings, database: Database) -> JobEngine:
    from api.jobs.dbos_engine import DbosEngine  # here, because importing it takes longer than all the rest

    return DbosEngine(settings, database)


class Services:
    """Store and workers of one process.

    `start` returns at once: the job engine comes up in a thread of its own, again and again until the database answers
    and stands at the right revision, so that a server started before its database is there needs no restart.
    """

    def __init__(
        self, settings: Settings, *, engine: Callable[[Settings, Database], JobEngine] = default_engine
    ) -> None:
        self.settings = settings
        self.database = Database(settings)
        self.artifacts = Artifacts(settings.data_folder / "artifacts")
        self.documents = Documents(self.database)
        self.runs = Runs(self.database)
        self.keys = Keys(self.database)
        self.reads_folder = settings.data_folder / "work" / f"{settings.executor}-reads"
        self._make_engine = engine
        self._engine: JobEngine | None = None
        self._reaper: Reaper | None = None
        self._closing = threading.Event()
        self._waiting_for = "the job engine is starting"
        self._starter: threading.Thread | None = None
        self._runner_closing: threading.Event | None = None

    # life

    def start(self) -> None:
        end_leftovers(self.reads_folder)
        self._starter = threading.Thread(target=self._start_jobs, name="starter", daemon=True)
        self._starter.start()

    def _start_jobs(self) -> None:
        while not self._closing.is_set():
            try:
                found = migrations.current(self.database)
                if found != migrations.HEAD:
                    self._waiting_for = (
                        f"the database stands at revision {found or 'none'}, this version needs {migrations.HEAD}: "
                        "run `tideplan db upgrade`"
                    )
                else:
                    self._launch()
                    return
            except Exception as fault:  # whatever it is, /readyz says it and we try again
                self._waiting_for = f"the job engine could not start: {type(fault).__name__}: {fault}"[:500]
                log.warning("job engine could not start", fault=self._waiting_for)
            self._closing.wait(_RETRY_S)

    def _launch(self) -> None:
        from api.jobs.runner import Runner

        works = self.settings.run_jobs
        runner = Runner(self.settings, self.runs, self.artifacts)
        self._runner_closing = runner.closing
        if works:
            runner.clear_leftovers()
        self.artifacts.sweep()
        engine = self._make_engine(self.settings, self.database)
        engine.start(runner.perform if works else None)
        reaper = Reaper(self.settings, self.database, engine, self.runs, works=works)
        reaper.sweep()
        reaper.start()
        self._reaper, self._engine = reaper, engine
        log.info("ready", executor=self.settings.executor, works=works)

    def stop(self) -> None:
        self._closing.set()
        if self._starter is not None:
            self._starter.join(timeout=30)
        if self._runner_closing is not None:
            self._runner_closing.set()
        if self._reaper is not None:
            self._reaper.stop()
        if self._engine is not None:
            self._engine.stop()
        self.database.close()

    def readiness(self) -> Readiness:
        reasons = []
        try:
            self.database.ping()
        except Exception as fault:
            reasons.append(f"the database does not answer: {type(fault).__name__}")
        if self._engine is None:
            reasons.append(self._waiting_for)
        return Readiness(not reasons, tuple(reasons))

    # work

    @property
    def engine(self) -> JobEngine:
        if self._engine is None:
            raise ProblemError("not-available", self._waiting_for, headers={"Retry-After": "2"})
        return self._engine

    def submit(self, connection: Connection, run: Run) -> None:
        self.engine.submit(connection, run)

    def cancel(self, run_id: str) -> Run | None:
        """Give a run up. A queued one ends here and now, a running one as soon as its runner reads the wish."""
        engine = self.engine
        before = self.runs.get(run_id)
        after = self.runs.wish(run_id, "cancel")
        if before is not None and after is not None and before.state == "queued" and after.is_final:
            engine.cancel(after)
        return after

    def stop_run(self, run_id: str) -> Run | None:
        """Ask a run for the best it has; a queued one has nothing and is cancelled."""
        engine = self.engine
        after = self.runs.wish(run_id, "stop")
        if after is not None and after.state == "cancelled":
            engine.cancel(after)
        return after
