"""Scenarios side by side: published values of the two-stage problems, dominance, regret, break-evens, resuming."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecasts.fault import Fault
from forecasts.outlook import Futures, Outlook, SeriesKey
from planner.case import Case
from planner.case.errors import StoppedError
from planner.compare.comparison import Comparing, Comparison, Stage, compare
from planner.compare.information import perfect_limits, value_of_perfect, value_of_stochastic
from planner.compare.making import Maker, NoPlan, Wish, plan_task, seconds_each
from planner.compare.store import Store
from planner.demand.horizon import outlook_demand
from planner.evaluate.evaluation import evaluate, evaluate_plans, merged_steps
from planner.plan import Plan
from planner.planning import plan_demand
from planner.rules.neighbour import with_bound
from planner.rules.rules import Begin, plan_rule
from planner.scenarios import (
    DemandChange,
    JustInTime,
    Ratio,
    Scenario,
    Stochastic,
    pose,
    scenarios_from,
    standard_scenarios,
)
from planner.scenarios.worlds import Worlds, first_futures, make_world, merged_world
from planner.solve import Limits
from planner.words.wording import wording

EXACT = Limits(seconds=60, gap=1e-7, threads=1)
SPOT = ((0.1, 100.0), (0.25, 120.0), (0.3, 140.0), (0.25, 160.0), (0.1, 200.0))


@pytest.fixture(scope="module")
def here() -> Iterator[Executor]:
    """Tasks in this process: spreading them over processes is tested by itself."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def small_case(
    types: Sequence[Mapping[str, Any]],
    steps: Sequence[float],
    futures: Sequence[tuple[float, Sequence[float]]],
    shortfall_cost: float,
    policy: Mapping[str, Any] | None = None,
) -> Case:
    """One site, region and period; futures are (probability, demand by step)."""
    kinds = [{"names": {"en": t["id"]}, "cards": 1, "life_periods": 1, "power_idle_kw": 0.0, **t} for t in types]
    throughput = {t["id"]: t["peak_pflops"] for t in types}
    return Case.model_validate(
        {
            "meta": {"name": "known", "as_of": "2026-01-01", "timezone": "UTC"},
            "horizon": {"start": "2027-01-01", "periods": 1, "discount_rate": 0.0, "costing": "upfront"},
            "regions": [{"id": "r", "names": "r"}],
            "sites": [{"id": "s", "names": "s", "power_mw": 100.0, "tariff": "flat"}],
            "module_types": kinds,
            "workloads": [{"id": "w", "names": "w", "throughput": throughput, "shortfall_cost": shortfall_cost}],
            "network": {"latency_ms": {"r": {"s": 0.0}}},
            "tariffs": [{"id": "flat", "prices_per_kwh": {"flat": 1.0}}],
            "policy": dict(policy or {}),
            "demand": {
                "days": [{"id": "d", "weight_days": 1.0}],
                "step_hours": list(steps),
                "futures": [
                    {"id": f"f{i}", "probability": p, "series": [{"region": "r", "workload": "w", "values": list(v)}]}
                    for i, (p, v) in enumerate(futures)
                ],
            },
        }
    )


def newsvendor() -> Case:
    unit = {"id": "unit", "peak_pflops": 1.0, "capex": 60.0, "power_peak_kw": 0.0}
    return small_case([unit], (1.0,), [(p, (d,)) for p, d in SPOT], 150.0)


def power_expansion() -> Case:
    """Birge and Louveaux §1.3, in modules of a sixth (see test_known_two_stage.py)."""
    cost = zip((10.0, 7.0, 16.0, 6.0), (4.0, 4.5, 3.2, 5.5), strict=True)
    types = [
        {"id": f"plant{i}", "peak_pflops": 1 / 6, "capex": c / 6, "power_peak_kw": q / 6}
        for i, (c, q) in enumerate(cost)
    ]
    futures = [(p, (m + 5, m + 3, m)) for p, m in ((0.3, 3.0), (0.4, 5.0), (0.3, 7.0))]
    return small_case(types, (1.0, 5.0, 4.0), futures, 1000.0, {"budget": 120.0, "capacity_targets_eflops": 0.012})


