"""Each future of a program by itself: what it is bounded by, and what its plans are made of.

Futures meet in columns that they share (what is decided before they part) and in nothing else. Write c_j for what a
column costs, and split it among the futures that see it: c_j = sum_f c_fj. Then every plan x of the program has in each
future f a plan of the rows and blocks of f alone, at sum_f c_f'x = c'x, so that

    min over all futures  >=  sum_f min over future f alone                                        (wait and see)

whatever the split is. In proportion to the probabilities it is the bound of perfect information (Madansky 1960); any
other split adds multipliers of sum zero to it, those of the condition that what is shared is the same in all futures
(dual decomposition, Caroe and Schultz 1999).

**Risk.** (1 - v) E[cost] + v CVaR_a[cost] is the largest of sum_f p_f cost_f over p = (1 - v) pi + v q, where q is a
probability with q_f <= pi_f / (1 - a) (Rockafellar and Uryasev 2000). So any such p gives a program without risk that
bounds the one with it from below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.program.blocks import Arrays, Layout, Program


@dataclass(frozen=True)
class Alone:
    """One future: `program` has its columns, rows and blocks, at its part of all costs, so that futures add up.

    columns: where the columns of its master stand in the whole one; blocks: likewise, of the whole program's.
    """

    future: int
    columns: IntArray
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
        """Columns of a group that the future sees."""
        index = self._picked[future].get(name, np.zeros(0, np.int64)).ravel()
        return np.asarray(index[index >= 0], np.int64)

    def weights(self, worst: FloatArray | None = None) -> FloatArray:
        """(F,) p = (1 - v) pi + v q; worst: q, by default pi (the mean, which CVaR is never below)."""
        risk = self.program.risk
        if risk is None:
            return self.probability
        q = self.probability if worst is None else worst
        return np.asarray(risk.mean_weight * self.probability + (1 - risk.mean_weight) * q, float)

    def worst(self, costs: FloatArray) -> FloatArray | None:
        """(F,) the q that makes most of what the futures cost; None without risk."""
        risk = self.program.risk
        if risk is None:
            return None
        excess = self.program.layout.columns["excess"].ravel()
        most = self.program.master.cost[excess] / (1 - risk.mean_weight)  # pi / (1 - alpha)
        q, left = np.zeros(self.count), 1.0
        for f in np.argsort(-costs, kind="stable"):
            q[f] = min(float(most[f]), left)
            left -= q[f]
        return q

    def alone(
        self, program: Program, future: int, worst: FloatArray | None = None, multipliers: FloatArray | None = None
    ) -> Alone:
        """The future by itself in `program`: this one, or one with the same master and other blocks (merged steps).

        multipliers: (shared columns,) added to what they cost in this future; over all futures they add up to zero.
        """
        weight = self.weights(worst)
        columns, rows = np.flatnonzero(self.seen[future]), np.flatnonzero(self.rows[future])
        master = program.master
        cost, factor = master.cost, np.ones(self.count)
        if program.risk is not None:
            price = weight - program.risk.mean_weight * self.probability  # of the rows z + zeta >= cost
            factor = weight / self.probability
            cost = cost - master.matrix[program.risk.row].T @ price
            for name in ("value_at_risk", "excess"):
                cost[program.layout.columns[name]] = 0.0
        parts = weight[:, None] * self.seen
        own = cost * parts[future] / np.maximum(parts.sum(axis=0), 1e-300)
        if multipliers is not None:
            own[self.shared] += multipliers
        lower, upper = master.lower.copy(), master.upper.copy()
        if program.risk is not None:
            for name in ("value_at_risk", "excess"):  # in no row that is left
                lower[program.layout.columns[name]] = upper[program.layout.columns[name]] = 0.0
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
        coupled: dict[int, object] = {}
        blocks = []
        for i in which.tolist():
            block = program.blocks[i]
            link = coupled.setdefault(id(block.coupling), block.coupling[:, columns])
            blocks.append(
                replace(block, coupling=link, cost=block.cost * factor[future], scale=block.scale * factor[future])
            )
        alone = Program(arrays, Layout(layout, {}), tuple(blocks), program.money_unit, None, program.facts)
        return Alone(future, columns, which, alone)


def _probability(program: Program, count: int) -> FloatArray:
    """(F,) from what the blocks of each future weigh: all futures have the same days."""
    weight = np.zeros(count)
    for block in program.blocks:
        weight[block.key.future] += block.scale
    return np.asarray(weight / weight.sum(), float)
