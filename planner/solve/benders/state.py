"""Where a search has been: the points whose cuts every pruned master keeps, and the best plans."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from planner.arrays import BoolArray, FloatArray
from planner.solve.benders.relaxation import Relaxed
from planner.solve.tuning import TUNING


@dataclass
class SearchState:
    """Master columns (columns,) each. The search for plans and that for bounds share it, and the pool, under `lock`.

    relaxed: where the linear relaxation ended. base: optima of relaxations, whose tight cuts hold the bound. seeds:
    plans that were tried. elite: the best plans with their costs, best first. between: where further cuts were made.
    tried: patterns of first-stage binaries that were polished.
    """

    relaxed: Relaxed
    base: list[FloatArray]
    seeds: list[FloatArray] = field(default_factory=list)
    elite: list[tuple[float, FloatArray]] = field(default_factory=list)
    between: list[FloatArray] = field(default_factory=list)
    tried: list[BoolArray] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def hold(self, x: FloatArray) -> None:
        """Remember an optimum of a relaxation: the cuts that are tight there hold the bound.

        x: (columns,) of the master.
        """
        with self.lock:
            self.base = [*self.base[-TUNING.base_points :], x]

    def enter(self, relaxed: Relaxed) -> None:
        """Go on from a better relaxation than the one at the start."""
        self.relaxed = relaxed
        self.base = [*self.base[-TUNING.base_points :], *relaxed.points]

    def add_plan(self, cost: float, x: FloatArray) -> None:
        """Remember a plan if it is among the best. x: (columns,) of the master."""
        self.elite = sorted([*self.elite, (cost, x)], key=lambda e: e[0])[: TUNING.elite]

    def around(self, recent: int) -> list[FloatArray]:
        """Points whose cuts hold the bound, and where the search has been, the last `recent` plans of it.

        (columns,) each.
        """
        return [*self.base, self.relaxed.x, *self.seeds[-recent:], *(e[1] for e in self.elite)]

    def near(self) -> list[FloatArray]:
        """Recent points: their cuts are all that matters where first-stage binaries are held. (columns,) each."""
        return [*self.base[-12:], *self.seeds[-12:], *self.between[-48:], *(e[1] for e in self.elite)]
