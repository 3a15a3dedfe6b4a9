"""Joint futures: sample paths of all series together, and their reduction to a few weighted ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.special import ndtri

from forecasts.outlook import FloatArray, Futures, IntArray
from forecasts.weekly.growth import WEEKS_PER_YEAR
from forecasts.weekly.level import BUCKETS, UNPROVEN_SPREAD, LevelForecast, limited
from forecasts.weekly.quarterlaw import imposed
from forecasts.weekly.structural import StructuralFit

# Weeks drawn in one run, so that what moves together for a while keeps doing so.
BLOCK_WEEKS = 6
# Draws from which a spread can be told.
MIN_DRAWS = 100
# Fewer residual weeks than this say nothing about how series move together; then their days must, and assumptions.
MIN_RESIDUAL_WEEKS = 12
ASSUMED_REGION_CORRELATION = 0.3
ASSUMED_PEAK_CORRELATION = 0.8
# How far the days are believed against the assumption, and how many of them are looked at (docs/decisions/0083).
DAILY_SHARE = 0.8
DAILY_WEEKS = 8
FEWEST_DAYS = 6
# Where no error was measured yet, days moving by so much say how calm a series is (as UNPROVEN_SPREAD).
UNPROVEN_DAILY = 0.5
FEWEST_ERRORS = 8
HALF_YEAR = 3
"""The range of BUCKETS that ends after half a year."""


@dataclass(frozen=True)
class Paths:
    """Equally likely courses. level, peak: (draws, series, weeks) in the series' units."""

    level: FloatArray
    peak: FloatArray

    def as_futures(self) -> Futures:
        """Every draw as a future of equal weight."""
        draws = self.level.shape[0]
        return Futures(np.full(draws, 1.0 / draws), self.level, self.peak)


@dataclass(frozen=True)
class DailyMovement:
    """How days moved around their weekday's mean, in logs.

    score: (series, days), deviations over their standard deviation, far ones cut at 4; 0 where a day was not measured
    or a series never moves. size: (series,), the standard deviation.
    """

    score: FloatArray
    size: FloatArray


