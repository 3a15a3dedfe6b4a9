"""The growth that a course holds, series by series: for the table that a planner reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasts.outlook import FloatArray
from forecasts.weekly.growth import WEEKS_PER_YEAR
from forecasts.weekly.level import YEAR, LevelForecast
from forecasts.weekly.shifts import moved


@dataclass(frozen=True)
class GrowthUsed:
    """Growth of one series' level.

    seen_per_year: the yearly rate that history and belief give now (0.25: +25 %). half_life_weeks: how fast the part
    that only the history shows fades. next_year: what the P50 course makes of it a year on (or at its end, if that is
    sooner), against the last year (the present, for shorter histories); weeks: how far on that is. doubt: standard
    deviation of that growth's logarithm.
    """

    seen_per_year: float
    half_life_weeks: float
    next_year: float
    weeks: int
    doubt: float


def growth_used(ahead: LevelForecast, logs: FloatArray) -> tuple[GrowthUsed, ...]:
    """What the forecast takes growth to be. logs: (2 series, weeks), the weeks it was made from."""
    fit = ahead.structural
    series, known = len(logs) // 2, logs.shape[1]
    past = moved(logs, ahead.steps)[:series]
    reach = min(YEAR, ahead.mean.shape[1])
    years = reach / WEEKS_PER_YEAR
    out = []
    for i in range(series):
        before = past[i, known - YEAR : known - YEAR + reach] if known >= YEAR else past[i, -4:]
        before = before[np.isfinite(before)]
        if known >= YEAR and len(before) >= reach // 2:
            gained = float(ahead.mean[i, :reach].mean() - before.mean())
        else:
            gained = float(ahead.mean[i, reach - 1] - (before.mean() if len(before) else ahead.mean[i, 0]))
        out.append(
            GrowthUsed(
                seen_per_year=float(np.expm1(min(fit.rate[i], 50.0))),
                half_life_weeks=float(fit.half_life_years[i] * WEEKS_PER_YEAR),
                next_year=float(np.expm1(gained)),
                weeks=reach,
                doubt=float(np.sqrt(fit.rate_variance[i]) * years),
            )
        )
    return tuple(out)
