"""What every part of the decomposition's search does: values of points, models of the cut master, solves.

Plans are only offered with their exact value; bounds come only from relaxations of the cut master. The parts stand in
files of their own: `fix_and_solve`, `first_plans`, `neighbours` with its strategies, `bounds`, `merged`.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray
from planner.program.blocks import Arrays, Program
from planner.solve.benders.billing import Billing
from planner.solve.benders.evaluation import Evaluator, HaltedError, Mixed
from planner.solve.benders.master import CutMaster, MasterModel
from planner.solve.benders.names import find_names
from planner.solve.benders.relaxation import Relaxed
from planner.solve.benders.state import SearchState
from planner.solve.control import Control
from planner.solve.native import Outcome, Settings
from planner.solve.tuning import TUNING, Effort
from planner.solve.workers import Worker


@dataclass
class Search:
    """relaxed: where the linear relaxation ended.

    cheap: most blocks on merged steps, many times faster. What they say of a plan is a lower bound of its cost, so a
    plan that is too dear by them need not be evaluated exactly, and where cuts are wanted theirs will often do.
    """

    program: Program
    master: CutMaster
    evaluator: Evaluator
    control: Control
    relaxed: InitVar[Relaxed]
    effort: Effort = field(default_factory=Effort)
    cheap: Mixed | None = None

    def __post_init__(self, relaxed: Relaxed) -> None:
        self.names = find_names(self.program)
        self.whole = np.flatnonzero(self.program.master.integer)
        orders = self.program.layout.columns.get("orders")
        loose = orders[orders >= 0] if orders is not None and len(self.names.on) else np.zeros(0, np.int64)
        self.choices = np.setdiff1d(self.whole, loose)
        self.columns = self.program.master.columns
        self.state = SearchState(relaxed, list(relaxed.points))
        self._billing = Billing(self.program)
        # not a lane of the blocks: HiGHS hears no stop, and with its process the blocks' warm solvers would be lost
        self.worker = Worker()
        self.worker.submit(int)  # starts the process while blocks are evaluated

    # ---- values
    def exact(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Cost of x (whole or not), with cuts added; where it bills too little power, that of x with enough.

        x: (columns,) of the master.
        """
        return self.evaluated(x, self.evaluator)[:2]

    def value(self, x: FloatArray) -> tuple[float, FloatArray]:
        """The same, but a lower bound of it where there is a cheap one. x: (columns,) of the master."""
        return self.evaluated(x, self.evaluator if self.cheap is None else self.cheap)[:2]

    def evaluated(
        self, x: FloatArray, evaluator: Evaluator | Mixed, columns: bool = False
    ) -> tuple[float, FloatArray, list[FloatArray | None]]:
        """Cost, the point that has it, and the block columns there if they are asked for (of exact blocks).

        x: (columns,) of the master.
        """
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
            with self.state.lock:
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
        """Evaluate a plan in whole numbers exactly and keep it if it is the best. x: (columns,) of the master."""
        with self.control.making():
            cost, x, y = self.evaluated(x, self.evaluator, columns=True)
        if np.isfinite(cost):
            # with its columns: at the end of the time nothing needs to be evaluated again
            self.control.offer(cost, x, [columns for columns in y if columns is not None])
            self.state.add_plan(cost, x)
        return cost

    def judged(self, plan: FloatArray, said: float) -> tuple[float, bool]:
        """Cost of a plan that costs `said` by the master, and whether it is exact and was offered.

        It is a lower bound where that is above the best plan, or where the master was wrong by it alone.
        plan: (columns,) of the master.
        """
        if self.cheap is not None:
            cost = self.value(plan)[0]
            if cost >= self.control.objective * (1 - 1e-6) or cost - said > self.agreed() * abs(cost):
                return cost, False
        return self.offer(plan), True

    def rounded(self, x: FloatArray) -> FloatArray | None:
        """x with its whole columns rounded and the rest of the master at its best for them; None if none fits.

        x: (columns,) of the master.
        """
        target = np.round(x[self.whole])

        def edit(model: MasterModel) -> None:
            model.lower[self.whole] = model.upper[self.whole] = target

        with self.state.lock:
            outcome = self.master.linear(max(self.control.left(), 1.0), edit)
        if outcome.x is None:
            return None
        out = outcome.x[: self.columns].copy()
        out[self.whole] = target
        return out

    # ---- models
    def pruned(self, recent: int) -> MasterModel:
        """The cut master with the cuts that hold the bound and those that are tight where the search has been."""
        with self.state.lock:
            return self.master.near(self.state.around(recent))

    def refresh_base(self) -> None:
        """Solve the linear master again; its optima keep the bound alive in every pruned model."""
        with self.state.lock:
            outcome = self.master.linear(max(self.control.left(), 1.0))
        if outcome.x is not None:
            self.state.hold(outcome.x[: self.columns])
            if outcome.status == "optimal":
                self.control.raise_bound(outcome.objective)

    def hint(self, x: FloatArray) -> FloatArray:
        """A full start for SCIP: the plan and what the cuts say about it, a hair above.

        x: (columns,) of the master; the start: (columns + blocks,).
        """
        with self.state.lock:
            theta = self.master.pool.lower(x)
        return np.concatenate([x, theta + 1e-6 * np.abs(theta) + 1e-9])

    def near(self) -> MasterModel:
        """The cut master with what is tight at recent points: all that matters where first-stage binaries are held."""
        return self.master.near(self.state.near(), 1e-3)

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
        """SCIP where there is a hint to start from, else HiGHS, which finds as good plans and bounds as soon.

        hint: (columns,) of the model.
        """
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

    def close(self) -> None:
        """End the process."""
        self.worker.shutdown(wait=False, cancel_futures=True)

    def try_plan(self, x: FloatArray) -> None:
        """Evaluate the whole numbers of x, with the rest of the master at its best for them.

        x: (columns,) of the master.
        """
        plan = self.rounded(x)
        if plan is not None:
            self.offer(plan)

    def agreed(self) -> float:
        """By how much of its cost master and evaluation may differ about a plan."""
        return max(TUNING.agreed, TUNING.of_gap * min(self.control.gap, 0.05))
