"""Agreements: prices by volume and commitments, answers by hand, and the same in every room."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from planner.case import Case
from planner.case.checks import warnings
from planner.case.file import CaseError, case_from
from planner.demand import Demand
from planner.demand.horizon import given_demand
from planner.evaluate.evaluation import evaluate
from planner.explain.asking import held_solution
from planner.explain.what_if import what_if
from planner.plan import Plan
from planner.plan.decisions import decisions_of
from planner.report.content import plan_content
from planner.report.figures import View
from planner.rules.neighbour import projected, whole_of
from planner.rules.rules import plan_rule
from planner.scenarios.scenario import BringForward, Stochastic
from planner.scenarios.worlds import make_world
from planner.verify import verify
from planner.walk.adaptive import adaptive_walk, later_demand
from tests.planner.program.test_departures import EXACT, bare, planned


def bought(wanted: list[list[float]], *deals: dict[str, Any], **kind: Any) -> dict[str, Any]:
    """Nothing stands; modules of 4 units at 50 each serve the work (units by period), at a site with room enough."""
    document = bare(len(wanted[0]), [], wanted)
    document["sites"][1]["power_mw"] = 40
    document["module_types"][1] |= kind
    document["agreements"] = [{"id": "f", "module_types": ["new"]} | deal for deal in deals]
    return document


def steps(*pairs: tuple[int, float]) -> dict[str, Any]:
    return {"breaks": [{"from_modules": n, "discount": d} for n, d in pairs]}


def test_one_more_is_bought_where_it_makes_all_cheaper() -> None:
    """10 units need 3 modules, 150; four at half the price cost 100."""
    assert planned(bought([[10]])).certificate["objective"] == pytest.approx(150)
    plan = planned(bought([[10]], steps((4, 0.5))))
    assert plan.certificate["objective"] == pytest.approx(100)
    assert plan.tables["orders"][["modules", "capex"]].to_numpy().tolist() == [[4, 100]]
    assert plan.tables["purchases"]["price"].tolist() == [100]
    # at a tenth less, 180, it is not worth it
    assert planned(bought([[10]], steps((4, 0.1)))).certificate["objective"] == pytest.approx(150)


def test_the_volume_of_earlier_periods_counts_and_their_price_stays() -> None:
    """3 and 3 modules, no more a quarter: the first at 50, the second at 40 (from 5 on); what was called off before is
    counted, too."""

    def deal(terms: dict[str, Any]) -> Plan:
        return planned(bought([[12, 24]], terms, supply=3))

    plan = deal(steps((5, 0.2)))
    assert plan.certificate["objective"] == pytest.approx(150 + 120)
    assert plan.tables["agreements"][["to_date", "discount", "saved"]].to_numpy().tolist() == [
        [3, 0, 0],
        [6, 0.2, pytest.approx(30)],
    ]
    counted = deal(steps((5, 0.2)) | {"called_off": 2})
    assert counted.certificate["objective"] == pytest.approx(240)
    # in one period the agreement is a price by the size of its orders; of two breaks the higher counts
    assert deal(steps((5, 0.2)) | {"last": 0}).certificate["objective"] == pytest.approx(300)
    assert deal(steps((3, 0.1), (6, 0.4))).certificate["objective"] == pytest.approx(135 + 90)
    assert planned(bought([[12, 24]], steps((5, 0.2)))).certificate["objective"] == pytest.approx(240)  # all at once


@pytest.mark.parametrize(("price", "cost", "modules"), [(20, 115, 3), (60, 125, 5), (999, 125, 5)])
def test_a_commitment_is_met_or_paid_for(price: float, cost: float, modules: int) -> None:
    """Half the price for a commitment to five, three are needed: two are paid for, or taken for 25 each."""
    deal = steps((0, 0.5)) | {"commitment": 5, "shortfall_price": price}
    plan = planned(bought([[10, 10]], deal))
    assert plan.certificate["objective"] == pytest.approx(cost)
    assert int(plan.tables["orders"]["modules"].sum()) == modules
    paid = max(5 - modules, 0) * price
    assert plan.summary["cost_by_term"]["commitments"] == pytest.approx(paid)
    assert plan.tables["cash"]["commitments"].tolist() == pytest.approx([0, paid])


def test_it_is_signed_only_where_it_pays_and_held_where_it_is_signed() -> None:
    """A tenth less on three modules does not pay for 20 missing ones; signed already, they are paid."""
    deal = steps((0, 0.1)) | {"commitment": 23, "shortfall_price": 1}
    free = planned(bought([[10]], deal))
    assert (free.certificate["objective"], free.tables["agreements"].empty) == (pytest.approx(150), True)
    assert "Agreement f is not signed." in plan_content(View.of(free, "en"), free).answer_lines
    held = planned(bought([[10]], deal | {"signed": True}))
    assert held.certificate["objective"] == pytest.approx(135 + 20)
    lines = plan_content(View.of(held, "en"), held).answer_lines
    assert "Agreement f: 3 modules called off, which saves 15 CNY." in lines
    assert "Agreement f: 20 modules of its commitment not called off, for which 20 CNY is paid." in lines
    assert any("缺 20 个模块" in line for line in plan_content(View.of(held, "zh-CN"), held).answer_lines)
    # what signing is worth is asked as any other change of the case
    asked = what_if(free, {"agreements": [{"id": "f", "module_types": ["new"], **deal, "signed": True}]}, limits=EXACT)
    assert asked.cost == pytest.approx(5)


def test_the_budget_counts_what_is_really_paid() -> None:
    """100 for four modules at half the price, of which a part is paid a quarter ahead."""
    document = bought([[0, 10]], steps((4, 0.5)), prepay_share=0.25, lead_periods=1)
    document["policy"] = {"budget": [25, 75]}
    plan = planned(document)
    assert plan.certificate["objective"] == pytest.approx(100)
    assert plan.tables["cash"]["due"].tolist() == pytest.approx([25, 75])
    with ThreadPoolExecutor(1) as here:
        assert evaluate(plan, plan.demand, here).total.tolist() == pytest.approx([100])


def test_futures_decide_apart_and_each_has_its_own_price() -> None:
    """Nothing or 12 units in the second quarter, decided then: three modules at 40 in the second future alone."""
    document = bought([[0, 0], [0, 12]], steps((3, 0.2)))
    document["horizon"]["commit_periods"] = 1
    plan = planned(document)
    assert plan.certificate["objective"] == pytest.approx(120 / 2)
    rows = plan.tables["agreements"].set_index(["branch", "period"])["saved"]
    assert rows.to_dict() == {(0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): pytest.approx(30)}


def test_the_verifier_works_prices_out_from_the_orders() -> None:
    plan = planned(bought([[10, 10]], steps((4, 0.5)) | {"commitment": 5, "shortfall_price": 20}))
    orders, deals = plan.tables["orders"], plan.tables["agreements"]

    def broken(**tables: Any) -> set[str]:
        return {c.id for c in verify(plan.case, plan.demand, {**plan.tables, **tables}).broken}

    assert broken() == set()
    assert {"shown.orders"} <= broken(orders=orders.assign(capex=orders["capex"] * 2))
    assert {"price_break", "agreements", "costs"} <= broken(agreements=deals.assign(signs=0))
    assert "agreements" in broken(agreements=deals.iloc[1:])


def test_what_holds_without_the_plan_is_not_signed_by_it() -> None:
    for terms in ({"commitment": 5, "shortfall_price": 20}, {"commitment": 5, "signed": True}, {"signed": True}, {}):
        plan = planned(bought([[10, 10]], steps((4, 0.5)) | terms))
        deals = plan.tables["agreements"]
        decided = "shortfall_price" in terms
        assert deals["discount"].max() == 0.5
        assert deals["signs"].tolist() == [int(decided), 0]


def test_a_walk_keeps_what_was_signed_and_counts_on() -> None:
    """Signed in the first quarter for both: 3 modules at 40, then 3 more; six are committed to, none is missing."""
    deal = steps((0, 0.2)) | {"commitment": 6, "shortfall_price": 50}
    case = Case.model_validate(bought([[12, 24]], deal, supply=3))
    truth = given_demand(case)

    def known(period: int) -> Demand:
        return later_demand(truth, period)

    walk = adaptive_walk(case, known, truth, Stochastic(kind="stochastic"), limits=EXACT)
    assert walk.cost == pytest.approx(240)
    assert walk.plan.tables["agreements"]["to_date"].tolist() == [3, 6]
    assert walk.replanned[1].case.agreements[0].called_off == 3
    assert walk.replanned[1].case.agreements[0].signed


@pytest.mark.parametrize(
    "signing", [{}, {"commitment": 3, "shortfall_price": 100}, {"commitment": 30, "shortfall_price": 9}]
)
def test_what_is_brought_forward_has_the_price_of_its_volume(signing: dict[str, Any]) -> None:
    """1 module and then 2 more; a quarter earlier all three at once, at a fifth less, unless 27 more are to be paid."""
    case = Case.model_validate(bought([[4, 10]], steps((3 if not signing else 0, 0.2)) | signing, capex=[50, 45]))
    world = make_world(case, given_demand(case), evaluation_futures=None)
    plan = plan_rule(BringForward(kind="bring_forward", periods=1), world, limits=EXACT)
    assert plan.tables["orders"]["modules"].tolist() == [3]
    assert plan.certificate["objective"] == pytest.approx(150 if signing.get("commitment") == 30 else 120)
    assert plan.certificate["bound"] == pytest.approx(plan.certificate["objective"])


def test_decisions_carried_into_another_case_have_its_breaks() -> None:
    """3 modules at 50; where three reach a break, the same three at 40."""
    plan = planned(bought([[10]], steps((9, 0.2))))
    case, values = Case.model_validate(bought([[10]], steps((3, 0.2)))), decisions_of(plan).values
    held = held_solution(case, plan.demand, values)
    assert held is not None
    assert held[1].objective * held[0].money_unit == pytest.approx(120)
    near = projected(case, plan.demand, whole_of(plan))
    assert near is not None
    assert near["break_reached"].tolist() == [[[1]]]


def test_commitments_one_after_the_other_may_stand_at_one_site() -> None:
    """40 and 40 modules, dear to miss, where nothing but a cap on types limits the site."""
    deal = {"commitment": 40, "shortfall_price": 1000, "signed": True}
    document = bought([[4, 4]], deal | {"last": 0}, deal | {"id": "g", "first": 1})
    document["sites"][1]["power_mw"] = 1e6
    document["policy"] = {"max_module_types": {"there": 1}}
    assert planned(document).certificate["objective"] == pytest.approx(4000)


def test_types_are_ordered_where_they_may_stand_and_cost_what_the_site_does() -> None:
    document = bought([[10]])
    document["module_types"][1] |= {"allowed_sites": ["here"]}
    plan = planned(document)
    assert plan.certificate["objective"] == pytest.approx(10_000)  # nothing may be ordered for where the work is
    document["module_types"][1] = document["module_types"][1] | {
        "allowed_sites": None, "opex": 1, "opex_at": {"there": 9}}  # fmt: skip
    open_ = planned(document)
    assert open_.summary["cost_by_term"]["opex"] == pytest.approx(27)
    assert {c.id for c in verify(plan.case, plan.demand, open_.tables).broken} >= {"order_sites"}


@pytest.mark.parametrize(
    ("deals", "where", "found"),
    [
        ([{"first": 2}], "/agreements/0/first", "period 2; the horizon has 2"),
        ([{}, {"id": "g"}], "/agreements/1/module_types/0", "new in g and f in the same periods"),
        ([steps((3, 0.2), (3, 0.3))], "/agreements/0", "breaks 3: 0.2, 3: 0.3"),
        ([{"first": 1, "last": 0}], "/agreements/0", "last 0 before first 1"),
        ([{"module_types": ["newer"]}], "/agreements/0/module_types/0", "unknown module type newer"),
    ],
)
def test_what_may_not_be_written(deals: list[dict[str, Any]], where: str, found: str) -> None:
    with pytest.raises(CaseError) as caught:
        case_from(bought([[1, 1]], *deals))
    assert [(f.where, found in f.found) for f in caught.value.faults] == [(where, True)]


def test_terms_that_bind_nobody_are_told() -> None:
    told = {w.pointer for w in warnings(Case.model_validate(bought([[1]], {"shortfall_price": 9})))}
    assert {"/agreements/0", "/agreements/0/shortfall_price"} <= told


def test_a_case_without_agreements_is_the_program_that_it_was() -> None:
    plan: Plan = planned(bought([[10]]))
    assert plan.tables["agreements"].empty
