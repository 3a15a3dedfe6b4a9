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
from dataclasses import replace

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Program, flatten
from planner.solve.benders.merged import boxed, boxes
from planner.solve.benders.search import Search
from planner.solve.benders.start import Coarse
from planner.solve.control import Control
from planner.solve.futures.apart import Apart
from planner.solve.futures.bound import Bound
from planner.solve.futures.side import Side
from planner.solve.futures.tree import Campaigns, Leaf
from planner.solve.linear import attempts
from planner.solve.native import Settings
from planner.solve.tuning import TUNING


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
        self._whole = program.master.integer[self._apart.shared]
        self._sides = [self._side(f) for f in range(self._apart.count)]
        self._bound = Bound(search, control, self._apart, self._sides)
        self._early: FloatArray | None = None

    def _side(self, future: int) -> Side:
        alone = self._apart.alone(self._merged, future)
        arrays = flatten(alone.program)
        return Side(alone, arrays, arrays, Campaigns.of(alone.program), uuid.uuid4().hex, self._whole)

    def close(self) -> None:
        """End the processes."""
        self._bound.close()

    # ---- the search
    def run(self) -> bool:
        """Search until the gap is reached, time is over or a halt. Raises HaltedError."""
        control = self._control
        control.phase = "one future by itself"
        star = self._sides[self._apart.at_quantile()]
        others = [side for side in self._sides if side is not star]
        others.sort(key=lambda side: abs(side.alone.future - star.alone.future))
        known = replace(star)  # at its part of all costs: of no use beside bounds at prices
        first = self._bound.begin(known, self._bound.grow, TUNING.beyond[0], 1)
        prices = self._bound.waiting.submit(self._shares, star)
        self._bound.wait(first)
        nearest = None if known.grown is None else known.grown.nearest
        if nearest is not None:
            star.plan = self._rest(known, nearest, None, TUNING.first_gap)
        if star.plan is None:
            self._bound.wait(self._bound.begin(known, self._bound.grow, TUNING.beyond[0]))
            if known.grown is None or not known.grown.leaves:
                return False
            star.plan = self._rest(known, known.grown.leaves[0], None, TUNING.first_gap)
        if star.plan is None:
            return False
        control.phase = "orders of one future in all"
        lead = self._carry(star)
        shares = self._bound.wait(prices)
        if shares is None:
            star.grown = known.grown
        else:
            for side in self._sides:
                side.price(shares)
            star.token = uuid.uuid4().hex
        for side in others:
            self._bound.begin(side, self._bound.grow, TUNING.beyond[0], 1)  # the relaxation: a first bound
        control.phase = "each future by itself"
        grown = {
            side.alone.future: self._bound.begin(side, self._bound.grow, TUNING.beyond[0]) for side in (*others, star)
        }
        bounds = threading.Thread(target=self._bound.until_end, args=(grown,), daemon=True)
        bounds.start()
        for side in (*others, star):
            great = lead[side.alone.columns[side.campaigns.columns]]
            if side.grown is not None and side.grown.leaves:
                great = side.grown.leaves[0].great
            self._make_late(side, great, TUNING.later_gap)
        self._offer_late()
        for task in grown.values():
            self._bound.wait(task)
        self._own_campaigns()
        self._improve()
        bounds.join(2.0)
        return True

    def _shares(self, star: Side) -> FloatArray | None:
        """What shared decisions cost each future (`Apart.shares`), from all of them together on mean days, relaxed: 9 s
        of processor on the national example; all days take 90 s there and prove 0.2 % more."""
        if self._apart.program.risk is not None:
            return None
        joint = self._coarse(1, mean_day=True, loose=True)
        worker = self._bound.workers[(star.alone.future + 1) % len(self._bound.workers)]
        settings = Settings("highs", seconds=max(TUNING.prices_share * self._control.left(), 1.0))
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
            late = self._rest(side, great, self._early, TUNING.later_gap, below=before)
            if late is not None and float(side.arrays.cost @ late) < before:
                side.late, better = late, True
        if better:
            self._offer_late()

    def _improve(self) -> None:
        """Neighbourhoods and early decisions of other futures in turn, until the end."""
        control = self._control
        width, gap = 1, TUNING.later_gap
        untried = sorted(self._sides, key=lambda s: -float(self._apart.probability[s.alone.future]))
        while not control.done:
            before = control.objective
            control.phase = "neighbourhoods of each future"
            for side in self._sides:
                if not control.done and side.late is not None and self._early is not None:
                    side.late = self._near(side, width, gap)
            self._offer_late()
            if control.objective > before * (1 - gap):
                width, gap = width + (gap <= TUNING.last_gap), max(gap / 4, TUNING.last_gap)
            if untried and not control.done:
                control.phase = "early decisions of other futures"
                self._try_early(untried.pop(0))
            if width > TUNING.widest and control.wait(1.0):
                return

    # ---- plans
    def _carry(self, side: Side) -> FloatArray:
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
            whole[billed] = np.maximum(whole[billed], TUNING.generous * x[billed])
            search.offer(whole)
        return x

    def _make_late(self, side: Side, great: FloatArray, gap: float) -> None:
        """A future's late decisions under the plan's early ones, with campaigns as in `great`."""
        if self._early is None or self._control.done:
            return
        found = self._rest(side, great, self._early, gap)
        if found is not None and (side.late is None or side.arrays.cost @ found < side.arrays.cost @ side.late):
            side.late = found

    def _try_early(self, side: Side) -> None:
        """The early decisions that this future would take by itself, where relaxed they are worth their while."""
        if side.grown is None or not side.grown.leaves or self._early is None:
            return
        if side.plan is None:
            side.plan = self._rest(side, side.grown.leaves[0], None, TUNING.later_gap)
        if side.plan is None:
            return
        early = np.round(side.plan[side.alone.shared])
        if np.array_equal(early[self._whole], np.round(self._early[self._whole])):
            return
        if self._worth(early) >= self._worth(self._early) * (1 - 1e-4):
            return
        kept, former = self._early, [other.late for other in self._sides]
        self._early = early
        for other in self._sides:
            other.late = None
            great = self._great(other)
            if great is not None:
                self._make_late(other, great, TUNING.later_gap)
        before = self._control.objective
        self._offer_late()
        if self._control.objective >= before:
            self._early = kept
            for other, late in zip(self._sides, former, strict=True):
                other.late = late

    @staticmethod
    def _great(side: Side) -> FloatArray | None:
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
            held = side.under(side.arrays, great, early)
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
            self._bound.points = [*self._bound.points[-TUNING.refined_points :], self._control.x]

    def _rest(
        self, side: Side, under: FloatArray | Leaf, early: FloatArray | None, gap: float, below: float = np.inf
    ) -> FloatArray | None:
        """Whole numbers of one future under campaigns, and under early decisions where they are given.

        under: the campaigns, or the leaf that they and their relaxation without early decisions are known from.

        The second of `boxes` is tried where what the first has costs more than `gap` above the relaxed optimum. None
        where there is no plan, or where relaxed it costs no less than `below`.
        """
        arrays = side.under(side.arrays, under.great if isinstance(under, Leaf) else under, early)
        seconds = TUNING.rest_share * self._control.left()
        if isinstance(under, Leaf) and early is None and side.priced is side.arrays:
            x, relaxed = under.x, under.bound
        else:
            found = attempts(arrays, max(seconds, 1.0))
            if found.x is None or found.objective >= below:
                return None
            x, relaxed = found.x, found.objective
        best, lowest = None, np.inf
        wider = max(TUNING.wider_share * self._control.left(), TUNING.wider_seconds)
        tries = boxes(arrays, side.alone.program.layout.columns, x)
        for tried, limit in zip(tries, (seconds, wider, seconds), strict=True):
            if best is not None and (tried is arrays or gap >= TUNING.first_gap):
                break
            outcome = self._search.solve(tried, limit, gap)
            if outcome.x is not None and outcome.objective < lowest:
                best, lowest = outcome.x, outcome.objective
            if lowest <= relaxed + gap * abs(relaxed):
                break
        return best

    def _near(self, side: Side, width: int, gap: float) -> FloatArray | None:
        """The best near a future's late decisions, what futures share and campaigns held."""
        assert side.late is not None
        assert self._early is not None
        arrays = side.under(side.arrays, np.round(side.late[side.campaigns.columns]), self._early)
        seconds = max(TUNING.near_share * self._control.left(), TUNING.near_seconds)
        outcome = self._search.solve(
            boxed(arrays, side.alone.program.layout.columns, np.round(side.late), width), seconds, gap
        )
        worse = outcome.x is None or outcome.objective > float(side.arrays.cost @ side.late)
        return side.late if worse else outcome.x
