"""One number changed at a time, in every numeric column of every table of a rich plan: the verifier sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.case import Case
from planner.demand import Demand, TypicalDays
from planner.plan import Plan
from planner.plan.tables import TABLES
from planner.planning import make_plan
from planner.solve.limits import Limits
from planner.verify import verify

HOURS = np.arange(24)


def coast() -> Case:
    """Two sites, two types, all kinds of work, futures that part after one quarter, and the loss of a site survived."""
    document: dict[str, Any] = {
        "meta": {"name": "coast", "as_of": "2026-01-01"},
        "horizon": {"start": "2026-01-01", "periods": 3, "discount_rate": 0.08, "commit_periods": 1},
        "regions": [{"id": "north", "names": "North"}, {"id": "south", "names": "South"}],
        "sites": [
            {
                "id": "A", "names": "A", "power_mw": [1.2, 0.9, 0.7], "pue": [1.2] * 6 + [1.3] * 6, "tariff": "two",
                "space_racks": 60, "demand_charge_per_kw_month": 40, "carbon_kg_per_kwh": 0.6, "green_share": 0.5,
                "phases": [{"mw": 0.5, "capex": 900, "lead_periods": 1, "max_count": 2, "life_periods": 40}],
            },
            {
                "id": "B", "names": "B", "status": "candidate", "opening_cost": 7000, "power_mw": 0.4, "pue": 1.1,
                "tariff": "two", "carbon_kg_per_kwh": 0.2, "green_share": 0.8,
            },
        ],
        "module_types": [
            {
                "id": "gpu", "names": "gpu", "vendor": "acme", "cards": 16, "peak_pflops": 1, "power_idle_kw": 20,
                "power_peak_kw": 60, "racks": 2, "capex": [500, 480, 460], "opex": 6, "lead_periods": 1,
                "life_periods": 16, "supply": 6, "min_order": 2, "order_cost": 90, "prepay_share": 0.3,
                "availability": 0.95, "resale_price": 1e7,
            },
            {
                "id": "npu", "names": "npu", "vendor": "own", "domestic": True, "cards": 8, "peak_pflops": 0.3,
                "power_idle_kw": 5, "power_peak_kw": 20, "racks": 1, "capex": 70, "opex": 1, "life_periods": 2,
                "supply": 1,
            },
        ],
        "fleet": [
            {"site": "A", "module_type": "gpu", "modules": 8},
            {"site": "A", "module_type": "gpu", "modules": 4, "retire": "2026-07-01"},
            {"site": "A", "module_type": "npu", "modules": 2, "online": "2026-04-15"},
            {"site": "A", "module_type": "gpu", "modules": 1, "may_retire": True, "may_move_to": ["B"]},
        ],
        "leases": [
            {
                "id": "rent", "site": "A", "module_type": "npu", "price_per_module_period": 1, "notice_periods": 1,
                "minimum_term_periods": 2, "maximum_modules": 6, "uses_site_power": True,
            }
        ],
        "agreements": [
            {
                "id": "frame", "module_types": ["gpu"], "commitment": 9, "shortfall_price": 11, "signed": True,
                "breaks": [{"from_modules": 1, "discount": 0.2}],
            }
        ],
        "workloads": [
            {
                "id": "chat", "names": "chat", "throughput": {"gpu": 10, "npu": 5}, "max_utilisation": 0.8,
                "burst_factor": 1.25, "shortfall_cost": 0.25, "minimum_service": 0.5, "traffic_gb_per_unit_hour": 2,
                "residency": {"north": ["A"]}, "large_pools": {"gpu": {"utilisation": 1.0, "spare_cards": 1}},
            },
            {
                "id": "batch", "names": "batch", "kind": "deferrable", "throughput": {"gpu": 1}, "shortfall_cost": 5,
                "allowed_hours": [[0, 10], [20, 24]], "max_rate_factor": 3, "allowed_sites": ["A"],
            },
            {
                "id": "train", "names": "train", "kind": "training", "gang_cards": 24, "preemptible": True,
                "max_yield_share": 0.25, "throughput": {"gpu": 0.5, "npu": 0.1}, "shortfall_cost": 9,
                "minimum_service": 0.5,
            },
            {
                "id": "tune", "names": "tune", "kind": "training", "gang_cards": 8, "throughput": {"npu": 0.25},
                "shortfall_cost": 80,
            },
        ],
        "campaigns": [
            {
                "id": "big", "names": "big", "gang_cards": 32, "card_days": 4000, "earliest": 1, "due": 2,
                "speed": {"gpu": 1}, "value": 6e5,
            },
            {
                "id": "small", "names": "small", "gang_cards": 64, "card_days": 9000, "earliest": 0, "due": 2,
                "speed": {"gpu": 1}, "value": 2,
            },
        ],
        "network": {
            "latency_ms": {"north": {"A": 5, "B": 30}, "south": {"A": 20, "B": 5}},
            "transfer_cost_per_gb": {"north": {"A": 0.01, "B": 0.03}, "south": {"A": 0.02, "B": 0.01}},
        },
        "tariffs": [
            {
                "id": "two", "names": "two", "prices_per_kwh": {"flat": 0.6, "valley": 0.3},
                "windows": [{"band": "valley", "hours": [[0, 8]]}],
            }
        ],
        "policy": {
            "carbon_price_per_tonne": 50, "budget": [8000, 30000, 30000],
            "resilience": {"workloads": ["chat"], "sites": ["B"]},
        },
        "risk": {"objective": {"kind": "cvar", "alpha": 0.5, "weight": 0.4}},
    }  # fmt: skip
    return Case.model_validate(document)


def tides(case: Case) -> Demand:
    """Two futures, a workday and a weekend day; demand grows, in the second future to twice as much."""
    tide = 1 + 0.5 * np.sin((HOURS - 8) / 24 * 2 * np.pi)
    values = np.zeros((2, 4, 2, 3, 2, 24))
    for t, growth in enumerate(((1.0, 1.0), (1.2, 1.2), (1.3, 2.6))):
        for f in range(2):
            values[f, 0, 0, t] = 150 * growth[f] * tide
            values[f, 0, 1, t] = 80 * growth[f] * tide
    values[:, 0, :, :, 1] *= 0.6
    values[:, 0, 0, :, :, 10] *= 1.2
    values[:, 1, 0] = 20
    values[:, 2, 0] = 30
    values[:, 3, 1] = 6  # three gangs of one npu each, of which one a quarter can be bought
    days = np.array([case.horizon.days(t) for t in range(3)], float)
    weight = np.stack([days - 26, np.full(3, 26.0)], axis=1)
    calendar = np.zeros((3, 2, 12, 3))
    for t in range(3):
        calendar[t, 0, 3 * t : 3 * t + 3, 0] = 1 / 3
        calendar[t, 1, 3 * t : 3 * t + 3, 1] = 1 / 3
    typical = TypicalDays(("workday", "weekend"), weight, np.ones(24), calendar, True)
    peak = np.array([100.0, 110.0, 130.0])
    return Demand(np.array([0.7, 0.3]), values, typical, peak, peak * 1.2)


@pytest.fixture(scope="module")
def plan() -> Plan:
    case = coast()
    return make_plan(case, demand=tides(case), limits=Limits(seconds=60, gap=0.01, threads=1))


NUMBERS = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.kind in ("integer", "number")]
DATES = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.kind == "date"]


def test_the_plan_is_rich(plan: Plan) -> None:
    """A table without rows would let every change of it pass."""
    assert [name for name, table in plan.tables.items() if table.empty] == []
    assert set(plan.tables) == set(TABLES)
    assert {-1, 0, 1} <= set(plan.tables["orders"]["branch"])
    assert verify(plan.case, plan.demand, plan.tables).ok


def seen(plan: Plan, table: str, column: str, row: int, value: Any) -> list[str]:
    changed = plan.tables[table].copy()
    if isinstance(value, float):
        changed[column] = changed[column].astype(float)
    changed.iloc[row, changed.columns.get_loc(column)] = value
    return [check.id for check in verify(plan.case, plan.demand, {**plan.tables, table: changed}).broken]


@pytest.mark.parametrize(("table", "column"), NUMBERS, ids=[f"{t}.{c}" for t, c in NUMBERS])
def test_a_changed_number_is_caught(plan: Plan, table: str, column: str) -> None:
    values = plan.tables[table][column]
    looked_at = values.notna().to_numpy()
    if (table, column) == ("shortfall", "step"):
        # In which hour of its window work that can wait is given up is no fact: another hour is the same plan.
        looked_at &= (plan.tables[table]["workload"] == "chat").to_numpy()
    first, last = (int(np.flatnonzero(looked_at)[n]) for n in (0, -1))
    if (table, column) == ("ratio_gangs", "gangs"):
        # Which gangs stand behind the ratio is an example: others that reach it and fit are as true.
        changes = [(first, 1000), (last, -1)]
    elif values.dtype.kind == "i":
        changes = [(first, values.iloc[first] + 1), (last, values.iloc[last] - 1)]
    else:
        some = 1e-3 * float(values.abs().max()) or 1.0
        changes = [(first, values.iloc[first] * 1.01 + some), (last, values.iloc[last] * 0.99 - some), (last, np.nan)]
    for row, new in changes:
        assert seen(plan, table, column, row, new), f"row {row}: {values.iloc[row]} became {new}"


@pytest.mark.parametrize(("table", "column"), DATES, ids=[f"{t}.{c}" for t, c in DATES])
def test_a_changed_date_is_caught(plan: Plan, table: str, column: str) -> None:
    assert seen(plan, table, column, 0, pd.Timestamp("2026-02-01").date())


@pytest.mark.parametrize("table", list(TABLES))
def test_a_row_that_is_missing_or_twice_is_caught(plan: Plan, table: str) -> None:
    rows = plan.tables[table]
    missing = [rows.iloc[1:], rows.iloc[:-1]]
    if table == "ratio_gangs":  # any gangs with which the ratio is reached are right; without any it is not
        missing = [rows.iloc[:0]]
    for changed in (*missing, pd.concat([rows, rows.iloc[-1:]])):
        found = verify(plan.case, plan.demand, {**plan.tables, table: changed.reset_index(drop=True)})
        assert not found.ok


def test_a_cost_moved_to_another_place_is_caught(plan: Plan) -> None:
    """Sums by future and term stay right: only period and site are wrong."""
    costs = plan.tables["costs"]
    for term in ("capex", "opex", "energy", "carbon", "transfer", "demand_charge", "phases", "openings", "leases"):
        row = int(np.flatnonzero(costs["term"] == term)[0])
        other = "A" if costs["site"].iloc[row] == "B" else "B"
        assert seen(plan, "costs", "site", row, other) == ["costs"]
    row = int(np.flatnonzero(costs["term"] == "shortfall")[0])
    assert seen(plan, "costs", "site", row, "A") == ["costs"]


def test_another_demand_or_price_shows_in_the_tables_it_touches(plan: Plan) -> None:
    more = replace(plan.demand, p50_peak=plan.demand.p50_peak * 1.01)
    assert [c.id for c in verify(plan.case, more, plan.tables).broken] == ["shown.capacity"]
    sites = [site.model_copy(update={"carbon_market_kg_per_kwh": 0.1}) for site in plan.case.sites]
    greener = plan.case.model_copy(update={"sites": sites})
    assert [c.id for c in verify(greener, plan.demand, plan.tables).broken] == ["shown.carbon"]
