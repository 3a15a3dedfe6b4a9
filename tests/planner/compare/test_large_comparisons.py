"""What comparisons of large cases rest on, on cases small enough to know the answer by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.compare.information import values_at_hand
from planner.compare.known_bounds import lone_bounds
from planner.compare.making import Maker, Wish
from planner.compare.store import Store
from planner.demand import Demand, TypicalDays
from planner.demand.horizon import given_demand
from planner.plan import Plan
from planner.plan.decisions import decisions_of
from planner.planning import make_plan
from planner.program.build import build_program
from planner.rules.ahead import eased, missing_price, with_floor
from planner.rules.bounds import relaxed_bound, shared_decisions
from planner.rules.neighbour import held_plan, whole_of, with_recourse
from planner.rules.rules import plan_rule
from planner.rules.sketch import busier_days
from planner.scenarios import JustInTime, QuantileOf, Ratio, Stochastic
from planner.scenarios.worlds import make_world
from planner.solve import Limits
from planner.words.wording import message

EXACT = Limits(seconds=60, gap=1e-6, threads=1)
LOW, HIGH = (10.0, 20.0, 30.0, 30.0, 30.0), (10.0, 20.0, 30.0, 40.0, 50.0)


@dataclass(frozen=True)
class Shop:
    executor: Executor
    store: Store
    stop: None = None


@pytest.fixture(scope="module")
def here() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def kind(name: str, **fields: Any) -> dict[str, Any]:
    base = {"names": name, "vendor": "v", "cards": 1, "peak_pflops": 1.0, "power_idle_kw": 0.0, "power_peak_kw": 1.0}
    return {"id": name, **base, "capex": 10.0, "opex": 1.0, "lead_periods": 1, "supply": 100.0, **fields}


def growing(
    futures: Sequence[Sequence[float]] = (LOW, HIGH),
    types: Sequence[dict[str, Any]] = (),
    throughput: dict[str, float] | None = None,
    commit_periods: int | None = None,
    **policy: Any,
) -> Case:
    """One site, five periods of one hour; a unit not served costs 100, a module 10 and 1 a period."""
    return Case.model_validate(
        {
            "meta": {"name": "growing", "as_of": "2026-01-01", "timezone": "UTC"},
            "horizon": {"start": "2027-01-01", "periods": 5, "discount_rate": 0.0, "costing": "upfront",
                        "commit_periods": commit_periods},
            "regions": [{"id": "r", "names": "r"}],
            "sites": [{"id": "s", "names": "s", "power_mw": 100.0}],
            "module_types": list(types) or [kind("k")],
            "fleet": [{"site": "s", "module_type": "k", "modules": 10}],
            "workloads": [{"id": "w", "names": "w", "throughput": throughput or {"k": 1.0}, "shortfall_cost": 100.0}],
            "network": {"latency_ms": {"r": {"s": 0.0}}},
            "policy": policy,
            "demand": {
                "days": [{"id": "d", "weight_days": 1.0}],
                "step_hours": [1.0],
                "futures": [
                    {"id": f"f{i}", "probability": 1 / len(futures),
                     "series": [{"region": "r", "workload": "w", "values": [[[v]] for v in course]}]}
                    for i, course in enumerate(futures)
                ],
            },
        }
    )  # fmt: skip


def by_hand(course: Sequence[float]) -> float:
    """Ten stand; each module more costs 10 once and 1 from the period that first needs it."""
    stands = np.maximum.accumulate(course)
    return float(10 * (stands[-1] - 10) + stands.sum())


def test_lone_bounds_are_what_knowing_the_future_costs(here: Executor, tmp_path: Path) -> None:
    case = growing()
    demand, store = given_demand(case), Store(tmp_path)
    found = lone_bounds(case, demand, Shop(here, store))
    assert found == pytest.approx([by_hand(LOW), by_hand(HIGH)], rel=1e-9)
    assert relaxed_bound(case, demand) == pytest.approx(found.mean(), rel=1e-9)
    assert relaxed_bound(case, demand, found - 7) == pytest.approx(found.mean() - 7, rel=1e-9)
    with ThreadPoolExecutor(1) as closed:
        closed.shutdown()
        assert lone_bounds(case, demand, Shop(closed, store)).tolist() == found.tolist()  # kept, not made again


def test_early_decisions_of_a_plan_held_bound_what_they_can_come_to(here: Executor) -> None:
    """Placed in periods 0 and 1 and so the same in every future: arrivals 1 and 2. Nothing ordered then: 20 and 30
    meet 10, which costs 10 x 100 + 20 x 100, and 20 or more modules are bought one period later."""
    case = growing(commit_periods=2)
    demand = given_demand(case)
    shared = shared_decisions(case, demand)
    assert shared["orders"][0, 0, 0].tolist() == [True, True, True, False, False]
    none = whole_of(make_plan(growing(futures=[[10.0] * 5])))
    held = lone_bounds(case, demand, Shop(here, Store(None)), held=none)
    late = [by_hand((10, 10, 10, 30, 30)) + 3000, by_hand((10, 10, 10, 40, 50)) + 3000]
    assert held == pytest.approx(late, rel=1e-9)


def test_late_orders_follow_the_plan_that_each_future_names() -> None:
    case = growing(commit_periods=2)
    demand = given_demand(case)
    low, high = (make_plan(growing(futures=[course]), limits=EXACT) for course in (LOW, HIGH))
    values = with_recourse(case, demand, high, [low, high], shared_decisions(case, demand))
    assert values is not None
    assert values["orders"][:, 0, 0].tolist() == [[0, 10, 10, 0, 0], [0, 10, 10, 10, 10]]
    plan = held_plan(case, demand, values)
    assert plan is not None
    assert decisions_of(plan).branches == 2
    assert plan.certificate["objective"] == pytest.approx((by_hand(LOW) + by_hand(HIGH)) / 2)


def test_a_two_stage_plan_of_a_large_case_takes_recourse(here: Executor) -> None:
    """The P50 plan alone leaves the high future short or the low one idle; with its late orders by future, neither."""
    case = growing(commit_periods=2)
    world = make_world(case, None)
    maker = Maker(here, EXACT, Store(None), lambda key: None, None, True)
    rules = (JustInTime(), QuantileOf(kind="quantile", q=0.9), Stochastic(kind="stochastic"))
    wishes = {maker.key(wish): wish for wish in (Wish(rule, world, False) for rule in rules)}
    plan = maker.make(wishes)[maker.key(Wish(rules[-1], world, False))]
    assert isinstance(plan, Plan)
    assert plan.certificate["objective"] == pytest.approx((by_hand(LOW) + by_hand(HIGH)) / 2, rel=1e-6)


def test_values_at_hand_hold_what_is_true_in_their_brackets() -> None:
    """RP 100, best by future 80 and 110 with the same weight, bounds 70 and 100; the mean plan 120 with 95 and 105."""
    p = np.array([0.5, 0.5])
    plan, other = np.array([85.0, 115.0]), np.array([80.0, 160.0])
    mean_plan, bound = np.array([110.0, 130.0]), np.array([70.0, 100.0])
    found = values_at_hand(plan, mean_plan, np.stack([plan, other, mean_plan]), bound, np.array([95.0, -np.inf]), p)
    vss, evpi = found["vss"], found["evpi"]
    assert (vss.value, vss.low, vss.high) == pytest.approx((20.0, 97.5 - 100, 120 - 85))
    assert (evpi.value, evpi.low, evpi.high) == pytest.approx((2.5, 85 - 97.5, 100 - 85))
    none = values_at_hand(plan, message("information.eev_impossible"), plan[None], bound, bound, p)["vss"]
    assert np.isnan(none.value)


def test_a_floor_out_of_reach_is_met_with_what_serves() -> None:
    """Fifty a period buy five that serve, or ten idle ones that cost half and bring the ratio nothing."""
    idle = kind("z", capex=5.0)
    case = growing(futures=[HIGH], types=[kind("k"), idle], budget=50.0)
    plan = plan_rule(Ratio(kind="ratio", ratio=3.0), make_world(case, None), limits=EXACT)
    orders = plan.tables["orders"].groupby("module_type")["modules"].sum()
    assert orders.to_dict() == {"k": 20}
    assert plan.summary["shortfall_unit_hours"]["w"]["unit_hours"] == pytest.approx(5 + 10 + 15 + 20)
    assert sum("is not reached" in note for note in plan.warnings) == 5


def test_missing_capacity_costs_twice_the_dearest_hardware() -> None:
    """Ten at once and one a period: a module that comes in period t of five stands for 5 - t, of which t bears one."""
    case = growing(futures=[HIGH], types=[kind("k"), kind("z", capex=5.0)])
    program = build_program(with_floor(case, np.full(5, 1.2)), given_demand(case))
    price = missing_price(program.inst) * program.money_unit
    assert price == pytest.approx([2 * (10 / (5 - t) + 1) for t in range(5)])
    grown = eased(program)
    assert grown.master.columns == program.master.columns + 5
    peak = program.inst.p50_peak
    assert grown.master.cost[-5:] * program.money_unit == pytest.approx(price * peak)


def test_days_are_parted_where_their_work_jumps() -> None:
    """Work of 10, 9, 2 and 1 on days that stand for 1, 58, 26 and 5: the first two and the last two."""
    case = growing(futures=[HIGH])
    calendar = np.zeros((5, 4, 12, 3))
    calendar[:, :, 0, 0] = 1.0
    weight = np.tile([1.0, 58.0, 26.0, 5.0], (5, 1))
    days = TypicalDays(("a", "b", "c", "d"), weight, np.ones(1), calendar, hourly=False)
    values = np.tile(np.array([10.0, 9.0, 2.0, 1.0])[:, None], (1, 1, 1, 5, 1, 1))
    demand = Demand(np.ones(1), values, days, np.ones(5), np.ones(5))
    few = busier_days(case, demand)
    assert few.days.weight[0].tolist() == [59.0, 31.0]
    assert few.values[0, 0, 0, 0, :, 0] == pytest.approx([(10 + 9 * 58) / 59, (2 * 26 + 5) / 31])
    assert few.days.calendar.sum(axis=(2, 3)) == pytest.approx(np.ones((5, 2)))
    assert busier_days(case, few) is few
