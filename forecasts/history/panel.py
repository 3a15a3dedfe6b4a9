"""The regular hourly panel that everything after the reader starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.outlook import FloatArray, IntArray, SeriesKey

BoolArray = NDArray[np.bool_]


def _none_marked() -> BoolArray:
    return np.zeros((0, 0), dtype=bool)


def _none_named() -> FloatArray:
    return np.zeros((0, 0))


@dataclass(frozen=True)
class History:
    """A regular hourly panel.

    series: what each row is.
    index: hourly, naive local time in `timezone`, without holes.
    values: (series, hours) in the series' units; NaN where nothing trustworthy was measured (masked, not zero).
    burst: (series,), mean over busy hours of the peak inside the hour over its mean; 1 when the source was hourly.
    censored: (series, hours), true where demand was cut off, as the owner says: what was served stood at a named
        ceiling, or work was rejected or queued. `values` are then a lower bound of demand. None is true unless a
        ceiling was named: hours that only look like one are reported, not marked.
    ceiling: (series, hours) the named ceiling in the series' units, NaN where none is known (also in marked hours that
        were named by rejected or queued work).
    """

    series: tuple[SeriesKey, ...]
    index: pd.DatetimeIndex
    values: FloatArray
    burst: FloatArray
    timezone: str = "Asia/Shanghai"
    notes: tuple[str, ...] = field(default=())
    censored: BoolArray = field(default_factory=_none_marked)
    ceiling: FloatArray = field(default_factory=_none_named)

    def __post_init__(self) -> None:
        # Left out: nothing is marked. Frozen, so set past the guard.
        if self.censored.size == 0:
            object.__setattr__(self, "censored", np.zeros(self.values.shape, dtype=bool))
        if self.ceiling.size == 0:
            object.__setattr__(self, "ceiling", np.full(self.values.shape, np.nan))
        for name in ("censored", "ceiling"):
            shape = getattr(self, name).shape
            if shape != self.values.shape:
                raise ValueError(f"{name} is {shape}, expected {self.values.shape} as the values are")

    def part(self, rows: Sequence[int] | IntArray | slice | None = None, hours: slice | None = None) -> History:
        """The history of some series and of a stretch of hours, with their marks and notes.

        rows: (series,) their numbers.
        """
        rows = slice(None) if rows is None else rows
        hours = slice(None) if hours is None else hours
        kept = np.arange(len(self.series))[rows]
        return History(
            tuple(self.series[row] for row in kept),
            self.index[hours],
            self.values[kept, hours],
            self.burst[kept],
            self.timezone,
            self.notes,
            self.censored[kept, hours],
            self.ceiling[kept, hours],
        )
