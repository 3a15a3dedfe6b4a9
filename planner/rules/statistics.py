"""Weighted statistics of costs over futures, with intervals that say how far noise reaches.

All scenarios are judged on the same futures (common random numbers), so differences between scenarios are taken future
by future, and their intervals are narrower than those of the costs themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from planner.arrays import FloatArray

LEVEL = 0.95
_RESAMPLES = 400


@dataclass(frozen=True)
class Estimate:
    """A value with its interval at `LEVEL`; low = value = high where the futures are all there are, nan where one was
    drawn: it tells nothing of the others."""

    value: float
    low: float
    high: float


def mean(values: FloatArray, probability: FloatArray) -> float:
    """Mean of (futures,) values under their probabilities."""
    return float(values @ probability)


def effective(probability: FloatArray) -> float:
    """How many equally weighted futures carry as much information (Kish 1965). probability: (futures,)."""
    return float(1.0 / (probability**2).sum())


def mean_estimate(values: FloatArray, probability: FloatArray, sampled: bool = True) -> Estimate:
    """Weighted mean with Student's interval, s / sqrt(n) wide (`Estimate`).

    values, probability: (futures,).
    """
    centre = mean(values, probability)
    n = effective(probability)
    if not sampled:
        return Estimate(centre, centre, centre)
    if n < 1.5:
        return Estimate(centre, np.nan, np.nan)
    variance = mean((values - centre) ** 2, probability) * n / (n - 1)
    half = float(student.ppf(0.5 + LEVEL / 2, n - 1)) * float(np.sqrt(variance / n))
    return Estimate(centre, centre - half, centre + half)


def quantile(values: FloatArray, probability: FloatArray, q: float) -> float:
    """Least value whose cumulated probability reaches q. values, probability: (futures,)."""
    order = np.argsort(values, kind="stable")
    reach = np.cumsum(probability[order]) >= q - 1e-12
    return float(values[order[int(reach.argmax())]])


def cvar(values: FloatArray, probability: FloatArray, alpha: float) -> float:
    """Mean of the worst 1 - alpha of probability, the share of a future that straddles it counted in part.

    Rockafellar and Uryasev 2002, for discrete distributions. alpha = 0 gives the mean. values, probability: (futures,).
    """
    order = np.argsort(-values, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(probability[order])[:-1]])
    share = np.clip(1 - alpha - before, 0.0, probability[order])
    return float(values[order] @ share / (1 - alpha))


def spread_estimate(
    values: FloatArray, probability: FloatArray, statistic: str, at: float, seed: int, sampled: bool = True
) -> Estimate:
    """A quantile or CVaR with a percentile bootstrap interval (Efron 1979); seeded, so that it is the same twice.

    values, probability: (futures,).
    """
    measure = {"quantile": quantile, "cvar": cvar}[statistic]
    centre = measure(values, probability, at)
    n = len(values)
    if not sampled:
        return Estimate(centre, centre, centre)
    if n < 2:
        return Estimate(centre, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(n, size=(_RESAMPLES, n), p=probability)
    equal = np.full(n, 1 / n)
    found = np.array([measure(values[rows], equal, at) for rows in drawn])
    low, high = np.quantile(found, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Estimate(centre, min(float(low), centre), max(float(high), centre))
