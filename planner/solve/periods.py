"""Which period each whole column of the master belongs to."""

from __future__ import annotations

import numpy as np

from planner.arrays import IntArray
from planner.program.blocks import Program


def period_of_columns(program: Program) -> IntArray:
    """(master columns,) period, -1 for columns without one. Groups with a time axis have it last."""
    periods = 1 + max((block.key.period for block in program.blocks), default=0)
    out = np.full(program.master.columns, -1, np.int64)
    for index in program.layout.columns.values():
        if index.ndim == 0 or index.shape[-1] != periods:
            continue
        period = np.broadcast_to(np.arange(periods), index.shape)
        known = index >= 0
        out[index[known]] = period[known]
    return out
