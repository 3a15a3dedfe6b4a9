"""What the service asks of a job engine: six methods, so that another engine could take its place.

An engine promises that a submitted run is performed at least once, by whatever process is alive; that a run is
performed only so often that its result counts once is the business of `api.store.runs` (fencing).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from sqlalchemy import Connection

from api.store.runs import Run

JobStatus = Literal["waiting", "running", "ended", "unknown"]
Perform = Callable[[str], str]


class JobEngine(Protocol):
    def start(self, perform: Perform | None) -> None:
        """Begin to hand out work to `perform(run_id)`; None: only submit and steer."""

    def submit(self, connection: Connection, run: Run) -> None:
        """Queue the run's job in the caller's transaction: row and job are committed together, or neither."""

    def cancel(self, run: Run) -> None:
        """Take a waiting job out of the queue; a running one is ended by its runner, which reads the run's wish."""

    def status(self, run: Run) -> JobStatus:
        """Where the run's present job stands."""

    def recover(self, executors: Sequence[str]) -> int:
        """Queue again what these silent executors left undone; returns how many jobs."""

    def stop(self) -> None:
        """Hand out no more work and let go of the database."""
