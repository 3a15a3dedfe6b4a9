"""What can be ordered, stands or is leased: module types, the fleet, leases."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, model_validator

from planner.case.fields import (
    FIELDS_ONLY,
    Block,
    Count,
    Day,
    Finite,
    Flag,
    Id,
    Names,
    NonNegative,
    PerPeriod,
    Share,
    Whole,
)


class ModuleType(Block):
    """The smallest block of accelerators that can be ordered, with its nodes and network.

    Per module: cards, power, racks, capex (by arrival period), opex (per period), supply (modules that may arrive in a
    period, all sites together; None: no limit). `order_cost` is charged once per order (one site, one arrival period).
    `opex_at`: what takes the place of opex at the sites named. `allowed_sites`: where it may be ordered for (None:
    anywhere). `prepay_share` of capex falls into the budget of the order period, the rest into that of the arrival.
    Of modules that leave the fleet early (`Standing`): resale_price is received for one that is retired (below 0: its
    removal costs that much), moving_cost is paid for one that is moved, which is out of use for `moving_periods`.
    """

    id: Id
    names: Names
    accelerator: str = ""
    vendor: str = ""
    domestic: Flag = False
    cards: Annotated[Whole, Field(ge=1)]
    peak_pflops: NonNegative
    memory_gib: NonNegative = 0
    power_idle_kw: NonNegative = 0
    power_peak_kw: NonNegative
    racks: NonNegative = 0
    capex: PerPeriod
    opex: PerPeriod = 0
    opex_at: dict[Id, PerPeriod] = {}
    allowed_sites: list[Id] | None = None
    lead_periods: Count = 0
    life_periods: Annotated[Whole, Field(ge=1)] = 20
    supply: PerPeriod | None = None
    min_order: Annotated[Whole, Field(ge=1)] = 1
    order_cost: PerPeriod = 0
    resale_price: Finite | list[Finite] = 0
    moving_cost: PerPeriod = 0
    moving_periods: Count = 1
    prepay_share: Share = 0
    availability: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0

    def opex_of(self, site: str) -> float | list[float]:
        """What a module costs to operate at a site, by period."""
        return self.opex_at.get(site, self.opex)

    @property
    def module_pflops(self) -> float:
        """Dense FP16 PFLOPS of one module; `peak_pflops` is per card."""
        return self.cards * self.peak_pflops

    @model_validator(mode="after")
    def _idle_below_peak(self, info: ValidationInfo) -> ModuleType:
        if info.context == FIELDS_ONLY:
            return self
        if self.power_idle_kw > self.power_peak_kw:
            raise ValueError(
                f"power_idle_kw {self.power_idle_kw:g} above power_peak_kw {self.power_peak_kw:g}; "
                "allowed: at most the peak"
            )
        return self


class Standing(Block):
    """Modules that stand or are on order: in service from `online` (None: already) until `retire` (None: beyond).

    may_retire: any of them may be taken out before. may_move_to: sites that any of them may be moved to.
    """

    site: Id
    module_type: Id
    modules: Count
    online: Day | None = None
    retire: Day | None = None
    may_retire: Flag = False
    may_move_to: list[Id] = []

    @property
    def may_leave(self) -> bool:
        """Whether any of them may leave before their end."""
        return self.may_retire or bool(self.may_move_to)

    def staying(self) -> Standing:
        """The same modules, which all stay until their end."""
        return self.model_copy(update={"may_retire": False, "may_move_to": []})

    @model_validator(mode="after")
    def _moves_elsewhere(self, info: ValidationInfo) -> Standing:
        if info.context == FIELDS_ONLY:
            return self
        twice = sorted({s for s in self.may_move_to if self.may_move_to.count(s) > 1})
        if self.site in self.may_move_to or twice:
            found = f"may_move_to {', '.join(self.may_move_to)} of modules at {self.site}"
            raise ValueError(f"{found}; allowed: other sites, each once")
        return self


class Lease(Block):
    """Whole modules rented at a site; the price includes power and space unless `uses_site_power`.

    A start at period t needs notice `notice_periods` before t counted from period 0 and lasts at least
    `minimum_term_periods`.
    """

    id: Id
    supplier: str = ""
    site: Id
    module_type: Id
    price_per_module_period: PerPeriod
    notice_periods: Count = 0
    minimum_term_periods: Annotated[Whole, Field(ge=1)] = 1
    maximum_modules: PerPeriod
    uses_site_power: Flag = False
