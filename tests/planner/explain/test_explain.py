"""Explanations: prices against re-solves, why-not, drivers, alternatives, what filling the valleys is worth."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.case.errors import InfeasibleError, PlanError
from planner.explain.alternatives import measure, near_optimal
from planner.explain.drivers import order_drivers
from planner.explain.filling import value_of_filling
from planner.explain.resilience import cost_of_resilience
from planner.explain.sensitivity import sensitivity, usual_variations
from planner.explain.what_if import what_if
from planner.explain.why_not import Question, why_not
from planner.plan import Plan
from planner.planning import make_plan
from planner.scenarios.levers import lever_from
from planner.solve import Limits
from planner.words.wording import wording

EXACT = Limits(seconds=60, gap=1e-5)
Document = Callable[..., dict[str, Any]]


def planned(document: dict[str, Any]) -> Plan:
    return make_plan(Case.model_validate(document), limits=EXACT)


@pytest.fixture(name="tight")
def tight_plan(small: Document) -> Plan:
    return planned(
        small(sites__0__power_mw=2.2, sites__0__phases=[], sites__1__power_mw=1.8, policy={"budget": [2e8, 3e8, 3e8]})
    )


def test_why_not_forces_the_order_and_says_what_it_costs(tight: Plan) -> None:
    change = why_not(tight, Question(site="zw", module_type="b", modules=3), limits=EXACT)
    assert change.plan is not None
    orders = change.plan.tables["orders"]
    assert orders[(orders["site"] == "zw") & (orders["module_type"] == "b")]["modules"].sum() >= 3
    assert change.cost >= -1e-4 * tight.certificate["objective"]
    assert sum(change.by_term.values()) == pytest.approx(change.cost, rel=1e-6, abs=1.0)
    assert change.least <= change.cost <= change.most


def test_why_not_less_holds_orders_down(tight: Plan) -> None:
    count = int(tight.tables["orders"]["modules"].sum())
    change = why_not(tight, Question(sense="at_most", modules=count - 1), limits=EXACT)
    assert change.plan is not None
    assert change.plan.tables["orders"]["modules"].sum() <= count - 1


def test_an_impossible_question_says_why(tight: Plan) -> None:
    change = why_not(tight, Question(site="sh", module_type="b", modules=500), limits=EXACT)
    assert change.plan is None
    assert change.impossible


def test_an_impossible_question_names_the_field_that_would_make_it_possible(tight: Plan) -> None:
    """Ten modules of 160 kW at PUE 1.25 and what stands there need more than the site has."""
    change = why_not(tight, Question(site="sh", module_type="b", modules=14), limits=EXACT)
    told = {p.where: p for p in change.impossible}
    assert "/sites/0/power_mw" in told
    assert told["/sites/0/power_mw"].remedy.startswith("this alone is enough")
    assert change.to_json()["impossible_zh"] != change.to_json()["impossible"]


def test_what_the_plan_already_does_changes_nothing(tight: Plan) -> None:
    count = int(tight.tables["orders"]["modules"].sum())
    for question in (Question(modules=count), Question(sense="at_most", modules=count), Question(modules=0)):
        change = why_not(tight, question, limits=EXACT)
        assert change.already
        assert (change.cost, change.least, change.most) == (0.0, 0.0, 0.0)
        assert change.orders.empty
        assert "already" in change.sentence(wording("en"), "CNY")
        assert "已满足" in change.sentence(wording("zh"), "CNY")


def test_a_question_that_restricts_never_pays(tight: Plan) -> None:
    """Whatever is forced, the best plan cannot become cheaper: the range begins at 0, even from a plan with a gap."""
    loose = Limits(seconds=60, gap=0.08)
    plan = make_plan(tight.case, limits=loose)
    change = why_not(plan, Question(site="zw", module_type="b", modules=2), limits=loose)
    assert change.plan is not None
    assert 0 <= change.least <= change.most
    exact = why_not(tight, Question(site="zw", module_type="b", modules=2), limits=EXACT)
    assert change.least - 1 <= exact.cost <= change.most + 1


def test_in_the_same_world_the_plan_is_kept_though_the_search_finds_another(tight: Plan) -> None:
    """A patch that changes nothing but a name, with hardly any search: the plan at hand stays."""
    change = what_if(tight, {"meta": {"name": "other"}}, limits=Limits(seconds=60, gap=0.2))
    assert change.orders.empty
    assert change.cost == pytest.approx(0, abs=1e-6 * tight.certificate["objective"])
    assert change.least <= change.cost <= change.most


def test_orders_within_the_proofs_are_interchangeable(small: Document) -> None:
    """Two sites that differ in nothing: orders at the one or the other cost the same."""
    document = small(sites__1__power_mw=9)
    twin = {**document["sites"][0], "id": "tw", "names": "Twin", "phases": []}
    document["sites"][0]["phases"] = []
    document["sites"][1] = twin
    document["fleet"] = []
    document["workloads"] = [{**document["workloads"][1], "kind": "online", "window_hours": 24}]
    document["demand"]["futures"][0]["series"] = document["demand"]["futures"][0]["series"][2:3]
    plan = planned(document)
    orders = plan.tables["orders"]
    busy = str(orders["site"].iloc[0])
    most = int(orders[orders["site"] == busy]["modules"].sum())
    change = why_not(plan, Question(site=busy, sense="at_most", modules=most - 1), limits=EXACT)
    assert change.cost == pytest.approx(0, abs=1e-4 * plan.certificate["objective"])
    assert len(change.orders)
    assert change.interchangeable
    dear = what_if(plan, levers=[lever_from("hardware_price:factor=30")], limits=EXACT)
    assert not dear.interchangeable


def test_a_question_about_unknown_things_names_all_of_them(tight: Plan) -> None:
    with pytest.raises(PlanError) as caught:
        why_not(tight, Question(site="moon", module_type="x", period=99))
    assert [p.where for p in caught.value.faults] == ["/site", "/module_type", "/period"]


def test_every_order_names_its_drivers(tight: Plan) -> None:
    table = order_drivers(tight)
    assert len(table) == len(tight.tables["orders"]) > 0
    assert (table["busy"] > 0.5).all()
    assert table["sentence"].str.contains(" at Shanghai| at Zhongwei").all()
    assert table["sentence_zh"].str.contains("最忙").all()
    assert table["workloads"].str.contains("chat|batch|train").all()


def test_a_full_limit_stands_beside_the_order(small: Document) -> None:
    plan = planned(small(module_types__0__supply=[0, 1, 1], module_types__1__supply=[0, 1, 1]))
    assert order_drivers(plan)["limits"].str.contains("supply 1 of 1 module").any()


def test_filling_the_valleys_saves_money(small: Document) -> None:
    plan = planned(small())
    filling = value_of_filling(plan, limits=EXACT)
    assert filling.cost_avoided > 0
    assert filling.change.plan is not None


@pytest.mark.slow
def test_resilience_costs_the_same_whichever_of_the_two_plans_is_asked(small: Document) -> None:
    near = Limits(seconds=60, gap=2e-3)
    documents = (small(policy=p, workloads__0__latency_ms=60) for p in ({"resilience": {"workloads": ["chat"]}}, {}))
    with_it, without = (make_plan(Case.model_validate(one), limits=near) for one in documents)
    have, lack = (cost_of_resilience(plan, limits=near) for plan in (with_it, without))
    assert have is not None
    assert lack is not None
    assert (have.asked, lack.asked) == (True, False)
    assert lack.workloads == ("chat",)
    assert have.most > 0
    assert have.least <= have.cost <= have.most
    assert lack.cost == pytest.approx(have.cost, abs=4e-3 * with_it.certificate["objective"])


def test_what_if_answers_a_merge_patch(tight: Plan) -> None:
    change = what_if(tight, {"policy": {"budget": None}}, limits=EXACT)
    assert change.cost <= 1e-4 * tight.certificate["objective"]


def test_what_if_takes_levers_and_says_them_in_both_languages(tight: Plan) -> None:
    """Double tariffs: the plan pays at most its own energy again, and no less than nothing more."""
    change = what_if(tight, levers=[lever_from("tariff:factor=2")], limits=EXACT)
    by_term = tight.summary["cost_by_term"]
    assert -1e-4 * by_term["energy"] <= change.cost <= by_term["energy"] * (1 + 1e-4)
    told = change.to_json()
    assert told["question"] == "What if: energy prices × 2"
    assert told["question_zh"] == "假如：电价 × 2"
    with pytest.raises(ValueError, match="abacus"):
        what_if(tight, levers=[lever_from("lead_time:periods=1,module_types=abacus")])


@pytest.mark.parametrize("text", ["tarif:factor=1", "tariff:factor", "tariff:factor=-1", "target:eflops=3"])
def test_a_line_that_is_no_lever_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text.partition(":")[2] or text)):
        lever_from(text)


def test_one_assumption_at_a_time_moves_cost_as_it_must(small: Document) -> None:
    """Without a budget, cost follows prices in the same direction, by no more than the plan's own term does."""
    tight = planned(small(sites__0__power_mw=2.2, sites__0__phases=[], sites__1__power_mw=1.8))
    chosen = [v for v in usual_variations(tight) if v.factor in ("hardware_price", "shortfall_cost")]
    told: list[tuple[int, int]] = []
    table = sensitivity(tight, chosen, limits=EXACT, on_done=lambda done, total: told.append((done, total)))
    assert told == [(n, 4) for n in range(1, 5)]
    small_change = 1e-4 * tight.certificate["objective"]
    capex = tight.summary["cost_by_term"]["capex"]
    rows = {(r["factor"], r["setting"]): r for r in table.to_dict("records")}
    high, low = rows["hardware_price", "high"], rows["hardware_price", "low"]
    assert -small_change <= high["difference"] <= 0.2 * capex + small_change
    assert low["difference"] <= -0.2 * capex + small_change
    assert high["cost"] == pytest.approx(tight.certificate["objective"] + high["difference"])
    assert rows["shortfall_cost", "low"]["difference"] <= small_change
    assert (table["least"] <= table["difference"] + 1e-6).all()
    assert (table["difference"] <= table["most"] + 1e-6).all()


