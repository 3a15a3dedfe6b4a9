"""Fix and solve: first-stage binaries held, in-out rounds on the rest, then integers, evaluated until master and truth
agree. The most valuable part of the search (docs/engine.md): the cut master knows little about what it costs to put
orders together in few places, so that its own optimum is a poor plan, and evaluations are what time is spent on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.solve.benders.master import MasterModel
from planner.solve.benders.search import Search
from planner.solve.progress import relative_gap
from planner.solve.tuning import TUNING


def holding(search: Search, x: FloatArray) -> Callable[[MasterModel], None]:
    """The edit that holds the first-stage binaries of x. x: (columns,) of the master."""
    held, value_of = search.names.on, np.round(x[search.names.on])

    def edit(model: MasterModel) -> None:
        model.lower[held] = model.upper[held] = value_of

    return edit


@dataclass(frozen=True)
class FixAndSolve:
    """Plans with some of the master fixed; each is evaluated and offered to the control."""

    search: Search

    def polish(self, x: FloatArray, once: bool = False) -> None:
        """Hold the switches of x; converge on the rest, then take whole numbers there and evaluate them.

        once: make no more of it than a first plan needs. x: (columns,) of the master.
        """
        search, control, state = self.search, self.search.control, self.search.state
        edit = holding(search, x)
        if len(search.names.on):
            state.tried.append(np.round(x[search.names.on]) > 0.5)
        inner, best = None, np.inf
        for _ in range(1 if once else search.effort.polish_rounds):
            with state.lock:
                outcome = search.master.linear(max(control.left(), 1.0), edit)
            if outcome.x is None or control.done:
                return
            if outcome.objective > control.objective * (1 - 0.2 * control.limits.gap):
                return  # even relaxed, these switches cannot beat the best plan
            outer = outcome.x[: search.columns]
            point = outer if inner is None else 0.5 * outer + 0.5 * inner
            cost, point = search.value(point)
            state.hold(outer)
            if cost < best:
                best, inner = cost, point
            if relative_gap(best, outcome.objective) < TUNING.polish_gap:
                break
        self.settle(edit, inner=inner, rounds=TUNING.early_rounds if once else None, once=once)

    def settle(
        self,
        edit: Callable[[MasterModel], None],
        rounds: int | None = None,
        inner: FloatArray | None = None,
        once: bool = False,
    ) -> None:
        """Whole numbers on an edited cut master, evaluated, until master and evaluation agree.

        inner: the best point known without whole numbers, where the cuts are good. once: end with the first plan
        offered. The master is far off at the first whole points (10 % on M), so that it is not worth being solved
        closely: its gap is a fifth of what it was last off by. inner: (columns,) of the master.
        """
        search, control, state = self.search, self.search.control, self.search.state
        gap, misses, best, offered = TUNING.settle_gap, 0, np.inf, False
        hint: FloatArray | None = None
        last = (rounds or search.effort.settle_rounds) - 1
        for turn in range(last + 1):
            if control.done or misses >= TUNING.settle_misses:
                break
            with state.lock:
                model = search.whole_numbers(search.near())
            edit(model)
            start = search.hint(hint) if hint is not None and len(search.whole) <= TUNING.hinted_integers else None
            outcome = search.solve(model, search.effort.polish_seconds, gap, start)
            if outcome.x is None or outcome.bound > control.objective * (1 - 0.1 * control.limits.gap):
                break
            plan = search.rounded(outcome.x[: search.columns])
            if plan is None:
                break
            low = search.master.pool.lower(plan)
            cost, exact = search.judged(plan, outcome.objective)
            state.seeds.append(plan)
            others = [x for x in (hint, inner) if x is not None]
            misses = 0 if cost < best * (1 - 2e-4) else misses + 1
            if cost < best:
                best, hint, offered = cost, plan, exact
            off = (cost - outcome.objective) / abs(cost)
            if once and (exact or turn == last):
                break
            self._thicken(
                plan, search.master.pool.lower(plan) - low, others, exact, TUNING.between if not once else (0.5,)
            )
            if off < search.agreed():
                break
            gap = float(np.clip(0.2 * off, 0.6 * search.agreed(), 1e-2))
        if hint is not None and not offered and best < control.objective:
            search.offer(hint)

    def _thicken(
        self, plan: FloatArray, off: FloatArray, others: list[FloatArray], exact: bool, parts: tuple[float, ...]
    ) -> None:
        """More cuts of the blocks that the master is most wrong about, on the way from this plan to where it is right.

        off: (blocks,) by how much it was wrong; exact: by exact values. It is a few blocks that have nearly all of the
        error (on M the working days of three periods of eight): their cuts cost a tenth of an evaluation, and whole
        plans come closer faster.
        """
        search, state = self.search, self.search.state
        order = np.argsort(-off)
        share = np.cumsum(off[order]) / max(off.sum(), 1e-12)
        which = order[: int(np.searchsorted(share, TUNING.error_share)) + 1].tolist()
        if len(which) > len(off) * TUNING.few_blocks or off.sum() <= 0:
            return
        evaluator = search.evaluator if exact or search.cheap is None else search.cheap
        for other in others:
            for part in parts:
                point = (1 - part) * plan + part * other
                evaluation = evaluator.evaluate(point, which)
                with state.lock:
                    evaluator.add_to(search.master.pool, evaluation)
                state.between.append(point)
