"""Whole numbers on merged steps, in one piece: for programs where merging steps changes the cost by little.

The merged program knows what a pool of cuts does not: what it costs to put orders and gangs together in one place.
Where large gangs rule (a campaign on 10,000 cards is or is not run), the linear relaxation is far below any plan and
cuts at its optimum say nothing about plans. HiGHS branches on the merged program instead; its bound holds for the exact
program, since merging is a relaxation, and its plans are evaluated exactly.

It goes in stages, because HiGHS on all whole numbers at once is lost in them (the national example on a mean day: 203.0
in 60 s; great choices first, the rest then: 197.5 in 50 s). Great choices are what everything else hangs on: campaigns
and where they run, power phases, openings.

Plans: the great choices on a mean day (an estimate), then the rest with these held, then the neighbourhood of the best
(Danna, Rothberg and Le Pape 2005 call the like a relaxation induced one). Bounds, beside: only campaigns whole, then
all but the orders; the great choices found there are taken up by the search for plans.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import Arrays, Program, flatten
from planner.program.decisions import DECISIONS, of_size
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import HaltedError
from planner.solve.benders.search import Search
from planner.solve.control import Control
from planner.solve.linear import attempts
from planner.solve.native import Outcome, Settings
from planner.solve.tuning import TUNING
from planner.solve.workers import Worker

# Great choices are held by a neighbourhood; what stands in NEAR it lets move by `width`.
GREAT, NEAR = of_size("great"), of_size("near")
CAMPAIGNS = tuple(name for name in GREAT if DECISIONS[name].role == "scheduled")
# What may be any whole number when a plan is first made; the rest is next to where it was relaxed.
OPEN = ("gangs",)


class MergedSearch:
    """Plans and bounds from the merged program. The bound's solve starts at once; `run` or `abandon` must follow."""

    def __init__(self, merged: Program, search: Search, control: Control, start: FloatArray) -> None:
        self._merged, self.arrays = merged, flatten(merged)
        self._layout = merged.layout
        self._search, self._control = search, control
        self._columns = search.columns
        self._points = [start]  # master columns where exact cuts are known
        self._found: list[FloatArray] = []  # great choices
        self._ends: list[FloatArray] = []  # master columns at which the bound's last stage ended
        self._ended_at: list[FloatArray] = []  # those of them where exact cuts are known
        self._tried: list[FloatArray] = []
        self._merged_best = self._limit = np.inf
        self._failed: list[BaseException] = []
        self._over = threading.Event()
        self._worker = Worker()
        self._thread = threading.Thread(target=self._bounds, name="tideplan-merged-bound", daemon=True)
        self._thread.start()

    def abandon(self) -> None:
        """End the solve for the bound; nothing of it is used."""
        self._over.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def run(self, mean_day: Program | None) -> None:
        """Search until the gap is reached, time is over or a halt. mean_day: the program for the first plan."""
        control = self._control
        try:
            if mean_day is not None:
                self._first_plan(mean_day)
            width, gap = 1, TUNING.merged_first_gap
            while not control.done:
                self._take_found()
                self._take_ends()
                if control.x is None:
                    if control.wait(0.2):
                        break
                    continue
                control.phase = "neighbourhood of the best plan"
                before = control.objective
                outcome = self._search.solve(self.near(control.x, width), max(0.4 * control.left(), 5.0), gap)
                self._offer(outcome)
                if control.objective > before * (1 - gap):
                    width = 1 if control.objective < before * (1 - 1e-5) else width + (gap <= TUNING.settled)
                    gap = max(gap / 4, TUNING.settled)
        except HaltedError:
            pass
        finally:
            self.abandon()
            self._thread.join(2.0)
        if self._failed and not isinstance(self._failed[0], HaltedError):
            raise self._failed[0]

    def _first_plan(self, mean_day: Program) -> None:
        """Great choices on a mean day, where they are found in seconds, then the rest on all days.

        The rest on a mean day, too, was no plan: it falls short on the busy ones (2.80 instead of 2.17 bn).
        """
        control, search = self._control, self._search
        control.phase = "great choices, on a mean day"
        arrays, names = flatten(mean_day), mean_day.layout.columns
        great = columns_of(names, GREAT)
        outcome = search.solve(_only(arrays, great), 0.25 * control.left(), TUNING.great_gap)
        if outcome.x is None:
            return
        self._under(outcome.x[great])

    def _under(self, great: FloatArray) -> None:
        """The best plan with these great choices, unless they were tried before."""
        great = np.round(great)
        if any(np.array_equal(great, other) for other in self._tried):
            return
        self._tried.append(great)
        self._control.phase = "the rest under great choices"
        held = held_at(self.arrays, self._named(GREAT), great)
        share = 0.35 * self._control.left()
        relaxed = attempts(held, share)
        if relaxed.x is None:
            return
        for tried in boxes(held, self._layout.columns, relaxed.x):
            outcome = self._search.solve(tried, share, TUNING.merged_first_gap)
            if outcome.x is not None:
                break
        self._offer(outcome)

    def near(self, plan: FloatArray, width: int) -> Arrays:
        """The merged program with the great choices of `plan` held and its orders and gangs within `width` of it.

        plan: (columns,) of the master.
        """
        held = self._named(GREAT)
        return boxed(held_at(self.arrays, held, np.round(plan[held])), self._layout.columns, np.round(plan), width)

    def _with_exact_cuts(self) -> Arrays:
        """The merged program with what exact blocks are known to be worth: the best cuts at the points evaluated.

        extra_b >= constant + slope x - cost_b'y_b, extra_b >= 0, at cost 1. Of the 0.7 % that merged steps miss at the
        national example's best plan, the cuts at the relaxation's optimum alone bring back half in the bound. Plans are
        looked for without them: in half the time, and as good.
        """
        with self._search.state.lock:
            points = (*self._points, *self._ended_at)
            return with_exact_cuts(self.arrays, self._merged, self._search.master.pool, points)

    def _named(self, names: tuple[str, ...]) -> IntArray:
        return columns_of(self._layout.columns, names)

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
        self._points = [self._points[0], *(e[1] for e in self._search.state.elite[: TUNING.exact_points])]

    def _take_found(self) -> None:
        """Great choices that the bound's solves found."""
        while self._found:
            self._under(self._found.pop())

    def _take_ends(self) -> None:
        """Where the bound ended below the plans, exact blocks are looked at: what they say there raises it."""
        while self._ends:
            x = self._ends[0]
            self._search.exact(x)
            self._ended_at = [*self._ended_at[1 - TUNING.end_points :], x]
            self._ends.pop(0)

    def _bounds(self) -> None:
        """Relaxations with more and more whole, each below the best merged plan that is known; the last one again with
        the exact cuts at where it ended, as long as there is time."""
        control, great = self._control, self._named(GREAT)
        integer = self.arrays.integer
        everything = np.flatnonzero(integer)
        stages = [self._named(CAMPAIGNS), np.setdiff1d(everything, self._named(("orders",))), everything]
        stages = [stage for stage in stages if integer[stage].any()]
        try:
            for whole in stages:
                outcome = self._bound(whole, 0.5 if whole is not everything else 1.0, self._merged_best)
                if outcome is None:
                    return
                if outcome.x is not None:
                    self._found.append(outcome.x[great])
                if outcome.status == "infeasible":
                    break
            # Below the best plan, exact blocks may cost more than merged ones: then that is the limit to prove.
            while outcome is not None and not control.done and control.left() > TUNING.before_end_seconds:
                if outcome.x is not None:
                    self._ends.append(outcome.x[: self._columns])
                    while self._ends:
                        if self._over.wait(0.1):
                            return
                if outcome.status == "infeasible" and self._limit >= control.objective:
                    return
                outcome = self._bound(everything, 1.0, control.objective)
        except BaseException as error:  # noqa: BLE001 - told in the thread that asked
            self._failed.append(error)

    def _bound(self, whole: IntArray, share: float, limit: float) -> Outcome | None:
        """Raise the bound with these columns whole, in this share of the time, by looking for what costs less than
        `limit`; None when it was ended."""
        control, self._limit = self._control, limit
        settings = Settings(
            "highs",
            seconds=max((control.left() - TUNING.before_end_seconds) * share, 1.0),
            gap=0.3 * control.limits.gap,
            seed=control.limits.seed + 1,
        )
        outcome = self._worker.native(_only(self._cut_off(limit), whole), settings, control)
        if outcome is None or self._over.is_set():
            return None
        # nothing in whole numbers below the limit
        control.raise_bound(limit if outcome.status == "infeasible" else min(outcome.bound, limit))
        return outcome

    def _cut_off(self, limit: float) -> Arrays:
        """The merged program with a row that leaves only what is cheaper than `limit`."""
        a = self._with_exact_cuts()
        if not np.isfinite(limit):
            return a
        return a.with_rows(sp.csr_matrix(a.cost), -np.inf, limit)


