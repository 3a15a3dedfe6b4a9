"""No quarter's P95 beyond three times the highest week of the last year, unless growth that is stated says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecasts.outlook import FloatArray
from forecasts.weekly.level import LevelForecast, limited
from forecasts.weekly.quarterlaw import quarters_of

HIGHEST = 0.95
_NORMAL_95 = 1.6449
MOST_TIMES = 3.0
# Where the course itself has grown towards the bound, this much above it is still left.
LEAST_TIMES = 2.0


@dataclass(frozen=True)
class Held:
    """What the guard found of one series: its P95 would lie `wanted` times above the highest week of the last year, and
    is let `allowed` times above; the course itself rises to `course` times."""

    series: int
    wanted: float
    allowed: float
    course: float


def guarded(ahead: LevelForecast) -> tuple[LevelForecast, tuple[Held, ...]]:
    """The forecast with its upper errors drawn in where a quarter's P95 would lie beyond the guard.

    The bound is three times the highest week of the last year at the present level, or twice the highest
    week of the course, whichever is more: a course that has grown beyond the bound by itself has a reason, which the
    caller states. The lower errors stay.
    """
    rows, weeks = ahead.mean.shape
    series = rows // 2
    parts = quarters_of(weeks)
    course = np.stack([ahead.mean[:, part].max(axis=1) for part in parts], axis=1)
    bound = np.maximum(ahead.highest[:, None] + np.log(MOST_TIMES), course + np.log(LEAST_TIMES))
    week = ahead.mean + limited(ahead.spread * ahead.calibrated(np.full(ahead.mean.shape, _NORMAL_95)))
    high = np.stack([week[:, part].max(axis=1) for part in parts], axis=1)
    foretold = [ahead.quarter.highest(ahead.mean[series:], ahead.spread[series:], k) for k in range(len(parts))]
    centre = np.stack([middle for middle, _ in foretold], axis=1)
    off = [limited(ahead.quarter.errors(k, HIGHEST, size)) for k, (_, size) in enumerate(foretold)]
    quarter = centre + np.stack(off, axis=1)
    bound_quarter = np.maximum(ahead.highest[series:, None] + np.log(MOST_TIMES), centre + np.log(LEAST_TIMES))
    upper = _share(high, course, bound)
    upper_quarter = _share(quarter, centre, bound_quarter)
    found = []
    for i in np.flatnonzero((quarter - ahead.highest[series:, None]).max(axis=1) > np.log(MOST_TIMES)).tolist():
        low = ahead.highest[series + i]
        rises = centre[i]
        allowed = rises + upper_quarter[i] * (quarter[i] - rises)
        found.append(Held(i, *(float(np.exp(part.max() - low)) for part in (quarter[i], allowed, rises))))
    return replace(ahead, upper=upper, upper_quarter=upper_quarter), tuple(found)


def _share(high: FloatArray, course: FloatArray, bound: FloatArray) -> FloatArray:
    """(rows,) share of the way from course to high that stays within the bound; arguments are (rows, quarters)."""
    over = high - course
    room = np.clip((bound - course) / np.where(over > 0, over, 1.0), 0.0, 1.0)
    return np.asarray(np.where(over > 0, room, 1.0).min(axis=1))
