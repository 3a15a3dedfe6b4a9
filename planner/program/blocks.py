"""Vectorised variables and rows, and the program they make: one master and many small blocks.

    minimise   c'x + sum_b e_b'y_b
    subject to lo <= A x <= up                      (master: orders, stock, gangs, budgets ...)
               lo_b <= W_b y_b + T_b x <= up_b      (block b: one future, period and typical day)
               x, y_b within bounds, some x whole

Only the master has whole numbers. Blocks meet nowhere but in x, so that the program can be written out in one piece
(`flatten`) or be solved by Benders decomposition with the blocks as they stand. Blocks of the same shape share W_b.

Every group of columns and rows has a name from the constraint and cost registry, so that duals and reports lead back to
the case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from planner.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from planner.program.instance import Instance


@dataclass(frozen=True)
class Rows:
    """One group of rows: `index` holds row numbers in the shape of the group's index sets."""

    family: str
    index: IntArray


@dataclass(frozen=True)
class Arrays:
    """A linear model as plain arrays: minimise cost'x, row_lower <= matrix x <= row_upper, lower <= x <= upper."""

    matrix: sp.csr_matrix
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    integer: BoolArray

    @property
    def columns(self) -> int:
        """How many."""
        return int(self.cost.shape[0])

    @property
    def rows(self) -> int:
        """How many."""
        return int(self.row_lower.shape[0])

    def with_rows(self, matrix: Any, lower: ArrayLike, upper: ArrayLike) -> Arrays:
        """The same with further rows. matrix: (rows, columns), sparse; lower, upper: (rows,), or one for all."""
        sides = (np.broadcast_to(np.asarray(side, float), matrix.shape[:1]) for side in (lower, upper))
        old = (self.row_lower, self.row_upper)
        row_lower, row_upper = (np.concatenate(pair) for pair in zip(old, sides, strict=True))
        whole = sp.csr_matrix(sp.vstack([self.matrix, matrix]))
        return replace(self, matrix=whole, row_lower=row_lower, row_upper=row_upper)

    def with_columns(
        self, matrix: Any, *, cost: ArrayLike = 0.0, upper: ArrayLike = np.inf, integer: ArrayLike = False
    ) -> Arrays:
        """The same with further columns from 0 up to `upper`. matrix: (rows, columns), sparse; the others: (columns,),
        or one for all."""
        wide = matrix.shape[1:]
        return Arrays(
            sp.csr_matrix(sp.hstack([self.matrix, matrix])),
            np.concatenate([self.cost, np.broadcast_to(np.asarray(cost, float), wide)]),
            np.concatenate([self.lower, np.zeros(wide)]),
            np.concatenate([self.upper, np.broadcast_to(np.asarray(upper, float), wide)]),
            self.row_lower,
            self.row_upper,
            np.concatenate([self.integer, np.broadcast_to(np.asarray(integer, bool), wide)]),
        )


