"""Billed power follows the dispatch: a point that bills too little is moved to what its days then draw.

A block has a dispatch whatever the master bills, because power above the billed one may be bought at a price that is
higher in every single day than billing it for the period. A point that bills too little therefore looks far worse than
the plan that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import Program
from planner.solve.benders.subproblem import BlockValue

# Raising less than this, relative to what is billed, is not worth another evaluation.
_NEGLIGIBLE = 1e-6


class Billing:
    """Which master column bills each charged site of a block, and the power usage effectiveness of that day."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._column: dict[int, IntArray] = {}
        self._pue: dict[int, FloatArray] = {}
        billed = program.layout.columns.get("billed_kw")
        if billed is None or not (billed >= 0).any():
            return
        known = np.zeros(program.master.columns, bool)
        known[billed[billed >= 0]] = True
        for index, block in enumerate(program.blocks):
            rows = block.layout.rows.get("demand_charge")
            if rows is None or not rows.index.size:
                continue
            part = block.coupling[rows.index[:, 0]].tocoo()
            mine = known[part.col]
            column, pue = np.zeros(len(rows.index), np.int64), np.ones(len(rows.index))
            column[part.row[mine]] = part.col[mine]
            pue[part.row[mine]] = -1 / part.data[mine]
            self._column[index], self._pue[index] = column, pue

    def raised(self, x: FloatArray, values: Iterable[BlockValue]) -> FloatArray | None:
        """x with billed power raised to what every day draws; None where it bills enough."""
        out = x.copy()
        for value in values:
            if value.index in self._column and len(value.over):
                column = self._column[value.index]
                np.maximum.at(out, column, x[column] + value.over * self._pue[value.index])
        more = out - x
        return out if np.any(more > _NEGLIGIBLE * np.maximum(1.0, np.abs(x))) else None

    def lowered(self, x: FloatArray, y: Sequence[FloatArray | None]) -> FloatArray:
        """x with billed power lowered to the most that any day draws: the same dispatch, which then costs less.

        y: (blocks,) columns of all blocks at x; where one is missing, x comes back as it is.
        """
        known_y = [columns for columns in y if columns is not None]
        if len(known_y) < len(self._program.blocks):
            return x
        spare = np.full(len(x), np.inf)
        for index, column in self._column.items():
            block, rows = self._program.blocks[index], self._program.blocks[index].layout.rows["demand_charge"].index
            drawn = block.matrix[rows.ravel()] @ known_y[index] + block.coupling[rows.ravel()] @ x
            room = (block.row_upper[rows.ravel()] - drawn).reshape(rows.shape).min(axis=1)
            np.minimum.at(spare, column, np.maximum(room, 0.0) * self._pue[index])
        out = x.copy()
        known = np.isfinite(spare)
        out[known] = np.maximum(x[known] - spare[known], self._program.master.lower[known])
        return out
