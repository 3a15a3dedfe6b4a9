"""Growth over quarters: what is believed before the data speak, what the data add, and where growth ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecasts.outlook import FloatArray

WEEKS_PER_YEAR = 365.25 / 7
YEAR_WEEKS = 53
# Growth above this (x3 a year, in logs) is a launch's or a surge's: it fades in weeks.
FASTEST_LASTING = math.log(3)
# Usual size (standard deviation in logs) of a yearly pattern that has not been seen yet.
SEASONAL_SWING = 0.1


@dataclass(frozen=True)
class GrowthPrior:
    """Belief about growth before seeing a history: log-normal, constant over the horizon.

    per_year: median growth, 0.25 for +25 % a year; must be above -1.
    sigma: standard deviation of the yearly logarithmic growth rate.
    common: share of that variance which all series have in common (0..1): a wrong belief is wrong everywhere at once.
    half_life_years: how fast growth that only the history shows fades.
    doubt: standard deviation of the yearly logarithmic growth that no history takes away: the past does not bind the
    years to come.
    """

    per_year: float = 0.25
    sigma: float = 0.33
    common: float = 0.5
    half_life_years: float = 1.0
    doubt: float = 0.05

    def __post_init__(self) -> None:
        if not (self.per_year > -1 and math.isfinite(self.per_year)):
            raise ValueError(f"growth prior: per_year is {self.per_year}, allowed is any number above -1")
        if not (0 <= self.sigma < 5):
            raise ValueError(f"growth prior: sigma is {self.sigma}, allowed is 0 to 5")
        if not (0 <= self.common <= 1):
            raise ValueError(f"growth prior: common is {self.common}, allowed is 0 to 1")
        if not (0.01 <= self.half_life_years <= 100):
            raise ValueError(f"growth prior: half_life_years is {self.half_life_years}, allowed is 0.01 to 100")
        if not (0 <= self.doubt < 5):
            raise ValueError(f"growth prior: doubt is {self.doubt}, allowed is 0 to 5")

    @property
    def log_rate(self) -> float:
        """Growth of the logarithm per year."""
        return math.log1p(self.per_year)


@dataclass(frozen=True)
class Beliefs:
    """Growth priors of many series side by side.

    log_rate, sigma, half_life_years, doubt: (series,), as in GrowthPrior, the rate in logs a year. common: as there.
    """

    log_rate: FloatArray
    sigma: FloatArray
    half_life_years: FloatArray
    doubt: FloatArray
    common: float

    @staticmethod
    def of(priors: Sequence[GrowthPrior]) -> Beliefs:
        """One belief a series; `common` is their mean."""
        table = np.array([[p.log_rate, p.sigma, p.half_life_years, p.doubt, p.common] for p in priors]).reshape(-1, 5)
        common = float(table[:, 4].mean()) if len(table) else 0.5
        return Beliefs(table[:, 0], table[:, 1], table[:, 2], table[:, 3], common)

    @staticmethod
    def alike(prior: GrowthPrior, count: int) -> Beliefs:
        """The same belief for so many series."""
        return Beliefs.of([prior] * count)

    def usual(self) -> GrowthPrior:
        """One belief in the place of all, for their totals."""
        rate, sigma, half, doubt = (
            float(part.mean()) for part in (self.log_rate, self.sigma, self.half_life_years, self.doubt)
        )
        return GrowthPrior(math.expm1(rate), sigma, self.common, half, doubt)

    def twice(self) -> Beliefs:
        """For rows that are the levels of all series and then their peaks."""
        rate, sigma, half, doubt = (
            np.tile(part, 2) for part in (self.log_rate, self.sigma, self.half_life_years, self.doubt)
        )
        return Beliefs(rate, sigma, half, doubt, self.common)


def posterior_rate(
    slope: FloatArray, variance: FloatArray, sigma: FloatArray, prior_rate: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Yearly log growth (mean, variance) after seeing slopes with their sampling variance.

    slope, variance: (series,), per year in logs; infinite variance means that the history says nothing. prior_rate:
    (series,), the belief, sigma its standard deviation. The precision-weighted mean of two normal statements.
    """
    tau2 = np.asarray(sigma, dtype=np.float64) ** 2
    known = np.isfinite(variance)
    weight = np.where(known, tau2 / np.maximum(tau2 + np.where(known, variance, 0.0), 1e-300), 0.0)
    rate = weight * np.where(known, slope, 0.0) + (1 - weight) * prior_rate
    return np.asarray(rate, dtype=np.float64), np.asarray((1 - weight) * tau2, dtype=np.float64)


