"""Problems whose optimum is known, stated through the public case format and solved by `make_plan`."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.plan import Plan
from planner.planning import make_plan
from planner.solve import Limits

EXACT = Limits(seconds=60, gap=1e-7)


def solved(document: dict[str, Any], limits: Limits = EXACT) -> Plan:
    return make_plan(Case.model_validate(document), limits=limits)


def base(**blocks: Any) -> dict[str, Any]:
    """One region, one site, one type, one online workload, one period of one hour; undiscounted, paid upfront."""
    document: dict[str, Any] = {
        "meta": {"name": "known", "as_of": "2026-11-01"},
        "horizon": {
            "start": "2027-01-01",
            "periods": 1,
            "months_per_period": 12,
            "discount_rate": 0,
            "costing": "upfront",
        },
        "regions": [{"id": "r", "names": "R", "lat": 30, "lon": 110}],
        "sites": [{"id": "s", "names": "S", "lat": 30, "lon": 110, "power_mw": 1e5}],
        "module_types": [
            {"id": "k", "names": "K", "cards": 1, "peak_pflops": 1, "power_peak_kw": 0, "capex": 1, "life_periods": 80}
        ],
        "workloads": [{"id": "w", "names": "W", "throughput": {"k": 1}, "shortfall_cost": 1000}],
        "demand": {"days": [{"id": "d", "weight_days": 1}], "step_hours": [1], "futures": []},
    }
    document.update(blocks)
    return document


def future(*series: tuple[str, str, Any], probability: float = 1.0, name: str = "base") -> dict[str, Any]:
    return {
        "id": name,
        "probability": probability,
        "series": [{"region": r, "workload": w, "values": v} for r, w, v in series],
    }


def facility_case(opening: np.ndarray, capacity: np.ndarray, demand: np.ndarray, ship: np.ndarray) -> dict[str, Any]:
    """Capacitated facility location: candidate sites with an opening cost, power as capacity, transfer as shipping."""
    sites = [
        {
            "id": f"s{i}",
            "names": f"S{i}",
            "lat": 30 + i,
            "lon": 110,
            "status": "candidate",
            "opening_cost": float(opening[i]),
            "power_mw": float(capacity[i]),
        }
        for i in range(len(opening))
    ]
    regions = [{"id": f"r{j}", "names": f"R{j}", "lat": 30, "lon": 100 + j} for j in range(len(demand))]
    cost = {r["id"]: {s["id"]: float(ship[i, j]) for i, s in enumerate(sites)} for j, r in enumerate(regions)}
    document = base(sites=sites, regions=regions, network={"transfer_cost_per_gb": cost})
    # One module serves one unit and draws 1 MW, so that a site's power is the facility's capacity.
    document["module_types"][0] |= {"capex": 0, "power_peak_kw": 1000}
    document["workloads"][0] |= {"traffic_gb_per_unit_hour": 1, "minimum_service": 1, "shortfall_cost": 1e4}
    document["demand"]["futures"] = [future(*((f"r{j}", "w", float(d)) for j, d in enumerate(demand)))]
    return document


def cheapest_shipping(open_: tuple[int, ...], capacity: np.ndarray, demand: np.ndarray, ship: np.ndarray) -> float:
    """Transportation problem over the open sites, by an LP of its own (scipy)."""
    from scipy.optimize import linprog

    n, m = len(open_), len(demand)
    supply = np.kron(np.eye(n), np.ones(m))
    arrive = np.kron(np.ones(n), np.eye(m))
    found = linprog(
        ship[list(open_)].ravel(), A_ub=supply, b_ub=capacity[list(open_)], A_eq=arrive, b_eq=demand, method="highs"
    )
    return float(found.fun) if found.status == 0 else math.inf


@pytest.mark.parametrize("seed", [1, 2])
def test_capacitated_facility_location_by_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    opening = rng.integers(60, 140, 5)
    capacity = rng.integers(15, 30, 5)
    demand = rng.integers(4, 12, 6)
    ship = rng.integers(1, 20, (5, 6)).astype(float)
    best = min(
        opening[list(chosen)].sum() + cheapest_shipping(chosen, capacity, demand, ship)
        for size in range(1, 6)
        for chosen in itertools.combinations(range(5), size)
    )
    plan = solved(facility_case(opening, capacity, demand, ship))
    assert plan.certificate["objective"] == pytest.approx(best, rel=1e-6)
    assert plan.summary["cost_by_term"]["openings"] == pytest.approx(
        opening[[int(s[1:]) for s in plan.tables["openings"]["site"]]].sum()
    )


def test_screening_curve_with_two_plants_and_a_falling_load() -> None:
    """Load 1000 - 1000 z over one hour; plants (15, 2) and (10, 12), unserved at 1012: 14,700 with 500, 490, 10.

    Classic screening-curve analysis: base load where 15 + 2 h = 10 + 12 h (h = 0.5), peakers up to where
    10 + 12 h = 1012 h (h = 0.01). The load stands as 1,000 blocks at their midpoints, exact for a straight line.
    """
    steps = 1000
    load = 1000 - 1000 * (np.arange(steps) + 0.5) / steps
    document = base()
    plain = {"cards": 1, "peak_pflops": 1, "life_periods": 80}
    document["module_types"] = [
        {"id": "base", "names": "Base", "power_peak_kw": 2, "capex": 15, **plain},
        {"id": "peaker", "names": "Peaker", "power_peak_kw": 12, "capex": 10, **plain},
    ]
    document["workloads"][0] |= {"throughput": {"base": 1, "peaker": 1}, "shortfall_cost": 1012}
    document["sites"][0]["tariff"] = "flat"
    document["tariffs"] = [{"id": "flat", "prices_per_kwh": {"flat": 1}}]
    document["demand"] = {
        "days": [{"id": "d", "weight_days": 1}],
        "step_hours": [1 / steps] * steps,
        "futures": [future(("r", "w", load.tolist()))],
    }
    plan = solved(document)
    # Midpoints understate the cost by less than one block: 14,700 in the limit.
    assert plan.certificate["objective"] == pytest.approx(14_700, rel=2e-5)
    built = plan.tables["orders"].groupby("module_type")["modules"].sum()
    assert abs(built["base"] - 500) <= 1
    assert abs(built["peaker"] - 490) <= 1


def lot_sizing(demand: list[float], setup: list[float], holding: float) -> float:
    """Wagner-Whitin cost: increments to standing capacity, an order charge, and opex on what stands ahead of need."""
    need = np.cumsum(demand)
    document = base()
    document["horizon"]["periods"] = len(demand)
    document["module_types"][0] |= {"capex": 0, "opex": holding, "order_cost": setup}
    document["workloads"][0] |= {"shortfall_cost": 1e5}
    document["demand"]["futures"] = [future(("r", "w", [[[float(n)]] for n in need]))]
    plan = solved(document)
    # Opex is paid on capacity in use too: that part is the same in every plan.
    return float(plan.certificate["objective"]) - holding * float(need.sum())


@pytest.mark.parametrize(
    ("demand", "setup", "holding", "optimum"),
    [
        (
            [69, 29, 36, 61, 61, 26, 34, 67, 45, 67, 79, 56],
            [85, 102, 102, 101, 98, 114, 105, 86, 119, 110, 98, 114],
            1.0,
            864.0,
        ),
        ([90, 120, 80, 70], [500, 500, 500, 500], 2.0, 1380.0),
    ],
)
def test_orders_are_batched_like_wagner_and_whitin(
    demand: list[float], setup: list[float], holding: float, optimum: float
) -> None:
    assert lot_sizing(demand, setup, holding) == pytest.approx(optimum, rel=1e-6)


def test_expansion_with_lead_times_solved_by_hand() -> None:
    """Demand 4, 7, 12 over three periods; 4 modules stand. A module costs 10, comes two periods after its order, and an
    unserved unit costs 6 a period. Nothing can arrive in period 1: 3 units fall short there (18). For period 2, eight
    more would be wanted (6 each short) but each costs 10: none is built, 8 x 6 = 48. Total 66. At a shortage price of
    15 all eight are ordered at once: 3 x 15 + 80 = 125. With a lead of one, a module arriving in period 1 serves twice.
    """

    def cost(lead: int, shortage: float) -> tuple[float, list[tuple[int, int, int]]]:
        document = base()
        document["horizon"]["periods"] = 3
        document["module_types"][0] |= {"capex": 10, "lead_periods": lead}
        document["fleet"] = [{"site": "s", "module_type": "k", "modules": 4}]
        document["workloads"][0]["shortfall_cost"] = shortage
        document["demand"]["futures"] = [future(("r", "w", [[[4.0]], [[7.0]], [[12.0]]]))]
        plan = solved(document)
        rows = plan.tables["orders"][["order_period", "arrival_period", "modules"]]
        return float(plan.certificate["objective"]), [tuple(r) for r in rows.to_numpy().tolist()]

    assert cost(2, 6) == (pytest.approx(66), [])
    assert cost(2, 15) == (pytest.approx(125), [(0, 2, 8)])
    # lead 1, shortage 6: three modules in period 1 serve two periods (12 > 10), the other five only one (6 < 10)
    assert cost(1, 6) == (pytest.approx(30 + 30), [(0, 1, 3)])
    assert cost(0, 15)[0] == pytest.approx(80)


def test_annuity_charges_only_what_lies_in_the_horizon() -> None:
    """One module for 2 of its 4 periods at 10 % a period: two payments of the annuity due of 100 over 4 periods."""
    document = base()
    document["horizon"] |= {"periods": 2, "discount_rate": 0.1, "costing": "annuity"}
    document["module_types"][0] |= {"capex": 100, "life_periods": 4}
    document["demand"]["futures"] = [future(("r", "w", 1.0))]
    plan = solved(document)
    payment = 100 * 0.1 / (1 - 1.1**-4) / 1.1
    assert plan.certificate["objective"] == pytest.approx(payment * (1 + 1 / 1.1), rel=1e-9)


def test_manne_cost_is_flat_to_the_right_and_steep_to_the_left() -> None:
    """Manne 1961: cost x^0.7, linear growth of 1 a year, 10 % interest: the best interval is 6.75 years; building every
    year costs a third more, every ten years hardly anything. Intervals are forced by offering one module size at a
    time, so that demand is met in steps of x years; interval x costs x^a sum e^(-r x i) over 60 years.
    """
    years, a, r = 60, 0.7, 0.10

    def cost(size: int) -> float:
        document = base()
        document["horizon"] |= {"periods": years, "discount_rate": math.e**r - 1, "months_per_period": 12}
        document["module_types"][0] |= {"cards": size, "capex": size**a}
        document["workloads"][0]["shortfall_cost"] = 1e4
        # Demand grows through the year: just before its end t + 1 units are asked.
        document["demand"]["futures"] = [future(("r", "w", [[[float(t + 1)]] for t in range(years)]))]
        return float(solved(document).certificate["objective"])

    def formula(size: int) -> float:
        return sum(size**a * math.exp(-r * size * i) for i in range(math.ceil(years / size)))

    sizes = (1, 3, 6, 10)
    found = {size: cost(size) for size in sizes}
    for size in sizes:
        assert found[size] == pytest.approx(formula(size), rel=1e-6)
    assert found[6] < found[10] < found[3] < found[1]
    assert found[1] / found[6] > 1.3
    assert found[10] / found[6] < 1.06