class Builder:
    """Collects columns, rows and coefficients in bulk; `arrays()` assembles them once.

    `couple` records coefficients of master columns in this builder's rows (for block templates).
    """

    def __init__(self) -> None:
        self.columns: dict[str, IntArray] = {}
        self.rows: dict[str, Rows] = {}
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        self._cost: list[FloatArray] = []
        self._integer: list[BoolArray] = []
        self._row_lower: list[FloatArray] = []
        self._row_upper: list[FloatArray] = []
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._couplings: list[tuple[IntArray, IntArray, FloatArray]] = []
        self.column_count = 0
        self.row_count = 0

    def column(
        self,
        name: str,
        shape: int | tuple[int, ...],
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
        cost: ArrayLike = 0.0,
        integer: bool = False,
    ) -> IntArray:
        """Add a group of columns; returns their numbers in `shape`. Bounds and cost broadcast to it."""
        if name in self.columns:
            raise ValueError(f"columns {name!r} stand already")
        shape = (shape,) if isinstance(shape, int) else shape
        count = int(np.prod(shape, dtype=int))
        index = np.arange(self.column_count, self.column_count + count).reshape(shape)
        self.column_count += count
        self.columns[name] = index
        for store, value in ((self._lower, lower), (self._upper, upper), (self._cost, cost)):
            store.append(np.broadcast_to(np.asarray(value, float), shape).ravel())
        self._integer.append(np.full(count, integer))
        return index

    def row(
        self,
        family: str,
        shape: int | tuple[int, ...],
        *,
        lower: ArrayLike = -np.inf,
        upper: ArrayLike = np.inf,
        name: str | None = None,
    ) -> IntArray:
        """Add a group of rows of a constraint family; returns their numbers in `shape`."""
        name = name or family
        if name in self.rows:
            raise ValueError(f"rows {name!r} stand already")
        shape = (shape,) if isinstance(shape, int) else shape
        count = int(np.prod(shape, dtype=int))
        index = np.arange(self.row_count, self.row_count + count).reshape(shape)
        self.row_count += count
        self.rows[name] = Rows(family, index)
        self._row_lower.append(np.broadcast_to(np.asarray(lower, float), shape).ravel())
        self._row_upper.append(np.broadcast_to(np.asarray(upper, float), shape).ravel())
        return index

    @staticmethod
    def _spread(row: ArrayLike, column: ArrayLike, value: ArrayLike) -> tuple[IntArray, IntArray, FloatArray]:
        rows, columns, values = np.broadcast_arrays(np.asarray(row), np.asarray(column), np.asarray(value, float))
        keep = values.ravel() != 0
        return rows.ravel()[keep], columns.ravel()[keep], values.ravel()[keep]

    def add(self, row: ArrayLike, column: ArrayLike, value: ArrayLike) -> None:
        """Add coefficients; the three broadcast against each other, zeros are dropped, repeats add up."""
        self._entries.append(self._spread(row, column, value))

    def couple(self, row: ArrayLike, master_column: ArrayLike, value: ArrayLike) -> None:
        """Coefficients of master columns in these rows."""
        self._couplings.append(self._spread(row, master_column, value))

    @staticmethod
    def _csr(entries: Sequence[tuple[IntArray, IntArray, FloatArray]], shape: tuple[int, int]) -> sp.csr_matrix:
        if not entries:
            return sp.csr_matrix(shape)
        rows, columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
        return sp.csr_matrix((values, (rows, columns)), shape=shape)

    def arrays(self) -> Arrays:
        """All that was added, as arrays of one program."""

        def joined(parts: list[Any], dtype: type) -> Any:
            return np.concatenate(parts) if parts else np.zeros(0, dtype)

        return Arrays(
            self._csr(self._entries, (self.row_count, self.column_count)),
            joined(self._cost, float),
            joined(self._lower, float),
            joined(self._upper, float),
            joined(self._row_lower, float),
            joined(self._row_upper, float),
            joined(self._integer, bool),
        )

    def coupling(self, master_columns: int) -> sp.csr_matrix:
        """(rows, master columns) what `couple` recorded."""
        return self._csr(self._couplings, (self.row_count, master_columns))


@dataclass(frozen=True)
class Layout:
    """Where the groups of columns and rows stand in a master or in a block; -1: a place that has none."""

    columns: Mapping[str, IntArray]
    rows: Mapping[str, Rows]

    def values(self, x: FloatArray, names: Iterable[str]) -> dict[str, FloatArray]:
        """The named groups at x, in their own shapes; zero where a place has no column. x: (columns, or more)."""
        index = {name: self.columns[name] for name in names}
        return {name: np.where(at >= 0, x[np.maximum(at, 0)], 0.0) for name, at in index.items()}

    def point(self, values: Mapping[str, FloatArray], names: Iterable[str], columns: int) -> FloatArray:
        """(columns,) with the named groups at these values and zero elsewhere. values: broadcast to the groups."""
        x = np.zeros(columns)
        for name in names:
            at = self.columns[name]
            x[at[at >= 0]] = np.broadcast_to(values[name], at.shape)[at >= 0]
        return x