def rules(*kinds: Mapping[str, Any]) -> list[Scenario]:
    return scenarios_from(
        [{"id": f"{k['kind']}-{i}", "names": f"{k['kind']} {i}", "rule": dict(k)} for i, k in enumerate(kinds)]
    )


ALL = (
    {"kind": "just_in_time"},
    {"kind": "mean_value"},
    {"kind": "ratio", "ratio": 1.2},
    {"kind": "quantile", "q": 0.9},
    {"kind": "bring_forward", "periods": 1},
    {"kind": "stochastic"},
    {"kind": "cvar", "alpha": 0.9, "weight": 0.5},
    {"kind": "cvar", "alpha": 0.0, "weight": 1.0},
    {"kind": "wait_and_see"},
)


def run(
    case: Case, scenarios: Sequence[Scenario], executor: Executor, folder: Path | None = None, **watch: Any
) -> Comparison:
    return compare(case, None, scenarios, Comparing(EXACT, executor=executor, folder=folder), **watch)


@pytest.fixture(scope="module")
def spot(here: Executor) -> Comparison:
    return run(newsvendor(), rules(*ALL), here)


@pytest.fixture(scope="module")
def plants(here: Executor) -> Comparison:
    return run(power_expansion(), rules({"kind": "mean_value"}, {"kind": "stochastic"}, {"kind": "wait_and_see"}), here)


def means(comparison: Comparison) -> dict[str, float]:
    costs = comparison.tables["costs"]
    rows = costs[costs["statistic"] == "mean"]
    return dict(zip(rows["scenario"].str.rsplit("-", n=1).str[0], rows["value"], strict=True)) | dict(
        zip(rows["scenario"], rows["value"], strict=True)
    )


def information(comparison: Comparison) -> dict[str, tuple[float, float, float]]:
    table = comparison.tables["value_of_information"].set_index("measure")
    return {str(k): (float(r["low"]), float(r["value"]), float(r["high"])) for k, r in table.iterrows()}


def test_newsvendor_by_every_rule(spot: Comparison) -> None:
    found = means(spot)
    assert found["stochastic"] == pytest.approx(10_050, abs=1e-3)
    assert found["wait_and_see"] == pytest.approx(8_520, abs=1e-3)
    assert found["mean_value"] == pytest.approx(10_065, abs=1e-3)
    assert found["quantile"] == pytest.approx(60 * 160 + 150 * 4, abs=1e-3)  # the least value with 0.9 below or at it
    assert found["cvar-6"] == pytest.approx(12_000, abs=1e-3)


def test_newsvendor_values_of_information(spot: Comparison) -> None:
    found = information(spot)
    for name, known in (("vss", 15.0), ("evpi", 1_530.0)):
        low, value, high = found[name]
        assert value == pytest.approx(known, abs=1e-2)
        assert low <= known + 1e-6
        assert high >= known - 1e-6


def test_power_expansion_values_of_information(plants: Comparison) -> None:
    found, cost = information(plants), means(plants)
    assert cost["mean_value"] == pytest.approx(383.98667, abs=1e-3)
    assert cost["stochastic"] == pytest.approx(381.85333, abs=1e-3)
    assert cost["wait_and_see"] == pytest.approx(380.16667, abs=1e-3)
    assert found["vss"][1] == pytest.approx(2.13333, abs=1e-3)
    assert found["evpi"][1] == pytest.approx(1.68667, abs=1e-3)


def test_brackets_widen_with_the_gaps_and_keep_their_sign() -> None:
    from planner.compare.choices import difference

    found = difference((100.0, 95.0), (101.0, 98.0))
    assert (found.low, found.value, found.high) == (-6.0, -1.0, 2.0)


def test_rules_are_ordered_on_the_futures_they_were_made_for(spot: Comparison) -> None:
    found = means(spot)
    followed = [v for k, v in found.items() if k not in ("wait_and_see", "wait_and_see-8")]
    assert found["wait_and_see"] <= found["stochastic"] + 1e-3
    assert all(found["stochastic"] <= value + 1e-3 for value in followed)
    assert found["cvar-7"] == pytest.approx(found["stochastic"], abs=1e-3)  # CVaR at alpha 0 is the mean


