"""What money usually comes to, in any currency: ranges of prices, and what prices say about each other.

The ranges were collected in CNY (November 2026) and are some fifty times wide, so that a rough worth of another
currency carries them over. A currency that is not listed is judged by proportions alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forecasts.words.note import Note, note
from planner.case import Case, by_period

CNY_OF = {
    "CNY": 1.0,
    "RMB": 1.0,
    "HKD": 0.92,
    "TWD": 0.22,
    "USD": 7.2,
    "EUR": 8.0,
    "GBP": 9.4,
    "CHF": 8.5,
    "CAD": 5.2,
    "AUD": 4.7,
    "NZD": 4.2,
    "SGD": 5.5,
    "JPY": 0.048,
    "KRW": 0.0052,
    "INR": 0.083,
    "SEK": 0.72,
    "NOK": 0.69,
    "DKK": 1.07,
    "PLN": 1.9,
    "CZK": 0.33,
    "BRL": 1.3,
    "MXN": 0.38,
    "ZAR": 0.4,
    "TRY": 0.18,
    "THB": 0.21,
    "MYR": 1.65,
    "IDR": 0.00044,
    "VND": 0.00028,
    "PHP": 0.125,
    "AED": 1.96,
    "SAR": 1.92,
    "ILS": 2.0,
    "RUB": 0.085,
}
"""Rough worth of one unit, recalled in 2026: for ranges of plausible prices and for nothing else."""

WIDEST_SPAN = 1e8
"""Costs of single decisions further apart than this leave the smaller ones below what a solver can tell apart."""


@dataclass(frozen=True)
class Usual:
    """A range that a price usually lies in, `unit` in words."""

    low: float
    high: float
    unit: str


_CNY = {
    "energy": (0.02, 3),
    "demand_charge": (5, 100),
    "phase": (2e6, 2e8),
    "card": (5e3, 1e6),
    "carbon": (1, 2000),
}
"""Ranges a kWh, a kW and month, a MW, a card, a tonne."""


def usual(case: Case, what: str) -> Usual | None:
    """The usual range of a price in the case's currency; None where the currency is not known."""
    worth = CNY_OF.get(case.meta.currency.upper())
    if worth is None:
        return None
    low, high = (float(f"{end / worth:.1g}") for end in _CNY[what])
    return Usual(low, high, note(f"odd.unit_{what}", "planner", currency=case.meta.currency))


def energy_share(case: Case) -> Iterator[tuple[int, float]]:
    """(module type, a year's energy at full load and the dearest mean tariff, as a share of the module's price)."""
    means = [float(np.mean(tariff.prices())) for tariff in case.tariffs]
    if not means:
        return
    for k, kind in enumerate(case.module_types):
        price = float(np.max(by_period(kind.capex, case.horizon.periods, 0.0)))
        if price > 0 and kind.power_peak_kw > 0:
            yield k, kind.power_peak_kw * 8760 * max(means) / price


def decision_costs(case: Case) -> dict[Note, float]:
    """What one of each thing that can be decided costs, in words; what costs nothing is left out.

    A module's energy is that of a period at full load; what is not served is one unit for an hour.
    """
    horizon = case.horizon
    out: dict[Note, float] = {}
    hours = 24.0 * horizon.days(0)
    mean = max((float(np.mean(tariff.prices())) for tariff in case.tariffs), default=0.0)

    def seen(key: str, value: float | list[float], **values: object) -> None:
        what = note(f"odd.cost_{key}", "planner", **values)
        costs = by_period(value, horizon.periods, 0.0)
        for end, cost in (("dearest", float(costs.max())), ("cheapest", float(costs[costs > 0].min(initial=np.inf)))):
            if 0 < cost < np.inf:
                out[what if costs.min() == costs.max() else note(f"odd.cost_{end}", "planner", what=what)] = cost

    for kind in case.module_types:
        if kind.supply is None or np.any(np.asarray(kind.supply) > 0):
            seen("module", kind.capex, name=kind.id)
            seen("order", kind.order_cost, name=kind.id)
        seen("operation", kind.opex, name=kind.id)
        seen("energy", kind.power_peak_kw * hours * mean, name=kind.id)
    for site in case.sites:
        seen("opening", site.opening_cost, name=site.id)
        for i, phase in enumerate(site.phases):
            seen("phase", phase.capex, name=site.id, n=i)
    for lease in case.leases:
        seen("lease", lease.price_per_module_period, name=lease.id)
    for work in case.workloads:
        seen("unserved", work.shortfall_cost, name=work.id)
    for campaign in case.campaigns:
        seen("campaign", campaign.value or 0.0, name=campaign.id)
    return out
