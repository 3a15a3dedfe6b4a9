"""Plans and bounds for several futures, each solved by itself on merged steps.

What bounds a plan for many futures is what each future costs when it is known (`apart`), and where campaigns rule a
tree over them (`tree`) proves that in seconds a future. What it is made of is found likewise: with what the futures
share held, the rest is again one program a future. So the work grows with their number and no faster.

1. The future at the 80 % quantile of size: its relaxation, whole numbers under the campaigns nearest to it, carried
   over to all futures. Beside it, all futures together on mean days, relaxed: what shared decisions are worth to each.
2. The trees of all futures at these prices, side by side: a bound of all (`apart`: prices of what is shared). Beside
   them, each future's own late decisions under the early ones of the first plan.
3. Until the end, side by side: leaves refined (all but orders whole, with exact cuts) for the bound; late decisions
   under the campaigns of a future's own tree, early decisions of other futures, and neighbourhoods, for the plan.

Exact blocks are evaluated for all futures together (`benders.evaluation`): they differ in sides only and share bases.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Arrays, Program, flatten
from planner.solve.benders.evaluation import HaltedError
from planner.solve.benders.merged import boxed, boxes, columns_of, held_at, with_exact_cuts
from planner.solve.benders.search import Search
from planner.solve.benders.start import Coarse
from planner.solve.control import Control
from planner.solve.futures import tree
from planner.solve.futures.apart import Alone, Apart
from planner.solve.futures.tree import Campaigns, Grown, Leaf
from planner.solve.linear import attempts
from planner.solve.native import Settings
from planner.solve.tuning import TUNING
from planner.solve.workers import Worker

_T = TypeVar("_T")

# Gaps of whole numbers under a leaf: for the first plan, for those after it, and at the end.
FIRST_GAP, LATER_GAP, LAST_GAP = 0.03, 0.01, 1e-3
# A wider box has this part of the time that is left, and at least so many seconds.
WIDER_PART, WIDER_S = 0.08, 5.0
# Prices of what is shared take no more than this part of the time.
PRICES_PART = 0.2
# Trees grow until what is open costs so much more than the best leaf; more each time, as leaves are refined.
BEYOND = (0.0, 0.005, 0.01, 0.02)
# A refined leaf has this part of the time that is left, and at least so many seconds.
REFINED_PART, REFINED_S = 0.4, 10.0
# A first plan bills so many times what merged steps draw: hours draw more than their mean.
GENEROUS = 2.0
_POLL_S = 0.1
# So many nodes of a tree at a time: a few seconds on the national example.
NODES = 6


@dataclass
class _Side:
    """What is known of one future. arrays: at its part of all costs, for plans; priced: at the prices of what is
    shared, for bounds. plan: (columns of it alone and merged,) its best with its own early decisions; late: the same
    under those of the plan; refined: bound of each leaf by its campaigns."""

    alone: Alone
    arrays: Arrays
    priced: Arrays
    campaigns: Campaigns
    token: str
    grown: Grown | None = None
    plan: FloatArray | None = None
    late: FloatArray | None = None
    refined: dict[bytes, float] = field(default_factory=dict)

    def price(self, shares: FloatArray) -> None:
        """shares: (F, columns of the whole master)."""
        cost = self.arrays.cost.copy()
        cost[: len(self.alone.columns)] = shares[self.alone.future, self.alone.columns]
        self.priced = replace(self.arrays, cost=cost)

    @property
    def bound(self) -> float:
        """Of what the future costs at the prices of what is shared, times its probability."""
        if self.grown is None:
            return -np.inf
        leaves = [max(leaf.bound, self.refined.get(leaf.great.tobytes(), -np.inf)) for leaf in self.grown.leaves]
        return min([self.grown.open_bound, *leaves])

    def leaf_to_refine(self) -> Leaf | None:
        """The leaf that holds the bound, if one does and it was not refined yet."""
        if self.grown is None:
            return None
        for leaf in self.grown.leaves:
            key = leaf.great.tobytes()
            if key not in self.refined and leaf.bound <= self.bound + 1e-9 * abs(self.bound):
                return leaf
        return None


def suits(program: Program, coarse: Coarse | None) -> bool:
    """Whether futures are better solved by themselves: several, with campaigns, and too large for one piece."""
    futures = {b.key.future for b in program.blocks}
    place = program.layout.columns.get("campaign_place")
    large = sum(len(b.cost) for b in program.blocks) > TUNING.start_columns
    return coarse is not None and len(futures) > 1 and place is not None and place.size > 0 and large


class ByFuture:
    """The search of the module. `run` is False where there was no time for, or no point of, the first future."""

    def __init__(self, program: Program, search: Search, control: Control, coarse: Coarse) -> None:
        self._search, self._control = search, control
        self._coarse, self._merged = coarse, coarse(1, loose=True)
        self._apart = Apart(self._merged)
        self._sides = [self._side(f) for f in range(self._apart.count)]
        self._whole = program.master.integer
        self._workers = [Worker() for _ in range(max(control.limits.threads, 1))]
        self._waiting = ThreadPoolExecutor(len(self._sides), thread_name_prefix="tideplan-future")
        self._points: list[FloatArray] = []
        self._early: FloatArray | None = None

    def _side(self, future: int) -> _Side:
        alone = self._apart.alone(self._merged, future)
        arrays = flatten(alone.program)
        return _Side(alone, arrays, arrays, Campaigns.of(alone.program), uuid.uuid4().hex)

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.shutdown(wait=False, cancel_futures=True)
        self._waiting.shutdown(wait=False, cancel_futures=True)

    # ---- the search
    def run(self) -> bool:
        """Search until the gap is reached, time is over or a halt. Raises HaltedError."""
        control = self._control
        control.phase = "one future by itself"
        star = self._sides[self._apart.at_quantile()]
        others = [side for side in self._sides if side is not star]
        others.sort(key=lambda side: abs(side.alone.future - star.alone.future))
        known = replace(star)  # at its part of all costs: of no use beside bounds at prices
        first = self._begin(known, self._grow, BEYOND[0], 1)
        prices = self._waiting.submit(self._shares, star)
        self._wait(first)
        nearest = None if known.grown is None else known.grown.nearest
        if nearest is not None:
            star.plan = self._rest(known, nearest, None, FIRST_GAP)
        if star.plan is None:
            self._wait(self._begin(known, self._grow, BEYOND[0]))
            if known.grown is None or not known.grown.leaves:
                return False
            star.plan = self._rest(known, known.grown.leaves[0], None, FIRST_GAP)
        if star.plan is None:
            return False
        control.phase = "orders of one future in all"
        lead = self._carry(star)
        shares = self._wait(prices)
        if shares is None:
            star.grown = known.grown
        else:
            for side in self._sides:
                side.price(shares)
            star.token = uuid.uuid4().hex
        for side in others:
            self._begin(side, self._grow, BEYOND[0], 1)  # the relaxation: a first bound
        control.phase = "each future by itself"
        grown = {side.alone.future: self._begin(side, self._grow, BEYOND[0]) for side in (*others, star)}
        bounds = threading.Thread(target=self._refine_all, args=(grown,), daemon=True)
        bounds.start()
        for side in (*others, star):
            great = lead[side.alone.columns[side.campaigns.columns]]
            if side.grown is not None and side.grown.leaves:
                great = side.grown.leaves[0].great
            self._make_late(side, great, LATER_GAP)
        self._offer_late()
        for task in grown.values():
            self._wait(task)
        self._own_campaigns()
        self._improve()
        bounds.join(2.0)
        return True

    def _shares(self, star: _Side) -> FloatArray | None:
        """What shared decisions cost each future (`Apart.shares`), from all of them together on mean days, relaxed: 9 s
        of processor on the national example; all days take 90 s there and prove 0.2 % more."""
        if self._apart.program.risk is not None:
            return None
        joint = self._coarse(1, mean_day=True, loose=True)
        worker = self._workers[(star.alone.future + 1) % len(self._workers)]
        settings = Settings("highs", seconds=max(PRICES_PART * self._control.left(), 1.0))
        flat = flatten(joint)
        outcome = worker.native(replace(flat, integer=np.zeros_like(flat.integer)), settings, self._control)
        if outcome is None or outcome.status != "optimal" or outcome.duals is None:
            return None
        return self._apart.shares(joint, outcome.duals)

    def _own_campaigns(self) -> None:
        """Late decisions under the campaigns of a future's tree, where relaxed they cost less than those at hand."""
        if self._early is None:
            return
        better = False
        for side in self._sides:
            if self._control.done or side.late is None or side.grown is None or not side.grown.leaves:
                continue
            great = side.grown.leaves[0].great
            if np.array_equal(great, np.round(side.late[side.campaigns.columns])):
                continue
            before = float(side.arrays.cost @ side.late)
            late = self._rest(side, great, self._early, LATER_GAP, below=before)
            if late is not None and float(side.arrays.cost @ late) < before:
                side.late, better = late, True
        if better:
            self._offer_late()

    def _improve(self) -> None:
        """Neighbourhoods and early decisions of other futures in turn, until the end."""
        control = self._control
        width, gap = 1, LATER_GAP
        untried = sorted(self._sides, key=lambda s: -float(self._apart.probability[s.alone.future]))
        while not control.done:
            before = control.objective
            control.phase = "neighbourhoods of each future"
            for side in self._sides:
                if not control.done and side.late is not None and self._early is not None:
                    side.late = self._near(side, width, gap)
            self._offer_late()
            if control.objective > before * (1 - gap):
                width, gap = width + (gap <= LAST_GAP), max(gap / 4, LAST_GAP)
            if untried and not control.done:
                control.phase = "early decisions of other futures"
                self._try_early(untried.pop(0))
            if width > 4 and control.wait(1.0):
                return

    # ---- plans
    def _carry(self, side: _Side) -> FloatArray:
        """The whole numbers of one future's plan in all of them: (master columns,), as offered."""
        assert side.plan is not None
        search = self._search
        x = self._apart.carried(search.program, side.alone, side.plan)
        self._early, side.late = side.plan[side.alone.shared].copy(), side.plan
        whole = search.rounded(x)
        if whole is not None:
            # It bills nothing where no cut says so, and every day would be evaluated twice; what is billed beyond what
            # the days draw is taken back.
            billed = search.program.layout.columns.get("billed_kw", np.zeros(0, np.int64))
            billed = billed[billed >= 0]
            whole[billed] = np.maximum(whole[billed], GENEROUS * x[billed])
            search.offer(whole)
        return x

    def _make_late(self, side: _Side, great: FloatArray, gap: float) -> None:
        """A future's late decisions under the plan's early ones, with campaigns as in `great`."""
        if self._early is None or self._control.done:
            return
        found = self._rest(side, great, self._early, gap)
        if found is not None and (side.late is None or side.arrays.cost @ found < side.arrays.cost @ side.late):
            side.late = found

    def _try_early(self, side: _Side) -> None:
        """The early decisions that this future would take by itself, where relaxed they are worth their while."""
        if side.grown is None or not side.grown.leaves or self._early is None:
            return
        if side.plan is None:
            side.plan = self._rest(side, side.grown.leaves[0], None, LATER_GAP)
        if side.plan is None:
            return
        whole = self._whole[self._apart.shared]
        early = np.round(side.plan[side.alone.shared])
        if np.array_equal(early[whole], np.round(self._early[whole])):
            return
        if self._worth(early) >= self._worth(self._early) * (1 - 1e-4):
            return
        kept, former = self._early, [other.late for other in self._sides]
        self._early = early
        for other in self._sides:
            other.late = None
            great = self._great(other)
            if great is not None:
                self._make_late(other, great, LATER_GAP)
        before = self._control.objective
        self._offer_late()
        if self._control.objective >= before:
            self._early = kept
            for other, late in zip(self._sides, former, strict=True):
                other.late = late

    @staticmethod
    def _great(side: _Side) -> FloatArray | None:
        """Campaigns of a future: by its plan's late decisions, else by its tree."""
        if side.late is not None:
            return np.round(side.late[side.campaigns.columns])
        return side.grown.leaves[0].great if side.grown is not None and side.grown.leaves else None

    def _worth(self, early: FloatArray) -> float:
        """What early decisions come to by the relaxations under each future's campaigns."""
        costs = np.zeros(len(self._sides))
        for f, side in enumerate(self._sides):
            great = self._great(side)
            if great is None:
                return np.inf
            held = self._under(side.arrays, side, great, early)
            found = attempts(held, max(self._control.left(), 1.0))
            costs[f] = (found.objective if found.x is not None else np.inf) / self._apart.probability[f]
        return self._apart.measure(costs) if np.isfinite(costs).all() else np.inf

    def _offer_late(self) -> None:
        """All futures' late decisions together with the early ones."""
        lates = [side.late for side in self._sides]
        if self._control.halted or any(late is None for late in lates):
            return
        x = np.full(self._search.columns, -np.inf)
        for side, late in zip(self._sides, lates, strict=True):
            assert late is not None
            np.maximum.at(x, side.alone.columns, late[: len(side.alone.columns)])
        self._offer(np.where(np.isfinite(x), x, 0.0))

    def _offer(self, x: FloatArray) -> None:
        search = self._search
        x[search.whole] = np.round(x[search.whole])
        if search.program.risk is None and search.master.holds(x):
            search.offer(x)
        else:
            search.try_plan(x)
        if self._control.x is not None:
            self._points = [*self._points[-2:], self._control.x]

    def _under(self, arrays: Arrays, side: _Side, great: FloatArray, early: FloatArray | None) -> Arrays:
        arrays = held_at(arrays, side.campaigns.columns, great)
        if early is None:
            return arrays
        whole = self._whole[self._apart.shared]
        return held_at(arrays, side.alone.shared[whole], np.round(early[whole]))

    def _rest(
        self, side: _Side, under: FloatArray | Leaf, early: FloatArray | None, gap: float, below: float = np.inf
    ) -> FloatArray | None:
        """Whole numbers of one future under campaigns, and under early decisions where they are given.

        under: the campaigns, or the leaf that they and their relaxation without early decisions are known from.

        The second of `boxes` is tried where what the first has costs more than `gap` above the relaxed optimum. None
        where there is no plan, or where relaxed it costs no less than `below`.
        """
        arrays = self._under(side.arrays, side, under.great if isinstance(under, Leaf) else under, early)
        seconds = 0.35 * self._control.left()
        if isinstance(under, Leaf) and early is None and side.priced is side.arrays:
            x, relaxed = under.x, under.bound
        else:
            found = attempts(arrays, max(seconds, 1.0))
            if found.x is None or found.objective >= below:
                return None
            x, relaxed = found.x, found.objective
        best, lowest = None, np.inf
        wider = max(WIDER_PART * self._control.left(), WIDER_S)
        tries = boxes(arrays, side.alone.program.layout.columns, x)
        for tried, limit in zip(tries, (seconds, wider, seconds), strict=True):
            if best is not None and (tried is arrays or gap >= FIRST_GAP):
                break
            outcome = self._search.solve(tried, limit, gap)
            if outcome.x is not None and outcome.objective < lowest:
                best, lowest = outcome.x, outcome.objective
            if lowest <= relaxed + gap * abs(relaxed):
                break
        return best

    def _near(self, side: _Side, width: int, gap: float) -> FloatArray | None:
        """The best near a future's late decisions, what futures share and campaigns held."""
        assert side.late is not None
        assert self._early is not None
        arrays = self._under(side.arrays, side, np.round(side.late[side.campaigns.columns]), self._early)
        seconds = max(0.1 * self._control.left(), 3.0)
        outcome = self._search.solve(
            boxed(arrays, side.alone.program.layout.columns, np.round(side.late), width), seconds, gap
        )
        worse = outcome.x is None or outcome.objective > float(side.arrays.cost @ side.late)
        return side.late if worse else outcome.x

    # ---- bounds
    def _grow(self, worker: Worker, side: _Side, beyond: float, nodes: float = np.inf) -> None:
        """Grow a future's tree, a few nodes at a time, so that what it proves on the way is told."""
        while not self._control.done:
            part = min(nodes, NODES)
            found = self._task(worker, tree.grow, side.token, None, self._control.left(), beyond, part)
            if found is None:  # not planted in this process yet
                arrays = replace(side.priced, integer=np.zeros_like(side.priced.integer))
                planted = (arrays, side.campaigns, None if side.priced is side.arrays else side.arrays.cost)
                found = self._task(worker, tree.grow, side.token, planted, self._control.left(), beyond, part)
            if found is None:
                return
            side.grown = found
            self._tell_bound()
            nodes -= part
            if found.done or nodes <= 0:
                return

    def _refine(self, worker: Worker, side: _Side, leaf: Leaf) -> None:
        """All but the orders whole under a leaf, with what exact blocks are known to be worth near plans."""
        arrays = self._under(side.priced, side, leaf.great, None)
        orders = columns_of(side.alone.program.layout.columns, ("orders",))
        integer = arrays.integer.copy()
        integer[orders] = False
        arrays = replace(arrays, integer=integer)
        with self._search.state.lock:
            points = self._points[-2:]
            if points:
                arrays = self._with_exact(arrays, side, points)
        seconds = max(REFINED_PART * self._control.left(), REFINED_S)
        outcome = worker.native(
            arrays, Settings("highs", seconds=min(seconds, self._control.left()), gap=LAST_GAP), self._control
        )
        if outcome is None:
            return
        bound = np.inf if outcome.status == "infeasible" else outcome.bound
        side.refined[leaf.great.tobytes()] = max(leaf.bound, bound)
        self._tell_bound()

    def _with_exact(self, arrays: Arrays, side: _Side, points: list[FloatArray]) -> Arrays:
        pool = self._search.master.pool.of(side.alone.blocks, side.alone.columns)
        return with_exact_cuts(arrays, side.alone.program, pool, [x[side.alone.columns] for x in points])

    def _refine_all(self, grown: dict[int, Future[None]]) -> None:
        """The bound until the end: where least was done a tree's leaf is refined, or the tree grown on. grown: trees
        that are being grown, by future."""
        turns = [1] * len(self._sides)
        busy = dict(grown)
        try:
            while not self._control.done:
                for f in [f for f, task in busy.items() if task.done()]:
                    self._wait(busy.pop(f))
                for f in sorted(range(len(self._sides)), key=lambda f: len(self._sides[f].refined)):
                    if f in busy or len(busy) >= len(self._workers):
                        continue
                    side = self._sides[f]
                    leaf = side.leaf_to_refine()
                    if leaf is not None:
                        busy[f] = self._begin(side, self._refine, leaf)
                    elif turns[f] < len(BEYOND):
                        busy[f] = self._begin(side, self._grow, BEYOND[turns[f]])
                        turns[f] += 1
                if self._control.wait(_POLL_S) or not busy:
                    return
        except HaltedError:
            return

    def _tell_bound(self) -> None:
        known = np.array([side.bound for side in self._sides])
        if np.isfinite(known).all():
            self._control.raise_bound(self._apart.measure(known / self._apart.probability))

    # ---- work beside
    def _begin(self, side: _Side, work: Callable[..., None], *arguments: object) -> Future[None]:
        """In the process of the future, which keeps its tree: one task after the other there."""

        def begun() -> None:
            if not self._control.halted:
                work(self._workers[side.alone.future % len(self._workers)], side, *arguments)

        return self._waiting.submit(begun)

    def _task(self, worker: Worker, function: Callable[..., Grown | None], *arguments: object) -> Grown | None:
        task = worker.submit(function, *arguments)
        while True:
            try:
                found: Grown | None = task.result(timeout=_POLL_S)
                return found
            except TimeoutError:
                if self._control.halted:
                    raise HaltedError from None
            except (BrokenExecutor, CancelledError):
                return None

    def _wait(self, task: Future[_T]) -> _T:
        while True:
            try:
                return task.result(timeout=_POLL_S)
            except TimeoutError:
                if self._control.halted:
                    raise HaltedError from None