def daily_movement(values: FloatArray) -> DailyMovement | None:
    """What the last eight weeks' days say about series of which too few weeks are known; None below six days.

    values: (series, hours), NaN where not measured. Days are counted back from the end; one with less than half its
    hours is left out. Below two weeks a day is held against the mean of all days.
    """
    days = min(values.shape[1] // 24, 7 * DAILY_WEEKS)
    if days < FEWEST_DAYS:
        return None
    cube = values[:, values.shape[1] - 24 * days :].reshape(len(values), days, 24)
    count = np.isfinite(cube).sum(axis=2)
    mean = np.where(count >= 12, np.nan_to_num(cube).sum(axis=2) / np.maximum(count, 1), np.nan)
    seen = np.isfinite(mean)
    usual = np.where(seen, mean, 0.0).sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    logs = np.log(np.maximum(np.where(seen, mean, 1.0), np.maximum(1e-3 * usual, 1e-300)))
    loose = np.zeros_like(logs)
    freedom = np.zeros(len(values))
    weekday = np.arange(days) % 7 if days >= 14 else np.zeros(days, dtype=np.int64)
    for day in np.unique(weekday):
        part, there = logs[:, weekday == day], seen[:, weekday == day]
        n = there.sum(axis=1, keepdims=True)
        middle = np.where(there, part, 0.0).sum(axis=1, keepdims=True) / np.maximum(n, 1)
        loose[:, weekday == day] = np.where(there, part - middle, 0.0)
        freedom += np.maximum(n[:, 0] - 1, 0)
    size = np.sqrt((loose**2).sum(axis=1) / np.maximum(freedom, 1))
    moves = size > 1e-9
    score = np.where(moves[:, None], loose / np.where(moves, size, 1.0)[:, None], 0.0)
    return DailyMovement(np.clip(score, -4.0, 4.0), size)


def unproven(ahead: LevelForecast, daily: DailyMovement | None) -> LevelForecast:
    """The forecast with wider spreads at the ranges of weeks ahead at which no error could be measured.

    The model's own spread is too small there, most where demand jumps from day to day. Past half a year the law of the
    last measured range holds (level.py), so that those ranges are as proven as the one before them.
    """
    size = np.zeros(len(ahead.spread)) if daily is None else np.tile(daily.size, 2)
    wide = np.hypot(UNPROVEN_SPREAD * ahead.spread, UNPROVEN_DAILY * size[:, None])
    spread = ahead.spread.copy()
    for b, (begin, end) in enumerate(BUCKETS):
        if ahead.pooled[min(b, HALF_YEAR)] < FEWEST_ERRORS:
            part = slice(begin, end if b < len(BUCKETS) - 1 else None)
            spread[:, part] = wide[:, part]
    return replace(ahead, spread=spread)


def residual_weeks(
    innovation: FloatArray, rng: np.random.Generator, daily: DailyMovement | None = None
) -> tuple[FloatArray, bool]:
    """(rows, weeks) pool of whitened residual weeks without holes, and whether it had to be assumed.

    innovation: (rows, weeks), rows are the levels of all series and then their peaks. Every row is brought
    to normal scores by rank; holes are filled with noise. With too few weeks the pool is drawn from assumptions, in
    which series move together as their days did, if `daily` knows.
    """
    rows = innovation.shape[0]
    seen = np.isfinite(innovation)
    rich = seen.sum(axis=0) >= 0.5 * rows
    if rich.sum() < MIN_RESIDUAL_WEEKS:
        series = rows // 2
        pool_weeks = 104
        common = rng.standard_normal((1, pool_weeks))
        own = rng.standard_normal((series, pool_weeks))
        level = np.sqrt(ASSUMED_REGION_CORRELATION) * common + np.sqrt(1 - ASSUMED_REGION_CORRELATION) * own
        if daily is not None:
            level = np.sqrt(1 - DAILY_SHARE) * level + np.sqrt(DAILY_SHARE) * _as_days_moved(daily, pool_weeks, rng)
        extra = rng.standard_normal((series, pool_weeks))
        peak = ASSUMED_PEAK_CORRELATION * level + np.sqrt(1 - ASSUMED_PEAK_CORRELATION**2) * extra
        return np.concatenate([level, peak]), True
    pool = innovation[:, rich]
    seen = seen[:, rich]
    # Normal scores: how large errors get is the calibrated law's business, the pool says what goes with what.
    pool = np.where(seen, pool, np.inf)
    count = seen.sum(axis=1, keepdims=True)
    rank = np.argsort(np.argsort(pool, axis=1, kind="stable"), axis=1, kind="stable")
    score = ndtri(np.clip((rank + 0.5) / np.maximum(count, 1), 1e-6, 1 - 1e-6))
    return np.where(seen & (count > 1), score, rng.standard_normal(score.shape)), False


def _as_days_moved(daily: DailyMovement, weeks: int, rng: np.random.Generator) -> FloatArray:
    """(series, weeks) standard normal scores with the days' correlations; series that never move have noise."""
    length = np.sqrt((daily.score**2).sum(axis=1, keepdims=True))
    drawn = daily.score @ rng.standard_normal((daily.score.shape[1], weeks))
    noise = rng.standard_normal(drawn.shape)
    return np.where(length > 0, drawn / np.where(length > 0, length, 1.0), noise)


def draw_paths(
    ahead: LevelForecast,
    draws: int,
    common: float,
    rng: np.random.Generator,
    daily: DailyMovement | None = None,
) -> FloatArray:
    """(draws, rows, weeks ahead) logs of joint courses; rows are the levels of all series and then their peaks.

    Whole residual weeks carry all rows through the structural model's error map, unknown growth is added, and each
    horizon is bent to the law that earlier forecasts' errors followed; then the highest week of every quarter to the
    law that quarters followed. daily: how days moved, for where weeks are few. common: share of growth's variance that
    all series have in common.
    """
    fit = ahead.structural
    pool, _ = residual_weeks(fit.innovation, rng, daily)
    errors = draw_errors(fit, pool, max(draws, MIN_DRAWS), rng)
    errors += growth_errors(fit.rate_variance, errors.shape[2], len(errors), common, rng)
    # Runs of weeks that hang together widen what they add up to: every row and week is brought back to unit spread.
    errors -= errors.mean(axis=0)
    errors /= np.maximum(np.sqrt(np.einsum("drw,drw->rw", errors, errors) / len(errors)), 1e-12)
    errors = errors[:draws]
    errors = ahead.calibrated(errors)
    errors *= ahead.spread
    errors = ahead.held(limited(errors))
    errors += ahead.mean
    return imposed(errors, ahead.mean, ahead.spread, ahead.quarter, ahead.upper_quarter)


def draw_errors(fit: StructuralFit, pool: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """(draws, rows, weeks ahead) logarithmic errors; all rows are drawn from the same residual weeks."""
    ahead = fit.mean.shape[1]
    runs = -(-ahead // BLOCK_WEEKS)
    first = rng.integers(0, pool.shape[1], size=(draws, runs))
    week = (first[:, :, None] + np.arange(BLOCK_WEEKS)) % pool.shape[1]
    week = week.reshape(draws, -1)[:, :ahead]
    errors = np.empty((draws, pool.shape[0], ahead))
    for p, lower in enumerate(fit.error_map):
        every = np.flatnonzero(fit.pattern == p)
        # A few rows at a time stay in the processor's cache.
        for begin in range(0, len(every), 8):
            rows = every[begin : begin + 8]
            z = pool[rows][:, week]  # (rows, draws, weeks)
            errors[:, rows] = np.swapaxes((z @ lower.T) * fit.scale[rows, None, None], 0, 1)
    return errors


def growth_errors(
    rate_variance: FloatArray, ahead: int, draws: int, common: float, rng: np.random.Generator
) -> FloatArray:
    """(draws, rows, weeks ahead) logarithmic errors from not knowing growth, partly common to all series.

    rate_variance: (rows,), levels and then peaks; a series' level and peak share their growth error.
    """
    series = len(rate_variance) // 2
    shared = rng.standard_normal((draws, 1))
    own = rng.standard_normal((draws, series))
    z = np.sqrt(common) * shared + np.sqrt(1 - common) * own
    years = np.arange(1, ahead + 1) / WEEKS_PER_YEAR
    return np.asarray((np.concatenate([z, z], axis=1) * np.sqrt(rate_variance))[:, :, None] * years)


def reduce_paths(paths: Paths, count: int, rng: np.random.Generator, candidates: int = 600) -> Futures:
    """`count` weighted futures that stand for all paths.

    Paths are put in order of the total's highest peak and cut into strata with thin tails, so that the outermost
    future lies at the 95th percentile. Many sets of one path a stratum are drawn; each is shifted and stretched per
    series and week until its weighted mean and variance are those of all paths, and the set is kept whose total has
    the right variance and 95th percentile and whose series move together as they should (moment matching after
    Hoyland and Wallace 2001, with stratified candidates instead of an optimisation).
    """
    draws = paths.level.shape[0]
    if count >= draws:
        return paths.as_futures()
    probability = strata(count)
    feature = _quarterly(paths.peak)  # (draws, series, quarters)
    total = feature.sum(axis=1)
    order = np.argsort(total.mean(axis=1), kind="stable")
    edges = np.concatenate([[0], np.cumsum(probability) * draws]).round().astype(np.int64)
    edges[1:] = np.maximum(edges[1:], np.arange(1, count + 1))
    middle = np.array([order[(a + b) // 2] for a, b in pairwise(edges)])
    # The inner half of each stratum: its own extremes would stand for it badly.
    tries = np.stack(
        [order[rng.integers(a + (b - a) // 4, max(b - (b - a) // 4, a + 1), candidates)] for a, b in pairwise(edges)],
        axis=1,
    )
    tries = np.concatenate([middle[None], tries])
    best = tries[int(np.argmin(_misfit(feature, tries, probability, rng)))]
    level = _match(_moments(paths.level), paths.level[best], probability)
    peak = np.maximum(_match(_moments(paths.peak), paths.peak[best], probability), level)
    return Futures(probability, level, peak)


def strata(count: int) -> FloatArray:
    """Weights of the strata from low to high: a tenth in each tail when there are four or more, the rest even.

    (count,).
    """
    if count < 4:
        return np.full(count, 1.0 / count)
    inner = np.full(count - 2, 0.8 / (count - 2))
    return np.concatenate([[0.1], inner, [0.1]])


def _quarterly(peak: FloatArray) -> FloatArray:
    """(draws, series, quarters) mean weekly peak of each thirteen weeks."""
    weeks = peak.shape[2]
    return np.stack([peak[:, :, w : w + 13].mean(axis=2) for w in range(0, weeks, 13)], axis=2)


def _misfit(feature: FloatArray, tries: IntArray, probability: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(tries,) how far each matched set is from all paths: total's spread and 95th percentile, and correlations."""
    series = feature.shape[1]
    total = feature.sum(axis=1)
    spread = total.std(axis=0)
    high = np.quantile(total, 0.95, axis=0)
    size = np.where(spread > 0, spread, 1.0)
    aim = feature.mean(axis=0), feature.std(axis=0)
    some = np.sort(rng.choice(series, size=min(series, 60), replace=False))
    wanted = _correlation(feature[:, some].mean(axis=2)[None], np.full(len(feature), 1.0 / len(feature)))[0]
    out = np.empty(len(tries))
    for t, chosen in enumerate(tries):
        matched = _match(aim, feature[chosen], probability)
        sums = matched.sum(axis=1)
        mean = probability @ sums
        sd = np.sqrt(probability @ (sums - mean) ** 2)
        top = np.stack([weighted_quantile(sums[:, q], probability, 0.95) for q in range(sums.shape[1])])
        found = _correlation(matched[:, some].mean(axis=2)[None], probability)[0]
        out[t] = (
            np.abs(sd - spread).mean() / size.mean()
            + np.abs(top - high).mean() / size.mean()
            + abs(float((found - wanted).mean()))
            + 0.5 * float(np.sqrt(((found - wanted) ** 2).mean()))
        )
    return out


def weighted_quantile(values: FloatArray, probability: FloatArray, level: float) -> float:
    """Smallest value that at least `level` of the probability does not exceed. values, probability: (futures,)."""
    order = np.argsort(values, kind="stable")
    at = int(np.searchsorted(np.cumsum(probability[order]), level - 1e-9))
    return float(values[order[min(at, len(values) - 1)]])


def _correlation(values: FloatArray, probability: FloatArray) -> FloatArray:
    """(sets, series, series) weighted correlations of values (sets, futures, series); 0 where a series stands still."""
    mean = np.einsum("k,cks->cs", probability, values)
    loose = (values - mean[:, None]) * np.sqrt(probability)[None, :, None]
    size = np.sqrt((loose**2).sum(axis=1))
    unit = loose / np.where(size > 1e-12, size, 1.0)[:, None]
    return np.asarray(np.einsum("cks,ckt->cst", unit, unit, optimize=True))


def _moments(paths: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation over draws."""
    return np.asarray(paths.mean(axis=0)), np.asarray(paths.std(axis=0))


def _match(aim: tuple[FloatArray, FloatArray], chosen: FloatArray, probability: FloatArray) -> FloatArray:
    """Chosen paths moved so that their weighted mean and standard deviation are the aim's; never below zero."""
    w = probability[:, None, None]
    mean = (w * chosen).sum(axis=0)
    sd = np.sqrt((w * (chosen - mean) ** 2).sum(axis=0))
    stretch = np.where(sd > 1e-12, aim[1] / np.where(sd > 1e-12, sd, 1.0), 0.0)
    return np.asarray(np.maximum(aim[0] + (chosen - mean) * np.clip(stretch, 0.0, 3.0), 0.0))