def damped_years(weeks_ahead: FloatArray, half_life_years: FloatArray | float) -> FloatArray:
    """Years of growth that a rate seen in the past still earns `weeks_ahead` weeks on, when it fades by half-lives.

    The integral of 2^(-t / half_life) from 0 to t: trends seen in a history rarely hold for years (Gardner and
    McKenzie's damped trend, in continuous time). weeks_ahead: (ahead,); half_life_years: a number, or (rows,) for
    (rows, ahead).
    """
    rate = math.log(2) / np.asarray(half_life_years, dtype=np.float64)[..., None]
    years = (1 - np.exp(-rate * weeks_ahead / WEEKS_PER_YEAR)) / rate
    return np.asarray(years)


def fading(rate: FloatArray, half_life_years: FloatArray) -> FloatArray:
    """(rows,) half-life of growth seen at `rate` (yearly, logarithmic): growth faster than x3 a year fades the sooner.

    The half-life falls with the square of the rate, so that less is still to come the faster it was: x3 a year has a
    year and brings x4.9 in all, x9 a year has 13 weeks and brings x2.2. A level that doubled every three weeks does not
    go on for a year. Both arguments are (rows,).
    """
    return np.asarray(half_life_years * np.minimum(1.0, FASTEST_LASTING / np.maximum(np.abs(rate), 1e-12)) ** 2)


def seasonal_slope_variance(weeks: int) -> float:
    """Variance of the yearly slope that a yearly pattern alone puts into so many weeks of logs; 0 from a year on.

    Least squares slope of sqrt(2) SEASONAL_SWING sin(2 pi t + phase) over the window, mean square over phases: what is
    seen of a part of a year may be season.
    """
    if weeks >= YEAR_WEEKS or weeks < 2:
        return 0.0
    t = (np.arange(weeks) - (weeks - 1) / 2) / WEEKS_PER_YEAR
    wave = math.sqrt(2) * SEASONAL_SWING * np.stack([np.sin(2 * np.pi * t), np.cos(2 * np.pi * t)])
    slope = wave @ t / (t @ t)
    return float((slope**2).mean())


# A curve must beat the straight line by this much in the Bayesian criterion, and have bent inside the history.
_EVIDENCE = 6.0
# Weekly residuals of a level hang together: four count as one.
_WEEKS_PER_DEGREE = 4.0
# Early weeks of two launches that differ by this much in logs count as moderately alike.
_ALIKE = 0.08
# The nearest launch's early weeks differ by this much in logs where launches are half believed.
_FOLLOWED = 0.15
# Weeks whose mean is the present level that a young series grows from.
PRESENT_WEEKS = 2


@dataclass(frozen=True)
class Saturation:
    """Rows whose level bends towards a ceiling.

    found: (rows,), whether it does. growth: (rows, ahead), logarithmic growth after the last week along the curve.
    ceiling: (rows,), log growth still to come until the ceiling. curve: (rows,), "logistic", "Gompertz" or "".
    """

    found: NDArray[np.bool_]
    growth: FloatArray
    ceiling: FloatArray
    curve: tuple[str, ...]


