"""What a short-range member is."""

from __future__ import annotations

from typing import Protocol, Self

import pandas as pd

from forecasts.outlook import FloatArray

DAY = 24
WEEK = 168


class Member(Protocol):
    """One forecasting method for a whole panel at once.

    name: as it stands in weights and reports.
    needs_hours: the shortest history that it can be fitted on; shorter ones raise ValueError.
    """

    @property
    def name(self) -> str:
        """Its name among members."""

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""

    def fit(self, values: FloatArray, index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours), hourly at `index`, all finite (`combine` fills gaps before)."""
        ...

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) mean demand of the hours after the history. Raises RuntimeError before a fit."""
        ...


def require(values: FloatArray, needs_hours: int, name: str) -> None:
    """Raise ValueError when a panel is too short for a member. values: (series, hours)."""
    if values.shape[1] < needs_hours:
        raise ValueError(f"{name} needs {needs_hours} hours of history, found {values.shape[1]}")
