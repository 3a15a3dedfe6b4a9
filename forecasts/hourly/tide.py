"""The hour-of-week shape of demand: estimate it, measure how strong it is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasts.calendar.hours import hour_of_week
from forecasts.history.medians import known_median
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, IntArray

NO_TIDE_STRENGTH = 0.3
"""Below this share of the detrended variance a daily or weekly shape is noise: say "no tide" (facts: training .08-.22,
inference .8-.92)."""

BLOCK_WEEKS = 8


@dataclass(frozen=True)
class TideStrength:
    """(series,) each. day, week: 1 - var(remainder) / var(shape + remainder), from 0 to 1 (Wang, Smith and
    Hyndman 2006, as in STL strength); peak_to_valley and peak_to_mean: of the mean shape; busiest: hour of week, 0 is
    Monday 00:00.
    """

    day: FloatArray
    week: FloatArray
    peak_to_mean: FloatArray
    peak_to_valley: FloatArray
    busiest: IntArray

    @property
    def tidal(self) -> np.ndarray:
        """(series,) whether there is a tide worth speaking of."""
        return np.asarray(np.maximum(self.day, self.week) >= NO_TIDE_STRENGTH)


def by_week(values: FloatArray, index: pd.DatetimeIndex) -> tuple[FloatArray, pd.DatetimeIndex]:
    """(series, weeks, 168) from Monday 00:00, NaN where nothing is known, and the weeks' Mondays."""
    lead = int(hour_of_week(index[:1])[0])
    weeks = -(-(lead + len(index)) // HOURS_PER_WEEK)
    cube = np.full((values.shape[0], weeks * HOURS_PER_WEEK), np.nan)
    cube[:, lead : lead + len(index)] = values
    mondays = pd.date_range(index[0] - pd.Timedelta(hours=lead), periods=weeks, freq="7D")
    return cube.reshape(values.shape[0], weeks, HOURS_PER_WEEK), mondays


def season_of_month(months: IntArray, seasons: int) -> IntArray:
    """Which of `seasons` equal parts of the year a month (1-12) belongs to; December starts the first (winter).

    months: (any,).
    """
    return np.asarray((months % 12) * seasons // 12, dtype=np.int64)


def hour_of_week_tide(
    values: FloatArray,
    index: pd.DatetimeIndex,
    seasons: int = 1,
    *,
    half_life_weeks: float = 26.0,
    shrink_weeks: float = 1.0,
) -> FloatArray:
    """(series, seasons, 168) hour-of-week shape from Monday 00:00, every one at least 0 with mean 1.

    values: (series, hours), NaN where masked. Each week is divided by its own level and the weeks of a season are
    averaged with weights that halve every `half_life_weeks`; single hours more than three robust deviations from the
    median of their hour are pulled in to it (Huber), so that outages and spikes leave no mark. The mean is shrunk to
    simpler shapes by the weeks seen: hour of week -> the day times weekday or weekend -> the day -> flat, each worth
    `shrink_weeks` of evidence. A season that was never seen takes the year's shape. Any history works: one hour or all
    zeros give a flat tide.
    """
    n = values.shape[0]
    cube, mondays = by_week(values, index)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        shape = _normalised(cube)
        # Two months at a time: what is usual in summer is not an outlier of the year.
        for block in np.array_split(np.arange(cube.shape[1]), max(1, cube.shape[1] // BLOCK_WEEKS)):
            if len(block) < 4:
                continue
            part = shape[:, block]
            middle = _over_weeks(part)
            band = 3 * np.maximum(1.4826 * _over_weeks(np.abs(part - middle)), 0.02)
            shape[:, block] = np.clip(part, middle - band, middle + band)
    age = np.arange(cube.shape[1])[::-1]
    weight = np.where(np.isfinite(shape), 0.5 ** (age / half_life_weeks)[None, :, None], 0.0)
    shape = np.nan_to_num(shape)
    whole = _shrunk((weight * shape).sum(axis=1), weight.sum(axis=1), np.ones((n, HOURS_PER_WEEK)), shrink_weeks)
    middle_month = np.asarray((mondays + pd.Timedelta(days=3)).month, dtype=np.int64)
    season = season_of_month(middle_month, seasons)
    tide = np.empty((n, seasons, HOURS_PER_WEEK))
    for s in range(seasons):
        here = weight * (season == s)[None, :, None]
        total, count = (here * shape).sum(axis=1), here.sum(axis=1)
        # A season leans on the whole year with the weight of four weeks: its own habits show when it has been seen.
        tide[:, s] = (total + 4 * shrink_weeks * whole) / (count + 4 * shrink_weeks) if seasons > 1 else whole
    tide = np.maximum(tide, 0.0)
    mean = tide.mean(axis=2, keepdims=True)
    return np.where(mean > 0, tide / np.where(mean > 0, mean, 1.0), 1.0)


def _over_weeks(part: FloatArray) -> FloatArray:
    """(series, 1, 168) median over the weeks that are known."""
    return known_median([part[:, week] for week in range(part.shape[1])])[:, None]


def _normalised(cube: FloatArray) -> FloatArray:
    """Weeks divided by their level. A partial week is levelled by the usual shape."""
    seen = np.isfinite(cube).mean(axis=2)
    level = np.nanmean(cube, axis=2, keepdims=True)
    full = (seen >= 0.9)[:, :, None]
    usual = np.nanmean(np.where(full & (level > 0), cube / level, np.nan), axis=1, keepdims=True)
    expected = np.nanmean(np.where(np.isfinite(cube), usual, np.nan), axis=2, keepdims=True)
    level = np.where(full | ~np.isfinite(expected) | (expected <= 0), level, level / expected)
    return np.where(level > 0, cube / level, np.nan)


def _shrunk(total: FloatArray, count: FloatArray, flat: FloatArray, strength: float) -> FloatArray:
    """(series, 168) weighted means pulled to the day times weekday/weekend, that to the day, that to flat."""
    n = total.shape[0]
    day_total, day_count = (part.reshape(n, 7, 24) for part in (total, count))
    prior = flat.reshape(n, 7, 24)
    daily = (day_total.sum(1) + strength * prior[:, 0]) / (day_count.sum(1) + strength)
    prior = np.repeat(daily[:, None], 7, axis=1)
    kind = prior.copy()
    for days in (slice(0, 5), slice(5, 7)):
        some = (day_total[:, days].sum(1) + strength * prior[:, 0]) / (day_count[:, days].sum(1) + strength)
        kind[:, days] = some[:, None]
    return np.asarray((total + strength * kind.reshape(n, -1)) / (count + strength))


def tide_strength(values: FloatArray, index: pd.DatetimeIndex) -> TideStrength:
    """How tidal each series is. values: (series, hours), NaN where masked.

    The level is taken out as a centred moving mean over a week (over a day below two weeks); the day's shape is the
    mean over hours of the day, the week's the mean over hours of the week. Fewer than two periods give strength 0.
    """
    n, hours = values.shape
    season = HOURS_PER_WEEK if hours >= 2 * HOURS_PER_WEEK else 24
    frame = pd.DataFrame(values.T)
    level = frame.rolling(season, center=True, min_periods=max(season // 3, 1)).mean().to_numpy().T
    loose = values - level
    when = hour_of_week(index)
    out = []
    for period, groups in ((24, when % 24), (HOURS_PER_WEEK, when)):
        # Evenly taken out of sample: each cell's mean leaves its own value out, so that noise has strength 0.
        good = np.isfinite(loose)
        total, count = np.zeros((n, period)), np.zeros((n, period))
        for g in range(period):
            cell = groups == g
            total[:, g], count[:, g] = np.nansum(loose[:, cell], axis=1), good[:, cell].sum(axis=1)
        others = count[:, groups] - 1
        with np.errstate(invalid="ignore", divide="ignore"):
            shape = (total[:, groups] - np.nan_to_num(loose)) / others
        valid = good & (others > 0)
        remainder = np.where(valid, loose - np.where(valid, shape, 0.0), 0.0)
        around = np.where(valid, loose, 0.0)
        power = (around**2).sum(axis=1)
        share = np.where(power > 0, 1 - (remainder**2).sum(axis=1) / np.where(power > 0, power, 1.0), 0.0)
        out.append(np.clip(np.where(valid.sum(axis=1) >= period, share, 0.0), 0.0, 1.0))
    mean = hour_of_week_tide(values, index)[:, 0]
    top, low = mean.max(axis=1), mean.min(axis=1)
    valley = np.where(low > 0, top / np.where(low > 0, low, 1.0), np.inf)
    return TideStrength(out[0], out[1], top, valley, np.argmax(mean, axis=1).astype(np.int64))