def test_regret_is_never_negative_and_zero_somewhere(spot: Comparison) -> None:
    futures = spot.tables["futures"].dropna(subset=["regret"])
    assert (futures["regret"] >= 0).all()
    assert (futures.groupby("future")["regret"].min() == 0).all()
    table = spot.tables["regret"].set_index("scenario")
    by_hand = futures.groupby("scenario").apply(lambda g: (g["regret"] * g["probability"]).sum(), include_groups=False)
    assert table["mean"].to_dict() == pytest.approx(by_hand.to_dict())
    assert spot.summary["choices"]["minimax_regret"] == table["largest"].idxmin()


def test_break_even_is_where_two_costs_meet(here: Executor) -> None:
    """Building 140 and 160: 20 more units cost 1,200 and save 20 x .25 + 20 x .1 + ... units of expected shortage."""
    case = newsvendor()
    found = run(case, rules({"kind": "just_in_time"}, {"kind": "quantile", "q": 0.9}), here)
    row = found.tables["break_even"].iloc[0]
    saved = 0.25 * 20 + 0.1 * 20
    assert row["less"].startswith("just_in_time")
    assert row["shortage_per_pflops_hour"] == pytest.approx(20 * 60 / saved)
    assert row["today_per_pflops_hour"] == pytest.approx(150.0)
    dearer = case.model_copy(
        update={"workloads": [case.workloads[0].model_copy(update={"shortfall_cost": 20 * 60 / saved})]}
    )
    again = means(run(dearer, rules({"kind": "just_in_time"}, {"kind": "quantile", "q": 0.9}), here))
    assert again["just_in_time"] == pytest.approx(again["quantile"], rel=1e-9)


def test_given_futures_are_no_sample(spot: Comparison) -> None:
    costs = spot.tables["costs"]
    assert (costs["low"] == costs["high"]).all()
    assert not spot.summary["apart"]


def test_verdict_is_traceable(spot: Comparison) -> None:
    told = spot.summary["verdict"]
    assert len(told["en"]) == len(told["zh-CN"]) == 3
    for number in told["numbers"]:
        rows = spot.tables[number["table"]]
        for column, value in number["where"].items():
            rows = rows[rows[column] == value]
        assert len(rows) == 1
        assert rows[number["column"]].iloc[0] == number["value"]
    assert "10" in told["en"][0]


def timeless(found: Comparison) -> dict[str, Any]:
    """The summary without the moment at which it was made."""
    origin = {name: value for name, value in found.summary["provenance"].items() if name != "made"}
    assert len(origin) == len(found.summary["provenance"]) - 1
    return {**found.summary, "provenance": origin}


def test_same_comparison_twice_and_through_files(here: Executor, tmp_path: Path) -> None:
    chosen = rules({"kind": "just_in_time"}, {"kind": "stochastic"})
    first, second = (run(newsvendor(), chosen, here) for _ in range(2))
    first.save(tmp_path)
    third = Comparison.load(tmp_path)
    for name, table in first.tables.items():
        assert table.equals(second.tables[name]), name
        assert table.reset_index(drop=True).astype(str).equals(third.tables[name].astype(str)), name
    assert timeless(first) == timeless(second) == timeless(third)


class Counting(ThreadPoolExecutor):
    """Counts tasks, and breaks after some of them."""

    def __init__(self, after: int | None = None) -> None:
        super().__init__(1)
        self.names: list[str] = []
        self.after = after

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.after is not None and len(self.names) >= self.after:
            raise OSError("the machine went away")
        self.names.append(fn.__name__)
        return super().submit(fn, *args, **kwargs)


def test_what_is_finished_is_not_done_again(tmp_path: Path) -> None:
    chosen = rules({"kind": "just_in_time"}, {"kind": "stochastic"}, {"kind": "wait_and_see"})
    with Counting(after=3) as broken, pytest.raises(OSError, match="went away"):
        run(newsvendor(), chosen, broken, folder=tmp_path)
    with Counting() as again:
        found = run(newsvendor(), chosen, again, folder=tmp_path)
    assert "plan_task" in broken.names
    assert again.names.count("plan_task") < 3  # at least the two scenarios' plans were kept, one mean-value plan is new
    with Counting() as idle:
        same = run(newsvendor(), chosen, idle, folder=tmp_path)
    assert idle.names == []
    assert all(found.tables[name].equals(table) for name, table in same.tables.items())


