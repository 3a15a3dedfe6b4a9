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

from planner.program.blocks import Arrays, Block, FloatArray, IntArray
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


@dataclass
class _Warm:
    """One GLOP model that stands for all blocks that differ by bounds and a factor on the cost."""

    solver: Incremental
    scale: float
    rows: IntArray


class BlockGroup:
    """Blocks of one worker with their solvers. Evaluations of one block start from its last basis."""

    def __init__(self, blocks: Sequence[tuple[int, Block]]) -> None:
        self._blocks = dict(blocks)
        self._warm: dict[object, _Warm] = {}
        self._model_of: dict[int, object] = {}
        self._basis: dict[int, Any] = {}
        self._loose: dict[object, IntArray] = {}  # by model, columns whose bounds differ among its blocks
        seen: dict[tuple[int, str, int, int], list[int]] = {}
        for index, block in self._blocks.items():
            key = (id(block.matrix), block.key.kind, block.key.period, block.key.day)
            for other in seen.setdefault(key, []):
                first = self._blocks[other]
                if self._alike(first, block):
                    self._model_of[index] = other
                    apart = np.flatnonzero((first.lower != block.lower) | (first.upper != block.upper))
                    self._loose[other] = np.union1d(self._loose.get(other, np.zeros(0, np.int64)), apart)
                    break
            else:
                self._model_of[index] = index
                seen[key].append(index)
        self._shared = {m for m in self._model_of.values() if list(self._model_of.values()).count(m) > 1}

    @staticmethod
    def _alike(a: Block, b: Block) -> bool:
        return a.scale > 0 and b.scale > 0 and np.allclose(a.cost / a.scale, b.cost / b.scale, rtol=1e-12, atol=1e-15)

    def evaluate(self, x: FloatArray, which: Sequence[int], columns: bool = False) -> list[BlockValue]:
        """Values and cuts of the blocks `which` at master columns x. Raises BlockFailureError."""
        return [self._one(index, x, columns) for index in which]

    def _one(self, index: int, x: FloatArray, columns: bool) -> BlockValue:
        block = self._blocks[index]
        shift = block.coupling @ x
        lower, upper = block.row_lower - shift, block.row_upper - shift
        key = self._model_of[index]
        warm = self._warm.get(key)
        outcome = None
        if warm is not None:
            shared = key in self._shared
            rows = np.arange(len(lower)) if shared else warm.rows
            warm.solver.move(rows, lower[rows], upper[rows])
            loose = self._loose.get(key)
            if loose is not None and len(loose):
                warm.solver.bound(loose, block.lower[loose], block.upper[loose])
            outcome = warm.solver.solve(basis=self._basis.get(index) if shared else None)
        if warm is None or not self._usable(outcome):
            outcome = self._cold(index, block, lower, upper)
        assert outcome is not None
        assert outcome.x is not None
        assert outcome.duals is not None
        scale = self._warm[key].scale
        if key in self._shared:
            self._basis[index] = outcome.basis
        cut = cut_from_duals(block, outcome.duals * scale)
        found = outcome.x
        if cut is None:  # the warm basis was not dual feasible enough: take the prices from a cold solve
            outcome = self._cold(index, block, lower, upper)
            assert outcome.x is not None
            assert outcome.duals is not None
            cut = cut_from_duals(block, outcome.duals * scale)
            found = outcome.x
            if cut is None:
                raise BlockFailureError(f"block {block.key} has no prices that prove a bound")
        constant, master_columns, slope = cut
        value = float(block.cost @ found)
        over = found[block.layout.columns.get("over_billed", np.zeros(0, np.int64))]
        return BlockValue(index, value, constant, master_columns, slope, over, found if columns else None)

    @staticmethod
    def _usable(outcome: Outcome | None) -> bool:
        return (
            outcome is not None and outcome.status == "optimal" and outcome.x is not None and outcome.duals is not None
        )

    def _cold(self, index: int, block: Block, lower: FloatArray, upper: FloatArray) -> Outcome:
        """Solve from nothing and set up the warm solver at the basis found."""
        scale = block.scale if block.scale > 0 else 1.0
        arrays = Arrays(
            block.matrix,
            block.cost / scale,
            block.lower,
            block.upper,
            lower,
            upper,
            np.zeros(len(block.cost), bool),
        )
        key = self._model_of[index]
        rows = np.flatnonzero(np.diff(block.coupling.indptr))
        self._warm[key] = _Warm(Incremental(arrays), scale, rows)
        outcome = attempts(arrays, None)
        if not self._usable(outcome):
            raise BlockFailureError(f"block {block.key} ended as {outcome.status} {outcome.detail}".strip())
        if outcome.basis is not None:
            # HiGHS from nothing beats GLOP from the basis of a neighbour (0.9 against 1.7 s on L)
            again = self._warm[key].solver.solve(basis=outcome.basis)
            if self._usable(again):
                return again
        return outcome


_GROUPS: dict[tuple[str, int], BlockGroup] = {}


def evaluate(
    token: str,
    group: int,
    blocks: Sequence[tuple[int, Block]] | None,
    x: FloatArray,
    which: Sequence[int],
    columns: bool,
) -> list[BlockValue] | None:
    """Task of a worker process. blocks: sent once; None later, and the answer None asks for them again."""
    state = _GROUPS.get((token, group))
    if state is None:
        if blocks is None:
            return None
        state = _GROUPS[(token, group)] = BlockGroup(blocks)
    return state.evaluate(x, which, columns)


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
