"""Conformal intervals: quantiles of what past forecasts got wrong, by hour of day and by how far ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student_t

from forecasts.hourly.members.base import DAY
from forecasts.outlook import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

SMALL_CELL = 30.0
"""Residuals in a cell that count as much as those of all hours of the day."""
OWN_ORIGINS = 8.0
"""Origins after which a series' own residual quantiles count as much as those of all series."""
FEW_ORIGINS = 30.0
"""Origins, over all series, after which pooled quantiles count as much as a Student t with 3 degrees of freedom."""
ROUGH_SHARE = 0.4
"""Part of a series' error scale that comes from its usual change from season to season over the whole history."""
UNSEEN_LEVELS = 1.0
"""Level errors that a handful of origins has not shown: the 80 % band is widened by sqrt(1 + this / origins), as the
variance of a new observation is against the mean of so many, other levels by the square of their normal score (tails
of a small sample are heavier, as Student's are)."""
MOST_SCALED = 12.0
"""Cut on scaled residuals: a series that stood still at the other origins has no scale to speak of."""
STUDENT = student_t(3)
STUDENT_MEAN_ABS = 2 * np.sqrt(3) / np.pi
UNKNOWN_SPREAD = 0.3
"""Relative standard deviation assumed where no forecast could ever be checked; the caller says so in its notes."""


@dataclass(frozen=True)
class Spread:
    """How errors grow with the days ahead: standard size sqrt(base + growth x day), 1 on average over a week."""

    base: float
    growth: float

    def at(self, days: IntArray) -> FloatArray:
        """(days,) relative size of an error so many whole days ahead."""
        return np.asarray(np.sqrt(self.base + self.growth * days))


@dataclass(frozen=True)
class Bands:
    """What past errors say of a forecast.

    quantiles: (series, levels, hours), ascending and at least 0. middle: (series, hours) the median, whether it is one
    of the levels or not. spread: how errors grow with lead time. unknown: (series,) flags of series whose spread is
    assumed because nothing could be checked.
    """

    quantiles: FloatArray
    middle: FloatArray
    spread: Spread
    unknown: BoolArray


def sorted_quantiles(samples: FloatArray, levels: FloatArray) -> tuple[FloatArray, IntArray]:
    """Quantiles over the last axis, NaN left out, and how many values each rests on.

    (..., samples) -> (..., levels). Level q sits at rank q (n + 1) of n values, as split conformal prediction asks
    (Lei et al. 2018): few values give wide, not narrow, outer quantiles up to the extremes seen. NaN without values.
    samples: (..., values); levels: (levels,).
    """
    if samples.shape[-1] == 0:
        samples = np.full((*samples.shape[:-1], 1), np.nan)
    ordered = np.sort(samples, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    rank = np.clip(levels * (count[..., None] + 1) - 1, 0, np.maximum(count[..., None] - 1, 0))
    low = np.floor(rank).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count[..., None] - 1, 0))
    part = rank - low
    out = np.take_along_axis(ordered, low, -1) * (1 - part) + np.take_along_axis(ordered, high, -1) * part
    return np.where(count[..., None] > 0, out, np.nan), count


def growth_with_lead(residuals: FloatArray, size: FloatArray) -> Spread:
    """Fit how errors grow with lead time, pooled over series.

    residuals: (series, origins, hours ahead), NaN where nothing was measured; size: (series,) usual absolute error.
    Squared errors in units of the series' size are fitted as base + growth x day (a random walk on top of noise), with
    both at least 0; without two days of evidence errors are taken to grow slowly.
    """
    n, origins, hours = residuals.shape
    days = hours // DAY
    if days < 2 or n == 0:
        return Spread(0.94, 0.02)
    scaled = np.abs(residuals[:, :, : days * DAY]) / np.where(size > 0, size, np.nan)[:, None, None]
    by_day = np.moveaxis(scaled.reshape(n, origins, days, DAY), 2, 0).reshape(days, -1)
    count = np.isfinite(by_day).sum(axis=1)
    seen = count >= 12
    if seen.sum() < 2:
        return Spread(0.94, 0.02)
    # Capped absolute errors: one outage must not decide how errors grow.
    mean = np.nanmean(np.minimum(by_day[seen], 5.0), axis=1) ** 2
    day = np.flatnonzero(seen).astype(float)
    weight = np.sqrt(count[seen])
    X = np.stack([np.ones_like(day), day], axis=1)
    base, growth = np.linalg.lstsq(X * weight[:, None], mean * weight, rcond=None)[0]
    growth = max(float(growth), 0.0)
    base = max(float(base), 0.1 * float(mean.mean())) if growth > 0 else float(mean.mean())
    week = float(np.mean(np.sqrt(base + growth * np.arange(7)))) ** 2
    if not week > 0:
        return Spread(0.94, 0.02)
    return Spread(base / week, growth / week)


