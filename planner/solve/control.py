"""The state that a running search shares with whoever waits for it: best plan, bound, time, stop.

A route runs in a thread of its own; the caller's thread watches the clock and the stop signal, and passes
progress on. Everything here is safe to call from several threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil

from planner.arrays import FloatArray

from .limits import Limits
from .progress import Progress, relative_gap
from .tuning import TUNING


class Control:
    """Best plan and bound so far, and the means to end the search."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.objective = np.inf
        self.bound = -np.inf
        self.x: FloatArray | None = None
        self.blocks: list[FloatArray] | None = None
        self.trace: list[Progress] = []
        self.peak_mb = 0.0
        self.relaxation: list[tuple[float, float, float]] = []
        self.phase = "start"
        self.evaluations = 0
        self._began = time.monotonic()
        self._lock = threading.RLock()
        self._halt = threading.Event()
        self._making = 0

    # ---- time and stop
    @property
    def seconds(self) -> float:
        """Since the solve began."""
        return time.monotonic() - self._began

    def left(self) -> float:
        """Seconds that may still be used; 0 after a halt."""
        return 0.0 if self.halted else max(self.limits.seconds - self.seconds, 0.0)

    @property
    def halted(self) -> bool:
        """Whether the search is to end."""
        return self._halt.is_set()

    def halt(self) -> None:
        """End the search; whoever waits for a worker calls it off."""
        with self._lock:
            self._halt.set()

    def wait(self, seconds: float) -> bool:
        """Sleep at most so long; True when the search is over."""
        return self._halt.wait(seconds)

    @property
    def over(self) -> bool:
        """Whether the time is used up. Without a plan yet, one that is being evaluated is waited for (`making`)."""
        grace = TUNING.first_grace_seconds if self._making and self.x is None else 0.0
        return self.seconds > self.limits.seconds + grace

    @contextmanager
    def making(self) -> Iterator[None]:
        """Around the exact evaluation of a plan: if it is the first, the time limit does not cut it off near its end.

        A stop by hand does.
        """
        with self._lock:
            self._making += 1
        try:
            yield
        finally:
            with self._lock:
                self._making -= 1

    # ---- plan and bound
    @property
    def gap(self) -> float:
        """(objective - bound) / objective."""
        return relative_gap(self.objective, self.bound)

    @property
    def done(self) -> bool:
        """Whether there is nothing more to do."""
        return self.halted or self.gap <= self.limits.gap

    def offer(self, objective: float, x: FloatArray, blocks: list[FloatArray] | None = None) -> bool:
        """A plan whose cost has been evaluated exactly; kept when it is the best so far.

        blocks: the block columns of the plan where they are at hand; else they are solved for at the end.
        x: (columns,) of the master; blocks: (columns,) each.
        """
        with self._lock:
            if not objective < self.objective:
                return False
            self.objective, self.x, self.blocks = float(objective), x.copy(), blocks
            self._record()
            return True

    def raise_bound(self, bound: float) -> None:
        """A proven lower bound on every plan's cost."""
        with self._lock:
            if np.isfinite(bound) and bound > self.bound + 1e-9 * max(1.0, abs(bound)):
                self.bound = float(bound)
                self._record()

    def note_relaxation(self, value: float, bound: float) -> None:
        """Remember how far the linear relaxation has come: `relaxation` holds (seconds, value, bound) by round."""
        with self._lock:
            self.relaxation.append((self.seconds, value, bound))

    def note_evaluations(self, count: int) -> None:
        """Blocks were evaluated."""
        with self._lock:
            self.evaluations += count

    def _record(self) -> None:
        self.trace.append(self.progress())

    def progress(self) -> Progress:
        """How it stands."""
        with self._lock:
            took = len(self.relaxation), self.evaluations
            return Progress(self.objective, self.bound, self.gap, self.phase, self.seconds, *took)

    def measure(self) -> None:
        """Take the memory of this process and its children; ends the search above `memory_gb`."""
        own = psutil.Process()
        total = own.memory_info().rss
        for child in own.children(recursive=True):
            try:
                total += child.memory_info().rss
            except psutil.Error:
                continue
        self.peak_mb = max(self.peak_mb, total / 2**20)
        if self.limits.memory_gb is not None and total / 2**30 > self.limits.memory_gb:
            self.halt()
