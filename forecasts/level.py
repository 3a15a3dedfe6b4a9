"""Weekly level and weekly peak, up to three years ahead.

The peak is forecast as itself (a high quantile of the week's hours, in logs), never as the peak of a mean forecast,
which comes out 12-17 % too low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from forecasts.growth import WEEKS_PER_YEAR, GrowthPrior, saturation
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, IntArray
from forecasts.structural import BACKTEST_WEEKS, StructuralFit, fit_structural

# A week with fewer of its hours measured is treated as not measured.
MIN_OBSERVED_SHARE = 0.5
# Eight years hold every yearly pattern several times; older weeks cost time and say little about the next ones.
MAX_WEEKS = 417
YEAR = 52
# A year-on-year view needs a year and a quarter before it says anything about this year against the last.
MIN_WEEKS_YEARLY = 65
# Single weeks further than this many robust deviations from their neighbours are pulled in before a model sees them.
SPIKE_DEVIATIONS = 3.0
# The structural model leads in the first weeks, the median of the three views from two months on.
MEDIAN_FROM_WEEK, MEDIAN_FULL_WEEK = 1, 8
YEAR_ON_YEAR_DAMPING = 0.5
# Horizons (weeks ahead, first and past the last) whose errors are pooled.
BUCKETS = ((0, 4), (4, 8), (8, 13), (13, BACKTEST_WEEKS))
# Standardised errors that a bucket needs before it counts fully against the normal law.
POOL_HALF = 60
OWN_SPREAD_POWER = 0.7
# Origins that a row needs before its own error size counts half against the usual row's.
OWN_HALF = 4.0
POOL_HALF_LIFE_WEEKS = 26.0
_KNOTS = np.array([0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.995])
_FAR = 8.0
_NORMAL_KNOTS = np.array([-2.5758, -1.96, -1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449, 1.96, 2.5758])


@dataclass(frozen=True)
class WeeklyPanel:
    """Weeks of a history, counted back from the outlook's start.

    start: midnight after the last week, where the outlook begins.
    level: (series, weeks), mean demand over the week's hours; NaN where too little was measured.
    peak: (series, weeks), the peak statistic of the week's hours; NaN likewise.
    """

    start: pd.Timestamp
    level: FloatArray
    peak: FloatArray

    @property
    def weeks(self) -> int:
        return int(self.level.shape[1])


def outlook_start(index: pd.DatetimeIndex) -> pd.Timestamp:
    """First midnight at or after the end of the last measured hour."""
    return (index[-1] + pd.Timedelta(hours=1)).ceil("D")


def weekly_panel(values: FloatArray, index: pd.DatetimeIndex, quantile: float = 0.99) -> WeeklyPanel:
    """Cut an hourly panel into whole weeks that end where the outlook starts.

    values: (series, hours), NaN where not measured; index: their hours. quantile: which quantile of a week's hours
    counts as its peak (1 for the single busiest). A level with holes in it is put right for the hours of the week that
    are missing, by the series' own mean hour-of-week profile. A series with no week of enough hours keeps what it has.
    """
    start = outlook_start(index)
    tail = int((start - index[-1]) / pd.Timedelta(hours=1)) - 1
    weeks = min(-(-(values.shape[1] + tail) // HOURS_PER_WEEK), MAX_WEEKS)
    padded = np.full((values.shape[0], weeks * HOURS_PER_WEEK), np.nan)
    kept = min(values.shape[1], padded.shape[1] - tail)
    padded[:, padded.shape[1] - tail - kept : padded.shape[1] - tail] = values[:, values.shape[1] - kept :]
    blocks = padded.reshape(values.shape[0], weeks, HOURS_PER_WEEK)
    seen = np.isfinite(blocks)
    count = seen.sum(axis=2)
    filled = np.where(seen, blocks, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=2) / count
        profile = filled.sum(axis=1) / seen.sum(axis=1)
        expected_all = (
            np.nanmean(np.where(np.isfinite(profile), profile, np.nan), axis=1, keepdims=True) if weeks else 0
        )
        expected_seen = np.einsum("swh,sh->sw", seen, np.nan_to_num(profile)) / count
        level = np.where(
            count == HOURS_PER_WEEK, mean, mean * np.where(expected_seen > 0, expected_all / expected_seen, 1)
        )
    peak = _quantile(blocks, count, quantile)
    enough = count >= MIN_OBSERVED_SHARE * HOURS_PER_WEEK
    enough |= ~enough.any(axis=1, keepdims=True) & (count > 0)
    return WeeklyPanel(start, np.where(enough, level, np.nan), np.where(enough, np.maximum(peak, level), np.nan))


def _quantile(blocks: FloatArray, count: IntArray, quantile: float) -> FloatArray:
    """Quantile over the last axis by linear interpolation, holes left out; NaN where nothing was measured."""
    ordered = np.sort(blocks, axis=2)  # NaN goes last
    position = quantile * np.maximum(count - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below = np.take_along_axis(ordered, low[:, :, None], axis=2)[:, :, 0]
    above = np.take_along_axis(ordered, high[:, :, None], axis=2)[:, :, 0]
    return below + (position - low) * (above - below)


@dataclass(frozen=True)
class LevelForecast:
    """Weekly level and peak ahead, in logs. Rows are the levels of all series and then their peaks.

    mean, spread: (rows, ahead), median course and the model's standard deviation around it.
    quantiles: (buckets, knots), how large standardised errors of earlier forecasts really were; see `calibrated`.
    pooled: (buckets,), how many errors stand behind them.
    structural: the fit behind the mean. method: (rows,), which views went in, or the fallback that stood in.
    floor: (rows,), log below which demand counts as none.
    """

    mean: FloatArray
    spread: FloatArray
    quantiles: FloatArray
    pooled: IntArray
    structural: StructuralFit
    method: tuple[str, ...]

    def calibrated(self, z: FloatArray) -> FloatArray:
        """Standard normal draws (..., ahead) mapped to the pooled law of standardised errors at each horizon."""
        out = np.empty_like(z)
        # Beyond the last knots the law goes on as a line through its two outermost ones.
        knots = np.concatenate([[-_FAR], _NORMAL_KNOTS, [_FAR]])
        for b, (begin, end) in enumerate(BUCKETS):
            law = self.quantiles[b]
            low = law[0] - (_FAR + _NORMAL_KNOTS[0]) * (law[1] - law[0]) / (_NORMAL_KNOTS[1] - _NORMAL_KNOTS[0])
            high = law[-1] + (_FAR - _NORMAL_KNOTS[-1]) * (law[-1] - law[-2]) / (_NORMAL_KNOTS[-1] - _NORMAL_KNOTS[-2])
            part = slice(begin, end if b < len(BUCKETS) - 1 else None)
            out[..., part] = np.interp(z[..., part], knots, np.concatenate([[low], law, [high]]))
        return out

    def quantile(self, probability: float) -> FloatArray:
        """(rows, ahead) logarithm that demand stays below with this probability."""
        z = float(np.interp(probability, ndtr(_NORMAL_KNOTS), _NORMAL_KNOTS))
        return self.mean + limited(self.spread * self.calibrated(np.full(self.mean.shape, z)))


def common_size(spread: FloatArray) -> FloatArray:
    """(rows, ahead) spreads drawn geometrically to the usual row's: a model only guesses its own error."""
    usual = np.nanmedian(spread, axis=0)
    return np.asarray(spread**OWN_SPREAD_POWER * usual ** (1 - OWN_SPREAD_POWER))