def _by_hour(residuals: FloatArray) -> FloatArray:
    """(series, origins, hours) -> (series, 24, samples): each hour of day with its two neighbours."""
    n, origins, hours = residuals.shape
    days = -(-hours // DAY)
    padded = np.full((n, origins, days * DAY), np.nan)
    padded[:, :, :hours] = residuals
    cell = np.moveaxis(padded.reshape(n, origins * days, DAY), 2, 1)
    return np.concatenate([np.roll(cell, 1, axis=1), cell, np.roll(cell, -1, axis=1)], axis=2)


def conformal(
    residuals: FloatArray,
    fitted: FloatArray,
    mean: FloatArray,
    levels: tuple[float, ...],
    roughness: FloatArray,
) -> Bands:
    """Quantiles of hourly demand around a forecast.

    residuals: (series, origins, hours) measured minus forecast from rolling origins, NaN where not measured; every
        origin starts at the same hour of day as the forecast. fitted: what was forecast there, same shape.
    mean: (series, hours) the forecast itself. levels: probabilities, ascending.
    roughness: (series,) usual absolute change from one season to the next over the whole history.

    Half signed residuals, half residuals relative to the forecast (facts: coverage .82/.945, against .80/.92 of the
    signed ones alone); of each, the series' own quantiles by hour of day +-1 h are mixed with those of all series (see
    `_mixed_quantiles`).
    """
    hours, ahead = residuals.shape[2], mean.shape[1]
    probability = np.array([*levels, 0.5])
    counted = np.isfinite(residuals).sum(axis=(1, 2))
    off = np.where(np.isfinite(residuals), np.abs(residuals), 0.0)
    size = off.sum(axis=(1, 2)) / np.maximum(counted, 1)
    spread = growth_with_lead(residuals, size)
    even = residuals / spread.at(np.arange(hours) // DAY)
    level = np.maximum(np.abs(mean).mean(axis=1), 1e-12)
    absolute = _mixed_quantiles(even, roughness, probability)
    base = np.maximum(fitted, 0.1 * level[:, None, None])
    relative = _mixed_quantiles(even / base, roughness / level, probability)
    hour = np.arange(ahead) % DAY
    grow = spread.at(np.arange(ahead) // DAY)
    floor = np.maximum(mean, 0.1 * level[:, None])
    offset = 0.5 * (absolute[:, :, hour] + relative[:, :, hour] * floor[:, None, :]) * grow
    checked = np.isfinite(residuals).any(axis=2).sum(axis=1)
    heavier = UNSEEN_LEVELS * (norm.ppf(probability) / norm.ppf(0.9)) ** 2
    offset = offset * np.sqrt(1 + heavier[None, :] / np.maximum(checked, 1)[:, None])[:, :, None]
    unknown = counted == 0
    if unknown.any():
        assumed = UNKNOWN_SPREAD * norm.ppf(probability)[None, :, None] * level[:, None, None] * grow
        offset = np.where(unknown[:, None, None], assumed, offset)
    out = np.maximum(mean[:, None, :] + offset, 0.0)
    return Bands(np.sort(out[:, :-1], axis=1), out[:, -1], spread, unknown)


def _mixed_quantiles(residuals: FloatArray, roughness: FloatArray, levels: FloatArray) -> FloatArray:
    """(series, levels, 24) quantiles by hour of day: the series' own mixed with those of all series.

    The hours of one origin go wrong together, so that the own quantiles rest on a handful of origins only and are too
    narrow. The other part is honest: every origin's residuals are divided by a scale that has not seen them (the
    errors at the other origins and the series' roughness), pooled over all series, and their quantiles multiplied by
    the scale of each series now. Where the pool is small it leans on a Student t with 3 degrees of freedom.
    """
    n = residuals.shape[0]
    off = np.abs(residuals)
    good = np.isfinite(off).sum(axis=2)
    total = np.where(np.isfinite(off), off, 0.0).sum(axis=2)
    have = good.sum(axis=1)
    other = have[:, None] - good
    rough = roughness * ROUGH_SHARE
    left = np.where(other > 0, (total.sum(axis=1)[:, None] - total) / np.maximum(other, 1), roughness[:, None])
    left = (1 - ROUGH_SHARE) * left + rough[:, None]
    size = np.where(have > 0, total.sum(axis=1) / np.maximum(have, 1), roughness)
    now = (1 - ROUGH_SHARE) * size + rough
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.clip(residuals / np.where(left > 0, left, np.nan)[:, :, None], -MOST_SCALED, MOST_SCALED)
    pool = scaled[np.isfinite(scaled)]
    pool = np.sort(pool)[:: pool.size // 200_000 + 1]
    student = STUDENT.ppf(levels) / STUDENT_MEAN_ABS
    units = float((good > 0).sum())
    trust = units / (units + FEW_ORIGINS)
    common = trust * np.nan_to_num(sorted_quantiles(pool[None], levels)[0][0]) + (1 - trust) * student

    own, count = sorted_quantiles(_by_hour(residuals), levels)
    whole = np.nan_to_num(sorted_quantiles(residuals.reshape(n, -1), levels)[0])
    near = _by_hour(off)
    seen = np.isfinite(near).sum(axis=2)
    hourly = np.where(seen > 0, np.nansum(near, axis=2) / np.maximum(seen, 1), size[:, None])
    # An hour's share of the error, drawn to 1 where it was seen seldom.
    ratio = np.where(size[:, None] > 0, hourly / np.where(size > 0, size, 1.0)[:, None], 1.0)
    firm = count / (count + SMALL_CELL)
    ratio = firm * ratio + (1 - firm)
    mine = firm[:, :, None] * np.nan_to_num(own) + (1 - firm)[:, :, None] * whole[:, None, :] * ratio[:, :, None]
    everyone = common[None, None, :] * now[:, None, None] * ratio[:, :, None]
    believe = ((good > 0).sum(axis=1) / ((good > 0).sum(axis=1) + OWN_ORIGINS))[:, None, None]
    return np.moveaxis(believe * mine + (1 - believe) * everyone, 2, 1)
