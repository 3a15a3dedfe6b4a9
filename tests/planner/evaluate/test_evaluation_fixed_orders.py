"""Fixed orders on other futures: the same cost as the plan's own where nothing differs, and by hand where it does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.case import Case
from planner.case.file import dump_case, read_case
from planner.compare.information import perfect_information
from planner.demand import Demand
from planner.demand.horizon import given_demand
from planner.evaluate.evaluation import Evaluation, evaluate, fitting_steps, merged_steps, merging_error, nearest_branch
from planner.plan import Plan
from planner.plan.decisions import decisions_of
from planner.planning import make_plan
from planner.rules.rules import plan_rule
from planner.rules.statistics import cvar, mean, mean_estimate, quantile, spread_estimate
from planner.scenarios import Stochastic
from planner.scenarios.worlds import make_world
from planner.solve import Limits

LIMITS = Limits(seconds=120, gap=0.05, threads=1)


@pytest.fixture(scope="module")
def here() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def case() -> Case:
    """The tiny example over two quarters, with two hand-made typical days of its three workloads."""
    document = dump_case(read_case(Path(__file__).parents[3] / "examples" / "tiny" / "case.yaml"))
    document["horizon"]["periods"] = 2
    document["history_mapping"] = []
    document["risk"] = {}
    for site in document["sites"]:
        for phase in site["phases"]:
            phase["lead_periods"] = 1
        if isinstance(site["power_mw"], list):
            site["power_mw"] = site["power_mw"][:2]
    for kind in document["module_types"]:
        for name in ("capex", "opex", "supply", "order_cost"):
            if isinstance(kind[name], list):
                kind[name] = kind[name][:2]
        kind["lead_periods"] = 0
    hours = np.arange(24)
    day = 10 + 6 * np.sin((hours - 8) / 24 * 2 * np.pi)
    shapes = {"chat": 0.9 * day, "batch": 0.4 * np.roll(day, 5), "training": np.full(24, 6.0)}

    def future(name: str, probability: float, scale: float) -> dict[str, object]:
        series = [
            {"region": r, "workload": w, "values": [(scale * shape).tolist(), (1.3 * scale * shape).tolist()]}
            for w, shape in shapes.items()
            for r in ("north", "east")
        ]
        return {"id": name, "probability": probability, "series": series}

    document["demand"] = {
        "days": [{"id": "calm", "weight_days": 80.0}, {"id": "busy", "weight_days": 10.0}],
        "futures": [future("low", 0.3, 0.8), future("mid", 0.4, 1.0), future("high", 0.3, 1.4)],
    }
    return Case.model_validate(document)


@pytest.fixture(scope="module")
def demand(case: Case) -> Demand:
    return given_demand(case)


@pytest.fixture(scope="module")
def plan(case: Case, demand: Demand) -> Plan:
    """Made for the middle future alone."""
    return make_plan(case, demand=demand.only([1]), limits=LIMITS)


@pytest.fixture(scope="module")
def found(plan: Plan, demand: Demand, here: Executor) -> Evaluation:
    return evaluate(plan, demand, here)


def test_own_future_costs_what_the_plan_says(plan: Plan, found: Evaluation) -> None:
    assert plan.tables["billed"]["cost"].sum() > 0  # days of a period do meet in the billed demand
    assert found.total[1] == pytest.approx(plan.certificate["objective"], rel=1e-7)
    costs = plan.tables["costs"]
    by_term = costs.groupby("term")["discounted"].sum()
    for term, value in found.cost.items():
        assert value[1].sum() == pytest.approx(by_term.get(term, 0.0), rel=1e-5, abs=1.0), term


def test_energy_busy_and_shortfall_agree_with_the_plans_tables(plan: Plan, found: Evaluation, case: Case) -> None:
    assert found.energy_kwh[1].sum() / 1000 == pytest.approx(plan.tables["energy"]["facility_mwh"].sum(), rel=1e-4)
    told = plan.summary["shortfall_unit_hours"]
    for w, workload in enumerate(case.workloads):
        assert found.shortfall_unit_hours[1, w].sum() == pytest.approx(told[workload.id]["unit_hours"], rel=1e-4, abs=1)
    use = plan.tables["utilisation"]
    hours = plan.demand.days.weight.sum(axis=1) * 24
    busy = (use["mean_busy"] * use["owned"] * hours[use["period"]]).sum()
    assert found.busy[1].sum() == pytest.approx(busy, rel=1e-4)


def test_more_demand_costs_no_less_and_idles_no_more(found: Evaluation, case: Case) -> None:
    assert found.total[0] <= found.total[1] <= found.total[2]
    idle = found.idle_pflops_hours(case).sum(axis=1)
    assert idle[0] >= idle[2] - 1e-6
    assert (found.idle_cost() >= 0).all()
    assert (found.idle_cost().sum(axis=(1)) <= found.ownership.sum() + 1e-6).all()
    assert (found.breach <= 1e-6).all()


def test_ownership_is_what_was_paid(plan: Plan, found: Evaluation) -> None:
    paid = plan.summary["cost_by_term"]
    assert found.ownership.sum() == pytest.approx(paid["capex"] + paid["opex"] + paid["leases"], rel=1e-9)


def test_merged_steps_are_near_and_the_bound_is_below(
    plan: Plan, demand: Demand, found: Evaluation, case: Case, here: Executor
) -> None:
    merged_group = merged_steps(case, demand, 8)
    assert merged_group is not None
    merged = evaluate(plan, demand, here, group=merged_group)
    merged_by_period = np.stack(list(merged.cost.values())).sum(axis=0)[1]
    assert merged.steps == 8
    # 3.5 % in one of the futures: days by themselves let gangs work the most where there is room, hours together do not
    assert merged.total == pytest.approx(found.total, rel=0.04)
    assert fitting_steps(case, demand) is None
    # with every period dispatched both ways, what merging costs is what it costs
    error = merging_error(plan, demand.only([1]), merged_group, here, (0, 1), merged_by_period)
    assert error == pytest.approx(merged.total[1] / found.total[1] - 1, abs=1e-9)
    cost, bound = perfect_information(case, demand, LIMITS)
    known = np.isfinite(cost)  # on a machine that is busy a future may have no plan in its time
    assert (bound[known] <= cost[known] + 1e-6).all()
    assert (bound <= found.total + 1e-6).all()


def test_evaluation_survives_a_file(found: Evaluation, tmp_path: Path) -> None:
    found.save(tmp_path / "e.npz")
    again = Evaluation.load(tmp_path / "e.npz")
    assert np.array_equal(again.total, found.total)
    assert again.steps is None


def test_late_orders_follow_the_future_that_looks_alike(case: Case, demand: Demand, here: Executor) -> None:
    later = case.model_copy(update={"horizon": case.horizon.model_copy(update={"commit_periods": 1})})
    plan = plan_rule(Stochastic(kind="stochastic"), make_world(later, demand), limits=replace(LIMITS, gap=0.5))
    assert decisions_of(plan).branches == 3
    assert nearest_branch(plan, demand).tolist() == [0, 1, 2]
    found = evaluate(plan, demand, here)
    assert found.branch.tolist() == [0, 1, 2]
    # billed demand is measured in each future, so fixed orders cost at most what the model said
    assert found.total @ demand.probability <= plan.certificate["objective"] * (1 + 1e-6)


def test_weighted_statistics_by_hand() -> None:
    values, p = np.array([4.0, 1.0, 3.0, 2.0]), np.array([0.1, 0.4, 0.2, 0.3])
    assert quantile(values, p, 0.4) == 1
    assert quantile(values, p, 0.41) == 2
    assert cvar(values, p, 0.0) == pytest.approx(mean(values, p))
    assert cvar(values, p, 0.9) == pytest.approx(4)
    assert cvar(values, p, 0.8) == pytest.approx((4 * 0.1 + 3 * 0.1) / 0.2)


def test_intervals_shrink_with_the_root_of_the_futures_and_cover() -> None:
    rng = np.random.default_rng(5)

    def width(n: int) -> float:
        e = mean_estimate(rng.normal(size=n), np.full(n, 1 / n))
        return e.high - e.low

    ratio = np.mean([width(100) for _ in range(50)]) / np.mean([width(1600) for _ in range(50)])
    assert ratio == pytest.approx(4, rel=0.1)
    inside = 0
    for _ in range(400):
        e = mean_estimate(rng.normal(size=30), np.full(30, 1 / 30))
        inside += e.low <= 0 <= e.high
    assert 0.92 <= inside / 400 <= 0.98
    values = rng.normal(size=200)
    tail = spread_estimate(values, np.full(200, 1 / 200), "cvar", 0.9, seed=1)
    assert tail.low < tail.value < tail.high
    assert spread_estimate(values, np.full(200, 1 / 200), "cvar", 0.9, seed=1) == tail
