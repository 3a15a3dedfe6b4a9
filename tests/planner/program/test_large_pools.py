"""Large pools run hotter: known answers by enumeration, decomposition, evaluation, replay and the verifier."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from planner.case import Case
from planner.case.file import CaseError, case_from
from planner.demand.horizon import given_demand
from planner.evaluate.evaluation import evaluate
from planner.plan import Plan
from planner.planning import make_plan
from planner.program.blocks import flatten
from planner.program.build import build_program
from planner.replay import from_table, replay
from planner.rules.neighbour import projected, whole_of
from planner.solve import Limits, solve_lp
from planner.verify import verify

SMALL, LARGE, SPARE, MOST = 0.5, 0.9, 2.0, 12
TIDE = [0.4] * 12 + [1.0] * 12


def document(peak: float, large: bool = True, **more: Any) -> dict[str, Any]:
    """Two alike sites of at most 12 modules, a card a module, one unit a card; 100 a module, 1.5 an hour not served."""
    pools = {"large_pools": {"m": {"utilisation": LARGE, "spare_cards": SPARE}}} if large else {}
    return {
        "meta": {"name": "pools", "as_of": "2026-01-01"},
        "horizon": {"start": "2026-01-01", "periods": 1, "months_per_period": 1, "discount_rate": 0.0,
                    "costing": "upfront"},
        "regions": [{"id": "r", "names": "r"}],
        "sites": [{"id": s, "names": s, "power_mw": MOST / 1000} for s in ("p", "q")],
        "module_types": [
            {"id": "m", "names": "m", "cards": 1, "peak_pflops": 1, "power_idle_kw": 0, "power_peak_kw": 1,
             "capex": 100}
        ],
        "workloads": [
            {"id": "chat", "names": "chat", "throughput": {"m": 1.0}, "max_utilisation": SMALL, "shortfall_cost": 1.5}
            | pools
        ],
        "network": {"latency_ms": {"r": {"p": 1, "q": 1}}},
        "demand": {
            "days": [{"id": "d", "weight_days": 30}],
            "futures": [
                {"id": "f", "probability": 1.0, "series": [
                    {"region": "r", "workload": "chat", "values": [peak * x for x in TIDE]}]}
            ],
        },
    } | more  # fmt: skip


def planned(peak: float, large: bool = True, **limits: Any) -> Plan:
    case = Case.model_validate(document(peak, large))
    return make_plan(case, demand=given_demand(case), limits=Limits(**{"seconds": 30, "gap": 1e-9} | limits))


def carries(modules: int) -> float:
    return max(SMALL * modules, LARGE * (modules - SPARE))


@pytest.mark.parametrize("peak", [1.3, 3.1, 8.0, 14.0, 30.0])
def test_the_plan_is_the_best_of_all_pairs_of_pools(peak: float) -> None:
    """Every pair of pools tried by hand: one pool is filled before a second is opened."""

    def cost(p: int, q: int) -> float:
        short = sum(max(peak * x - carries(p) - carries(q), 0.0) for x in TIDE)
        return 100 * (p + q) + 1.5 * 30 * short

    best = min(cost(p, q) for p, q in itertools.product(range(MOST + 1), repeat=2))
    plan = planned(peak)
    assert plan.certificate["objective"] == pytest.approx(best, rel=1e-7)
    assert all(check["ok"] for check in plan.checks)
    hand = min(100 * p + 1.5 * 30 * sum(max(peak * x - SMALL * p, 0) for x in TIDE) for p in range(2 * MOST + 1))
    assert planned(peak, large=False).certificate["objective"] == pytest.approx(hand, rel=1e-7)


def test_a_case_without_large_pools_has_no_row_and_no_column_more() -> None:
    case = Case.model_validate(document(8.0, large=False))
    program = build_program(case, given_demand(case))
    assert not (program.layout.columns["large_pool"] >= 0).any()
    (block,) = program.blocks
    assert not any(block.layout.columns[c].size for c in ("in_large",))
    assert not any(block.layout.rows[r].index.size for r in ("pool_part", "pool_size", "pool_whole"))
    assert "gangs_fit" not in program.layout.rows


def test_merged_blocks_stay_a_relaxation_and_whole_pools_matter() -> None:
    case = Case.model_validate(document(14.0))
    demand = given_demand(case)
    exact, merged = (solve_lp(flatten(build_program(case, demand, merge_steps=n))).objective for n in (None, 1))
    assert merged <= exact * (1 + 1e-9)
    program = build_program(case, demand)
    assert exact * program.money_unit < planned(14.0).certificate["objective"] * 0.99  # parts of a pool are no pool


def test_pools_stay_in_plans_that_are_brought_elsewhere() -> None:
    plan = planned(14.0)
    assert not plan.tables["pools"].empty
    near = projected(plan.case, plan.demand, whole_of(plan))
    assert near is not None
    assert near["large_pool"].tolist() == whole_of(plan)["large_pool"].tolist()


def test_decomposition_finds_the_same() -> None:
    whole, parts = planned(14.0), planned(14.0, route="benders", gap=1e-6)
    assert parts.certificate["route"] != whole.certificate["route"]
    assert parts.certificate["objective"] == pytest.approx(whole.certificate["objective"], rel=1e-6)
    assert parts.certificate["bound"] <= whole.certificate["objective"] * (1 + 1e-9)


def test_fixed_orders_cost_the_same_on_the_plan_s_own_future() -> None:
    plan = planned(14.0)
    with ThreadPoolExecutor(1) as here:
        found = evaluate(plan, plan.demand, here)
    assert float(found.total[0]) == pytest.approx(plan.certificate["objective"], rel=1e-7)


def test_a_replay_serves_as_the_plan_does() -> None:
    plan = planned(14.0)
    hours = pd.date_range(date(2026, 1, 1), periods=31 * 24, freq="h")
    table = pd.DataFrame(
        {"timestamp": hours, "workload": "chat", "region": "r", "value": [14.0 * TIDE[h] for h in hours.hour]}
    )
    course = from_table(plan.case, table)
    short = replay(plan.case, plan.tables, course).shortfall["chat"]
    per_day = plan.tables["shortfall"]["shortfall"].sum()
    assert short == pytest.approx(31 * per_day, abs=1e-6)
    closed = dict(plan.tables) | {"pools": plan.tables["pools"].iloc[:0]}
    assert replay(plan.case, closed, course).shortfall["chat"] > short + 100


def test_the_verifier_knows_pools_from_the_tables_alone() -> None:
    plan = planned(14.0)
    pools = plan.tables["pools"]
    assert len(pools) == 2

    def broken(tables: dict[str, pd.DataFrame], case: Case = plan.case) -> set[str]:
        return {c.id for c in verify(case, plan.demand, dict(plan.tables) | tables).checks if not c.ok}

    assert broken({}) == set()
    assert "serving" in broken({"pools": pools.iloc[:1]})
    busier = plan.tables["load"].assign(busy=lambda t: t["busy"] * 1.01)
    assert "serving.busy" in broken({"load": busier})
    strange = Case.model_validate(document(14.0, large=False))
    assert "serving.pools" in broken({}, strange)
    less = plan.tables["stock"].assign(owned=0.0, pflops=0.0, power_mw=0.0)
    assert "gangs_fit" in broken({"orders": plan.tables["orders"].iloc[:0], "stock": less})


def test_faults_are_told_with_what_is_allowed() -> None:
    wrong = document(8.0)
    wrong["workloads"][0]["large_pools"] = {
        "m": {"utilisation": 0.4, "spare_cards": 1},
        "x": {"utilisation": 0.9, "spare_cards": 1},
    }
    with pytest.raises(CaseError) as caught:
        case_from(wrong)
    text = " ".join(str(f) for f in caught.value.faults)
    assert "above max_utilisation 0.5" in text
    assert "large_pools.x: no throughput on this type" in text


def test_busy_is_what_the_work_needs_with_its_spare() -> None:
    plan = planned(14.0)
    load = plan.tables["load"].groupby(["site", "step"])["busy"].sum()
    served = plan.tables["placement"].groupby(["site", "step"])["served"].sum()
    here = load.index.isin(served.index)
    assert np.allclose(load[here].to_numpy(), (served / LARGE + SPARE).to_numpy(), atol=1e-6)
