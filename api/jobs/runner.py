"""Performing a run: claim it, run the child, pass on progress, obey wishes, publish the outcome once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.jobs.problems import PROBLEMS, problem_json
from api.jobs.process import Child, Ended, child, end_leftovers, files_below
from api.jobs.task import CRASHED, PAGES, Json, Task
from api.store.artifacts import Artifacts
from api.store.runs import Outcome, Run, Runs
from api.store.settings import Settings
from api.store.trouble import trouble

log = structlog.get_logger()

_WATCH_S = 0.2
_OURS = ("internal", CRASHED)  # faults of ours, not of the input: the log says more than the user is told
_TELL_EVERY_S = 0.5
_RETRY_S = 1.0
_GRACE_S = 30.0  # what a stopped solve may take to hand in its best plan


class Runner:
    """adopt_pages: takes in what a child has made of its run's pages, from the folder where they lie."""

    def __init__(
        self, settings: Settings, runs: Runs, artifacts: Artifacts, adopt_pages: Callable[[Run, Path], None]
    ) -> None:
        self.adopt_pages = adopt_pages
        self.settings = settings
        self.runs = runs
        self.artifacts = artifacts
        self.work_folder = settings.data_folder / "work" / settings.executor
        self.closing = threading.Event()

    def clear_leftovers(self) -> None:
        """End what a killed process of this executor left behind; call it before any work is begun."""
        count = end_leftovers(self.work_folder)
        if count:
            log.warning("ended leftovers of a killed process", processes=count)

    def perform(self, run_id: str) -> str:
        """Perform one run; returns what became of this attempt, for the job engine's record."""
        run = self.runs.begin_attempt(run_id, self.settings.executor)
        if run is None:
            return "already final"
        if run.attempt > self.settings.max_attempts:
            detail = f"The run was begun {run.attempt - 1} times and its worker died each time."
            return self._publish(run, self._failed(Ended(None, "given-up", detail)))
        log.info("run begins", run=run.id, kind=run.kind, attempt=run.attempt)
        try:
            inputs = {name: self.artifacts.checked(sha256) for name, sha256 in run.inputs.items()}
            task = Task(run.kind, run.request, inputs)
            with child(
                task, self.work_folder, module=self.settings.work_module, memory_mb=self.settings.solve_memory_mb
            ) as running:
                return self._follow(run, running)
        except Exception as fault:
            met = trouble(fault)
            log.exception("run failed in the runner", run=run.id)
            kind, detail = ("internal", f"{type(fault).__name__}: {fault}") if met is None else (met.kind, str(met))
            return self._publish(run, self._failed(Ended(None, kind, detail)))

    def _follow(self, run: Run, running: Child) -> str:
        last: Json | None = None
        waiting: Json | None = None  # progress that was not yet told
        told = stop_asked = 0.0
        deadline = time.monotonic() + self.settings.solve_seconds_max
        for message in running.messages(_WATCH_S):
            now = time.monotonic()
            if message is not None and "progress" in message:
                waiting = message["progress"]
            elif message is not None:
                last = message
            if self.closing.is_set():
                return "interrupted"
            try:
                if waiting is not None and now - told >= _TELL_EVERY_S:
                    self.runs.note_progress(run.id, run.attempt, waiting)
                    waiting, told = None, now
                wish = self.runs.wish_of(run.id, run.attempt)
            except SQLAlchemyError as fault:  # the solve goes on while the database is away
                log.warning("database away", run=run.id, fault=type(fault).__name__)
                continue
            if wish is None:
                log.warning("another attempt owns the run", run=run.id, attempt=run.attempt)
                return "fenced"
            if wish == "cancel":
                running.kill()
                return self._publish(run, Outcome("cancelled"))
            if not stop_asked and (wish == "stop" or now > deadline):
                running.ask_to_stop()
                stop_asked = now
            if stop_asked and now - stop_asked > _GRACE_S and now > deadline + _GRACE_S:
                return self._publish(run, self._failed(Ended(None, "too-slow", "It did not end when asked to stop.")))
        if self.closing.is_set():
            return "interrupted"
        return self._close(run, running, waiting, last)

    def _close(self, run: Run, running: Child, waiting: Json | None, last: Json | None) -> str:
        """Publish what a child that has ended came to. waiting: progress that was not told; last: its last message."""
        if waiting is not None:
            with suppress(SQLAlchemyError):
                self.runs.note_progress(run.id, run.attempt, waiting)
        ended = running.ended(last)
        if ended.result is None:
            if ended.kind in _OURS:
                log.error("the solve child failed", run=run.id, kind=ended.kind, log=running.tail())
            return self._publish(run, self._failed(ended))
        outcome = Outcome("finished", ended.result, None, self._keep(running.out))
        try:
            self.adopt_pages(run, running.folder / PAGES)
        except OSError as fault:  # a page can be made again when somebody asks for it
            log.warning("pages were not kept", run=run.id, fault=str(fault))
        return self._publish(run, outcome)

    def _keep(self, out: Path) -> dict[str, Json]:
        files: dict[str, Json] = {}
        for name, path in files_below(out):
            stored = self.artifacts.put_file(path)
            files[name] = {"sha256": stored.sha256, "bytes": stored.bytes}
        return files

    def _failed(self, ended: Ended) -> Outcome:
        kind = ended.kind if ended.kind in PROBLEMS else "internal"
        extra: dict[str, Any] = {"errors": list(ended.errors)} if ended.errors else {}
        return Outcome("failed", problem=problem_json(kind, ended.detail, **extra))

    def _publish(self, run: Run, outcome: Outcome) -> str:
        while True:
            try:
                won = self.runs.publish(run.id, run.attempt, outcome)
                break
            except SQLAlchemyError as fault:  # a result is worth waiting for
                log.warning("database away, the outcome waits", run=run.id, fault=type(fault).__name__)
                if self.closing.wait(_RETRY_S):
                    return "interrupted"
        log.info("run ends", run=run.id, state=outcome.state, attempt=run.attempt, published=won)
        return outcome.state if won else "fenced"
