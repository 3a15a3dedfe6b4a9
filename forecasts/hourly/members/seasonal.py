"""Members without parameters: the last season again, mean or median of the last seasons or days, the last level."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd

from forecasts.hourly.members.base import DAY, WEEK, require
from forecasts.outlook import FloatArray


def repeat(season: FloatArray, hours: int) -> FloatArray:
    """(series, period) -> (series, hours), the season again and again."""
    times = -(-hours // season.shape[1])
    return np.tile(season, (1, times))[:, :hours]


@dataclass
class SeasonalMean:
    """The mean of the last `seasons` seasons, recent ones weighing more (`decay` a season); one season is the naive."""

    period: int
    seasons: int = 1
    decay: float = 0.8
    _season: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)

    @property
    def name(self) -> str:
        """Its name among members."""
        return f"naive{self.period}" if self.seasons == 1 else f"mean{self.period}x{self.seasons}"

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return self.period * min(self.seasons, 2)

    def fit(self, values: FloatArray, _index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        require(values, self.needs_hours, self.name)
        count = min(self.seasons, values.shape[1] // self.period)
        cube = values[:, values.shape[1] - count * self.period :].reshape(values.shape[0], count, self.period)
        weight = self.decay ** np.arange(count)[::-1]
        self._season = np.einsum("nkp,k->np", cube, weight / weight.sum())
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        return repeat(self._season, hours)


@dataclass
class SeasonalMedian:
    """The median of the last `seasons` seasons: blind to outages, spikes and single odd days."""

    period: int
    seasons: int
    _season: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)

    @property
    def name(self) -> str:
        """Its name among members."""
        return f"median{self.period}x{self.seasons}"

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return self.period * self.seasons

    def fit(self, values: FloatArray, _index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        require(values, self.needs_hours, self.name)
        tail = values[:, values.shape[1] - self.needs_hours :]
        self._season = np.median(tail.reshape(values.shape[0], self.seasons, self.period), axis=1)
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        return repeat(self._season, hours)


@dataclass
class KindMedian:
    """The median day of each kind, working day or weekend (Saturday, Sunday), over the last `days` days.

    An hour of a Tuesday is foreseen from some twenty working days instead of three Tuesdays: where days of a kind are
    alike, that is less noise. Kinds go by each hour's own date, so that a history may start at any hour.
    """

    days: int = 28
    _middle: FloatArray = field(default_factory=lambda: np.zeros((2, 0, DAY)), repr=False)
    _end: pd.Timestamp = field(default_factory=lambda: pd.Timestamp(0), repr=False)

    @property
    def name(self) -> str:
        """Its name among members."""
        return f"daykind{self.days}"

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return WEEK

    def fit(self, values: FloatArray, index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        require(values, self.needs_hours, self.name)
        days = min(self.days, values.shape[1] // DAY)
        cube = values[:, -days * DAY :].reshape(values.shape[0], days, DAY)
        kind = np.asarray(index[-days * DAY :].dayofweek >= 5, dtype=np.int64).reshape(days, DAY)
        self._middle = np.empty((2, values.shape[0], DAY))
        # Hours before and after midnight see other days: at most two patterns of kinds.
        patterns, of = np.unique(kind, axis=1, return_inverse=True)
        for p, pattern in enumerate(patterns.T):
            hours = np.flatnonzero(of.reshape(-1) == p)
            for k in (0, 1):
                self._middle[k][:, hours] = np.median(cube[:, pattern == k][:, :, hours], axis=1)
        self._end = index[-1]
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        ahead = pd.date_range(self._end, periods=hours + 1, freq="h")[1:]
        kind = np.asarray(ahead.dayofweek >= 5, dtype=np.int64)
        return np.asarray(self._middle[kind, :, np.arange(hours) % DAY].T)


@dataclass
class Flat:
    """No tide: one level for all hours, the mean of the past with weights that halve every `half_life_hours`."""

    half_life_hours: float
    _level: FloatArray = field(default_factory=lambda: np.zeros(0), repr=False)

    @property
    def name(self) -> str:
        """Its name among members."""
        return f"flat{self.half_life_hours:g}"

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return 1

    def fit(self, values: FloatArray, _index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        require(values, 1, self.name)
        span = min(values.shape[1], int(12 * self.half_life_hours) + 1)
        weight = 0.5 ** (np.arange(span)[::-1] / self.half_life_hours)
        self._level = values[:, -span:] @ (weight / weight.sum())
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        return np.repeat(self._level[:, None], hours, axis=1)
