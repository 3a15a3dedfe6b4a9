"""The build-ahead ratio: the largest multiple of the P50 demand that what stands can serve in full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.case.errors import InfeasibleError
from planner.demand.horizon import given_demand
from planner.plan import Plan
from planner.planning import make_plan
from planner.rules.rules import plan_rule
from planner.scenarios.scenario import Ratio
from planner.scenarios.worlds import make_world
from planner.solve import Limits
from planner.verify import verify

EXACT = Limits(seconds=60, gap=1e-6)


def document(**more: Any) -> dict[str, Any]:
    """Two sites, two regions and modules of one type that do 10 units each; west is too far for the east's work."""
    base: dict[str, Any] = {
        "meta": {"name": "ratio", "as_of": "2026-11-22"},
        "horizon": {"start": "2027-01-01", "periods": 2, "discount_rate": 0.0},
        "regions": [{"id": "east", "names": "East"}, {"id": "west", "names": "West"}],
        "sites": [
            {"id": "a", "names": "A", "power_mw": 100.0},
            {"id": "b", "names": "B", "power_mw": 100.0},
        ],
        "module_types": [
            {"id": "m", "names": "M", "cards": 10, "peak_pflops": 1, "power_peak_kw": 10, "capex": 1000, "lead_periods": 1}  # noqa: E501
        ],
        "fleet": [{"site": "a", "module_type": "m", "modules": 6}, {"site": "b", "module_type": "m", "modules": 4}],
        "workloads": [
            {"id": "chat", "names": "Chat", "kind": "online", "throughput": {"m": 1}, "shortfall_cost": 5, "latency_ms": 10}  # noqa: E501
        ],
        "network": {
            "latency_basis": "round_trip",
            "latency_ms": {"east": {"a": 1, "b": 50}, "west": {"a": 50, "b": 1}},
        },
        "demand": demand(chat={"east": [10, 40, 20], "west": [5, 10, 10]}),
    }  # fmt: skip
    return {**base, **more}


def demand(**series: dict[str, list[float]]) -> dict[str, Any]:
    rows = [
        {"region": region, "workload": workload, "values": values}
        for workload, by_region in series.items()
        for region, values in by_region.items()
    ]
    days = [{"id": "day", "weight_days": [90, 91]}]
    return {"days": days, "step_hours": [8, 8, 8], "futures": [{"id": "only", "series": rows}]}


def planned(**more: Any) -> Plan:
    return make_plan(Case.model_validate(document(**more)), limits=EXACT)


def ratios(plan: Plan) -> list[float]:
    return [float(v) for v in plan.tables["capacity"]["build_ahead_ratio"]]


def test_capacity_that_nobody_may_use_does_not_count() -> None:
    """60 of east's own for a peak of 40, 40 of west's for 10: east is the first to be short, at one and a half."""
    plan = planned()
    assert ratios(plan) == pytest.approx([1.5, 1.5], rel=1e-7)
    row = plan.tables["capacity"].iloc[0]
    assert (row["binding_workloads"], row["binding_sites"], row["binding_hour"]) == ("chat", "a", "08:00")
    assert row["capacity_to_peak"] == pytest.approx(2.0)


def test_an_unused_module_type_does_not_move_it() -> None:
    plain = document()
    poor = {"id": "poor", "names": "Poor", "cards": 10, "peak_pflops": 9, "power_peak_kw": 10, "capex": 1e9}
    chat = plain["workloads"][0] | {"throughput": {"m": 1, "poor": 0.1}}
    with_it = planned(module_types=[*plain["module_types"], poor], workloads=[chat])
    assert ratios(with_it) == pytest.approx(ratios(planned()), rel=1e-7)
    old = [float(x.tables["capacity"]["capacity_to_peak"].iloc[0]) for x in (planned(), with_it)]
    assert old[1] < old[0] / 5  # what the ratio was before


def test_serving_exactly_the_course_is_one() -> None:
    fleet = [{"site": "a", "module_type": "m", "modules": 4}, {"site": "b", "module_type": "m", "modules": 1}]
    assert ratios(planned(fleet=fleet)) == pytest.approx([1.0, 1.0], abs=1e-7)


def test_work_that_waits_counts_as_it_can_wait() -> None:
    """Deferrable work of 10, 40, 20 over the day needs its mean only, and its peak where it may not wait."""
    plain = document()
    hours = [float(v) for v in np.repeat([10, 40, 20], 8)]
    loose = plain["workloads"][0] | {"kind": "deferrable", "window_hours": 24}
    tight = loose | {"window_hours": 1}
    for work, need in ((loose, 70 / 3), (tight, 40.0)):
        series = demand(chat={"east": hours})
        series["step_hours"] = [1] * 24
        found = planned(workloads=[work], demand=series)
        assert ratios(found) == pytest.approx([60 / need] * 2, rel=1e-6)


