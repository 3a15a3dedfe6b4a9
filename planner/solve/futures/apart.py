"""Each future of a program by itself: what it is bounded by, and what its plans are made of.

Futures meet in columns that they share (what is decided before they part) and in nothing else. Write c_j for what a
column costs, and split it among the futures that see it: c_j = sum_f c_fj. Then every plan x of the program has in each
future f a plan of the rows and blocks of f alone, at sum_f c_f'x = c'x, so that

    min over all futures  >=  sum_f min over future f alone                                        (wait and see)

whatever the split is. In proportion to the probabilities, as here, future f alone costs pi_f times what it would if it
were known: the bound of perfect information (Madansky 1960).

**Prices of what is shared.** Some splits prove more: one that makes the right side largest proves what the program of
all futures proves with all that belongs to one future relaxed as there (the dual of "all futures decide the same";
Caroe and Schultz 1999). For prices y of the rows of all futures together, relaxed, let c_fj be what column j is worth
to the rows and blocks of f, and what is left of c_j shared out by probability: by linear duality the right side,
relaxed, is then at least the optimum of that joint program (`shares`). y may come from another program with the same
master.

**Risk.** (1 - v) E[cost] + v CVaR_a[cost] is the largest of sum_f p_f cost_f over p = (1 - v) pi + v q, where q is a
probability with q_f <= pi_f / (1 - a) (Rockafellar and Uryasev 2000). It never falls when a future's cost rises, so
that the measure of what the futures cost when known bounds that of any plan for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.program.blocks import Arrays, Layout, Program
from planner.solve.tuning import TUNING

# Less of a column's largest share is rounding.
_NOISE = 1e-10


@dataclass(frozen=True)
class Alone:
    """One future: `program` has its columns, rows and blocks, at its part of all costs, so that futures add up.

    columns: where the columns of its master stand in the whole one; shared: where the shared ones
    stand in this one; blocks: which of the whole program's it has.
    """

    future: int
    columns: IntArray
    shared: IntArray
    blocks: IntArray
    program: Program


class Apart:
    """The futures of a program: which columns and rows each of them sees.

    Raises ValueError where the layout does not tell the futures apart: every group of columns has branches, futures or
    one for all on its first axis.
    """

    def __init__(self, program: Program) -> None:
        self.count = 1 + max((b.key.future for b in program.blocks), default=0)
        self.program = program
        self.seen: BoolArray = np.zeros((self.count, program.master.columns), bool)
        self._picked: list[dict[str, IntArray]] = [{} for _ in range(self.count)]
        for name, index in program.layout.columns.items():
            if index.ndim == 0 or index.shape[0] not in (1, self.count):
                raise ValueError(f"columns {name!r} have no axis of branches or futures")
            for f in range(self.count):
                mine = index if index.shape[0] == 1 else index[f : f + 1]
                self._picked[f][name] = mine
                self.seen[f, mine[mine >= 0]] = True
        for block in program.blocks:
            if not self.seen[block.key.future, block.coupling.indices].all():
                raise ValueError(f"block {block.key} sees columns of another future")
        pattern = program.master.matrix.copy()
        pattern.data = np.ones_like(pattern.data)
        self.rows: BoolArray = np.stack([(pattern @ ~seen.astype(bool)) == 0 for seen in self.seen])
        if program.risk:
            self.rows[:, program.risk.row] = False
        self.shared: IntArray = np.flatnonzero(self.seen.sum(axis=0) > 1)
        self.probability = _probability(program, self.count)

    def of(self, future: int, name: str) -> IntArray:
        """Columns of a group that the future sees. (columns,) their numbers."""
        index = self._picked[future].get(name, np.zeros(0, np.int64)).ravel()
        return np.asarray(index[index >= 0], np.int64)

    def at_quantile(self, q: float = TUNING.typical) -> int:
        """The future at this quantile of what futures ask for."""
        size = np.zeros(self.count)
        for block in self.program.blocks:
            sides = np.concatenate([block.row_lower, block.row_upper])
            size[block.key.future] += float(np.abs(sides[np.isfinite(sides)]).sum())
        order = np.argsort(size, kind="stable")
        reach = np.cumsum(self.probability[order]) >= q - 1e-12
        return int(order[int(reach.argmax())])

    def carried(self, program: Program, alone: Alone, x: FloatArray) -> FloatArray:
        """(master columns,) what one future decides, in all of them. x: (columns of it alone, more after them)."""
        out = np.zeros(program.master.columns)
        for name, index in program.layout.columns.items():
            mine = np.broadcast_to(alone.program.layout.columns[name], index.shape)
            real = index >= 0
            out[index[real]] = x[mine[real]]
        return out

    def shares(self, joint: Program, duals: FloatArray) -> FloatArray:
        """(F, master columns) costs c_fj that add up to the program's, by row prices of `joint` written out.

        joint: the same decisions with other blocks. duals: (rows of `flatten(joint)`,).
        """
        rows, weight = joint.master.rows, self.probability[:, None]
        of_row = weight * self.rows
        of_row = of_row / np.maximum(of_row.sum(axis=0), 1e-300)
        worth = np.stack([joint.master.matrix.T @ (part * duals[:rows]) for part in of_row])
        for block in joint.blocks:
            size = len(block.row_lower)
            worth[block.key.future] += block.coupling.T @ duals[rows : rows + size]
            rows += size
        of_column = weight * self.seen
        of_column = of_column / np.maximum(of_column.sum(axis=0), 1e-300)
        left = self.program.master.cost - worth.sum(axis=0)
        out: FloatArray = np.where(self.seen, worth + of_column * left, 0.0)
        # What rounding leaves of nothing may be below nothing: where a column has no upper limit, HiGHS takes the
        # program for unbounded. The largest share takes it up.
        weights: FloatArray = np.abs(out)
        out[weights <= _NOISE * weights.max(axis=0)] = 0.0
        most, columns = weights.argmax(axis=0), np.arange(out.shape[1])
        out[most, columns] += self.program.master.cost - out.sum(axis=0)
        return out

    def measure(self, costs: FloatArray) -> float:
        """What the objective makes of costs by future (F,): their mean, or (1 - v) E + v CVaR; bounds give a bound."""
        risk, p = self.program.risk, self.probability
        if risk is None:
            return float(p @ costs)
        excess = self.program.layout.columns["excess"].ravel()
        v = 1.0 - risk.mean_weight
        most = self.program.master.cost[excess] / v  # pi / (1 - alpha)
        q, left = np.zeros(self.count), 1.0
        for f in np.argsort(-costs, kind="stable"):
            q[f] = min(float(most[f]), left)
            left -= q[f]
        return float(((1.0 - v) * p + v * q) @ costs)

    def alone(self, program: Program, future: int) -> Alone:
        """The future by itself in `program`: this one, or one with the same master and other blocks (merged steps)."""
        columns, rows = np.flatnonzero(self.seen[future]), np.flatnonzero(self.rows[future])
        master = program.master
        cost, lower, upper = master.cost.copy(), master.lower.copy(), master.upper.copy()
        if program.risk is not None:  # the mean, in place of the measure of risk
            v = 1.0 - program.risk.mean_weight
            cost -= master.matrix[program.risk.row].T @ (v * self.probability)
            for name in ("value_at_risk", "excess"):  # in no row that is left
                index = program.layout.columns[name]
                cost[index] = lower[index] = upper[index] = 0.0
        parts = self.probability[:, None] * self.seen
        own = cost * parts[future] / np.maximum(parts.sum(axis=0), 1e-300)
        arrays = Arrays(
            master.matrix[rows][:, columns],
            own[columns],
            lower[columns],
            upper[columns],
            master.row_lower[rows],
            master.row_upper[rows],
            master.integer[columns],
        )
        new = np.full(master.columns, -1)
        new[columns] = np.arange(len(columns))
        layout = {name: np.where(index >= 0, new[index], -1) for name, index in self._picked[future].items()}
        which = np.array([i for i, b in enumerate(program.blocks) if b.key.future == future], np.int64)
        links: dict[int, sp.csr_matrix] = {}
        blocks = []
        for i in which.tolist():
            block = program.blocks[i]
            link = links.setdefault(id(block.coupling), block.coupling[:, columns])
            blocks.append(replace(block, coupling=link))
        shared = new[self.shared]
        alone = Program(arrays, Layout(layout, {}), tuple(blocks), program.money_unit, None, program.instance)
        return Alone(future, columns, shared, which, alone)


def _probability(program: Program, count: int) -> FloatArray:
    """(F,) from what the blocks of each future weigh: all futures have the same days."""
    weight = np.zeros(count)
    for block in program.blocks:
        weight[block.key.future] += block.scale
    return np.asarray(weight / weight.sum(), float)