def saturation(logs: FloatArray, ahead: int) -> Saturation:
    """Look for logistic or Gompertz growth that has passed its bend.

    logs: (rows, weeks), NaN where not measured. With midpoint m and pace s on a grid, log y = c - log(1 + e^-(t-m)/s)
    (logistic; Verhulst 1838) or log y = c - e^-(t-m)/s (Gompertz 1825) is linear in c, so every row is fitted at once.
    A row counts as saturating when a curve is better than a straight line in logs by the Bayesian criterion, its bend
    lies inside the history, and it rose by a third or more.
    """
    rows, weeks = logs.shape
    seen = np.isfinite(logs)
    n = seen.sum(axis=1)
    y = np.where(seen, logs, 0.0)
    t = np.arange(weeks + ahead, dtype=np.float64)
    straight = _residual(y, seen, np.column_stack([np.ones(weeks), t[:weeks] - weeks / 2]))
    paces, middles = np.geomspace(2.0, max(weeks / 3, 4.0), 10), np.linspace(-0.5 * weeks, 0.9 * weeks, 24)
    pace, middle = (grid.reshape(-1, 1) for grid in np.meshgrid(paces, middles, indexing="ij"))
    age = np.clip((t - middle) / pace, -30, 30)
    shape = np.concatenate([-np.log1p(np.exp(-age)), -np.exp(-np.maximum(age, -5))])
    # The residual of every row on every curve at once: with c fitted it is the variance of what is left, by sums.
    own = np.where(seen, y - (y.sum(axis=1) / np.maximum(n, 1))[:, None], 0.0)
    curve = shape[:, :weeks] - shape[:, :weeks].mean(axis=1, keepdims=True)
    there = seen.astype(np.float64)
    moved = (there @ curve.T) ** 2 / np.maximum(n, 1)[:, None]
    square = (own**2).sum(axis=1)[:, None] - 2 * own @ curve.T + there @ (curve**2).T - moved
    at = square.argmin(axis=1)
    best = np.maximum(square[np.arange(rows), at], 0.0)
    growth = shape[at, weeks:] - shape[at, weeks - 1 : weeks]
    ceiling = -shape[at, weeks - 1]
    bend = np.tile(middle[:, 0], 2)[at]
    which = 1 + at // len(middle)
    degrees = np.maximum(n / _WEEKS_PER_DEGREE, 1.0)
    with np.errstate(divide="ignore"):
        gain = degrees * (np.log(np.maximum(straight, 1e-12)) - np.log(np.maximum(best, 1e-12))) - np.log(degrees)
    third = np.maximum(weeks // 6, 1)
    early = y[:, : 2 * third].sum(axis=1) / np.maximum(seen[:, : 2 * third].sum(axis=1), 1)
    late = y[:, -third:].sum(axis=1) / np.maximum(seen[:, -third:].sum(axis=1), 1)
    found = (gain > _EVIDENCE) & (n >= 12) & (bend > 0) & (late - early > 0.3) & seen[:, : 2 * third].any(axis=1)
    names = ("", "logistic", "Gompertz")
    return Saturation(found, growth, ceiling, tuple(names[w] if f else "" for w, f in zip(which, found, strict=True)))


def _residual(y: FloatArray, seen: NDArray[np.bool_], design: FloatArray) -> FloatArray:
    """(rows,) squared residuals of a least-squares fit of y (rows, weeks) on a design (weeks, 2), holes left out."""
    gram = np.einsum("rw,wi,wj->rij", seen, design, design) + 1e-9 * np.eye(design.shape[1])
    beta = np.linalg.solve(gram, (y @ design)[..., None])[..., 0]
    return np.asarray((np.where(seen, y - beta @ design.T, 0.0) ** 2).sum(axis=1))


@dataclass(frozen=True)
class Analogue:
    """Growth of a young series, taken from how others went on at its age.

    growth: (ahead,), expected log growth over the mean of the last two weeks. sigma: (ahead,), standard deviation among
    the launches. launches: how many others stand behind it. trust: 0 to 1, how far they are followed.
    """

    growth: FloatArray
    sigma: FloatArray
    launches: int
    trust: float


def analogue(young: FloatArray, launches: FloatArray, ahead: int, prior: GrowthPrior) -> Analogue | None:
    """Growth after a launch, from the early weeks of others' launches.

    young: (age,), weekly logs since the launch. launches: (others, weeks), weekly logs since theirs, NaN after their
    end; those no older than the young one are left out. Each is weighted by how alike its first weeks grew (Gaussian in
    the mean squared difference, after taking out the level); growth past the end of a launch follows the prior. The
    less alike the nearest launch is, the less all are followed; the prior's growth from the present level takes the
    rest (docs/decisions/0084). None when fewer than two launches say anything.
    """
    age = len(young)
    apart = np.full(len(launches), np.inf)
    for i, other in enumerate(launches):
        if int(np.isfinite(other).sum()) >= age + 4 and bool(np.isfinite(other[:age]).all()):
            loose = (young - young.mean()) - (other[:age] - other[:age].mean())
            apart[i] = float((loose**2).mean())
    usable = np.isfinite(apart)
    if usable.sum() < 2:
        return None
    nearest = float(apart.min())
    weight = np.where(usable, np.exp(-0.5 * (apart - nearest) / _ALIKE**2), 0.0)
    weight = 0.8 * weight / weight.sum() + 0.2 * usable / usable.sum()
    paths = np.zeros((len(launches), ahead))
    for i in np.flatnonzero(usable).tolist():
        lived = launches[i][np.isfinite(launches[i])]
        now = float(lived[max(age - PRESENT_WEEKS, 0) : age].mean())
        tail = lived[age : age + ahead]
        paths[i, : len(tail)] = tail - now
        rest = np.arange(1, ahead - len(tail) + 1) / WEEKS_PER_YEAR
        paths[i, len(tail) :] = float(tail[-4:].mean()) - now + prior.log_rate * rest
    mean = weight @ paths
    own = float(1 / (weight**2).sum())
    sigma = np.sqrt(weight @ (paths - mean) ** 2 * (1 + 1 / own))
    trust = _FOLLOWED**2 / (_FOLLOWED**2 + nearest)
    believed = prior.log_rate * np.arange(1, ahead + 1) / WEEKS_PER_YEAR
    return Analogue(trust * mean + (1 - trust) * believed, sigma, int(usable.sum()), trust)
