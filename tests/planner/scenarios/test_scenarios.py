"""Scenarios as documents: levers, overrides, every fault at once; ratio and bring-forward by hand; changed demand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.cases import make_case
from planner.case import Case
from planner.case.file import read_case
from planner.demand import Demand
from planner.evaluate.evaluation import merged_steps
from planner.planning import make_plan
from planner.rules.bounds import relaxed_bound
from planner.rules.neighbour import held_plan, projected, whole_of
from planner.rules.rules import Begin, plan_rule
from planner.rules.sketch import rounded, sketched
from planner.scenarios import (
    BringForward,
    DemandChange,
    JustInTime,
    QuantileOf,
    Ratio,
    Scenario,
    ScenarioError,
    WaitAndSee,
    asked_scenarios,
    pose,
    read_scenarios,
    rule_from,
    scenarios_from,
    standard_scenarios,
    sweep_from,
    target_from,
    with_sweep,
)
from planner.scenarios.worlds import make_world, merged_world, trend
from planner.solve import Limits

EXACT = Limits(seconds=60, gap=1e-6, threads=1)
EXAMPLES = Path(__file__).parents[3] / "examples"


def growing(supply: float | list[float] = 100.0, lead: int = 1, **policy: Any) -> Case:
    """One site, five periods of one hour; demand 10, 20, 30, 40, 50 and a single module type of one unit."""
    return Case.model_validate(
        {
            "meta": {"name": "growing", "as_of": "2026-01-01", "timezone": "UTC"},
            "horizon": {"start": "2027-01-01", "periods": 5, "discount_rate": 0.0, "costing": "upfront"},
            "regions": [{"id": "r", "names": "r"}],
            "sites": [{"id": "s", "names": "s", "power_mw": 100.0}],
            "module_types": [
                {
                    "id": "k",
                    "names": "k",
                    "vendor": "v",
                    "cards": 1,
                    "peak_pflops": 1.0,
                    "power_idle_kw": 0.0,
                    "power_peak_kw": 1.0,
                    "capex": 10.0,
                    "opex": 1.0,
                    "lead_periods": lead,
                    "supply": supply,
                }
            ],
            "fleet": [{"site": "s", "module_type": "k", "modules": 10}],
            "workloads": [{"id": "w", "names": "w", "throughput": {"k": 1.0}, "shortfall_cost": 100.0}],
            "network": {"latency_ms": {"r": {"s": 0.0}}},
            "policy": policy,
            "demand": {
                "days": [{"id": "d", "weight_days": 1.0}],
                "step_hours": [1.0],
                "futures": [
                    {
                        "series": [
                            {"region": "r", "workload": "w", "values": [[[10.0 * (t + 1)]] for t in range(5)]},
                        ]
                    }
                ],
            },
        }
    )


def arrivals(case: Case, rule: Any) -> list[int]:
    orders = plan_rule(rule, make_world(case, None), limits=EXACT).tables["orders"]
    out = np.zeros(case.horizon.periods, int)
    np.add.at(out, orders["arrival_period"].to_numpy(int), orders["modules"].to_numpy(int))
    return out.tolist()


def test_just_in_time_follows_demand() -> None:
    assert arrivals(growing(), JustInTime()) == [0, 10, 10, 10, 10]


def test_ratio_keeps_ahead_from_when_it_can() -> None:
    """1.5 x (20, 30, 40, 50) from the first arrival on: 30, 45, 60, 75 with 10 standing."""
    case = growing()
    assert arrivals(case, Ratio(kind="ratio", ratio=1.5)) == [0, 20, 15, 15, 15]
    plan = plan_rule(Ratio(kind="ratio", ratio=1.5), make_world(case, None), limits=EXACT)
    assert any("2027Q1" in w and "1.5 is not reached" in w and "no order can bring more" in w for w in plan.warnings)


def test_ratio_takes_what_supply_allows() -> None:
    """Twelve a period: 22, 34, 46, 58 stand against 30, 45, 60, 75."""
    assert arrivals(growing(supply=12.0), Ratio(kind="ratio", ratio=1.5)) == [0, 12, 12, 12, 12]


def test_bring_forward_shifts_and_meets_the_lead_time() -> None:
    assert arrivals(growing(), BringForward(kind="bring_forward", periods=1)) == [0, 20, 10, 10, 0]
    assert arrivals(growing(), BringForward(kind="bring_forward", periods=9)) == [0, 40, 0, 0, 0]


def test_bring_forward_within_supply() -> None:
    assert arrivals(growing(supply=15.0), BringForward(kind="bring_forward", periods=2)) == [0, 15, 15, 10, 0]


@pytest.mark.parametrize("policy", [{}, {"build_ahead": {"minimum": [0.0, 0.5, 0.5, 0.5, 0.5]}}])
def test_a_sketch_finds_what_the_search_finds(policy: dict[str, Any]) -> None:
    """Just in time and held: 40 modules of 10 that arrive as demand does, and a unit of upkeep for all that stand."""
    world = make_world(growing(**policy), None)
    drawn, plain = sketched(world.case, world.median, EXACT, 10.0), rounded(world.case, world.median)
    assert len(drawn.decisions) == 1
    assert plain is not None
    for values in (*drawn.decisions, plain):
        held = held_plan(world.case, world.median, values)
        assert held is not None
        assert held.certificate["objective"] == pytest.approx(40 * 10 + 10 + 20 + 30 + 40 + 50, abs=1e-6)
        assert drawn.bound <= held.certificate["objective"] * (1 + 1e-6)
    assert relaxed_bound(world.case, world.median) <= 550 * (1 + 1e-6)
    plan = plan_rule(JustInTime(), world, Begin(sketch=True), limits=EXACT)
    assert plan.certificate["objective"] == pytest.approx(550.0)
    assert plan.certificate["gap"] <= 1e-3


def test_a_sketch_of_a_case_without_campaigns_is_where_the_search_begins() -> None:
    """Two days of one step tell too little of when such a case is full: the sketched plan alone costs a fifth more."""
    case = make_case("S")
    world = make_world(case, None)
    world = merged_world(world, merged_steps(case, world.median, 4))
    limits = Limits(seconds=60, gap=0.02, threads=1)
    (drawn,) = sketched(case, world.median, limits, 10.0).decisions
    held = held_plan(case, world.median, drawn)
    plan = plan_rule(JustInTime(), world, Begin(sketch=True), limits=limits)
    assert held is not None
    assert held.certificate["objective"] > 1.1 * plan.certificate["objective"]
    assert plan.certificate["gap"] <= 0.02


def test_decisions_are_brought_within_other_limits_by_the_least_change() -> None:
    """Forty modules with twelve a period: of arrivals 10, 10, 10, 10 nothing moves; with eight, two a period go."""
    world = make_world(growing(), None)
    found = whole_of(plan_rule(JustInTime(), world, limits=EXACT))
    same = projected(growing(supply=12.0), world.median, found)
    assert same is not None
    assert same["orders"].ravel().tolist() == [0, 10, 10, 10, 10]
    less = projected(growing(supply=8.0), world.median, found)
    assert less is not None
    assert less["orders"].ravel().tolist() == [0, 8, 8, 8, 8]
    assert held_plan(growing(supply=8.0), world.median, found) is None  # as they are, they break a limit


def test_wait_and_see_is_no_plan() -> None:
    with pytest.raises(ValueError, match="wait_and_see"):
        plan_rule(WaitAndSee(kind="wait_and_see"), make_world(growing(), None))


def lever(**fields: Any) -> Scenario:
    return Scenario.model_validate({"id": "x", "names": "x", "levers": [fields]})


@pytest.mark.parametrize(
    ("fields", "check"),
    [
        ({"kind": "domestic_floor", "share": 0.6}, lambda c: c.policy.domestic_share_floor == 0.6),
        ({"kind": "vendor_cap", "vendor": "v", "share": 0.5}, lambda c: c.policy.vendor_share_cap == {"v": 0.5}),
        (
            {"kind": "vendor_cut_off", "vendor": "v", "start": "2027Q3"},
            lambda c: c.module_types[0].supply == [100, 100, 0, 0, 0],
        ),
        ({"kind": "lead_time", "periods": 2}, lambda c: c.module_types[0].lead_periods == 3),
        (
            {"kind": "lead_time", "periods": 9},
            lambda c: (c.module_types[0].lead_periods, c.module_types[0].supply) == (4, 0),
        ),
        ({"kind": "power_late", "periods": 1}, lambda c: c.sites[0].power_mw == 100),
        ({"kind": "carbon_price", "price_per_tonne": 200.0}, lambda c: c.policy.carbon_price_per_tonne == 200),
        ({"kind": "shortfall_cost", "factor": 2.0}, lambda c: c.workloads[0].shortfall_cost == 200),
        (
            {"kind": "target", "eflops": 0.04, "by": "2027Q4"},
            lambda c: c.policy.capacity_targets_eflops == [None, None, None, 0.04, 0.04],
        ),
    ],
)
def test_levers_change_what_they_say(fields: dict[str, Any], check: Any) -> None:
    base = growing()
    posed = pose(base, [lever(**fields)])[0]
    assert check(posed.case)
    assert posed.changed or fields["kind"] == "power_late"
    assert base == growing()


def test_target_plan_at_least_cost() -> None:
    goal = target_from("0.09 EFLOPS by 2028Q1")
    posed = pose(growing(), [Scenario(id="goal", names="goal", levers=[goal])])[0]  # type: ignore[arg-type]
    plan = make_plan(posed.case, limits=EXACT)
    assert plan.tables["capacity"]["installed_pflops"].iloc[-1] == pytest.approx(90)
    with pytest.raises(ValueError, match="21 EFLOPS by 2028Q4"):
        target_from("as much as possible")


def test_every_fault_of_every_scenario_at_once() -> None:
    scenarios = [
        lever(kind="vendor_cut_off", vendor="nobody", start="1999Q1"),
        Scenario.model_validate({"id": "y", "names": "y", "overrides": {"policy": {"budgett": 1}}}),
        Scenario.model_validate({"id": "y", "names": "y", "overrides": {"horizon": {"periods": "many"}}}),
        lever(kind="lease_instead"),
    ]
    with pytest.raises(ScenarioError) as caught:
        pose(growing(), scenarios)
    text = str(caught.value)
    for part in ("/scenarios/0/levers/0/vendor", "1999Q1", "budgett", "y again", "x again", "many", "without leases"):
        assert part in text, part


def test_unknown_rule_and_bad_numbers_are_told_together() -> None:
    items = [
        {"id": "a", "names": "a", "rule": {"kind": "ratio", "ratio": -1.0}},
        {"id": "b", "names": "b", "rule": {"kind": "psychic"}},
        {"id": "c", "names": "c", "rule": {"kind": "cvar", "alpha": 1.0}, "extra": 1},
    ]
    with pytest.raises(ScenarioError) as caught:
        scenarios_from({"scenarios": items})
    text = str(caught.value)
    for part in ("/scenarios/0", "psychic", "alpha", "extra"):
        assert part in text, part


def test_example_scenarios_fit_their_cases() -> None:
    files = sorted(EXAMPLES.glob("*/scenarios.yaml"))
    assert files
    for file in files:
        posed = pose(read_case(file.parent / "case.yaml"), read_scenarios(file))
        assert len(posed) >= 7
    assert len({s.id for s in standard_scenarios()}) == 7


def test_growth_halved_halves_the_slope() -> None:
    case = growing()
    base, half = (make_world(case, None, change=DemandChange(growth=g)).futures for g in (1.0, 0.5))

    def volume(demand: Demand) -> np.ndarray:
        return np.asarray(demand.values.sum(axis=(0, 2, 4, 5)))

    assert trend(volume(half)) == pytest.approx(trend(volume(base)) / 2)
    double = make_world(case, None, change=DemandChange(multiplier=2.0)).futures
    assert double.p50_peak == pytest.approx(2 * base.p50_peak)
    one = make_world(case, None, change=DemandChange(of={case.workloads[0].id: 3.0})).futures
    assert one.values[:, 0] == pytest.approx(3 * base.values[:, 0])
    assert one.values[:, 1:] == pytest.approx(base.values[:, 1:])
    note = one.notes[-1]
    assert f"{case.workloads[0].id}: times 3 besides" in note
    assert f"{case.workloads[0].id}：另乘以 3" in note.chinese  # type: ignore[attr-defined]


def test_a_sweep_makes_one_scenario_a_ratio_and_none_twice() -> None:
    found = with_sweep(standard_scenarios(), sweep_from("1.0:1.5:0.1"))
    ratios = [s.rule.ratio for s in found if isinstance(s.rule, Ratio)]
    assert sorted(ratios) == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    assert len({s.id for s in found}) == len(found) == 11  # 1.2 and 1.5 are among the seven
    assert [s.id for s in scenarios_from({"sweep": {"first": 0.9, "last": 1.0}})] == ["ratio-0.9", "ratio-1"]
    assert [s.id for s in asked_scenarios(None)] == [s.id for s in standard_scenarios()]


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"sweeps": {}}, "/sweeps"),
        ({"sweep": {"first": 2.0, "last": 1.0}}, "/sweep"),
        ({"sweep": {"first": 0.0}}, "last"),
    ],
)
def test_a_bad_sweep_is_told(document: dict[str, object], part: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenarios_from(document)
    assert part in str(caught.value)


def test_rules_in_a_line() -> None:
    lines = ("just_in_time", "ratio:1.2", "quantile:0.9", "bring_forward:1", "cvar:0.95", "wait_and_see")
    kinds = [rule_from(line) for line in lines]
    assert [rule.kind for rule in kinds] == [line.partition(":")[0] for line in lines]
    assert kinds[1:4] == [Ratio(kind="ratio", ratio=1.2), QuantileOf(kind="quantile", q=0.9), BringForward(kind="bring_forward", periods=1)]  # fmt: skip # noqa: E501
    for line in ("psychic", "ratio:-1", "ratio:much", "stochastic:2", "bring_forward:0.5"):
        with pytest.raises(ValueError, match="found"):
            rule_from(line)
