"""The growth that a course holds, series by series: for the table that a planner reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasts.outlook import FloatArray
from forecasts.weekly.growth import WEEKS_PER_YEAR
from forecasts.weekly.level import YEAR, LevelForecast
from forecasts.weekly.shifts import moved

PRESENT = 4
"""Weeks that count as the present, and as the same season a year on."""


@dataclass(frozen=True)
class GrowthUsed:
    """Growth of one series' level.

    seen_per_year: the yearly rate that history and belief give now (0.25: +25 %). half_life_weeks: how fast the part
    that only the history shows fades. next_year: what the P50 course makes of it a year on, its last four weeks against
    the last four known (a shorter course against the same weeks of the last year, or the present where there is none);
    weeks: how far on that is. doubt: standard deviation of that growth's logarithm.
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
        before = past[i, known - YEAR :][:reach] if known >= YEAR > reach else np.zeros(0)
        there = np.isfinite(before)
        if there.any():
            gained = float((ahead.mean[i, :reach] - before)[there].mean())
        else:
            present = past[i, -PRESENT:][np.isfinite(past[i, -PRESENT:])]
            begun = float(present.mean()) if len(present) else float(ahead.mean[i, 0])
            gained = float(ahead.mean[i, max(reach - PRESENT, 0) : reach].mean()) - begun
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
