"""Published two-stage problems, stated in the public case format, against their known optima.

Birge and Louveaux, Introduction to Stochastic Programming, §1.3 (power expansion); the newsvendor of Arrow, Harris and
Marschak 1951 as a build-ahead decision, with the CVaR of Rockafellar and Uryasev 2000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from planner.case import Case
from planner.planning import make_plan
from planner.solve import Limits

EXACT = Limits(seconds=60, gap=1e-7, threads=1)


def one_period(
    types: Sequence[Mapping[str, Any]],
    steps: Sequence[float],
    futures: Sequence[tuple[float, Sequence[float]]],
    *,
    shortfall_cost: float,
    policy: Mapping[str, Any] | None = None,
    risk: Mapping[str, Any] | None = None,
) -> Case:
    """One site, one region, one period, one day of `steps` hours: futures are (probability, demand by step)."""
    kinds = [{"names": {"en": t["id"]}, "cards": 1, "life_periods": 1, **t} for t in types]
    document = {
        "meta": {"name": "known", "as_of": "2026-01-01", "timezone": "UTC"},
        "horizon": {"start": "2027-01-01", "periods": 1, "discount_rate": 0.0, "costing": "upfront"},
        "regions": [{"id": "r", "names": {"en": "r"}}],
        "sites": [{"id": "s", "names": {"en": "s"}, "power_mw": 100.0, "tariff": "flat"}],
        "module_types": [{k: v for k, v in kind.items() if k != "throughput"} for kind in kinds],
        "workloads": [
            {
                "id": "w",
                "names": {"en": "w"},
                "unit": "unit",
                "throughput": {t["id"]: t["throughput"] for t in types},
                "shortfall_cost": shortfall_cost,
            }
        ],
        "network": {"latency_ms": {"r": {"s": 0.0}}},
        "tariffs": [{"id": "flat", "prices_per_kwh": {"flat": 1.0}}],
        "policy": dict(policy or {}),
        "risk": {"objective": dict(risk or {"kind": "expected"})},
        "demand": {
            "days": [{"id": "d", "weight_days": 1.0}],
            "step_hours": list(steps),
            "futures": [
                {"id": f"f{i}", "probability": p, "series": [{"region": "r", "workload": "w", "values": list(values)}]}
                for i, (p, values) in enumerate(futures)
            ],
        },
    }
    return Case.model_validate(document)


SIXTH = 1 / 6


def power_expansion(levels: Sequence[tuple[float, float]]) -> Case:
    """Birge and Louveaux: modules of a sixth of a unit, so that every optimum below is a whole number of them.

    Stacked modes that last 10, 6 and 1 are a load curve of 1, 5 and 4 hours; running a unit for an hour costs its
    operating cost, as power at a tariff of 1.
    """
    invest, operate = (10.0, 7.0, 16.0, 6.0), (4.0, 4.5, 3.2, 5.5)
    types = [
        {
            "id": f"plant{i + 1}",
            "peak_pflops": SIXTH,
            "throughput": SIXTH,
            "capex": c * SIXTH,
            "power_idle_kw": 0.0,
            "power_peak_kw": q * SIXTH,
        }
        for i, (c, q) in enumerate(zip(invest, operate, strict=True))
    ]
    futures = [(p, (mode1 + 5, mode1 + 3, mode1)) for p, mode1 in levels]
    policy = {"budget": 120.0, "capacity_targets_eflops": 0.012}
    return one_period(types, (1.0, 5.0, 4.0), futures, shortfall_cost=1000.0, policy=policy)


DEMAND = ((0.3, 3.0), (0.4, 5.0), (0.3, 7.0))


def built(tables: Mapping[str, Any]) -> dict[str, int]:
    orders = tables["orders"]
    return {str(k): int(v) for k, v in orders.groupby("module_type")["modules"].sum().items()}


def test_power_expansion_has_the_published_plan() -> None:
    plan = make_plan(power_expansion(DEMAND), limits=EXACT)
    assert plan.certificate["objective"] == pytest.approx(381.85333, abs=1e-4)
    assert built(plan.tables) == {"plant1": 16, "plant2": 24, "plant3": 20, "plant4": 12}


def test_power_expansion_with_perfect_information() -> None:
    costs = [make_plan(power_expansion([(1.0, level)]), limits=EXACT).certificate["objective"] for _, level in DEMAND]
    assert np.dot([p for p, _ in DEMAND], costs) == pytest.approx(380.16667, abs=1e-4)


def test_power_expansion_for_the_mean_demand() -> None:
    plan = make_plan(power_expansion([(1.0, 5.0)]), limits=EXACT)
    assert plan.certificate["objective"] == pytest.approx(378.66667, abs=1e-4)


SPOT = ((0.1, 100.0), (0.25, 120.0), (0.3, 140.0), (0.25, 160.0), (0.1, 200.0))


def newsvendor(
    futures: Sequence[tuple[float, float]],
    risk: Mapping[str, Any] | None = None,
    *,
    build: float = 60.0,
    spot: float = 150.0,
    size: float = 1.0,
) -> Case:
    """Build a unit ahead for `build`, or buy it for `spot` when demand turns out higher; modules of `size` units."""
    unit = {
        "id": "unit",
        "peak_pflops": size,
        "throughput": size,
        "capex": build * size,
        "power_peak_kw": 0.0,
        "power_idle_kw": 0.0,
    }
    return one_period([unit], (1.0,), [(p, (d,)) for p, d in futures], shortfall_cost=spot, risk=risk)


def test_newsvendor_builds_the_critical_fractile() -> None:
    plan = make_plan(newsvendor(SPOT), limits=EXACT)
    assert plan.certificate["objective"] == pytest.approx(10_050.0, abs=1e-3)
    assert built(plan.tables) == {"unit": 140}


@pytest.mark.parametrize(
    ("alpha", "weight", "units", "cost"),
    [(0.65, 0.5, 160, 10_757.142857), (0.8, 0.3, 160, 10_920.0), (0.9, 0.5, 200, 12_000.0), (0.0, 0.7, 140, 10_050.0)],
)
def test_newsvendor_that_fears_the_worst_builds_more(alpha: float, weight: float, units: int, cost: float) -> None:
    case = newsvendor(SPOT, {"kind": "cvar", "alpha": alpha, "weight": weight})
    plan = make_plan(case, limits=EXACT)
    assert plan.certificate["objective"] == pytest.approx(cost, abs=1e-3)
    assert built(plan.tables) == {"unit": units}


def test_newsvendor_with_perfect_information() -> None:
    costs = [make_plan(newsvendor([(1.0, d)]), limits=EXACT).certificate["objective"] for _, d in SPOT]
    assert np.dot([p for p, _ in SPOT], costs) == pytest.approx(8_520.0, abs=1e-3)


def test_identical_futures_are_one_future() -> None:
    twice = make_plan(newsvendor([(0.5, 140.0), (0.5, 140.0)]), limits=EXACT)
    assert twice.certificate["objective"] == pytest.approx(60 * 140, abs=1e-6)
    assert built(twice.tables) == {"unit": 140}


def test_newsvendor_with_normal_demand_and_many_futures() -> None:
    """Holding .18 and stock-out .7 for N(50, 8): order 56.603953 at a cost of 1.997605 over the cost of the mean.

    h (x - d)+ + p (d - x)+ = h x - h d + (h + p) (d - x)+, so that a unit costs h and a missing one h + p. 400 futures
    in the middle of equal shares of the distribution leave an error of half a share in the fractile.
    """
    middle = (np.arange(400) + 0.5) / 400
    demand = norm.ppf(middle, 50.0, 8.0)
    case = newsvendor([(1 / 400, float(d)) for d in demand], build=0.18, spot=0.88, size=0.02)
    plan = make_plan(case, limits=EXACT)
    assert 0.02 * built(plan.tables)["unit"] == pytest.approx(56.603953, abs=0.1)
    assert plan.certificate["objective"] - 0.18 * 50.0 == pytest.approx(1.997605, rel=5e-3)
