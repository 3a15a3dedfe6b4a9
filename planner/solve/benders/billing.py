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
    """Which master columns bill each charged site of a block, and the power usage effectiveness of that day."""

    def __init__(self, program: Program) -> None:
        self._program = program
        # by block: charged site, master column and PUE of every bill that the day belongs to
        self._bills: dict[int, tuple[IntArray, IntArray, FloatArray]] = {}
        billed = program.layout.columns.get("billed_kw")
        if billed is None or not (billed >= 0).any():
            return
        known = np.zeros(program.master.columns, bool)
        known[billed[billed >= 0]] = True
        for index, block in enumerate(program.blocks):
            rows = block.layout.rows.get("demand_bill", block.layout.rows.get("demand_charge"))
            if rows is None or not rows.index.size:
                continue
            # without bills of their own the rows of a day's hours say all the same
            bills = rows.index if rows is block.layout.rows.get("demand_bill") else rows.index[:, :1]
            part = block.coupling[bills.ravel()].tocoo()
            mine = known[part.col]
            site = part.row[mine] // bills.shape[1]
            self._bills[index] = site.astype(np.int64), part.col[mine].astype(np.int64), -1 / part.data[mine]

    def raised(self, x: FloatArray, values: Iterable[BlockValue]) -> FloatArray | None:
        """x with billed power raised to what every day draws; None where it bills enough.

        A day draws as much above its least bill as it is over; its other bills are at least as high.
        x: (columns,) of the master.
        """
        out = x.copy()
        for value in values:
            if value.index in self._bills and len(value.over):
                site, column, pue = self._bills[value.index]
                least = np.full(len(value.over), np.inf)
                np.minimum.at(least, site, x[column])
                over = value.over[site] > 0
                drawn = least[site] + value.over[site] * pue
                np.maximum.at(out, column[over], drawn[over])
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
        for index, (site, column, pue) in self._bills.items():
            block = self._program.blocks[index]
            rows = block.layout.rows["demand_charge"].index
            used = block.matrix[rows.ravel()] @ known_y[index] + block.coupling[rows.ravel()] @ x
            if "demand_bill" in block.layout.rows:
                # these rows hold the day's highest power, which may stand above what any hour draws
                drawn = used.reshape(rows.shape).max(axis=1) + known_y[index][block.layout.columns["highest_kw"]]
                np.minimum.at(spare, column, np.maximum(x[column] - drawn[site] * pue, 0.0))
            else:
                room = (block.row_upper[rows.ravel()] - used).reshape(rows.shape).min(axis=1)
                np.minimum.at(spare, column, np.maximum(room, 0.0)[site] * pue)
        out = x.copy()
        known = np.isfinite(spare)
        out[known] = np.maximum(x[known] - spare[known], self._program.master.lower[known])
        return out