@pytest.mark.parametrize(
    ("modules", "yields", "expected"), [(5, 0.0, 1.0), (6, 0.0, 1.5), (7, 0.0, 1.5), (4, 0.5, 1.0)]
)
def test_gangs_are_whole_and_may_yield(modules: int, yields: float, expected: float) -> None:
    """Gangs of two modules that do 20 units in all. Two gangs' work is asked; three gangs fit into six or seven.

    With half a day to yield a gang does half: four gangs are asked then, and four modules hold two.
    """
    train = {
        "id": "train", "names": "T", "kind": "training", "gang_cards": 20, "throughput": {"m": 1}, "shortfall_cost": 50,
        "preemptible": yields > 0, "max_yield_share": yields,
    }  # fmt: skip
    asked = 40.0 if not yields else 20.0
    fleet = [{"site": "a", "module_type": "m", "modules": modules}]
    plan = planned(workloads=[train], fleet=fleet, demand=demand(train={"east": [asked] * 3}), module_types=[
        document()["module_types"][0] | {"capex": 1e9}])  # fmt: skip
    assert ratios(plan) == pytest.approx([expected] * 2, rel=1e-7)
    assert plan.tables["ratio_gangs"]["gangs"].sum() == 2 * (modules // 2)


def test_no_demand_has_no_ratio() -> None:
    empty = demand(chat={"east": [0, 0, 0]})
    assert np.isnan(ratios(planned(demand=empty))).all()


def test_the_floor_is_met_where_it_can_be() -> None:
    """Two times the peak of 40 needs eight modules at a; the first order arrives in the second period."""
    plan = planned(policy={"build_ahead": {"minimum": [None, 2.0]}})
    assert ratios(plan) == pytest.approx([1.5, 2.0], rel=1e-7)
    assert plan.tables["orders"][["site", "modules"]].values.tolist() == [["a", 2]]
    assert next(c for c in plan.checks if c["id"] == "build_ahead")["rows"] > 0
    with pytest.raises(InfeasibleError) as fault:
        planned(policy={"build_ahead": {"minimum": 2.0}})
    told = next(p for p in fault.value.faults if p.where == "/policy/build_ahead/minimum")
    assert "2027Q1" in str(told)
    assert "0.5" in str(told)


def test_the_verifier_finds_a_ratio_that_is_not_so() -> None:
    plan = planned()
    for change in (1.01, 0.99, np.nan):
        capacity = plan.tables["capacity"].copy()
        capacity.loc[0, "build_ahead_ratio"] *= change
        broken = verify(plan.case, plan.demand, {**plan.tables, "capacity": capacity}).broken
        assert "build_ahead.ratio" in {check.id for check in broken}
    floor = plan.case.policy.model_copy(
        update={"build_ahead": plan.case.policy.build_ahead.model_copy(update={"minimum": 1.6})}
    )
    broken = verify(plan.case.model_copy(update={"policy": floor}), plan.demand, plan.tables).broken
    assert {check.id for check in broken} == {"build_ahead"}


def test_the_rule_comes_as_near_as_can_be_and_says_why() -> None:
    world = make_world(Case.model_validate(document()), None)
    plan = plan_rule(Ratio(kind="ratio", ratio=2.0), world, limits=EXACT)
    assert ratios(plan) == pytest.approx([1.5, 2.0], rel=1e-5)
    notes = [n for n in plan.warnings if "build-ahead" in n]
    assert len(notes) == 1
    assert "2027Q1" in notes[0]
    assert "no order can bring more by then" in notes[0]


def test_the_course_is_the_median_of_what_is_planned_for() -> None:
    """Three futures, planned for the upper one: the ratio is measured against the middle one."""
    futures = [
        {"id": str(i), "probability": 1 / 3, "series": [{"region": "east", "workload": "chat", "values": [v] * 3}]}
        for i, v in enumerate((20.0, 30.0, 60.0))
    ]
    own = demand() | {"futures": futures}
    case = document(demand=own, risk={"objective": {"kind": "quantile", "q": 0.9}})
    plan = make_plan(Case.model_validate(case), limits=EXACT)
    assert ratios(plan) == pytest.approx([2.0, 2.0], rel=1e-7)
    assert given_demand(plan.case).central.values.max() == 30.0
