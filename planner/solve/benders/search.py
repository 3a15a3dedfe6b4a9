"""From the relaxation to a plan in whole numbers, on one growing pool of exact cuts.

What works here was found by measuring (docs/engine.md): the cut master knows little about what it costs to put orders
together in few places, so that its own optimum is a poor plan, and evaluations are what time is spent on. Hence

* a bound search beside the plan search: HiGHS on the cut master, half-whole and whole in turn (SCIP's bounds are not
  used: its rounding cuts have been wrong, see docs/decisions/0002);
* polishing, the most valuable part: order charges held, in-out rounds on the rest, then whole numbers, again and again
  evaluated exactly until the cut master tells the truth there;
* local branching around the best plan (Fischetti and Lodi 2003), which SCIP gets as a hint.

Plans are only offered with their exact value; bounds come only from relaxations of the cut master.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from planner.program.blocks import Arrays, FloatArray, IntArray, Program
from planner.solve.benders.billing import Billing
from planner.solve.benders.evaluation import Evaluator, HaltedError
from planner.solve.benders.master import CutMaster, MasterModel
from planner.solve.benders.relaxation import Relaxed
from planner.solve.control import Control
from planner.solve.native import Outcome, Settings
from planner.solve.progress import relative_gap
from planner.solve.workers import Worker

SMALL_MASTER = 200


@dataclass(frozen=True)
class Names:
    """Master columns that the search treats by name. orders, on: (pairs,) an order and its switch; gangs: (n,);
    group: (pairs,) number of the pair's type, arrival and branch; charge: (pairs,) what the switch costs."""

    orders: IntArray
    on: IntArray
    gangs: IntArray
    group: IntArray
    charge: FloatArray


def find_names(program: Program) -> Names:
    columns = program.layout.columns
    none = np.zeros(0, np.int64)
    gangs = np.unique(columns["gangs"][columns["gangs"] >= 0]) if "gangs" in columns else none
    if "orders" not in columns or "order_on" not in columns:
        return Names(none, none, gangs, none, np.zeros(0))
    orders, on = columns["orders"], columns["order_on"]
    group = np.zeros(orders.shape, np.int64)
    if orders.ndim == 4:  # (branches, sites, types, periods): sites share a group
        branches, _, types, periods = orders.shape
        group[:] = np.arange(branches * types * periods).reshape(branches, 1, types, periods)
    else:
        group[:] = np.arange(orders.shape[-1])
    chosen = (on >= 0) & (orders >= 0)
    pairs, first = np.unique(on[chosen], return_index=True)  # later branches repeat shared columns
    order_of = orders[chosen][first]
    return Names(order_of, pairs, gangs, group[chosen][first], program.master.cost[pairs])


@dataclass(frozen=True)
class Effort:
    """Seconds and rounds of the parts of the search. They grow with what one exact evaluation costs."""

    polish_rounds: int = 4
    settle_rounds: int = 12
    polish_seconds: float = 2.0
    bound_seconds: float = 15.0
    branch_seconds: float = 3.0

    @classmethod
    def for_evaluation(cls, seconds: float) -> Effort:
        if seconds < 0.5:
            return cls()
        factor = min(seconds / 0.5, 6.0)
        return cls(3, 8, 2.0 + factor, 25.0, 3.0 + factor)


