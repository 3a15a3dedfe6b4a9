"""Planning periods and how their costs are counted."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

import numpy as np
from pydantic import Field

from planner.arrays import FloatArray
from planner.case.fields import Block, Count, Day, Whole


class Costing(StrEnum):
    annuity = "annuity"
    upfront = "upfront"


class Horizon(Block):
    """Planning periods 0 … periods-1 of equal length.

    discount_rate: per year. commit_periods: orders placed before this period are the same in every future; later ones
    may differ by future (None: all orders are the same in every future).
    """

    start: Day
    periods: Annotated[Whole, Field(ge=1, le=80)]
    months_per_period: Annotated[Whole, Field(ge=1, le=12)] = 3
    discount_rate: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.07
    commit_periods: Count | None = None
    costing: Costing = Costing.annuity

    def period_start(self, period: int) -> date:
        """First day of a period."""
        months = self.start.year * 12 + self.start.month - 1 + period * self.months_per_period
        return date(months // 12, months % 12 + 1, 1)

    @property
    def end(self) -> date:
        """First day after the horizon."""
        return self.period_start(self.periods)

    def period_label(self, period: int) -> str:
        """Such as 2027Q1, or 2027-02 where periods are no quarters."""
        first = self.period_start(period)
        if self.months_per_period == 3 and first.month % 3 == 1:
            return f"{first.year}Q{(first.month + 2) // 3}"
        return f"{first.year}-{first.month:02d}"

    def period_of(self, day: date) -> int:
        """The period that holds `day`: negative before the horizon, `periods` or more after it."""
        months = (day.year - self.start.year) * 12 + day.month - self.start.month
        return months // self.months_per_period

    def days(self, period: int) -> int:
        """Calendar days of a period."""
        return (self.period_start(period + 1) - self.period_start(period)).days

    def discount(self) -> FloatArray:
        """(periods,) factor (1 + rate) ** -(years to the start of the period)."""
        years = np.arange(self.periods) * self.months_per_period / 12
        return np.asarray((1 + self.discount_rate) ** -years, float)
