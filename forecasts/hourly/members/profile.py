"""Level times profile: the member that follows a moving level and a slowly moving shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd

from forecasts.hourly.members.base import DAY, require
from forecasts.hourly.members.seasonal import repeat
from forecasts.outlook import FloatArray


@dataclass
class LevelProfile:
    """Demand = level of the day x profile over the period.

    Profile: every period divided by its mean, averaged with weights that halve every `half_life` periods, single
    periods limited to half and twice the median (spikes and outages leave no mark). Level: mean of the last day
    (seasonally adjusted), falling back to the mean of the last weeks with factor `damping` a day. Seasonally adjusted
    damped level as in Gardner and McKenzie (1985), with a multiplicative hour-of-week index.
    """

    period: int
    half_life: float = 3.0
    damping: float = 0.85
    periods: int = 12
    label: str = ""
    _season: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    _near: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False)
    _far: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False)

    @property
    def name(self) -> str:
        """Its name among members."""
        return self.label or f"profile{self.period}"

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return 2 * self.period

    def fit(self, values: FloatArray, _index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        require(values, self.needs_hours, self.name)
        n = values.shape[0]
        count = min(self.periods, values.shape[1] // self.period)
        cube = values[:, values.shape[1] - count * self.period :].reshape(n, count, self.period)
        level = cube.mean(axis=2, keepdims=True)
        usual = np.where(level > 0, level, 1.0)
        shape = np.where(level > 0, cube / usual, 1.0)
        middle = np.median(shape, axis=1, keepdims=True)
        shape = np.clip(shape, 0.5 * middle, np.maximum(2 * middle, middle + 0.5))
        weight = 0.5 ** (np.arange(count)[::-1] / self.half_life)
        season = np.einsum("nkp,k->np", shape, weight / weight.sum())
        mean = season.mean(axis=1, keepdims=True)
        self._season = np.where(mean > 0, season / np.where(mean > 0, mean, 1.0), 1.0)
        # Day levels, each the day's total over what the profile expects of that day.
        days = count * self.period // DAY
        expected = np.tile(self._season, (1, count)).reshape(n, days, DAY).sum(axis=2)
        seen = cube.reshape(n, days, DAY).sum(axis=2)
        fallback = level.mean(axis=1)
        by_day = np.where(expected > 1e-3 * DAY, seen / np.maximum(expected, 1e-3 * DAY), fallback)
        recent = 0.5 ** (np.arange(days)[::-1] / 0.7)
        long = 0.5 ** (np.arange(days)[::-1] / 10.0)
        middle_level = np.median(by_day[:, -28:], axis=1)
        self._near = np.clip(by_day @ (recent / recent.sum()), 0.0, np.maximum(4 * middle_level, fallback[:, 0]))
        self._far = by_day @ (long / long.sum())
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        ahead = np.arange(hours) // DAY
        level = self._far[:, None] + (self._near - self._far)[:, None] * self.damping**ahead
        return repeat(self._season, hours) * level
