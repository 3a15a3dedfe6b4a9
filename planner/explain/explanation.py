"""Why a plan is as it is: what drives its orders, what its limits are worth, what filling valleys avoids."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pandas as pd

from planner.explain.departures import departure_drivers
from planner.explain.drivers import order_drivers
from planner.explain.filling import Filling, value_of_filling
from planner.explain.prices import Prices, shadow_prices
from planner.explain.resilience import Surviving, cost_of_resilience
from planner.plan import Plan
from planner.solve import Limits

# Up to this many columns a plan is made again within a fraction of a second: its prices go into every report.
QUICK_COLUMNS = 1_500
_QUICK_SECONDS = 10.0


@dataclass(frozen=True)
class Explanation:
    """drivers: rows, see `order_drivers`; departures: rows, see `departure_drivers`; prices: see `shadow_prices`, None
    where they were left out.

    filling, resilience: None where they were not asked for.
    """

    drivers: pd.DataFrame
    departures: pd.DataFrame
    prices: Prices | None
    filling: Filling | None = None
    resilience: Surviving | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        out: dict[str, Any] = {name: getattr(self, name).to_dict("records") for name in ("drivers", "departures")}
        if self.prices is not None:
            out["prices"] = self.prices.to_json()
        if self.filling is not None:
            out["filling"] = self.filling.to_json()
        if self.resilience is not None:
            out["resilience"] = self.resilience.to_json()
        return out


def explained(
    plan: Plan,
    *,
    filling: bool = False,
    resilience: bool = False,
    limits: Limits | None = None,
    stop: threading.Event | None = None,
) -> Explanation:
    """Drivers and prices within the seconds of `limits`; filling, resilience: each another solve within them."""
    return Explanation(
        order_drivers(plan),
        departure_drivers(plan),
        shadow_prices(plan, seconds=(limits or Limits()).seconds, stop=stop),
        value_of_filling(plan, limits=limits, stop=stop) if filling else None,
        cost_of_resilience(plan, limits=limits, stop=stop) if resilience else None,
    )


def explained_in_passing(plan: Plan) -> Explanation:
    """What can be said of a plan within a few seconds: drivers, and prices of a small one."""
    small = int(plan.certificate.get("columns", 0)) <= QUICK_COLUMNS
    prices = shadow_prices(plan, seconds=_QUICK_SECONDS) if small else None
    return Explanation(order_drivers(plan), departure_drivers(plan), prices)
