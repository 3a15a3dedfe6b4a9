"""The master with one value column a block, held up by cuts.

    minimise   c'x + w sum_b theta_b     subject to the master's rows and theta_b >= constant + slope x for every cut

Any subset of the cuts gives a valid lower bound. The linear master keeps a working set and takes in what is violated,
so that its value is that of the whole pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.program.blocks import Arrays, Program
from planner.solve.benders.cuts import CutPool
from planner.solve.linear import attempts
from planner.solve.native import Outcome, Settings, carried_basis, run

__all__ = ["CutMaster", "MasterModel"]

# With more futures than this a day's cuts are added up where whole numbers are looked for.
FEW_FUTURES = 3


@dataclass
class MasterModel:
    """A master that may be changed before it is solved: columns and rows appended, bounds and costs edited."""

    matrix: sp.csr_matrix
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    integer: BoolArray

    def arrays(self) -> Arrays:
        """As solvers take it."""
        return Arrays(self.matrix, self.cost, self.lower, self.upper, self.row_lower, self.row_upper, self.integer)

    def add_columns(
        self, count: int, *, lower: float = 0.0, upper: float = np.inf, cost: float = 0.0, integer: bool = False
    ) -> IntArray:
        """Further columns; their numbers (count,)."""
        index = np.arange(len(self.cost), len(self.cost) + count)
        rows = self.matrix.shape[0]
        self.matrix = sp.csr_matrix(
            (self.matrix.data, self.matrix.indices, self.matrix.indptr), shape=(rows, len(self.cost) + count)
        )
        self.cost = np.r_[self.cost, np.full(count, cost)]
        self.lower = np.r_[self.lower, np.full(count, lower)]
        self.upper = np.r_[self.upper, np.full(count, upper)]
        self.integer = np.r_[self.integer, np.full(count, integer)]
        return index

    def add_rows(self, rows: sp.csr_matrix, lower: FloatArray | float, upper: FloatArray | float) -> None:
        """Further rows (count, columns) within their limits."""
        count = rows.shape[0]
        self.matrix = sp.csr_matrix(sp.vstack([self.matrix, rows]))
        self.row_lower = np.r_[self.row_lower, np.broadcast_to(np.asarray(lower, float), count)]
        self.row_upper = np.r_[self.row_upper, np.broadcast_to(np.asarray(upper, float), count)]

    def linear(self, seconds: float) -> Outcome:
        """Without regard to whole numbers: HiGHS and, if that does not end well, GLOP."""
        return attempts(self.arrays(), seconds)


class CutMaster:
    """Master, value columns and a pool of cuts."""

    def __init__(self, program: Program, pool: CutPool) -> None:
        self.program, self.pool = program, pool
        master, blocks = program.master, program.blocks
        self.columns = master.columns
        self.theta: IntArray = master.columns + np.arange(len(blocks))
        weight = program.risk.mean_weight if program.risk else 1.0
        self._weight = weight
        self._cost = np.concatenate([master.cost, np.full(len(blocks), weight)])
        floor = np.array([trivial_floor(b.cost, b.lower, b.upper) for b in blocks])
        self._lower = np.concatenate([master.lower, floor])
        self._upper = np.concatenate([master.upper, np.full(len(blocks), np.inf)])
        self._integer = np.concatenate([master.integer, np.zeros(len(blocks), bool)])
        link = sp.csr_matrix((master.rows, len(blocks)))
        if program.risk:
            risk = program.risk
            future = np.array([b.key.future for b in blocks], int)
            link = sp.csr_matrix(
                (-1.0 / risk.probability[future], (risk.row[future], np.arange(len(blocks)))),
                shape=(master.rows, len(blocks)),
            )
        days = [b.key.family for b in blocks]
        number = {day: i for i, day in enumerate(sorted(set(days)))}
        self._day: IntArray = np.array([number[day] for day in days], np.int64)
        self._added_up = program.risk is None and len(blocks) > FEW_FUTURES * len(number)
        self._base = sp.csr_matrix(sp.hstack([master.matrix, link]))
        self._row_lower, self._row_upper = master.row_lower, master.row_upper
        self._last: tuple[IntArray, Any] | None = None
        self._working = np.zeros(0, bool)
        self._idle = np.zeros(0, np.int64)

    def cut_rows(self, which: IntArray) -> sp.csr_matrix:
        """theta - slope x for the cuts `which`, over all columns. which: (cuts,) their numbers."""
        slope = self.pool.slope[which]
        choose = sp.csr_matrix(
            (np.ones(len(which)), (np.arange(len(which)), self.pool.owner[which])),
            shape=(len(which), len(self.theta)),
        )
        return sp.csr_matrix(sp.hstack([-slope, choose]))

    def model(self, which: IntArray | None = None, *, integer: bool = False) -> MasterModel:
        """A fresh copy with the cuts `which` (None: all). which: (cuts,) their numbers."""
        which = np.arange(len(self.pool)) if which is None else which
        return MasterModel(
            sp.csr_matrix(sp.vstack([self._base, self.cut_rows(which)])),
            self._cost.copy(),
            self._lower.copy(),
            self._upper.copy(),
            np.concatenate([self._row_lower, self.pool.constant[which]]),
            np.concatenate([self._row_upper, np.full(len(which), np.inf)]),
            self._integer.copy() if integer else np.zeros_like(self._integer),
        )

    def near(self, points: Sequence[FloatArray], tolerance: float = 1e-4) -> MasterModel:
        """A fresh copy with the cuts that are tight at one of the points.

        Where many futures are only added up, so are the best cuts of a day's futures at every point: a tenth of the
        rows with ten of them, on which HiGHS comes as far as with one future. points: (columns,) each.
        """
        if not self._added_up:
            return self.model(np.flatnonzero(self.pool.tight(points, tolerance)))
        chosen = np.unique([self.pool.best(x) for x in points], axis=0)  # (points, blocks)
        days, blocks = int(self._day.max()) + 1, len(self.theta)
        rows = (np.arange(len(chosen))[:, None] * days + self._day).ravel()
        known = chosen.ravel() >= 0
        shape = (len(chosen) * days, max(len(self.pool), 1))
        pick = sp.csr_matrix((np.ones(known.sum()), (rows[known], chosen.ravel()[known])), shape=shape)
        sums = sp.csr_matrix(
            (np.ones(known.sum()), (rows[known], np.tile(np.arange(blocks), len(chosen))[known])),
            shape=(shape[0], blocks),
        )
        model = self.model(np.zeros(0, np.int64))
        model.add_rows(sp.csr_matrix(sp.hstack([-(pick @ self.pool.slope), sums])), pick @ self.pool.constant, np.inf)
        return model

    def linear(
        self,
        seconds: float,
        edit: Callable[[MasterModel], None] | None = None,
        tolerance: float = 1e-5,
    ) -> Outcome:
        """The linear master over the whole pool. `edit` may change the model (fix columns, prices) before each solve.

        The bound is that of the last solve: a working set is a relaxation, so it is proven even if time runs out.
        """
        pool = self.pool
        fresh = len(pool) - len(self._working)
        self._working = np.concatenate([self._working, np.ones(fresh, bool)])
        self._idle = np.concatenate([self._idle, np.zeros(fresh, np.int64)])
        while True:
            which = np.flatnonzero(self._working)
            model = self.model(which)
            if edit is not None:
                edit(model)
            outcome = self._solved(model, which, seconds)
            if outcome.x is None:
                return outcome
            x, theta = outcome.x[: self.columns], outcome.x[self.theta]
            values = pool.values(x)
            above = values - theta[pool.owner]
            scale = np.maximum(1.0, np.abs(theta[pool.owner]))
            violated = (above > tolerance * scale) & ~self._working
            slack = above < -1e-6 * scale
            self._idle = np.where(slack, self._idle + 1, 0)
            if not violated.any():
                break
            # of each block the most violated cut, and all that are nearly as bad
            worst = np.full(pool.blocks, -np.inf)
            np.maximum.at(worst, pool.owner[violated], above[violated])
            self._working |= violated & (above >= 0.5 * worst[pool.owner])
        self._working &= self._idle < 6
        return outcome

    def _solved(self, model: MasterModel, which: IntArray, seconds: float) -> Outcome:
        """From the basis of the last solve, whatever cuts and bounds have changed since: a third of the time from
        nothing (L: 0.09 for 0.2 s, XL: 1 for 3 to 14 s)."""
        outcome = None
        if self._last is not None and model.matrix.shape[0] == self._base.shape[0] + len(which):
            cuts, basis = self._last
            place = np.full(len(self.pool), -1)
            place[cuts] = self._base.shape[0] + np.arange(len(cuts))
            rows = np.concatenate([np.arange(self._base.shape[0]), place[which]])
            settings = Settings("glop", seconds=seconds, basis=carried_basis(basis, rows), preprocessing=False)
            outcome = run(model.arrays(), settings, relax=True)
        if outcome is None or outcome.status != "optimal" or outcome.x is None:
            outcome = model.linear(seconds)
        if outcome.basis is not None:
            self._last = (which, outcome.basis)
        return outcome

    def holds(self, x: FloatArray, tolerance: float = 1e-7) -> bool:
        """Whether x keeps the master's own rows and bounds. x: (columns,) of the master."""
        master = self.program.master
        room = tolerance * np.maximum(1.0, np.abs(x))
        value = master.matrix @ x
        slack = tolerance * np.maximum(1.0, abs(master.matrix) @ np.abs(x))
        inside = np.all(x >= master.lower - room) and np.all(x <= master.upper + room)
        return bool(inside and np.all(value >= master.row_lower - slack) and np.all(value <= master.row_upper + slack))

    def true_objective(self, x: FloatArray, values: FloatArray) -> tuple[float, FloatArray]:
        """Cost of master columns x when the blocks are worth `values`, and x with its free rest set to its best.

        Columns that no block sees and that are not whole (such as the terms of CVaR) are chosen anew for these values.
        inf where the master's rows do not hold. x: (columns,); values: (blocks,).
        """
        program = self.program
        if program.risk is None:
            return float(program.master.cost @ x + self._weight * values.sum()), x
        seen = np.zeros(self.columns, bool)
        for block in program.blocks:
            seen[block.coupling.indices] = True
        hold = seen | program.master.integer
        model = self.model(np.zeros(0, np.int64))
        model.lower[: self.columns][hold] = model.upper[: self.columns][hold] = x[hold]
        model.lower[self.theta] = model.upper[self.theta] = values
        outcome = model.linear(60.0)
        if outcome.x is None:
            return np.inf, x
        return float(outcome.objective), outcome.x[: self.columns]


def trivial_floor(cost: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """A lower bound of cost'y from the bounds alone, -inf where they give none. cost, lower, upper: (columns,)."""
    end = np.where(cost > 0, lower, np.where(cost < 0, upper, 0.0))
    return float(cost @ end) if np.all(np.isfinite(end)) else -np.inf
