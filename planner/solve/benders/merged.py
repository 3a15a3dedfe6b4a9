"""Whole numbers on merged steps, in one piece: for programs where merging steps changes the cost by little.

The merged program knows what a pool of cuts does not: what it costs to put orders and gangs together in one place.
Where large gangs rule (a campaign on 10,000 cards is or is not run), the linear relaxation is far below any plan and
cuts at its optimum say nothing about plans. HiGHS branches on the merged program instead; its bound holds for the exact
program, since merging is a relaxation, and its plans are evaluated exactly.

Two solves run side by side: one for the bound, one for plans (a first one within `FIRST_GAP`, then the neighbourhood of
the best: Danna, Rothberg and Le Pape 2005 call the like a relaxation induced one).
"""

from __future__ import annotations

import threading

import numpy as np
import scipy.sparse as sp

from planner.program.blocks import Arrays, FloatArray, IntArray, Program, flatten
from planner.solve.benders.evaluation import HaltedError
from planner.solve.benders.search import Search
from planner.solve.control import Control
from planner.solve.native import Outcome, Settings
from planner.solve.workers import Worker

# The first plan need not be closer than this: its neighbourhood is searched next.
FIRST_GAP = 0.02
# What a neighbourhood holds (choices that everything else hangs on), and what it lets move by `width`.
HELD = ("campaign_place", "campaign_on", "phases", "openings")
NEAR = ("orders", "gangs", "lease_start")
# A neighbourhood is left when it can hide no more than this below the best plan.
SETTLED = 5e-4


class MergedSearch:
    """Plans and bounds from the merged program. The bound's solve starts at once; `run` or `abandon` must follow."""

    def __init__(self, merged: Program, search: Search, control: Control) -> None:
        self.arrays = flatten(merged)
        self._layout = merged.layout
        self._search, self._control = search, control
        self._columns = search.columns
        self._found: list[FloatArray] = []
        self._merged_best = np.inf
        self._failed: list[BaseException] = []
        self._over = threading.Event()
        self._worker = Worker()
        self._thread = threading.Thread(target=self._bounds, name="tideplan-merged-bound", daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        """End the solve for the bound; nothing of it is used."""
        self._over.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def run(self) -> None:
        """Search until the gap is reached, time is over or a halt."""
        control = self._control
        try:
            control.phase = "merged steps in whole numbers"
            first = self._search.solve(self.arrays, 0.5 * control.left(), FIRST_GAP)
            self._offer(first)
            width = 1
            while not control.done:
                self._take_found()
                if control.x is None:
                    if control.wait(0.2):
                        break
                    continue
                control.phase = f"neighbourhood of the best plan, {width} modules wide"
                before = control.objective
                outcome = self._search.solve(self.near(control.x, width), max(0.4 * control.left(), 5.0), SETTLED)
                self._offer(outcome)
                width = 1 if control.objective < before * (1 - 1e-5) else width + 1
        except HaltedError:
            pass
        finally:
            self.abandon()
            self._thread.join(2.0)
        if self._failed and not isinstance(self._failed[0], HaltedError):
            raise self._failed[0]

    def near(self, plan: FloatArray, width: int) -> Arrays:
        """The merged program with the great choices of `plan` held and its orders and gangs within `width` of it."""
        arrays = self.arrays
        lower, upper = arrays.lower.copy(), arrays.upper.copy()
        held, moved = self._named(HELD), self._named(NEAR)
        lower[held] = upper[held] = np.round(plan[held])
        lower[moved] = np.maximum(lower[moved], np.round(plan[moved]) - width)
        upper[moved] = np.minimum(upper[moved], np.round(plan[moved]) + width)
        return Arrays(arrays.matrix, arrays.cost, lower, upper, arrays.row_lower, arrays.row_upper, arrays.integer)

    def _named(self, names: tuple[str, ...]) -> IntArray:
        index = [self._layout.columns[n].ravel() for n in names if n in self._layout.columns]
        joined = np.concatenate(index) if index else np.zeros(0, np.int64)
        return np.unique(joined[joined >= 0])

    def _offer(self, outcome: Outcome) -> None:
        if outcome.x is None:
            return
        self._merged_best = min(self._merged_best, outcome.objective)
        self._evaluate(outcome.x[: self._columns])

    def _evaluate(self, x: FloatArray) -> None:
        # the rest of the master goes with its whole numbers: it was chosen for dispatch, and cuts near here are few
        plan = x.copy()
        plan[self._search.whole] = np.round(plan[self._search.whole])
        if self._search.master.holds(plan):
            self._search.offer(plan)
        else:
            self._search.try_plan(plan)

    def _take_found(self) -> None:
        while self._found:
            self._evaluate(self._found.pop())

    def _bounds(self) -> None:
        """The merged program again and again, each time with more of the time and below the best that is known."""
        control, share = self._control, 0.45
        try:
            while not (self._over.is_set() or control.done):
                settings = Settings(
                    "highs",
                    seconds=max(share * control.left(), 1.0),
                    gap=0.3 * control.limits.gap,
                    seed=control.limits.seed + 1,
                )
                outcome = self._worker.native(self._cut_off(), settings, control)
                if outcome is None or self._over.is_set():
                    return
                if outcome.status == "infeasible":
                    # nothing in whole numbers below the cut-off
                    control.raise_bound(self._merged_best)
                    return
                control.raise_bound(min(outcome.bound, self._merged_best))
                if outcome.x is not None:
                    self._merged_best = min(self._merged_best, outcome.objective)
                    self._found.append(outcome.x[: self._columns])
                if outcome.status == "optimal":
                    return
                share = 0.85
        except BaseException as error:
            self._failed.append(error)

    def _cut_off(self) -> Arrays:
        """The merged program with a row that leaves only what is cheaper than the best merged plan."""
        if not np.isfinite(self._merged_best):
            return self.arrays
        a = self.arrays
        return Arrays(
            sp.csr_matrix(sp.vstack([a.matrix, sp.csr_matrix(a.cost)])),
            a.cost,
            a.lower,
            a.upper,
            np.append(a.row_lower, -np.inf),
            np.append(a.row_upper, self._merged_best),
            a.integer,
        )