def limited(errors: FloatArray) -> FloatArray:
    """Logarithmic errors with their far ends drawn in: near 0 unchanged, 1 becomes 0.9, 4 becomes 2.1.

    Demand does not multiply by fifty within a quarter; a log-normal law with a wide spread says that it does now and
    then, and one such path would rule the total.
    """
    return np.asarray(np.arcsinh(errors))


def stretched(errors: FloatArray) -> FloatArray:
    """The inverse of `limited`, for errors that were seen."""
    return np.asarray(np.sinh(errors))


def forecast_level(
    logs: FloatArray, ahead: int, prior: GrowthPrior, *, half_life_years: float = 1.0, max_origins: int = 20
) -> LevelForecast:
    """Weekly logs of level and peak `ahead` weeks on, with intervals from rolling origins.

    logs: (rows, weeks), levels of all series and then their peaks, NaN where not measured, one value at least a row.
    Where a row goes back a year and a quarter the course is the structural model's in the first weeks and passes to
    the median of three views: structural, year on year with damped growth, and yearly Fourier terms on the level held.
    Shorter rows follow the structural model, whose growth is then mostly the prior's. Growth belief fades out between
    one and two years of history. Errors are measured at earlier origins with the same rules, divided by the spread
    foretold at that origin, and pooled over rows by horizon.
    """
    rows, weeks = logs.shape
    clean = despike(_bridge(logs))
    first = np.isfinite(clean).argmax(axis=1)
    years = (weeks - first) / WEEKS_PER_YEAR
    prior_rate = prior.log_rate * np.clip(2 - years, 0.0, 1.0)
    origins = _origins(weeks, max_origins)
    fit = fit_structural(clean, ahead, prior, prior_rate, half_life_years=half_life_years, origins=origins)
    mean, method = _blend(clean, fit.mean, fit.growth)
    reach = fit.origin_mean.shape[2]
    errors = np.full((len(origins), rows, reach), np.nan)
    for o, end in enumerate(origins):
        if end == 0:
            continue
        course, _ = _blend(clean[:, :end], fit.origin_mean[o], fit.origin_growth[o])
        size = common_size(fit.origin_spread[o])
        came = logs[:, end : end + reach]
        errors[o, :, : came.shape[1]] = stretched(came - course[:, : came.shape[1]]) / size[:, : came.shape[1]]
    age = (weeks - origins).astype(np.float64)
    own = _own_scale(errors, age)
    quantiles, pooled = _pool(errors / own[:, None], age)
    return LevelForecast(mean, common_size(fit.spread) * own[:, None], quantiles, pooled, fit, method)


