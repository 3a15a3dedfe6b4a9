"""The statsmodels member: seasonal-trend decomposition by LOESS with damped exponential smoothing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from forecasts.hourly.members.base import DAY, WEEK, require
from forecasts.outlook import FloatArray


@dataclass
class StlSmoothing:
    """STL (Cleveland et al. 1990) on the last `weeks` weeks; the rest by damped additive-trend smoothing (statsmodels).

    A 168-state season inside a state space is what makes statsmodels slow: STL takes it out first, on a short window.
    Series whose fit fails come back as NaN, so that the combination replaces them and says so.
    """

    weeks: int = 6
    _models: list[Any] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """Its name among members."""
        return "stl-smoothing"

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return 4 * DAY

    def fit(self, values: FloatArray, _index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        from statsmodels.tsa.forecasting.stl import STLForecast
        from statsmodels.tsa.holtwinters import ExponentialSmoothing

        require(values, self.needs_hours, self.name)
        tail = values[:, -self.weeks * WEEK :]
        period = WEEK if tail.shape[1] > 2 * WEEK else DAY
        self._models = []
        for row in tail:
            smooth = {"trend": "add", "damped_trend": True, "initialization_method": "estimated"}
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    fitted = STLForecast(row, ExponentialSmoothing, model_kwargs=smooth, period=period).fit()
            except (ValueError, ArithmeticError, np.linalg.LinAlgError):
                self._models.append(None)
            else:
                self._models.append(fitted)
        return self

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        if not self._models:
            raise RuntimeError(f"{self.name} is not fitted")
        out = np.full((len(self._models), hours), np.nan)
        for row, fitted in enumerate(self._models):
            if fitted is not None:
                out[row] = np.maximum(np.asarray(fitted.forecast(hours)), 0.0)
        return out