@pytest.mark.parametrize("quality", ["fewest_sites", "most_domestic", "least_carbon"])
def test_alternatives_stay_within_epsilon(tight: Plan, quality: Any) -> None:
    found = near_optimal(tight, quality, epsilon=0.1, limits=EXACT, tries=2)
    assert found.extra <= 0.1 + 1e-9
    if quality == "most_domestic":
        assert found.measure >= found.before
    else:
        assert found.measure <= found.before
    assert np.isfinite(measure(found.plan, quality))


def test_an_impossible_request_names_the_smallest_change(small: Document) -> None:
    document = small(
        sites__0__power_mw=1.6,
        sites__0__phases=[],
        sites__1__power_mw=1.3,
        policy={"capacity_targets_eflops": [None, None, 30]},
    )
    with pytest.raises(InfeasibleError) as caught:
        planned(document)
    where = {p.where for p in caught.value.faults}
    assert "/sites/0/power_mw" in where
    assert "/policy/capacity_targets_eflops" in where
    power = next(p for p in caught.value.faults if p.where == "/sites/0/power_mw")
    assert "MW" in power.allowed
    assert "alone" in power.remedy


def test_a_service_level_that_cannot_be_kept_is_named(small: Document) -> None:
    document = small(workloads__0__minimum_service=1.0, sites__0__power_mw=1.5, sites__1__power_mw=1.2)
    with pytest.raises(InfeasibleError) as caught:
        planned(document)
    assert any("minimum_service" in p.where or "power" in p.where for p in caught.value.faults)
