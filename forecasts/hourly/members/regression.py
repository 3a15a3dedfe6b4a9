"""Linear members: harmonics with autoregressive errors, and a seasonal autoregression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd

from forecasts.hourly.members.base import DAY, WEEK, require
from forecasts.outlook import FloatArray


def _scale(values: FloatArray) -> FloatArray:
    """(series, 1) mean absolute value, 1 where it is zero: ridge penalties then mean the same for every series."""
    scale = np.abs(values).mean(axis=1, keepdims=True)
    return np.where(scale > 0, scale, 1.0)


def ridge_by_series(X: FloatArray, y: FloatArray, penalty: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """(series, columns) ridge coefficients of every series' own regression. X: (series, rows, columns)."""
    Xw = X if weight is None else X * weight[None, :, None]
    gram = np.matmul(np.swapaxes(Xw, 1, 2), X)
    right = np.matmul(np.swapaxes(Xw, 1, 2), y[:, :, None])[:, :, 0]
    gram += np.diag(penalty)[None]
    return np.asarray(np.linalg.solve(gram, right[:, :, None])[:, :, 0])


@dataclass
class SeasonalAr:
    """Autoregression on the hours before and the same hours of earlier days and weeks, run forward hour by hour.

    y(t) - m = sum over lags of b (y(t - lag) - m), one ridge regression a series on the last `weeks`, the seasonal
    naive as the prior (the penalty pulls the coefficient of the longest lag to `prior`, the others to zero).
    """

    lags: tuple[int, ...]
    label: str
    weeks: int = 8
    penalty: float = 0.01
    difference: int = 0
    _past: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    _coefficient: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    _ceiling: FloatArray = field(default_factory=lambda: np.zeros((0, 1)), repr=False)

    @property
    def name(self) -> str:
        """Its name among members."""
        return self.label

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return max(self.lags) + self.difference + max(4 * DAY, max(self.lags))

    def fit(self, values: FloatArray, _index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        require(values, self.needs_hours, self.name)
        longest = max(self.lags)
        span = min(values.shape[1], self.weeks * WEEK + longest + self.difference)
        tail = values[:, -span:]
        scale = _scale(tail)
        y = tail / scale
        d = self.difference
        z = y[:, d:] - y[:, :-d] if d else y
        rows = z.shape[1] - longest
        X = np.stack([z[:, longest - lag : longest - lag + rows] for lag in self.lags], axis=2)
        if not d:
            X = np.concatenate([X, np.ones((*X.shape[:2], 1))], axis=2)
        age = np.arange(rows)[::-1] / WEEK
        weight = 0.5 ** (age / 4.0)
        penalty = np.full(X.shape[2], self.penalty * rows)
        if not d:
            penalty[-1] = 1e-6 * rows
        variance = np.maximum(z.var(axis=1), 1e-9)[:, None]
        X = X / np.sqrt(variance)[:, :, None] if d else X
        beta = ridge_by_series(X, z[:, longest:], penalty, weight)
        self._coefficient = beta / np.sqrt(variance) if d else beta
        self._past = tail[:, -(longest + d) :] / scale
        self._scale = scale
        self._ceiling = 1.5 * (tail / scale).max(axis=1)
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        n, past = self._past.shape
        d = self.difference
        path = np.concatenate([self._past, np.zeros((n, hours))], axis=1)
        lags = np.array(self.lags)
        beta = self._coefficient[:, : len(lags)]
        constant = 0.0 if d else self._coefficient[:, -1]
        for t in range(past, past + hours):
            if d:
                change = path[:, t - lags] - path[:, t - lags - d]
                step = path[:, t - d] + (beta * change).sum(axis=1)
            else:
                step = (beta * path[:, t - lags]).sum(axis=1) + constant
            path[:, t] = np.clip(step, 0.0, self._ceiling)
        return path[:, past:] * self._scale


def harmonics(start: int, hours: int, daily: int, weekly: int) -> FloatArray:
    """(hours, columns) constant, sines and cosines of the day (`daily` pairs) and of the week (`weekly` pairs)."""
    t = np.arange(start, start + hours)
    waves = [k / DAY for k in range(1, daily + 1)] + [k / WEEK for k in range(1, weekly + 1) if k % 7]
    angle = 2 * np.pi * t[:, None] * np.array(waves)[None, :]
    return np.concatenate([np.ones((hours, 1)), np.sin(angle), np.cos(angle)], axis=1)


@dataclass(frozen=True)
class _Fit:
    """beta: (columns, series) of the waves; phi: (series, lags); last: (series, 24) residuals; scale, top: (series, 1);
    span: hours fitted on."""

    beta: FloatArray
    phi: FloatArray
    last: FloatArray
    scale: FloatArray
    top: FloatArray
    span: int


@dataclass
class Harmonic:
    """Harmonic regression with autoregressive errors (Hyndman and Athanasopoulos 2021, chapter 10).

    Waves of the day and the week by weighted ridge least squares over the last `weeks` weeks (weights halve every
    `half_life_weeks`), the residual by an autoregression on lags 1, 2 and 24, run forward. With `log` in logarithms
    (of 1 + 20 x demand / mean), for demand whose tide grows with its level.
    """

    daily: int = 6
    weekly: int = 20
    weeks: int = 8
    half_life_weeks: float = 2.0
    label: str = "harmonic"
    log: bool = False
    _fit: _Fit | None = field(default=None, repr=False)

    LAGS = np.array((1, 2, DAY))

    @property
    def name(self) -> str:
        """Its name among members."""
        return self.label

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return 2 * WEEK if self.weekly else 3 * DAY

    def fit(self, values: FloatArray, _index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        require(values, self.needs_hours, self.name)
        span = min(values.shape[1], self.weeks * WEEK)
        tail = values[:, -span:]
        scale = _scale(tail) * (0.05 if self.log else 1.0)
        y = np.log1p(tail / scale) if self.log else tail / scale
        X = harmonics(0, span, self.daily, self.weekly)
        weight = 0.5 ** (np.arange(span)[::-1] / (self.half_life_weeks * WEEK))
        gram = (X * weight[:, None]).T @ X + 1e-3 * weight.sum() * np.diag([0.0, *np.ones(X.shape[1] - 1)])
        beta = np.linalg.solve(gram, (X * weight[:, None]).T @ y.T)
        residual = y - (X @ beta).T
        rows = span - DAY
        lagged = np.stack([residual[:, DAY - lag : DAY - lag + rows] for lag in self.LAGS], axis=2)
        spread = np.sqrt(np.maximum(residual.var(axis=1), 1e-9))
        phi = ridge_by_series(
            lagged / spread[:, None, None],
            residual[:, DAY:] / spread[:, None],
            np.full(len(self.LAGS), 0.02 * rows),
            weight[DAY:],
        )
        self._fit = _Fit(beta, phi, residual[:, -DAY:], scale, 2 * tail.max(axis=1, keepdims=True), span)
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        if self._fit is None:
            raise RuntimeError(f"{self.name} is not fitted")
        fit = self._fit
        mean = (harmonics(fit.span, hours, self.daily, self.weekly) @ fit.beta).T
        path = np.concatenate([fit.last, np.zeros((fit.last.shape[0], hours))], axis=1)
        bound = 2 * np.abs(fit.last).max(axis=1)
        for t in range(DAY, DAY + hours):
            path[:, t] = np.clip((fit.phi * path[:, t - self.LAGS]).sum(axis=1), -bound, bound)
        out = mean + path[:, DAY:]
        if self.log:
            # Cut before the exponential: a wild residual must not overflow.
            out = np.expm1(np.minimum(out, np.log1p(fit.top / fit.scale)))
        return np.asarray(np.clip(out * fit.scale, 0.0, fit.top))
