"""Prices of energy by band, month, kind of day and hour."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, model_validator

from planner.arrays import FloatArray
from planner.case.fields import FIELDS_ONLY, Block, Day, Finite, Id, Names, Whole

DayKind = Literal["workday", "weekend", "holiday"]


DAY_KINDS: tuple[DayKind, ...] = ("workday", "weekend", "holiday")


Band = Literal["super_peak", "peak", "flat", "valley", "deep_valley"]


BANDS: tuple[Band, ...] = ("super_peak", "peak", "flat", "valley", "deep_valley")


class Window(Block):
    """Hours [from, to) of the named months and day kinds that belong to a band; later windows override earlier ones."""

    band: Band
    hours: list[tuple[Whole, Whole]]
    months: list[Annotated[Whole, Field(ge=1, le=12)]] = list(range(1, 13))
    day_kinds: list[DayKind] = [*DAY_KINDS]

    @model_validator(mode="after")
    def _hours_in_the_day(self, info: ValidationInfo) -> Window:
        if info.context == FIELDS_ONLY:
            return self
        bad = [list(pair) for pair in self.hours if not 0 <= pair[0] < pair[1] <= 24]
        if bad:
            raise ValueError(f"hours {bad}; allowed: 0 <= from < to <= 24")
        return self


class Tariff(Block):
    """Price per kWh by band (尖峰 高峰 平段 低谷 深谷); an hour without a window is flat."""

    id: Id
    names: Names = Names(en="")
    prices_per_kwh: dict[Band, Finite]
    windows: list[Window] = []
    valid_from: Day | None = None
    valid_to: Day | None = None

    @model_validator(mode="after")
    def _bands_have_prices(self, info: ValidationInfo) -> Tariff:
        if info.context == FIELDS_ONLY:
            return self
        missing = sorted(({w.band for w in self.windows} | {"flat"}) - set(self.prices_per_kwh))
        if missing:
            raise ValueError(f"no price for band {', '.join(missing)}; allowed: a price for every band used, and flat")
        return self

    def bands(self) -> NDArray[np.int64]:
        """(12 months, 3 day kinds, 24 hours) index into BANDS."""
        out = np.full((12, len(DAY_KINDS), 24), BANDS.index("flat"))
        for window in self.windows:
            months = [m - 1 for m in window.months]
            kinds = [DAY_KINDS.index(k) for k in window.day_kinds]
            for first, last in window.hours:
                out[np.ix_(months, kinds, range(first, last))] = BANDS.index(window.band)
        return out

    def prices(self) -> FloatArray:
        """(12 months, 3 day kinds, 24 hours) price per kWh."""
        by_band = np.array([self.prices_per_kwh.get(band, float("nan")) for band in BANDS])
        return np.asarray(by_band[self.bands()], float)
