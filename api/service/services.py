"""The parts of a running service, put together once: store, job engine, runner, reaper."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from api.jobs.port import JobEngine
from api.jobs.problems import ProblemError
from api.jobs.process import end_leftovers
from api.jobs.reaper import Reaper
from api.service.kept import Kept
from api.service.slots import Slots
from api.service.watch import Watch
from api.store import migrations
from api.store.actuals import Actuals
from api.store.artifacts import Artifacts
from api.store.database import Database
from api.store.documents import Documents
from api.store.heartbeats import Heartbeats
from api.store.keys import Keys
from api.store.labels import Labels
from api.store.runs import Run, Runs
from api.store.settings import Settings
from api.store.signatures import Signatures
from api.store.trouble import Trouble, trouble

log = structlog.get_logger()

_RETRY_S = 2.0
_WAITING = 24  # each holds one of the threads that answer requests (THREADS in api.app.app)
_UPLOADS = 16


@dataclass(frozen=True)
class Readiness:
    """Whether the service can accept work, and why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


def default_engine(settings: Settings, database: Database) -> JobEngine:
    """DBOS on the service's database."""
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
        self.labels = Labels(self.database)
        self.signatures = Signatures(self.database)
        self.actuals = Actuals(self.database)
        self.keys = Keys(self.database)
        self.heartbeats = Heartbeats(self.database)
        self.reads_folder = settings.data_folder / "work" / f"{settings.executor}-reads"
        share = settings.max_at_once_per_key
        self.slots = Slots(at_once=settings.read_slots, waiting=_WAITING, per_key=share)
        self.uploads = Slots(at_once=_UPLOADS, waiting=0, per_key=share)
        self.watch = Watch(self.runs)
        self.kept = Kept(settings, self.artifacts, self.slots, self.reads_folder)
        self._make_engine = engine
        self._engine: JobEngine | None = None
        self._reaper: Reaper | None = None
        self._closing = threading.Event()
        self._waiting_for = Trouble("not-available", "The job engine is starting.", "")
        self._starter: threading.Thread | None = None
        self._runner_closing: threading.Event | None = None

    # life

    def start(self) -> None:
        """Take up work in the background."""
        end_leftovers(self.reads_folder)
        self._starter = threading.Thread(target=self._start_jobs, name="starter", daemon=True)
        self._starter.start()

    def _start_jobs(self) -> None:
        while not self._closing.is_set():
            try:
                found = migrations.current(self.database)
                if found != migrations.HEAD:
                    raise migrations.behind(found)
                self._launch()
                return
            except Exception as fault:  # noqa: BLE001 - whatever it is, /readyz says it and we try again
                unknown = Trouble("not-available", f"The job engine could not start: {type(fault).__name__}.", "")
                self._waiting_for = trouble(fault) or unknown
                log.warning("job engine could not start", fault=f"{type(fault).__name__}: {fault}"[:500])
            self._closing.wait(_RETRY_S)

    def _launch(self) -> None:
        from api.jobs.runner import Runner

        works = self.settings.run_jobs
        runner = Runner(self.settings, self.runs, self.artifacts, self.kept.adopt_pages)
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
        """End all work and let go of the database."""
        self._closing.set()
        self.watch.close()
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
        """Whether work can be taken, and what is missing."""
        found = []
        try:
            self.database.ping()
        except Exception as fault:  # noqa: BLE001 - whatever it is, /readyz says it
            unknown = Trouble("database-away", f"The database does not answer: {fault}"[:300], "")
            found.append(trouble(fault) or unknown)
        if self._engine is None and self._waiting_for not in found:
            found.append(self._waiting_for)
        room = self.no_room()
        if room is not None:
            found.append(room)
        return Readiness(not found, tuple(f"{one.kind}: {one}".strip() for one in found))

    def no_room(self) -> Trouble | None:
        """What keeps the data folder from taking anything in."""
        folder, least_mb = self.artifacts.incoming, self.settings.min_free_mb
        try:
            free_mb = shutil.disk_usage(folder).free / 2**20
        except OSError as fault:
            return Trouble("storage-read-only", f"{folder}: {fault.strerror}.", "Bring the data folder back.")
        if free_mb < least_mb:
            detail = f"{free_mb:.0f} MB are free for {folder}; {least_mb:g} MB are kept free (TIDEPLAN_MIN_FREE_MB)."
            return Trouble("disk-full", detail, "Free some space.")
        if not os.access(folder, os.W_OK):
            return Trouble("storage-read-only", f"{folder} cannot be written.", "Let the service write its folder.")
        return None

    def ready_for_work(self) -> None:
        """Raises ProblemError when nothing new can be taken in, with the reason."""
        waiting = self._waiting_for if self._engine is None else None
        found = waiting or self.no_room()
        if found is not None:
            raise ProblemError(found.kind, found.detail, headers={"Retry-After": "2"})

    # work

    @property
    def engine(self) -> JobEngine:
        """What hands out work. Raises ProblemError (503) until it runs."""
        if self._engine is None:
            raise ProblemError(self._waiting_for.kind, self._waiting_for.detail, headers={"Retry-After": "2"})
        return self._engine

    def submit(self, connection: Connection, run: Run) -> None:
        """Queue a run in the caller's transaction."""
        self.engine.submit(connection, run)

    def cancel(self, run_id: str, owner: str) -> Run | None:
        """Give a run up. A queued one ends here and now, a running one as soon as its runner reads the wish."""
        engine = self.engine
        before = self.runs.get(run_id)
        after = self.runs.wish(run_id, "cancel", owner)
        if before is not None and after is not None and before.state == "queued" and after.is_final:
            engine.cancel(after)
        return after

    def stop_run(self, run_id: str, owner: str) -> Run | None:
        """Ask a run for the best it has; a queued one has nothing and is cancelled."""
        engine = self.engine
        after = self.runs.wish(run_id, "stop", owner)
        if after is not None and after.state == "cancelled":
            engine.cancel(after)
        return after
