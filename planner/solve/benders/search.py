"""From the relaxation to a plan in whole numbers, on one growing pool of exact cuts.

What works here was found by measuring (docs/engine.md): the cut master knows little about what it costs to put orders
together in few places, so that its own optimum is a poor plan, and evaluations are what time is spent on. Hence

* a bound search beside the plan search: HiGHS on the cut master with more and more whole numbers (SCIP's bounds are not
  used: its rounding cuts have been wrong, see docs/decisions/0002);
* polishing, the most valuable part: order charges held, in-out rounds on the rest, then whole numbers, again and again
  evaluated exactly until the cut master tells the truth there;
* other patterns of order charges near the best plan's, polished in turn (`neighbours`).

Plans are only offered with their exact value; bounds come only from relaxations of the cut master.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray
from planner.program.blocks import Arrays, Program
from planner.solve.benders.billing import Billing
from planner.solve.benders.bounds import BoundSearch
from planner.solve.benders.evaluation import Evaluator, HaltedError, Mixed
from planner.solve.benders.master import CutMaster, MasterModel
from planner.solve.benders.names import find_names
from planner.solve.benders.neighbours import look_around
from planner.solve.benders.relaxation import Relaxed
from planner.solve.control import Control
from planner.solve.native import Outcome, Settings
from planner.solve.progress import relative_gap
from planner.solve.workers import Worker

# Optima of relaxations whose tight cuts are kept in every pruned master.
BASE_POINTS = 60
# More cuts are made for a few blocks only: at most this share of all.
FEW_BLOCKS = 0.25
# And where on the way from a plan to where the cuts are good.
BETWEEN = (0.25, 0.5, 0.75)
# Master and evaluation tell the same where they differ by no more than this part of a plan's cost, or of its gap.
AGREED, OF_GAP = 5e-4, 0.05
# SCIP, which can begin from a plan, makes something of masters with up to so many whole numbers; HiGHS of larger ones.
HINTED = 1000
# Rounds of slope scaling for the first plans, and of whole masters before the first exact evaluation.
SLOPE_ROUNDS, EARLY_ROUNDS = 6, 2
# HiGHS makes something of masters with so many choices in the seconds that `Effort` begins with.
CHOICES = 500


@dataclass(frozen=True)
class Effort:
    """Seconds and rounds of the parts of the search. They grow with what one exact evaluation costs."""

    polish_rounds: int = 4
    settle_rounds: int = 12
    polish_seconds: float = 2.0
    half_seconds: float = 4.0
    bound_seconds: float = 20.0
    branch_seconds: float = 3.0

    @classmethod
    def suited(cls, seconds: float, choices: int) -> Effort:
        """To evaluations of so many seconds and masters of so many choices."""
        factor = min(max(seconds / 0.5, choices / CHOICES), 6.0)
        if factor < 1.0:
            return cls()
        rounds = (3, 8) if seconds >= 0.5 else (4, 12)
        return cls(*rounds, 2.0 + factor, 4.0 * factor, 20.0 * min(factor, 3.0), 3.0 + factor)


@dataclass
class Search:
    """The integer phase. `relaxed`: where the linear relaxation ended.

    cheap: most blocks on merged steps, many times faster. What they say of a plan is a lower bound of its cost, so a
    plan that is too dear by them need not be evaluated exactly, and where cuts are wanted theirs will often do.
    """

    program: Program
    master: CutMaster
    evaluator: Evaluator
    control: Control
    relaxed: Relaxed
    effort: Effort = field(default_factory=Effort)
    cheap: Mixed | None = None

    def __post_init__(self) -> None:
        self.names = find_names(self.program)
        self.whole = np.flatnonzero(self.program.master.integer)
        orders = self.program.layout.columns.get("orders")
        loose = orders[orders >= 0] if orders is not None and len(self.names.on) else np.zeros(0, np.int64)
        self.choices = np.setdiff1d(self.whole, loose)
        self.columns = self.program.master.columns
        self.base: list[FloatArray] = list(self.relaxed.points)
        self.seeds: list[FloatArray] = []
        self.elite: list[tuple[float, FloatArray]] = []
        self.lock = threading.RLock()
        self._between: list[FloatArray] = []
        self.tried: list[BoolArray] = []
        self._billing = Billing(self.program)
        # not a lane of the blocks: HiGHS hears no stop, and with its process the blocks' warm solvers would be lost
        self.worker = Worker()
        self.worker.submit(int)  # starts the process while blocks are evaluated

    # ---- values
    def exact(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Cost of x (whole or not), with cuts added; where it bills too little power, that of x with enough."""
        return self._value(x, self.evaluator)[:2]

    def value(self, x: FloatArray) -> tuple[float, FloatArray]:
        """The same, but a lower bound of it where there is a cheap one."""
        return self._value(x, self.evaluator if self.cheap is None else self.cheap)[:2]

    def _value(
        self, x: FloatArray, evaluator: Evaluator | Mixed, columns: bool = False
    ) -> tuple[float, FloatArray, list[FloatArray | None]]:
        """Cost, the point that has it, and the block columns there if they are asked for (of exact blocks)."""
        best, point = np.inf, x
        y: list[FloatArray | None] = []
        trial: FloatArray | None = x
        for _ in range(2):
            assert trial is not None
            if evaluator is self.evaluator:
                evaluation = self.evaluator.evaluate(trial, columns=columns)
            else:
                evaluation = evaluator.evaluate(trial, sample=True)
            values = evaluation.values
            with self.lock:
                evaluator.add_to(self.master.pool, evaluation)
                if evaluator is not self.evaluator:
                    values = np.fmax(values, self.master.pool.lower(trial))
            if columns:
                trial = self._billing.lowered(trial, evaluation.y)
            cost, at = self.master.true_objective(trial, values)
            if cost < best:
                best, point, y = cost, at, evaluation.y
            trial = self._billing.raised(trial, evaluation.cuts)
            if trial is None:
                break
        return best, point, y

    def offer(self, x: FloatArray) -> float:
        """Evaluate a plan in whole numbers exactly and keep it if it is the best."""
        cost, x, y = self._value(x, self.evaluator, columns=True)
        if np.isfinite(cost):
            # with its columns: at the end of the time nothing needs to be evaluated again
            self.control.offer(cost, x, [columns for columns in y if columns is not None])
            self.elite = sorted([*self.elite, (cost, x)], key=lambda e: e[0])[:8]
        return cost

    def judged(self, plan: FloatArray, said: float) -> tuple[float, bool]:
        """Cost of a plan that costs `said` by the master, and whether it is exact and was offered.

        It is a lower bound where that is above the best plan, or where the master was wrong by it alone.
        """
        if self.cheap is not None:
            cost = self.value(plan)[0]
            if cost >= self.control.objective * (1 - 1e-6) or cost - said > self._agreed() * abs(cost):
                return cost, False
        return self.offer(plan), True

    def rounded(self, x: FloatArray) -> FloatArray | None:
        """x with its whole columns rounded and the rest of the master at its best for them; None if none fits."""
        target = np.round(x[self.whole])

        def edit(model: MasterModel) -> None:
            model.lower[self.whole] = model.upper[self.whole] = target

        with self.lock:
            outcome = self.master.linear(max(self.control.left(), 1.0), edit)
        if outcome.x is None:
            return None
        out = outcome.x[: self.columns].copy()
        out[self.whole] = target
        return out

    # ---- models
    def pruned(self, recent: int) -> MasterModel:
        """The cut master with the cuts that hold the bound and those that are tight where the search has been."""
        with self.lock:
            points = [*self.base, self.relaxed.x, *self.seeds[-recent:], *(e[1] for e in self.elite)]
            return self.master.near(points)

    def hold(self, x: FloatArray) -> None:
        """Remember an optimum of a relaxation: the cuts that are tight there hold the bound."""
        with self.lock:
            self.base = [*self.base[-BASE_POINTS:], x]

    def refresh_base(self) -> None:
        """Solve the linear master again; its optima keep the bound alive in every pruned model."""
        with self.lock:
            outcome = self.master.linear(max(self.control.left(), 1.0))
        if outcome.x is not None:
            self.hold(outcome.x[: self.columns])
            if outcome.status == "optimal":
                self.control.raise_bound(outcome.objective)

    def hint(self, x: FloatArray) -> FloatArray:
        """A full start for SCIP: the plan and what the cuts say about it, a hair above."""
        with self.lock:
            theta = self.master.pool.lower(x)
        return np.concatenate([x, theta + 1e-6 * np.abs(theta) + 1e-9])

    def whole_numbers(self, model: MasterModel) -> MasterModel:
        """The model with every whole decision whole."""
        model.integer[self.whole] = True
        return model

    def add_groups(self, model: MasterModel) -> None:
        """One switch for "this type is ordered anywhere in this period": a strong and small relaxation of the charges.

        sum_s on >= any, sum_s orders <= (sum of limits) any
        """
        names = self.names
        if not len(names.on):
            return
        groups, number = np.unique(names.group, return_inverse=True)
        any_order = model.add_columns(len(groups), upper=1.0, integer=True)
        width, count = len(model.cost), len(groups)
        pick = sp.csr_matrix((np.ones(len(number)), (number, names.on)), shape=(count, width))
        marks = sp.csr_matrix((np.ones(count), (np.arange(count), any_order)), shape=(count, width))
        model.add_rows(sp.csr_matrix(pick - marks), 0.0, np.inf)
        most = np.bincount(number, weights=self.program.master.upper[names.orders], minlength=count)
        load = sp.csr_matrix((np.ones(len(number)), (number, names.orders)), shape=(count, width))
        model.add_rows(sp.csr_matrix(load - marks.multiply(most[:, None])), -np.inf, 0.0)

    def solve(self, model: MasterModel | Arrays, seconds: float, gap: float, hint: FloatArray | None = None) -> Outcome:
        """SCIP where there is a hint to start from, else HiGHS, which finds as good plans and bounds as soon."""
        settings = Settings(
            "highs" if hint is None else "scip",
            seconds=min(seconds, max(self.control.left(), 0.1)),
            gap=gap,
            seed=self.control.limits.seed,
            hint=hint,
            cpu_clock=True,
        )
        arrays = model if isinstance(model, Arrays) else model.arrays()
        outcome = self.worker.native(arrays, settings, self.control)
        if outcome is None:
            raise HaltedError
        return outcome

    # ---- parts of the search
    def close(self) -> None:
        """End the process."""
        self.worker.shutdown(wait=False, cancel_futures=True)

    def enter(self, relaxed: Relaxed, effort: Effort) -> None:
        """Go on from a better relaxation than the one at the start."""
        self.relaxed, self.effort = relaxed, effort
        self.base = [*self.base[-BASE_POINTS:], *relaxed.points]

    def try_plan(self, x: FloatArray) -> None:
        """Evaluate the whole numbers of x, with the rest of the master at its best for them."""
        plan = self.rounded(x)
        if plan is not None:
            self.offer(plan)

    def early_plan(self) -> None:
        """Any plan soon, so that there is one whenever the search is stopped: one exact evaluation."""
        self.control.phase = "early plan"
        if self.cheap is None:
            self.settle(self.holding(self._earnest()), rounds=1)
        else:
            self.polish(self._earnest(), once=True)
        if self.control.x is None:
            self.settle(lambda _model: None, rounds=1)

    def holding(self, x: FloatArray) -> Callable[[MasterModel], None]:
        """The edit that holds the switches of x."""
        held, value_of = self.names.on, np.round(x[self.names.on])

        def edit(model: MasterModel) -> None:
            model.lower[held] = model.upper[held] = value_of

        return edit

    def polish(self, x: FloatArray, once: bool = False) -> None:
        """Hold the switches of x; converge on the rest, then take whole numbers there and evaluate them.

        once: make no more of it than a first plan needs.
        """
        edit = self.holding(x)
        if len(self.names.on):
            self.tried.append(np.round(x[self.names.on]) > 0.5)
        inner, best = None, np.inf
        for _ in range(1 if once else self.effort.polish_rounds):
            with self.lock:
                outcome = self.master.linear(max(self.control.left(), 1.0), edit)
            if outcome.x is None or self.control.done:
                return
            if outcome.objective > self.control.objective * (1 - 0.2 * self.control.limits.gap):
                return  # even relaxed, these switches cannot beat the best plan
            outer = outcome.x[: self.columns]
            point = outer if inner is None else 0.5 * outer + 0.5 * inner
            cost, point = self.value(point)
            self.hold(outer)
            if cost < best:
                best, inner = cost, point
            if relative_gap(best, outcome.objective) < 1e-3:
                break
        self.settle(edit, inner=inner, rounds=EARLY_ROUNDS if once else None, once=once)

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
        closely: its gap is a fifth of what it was last off by.
        """
        gap, misses, best, offered = 5e-3, 0, np.inf, False
        hint: FloatArray | None = None
        last = (rounds or self.effort.settle_rounds) - 1
        for turn in range(last + 1):
            if self.control.done or misses >= 4:
                break
            with self.lock:
                model = self.whole_numbers(self._near())
            edit(model)
            start = self.hint(hint) if hint is not None and len(self.whole) <= HINTED else None
            outcome = self.solve(model, self.effort.polish_seconds, gap, start)
            if outcome.x is None or outcome.bound > self.control.objective * (1 - 0.1 * self.control.limits.gap):
                break
            plan = self.rounded(outcome.x[: self.columns])
            if plan is None:
                break
            low = self.master.pool.lower(plan)
            cost, exact = self.judged(plan, outcome.objective)
            self.seeds.append(plan)
            others = [x for x in (hint, inner) if x is not None]
            misses = 0 if cost < best * (1 - 2e-4) else misses + 1
            if cost < best:
                best, hint, offered = cost, plan, exact
            off = (cost - outcome.objective) / abs(cost)
            if once and (exact or turn == last):
                break
            self._thicken(plan, self.master.pool.lower(plan) - low, others, exact, BETWEEN if not once else (0.5,))
            if off < self._agreed():
                break
            gap = float(np.clip(0.2 * off, 0.6 * self._agreed(), 1e-2))
        if hint is not None and not offered and best < self.control.objective:
            self.offer(hint)

    def _agreed(self) -> float:
        """By how much of its cost master and evaluation may differ about a plan."""
        return max(AGREED, OF_GAP * min(self.control.gap, 0.05))

    def _thicken(
        self, plan: FloatArray, off: FloatArray, others: list[FloatArray], exact: bool, parts: tuple[float, ...]
    ) -> None:
        """More cuts of the blocks that the master is most wrong about, on the way from this plan to where it is right.

        off: (blocks,) by how much it was wrong; exact: by exact values. It is a few blocks that have nearly all of the
        error (on M the working days of three periods of eight): their cuts cost a tenth of an evaluation, and whole
        plans come closer faster.
        """
        order = np.argsort(-off)
        share = np.cumsum(off[order]) / max(off.sum(), 1e-12)
        which = order[: int(np.searchsorted(share, 0.9)) + 1].tolist()
        if len(which) > len(off) * FEW_BLOCKS or off.sum() <= 0:
            return
        evaluator = self.evaluator if exact or self.cheap is None else self.cheap
        for other in others:
            for part in parts:
                point = (1 - part) * plan + part * other
                evaluation = evaluator.evaluate(point, which)
                with self.lock:
                    evaluator.add_to(self.master.pool, evaluation)
                self._between.append(point)

    def _near(self) -> MasterModel:
        """The cut master with what is tight at recent points: all that matters where the switches are held."""
        points = [*self.base[-12:], *self.seeds[-12:], *self._between[-48:], *(e[1] for e in self.elite)]
        return self.master.near(points, 1e-3)

    def first_plans(self) -> None:
        """Hold on what the relaxation orders in earnest (at least half a smallest order), and settle the rest.

        Where an early plan was made so, its parts are worth more than polishing it again.
        """
        if self.cheap is None or self.control.x is None:
            self.polish(self._earnest())
        if self.control.x is None and not self.control.done:
            self.settle(lambda _model: None)

    def _earnest(self) -> FloatArray:
        """The relaxation with the switches on that it uses, by the better of two readings of it.

        Either what it orders in earnest, or what is left once every order pays its charge by the module (`_sloped`).
        """
        x = self.relaxed.x.copy()
        if not len(self.names.on):
            return x
        x[self.names.on] = x[self.names.orders] >= 0.5 * self.names.least
        best, least = x, np.inf
        for point in (x, *self._sloped()):
            with self.lock:
                outcome = self.master.linear(max(self.control.left(), 1.0), self.holding(point))
            if outcome.x is not None and outcome.objective < least:
                best, least = point, outcome.objective
        return best

    def _sloped(self) -> list[FloatArray]:
        """Points whose orders pay charge / order more by the module, in place of the charge: dynamic slope scaling (Kim
        and Pardalos 1999). What is ordered little becomes dear and goes elsewhere; cuts are added where it goes."""
        names, cost = self.names, self.program.master.cost
        charge = cost[names.on]
        slope = charge / np.maximum(self.relaxed.x[names.orders], names.least)

        def edit(model: MasterModel) -> None:
            model.cost[names.on] = 0.0
            model.cost[names.orders] += slope

        out: list[FloatArray] = []
        for _ in range(SLOPE_ROUNDS):
            with self.lock:
                outcome = self.master.linear(max(self.control.left(), 1.0), edit)
            if outcome.x is None or self.control.done:
                break
            x = outcome.x[: self.columns].copy()
            ordered = x[names.orders]
            x[names.on] = ordered >= 0.5 * names.least
            self._value(x, self.evaluator if self.cheap is None else self.cheap.merged)
            out.append(x)
            slope = np.where(ordered > 1e-6, charge / np.maximum(ordered, names.least), slope)
        return out

    def run(self) -> None:
        """Search until the gap is reached, time is over or a halt. Errors of the bound search are raised here."""
        bounds = BoundSearch(self)
        try:
            self.control.phase = "first plans"
            self.first_plans()
            look_around(self, bounds)
        except HaltedError:
            pass
        finally:
            bounds.end()
