"""What money usually comes to, in any currency: ranges of prices, and what prices say about each other.

The ranges were collected in CNY (November 2026) and are some fifty times wide, so that a rough worth of another
currency carries them over. A currency that is not listed is judged by proportions alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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
    """A range that a price usually lies in, `unit` in words; `below`, `above`: what is likely mistaken there."""

    low: float
    high: float
    unit: str
    below: str = ""
    above: str = ""


_CNY = {
    "energy": Usual(0.02, 3, "a kWh", ": in thousands, or per Wh?", ": in hundredths (fen, cents)?"),
    "demand_charge": Usual(5, 100, "a kW and month"),
    "phase": Usual(2e6, 2e8, "a MW"),
    "card": Usual(5e3, 1e6, "a card"),
    "carbon": Usual(1, 2000, "a tonne", above=": a kilogram's price times a million?"),
}


def usual(case: Case, what: str) -> Usual | None:
    """The usual range of a price in the case's currency; None where the currency is not known."""
    worth = CNY_OF.get(case.meta.currency.upper())
    if worth is None:
        return None
    found = _CNY[what]
    low, high = (float(f"{end / worth:.1g}") for end in (found.low, found.high))
    return Usual(low, high, f"{case.meta.currency} {found.unit}", found.below, found.above)


def energy_share(case: Case) -> Iterator[tuple[int, float]]:
    """(module type, a year's energy at full load and the dearest mean tariff, as a share of the module's price)."""
    means = [float(np.mean(tariff.prices())) for tariff in case.tariffs]
    if not means:
        return
    for k, kind in enumerate(case.module_types):
        price = float(np.max(by_period(kind.capex, case.horizon.periods, 0.0)))
        if price > 0 and kind.power_peak_kw > 0:
            yield k, kind.power_peak_kw * 8760 * max(means) / price


def decision_costs(case: Case) -> dict[str, float]:
    """What one of each thing that can be decided costs, in words; what costs nothing is left out.

    A module's energy is that of a period at full load; what is not served is one unit for an hour.
    """
    horizon, out = case.horizon, {}
    hours = 24.0 * horizon.days(0)
    mean = max((float(np.mean(tariff.prices())) for tariff in case.tariffs), default=0.0)

    def seen(what: str, value: float | list[float]) -> None:
        costs = by_period(value, horizon.periods, 0.0)
        for label, cost in (("dearest", float(costs.max())), ("cheapest", float(costs[costs > 0].min(initial=np.inf)))):
            if 0 < cost < np.inf:
                out[what if costs.min() == costs.max() else f"{what}, {label} period"] = cost

    for kind in case.module_types:
        if kind.supply is None or np.any(np.asarray(kind.supply) > 0):
            seen(f"one module of {kind.id}", kind.capex)
            seen(f"one order of {kind.id}", kind.order_cost)
        seen(f"a period of operation of one {kind.id}", kind.opex)
        seen(f"a period of energy of one {kind.id}", kind.power_peak_kw * hours * mean)
    for site in case.sites:
        seen(f"opening {site.id}", site.opening_cost)
        for i, phase in enumerate(site.phases):
            seen(f"phase {i} of {site.id}", phase.capex)
    for lease in case.leases:
        seen(f"a period of one module of lease {lease.id}", lease.price_per_module_period)
    for work in case.workloads:
        seen(f"one unit of {work.id} unserved for an hour", work.shortfall_cost)
    for campaign in case.campaigns:
        seen(f"the campaign {campaign.id}", campaign.value or 0.0)
    return out