@dataclass
class Search:
    """The integer phase. `relaxed`: where the linear relaxation ended."""

    program: Program
    master: CutMaster
    evaluator: Evaluator
    control: Control
    relaxed: Relaxed
    effort: Effort = field(default_factory=Effort)

    def __post_init__(self) -> None:
        self.names = find_names(self.program)
        self.whole = np.flatnonzero(self.program.master.integer)
        self.columns = self.program.master.columns
        self.base: list[FloatArray] = list(self.relaxed.points)
        self.seeds: list[FloatArray] = []
        self.elite: list[tuple[float, FloatArray]] = []
        self._lock = threading.RLock()
        self._found: list[FloatArray] = []
        self._failed: list[BaseException] = []
        self._over = threading.Event()
        self._billing = Billing(self.program)
        # not a lane of the blocks: HiGHS hears no stop, and with its process the blocks' warm solvers would be lost
        self._plans = Worker()

    # ---- exact values
    def exact(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Cost of x (whole or not), with cuts added; where it bills too little power, that of x with enough."""
        best, point = np.inf, x
        trial: FloatArray | None = x
        for _ in range(2):
            assert trial is not None
            evaluation = self.evaluator.evaluate(trial)
            with self._lock:
                self.evaluator.add_to(self.master.pool, evaluation)
            cost, at = self.master.true_objective(trial, evaluation.values)
            if cost < best:
                best, point = cost, at
            trial = self._billing.raised(trial, evaluation.cuts)
            if trial is None:
                break
        return best, point

    def offer(self, x: FloatArray) -> float:
        """Evaluate a plan in whole numbers and keep it if it is the best."""
        cost, x = self.exact(x)
        if np.isfinite(cost):
            self.control.offer(cost, x)
            self.elite = sorted([*self.elite, (cost, x)], key=lambda e: e[0])[:8]
        return cost

    def rounded(self, x: FloatArray) -> FloatArray | None:
        """x with its whole columns rounded and the rest of the master at its best for them; None if none fits."""
        target = np.round(x[self.whole])

        def edit(model: MasterModel) -> None:
            model.lower[self.whole] = model.upper[self.whole] = target

        with self._lock:
            outcome = self.master.linear(max(self.control.left(), 1.0), edit)
        if outcome.x is None:
            return None
        out = outcome.x[: self.columns].copy()
        out[self.whole] = target
        return out

    # ---- models
    def pruned(self, recent: int) -> MasterModel:
        """The cut master with the cuts that hold the bound and those that are tight where the search has been."""
        with self._lock:
            points = [*self.base[-6:], self.relaxed.x, *self.seeds[-recent:], *(e[1] for e in self.elite)]
            return self.master.model(np.flatnonzero(self.master.pool.tight(points)))

    def refresh_base(self) -> None:
        """Solve the linear master again; its optima keep the bound alive in every pruned model."""
        with self._lock:
            outcome = self.master.linear(max(self.control.left(), 1.0))
        if outcome.x is not None:
            self.base = [*self.base[-9:], outcome.x[: self.columns]]
            if outcome.status == "optimal":
                self.control.raise_bound(outcome.objective)

    def hint(self, x: FloatArray) -> FloatArray:
        """A full start for SCIP: the plan and what the cuts say about it, a hair above."""
        with self._lock:
            theta = self.master.pool.lower(x)
        return np.concatenate([x, theta + 1e-6 * np.abs(theta) + 1e-9])

    def whole_numbers(self, model: MasterModel) -> MasterModel:
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
        outcome = self._plans.native(arrays, settings, self.control)
        if outcome is None:
            raise HaltedError
        return outcome

    # ---- parts of the search
    def close(self) -> None:
        self._plans.shutdown(wait=False, cancel_futures=True)

    def enter(self, relaxed: Relaxed, effort: Effort) -> None:
        """Go on from a better relaxation than the one at the start."""
        self.relaxed, self.effort = relaxed, effort
        self.base = [*self.base[-3:], *relaxed.points]

    def try_plan(self, x: FloatArray) -> None:
        """Evaluate the whole numbers of x, with the rest of the master at its best for them."""
        plan = self.rounded(x)
        if plan is not None:
            self.offer(plan)

    def early_plan(self) -> None:
        """Any plan at once, so that there is one whenever the search is stopped: one solve, one evaluation."""
        self.control.phase = "early plan"
        model = self.whole_numbers(self.master.model())
        self._holding_earnest()(model)
        outcome = self.solve(model, 4.0, 1e-2)
        if outcome.x is None:
            outcome = self.solve(self.whole_numbers(self.master.model()), 12.0, 2e-2)
        if outcome.x is not None:
            self.try_plan(outcome.x[: self.columns])

    def _holding(self, x: FloatArray) -> Callable[[MasterModel], None]:
        """The edit that holds the switches of x."""
        held, value_of = self.names.on, np.round(x[self.names.on])

        def edit(model: MasterModel) -> None:
            model.lower[held] = model.upper[held] = value_of

        return edit

    def polish(self, x: FloatArray) -> None:
        """Hold the switches of x; converge on the rest, then take whole numbers there and evaluate them."""
        edit = self._holding(x)
        inner, best = None, np.inf
        for _ in range(self.effort.polish_rounds):
            with self._lock:
                outcome = self.master.linear(max(self.control.left(), 1.0), edit)
            if outcome.x is None or self.control.done:
                return
            if outcome.objective > self.control.objective * (1 - 0.2 * self.control.limits.gap):
                return  # even relaxed, these switches cannot beat the best plan
            outer = outcome.x[: self.columns]
            point = outer if inner is None else 0.5 * outer + 0.5 * inner
            cost, point = self.exact(point)
            self.seeds.append(outer)
            if cost < best:
                best, inner = cost, point
            if relative_gap(best, outcome.objective) < 1e-3:
                break
        self._settle(edit)

    def _settle(self, edit: Callable[[MasterModel], None], rounds: int | None = None) -> None:
        """Whole numbers on an edited cut master, evaluated exactly, until master and evaluation agree.

        The master is far off at the first whole points (10 % on M), so that it is not worth being solved closely: its
        gap is a fifth of what it was last off by.
        """
        gap, misses, best = 5e-3, 0, np.inf
        for _ in range(rounds or self.effort.settle_rounds):
            if self.control.done or misses >= 4:
                return
            with self._lock:
                model = self.whole_numbers(self.master.model(self._near()))
            edit(model)
            outcome = self.solve(model, self.effort.polish_seconds, gap)
            if outcome.x is None or outcome.bound > self.control.objective * (1 - 0.1 * self.control.limits.gap):
                return
            plan = self.rounded(outcome.x[: self.columns])
            if plan is None:
                return
            cost = self.offer(plan)
            self.seeds.append(plan)
            misses = 0 if cost < best * (1 - 2e-4) else misses + 1
            if cost < best:
                best = cost
            off = (cost - outcome.objective) / abs(cost)
            if off < 5e-4:
                return
            gap = float(np.clip(0.2 * off, 3e-4, 1e-2))

    def _near(self) -> IntArray:
        """Cuts that are tight at recent points: all that matter where the switches are held."""
        pool = self.master.pool
        points = [*self.base[-3:], *self.seeds[-12:], *(e[1] for e in self.elite)]
        return np.flatnonzero(pool.tight(points, 1e-3))

    def first_plans(self) -> None:
        """Hold on what the relaxation orders in earnest (at least half a smallest order), and settle the rest."""
        self.polish(self._earnest())
        if self.control.x is None and not self.control.done:
            self._settle(lambda model: None)

    def _earnest(self) -> FloatArray:
        x = self.relaxed.x.copy()
        if len(self.names.on):
            x[self.names.on] = x[self.names.orders] >= 0.5 * self._smallest_order()
        return x

    def _holding_earnest(self) -> Callable[[MasterModel], None]:
        return self._holding(self._earnest())

    def _smallest_order(self) -> FloatArray:
        """(pairs,) what the rows order >= minimum x switch say, at least one module."""
        least = np.ones(len(self.names.on))
        rows = self.program.layout.rows.get("order_minimum")
        if rows is not None:
            matrix = self.program.master.matrix[rows.index.ravel()].tocoo()
            place = {int(column): i for i, column in enumerate(self.names.on)}
            for column, value in zip(matrix.col, matrix.data, strict=True):
                at = place.get(int(column))
                if at is not None and value < 0:
                    least[at] = max(least[at], -value)
        return least

    def local_branching(self) -> None:
        names, control = self.names, self.control
        distance, misses, window, gap, settled = 4, 0, 2, 1e-3, np.inf
        while not control.done:
            self._take_found()
            if control.x is None:
                self._settle(lambda model: None)
                if control.x is None and control.wait(0.2):
                    return
                continue
            plan, before = control.x, control.objective
            if before < settled * (1 - 1e-5):
                # a better plan since: what its switches can do is not known yet
                control.phase = "settling the best plan"
                self._settle(self._holding(plan), rounds=4)
                settled, before = control.objective, control.objective
                plan = control.x
            self.refresh_base()
            model = self.whole_numbers(self.pruned(16))
            if len(names.on):
                set_on = np.round(plan[names.on]) > 0.5
                row = sp.csr_matrix(
                    (np.where(set_on, -1.0, 1.0), (np.zeros(len(names.on), int), names.on)),
                    shape=(1, len(model.cost)),
                )
                model.add_rows(row, -np.inf, float(distance - set_on.sum()))
            near = names.gangs if len(names.on) else self.whole
            model.lower[near] = np.maximum(model.lower[near], plan[near] - window)
            model.upper[near] = np.minimum(model.upper[near], plan[near] + window)
            control.phase = f"local branching, {distance} switches"
            outcome = self.solve(model, self.effort.branch_seconds, gap, self.hint(plan))
            if outcome.x is None:
                distance, misses = max(1, distance - 1), misses + 1
                if misses > 8:
                    window, misses = window + 2, 0
                continue
            found = self.rounded(outcome.x[: self.columns])
            if found is None:
                distance = max(1, distance - 1)
                continue
            cost = self.offer(found)
            self.seeds.append(found)
            gap = float(np.clip(0.2 * (cost - outcome.objective) / abs(cost), 3e-4, 5e-3))
            if cost < before * (1 - 1e-5):
                misses, distance = 0, min(distance + 1, 8)
            elif outcome.objective > before * (1 - 5e-4):
                misses, distance = 0, min(distance + 2, 12)  # nothing left so near: look further
            else:
                misses += 1
                if misses >= 3:
                    misses, distance = 0, max(1, distance - 1)

    def _take_found(self) -> None:
        """Evaluate what the bound search found: cuts belong where the bound is made."""
        with self._lock:
            found, self._found = self._found[-1:], []
        for x in found:
            self.seeds.append(x)
            self.control.phase = "points of the bound search"
            if np.abs(x[self.whole] - np.round(x[self.whole])).max(initial=0.0) < 1e-4:
                plan = self.rounded(x)
                if plan is not None:
                    cost = self.offer(plan)
                    if cost < 1.02 * self.control.objective:
                        self._settle(self._holding(plan), rounds=3)
                    continue
            self.exact(x)

    def _bounds(self) -> None:
        """The thread beside: half-whole and whole relaxations in turn, until the search is over."""
        worker = Worker()
        try:
            # a master of a few hundred whole numbers is solved outright; larger ones first by their strong half
            turn = 1 if len(self.whole) <= SMALL_MASTER else 0
            while not (self._over.is_set() or self.control.done):
                half = turn % 2 == 0
                model = self.pruned(20)
                self.add_groups(model)
                model.integer[self.names.gangs] = True
                if not half:
                    self.whole_numbers(model)
                settings = Settings(
                    "highs",
                    seconds=min(self.effort.bound_seconds, 4.0 * (1 + turn), max(self.control.left(), 0.1)),
                    gap=min(1e-3, 0.2 * max(self.control.limits.gap, 1e-4)),
                    seed=self.control.limits.seed + turn,
                )
                outcome = worker.native(model.arrays(), settings, self.control)
                if outcome is None:
                    return
                self.control.raise_bound(outcome.bound)
                if outcome.x is not None:
                    with self._lock:
                        self._found.append(outcome.x[: self.columns])
                turn += 1
                before = len(self.master.pool)
                while len(self.master.pool) == before and not (self._over.is_set() or self.control.done):
                    self._over.wait(0.1)  # without new cuts the same relaxation says nothing new
        except BaseException as error:
            self._failed.append(error)
        finally:
            worker.shutdown(wait=False, cancel_futures=True)

    def run(self) -> None:
        """Search until the gap is reached, time is over or a halt. Errors of the bound thread are raised here."""
        beside = threading.Thread(target=self._bounds, name="tideplan-bound", daemon=True)
        try:
            beside.start()
            self.control.phase = "first plans"
            self.first_plans()
            self.local_branching()
        except HaltedError:
            pass
        finally:
            self._over.set()
            beside.join(2.0)
        if self._failed and not isinstance(self._failed[0], HaltedError):
            raise self._failed[0]
