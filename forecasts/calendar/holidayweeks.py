"""What special days do to the mean and the peak of a week."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasts.calendar.calendar import HolidayEffects, SpecialDays, learn_effects, special_days
from forecasts.calendar.hours import hour_of_week
from forecasts.outlook import HOURS_PER_WEEK, FloatArray
from forecasts.words.note import note

DAYS_PER_WEEK = 7


@dataclass(frozen=True)
class WeekFactors:
    """Logarithms that special days add to a week.

    level, peak: (series, weeks), the weeks known and then the weeks ahead; 0 in ordinary weeks. notes: what of the
    calendar was estimated.
    """

    level: FloatArray
    peak: FloatArray
    notes: tuple[str, ...] = ()

    def known(self, weeks: int) -> FloatArray:
        """(2 series, weeks) of the weeks known: levels of all series, then their peaks."""
        return np.concatenate([self.level[:, :weeks], self.peak[:, :weeks]])

    def ahead(self, weeks: int) -> FloatArray:
        """(2 series, weeks ahead) after the `weeks` known ones."""
        return np.concatenate([self.level[:, weeks:], self.peak[:, weeks:]])


def no_holidays(series: int, weeks: int) -> WeekFactors:
    """Every week is an ordinary one."""
    return WeekFactors(np.zeros((series, weeks)), np.zeros((series, weeks)))


def week_factors(
    values: FloatArray,
    index: pd.DatetimeIndex,
    tide: FloatArray,
    start: pd.Timestamp,
    weeks: tuple[int, int],
    place: tuple[str, str | None],
    peak_quantile: float = 0.99,
) -> WeekFactors:
    """Effects of special days, learnt by hour from a history, on weeks counted from `start` back and on.

    values: (series, hours) at `index`; tide: (series, 168) from Monday 00:00; start: midnight between the known
    weeks and those ahead, of which there are `weeks`; place: country and subdivision. A week's level changes by the
    mean of tide x factor, its peak by the quantile of tide x factor over that of the tide: a festival of a week lowers
    both, a single day off hardly the peak.
    """
    known, ahead = weeks
    first = min(index[0].normalize(), start - pd.Timedelta(days=DAYS_PER_WEEK * known))
    total = (start - first).days + DAYS_PER_WEEK * ahead
    days: SpecialDays = special_days(first.date(), total, *place)
    effects: HolidayEffects = learn_effects(values, index, days)
    series = values.shape[0]
    level, peak = np.zeros((series, known + ahead)), np.zeros((series, known + ahead))
    offset = (start - first).days - DAYS_PER_WEEK * known
    taught = np.array([label in effects.ratio for label in days.label])
    hours = pd.date_range(start, periods=HOURS_PER_WEEK, freq="h")
    shape = tide[:, hour_of_week(hours)]
    usual = np.maximum(np.quantile(shape, peak_quantile, axis=1), 1e-9)
    for week in range(known + ahead):
        begin = offset + DAYS_PER_WEEK * week
        if not taught[begin : begin + DAYS_PER_WEEK].any():
            continue
        changed = shape * effects.factors(begin, DAYS_PER_WEEK)
        level[:, week] = np.log(np.maximum(changed.mean(axis=1), 1e-3))
        peak[:, week] = np.log(np.maximum(np.quantile(changed, peak_quantile, axis=1) / usual, 1e-3))
    return WeekFactors(level, peak, tuple(note("days.said", text=text) for text in days.notes()))