def _origins(weeks: int, most: int) -> IntArray:
    """Earlier numbers of known weeks to forecast from: from a third of the history (two years at most) on."""
    first = max(8, min(2 * YEAR, weeks // 2))
    if weeks - first < 3:
        return np.zeros(0, dtype=np.int64)
    step = max(1, -(-(min(weeks - first, 2 * YEAR + BACKTEST_WEEKS)) // most))
    return np.arange(weeks - 2, first - 1, -step, dtype=np.int64)[:most][::-1].copy()


def _bridge(logs: FloatArray, longest: int = 3) -> FloatArray:
    """Holes of a few weeks filled along a straight line, so that series keep sharing their factorisation."""
    frame = pd.DataFrame(logs.T)
    return frame.interpolate(limit=longest, limit_area="inside").to_numpy().T.copy()


def despike(logs: FloatArray) -> FloatArray:
    """Weeks that stand alone, pulled in to SPIKE_DEVIATIONS robust deviations from the median of the five around."""
    frame = pd.DataFrame(logs.T)
    middle = frame.rolling(5, center=True, min_periods=3).median().to_numpy().T
    middle = np.where(np.isfinite(middle), middle, logs)
    off = logs - middle
    size = np.abs(off)
    kept = np.where(np.isfinite(size), size, 0.0)
    spread = 1.4826 * np.median(kept, axis=1, keepdims=True)
    bound = np.where(spread > 0, SPIKE_DEVIATIONS * spread, np.inf)
    return np.asarray(np.where(np.isfinite(off), middle + np.clip(off, -bound, bound), np.nan))


def _blend(clean: FloatArray, structural: FloatArray, growth: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    """Course (rows, ahead) from the views that a row's history allows, and their names."""
    ahead = structural.shape[1]
    recent = clean[:, -MIN_WEEKS_YEARLY:]
    enough: NDArray[np.bool_] = np.asarray(np.isfinite(recent).sum(axis=1) == MIN_WEEKS_YEARLY, dtype=np.bool_)
    bend = saturation(clean, ahead)
    structural = np.where(bend.found[:, None], structural - growth + bend.growth, structural)
    course = structural.copy()
    if enough.any():
        yearly = year_on_year(clean[enough], ahead)
        fourier = fourier_held(clean[enough], ahead)
        middle = np.median(np.stack([structural[enough], yearly, fourier]), axis=0)
        share = np.clip((np.arange(1, ahead + 1) - MEDIAN_FROM_WEEK) / (MEDIAN_FULL_WEEK - MEDIAN_FROM_WEEK), 0.0, 1.0)
        course[enough] = (1 - share) * structural[enough] + share * middle
    names = np.where(enough, "median of structural, year on year and Fourier", "structural").tolist()
    return course, tuple(
        f"{name}, {curve} growth" if curve else name for name, curve in zip(names, bend.curve, strict=True)
    )


def year_on_year(logs: FloatArray, ahead: int) -> FloatArray:
    """(rows, ahead): last year's weeks, smoothed over three, plus damped growth of the last quarter over its own.

    logs: (rows, weeks) with at least 65 weeks and no hole in the last 65.
    """
    quarter = min(13, logs.shape[1] - YEAR)
    growth = (logs[:, -quarter:] - logs[:, -quarter - YEAR : logs.shape[1] - YEAR]).mean(axis=1)
    frame = pd.DataFrame(logs[:, -YEAR - 1 :].T)
    smooth = frame.rolling(3, center=True, min_periods=1).mean().to_numpy().T[:, 1:]
    turn = np.arange(ahead) // YEAR
    damping = YEAR_ON_YEAR_DAMPING * (1 - YEAR_ON_YEAR_DAMPING ** (turn + 1)) / (1 - YEAR_ON_YEAR_DAMPING)
    return np.asarray(smooth[:, np.arange(ahead) % YEAR] + growth[:, None] * damping)


def fourier_held(logs: FloatArray, ahead: int, harmonics: int = 3, ridge: float = 3.0) -> FloatArray:
    """(rows, ahead): yearly Fourier terms over a line, the line held at the last quarter's level.

    logs: (rows, weeks); holes must be the same in every row's last 65 weeks (none). Ridge keeps a pattern that was
    seen only once or twice small.
    """
    rows, weeks = logs.shape
    t = np.arange(weeks + ahead) / WEEKS_PER_YEAR
    k = np.arange(1, harmonics + 1)
    angle = 2 * np.pi * np.outer(t, k)
    X = np.column_stack([np.ones_like(t), t - (weeks - 1) / WEEKS_PER_YEAR, np.sin(angle), np.cos(angle)])
    penalty = ridge * np.eye(X.shape[1])
    penalty[0, 0] = 0
    seen = np.isfinite(logs)
    past = X[:weeks]
    gram = np.einsum("rw,wi,wj->rij", seen, past, past, optimize=True) + penalty
    moment = np.where(seen, logs, 0.0) @ past
    beta = np.linalg.solve(gram, moment[..., None])[..., 0]
    quarter = min(13, weeks)
    held = np.nanmean(logs[:, -quarter:] - beta @ past[-quarter:].T, axis=1)
    season = beta[:, [0, *range(2, X.shape[1])]] @ X[weeks:][:, [0, *range(2, X.shape[1])]].T
    return np.asarray(season + held[:, None]).reshape(rows, ahead)


def _own_scale(errors: FloatArray, age_weeks: FloatArray) -> FloatArray:
    """(rows,) how large a row's standardised errors have lately been against the usual row's; drawn to 1 where few."""
    fresh = (0.5 ** (age_weeks / POOL_HALF_LIFE_WEEKS))[:, None, None] * np.isfinite(errors)
    total = (fresh * np.minimum(np.nan_to_num(errors) ** 2, 16.0)).sum(axis=(0, 2))
    mass = fresh.sum(axis=(0, 2))
    if mass.sum() <= 0:
        return np.ones(errors.shape[1])
    usual = max(float(total.sum() / mass.sum()), 1e-6)
    per_origin = fresh.max(axis=2)
    own = per_origin.sum(axis=0) ** 2 / np.maximum((per_origin**2).sum(axis=0), 1e-300)
    share = own / (own + OWN_HALF)
    mean = np.where(mass > 0, total / np.maximum(mass, 1e-300), usual)
    return np.asarray(np.sqrt(share * mean / usual + 1 - share))


def _pool(errors: FloatArray, age_weeks: FloatArray) -> tuple[FloatArray, IntArray]:
    """(buckets, knots) quantiles of standardised errors and how many they rest on, drawn to the normal where few.

    errors: (origins, rows, weeks ahead); age_weeks: (origins,), how long ago; old errors count less.
    """
    table = np.tile(_NORMAL_KNOTS, (len(BUCKETS), 1))
    count = np.zeros(len(BUCKETS), dtype=np.int64)
    fresh = 0.5 ** (age_weeks / POOL_HALF_LIFE_WEEKS)
    for b, (begin, end) in enumerate(BUCKETS):
        z = errors[:, :, begin:end]
        known = np.isfinite(z)
        count[b] = known.sum()
        if count[b] >= 8:
            mass = np.broadcast_to(fresh[:, None, None], z.shape)[known]
            # Neighbouring weeks of one forecast err together: they count once.
            own = float(mass.sum() ** 2 / (mass**2).sum()) / (end - begin)
            weight = own / (own + POOL_HALF)
            # Outer quantiles move out by what few independent errors leave unknown (split conformal's n + 1 over n).
            level = 0.5 + np.clip((_KNOTS - 0.5) * (1 + 0.5 / max(np.sqrt(own), 1.0)), -0.5, 0.5)
            rank = np.where(np.abs(_KNOTS - 0.5) > 0.4001, level, _KNOTS)
            order = np.argsort(z[known], kind="stable")
            share = (np.cumsum(mass[order]) - 0.5 * mass[order]) / mass.sum()
            table[b] = weight * np.interp(rank, share, z[known][order]) + (1 - weight) * _NORMAL_KNOTS
    return np.maximum.accumulate(table, axis=1), count
