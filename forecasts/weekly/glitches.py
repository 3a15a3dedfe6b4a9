"""Single wild hours: a sensor's fault must move neither the level nor the peak of its week."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecasts.outlook import HOURS_PER_WEEK, BoolArray, FloatArray

# An hour this many times as high as the busy hours of the five weeks around it is no demand, if so few are.
WILD = 10.0
MOST_HOURS = 3
_WEEKS_AROUND = 2


def wild_hours(values: FloatArray) -> tuple[BoolArray, FloatArray]:
    """(series, hours) hours that cannot be demand, and the busy hour of their week, which stands in for each.

    values: (series, hours), NaN where nothing was measured. A week's busy hour is its fourth highest. An hour is wild
    when it lies above ten times the highest busy hour of its own week and the two on either side, and no more than
    three hours of the week do: a real surge lasts longer, or is less. Below one day of history nothing is told.
    """
    series, hours = values.shape
    weeks = -(-hours // HOURS_PER_WEEK)
    padded = np.full((series, weeks * HOURS_PER_WEEK), np.nan)
    padded[:, weeks * HOURS_PER_WEEK - hours :] = values
    blocks = padded.reshape(series, weeks, HOURS_PER_WEEK)
    filled = np.where(np.isfinite(blocks), blocks, -np.inf)
    busy = -np.partition(-filled, MOST_HOURS, axis=2)[:, :, MOST_HOURS]
    busy = np.where(np.isfinite(busy), busy, 0.0)
    around = np.pad(busy, ((0, 0), (_WEEKS_AROUND, _WEEKS_AROUND)))
    top = sliding_window_view(around, 2 * _WEEKS_AROUND + 1, axis=1).max(axis=2)
    wild = (filled > WILD * top[:, :, None]) & (top[:, :, None] > 0)
    wild &= wild.sum(axis=2, keepdims=True) <= MOST_HOURS
    flat = wild.reshape(series, -1)[:, weeks * HOURS_PER_WEEK - hours :]
    instead = np.repeat(top, HOURS_PER_WEEK, axis=1)[:, weeks * HOURS_PER_WEEK - hours :]
    return flat, instead