def test_what_nobody_asks_for_is_pruned(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for key in ("old", "asked", "new"):
        store.keep_value(key, 1)
    for key in ("old", "asked"):
        os.utime(tmp_path / "values" / f"{key}.json", (0, 0))
    assert store.value("asked") == 1
    assert store.prune(3600) == 1
    assert [store.value(key) for key in ("old", "asked", "new")] == [None, 1, 1]
    assert Store(None).prune(0) == 0


def test_a_budget_is_divided_over_the_plans_and_the_mean_one() -> None:
    """Seven standard rules and the mean plan on two processes: four rounds, whether in one stage or in three."""
    posed = pose(newsvendor(), standard_scenarios())
    assert seconds_each(posed, 100.0, 2, large=False) == 25.0
    assert seconds_each(posed, 100.0, 2, large=True) == 25.0  # 1 + 2 + 1 rounds
    assert seconds_each(posed, 100.0, 1, large=True) == 12.5
    assert seconds_each(posed, 0.5, 2, large=True) == 1.0


def test_plans_that_begin_from_each_other_are_no_worse(here: Executor) -> None:
    """The same four rules made stage by stage: each within the gap of what it is by itself, and two-stage dominance."""
    case = newsvendor()
    chosen = rules({"kind": "just_in_time"}, {"kind": "ratio", "ratio": 1.2}, {"kind": "quantile", "q": 0.9},
                   {"kind": "stochastic"})  # fmt: skip
    world = make_world(case, None)
    found = {}
    for large in (False, True):
        maker = Maker(here, EXACT, Store(None), lambda key: None, None, large)
        wishes = {one.id: Wish(one.rule, world, False) for one in chosen}
        made = maker.make({maker.key(wish): wish for wish in wishes.values()})
        plans = {name: made[maker.key(wish)] for name, wish in wishes.items()}
        assert all(isinstance(plan, Plan) for plan in plans.values())
        found[large] = {name: plan.certificate["objective"] for name, plan in plans.items() if isinstance(plan, Plan)}
    assert found[True] == pytest.approx(found[False], rel=1e-6)


def test_who_finds_no_plan_in_time_is_given_the_nearest(here: Executor) -> None:
    """P50 orders 140; held to a ratio of 1.2 that is 168 units; and the futures get the orders of the P50 plan."""
    world = make_world(newsvendor(), None)
    median = plan_rule(JustInTime(), world, limits=EXACT)
    given = plan_task(Ratio(kind="ratio", ratio=1.2), world, EXACT, Begin(median, (median,), search=False))
    assert isinstance(given, Plan)
    assert given.tables["orders"]["modules"].sum() == 168
    assert given.certificate["bound"] <= given.certificate["objective"]
    assert any("No cheaper plan" in warning for warning in given.warnings)
    both = plan_task(Stochastic(kind="stochastic"), world, EXACT, Begin(median, (median,), search=False))
    assert isinstance(both, Plan)
    # 60 x 140 and 150 for each unit above: (0.25 x 20 + 0.1 x 60) x 150
    assert both.certificate["objective"] == pytest.approx(60 * 140 + 150 * 11)
    none = plan_task(JustInTime(), world, EXACT, Begin(search=False))
    assert isinstance(none, NoPlan)
    assert none.late


def test_worlds_that_see_the_same_demand_share_it() -> None:
    rng = np.random.default_rng(1)
    weeks = 16
    level = 50 * rng.uniform(0.9, 1.1, (40, 1, weeks))

    def course(count: int) -> Futures:
        return Futures(np.full(count, 1 / count), level[:count], 1.5 * level[:count])

    tide = 1 + 0.4 * np.sin(np.arange(168) / 24 * 2 * np.pi)
    outlook = Outlook(
        (SeriesKey("r", "w"),), datetime(2026, 12, 30), "UTC", course(1), course(3), course(40),
        tide[None, None] / tide.mean(), np.zeros(weeks, int), np.zeros((1, 168)), np.ones(1),
    )  # fmt: skip
    case = newsvendor().model_copy(update={"demand": None})
    worlds = Worlds(outlook, evaluation_futures=30)
    base = worlds.world(case)
    dearer = case.model_copy(update={"workloads": [case.workloads[0].model_copy(update={"shortfall_cost": 9.0})]})
    assert worlds.world(dearer).evaluation is base.evaluation
    assert worlds.world(case, DemandChange(multiplier=2.0)).evaluation is not base.evaluation
    # drawn in two parts, they are what they are when drawn together
    light = replace(outlook, futures=first_futures(outlook.evaluation, 30))
    assert np.array_equal(outlook_demand(case, light).values, base.evaluation.values)
    assert np.array_equal(outlook_demand(case, light).p50_peak, base.evaluation.p50_peak)
    few = merged_steps(base.case, base.median, 4)
    assert few is not None
    merged = merged_world(base, few)
    hours = base.futures.days.step_hours
    assert merged.futures.values @ merged.futures.days.step_hours == pytest.approx(base.futures.values @ hours)
    # the busiest hour stands by itself, so that the peak that has to be met stays
    assert merged.median.values.max() == pytest.approx(base.median.values.max())
    assert merged.evaluation is base.evaluation


def test_a_dispatch_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    """Five futures in one period are one task that two plans share; its parts go when the evaluations are whole."""
    chosen = rules({"kind": "just_in_time"}, {"kind": "quantile", "q": 0.9})
    store = Store(tmp_path)
    world = make_world(newsvendor(), None)
    plans = [plan_rule(one.rule, world, limits=EXACT) for one in chosen]
    parts = store.parts("batch")
    with ThreadPoolExecutor(1) as pool:
        first = evaluate_plans(world.case, plans, world.evaluation, pool, parts=parts)
    with Counting() as idle:
        again = evaluate_plans(world.case, plans, world.evaluation, idle, parts=parts)
        alone = [evaluate(plan, world.evaluation, idle) for plan in plans]
    assert idle.names == ["dispatch_period"] * 2  # only what was asked one plan at a time
    for one, same, apart in zip(first, again, alone, strict=True):
        assert np.array_equal(one.total, same.total)
        assert np.array_equal(one.total, apart.total)  # a plan's evaluation does not depend on those beside it
    store.drop_parts("batch")
    assert not list((tmp_path / "parts").iterdir())


def test_what_is_not_known_of_the_future_leaves_a_wider_bracket() -> None:
    """RP between 95 and 100; two futures of 80 and 90, the second known by its bound of 85 alone."""
    p = np.array([0.5, 0.5])
    known = value_of_perfect(np.array([80.0, 90.0]), np.array([79.0, 88.0]), p, (100.0, 95.0), 3.0)
    assert (known.value, known.low, known.high) == pytest.approx((15.0, 10.0, 16.5))
    half = value_of_perfect(np.array([80.0, np.nan]), np.array([79.0, 85.0]), p, (100.0, 95.0), 3.0)
    assert (half.value, half.low, half.high) == pytest.approx((18.0, -5.0, 18.0))
    assert half.note is not None
    assert half.note.said(wording("en")).startswith("1 of 2 futures planned within 3 s each")
    assert perfect_limits(Limits(seconds=60), 100).seconds == pytest.approx(1.2)
    assert perfect_limits(Limits(seconds=60), 2).seconds == 60


def test_scenarios_that_cost_the_same_are_told_as_such(here: Executor) -> None:
    found = run(newsvendor(), rules({"kind": "quantile", "q": 0.8}, {"kind": "quantile", "q": 0.85}), here)
    assert found.summary["verdict"]["en"][0].endswith("quantile 1 costs the same.")


def test_changed_assumptions_are_a_world_of_their_own(here: Executor) -> None:
    chosen = [
        *rules({"kind": "stochastic"}),
        Scenario.model_validate(
            {
                "id": "dear",
                "names": "Dear shortage",
                "rule": {"kind": "stochastic"},
                "levers": [{"kind": "shortfall_cost", "factor": 3.0}],
            }
        ),
        Scenario.model_validate(
            {"id": "half", "names": "Half the demand", "rule": {"kind": "stochastic"}, "demand": {"multiplier": 0.5}}
        ),
        Scenario.model_validate(
            {
                "id": "poor",
                "names": "No money",
                "rule": {"kind": "stochastic"},
                "overrides": {"policy": {"budget": 0.0}},
            }
        ),
    ]
    told: list[Stage] = []
    found = run(newsvendor(), chosen, here, on_progress=told.append)
    assert means(found)["half"] == pytest.approx(10_050 / 2, abs=1e-3)
    assert means(found)["poor"] == pytest.approx(150 * 142, abs=1e-3)
    worlds = found.tables["scenarios"].set_index("scenario")["world"]
    assert worlds.to_dict() == {"stochastic-0": "base", "dear": "dear", "half": "half", "poor": "poor"}
    assert list(found.tables["regret"]["scenario"]) == ["stochastic-0"]
    assert set(found.tables["levers"]["scenario"]) == {"dear", "half", "poor"}
    assert {s.phase for s in told} >= {"plan", "evaluate"}
    assert all(s.done <= s.total for s in told)


def test_a_scenario_without_a_plan_does_not_stop_the_others(here: Executor) -> None:
    chosen = [
        *rules({"kind": "just_in_time"}),
        Scenario.model_validate(
            {
                "id": "target",
                "names": "Out of reach",
                "levers": [{"kind": "target", "eflops": 9.0, "by": "2027Q1"}],
                "overrides": {"policy": {"budget": 100.0}},
            }
        ),
    ]
    found = run(newsvendor(), chosen, here)
    states = found.tables["scenarios"].set_index("scenario")
    assert states.loc["target", "status"] == "impossible"
    assert "capacity_targets_eflops" in states.loc["target", "note"] or "budget" in states.loc["target", "note"]
    assert re.search("[一-鿿]", states.loc["target", "note_zh"])
    assert np.isfinite(means(found)["just_in_time"])


def test_a_scenario_out_of_time_is_late_and_not_impossible(here: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(rule: object, *_: object, **__: object) -> Plan:
        if isinstance(rule, Stochastic):
            raise StoppedError([Fault("limits", "no plan within 1 s", "a longer time limit")])
        return plan_rule(rule, *_, **__)  # type: ignore[arg-type]

    monkeypatch.setattr("planner.compare.making.plan_rule", too_late)
    found = run(newsvendor(), rules({"kind": "just_in_time"}, {"kind": "stochastic"}), here)
    row = found.tables["scenarios"].set_index("rule").loc["stochastic"]
    assert row["status"] == "late"
    assert row["note"] == "No plan was found in 60 s of search; whether there is one is not known."
    assert "60 秒" in row["note_zh"]


def test_a_plan_that_came_without_a_bound_has_that_of_single_futures(monkeypatch: pytest.MonkeyPatch) -> None:
    def unbounded(*given: Any, **how: Any) -> tuple[Plan, Any]:
        plan, solution = plan_demand(*given, **how)
        return with_bound(plan, -math.inf), solution

    monkeypatch.setattr("planner.rules.rules.plan_demand", unbounded)
    case = newsvendor()
    world = Worlds(None).world(case)
    plan = plan_rule(Stochastic(kind="stochastic"), world, limits=EXACT)
    assert math.isfinite(plan.certificate["bound"])
    assert plan.certificate["bound"] <= plan.certificate["objective"]


def test_the_value_of_a_mean_plan_of_which_nothing_is_proven_yet_is_open_below() -> None:
    found = value_of_stochastic((110.0, -math.inf), (100.0, 99.0))
    assert (found.value, found.low, found.high) == (10.0, -math.inf, 11.0)
    assert found.note is not None
    assert "known to ∞, the stochastic plan to 1.00%" in found.note.said(wording("en"))


def test_a_floor_out_of_reach_is_told_beside_its_scenario_in_both_languages(here: Executor, tmp_path: Path) -> None:
    """No two modules may arrive: the floor of 1.2 cannot be met, whatever is ordered."""
    unit = {"id": "unit", "peak_pflops": 1.0, "capex": 60.0, "power_peak_kw": 0.0, "supply": 1}
    case = small_case([unit], (1.0,), [(p, (d,)) for p, d in SPOT], 150.0)
    for folder in (tmp_path, tmp_path):  # made, and taken from what was kept
        found = run(case, rules({"kind": "just_in_time"}, {"kind": "ratio", "ratio": 1.2}), here, folder=folder)
        row = found.tables["scenarios"].set_index("rule").loc["ratio"]
        assert row["status"] == "planned"
        assert "a build-ahead ratio of 1.2 is not reached" in row["note"]
        assert "未达到超前建设比 1.2" in row["note_zh"]
