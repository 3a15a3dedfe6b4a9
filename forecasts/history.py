"""Read, check and regularise hourly demand histories."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from forecasts.outlook import FloatArray, SeriesKey


@dataclass(frozen=True)
class History:
    """A regular hourly panel.

    series: what each row is.
    index: hourly, naive local time in `timezone`, without holes.
    values: (series, hours) in the series' units; NaN where nothing trustworthy was measured (gaps are masked, not zero).
    burst: (series,), mean over busy hours of the peak inside the hour over its mean; 1 when the source was hourly.
    """

    series: tuple[SeriesKey, ...]
    index: pd.DatetimeIndex
    values: FloatArray
    burst: FloatArray
    timezone: str = "Asia/Shanghai"
    notes: tuple[str, ...] = field(default=())
