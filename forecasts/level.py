"""Weekly level and weekly peak, up to three years ahead.

The peak is forecast as itself (a high quantile of the week's hours, in logs), never as the peak of a mean forecast,
which comes out 12-17 % too low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from forecasts.growth import WEEKS_PER_YEAR, GrowthPrior, damped_years, posterior_rate
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, IntArray

# A week with fewer of its hours measured is treated as not measured.
MIN_OBSERVED_SHARE = 0.5
# Five years hold every yearly pattern several times; older weeks cost time and say little about the next ones.
MAX_WEEKS = 261
# Belief about a week's unexplained movement before data speak: standard deviation in logs, worth so many weeks.
VOLATILITY_PRIOR = 0.08
VOLATILITY_PRIOR_WEEKS = 3.0
# How fast growth that only the history shows fades back to the prior.
GROWTH_HALF_LIFE_YEARS = 1.0

# Hyperparameters of the structural model, relative to the AR(1) part's variance: random-walk step, AR(1) coefficient,
# variance of the yearly pattern.
_WALK = (0.0, 0.01, 0.04, 0.15, 0.6)
_PERSISTENCE = (0.0, 0.4, 0.7, 0.9)
_YEARLY = (0.0, 0.5, 3.0, 15.0)
_HARMONICS = 6


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
class StructuralFit:
    """Forecast of many weekly log series by one structural model.

    mean: (series, weeks ahead), expected log value.
    spread: (series, weeks ahead), standard deviation of the model's error without growth.
    error_map: (patterns, weeks ahead, weeks ahead), lower triangular: error of the weeks ahead = map @ innovations.
    pattern: (series,), which map holds for the series.
    scale: (series,), standard deviation of an innovation in logs.
    innovation: (series, weeks), whitened one-week-ahead errors of the past, unit variance; NaN where not measured.
    rate, rate_variance: (series,), yearly log growth and its variance.
    """

    mean: FloatArray
    spread: FloatArray
    error_map: FloatArray
    pattern: IntArray
    scale: FloatArray
    innovation: FloatArray
    rate: FloatArray
    rate_variance: FloatArray


def _kernel(a: FloatArray, b: FloatArray, walk: float, persistence: float, yearly: float) -> FloatArray:
    """Covariance of the structural model between times a and b (weeks, from 1), in units of the AR(1) variance."""
    lag = np.abs(a[:, None] - b[None, :])
    cov = np.power(persistence, lag) if persistence else (lag == 0).astype(np.float64)
    cov = cov + walk * np.minimum(a[:, None], b[None, :])
    if yearly:
        weights = np.array([1.0 / k**2 for k in range(1, _HARMONICS + 1)])
        for k, weight in enumerate(weights / weights.sum(), start=1):
            cov = cov + yearly * weight * np.cos(2 * np.pi * k * lag / WEEKS_PER_YEAR)
    return np.asarray(cov, dtype=np.float64)


def fit_structural(logs: FloatArray, ahead: int, prior: GrowthPrior) -> StructuralFit:
    """Random walk + AR(1) + yearly pattern + growth, for all series at once.

    logs: (series, weeks), NaN where not measured; each series must have a value somewhere. ahead: weeks.
    This is the unobserved-components model of Harvey (1989) at weekly grain. Its likelihood is evaluated on a grid of
    variance ratios that all series share, so that one Cholesky factor serves every series with the same holes; the
    predictions are averaged with the likelihoods as weights. The growth rate is a normal prior updated by the slope
    that generalised least squares finds.
    """
    series, weeks = logs.shape
    grid = [(w, p, y) for w in _WALK for p in _PERSISTENCE for y in _YEARLY if not (w > 0.1 and p > 0.8)]
    if weeks < 60:
        grid = [(w, p, y) for (w, p, y) in grid if y in (0.0, 3.0)]
    seen = np.isfinite(logs)
    masks, group = np.unique(seen, axis=0, return_inverse=True)
    group = group.reshape(-1)
    t_all = np.arange(1, weeks + ahead + 1, dtype=np.float64)
    loglik = np.full((len(grid), series), -np.inf)
    mean = np.zeros((len(grid), series, ahead))
    rate = np.zeros((len(grid), series))
    rate_var = np.zeros((len(grid), series))
    sigma2 = np.zeros((len(grid), series))
    damped = damped_years(np.arange(1, ahead + 1, dtype=np.float64), GROWTH_HALF_LIFE_YEARS)
    steady = np.arange(1, ahead + 1) / WEEKS_PER_YEAR
    for g, hyper in enumerate(grid):
        cov = _kernel(t_all, t_all, *hyper)
        for m, mask in enumerate(masks):
            rows = np.flatnonzero(group == m)
            at = np.flatnonzero(mask)
            n = len(at)
            chol = np.linalg.cholesky(cov[np.ix_(at, at)] + 1e-8 * np.eye(n))
            years = (at - (weeks - 1)) / WEEKS_PER_YEAR
            base = np.column_stack([np.ones(n), years])
            white = solve_triangular(chol, np.column_stack([base, logs[np.ix_(rows, at)].T]), lower=True)
            one, slope_x, y = white[:, 0], white[:, 1], white[:, 2:]
            oo = one @ one
            sx = slope_x - one * (one @ slope_x / oo)
            yc = y - np.outer(one, one @ y / oo)
            xx = float(sx @ sx)
            slope = (sx @ yc) / xx if xx > 1e-9 else np.zeros(len(rows))
            rss0 = ((yc - np.outer(sx, slope)) ** 2).sum(axis=0)
            dof = max(n - 2, 0)
            s2 = (rss0 + VOLATILITY_PRIOR_WEEKS * VOLATILITY_PRIOR**2) / (dof + VOLATILITY_PRIOR_WEEKS)
            variance = s2 / xx if xx > 1e-9 else np.full(len(rows), np.inf)
            b, bvar = posterior_rate(slope, variance, prior)
            resid = yc - np.outer(sx, b)
            rss = (resid**2).sum(axis=0)
            s2 = (rss + VOLATILITY_PRIOR_WEEKS * VOLATILITY_PRIOR**2) / (max(n - 1, 0) + VOLATILITY_PRIOR_WEEKS)
            logdet = 2 * np.log(np.diag(chol)).sum() + np.log(oo)
            loglik[g, rows] = -0.5 * (logdet + (n - 1 + VOLATILITY_PRIOR_WEEKS) * np.log(s2))
            alpha = (one @ (y - np.outer(slope_x, b))) / oo
            weights = solve_triangular(chol, cov[np.ix_(at, np.arange(weeks, weeks + ahead))], lower=True)
            fitted = y - np.outer(slope_x, b) - np.outer(one, alpha)
            excess = b - prior.log_rate
            # The line's own anchor is the last week (year 0): past growth fades, believed growth stays.
            growth = prior.log_rate * steady[None, :] + excess[:, None] * damped[None, :]
            mean[g, rows] = (weights.T @ fitted).T + alpha[:, None] + growth
            rate[g, rows] = b
            rate_var[g, rows] = bvar
            sigma2[g, rows] = s2
    pooled = loglik.mean(axis=1, keepdims=True)
    score = loglik + 1.0 * (pooled - pooled.max())
    score -= score.max(axis=0, keepdims=True)
    weight = np.exp(score)
    weight /= weight.sum(axis=0, keepdims=True)
    best = weight.argmax(axis=0)
    used, pattern = np.unique(best, return_inverse=True)
    maps = np.zeros((len(used), ahead, ahead))
    innovation = np.full((series, weeks), np.nan)
    scale = np.sqrt((weight * sigma2).sum(axis=0))
    for u, g in enumerate(used):
        cov = _kernel(t_all, t_all, *grid[g]) + 1e-8 * np.eye(len(t_all))
        full = np.linalg.cholesky(cov)
        maps[u] = full[weeks:, weeks:]
        for m, mask in enumerate(masks):
            rows = np.flatnonzero((group == m) & (best == g))
            if not len(rows):
                continue
            at = np.flatnonzero(mask)
            chol = np.linalg.cholesky(cov[np.ix_(at, at)])
            years = (at - (weeks - 1)) / WEEKS_PER_YEAR
            y = logs[np.ix_(rows, at)] - np.outer(rate[g, rows], years)
            white = solve_triangular(chol, np.column_stack([np.ones(len(at)), y.T]), lower=True)
            one = white[:, 0]
            resid = white[:, 1:] - np.outer(one, one @ white[:, 1:] / (one @ one))
            innovation[np.ix_(rows, at)] = (resid / np.sqrt(sigma2[g, rows])).T
    spread = scale[:, None] * np.sqrt((maps**2).sum(axis=2))[pattern]
    return StructuralFit(
        mean=np.einsum("gs,gsh->sh", weight, mean),
        spread=spread,
        error_map=maps,
        pattern=pattern.reshape(-1),
        scale=scale,
        innovation=innovation,
        rate=(weight * rate).sum(axis=0),
        rate_variance=(weight * rate_var).sum(axis=0),
    )