def with_exact_cuts(flat: Arrays, merged: Program, pool: CutPool, points: Sequence[FloatArray]) -> Arrays:
    """`flat`, the merged program written out, with the best cuts of exact blocks at these points.

    extra_b >= constant + slope x - cost_b'y_b, extra_b >= 0, at cost 1. points: (columns,) of the master each.
    """
    chosen = np.unique(np.concatenate([pool.best(x) for x in points]))
    chosen = chosen[chosen >= 0]
    owner, constant, slope = pool.owner[chosen], pool.constant[chosen], pool.slope[chosen]
    sizes = np.array([len(block.cost) for block in merged.blocks])
    of = np.repeat(np.arange(len(sizes)), sizes)
    worth = np.concatenate([block.cost for block in merged.blocks])
    costs = sp.csr_matrix((worth, (of, np.arange(len(of)))), shape=(len(sizes), len(of)))
    weight = merged.risk.mean_weight if merged.risk else 1.0
    extra = sp.identity(len(sizes), format="csr")
    rows = sp.hstack([-slope, costs[owner], extra[owner]])
    return flat.with_columns(sp.csr_matrix((flat.rows, len(sizes))), cost=weight).with_rows(rows, constant, np.inf)


def columns_of(names: Mapping[str, IntArray], wanted: tuple[str, ...]) -> IntArray:
    """All columns of these names, in an order that only depends on the case. (columns,) their numbers."""
    index = [names[n].ravel() for n in wanted if n in names]
    joined = np.concatenate(index) if index else np.zeros(0, np.int64)
    return joined[joined >= 0]


