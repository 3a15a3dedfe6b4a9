"""Limits and prices that the owner sets, and the measure of risk."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.case.fields import Block, Id, PerPeriod, PerPeriodOrNone, Share


class BuildAhead(Block):
    """Range of usable capacity / P50 peak, by period."""

    minimum: PerPeriodOrNone = None
    maximum: PerPeriodOrNone = None


class Resilience(Block):
    """The named online workloads are still served at the peak hour with any one of `sites` lost (None: any site)."""

    workloads: list[Id]
    sites: list[Id] | None = None


class Policy(Block):
    """Limits and prices the owner sets. A list entry of null means no limit in that period.

    budget: capex paid in a period (prepaid share at the order, the rest on arrival; phases and openings on arrival).
    domestic_share_floor: of the peak PFLOPS ordered up to each period. vendor_share_cap: the same measure, by vendor.
    capacity_targets_eflops: least installed peak EFLOPS. utilisation_floor: busy / installed module-hours, by period.
    max_module_types: by site, the most types that may stand there at one time, owned or leased.
    """

    budget: PerPeriodOrNone = None
    carbon_price_per_tonne: PerPeriod = 0
    carbon_basis: Literal["location", "market"] = "location"
    carbon_cap_tonnes: PerPeriodOrNone = None
    green_share_floor: PerPeriodOrNone = None
    domestic_share_floor: PerPeriodOrNone = None
    vendor_share_cap: dict[str, Share] = {}
    build_ahead: BuildAhead = BuildAhead()
    capacity_targets_eflops: PerPeriodOrNone = None
    utilisation_floor: PerPeriodOrNone = None
    max_module_types: dict[str, Annotated[int, Field(strict=True, ge=0)]] = {}
    resilience: Resilience | None = None


class Expected(Block):
    kind: Literal["expected"] = "expected"


class CVaR(Block):
    """(1 - weight) x mean + weight x mean of the worst (1 - alpha) of futures."""

    kind: Literal["cvar"]
    alpha: Annotated[float, Field(strict=True, ge=0, lt=1)]
    weight: Share


class Quantile(Block):
    """Plan for one future: every demand at its q-quantile over the futures."""

    kind: Literal["quantile"]
    q: Annotated[float, Field(strict=True, gt=0, lt=1)]


class Risk(Block):
    objective: Annotated[Expected | CVaR | Quantile, Field(discriminator="kind")] = Expected()
