"""Joint futures: sample paths of all series together, and their reduction to a few weighted ones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from forecasts.growth import WEEKS_PER_YEAR, GrowthPrior
from forecasts.outlook import FloatArray, Futures
from forecasts.structural import StructuralFit

# Weeks drawn in one run, so that what moves together for a while keeps doing so.
BLOCK_WEEKS = 6
# Fewer residual weeks than this say nothing about how series move together; then these correlations are assumed.
MIN_RESIDUAL_WEEKS = 12
ASSUMED_REGION_CORRELATION = 0.3
ASSUMED_PEAK_CORRELATION = 0.8


@dataclass(frozen=True)
class Paths:
    """Equally likely courses. level, peak: (draws, series, weeks) in the series' units."""

    level: FloatArray
    peak: FloatArray

    def as_futures(self) -> Futures:
        """Every draw as a future of equal weight."""
        draws = self.level.shape[0]
        return Futures(np.full(draws, 1.0 / draws), self.level, self.peak)


def residual_weeks(innovation: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, bool]:
    """(rows, weeks) pool of whitened residual weeks without holes, and whether it had to be assumed.

    innovation: (rows, weeks), rows are the levels of all series and then their peaks. Every row is centred and brought
    to unit variance; holes are filled with noise. With too few weeks the pool is drawn from assumed correlations.
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
        extra = rng.standard_normal((series, pool_weeks))
        peak = ASSUMED_PEAK_CORRELATION * level + np.sqrt(1 - ASSUMED_PEAK_CORRELATION**2) * extra
        return np.concatenate([level, peak]), True
    pool = innovation[:, rich]
    seen = seen[:, rich]
    count = seen.sum(axis=1, keepdims=True)
    filled = np.where(seen, pool, 0.0)
    mean = filled.sum(axis=1, keepdims=True) / np.maximum(count, 1)
    centred = np.where(seen, pool - mean, 0.0)
    sd = np.sqrt((centred**2).sum(axis=1, keepdims=True) / np.maximum(count - 1, 1))
    scaled = centred / np.where(sd > 1e-9, sd, 1.0)
    return np.where(seen & (sd > 1e-9), scaled, rng.standard_normal(scaled.shape)), False


def draw_errors(fit: StructuralFit, pool: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """(draws, rows, weeks ahead) logarithmic errors; all rows are drawn from the same residual weeks."""
    ahead = fit.mean.shape[1]
    runs = -(-ahead // BLOCK_WEEKS)
    first = rng.integers(0, pool.shape[1], size=(draws, runs))
    week = (first[:, :, None] + np.arange(BLOCK_WEEKS)) % pool.shape[1]
    week = week.reshape(draws, -1)[:, :ahead]
    errors = np.empty((draws, pool.shape[0], ahead))
    for p, lower in enumerate(fit.error_map):
        rows = np.flatnonzero(fit.pattern == p)
        z = pool[rows][:, week]  # (rows, draws, weeks)
        errors[:, rows] = np.swapaxes((z @ lower.T) * fit.scale[rows, None, None], 0, 1)
    return errors


def growth_errors(
    rate_variance: FloatArray, ahead: int, draws: int, prior: GrowthPrior, rng: np.random.Generator
) -> FloatArray:
    """(draws, rows, weeks ahead) logarithmic errors from not knowing growth, partly common to all series.

    rate_variance: (rows,), levels and then peaks; a series' level and peak share their growth error.
    """
    series = len(rate_variance) // 2
    common = rng.standard_normal((draws, 1))
    own = rng.standard_normal((draws, series))
    z = np.sqrt(prior.common) * common + np.sqrt(1 - prior.common) * own
    years = np.arange(1, ahead + 1) / WEEKS_PER_YEAR
    return np.asarray((np.concatenate([z, z], axis=1) * np.sqrt(rate_variance))[:, :, None] * years)


def reduce_paths(paths: Paths, count: int, rng: np.random.Generator) -> Futures:
    """`count` weighted futures that stand for all paths.

    Paths are put in order of the total's peak and cut into strata with thinner tails; one path is taken from each, and
    the chosen ones are shifted and stretched per series and week so that weighted mean and variance are those of all.
    """
    draws = paths.level.shape[0]
    if count >= draws:
        return paths.as_futures()
    total = paths.peak.sum(axis=1).max(axis=1) if paths.peak.shape[2] else np.zeros(draws)
    order = np.argsort(total, kind="stable")
    edges = np.linspace(0, draws, count + 1).round().astype(int)
    probability = np.diff(edges) / draws
    chosen = np.array([order[(a + b) // 2] for a, b in pairwise(edges)])
    level = _match(paths.level, paths.level[chosen], probability)
    peak = np.maximum(_match(paths.peak, paths.peak[chosen], probability), level)
    return Futures(probability, level, peak)


def _match(every: FloatArray, chosen: FloatArray, probability: FloatArray) -> FloatArray:
    """Chosen paths moved so that their weighted mean and variance are those of every path; never below zero."""
    w = probability[:, None, None]
    mean = (w * chosen).sum(axis=0)
    sd = np.sqrt((w * (chosen - mean) ** 2).sum(axis=0))
    stretch = np.where(sd > 1e-12, every.std(axis=0) / np.where(sd > 1e-12, sd, 1.0), 0.0)
    return np.asarray(np.maximum(every.mean(axis=0) + (chosen - mean) * np.clip(stretch, 0.0, 3.0), 0.0))
