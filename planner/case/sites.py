"""Where demand arises and where modules stand: regions, sites, their phases, and the network between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from planner.arrays import FloatArray
from planner.case.fields import Block, Count, Id, Names, NonNegative, PerMonth, PerPeriod, Positive, Share, Whole


class Region(Block):
    id: Id
    names: Names
    lat: Annotated[float, Field(strict=True, ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(strict=True, ge=-180, le=180)] | None = None


class Phase(Block):
    """A block of site power and building that can be ordered, `max_count` times."""

    mw: Positive
    capex: NonNegative
    lead_periods: Count = 4
    max_count: Annotated[Whole, Field(ge=1)] = 1
    life_periods: Annotated[Whole, Field(ge=1)] = 80
    space_racks: NonNegative = 0


class SiteStatus(StrEnum):
    existing = "existing"
    candidate = "candidate"


class Site(Block):
    """A data centre or campus. Power is facility power: it includes cooling (PUE).

    A candidate hosts nothing unless it is opened; opening costs `opening_cost` once. `green_share` is the contracted
    share of green power; market-based carbon defaults to location-based x (1 - green_share).
    """

    id: Id
    names: Names
    lat: Annotated[float, Field(strict=True, ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(strict=True, ge=-180, le=180)] | None = None
    hub: str = ""
    status: SiteStatus = SiteStatus.existing
    opening_cost: NonNegative = 0
    opening_life_periods: Annotated[Whole, Field(ge=1)] = 80
    power_mw: PerPeriod
    phases: list[Phase] = []
    space_racks: PerPeriod | None = None
    pue: PerMonth = 1.0
    pue_limit: Annotated[float, Field(strict=True, ge=1)] | None = None
    tariff: Id | None = None
    demand_charge_per_kw_month: NonNegative = 0
    carbon_kg_per_kwh: NonNegative = 0
    carbon_market_kg_per_kwh: NonNegative | None = None
    green_share: Share = 0
    outage_class: str = ""

    def pue_by_month(self) -> FloatArray:
        """(12,) PUE from January on."""
        return np.broadcast_to(np.asarray(self.pue, float), 12).copy()

    def market_carbon(self) -> float:
        """kg CO2 per kWh after contracted green power."""
        if self.carbon_market_kg_per_kwh is not None:
            return self.carbon_market_kg_per_kwh
        return self.carbon_kg_per_kwh * (1 - self.green_share)


class TransferBand(Block):
    """Price per GB for pairs with a latency of at most `up_to_ms` (the last band may leave it open)."""

    up_to_ms: Positive | None = None
    cost_per_gb: NonNegative


class Network(Block):
    """Latency and transfer between regions and sites.

    latency_ms: given values by region and site; pairs that are not given come from coordinates:
    factor x great-circle km x route_factor / km_per_ms + equipment_ms with factor 1 (one_way) or 2 (round_trip).
    """

    latency_basis: Literal["one_way", "round_trip"] = "round_trip"
    latency_ms: dict[Id, dict[Id, NonNegative]] = {}
    route_factor: Annotated[float, Field(strict=True, ge=1)] = 1.5
    km_per_ms: Positive = 200.0
    equipment_ms: NonNegative = 0
    transfer_cost_per_gb: dict[Id, dict[Id, NonNegative]] = {}
    transfer_bands: list[TransferBand] = []
    bandwidth_gbps: dict[Id, dict[Id, PerPeriod]] = {}
