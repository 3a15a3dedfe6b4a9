"""The structural model of weekly logs: random walk + AR(1) + yearly pattern + growth, for all series at once.

This is Harvey's (1989) unobserved-components model at weekly grain, written as a Gaussian process and fitted by
likelihood over a grid of variance ratios that all series share. One Cholesky factor then serves every series with the
same holes, and because the leading block of a Cholesky factor is the factor of the leading block, the same one serves
every rolling origin: a back-test costs little more than a fit. docs/decisions/0030 compares it with statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from forecasts.outlook import FloatArray, IntArray
from forecasts.weekly.growth import (
    FASTEST_LASTING,
    WEEKS_PER_YEAR,
    YEAR_WEEKS,
    Beliefs,
    damped_years,
    fading,
    posterior_rate,
    seasonal_slope_variance,
)

# Belief about a week's unexplained movement before data speak: standard deviation in logs, worth so many weeks.
VOLATILITY_PRIOR = 0.08
VOLATILITY_PRIOR_WEEKS = 3.0
VOLATILITY_HALF_LIFE_WEEKS = 39.0

# Variance ratios to the AR(1) part: step of the random walk, AR(1) coefficient, yearly pattern.
_WALK = (0.0, 0.02, 0.12, 0.6)
_PERSISTENCE = (0.0, 0.4, 0.7)
_NO_YEARLY = (0.0,)
_YEARLY = (0.7, 6.0, 30.0)
# Weeks through which the present level of a row that grows very fast is read.
LAUNCH_WEEKS = 4
_HARMONICS = 20
_HARMONIC_DECAY = 1.0
# From a year of history on a yearly pattern is always in the model: without it the way from winter to summer is growth.
_WEEKS_FOR_YEARLY = YEAR_WEEKS
# Likelihoods are flattened before they become weights: the best point of a grid is less sure than it looks.
_TEMPER = 0.3
_JITTER = 1e-8
BACKTEST_WEEKS = 104


@dataclass(frozen=True)
class StructuralFit:
    """Forecast of many weekly log series, and the same forecast as it would have been at earlier origins.

    mean: (rows, ahead), expected log value. spread: (rows, ahead), its standard deviation with unknown growth.
    error_map: (patterns, ahead, ahead), lower triangular: errors of the weeks ahead = scale x map @ innovations.
    pattern: (rows,), which map holds. scale: (rows,), standard deviation of an innovation in logs.
    innovation: (rows, weeks), one-week-ahead errors of the past over their standard deviation; NaN where not measured.
    rate, rate_variance: (rows,), yearly log growth and its variance.
    growth: (rows, ahead), the part of the mean that is growth after the last week; half_life_years: (rows,), how fast
    growth that the history shows fades.
    origins: (origins,), weeks known at each; origin_mean, origin_spread, origin_growth: (origins, rows, weeks ahead),
    NaN where a row had no history at that time.
    """

    mean: FloatArray
    spread: FloatArray
    error_map: FloatArray
    pattern: IntArray
    scale: FloatArray
    innovation: FloatArray
    rate: FloatArray
    rate_variance: FloatArray
    growth: FloatArray
    half_life_years: FloatArray
    origins: IntArray
    origin_mean: FloatArray
    origin_spread: FloatArray
    origin_growth: FloatArray


@dataclass
class _Grid:
    """What every grid point says at every origin; the last origin is now. Filled in by `_at_origin`."""

    loglik: FloatArray  # (points, origins, rows)
    mean: list[FloatArray]  # per origin (points, rows, weeks ahead): fewer weeks where it only serves the back-test
    sigma2: FloatArray  # (points, origins, rows)
    rate: FloatArray
    rate_variance: FloatArray


def covariance(times: int, walk: float, persistence: float, yearly: float) -> FloatArray:
    """(times, times) covariance between weeks 1..times, in units of the AR(1) part's variance."""
    lag = np.arange(times, dtype=np.float64)
    by_lag = persistence**lag if persistence else (lag == 0).astype(np.float64)
    if yearly:
        k = np.arange(1, _HARMONICS + 1, dtype=np.float64)
        weight = k**-_HARMONIC_DECAY
        by_lag = by_lag + yearly * np.cos(2 * np.pi * np.outer(lag, k) / WEEKS_PER_YEAR) @ (weight / weight.sum())
    i = np.arange(times)
    cov = by_lag[np.abs(i[:, None] - i[None, :])] + walk * (np.minimum(i[:, None], i[None, :]) + 1)
    return np.asarray(cov + _JITTER * np.eye(times))


