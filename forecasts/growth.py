"""Growth over quarters: what is believed before the data speak, what the data add, and where growth ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forecasts.outlook import FloatArray

WEEKS_PER_YEAR = 365.25 / 7


@dataclass(frozen=True)
class GrowthPrior:
    """Belief about growth before seeing a history: log-normal, constant over the horizon.

    per_year: median growth, 0.25 for +25 % a year; must be above -1.
    sigma: standard deviation of the yearly logarithmic growth rate.
    common: share of that variance which all series have in common (0..1): a wrong belief is wrong everywhere at once.
    """

    per_year: float = 0.25
    sigma: float = 0.33
    common: float = 0.5

    def __post_init__(self) -> None:
        if not (self.per_year > -1 and math.isfinite(self.per_year)):
            raise ValueError(f"growth prior: per_year is {self.per_year}, allowed is any number above -1")
        if not (0 <= self.sigma < 5):
            raise ValueError(f"growth prior: sigma is {self.sigma}, allowed is 0 to 5")
        if not (0 <= self.common <= 1):
            raise ValueError(f"growth prior: common is {self.common}, allowed is 0 to 1")

    @property
    def log_rate(self) -> float:
        """Growth of the logarithm per year."""
        return math.log1p(self.per_year)


def posterior_rate(
    slope: FloatArray, variance: FloatArray, prior: GrowthPrior, prior_rate: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Yearly log growth (mean, variance) after seeing slopes with their sampling variance.

    slope, variance: (series,), per year in logs; infinite variance means that the history says nothing. prior_rate is
    the belief, prior.sigma its standard deviation. The precision-weighted mean of two normal statements.
    """
    tau2 = prior.sigma**2
    known = np.isfinite(variance)
    weight = np.where(known, tau2 / np.maximum(tau2 + np.where(known, variance, 0.0), 1e-300), 0.0)
    rate = weight * np.where(known, slope, 0.0) + (1 - weight) * prior_rate
    return np.asarray(rate, dtype=np.float64), np.asarray((1 - weight) * tau2, dtype=np.float64)


def damped_years(weeks_ahead: FloatArray, half_life_years: float) -> FloatArray:
    """Years of growth that a rate seen in the past still earns `weeks_ahead` weeks on, when it fades by half-lives.

    The integral of 2^(-t / half_life) from 0 to t: trends seen in a history rarely hold for years (Gardner and
    McKenzie's damped trend, in continuous time).
    """
    rate = math.log(2) / half_life_years
    return (1 - np.exp(-rate * weeks_ahead / WEEKS_PER_YEAR)) / rate