def boxed(
    arrays: Arrays, names: Mapping[str, IntArray], x: FloatArray, width: int, opened: tuple[str, ...] = ()
) -> Arrays:
    """`arrays` with what is near (`NEAR`) between the whole numbers next to x, and so many beyond; `opened`: names that
    stay as they are. x: (columns,)."""
    near = columns_of(names, tuple(name for name in NEAR if name not in opened))
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    lower[near] = np.maximum(lower[near], np.floor(x[near] + 1e-6) - width)
    upper[near] = np.minimum(upper[near], np.ceil(x[near] - 1e-6) + width)
    return replace(arrays, lower=lower, upper=upper)


def boxes(arrays: Arrays, names: Mapping[str, IntArray], x: FloatArray) -> tuple[Arrays, Arrays, Arrays]:
    """Where whole numbers are looked for in turn, x being the relaxed optimum: with nothing but `OPEN` away from it
    (1 s on a future of the national example, nearly always a plan), one wider (better, in 3 to 20 s), anywhere."""
    return boxed(arrays, names, x, 0, OPEN), boxed(arrays, names, x, 1), arrays


def held_at(arrays: Arrays, columns: IntArray, values: FloatArray) -> Arrays:
    """The same with these columns at these values, as far as their bounds allow. columns, values: (held,)."""
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    lower[columns] = upper[columns] = np.clip(values, lower[columns], upper[columns])
    return replace(arrays, lower=lower, upper=upper)


def _only(arrays: Arrays, whole: IntArray) -> Arrays:
    """The same with only these columns whole, of those that are."""
    keep = np.zeros(arrays.columns, bool)
    keep[whole] = arrays.integer[whole]
    return replace(arrays, integer=keep)
