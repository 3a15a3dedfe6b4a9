"""Medians over a few arrays alike, cell by cell, with holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecasts.outlook import FloatArray


def known_median(parts: Sequence[FloatArray], least: int = 1) -> FloatArray:
    """Median of what is known in each cell of arrays of one shape; NaN where fewer than `least` of them are.

    Cells are put in order by exchanges of whole arrays (odd-even transposition sort): for five parts of 280,000 cells
    two thirds of the CPU of `np.sort` and taking the middle, a quarter of that of `np.nanmedian`; as much as `np.sort`
    for 13 parts, and four times as much for 52.
    """
    count = len(parts)
    known = np.zeros(parts[0].shape, dtype=np.int64)
    ordered = []
    for part in parts:
        seen = ~np.isnan(part)
        known += seen
        ordered.append(np.where(seen, part, np.inf))
    for turn in range(count):
        for i in range(turn % 2, count - 1, 2):
            low, high = ordered[i], ordered[i + 1]
            ordered[i], ordered[i + 1] = np.minimum(low, high), np.maximum(low, high)
    middle = ordered[count // 2]
    out = middle.copy() if count % 2 else (ordered[count // 2 - 1] + middle) / 2
    holes = np.nonzero(known < max(count, least))
    if len(holes[0]):
        cells, some = np.stack([part[holes] for part in ordered]), known[holes]
        place = np.arange(len(some))
        value = (cells[np.maximum(some - 1, 0) // 2, place] + cells[np.minimum(some // 2, count - 1), place]) / 2
        out[holes] = np.where(some >= max(least, 1), value, np.nan)
    return out
