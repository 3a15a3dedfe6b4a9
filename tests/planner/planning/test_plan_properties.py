"""What must hold for every case: more of anything never costs more, order and currency do not matter, plans verify."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.case import Case
from planner.demand.horizon import given_demand
from planner.plan import Plan
from planner.planning import make_plan
from planner.program.blocks import flatten
from planner.program.build import build_program
from planner.solve import Limits, solve_lp

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
EXACT = Limits(seconds=60, gap=1e-6)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Small random cases: two or three sites and regions, two types, two periods, one day of four steps."""
    count = draw(st.integers(2, 3))
    number = lambda low, high: draw(st.floats(low, high).map(lambda v: round(v, 3)))  # noqa: E731
    sites = [
        {
            "id": f"s{i}",
            "names": f"S{i}",
            "lat": 30 + 3 * i,
            "lon": 110.0,
            "power_mw": number(0.3, 2.0),
            "pue": number(1.1, 1.4),
            "tariff": "t",
            "carbon_kg_per_kwh": 0.5,
        }
        for i in range(count)
    ]
    regions = [{"id": f"r{i}", "names": f"R{i}", "lat": 31 + 3 * i, "lon": 112.0} for i in range(count)]
    types = [
        {"id": k, "names": k, "cards": 64, "peak_pflops": pflops, "power_idle_kw": 20, "power_peak_kw": kw,
         "capex": number(1e6, 9e6), "opex": 1e4, "lead_periods": lead, "supply": draw(st.integers(2, 9)),
         "min_order": draw(st.integers(1, 2)), "order_cost": number(0, 1e6)}
        for k, pflops, kw, lead in (("a", 0.3, 60, 0), ("b", 0.9, 110, 1))
    ]  # fmt: skip
    values = lambda: [[[number(0, 60) for _ in range(4)]] for _ in range(2)]  # noqa: E731
    series = [{"region": r["id"], "workload": w, "values": values()} for r in regions for w in ("on", "batch")]
    return {
        "meta": {"name": "random", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": 2, "discount_rate": 0.05},
        "regions": regions,
        "sites": sites,
        "module_types": types,
        "fleet": [{"site": "s0", "module_type": "a", "modules": draw(st.integers(0, 3))}],
        "workloads": [
            {"id": "on", "names": "on", "latency_ms": number(4, 12), "throughput": {"a": 0.3, "b": 0.8},
             "shortfall_cost": number(20, 400)},
            {"id": "batch", "names": "batch", "kind": "deferrable", "throughput": {"b": 0.8}, "shortfall_cost": 50},
        ],
        "tariffs": [{"id": "t", "prices_per_kwh": {"flat": number(0.2, 1.0)}}],
        "demand": {
            "days": [{"id": "d", "weight_days": 90}],
            "step_hours": [6, 6, 6, 6],
            "futures": [{"series": series}],
        },
    }  # fmt: skip


def cost(document: dict[str, Any]) -> float:
    """The relaxation's optimum: exact, so that comparisons need no gap."""
    case = Case.model_validate(document)
    program = build_program(case, given_demand(case))
    found = solve_lp(flatten(program))
    assert found.status == "optimal"
    return float(found.objective) * program.money_unit


def changed(document: dict[str, Any], change: Any) -> dict[str, Any]:
    other = copy.deepcopy(document)
    change(other)
    return other


def more_power(d: dict[str, Any]) -> None:
    d["sites"][0]["power_mw"] *= 1.5


def more_supply(d: dict[str, Any]) -> None:
    for kind in d["module_types"]:
        kind["supply"] += 3


def more_latency(d: dict[str, Any]) -> None:
    d["workloads"][0]["latency_ms"] += 6


def cheaper_power(d: dict[str, Any]) -> None:
    d["tariffs"][0]["prices_per_kwh"]["flat"] *= 0.8


@pytest.mark.parametrize("change", [more_power, more_supply, more_latency, cheaper_power])
@FEW
@given(document=cases())
def test_more_room_never_costs_more(change: Any, document: dict[str, Any]) -> None:
    before, after = cost(document), cost(changed(document, change))
    assert after <= before + 1e-6 * abs(before) + 1e-3


@FEW
@given(document=cases())
def test_order_of_input_does_not_matter(document: dict[str, Any]) -> None:
    def shuffled(d: dict[str, Any]) -> None:
        for block in ("regions", "sites", "module_types", "workloads"):
            d[block].reverse()
        d["demand"]["futures"][0]["series"].reverse()

    assert cost(changed(document, shuffled)) == pytest.approx(cost(document), rel=1e-7, abs=1e-3)


@FEW
@given(document=cases(), factor=st.sampled_from([0.01, 7.1, 1000.0]))
def test_another_currency_scales_the_objective(document: dict[str, Any], factor: float) -> None:
    def converted(d: dict[str, Any]) -> None:
        for kind in d["module_types"]:
            for name in ("capex", "opex", "order_cost"):
                kind[name] *= factor
        for workload in d["workloads"]:
            workload["shortfall_cost"] *= factor
        d["tariffs"][0]["prices_per_kwh"]["flat"] *= factor

    assert cost(changed(document, converted)) == pytest.approx(factor * cost(document), rel=1e-6, abs=1e-3 * factor)


@FEW
@given(document=cases(), factor=st.sampled_from([1e-6, 1e3, 1e9]))
def test_another_unit_of_work_changes_nothing(document: dict[str, Any], factor: float) -> None:
    """Tokens instead of PFLOPS: demand and throughput times a factor, the price of a unit divided by it."""

    def converted(d: dict[str, Any]) -> None:
        for workload in d["workloads"]:
            workload["throughput"] = {k: v * factor for k, v in workload["throughput"].items()}
            workload["shortfall_cost"] /= factor
        for series in d["demand"]["futures"][0]["series"]:
            series["values"] = (np.array(series["values"]) * factor).tolist()

    assert cost(changed(document, converted)) == pytest.approx(cost(document), rel=1e-6, abs=1e-3)


@settings(FEW, max_examples=6)
@given(document=cases())
def test_plans_verify_and_serve_no_more_than_stands(document: dict[str, Any]) -> None:
    plan: Plan = make_plan(Case.model_validate(document), limits=EXACT)
    assert all(check["ok"] for check in plan.checks)
    load, stock = plan.tables["load"], plan.tables["stock"]
    busy = load.groupby(["period", "day", "step", "site", "module_type"])["busy"].sum().reset_index()
    stands = stock.set_index(["period", "site", "module_type"])[["owned", "leased"]].sum(axis=1)
    index = list(zip(busy["period"], busy["site"], busy["module_type"], strict=True))
    assert (busy["busy"].to_numpy() <= stands.reindex(index).to_numpy() + 1e-6).all()
    assert plan.summary["cost"] == pytest.approx(plan.certificate["objective"], rel=1e-6, abs=1e-2)
    assert plan.certificate["bound"] <= plan.certificate["objective"] + 1e-6 * abs(plan.certificate["objective"])


def test_the_same_input_gives_the_same_plan() -> None:
    document = _fixed()
    first, second = (make_plan(Case.model_validate(document), limits=EXACT) for _ in range(2))
    for name, table in first.tables.items():
        assert table.equals(second.tables[name]), name


def _fixed() -> dict[str, Any]:
    site = {"id": "s", "names": "S", "lat": 30, "lon": 110, "power_mw": 3}
    kind = {"id": "k", "names": "K", "cards": 8, "peak_pflops": 1, "power_peak_kw": 50, "capex": 5e5}
    return {
        "meta": {"name": "fixed", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": 3},
        "regions": [{"id": "r", "names": "R", "lat": 30, "lon": 110}],
        "sites": [site, site | {"id": "z", "lat": 31}],
        "module_types": [kind],
        "workloads": [{"id": "w", "names": "W", "throughput": {"k": 1.0}, "shortfall_cost": 100}],
        "demand": {
            "days": [{"id": "d", "weight_days": 90}],
            "futures": [{"series": [{"region": "r", "workload": "w", "values": list(range(24))}]}],
        },
    }
