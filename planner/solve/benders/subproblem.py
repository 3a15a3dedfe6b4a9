"""Blocks solved for given master columns, where the warm solvers live: in a worker process.

For master columns x a block is worth v(x) = min {e'y : lo <= W y + T x <= up, l <= y <= u}, convex in x. Any row
prices p give a lower bound of it for every x (Lagrange duality; Benders 1962):

    v(x) >= sum_i (p_i > 0 ? p_i lo_i : p_i up_i) - (T'p)'x + sum_j min over l_j <= y_j <= u_j of (e - W'p)_j y_j

The bound is computed from the prices alone, in full, whatever the solver says about its objective. So a cut is right
even where the solver ended early; it is only less tight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import Arrays, Block
from planner.solve.linear import attempts
from planner.solve.native import Incremental, Outcome

# A reduced cost this far below zero, relative to the block's largest cost, counts as zero where the column has no
# upper bound: it is the solvers' own dual tolerance.
DUAL_TOLERANCE = 1e-7


class BlockFailureError(ArithmeticError):
    """A block has no finite value at master columns that satisfy the master's rows, or no solver could find it."""


@dataclass(frozen=True)
class BlockValue:
    """v(x) at one x and a cut there: v(x') >= constant + slope x' for every x'; y only when asked for.

    value: nan where the cut is all that is known.

    over: power drawn above the billed one at each charged site (kW of IT load), empty where nothing is billed."""

    index: int
    value: float
    constant: float
    columns: IntArray
    slope: FloatArray
    over: FloatArray
    y: FloatArray | None = None


def cut_from_duals(block: Block, duals: FloatArray) -> tuple[float, IntArray, FloatArray] | None:
    """(constant, master columns, slope) of the cut that belongs to these row prices; None where they prove nothing."""
    prices = duals.copy()
    prices[(prices > 0) & ~np.isfinite(block.row_lower)] = 0.0
    prices[(prices < 0) & ~np.isfinite(block.row_upper)] = 0.0
    side = np.where(prices > 0, block.row_lower, np.where(prices < 0, block.row_upper, 0.0))
    reduced = block.cost - block.matrix.T @ prices
    open_end = ((reduced < 0) & ~np.isfinite(block.upper)) | ((reduced > 0) & ~np.isfinite(block.lower))
    tolerance = DUAL_TOLERANCE * max(float(np.abs(block.cost).max(initial=0.0)), 1e-9)
    if np.abs(reduced[open_end]).max(initial=0.0) > tolerance:
        return None
    reduced[open_end] = 0.0
    end = np.where(reduced > 0, block.lower, np.where(reduced < 0, block.upper, 0.0))
    constant = float(prices @ side + reduced @ end)
    slope = -(block.coupling.T @ prices)
    columns = np.flatnonzero(slope)
    return constant, columns, slope[columns]