def fit_structural(
    logs: FloatArray,
    ahead: int,
    beliefs: Beliefs,
    prior_rate: FloatArray,
    *,
    origins: IntArray | None = None,
    last: FloatArray | None = None,
) -> StructuralFit:
    """Fit and forecast.

    logs: (rows, weeks), NaN where not measured; every row must have a value. ahead: weeks. prior_rate: (rows,), yearly
    log growth believed in; beliefs (a row each): how firmly, and at what pace growth that the history shows beyond the
    belief fades. origins: earlier numbers of weeks from which to forecast as well. last: (origins, rows, weeks), other
    values for the last weeks known at each origin (as they were known there).
    """
    rows, weeks = logs.shape
    points = [
        (walk, persistence, yearly)
        for walk, persistence, yearly in product(
            _WALK, _PERSISTENCE, _YEARLY if weeks >= _WEEKS_FOR_YEARLY else _NO_YEARLY
        )
    ]
    past = np.zeros(0, dtype=np.int64) if origins is None else np.asarray(origins, dtype=np.int64)
    ends = np.append(past, weeks)
    shape = (len(points), len(ends), rows)
    reach = min(ahead, BACKTEST_WEEKS)
    # At an earlier origin only weeks that came can be judged.
    spans = [*(min(reach, weeks - int(end)) for end in past), ahead]
    means = [np.full((len(points), rows, span), np.nan) for span in spans]
    grid = _Grid(np.full(shape, -np.inf), means, np.zeros(shape), np.zeros(shape), np.zeros(shape))
    masks, group = np.unique(np.isfinite(logs), axis=0, return_inverse=True)
    group = group.reshape(-1)
    model_sd = np.empty((len(points), ahead))
    for p, hyper in enumerate(points):
        cov = covariance(weeks + ahead, *hyper)
        model_sd[p] = np.sqrt((_error_map(cov, weeks) ** 2).sum(axis=1))
        for m, mask in enumerate(masks):
            alike = _Alike(logs, np.flatnonzero(mask), np.flatnonzero(group == m), last)
            _forecast_group(grid, p, cov, alike, ends, beliefs, prior_rate)
    known: NDArray[np.bool_] = np.all(np.isfinite(grid.loglik), axis=0)
    loglik = np.where(known, grid.loglik, 0.0)
    weight = np.exp(_TEMPER * (loglik - loglik.max(axis=0)))
    weight /= weight.sum(axis=0)
    rate = (weight * grid.rate).sum(axis=0)
    rate_variance = (weight * grid.rate_variance).sum(axis=0)

    def course(e: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        horizon = np.arange(1, grid.mean[e].shape[2] + 1, dtype=np.float64)
        steady = horizon / WEEKS_PER_YEAR
        damped = damped_years(horizon, fading(rate[e] - prior_rate, beliefs.half_life_years))
        mean = np.einsum("pr,prh->rh", weight[:, e], np.nan_to_num(grid.mean[e]))
        growth = prior_rate[:, None] * steady + (rate[e] - prior_rate)[:, None] * damped
        unknown = np.maximum(rate_variance[e], beliefs.doubt**2)
        noise = np.einsum("pr,pr,ph->rh", weight[:, e], np.sqrt(grid.sigma2[:, e]), model_sd[:, : len(horizon)])
        spread = np.sqrt(noise**2 + unknown[:, None] * steady**2)
        mean = mean + growth + _behind(logs[:, : ends[e]], mean[:, 0], rate[e], prior_rate)[:, None]
        there = known[e][:, None]
        return np.where(there, mean, np.nan), np.where(there, spread, np.nan), growth

    mean, spread, growth = course(len(past))
    earlier = [course(e) for e in range(len(past))]

    def side_by_side(parts: list[FloatArray]) -> FloatArray:
        out = np.full((len(parts), rows, reach), np.nan)
        for o, part in enumerate(parts):
            out[o, :, : part.shape[1]] = part
        return out

    best = weight[:, -1].argmax(axis=0)
    used, pattern = np.unique(best, return_inverse=True)
    scale = (weight[:, -1] * np.sqrt(grid.sigma2[:, -1])).sum(axis=0)
    return StructuralFit(
        mean=mean,
        spread=spread,
        error_map=np.stack([_error_map(covariance(weeks + ahead, *points[u]), weeks) for u in used]),
        pattern=pattern.reshape(-1).astype(np.int64),
        scale=scale,
        innovation=_innovations(logs, masks, group, best, points, grid),
        rate=rate[-1],
        rate_variance=rate_variance[-1],
        origins=past,
        growth=growth,
        half_life_years=fading(rate[-1] - prior_rate, beliefs.half_life_years),
        origin_mean=side_by_side([mean for mean, _, _ in earlier]),
        origin_spread=side_by_side([spread for _, spread, _ in earlier]),
        origin_growth=side_by_side([growth for _, _, growth in earlier]),
    )


def held_fit(
    logs: FloatArray, ahead: int, beliefs: Beliefs, prior_rate: FloatArray, origins: IntArray
) -> StructuralFit:
    """The last four weeks held, with the growth believed in and a random walk around: for when nothing can be fitted.

    Arguments and result as in `fit_structural`. logs: (rows, weeks); prior_rate: (rows,); origins: (origins,).
    """
    rows, weeks = logs.shape
    change = np.diff(logs, axis=1, prepend=np.nan)
    seen = np.isfinite(change)
    step = np.sqrt(_variance(np.where(seen, change, 0.0) ** 2 @ np.ones(weeks), 0.0))
    step = np.sqrt(step**2 * VOLATILITY_PRIOR_WEEKS / (VOLATILITY_PRIOR_WEEKS + seen.sum(axis=1)))

    def course(end: int, reach: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        mean = np.full(rows, np.nan)
        for row in range(rows):
            known = logs[row, :end][np.isfinite(logs[row, :end])]
            if len(known):
                mean[row] = known[-4:].mean()
        horizon = np.arange(1, reach + 1, dtype=np.float64)
        growth = prior_rate[:, None] * horizon / WEEKS_PER_YEAR
        spread = np.sqrt(step[:, None] ** 2 * horizon + np.outer(beliefs.sigma, horizon / WEEKS_PER_YEAR) ** 2)
        there = np.isfinite(mean)[:, None]
        return mean[:, None] + growth, np.where(there, spread, np.nan), growth

    reach = min(ahead, BACKTEST_WEEKS)
    mean, spread, growth = course(weeks, ahead)
    earlier = [course(int(end), reach) for end in origins]
    nothing = np.zeros((0, rows, reach))
    return StructuralFit(
        mean=mean,
        spread=spread,
        error_map=np.tril(np.ones((ahead, ahead)))[None],
        pattern=np.zeros(rows, dtype=np.int64),
        scale=step,
        innovation=change / step[:, None],
        rate=np.asarray(prior_rate, dtype=np.float64),
        rate_variance=beliefs.sigma**2,
        growth=growth,
        half_life_years=beliefs.half_life_years,
        origins=origins,
        origin_mean=np.stack([part[0] for part in earlier]) if earlier else nothing,
        origin_spread=np.stack([part[1] for part in earlier]) if earlier else nothing,
        origin_growth=np.stack([part[2] for part in earlier]) if earlier else nothing,
    )


def _behind(logs: FloatArray, start: FloatArray, rate: FloatArray, prior_rate: FloatArray) -> FloatArray:
    """(rows,) how far the course of a row that grows faster than x3 a year begins below its present level (or above).

    A belief holds such a slope back, and the fitted level lags behind the weeks: it is put on them. logs: (rows, weeks)
    known; start: (rows,), the course before growth.
    """
    fast = np.abs(rate - prior_rate) > FASTEST_LASTING
    present = np.zeros(len(logs))
    for row in np.flatnonzero(fast).tolist():
        seen = logs[row][np.isfinite(logs[row])][-LAUNCH_WEEKS:]
        if len(seen) == LAUNCH_WEEKS:
            # A line through the last weeks, at the last of them.
            t = np.arange(LAUNCH_WEEKS) - (LAUNCH_WEEKS - 1) / 2
            present[row] = seen.mean() + (t @ seen / (t @ t)) * t[-1] - start[row]
    return present


def _error_map(cov: FloatArray, weeks: int) -> FloatArray:
    """Lower triangular map from the innovations of the weeks ahead to the forecast's errors."""
    return np.asarray(np.linalg.cholesky(cov)[weeks:, weeks:])


@dataclass(frozen=True)
class _Alike:
    """Rows of `logs` (rows, weeks) that are known in the same weeks: `seen` (weeks,), `rows` (rows,) their numbers.

    last: as in `fit_structural`.
    """

    logs: FloatArray
    seen: IntArray
    rows: IntArray
    last: FloatArray | None


def _forecast_group(
    grid: _Grid,
    point: int,
    cov: FloatArray,
    alike: _Alike,
    ends: IntArray,
    beliefs: Beliefs,
    prior_rate: FloatArray,
) -> None:
    """Fill in one grid point for rows that share their holes: generalised least squares of level and growth."""
    logs, seen, rows, last = alike.logs, alike.seen, alike.rows, alike.last
    chol = np.linalg.cholesky(cov[np.ix_(seen, seen)])
    base = np.column_stack([np.ones(len(seen)), seen / WEEKS_PER_YEAR, logs[np.ix_(rows, seen)].T, cov[seen]])
    white = solve_triangular(chol, base, lower=True, check_finite=False)
    logdet = 2 * np.log(np.diag(chol)).cumsum()
    first = 2 + len(rows)
    for e, end in enumerate(ends):
        n = int(np.searchsorted(seen, end))
        if n == 0:
            continue
        one, line, y = white[:n, 0], white[:n, 1], white[:n, 2:first]
        if last is not None and e < len(last) and n >= last.shape[2] and seen[n - last.shape[2]] == end - last.shape[2]:
            # Only the last weeks differ, so that only the last whitened ones do.
            tail = slice(n - last.shape[2], n)
            change = last[e, rows].T - logs[rows][:, seen[tail]].T
            moved = solve_triangular(chol[tail, tail], change, lower=True, check_finite=False)
            y = np.concatenate([y[: tail.start], y[tail] + moved])
        link = white[:n, first + end : first + end + grid.mean[e].shape[2]]
        oo = one @ one
        line_c = line - one * (one @ line / oo)
        y_c = y - np.outer(one, one @ y / oo)
        xx = float(line_c @ line_c)
        sure = xx > 1e-9
        slope = line_c @ y_c / xx if sure else np.zeros(len(rows))
        residual = y_c - np.outer(line_c, slope)
        sigma2 = _variance((residual**2).sum(axis=0), n - 2)
        sampling = sigma2 / xx + seasonal_slope_variance(int(seen[n - 1] - seen[0]) + 1) if sure else sigma2 + np.inf
        rate, rate_variance = posterior_rate(slope, sampling, beliefs.sigma[rows], prior_rate[rows])
        residual = y_c - np.outer(line_c, rate)
        sigma2 = _variance((residual**2).sum(axis=0), n - 1)
        level = one @ (y - np.outer(line, rate)) / oo
        loose = y - np.outer(line, rate) - np.outer(one, level)
        at = (point, e, rows)
        grid.loglik[at] = -0.5 * (logdet[n - 1] + np.log(oo) + (n - 1 + VOLATILITY_PRIOR_WEEKS) * np.log(sigma2))
        # The line counts from week 0; what growth adds after the last week is put on by the caller.
        grid.mean[e][point, rows] = (link.T @ loose).T + (level + rate * (end - 1) / WEEKS_PER_YEAR)[:, None]
        # How large errors are follows the last year more than the years before it: volatility changes.
        fresh = 0.5 ** ((end - 1 - seen[:n]) / VOLATILITY_HALF_LIFE_WEEKS)
        recent = _variance(fresh @ residual**2, float(fresh.sum()) - 1)
        grid.sigma2[at], grid.rate[at], grid.rate_variance[at] = recent, rate, rate_variance


def _variance(square_sum: FloatArray, freedom: float) -> FloatArray:
    belief = VOLATILITY_PRIOR_WEEKS * VOLATILITY_PRIOR**2
    return np.asarray((square_sum + belief) / (max(freedom, 0.0) + VOLATILITY_PRIOR_WEEKS))


def _innovations(
    logs: FloatArray,
    masks: NDArray[np.bool_],
    group: IntArray,
    best: IntArray,
    points: list[tuple[float, float, float]],
    grid: _Grid,
) -> FloatArray:
    """Whitened past: what each week brought that the weeks before it had not foretold, over its standard deviation."""
    out = np.full(logs.shape, np.nan)
    for g in np.unique(best):
        cov = covariance(logs.shape[1], *points[g])
        for m, mask in enumerate(masks):
            rows = np.flatnonzero((group == m) & (best == g))
            if not len(rows):
                continue
            seen = np.flatnonzero(mask)
            chol = np.linalg.cholesky(cov[np.ix_(seen, seen)])
            detrended = logs[np.ix_(rows, seen)].T - np.outer(seen / WEEKS_PER_YEAR, grid.rate[g, -1, rows])
            white = solve_triangular(chol, np.column_stack([np.ones(len(seen)), detrended]), lower=True)
            one = white[:, 0]
            loose = white[:, 1:] - np.outer(one, one @ white[:, 1:] / (one @ one))
            out[np.ix_(rows, seen)] = (loose / np.sqrt(grid.sigma2[g, -1, rows])).T
    return out
