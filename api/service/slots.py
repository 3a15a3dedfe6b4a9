"""Work outside the queue takes part in limits: what is made while somebody waits has slots, and each key a share.

A request that waits holds a thread. So few may wait: the rest are told to come again, and reading goes on meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Semaphore

from api.jobs.problems import ProblemError


class Slots:
    """at_once: how much is worked on. waiting: how many more may wait for it. per_key: both together for one key."""

    def __init__(self, *, at_once: int, waiting: int, per_key: int) -> None:
        self.at_once, self.waiting, self.per_key = at_once, waiting, per_key
        self._free = Semaphore(at_once)
        self._lock = Lock()
        self._inside: Counter[str] = Counter()

    @contextmanager
    def counted(self, owner: str) -> Iterator[None]:
        """Be one of those who work or wait. Raises ProblemError at once when the key, or everyone, has too much."""
        again = {"Retry-After": "2"}
        with self._lock:
            if self._inside[owner] >= self.per_key:
                detail = f"found {self._inside[owner]} requests of this key at work; allowed: {self.per_key}"
                raise ProblemError("too-many-unfinished", detail, headers=again)
            if self._inside.total() >= self.at_once + self.waiting:
                raise ProblemError("busy", f"{self._inside.total()} requests are at work or wait.", headers=again)
            self._inside[owner] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[owner] -= 1
                if not self._inside[owner]:
                    del self._inside[owner]

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work, as soon as a slot is free; only for those who are counted."""
        with self._free:
            yield

    @contextmanager
    def taken(self, owner: str) -> Iterator[None]:
        """Be counted and work. Raises ProblemError at once when there is too much."""
        with self.counted(owner), self.working():
            yield

    def inside(self) -> int:
        """How many work or wait at this moment."""
        with self._lock:
            return self._inside.total()