@dataclass(frozen=True)
class BlockKey:
    """What a block is: kind "day" (future, period, day) or "outage" (future, period, lost site as `day`)."""

    kind: str
    future: int
    period: int
    day: int

    @property
    def family(self) -> tuple[str, int, int]:
        """What the futures of one day, or of one loss, have in common."""
        return self.kind, self.period, self.day


@dataclass(frozen=True)
class Block:
    """One block: lo <= matrix y + coupling x <= up. `matrix` and `layout` are shared by blocks of the same shape.

    `cost` already holds probability, discount and weight in days. `scale` (probability x discount x weight) is the
    factor by which the cost differs from that of a single undiscounted day, for those who warm-start across blocks.
    """

    key: BlockKey
    layout: Layout
    matrix: sp.csr_matrix
    coupling: sp.csr_matrix
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray
    scale: float


@dataclass(frozen=True)
class Program:
    """Master and blocks. Money is in `money_unit` of the case's currency, so that costs stay near 1.

    risk: how block costs enter the objective, None for their plain sum. instance: the sets and numbers that the program
    was made from; None for programs made by hand.
    """

    master: Arrays
    layout: Layout
    blocks: tuple[Block, ...]
    money_unit: float
    risk: RiskTerms | None = None
    instance: Instance | None = None

    @property
    def inst(self) -> Instance:
        """The instance of a program that `build` made. Raises ValueError for another."""
        if self.instance is None:
            raise ValueError("a program that was not made from a case has no instance")
        return self.instance


@dataclass(frozen=True)
class RiskTerms:
    """How block costs enter the objective when it is not their plain sum.

    Master row `row[f]` says z_f + zeta >= cost of future f: it holds the master's part, and the blocks of future f add
    -(1 / probability_f) cost_b'y_b to it. Directly, block costs enter the objective times `mean_weight`.
    """

    row: IntArray
    mean_weight: float
    probability: FloatArray


def flatten(program: Program) -> Arrays:
    """The program in one piece: columns are the master's, then each block's in order; rows likewise."""
    master, blocks = program.master, program.blocks
    weight = program.risk.mean_weight if program.risk else 1.0
    column_start = master.columns + np.concatenate([[0], np.cumsum([b.cost.shape[0] for b in blocks])]).astype(int)
    row_start = master.rows + np.concatenate([[0], np.cumsum([b.row_lower.shape[0] for b in blocks])]).astype(int)
    parts = [master.matrix.tocoo()]
    rows, columns, values = [parts[0].row.astype(int)], [parts[0].col.astype(int)], [parts[0].data]
    coo: dict[int, sp.coo_matrix] = {}
    for i, block in enumerate(blocks):
        own = coo.setdefault(id(block.matrix), block.matrix.tocoo())
        link = coo.setdefault(id(block.coupling), block.coupling.tocoo())
        rows += [own.row + row_start[i], link.row + row_start[i]]
        columns += [own.col + column_start[i], link.col.astype(int)]
        values += [own.data, link.data]
        if program.risk:
            priced = np.flatnonzero(block.cost)
            row = program.risk.row[block.key.future]
            rows.append(np.full(priced.shape, row))
            columns.append(priced + column_start[i])
            values.append(-block.cost[priced] / program.risk.probability[block.key.future])
    matrix = sp.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(int(row_start[-1]), int(column_start[-1])),
    )
    integer = np.zeros(int(column_start[-1]), bool)
    integer[: master.columns] = master.integer

    def stacked(first: FloatArray, rest: list[FloatArray]) -> FloatArray:
        return np.concatenate([first, *rest]) if rest else first

    return Arrays(
        matrix,
        stacked(master.cost, [weight * b.cost for b in blocks]),
        stacked(master.lower, [b.lower for b in blocks]),
        stacked(master.upper, [b.upper for b in blocks]),
        stacked(master.row_lower, [b.row_lower for b in blocks]),
        stacked(master.row_upper, [b.row_upper for b in blocks]),
        integer,
    )