class BlockGroup:
    """Blocks of one worker with their solvers. Evaluations of one block start from its last basis.

    Blocks that differ only by sides, bounds and a factor on their cost stand in one GLOP model. Futures of one day are
    such siblings; where there are any, so are days and periods, which would else take up a model each.
    """

    def __init__(self, blocks: Sequence[tuple[int, Block]]) -> None:
        self._blocks = dict(blocks)
        self._solver: dict[int, Incremental] = {}
        self._model_of: dict[int, int] = {}
        self._basis: dict[int, Any] = {}
        self._near: dict[
            tuple[int, tuple[str, int, int]], int
        ] = {}  # the sibling of another future that was solved last
        self._loose: dict[int, IntArray] = {}  # by model, columns whose bounds differ among its blocks
        self._rows: dict[int, IntArray] = {}  # by model, rows whose sides move
        self._prices: dict[int, FloatArray] = {}  # of this evaluation, per unit of scale
        futures = len({block.key.future for block in self._blocks.values()})
        seen: dict[tuple[object, ...], list[int]] = {}
        for index, block in self._blocks.items():
            key = (id(block.matrix), block.key.kind)
            same = seen.setdefault(key if futures > 1 else (*key, block.key.period, block.key.day), [])
            for other in same:
                first = self._blocks[other]
                if self._alike(first, block):
                    self._model_of[index] = other
                    apart = np.flatnonzero((first.lower != block.lower) | (first.upper != block.upper))
                    self._loose[other] = np.union1d(self._loose.get(other, np.zeros(0, np.int64)), apart)
                    self._rows[other] = np.arange(len(block.row_lower))
                    break
            else:
                self._model_of[index] = index
                self._rows[index] = np.flatnonzero(np.diff(block.coupling.indptr))
                same.append(index)
        models = list(self._model_of.values())
        self._shared = {m for m in models if models.count(m) > 1}

    @staticmethod
    def _alike(a: Block, b: Block) -> bool:
        return a.scale > 0 and b.scale > 0 and np.allclose(a.cost / a.scale, b.cost / b.scale, rtol=1e-12, atol=1e-15)

    def evaluate(
        self, x: FloatArray, which: Sequence[int], columns: bool = False, siblings: Sequence[int] = ()
    ) -> list[BlockValue]:
        """Values and cuts of the blocks `which` at master columns x, and cuts without a value of `siblings`.

        Raises BlockFailureError. x: (columns,).
        """
        self._prices = {}
        values = [self._one(index, x, columns) for index in which]
        return [*values, *(cut for index in siblings if (cut := self._from_siblings(index, x)) is not None)]

    def _from_siblings(self, index: int, x: FloatArray) -> BlockValue | None:
        """The best cut at x from the prices of this evaluation's siblings: with the same matrix and the same costs,
        prices that prove something of one block prove something of the other."""
        block, best = self._blocks[index], None
        for other, prices in self._prices.items():
            near = self._blocks[other].key.family == block.key.family
            if near and self._model_of[other] == self._model_of[index]:
                cut = cut_from_duals(block, prices * block.scale)
                if cut is not None:
                    constant, columns, slope = cut
                    says = constant + float(slope @ x[columns])
                    if best is None or says > best[0]:
                        best = (says, BlockValue(index, np.nan, constant, columns, slope, np.zeros(0)))
        return None if best is None else best[1]

    def _one(self, index: int, x: FloatArray, columns: bool) -> BlockValue:
        block = self._blocks[index]
        scale = block.scale if block.scale > 0 else 1.0
        shift = block.coupling @ x
        lower, upper = block.row_lower - shift, block.row_upper - shift
        arrays = Arrays(
            block.matrix, block.cost / scale, block.lower, block.upper, lower, upper, np.zeros(len(block.cost), bool)
        )
        outcome = self._again(index, block, arrays)
        cut = None if outcome is None or outcome.duals is None else cut_from_duals(block, outcome.duals * scale)
        if cut is None:  # not solved, or the warm basis was not dual feasible enough: prices from a cold solve
            outcome = self._afresh(index, block, arrays)
            assert outcome.duals is not None
            cut = cut_from_duals(block, outcome.duals * scale)
            if cut is None:
                raise BlockFailureError(f"block {block.key} has no prices that prove a bound")
        assert outcome is not None
        assert outcome.x is not None
        assert outcome.duals is not None
        if self._model_of[index] in self._shared:
            self._basis[index] = outcome.basis
            self._near[self._day(index)] = index
        self._prices[index] = outcome.duals
        constant, master_columns, slope = cut
        value = float(block.cost @ outcome.x)
        over = outcome.x[block.layout.columns.get("over_billed", np.zeros(0, np.int64))]
        return BlockValue(index, value, constant, master_columns, slope, over, outcome.x if columns else None)

    def _day(self, index: int) -> tuple[int, tuple[str, int, int]]:
        return self._model_of[index], self._blocks[index].key.family

    def _again(self, index: int, block: Block, arrays: Arrays) -> Outcome | None:
        """From the block's last basis, else from that of a sibling of the same day, else from nothing."""
        model = self._model_of[index]
        solver = self._solver.get(model)
        if solver is None:
            self._solver[model] = solver = Incremental(arrays)
            return self._from_nothing(solver)
        rows = self._rows[model]
        solver.move(rows, arrays.row_lower[rows], arrays.row_upper[rows])
        if model not in self._shared:
            return self._usable(solver.solve())
        loose = self._loose[model]
        if len(loose):
            solver.bound(loose, block.lower[loose], block.upper[loose])
        basis = self._basis.get(index, self._basis.get(self._near.get(self._day(index), -1)))
        return self._from_nothing(solver) if basis is None else self._usable(solver.solve(basis=basis))

    def _from_nothing(self, solver: Incremental) -> Outcome | None:
        """GLOP's primal simplex (all that is asked for may go unserved: it begins feasible; half the dual's time on the
        national example), then once more at the basis found, where later solves start from."""
        first = self._usable(solver.solve(afresh=True))
        again = None if first is None or first.basis is None else self._usable(solver.solve(basis=first.basis))
        return again or first

    def _afresh(self, index: int, block: Block, arrays: Arrays) -> Outcome:
        """With HiGHS, and a new GLOP model at the basis found."""
        outcome = attempts(arrays, None)
        if self._usable(outcome) is None:
            raise BlockFailureError(f"block {block.key} ended as {outcome.status} {outcome.detail}".strip())
        self._solver[self._model_of[index]] = solver = Incremental(arrays)
        again = None if outcome.basis is None else self._usable(solver.solve(basis=outcome.basis))
        return again or outcome

    @staticmethod
    def _usable(outcome: Outcome) -> Outcome | None:
        fine = outcome.status == "optimal" and outcome.x is not None and outcome.duals is not None
        return outcome if fine else None


_GROUPS: dict[tuple[str, int], BlockGroup] = {}


def evaluate(
    token: str,
    group: int,
    blocks: Sequence[tuple[int, Block]] | None,
    x: FloatArray,
    which: Sequence[int],
    columns: bool,
    siblings: Sequence[int] = (),
) -> list[BlockValue] | None:
    """Task of a worker process. blocks: sent once; None later, and the answer None asks for them again.

    x: (columns,) of the master.
    """
    state = _GROUPS.get((token, group))
    if state is None:
        if blocks is None:
            return None
        state = _GROUPS[(token, group)] = BlockGroup(blocks)
    return state.evaluate(x, which, columns, siblings)


def forget(token: str) -> None:
    """Task of a worker process: drop the solvers of a finished search."""
    for key in [k for k in _GROUPS if k[0] == token]:
        del _GROUPS[key]


def joined(values: Sequence[BlockValue], master_columns: int) -> tuple[IntArray, FloatArray, sp.csr_matrix]:
    """(owner, constant, slope) of the cuts in `values`."""
    owner = np.array([v.index for v in values], np.int64)
    constant = np.array([v.constant for v in values])
    starts = np.cumsum([0, *(len(v.columns) for v in values)])
    indices = np.concatenate([v.columns for v in values]) if values else np.zeros(0, np.int64)
    data = np.concatenate([v.slope for v in values]) if values else np.zeros(0)
    return owner, constant, sp.csr_matrix((data, indices, starts), shape=(len(values), master_columns))
