"""Modules that leave early: answers by hand, more freedom never dearer, and the same in every room."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import openpyxl
import pytest
from pydantic import ValidationError

from planner.case import Case
from planner.case.checks import warnings
from planner.case.errors import PlanError, StoppedError
from planner.case.file import CaseError, case_from
from planner.demand import Demand
from planner.demand.horizon import given_demand
from planner.evaluate.evaluation import evaluate
from planner.explain.asking import Change
from planner.explain.departures import departure_drivers
from planner.explain.headroom import headroom
from planner.explain.what_if import what_if
from planner.explain.why_not import Question, why_not
from planner.plan import Plan
from planner.planning import make_plan
from planner.planning.planning import plan_demand
from planner.program.build import build_program
from planner.program.instance import make_instance
from planner.report.content import plan_content
from planner.report.figures import View
from planner.report.workbook import workbook
from planner.rules.ahead import reached_by
from planner.rules.neighbour import whole_of
from planner.rules.rules import Begin, plan_rule
from planner.scenarios.scenario import BringForward, JustInTime, Ratio, Stochastic
from planner.scenarios.worlds import make_world
from planner.solve import Limits
from planner.verify import verify
from planner.walk.adaptive import adaptive_walk, later_demand
from planner.words.wording import wording
from tests.planner.random.cases import random_case

EXACT = Limits(seconds=30, gap=1e-9)


def bare(periods: int, fleet: list[dict[str, Any]], demand: list[list[float]], **horizon: Any) -> dict[str, Any]:
    """Two sites, an old type (1 unit, 100 kW) and a new one (4 units, 100 kW, 50 each); a period is one hour long.

    demand: by future, then by period, of work that only `there` may serve; 1000 for a unit that is not served.
    """
    kinds = [
        {"id": "old", "names": "Old", "cards": 1, "peak_pflops": 1, "power_peak_kw": 100, "capex": 9e3, "supply": 0},
        {"id": "new", "names": "New", "cards": 1, "peak_pflops": 4, "power_peak_kw": 100, "capex": 50},
    ]
    works = [{"id": "w", "names": "W", "throughput": {"old": 1, "new": 4}, "shortfall_cost": 1000,
              "allowed_sites": ["there"]}]  # fmt: skip
    futures = [
        {"id": str(f), "probability": 1 / len(demand),
         "series": [{"region": "r", "workload": "w", "values": [[[v]] for v in course]}]}
        for f, course in enumerate(demand)
    ]  # fmt: skip
    sites = [{"id": s, "names": s, "power_mw": 0.4} for s in ("here", "there")]
    return {
        "meta": {"name": "bare", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": periods, "discount_rate": 0, "costing": "upfront"} | horizon,
        "regions": [{"id": "r", "names": "R"}],
        "sites": sites,
        "module_types": kinds,
        "fleet": [dict(row) for row in fleet],
        "workloads": works,
        "demand": {"days": [{"id": "d", "weight_days": 1}], "step_hours": [1.0], "futures": futures},
    }


def planned(document: dict[str, Any]) -> Plan:
    case = Case.model_validate(document)
    return make_plan(case, demand=given_demand(case), limits=EXACT)


def leaving(plan: Plan) -> list[tuple[Any, ...]]:
    return list(
        plan.tables["departures"][["period", "modules", "to_site", "in_service_period"]].itertuples(index=False)
    )


OLD = {"site": "there", "module_type": "old", "modules": 4}


def test_old_modules_make_room_for_new_ones() -> None:
    """Four old ones fill the site; 10 units want two of them replaced: 2 x 50 and 2 x 7 for their removal."""
    document = bare(1, [OLD | {"may_retire": True}], [[10]])
    document["module_types"][0]["resale_price"] = -7
    plan = planned(document)
    assert plan.certificate["objective"] == pytest.approx(114)
    assert leaving(plan) == [(0, 2, "", -1)]
    assert plan.tables["departures"]["freed_mw"].tolist() == pytest.approx([0.2])
    assert plan.summary["cost_by_term"]["departures"] == pytest.approx(14)
    assert plan.tables["cash"]["departures"].tolist() == pytest.approx([14])
    # held, 6 units stay unserved
    assert planned(bare(1, [OLD], [[10]])).certificate["objective"] == pytest.approx(6000)


def test_a_row_that_may_leave_need_not_fit() -> None:
    """The site has less power than what stands takes: a fault where all of it must stay, else the least that leaves."""
    document = bare(1, [OLD | {"may_retire": True}], [[3]])
    document["sites"][1]["power_mw"] = 0.3
    document["module_types"][0]["resale_price"] = -7
    assert planned(document).certificate["objective"] == pytest.approx(7)
    document["fleet"][0]["may_retire"] = False
    with pytest.raises(ValidationError, match=r"standing fleet takes 0.4 MW.*may_retire"):
        planned(document)


@pytest.mark.parametrize(("costing", "cost", "period"), [("upfront", -400, 1), ("annuity", -160, 0)])
def test_what_is_received_counts_as_what_is_paid(costing: str, cost: float, period: int) -> None:
    """80 now or 100 a quarter later, for modules with a year left: upfront 4 x 100; as annuities the part of the year
    that lies in the horizon, 80 x 2/4 or 100 x 1/3."""
    row = OLD | {"may_retire": True, "retire": "2028-01-01"}
    document = bare(2, [row], [[0, 0]], costing=costing)
    document["module_types"][0]["resale_price"] = [80, 100]
    plan = planned(document)
    assert plan.certificate["objective"] == pytest.approx(cost)
    assert leaving(plan) == [(period, 4, "", -1)]


@pytest.mark.parametrize(("retire", "away", "cost"), [(None, 1, 2003), ("2027-07-01", 1, 3003), (None, 0, 6)])
def test_modules_move_to_where_the_work_is(retire: str | None, away: int, cost: float) -> None:
    """Two units wanted for three quarters, one module of each site; one moves for 3 and is out of use meanwhile.

    It serves from the second quarter to the end of its own life; with nothing out of use all is served (two moves).
    """
    here = {"site": "here", "module_type": "old", "modules": 2, "may_move_to": ["there"], "retire": retire}
    wanted = [[2, 2, 2]] if away == 0 else [[2, 1, 1]]
    document = bare(3, [here], wanted)
    document["module_types"][1]["supply"] = 0
    document["module_types"][0] |= {"moving_cost": 3, "moving_periods": away}
    plan = planned(document)
    # without time away both move at once; with it the first quarter stays unserved, and what ends early is short later
    assert plan.certificate["objective"] == pytest.approx(cost)
    stock = plan.tables["stock"]
    assert (stock[stock["site"] == "there"]["period"].min(), len(stock) > 0) == (away, True)


def test_what_leaves_early_is_the_same_in_every_future_until_they_part() -> None:
    """3 or 13 units from the second quarter: 13 want all four replaced (3 new ones and one old serve 13), 3 none.

    Before they part nothing need be decided; after it each future retires what it needs.
    """
    document = bare(2, [OLD | {"may_retire": True}], [[3, 3], [3, 13]], commit_periods=1)
    document["module_types"][0]["resale_price"] = -7
    plan = planned(document)
    assert plan.certificate["objective"] == pytest.approx((3 * 50 + 3 * 7) / 2)
    assert plan.tables["departures"][["branch", "period", "modules"]].to_numpy().tolist() == [[1, 1, 3]]
    together = planned(bare(2, [OLD | {"may_retire": True}], [[3, 3], [3, 13]]))
    assert set(together.tables["departures"]["branch"]) == {-1}
    known_early = plan.tables["departures"].assign(period=0, date=plan.case.horizon.start, freed_mw=0.3)
    broken = {c.id for c in verify(plan.case, plan.demand, plan.tables | {"departures": known_early}).broken}
    assert "nonanticipativity" in broken


def test_the_verifier_sees_what_may_not_leave() -> None:
    document = bare(2, [OLD | {"may_retire": True, "may_move_to": ["here"]}], [[10, 10]])
    plan = planned(document)
    table = plan.tables["departures"]

    def broken(**changes: Any) -> set[str]:
        changed = plan.tables | {"departures": table.assign(**changes)}
        return {c.id for c in verify(plan.case, plan.demand, changed).broken}

    assert "departures" in broken(modules=5)
    assert "departures.allowed" in broken(to_site="here", period=1, in_service_period=2)
    assert "departures.allowed" in broken(to_site="there")
    stays = Case.model_validate(bare(2, [OLD], [[10, 10]]))
    assert {c.id for c in verify(stays, plan.demand, plan.tables).broken} >= {"departures.allowed"}


def test_a_case_without_departures_is_the_program_that_it_was() -> None:
    case = Case.model_validate(bare(2, [OLD], [[10, 10]]))
    program = build_program(case, given_demand(case))
    assert program.layout.columns["departures"].size == 0
    assert "departures" not in program.layout.rows


@pytest.mark.parametrize("seed", [12, 17, 19])
def test_more_freedom_never_costs_more(seed: int) -> None:
    """Held, retired, retired or moved: each at most what the one before it costs."""
    document, costs = random_case(seed), []
    for flags in ({"may_retire": False, "may_move_to": []}, {"may_retire": True, "may_move_to": []},
                  {"may_retire": True, "may_move_to": ["s1"]}):  # fmt: skip
        case = Case.model_validate(document | {"fleet": [row | flags for row in document["fleet"]]})
        costs.append(
            plan_demand(case, given_demand(case), limits=Limits(seconds=60, gap=1e-7))[0].certificate["objective"]
        )
    assert costs[1] <= costs[0] * (1 + 1e-6)
    assert costs[2] <= costs[1] * (1 + 1e-6)


def hourly(small: Any, **more: Any) -> dict[str, Any]:
    """The small case with too little power at one site, a price of energy below 0, and everything free to leave."""
    fleet = [
        {"site": "sh", "module_type": "a", "modules": 12, "may_retire": True, "may_move_to": ["zw"]},
        {"site": "zw", "module_type": "a", "modules": 10, "may_retire": True},
    ]
    document: dict[str, Any] = small(fleet=fleet, sites__0__power_mw=1.2, sites__1__power_mw=1.6, **more)
    del document["sites"][0]["phases"]
    document["module_types"][0] |= {"resale_price": [-1e6, 5e6, 4e6], "moving_cost": 2e5}
    document["tariffs"][1]["prices_per_kwh"]["valley"] = -0.2
    return document


def test_fixed_orders_are_dispatched_with_what_left(small: Any) -> None:
    case = Case.model_validate(hourly(small))
    plan = make_plan(case, demand=given_demand(case), limits=Limits(seconds=20, gap=1e-3))
    assert set(plan.tables["departures"]["to_site"]) == {"", "zw"}
    with ThreadPoolExecutor(1) as here:
        found = evaluate(plan, plan.demand, here)
    assert float(found.total[0]) == pytest.approx(plan.certificate["objective"], rel=1e-6)


def test_every_route_finds_them(small: Any) -> None:
    """In one piece, by decomposition, and for two futures that are the same one: each above the others' bounds."""
    case = Case.model_validate(hourly(small))
    demand = given_demand(case)
    parted = Case.model_validate(hourly(small, horizon__commit_periods=1))
    two = replace(demand.only([0, 0]), probability=np.array([0.5, 0.5]))
    plans = [
        plan_demand(which, of, limits=Limits(seconds=30, gap=2e-3, route=route), measured=False)[0].certificate
        for which, of, route in ((case, demand, "one_piece"), (case, demand, "benders"), (parted, two, "benders"))
    ]
    least, bound = min(p["objective"] for p in plans), max(p["bound"] for p in plans)
    assert bound <= least * (1 + 1e-6)
    assert max(p["objective"] for p in plans) <= least * 1.005


def test_a_walk_lets_modules_go_and_does_not_call_them_back() -> None:
    """Each quarter planned anew: what was retired stays away, and what was moved stands where it went."""
    document = bare(3, [OLD | {"may_retire": True}], [[4, 10, 13]])
    document["module_types"][0]["resale_price"] = -7
    case = Case.model_validate(document)
    truth = given_demand(case)

    def known(period: int) -> Demand:
        return later_demand(truth, period)

    walk = adaptive_walk(case, known, truth, Stochastic(kind="stochastic"), limits=EXACT)
    table = walk.plan.tables["departures"]
    assert int(table["modules"].sum()) == 3
    assert walk.cost == pytest.approx(3 * 57)


@pytest.mark.parametrize(
    ("row", "pointer", "found"),
    [
        ({"may_move_to": ["there"]}, "/fleet/0", "may_move_to there of modules at there"),
        ({"may_move_to": ["here", "here"]}, "/fleet/0", "may_move_to here, here"),
        ({"may_move_to": ["nowhere"]}, "/fleet/0/may_move_to/0", "unknown site nowhere"),
    ],
)
def test_what_may_not_be_written(row: dict[str, Any], pointer: str, found: str) -> None:
    with pytest.raises(CaseError) as caught:
        case_from(bare(2, [OLD | row], [[1, 1]]))
    assert [(f.where, found in f.found) for f in caught.value.faults] == [(pointer, True)]


def test_prices_that_nobody_pays_are_told() -> None:
    document = bare(2, [OLD], [[1, 1]])
    document["module_types"][0] |= {"resale_price": 10, "moving_cost": 3}
    told = {w.pointer for w in warnings(Case.model_validate(document))}
    assert {"/module_types/0/resale_price", "/module_types/0/moving_cost"} <= told
    document["module_types"][0]["resale_price"] = 1e5
    document["fleet"][0]["may_retire"] = True
    told = {w.pointer for w in warnings(Case.model_validate(document))}
    assert "/module_types/0/resale_price" in told


def test_why_not_is_asked_of_what_leaves_as_of_orders() -> None:
    """Two leave: none at all leaves 6 units unserved; a third one costs its removal and another new one."""
    document = bare(1, [OLD | {"may_retire": True}], [[10]])
    document["module_types"][0]["resale_price"] = -7
    plan = planned(document)

    def asked(**question: Any) -> Change:
        return why_not(plan, Question(decision="departures", **question), limits=EXACT)

    kept = asked(sense="at_most", modules=0, site="there")
    assert kept.cost == pytest.approx(6000 - 114)
    assert kept.departures[["to_site", "before", "after"]].to_numpy().tolist() == [["", 2, 0]]
    more = asked(modules=3, module_type="old", period=0)
    assert (more.cost, more.by_term["departures"]) == (pytest.approx(57), pytest.approx(7))
    assert asked(modules=2).already
    assert "leaving there early" in kept.sentence(wording("en"), "CNY")
    with pytest.raises(PlanError, match="may not leave"):
        asked(site="here")


def test_the_build_ahead_ratio_counts_what_is_left() -> None:
    """Two old and two new ones serve the 10 units that are asked for, and no more."""
    plan = planned(bare(1, [OLD | {"may_retire": True}], [[10]]))
    inst = make_instance(plan.case, plan.demand)
    assert reached_by(inst, whole_of(plan))[0] == pytest.approx([1.0])
    assert plan.tables["capacity"]["build_ahead_ratio"].tolist() == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("rule", "modules", "cost"),
    [(BringForward(kind="bring_forward", periods=1), 2, 114), (Ratio(kind="ratio", ratio=1.3), 3, 171)],
)
def test_rules_that_order_otherwise_let_go_what_that_takes(
    rule: BringForward | Ratio, modules: int, cost: float
) -> None:
    """4 units, then 10: two old ones make room for two new ones in the second quarter. A quarter earlier they have to
    leave a quarter earlier; 1.3 times as much (6 units, then 13) takes a third of each, the first at once."""
    document = bare(2, [OLD | {"may_retire": True}], [[4, 10]])
    document["module_types"][0]["resale_price"] = -7
    case = Case.model_validate(document)
    plan = plan_rule(rule, make_world(case, given_demand(case), evaluation_futures=None), limits=EXACT)
    for table, period in (("orders", "arrival_period"), ("departures", "period")):
        rows = plan.tables[table]
        assert (int(rows[period].min()), int(rows["modules"].sum())) == (0, modules)
    assert plan.certificate["objective"] == pytest.approx(cost)


def test_a_fleet_with_other_rows_is_planned_anew() -> None:
    """What left the plan's fleet stays in one that holds it, and goes from one with a row before it."""
    document = bare(1, [OLD | {"may_retire": True}], [[10]])
    document["module_types"][0]["resale_price"] = -7
    plan = planned(document)
    elsewhere = {"site": "here", "module_type": "old", "modules": 1, "may_retire": True}
    held = what_if(plan, {"fleet": [OLD]}, limits=EXACT)
    assert held.cost == pytest.approx(6000 - 114)
    more = what_if(plan, {"fleet": [elsewhere, OLD | {"may_retire": True}]}, limits=EXACT)
    assert (more.cost, len(more.departures)) == (pytest.approx(0), 0)


def test_a_plan_of_another_fleet_is_not_near() -> None:
    """As in a comparison of a large case with a world in which the fleet has other rows that may leave."""
    free = planned(bare(1, [OLD | {"may_retire": True, "may_move_to": ["here"]}], [[10]]))
    for row, cost in ((OLD | {"may_retire": True, "may_move_to": ["here"]}, 100), (OLD, None)):
        case = Case.model_validate(bare(1, [row], [[10]]))
        world = make_world(case, given_demand(case), evaluation_futures=None)
        begin = Begin(near=(free,), search=False)
        if cost is None:
            with pytest.raises(StoppedError, match="no plan within"):
                plan_rule(JustInTime(), world, begin)
        else:
            assert plan_rule(JustInTime(), world, begin).certificate["objective"] == pytest.approx(cost)


def test_what_stands_lasts_with_all_that_stands() -> None:
    """Four units stand where two and three are wanted, and serve more, whatever selling some of them would bring."""
    document = bare(2, [OLD | {"may_retire": True, "may_move_to": ["here"]}], [[2, 3]])
    document["module_types"][0] |= {"resale_price": 500, "opex": 10}
    plan = planned(document)
    assert len(plan.tables["departures"])
    found = headroom(plan, limits=EXACT)
    assert found.plan.tables["departures"].empty
    assert found.multiples == pytest.approx([2.0, 4 / 3])
    assert found.rows["earliest"].tolist() == [2]


def test_room_is_made_for_what_arrives_while_they_would_stand() -> None:
    """Sold at once; the new ones arrive when the old ones would have been gone for a quarter, or would still stand."""
    for retire, said in (("2027-07-01", False), ("2027-10-01", True)):
        document = bare(4, [OLD | {"may_retire": True, "retire": retire}], [[0, 0, 8, 8]])
        document["module_types"][0]["resale_price"] = [5, 0, 0, 0]
        document["module_types"][1]["capex"] = [1e3, 1e3, 50, 50]
        plan = planned(document)
        assert plan.tables["orders"]["arrival_period"].tolist() == [2]
        assert plan.tables["departures"]["period"].tolist() == [0]
        assert ("enough for" in departure_drivers(plan)["sentence"][0]) == said


def test_it_is_said_what_they_free_and_for_what() -> None:
    document = bare(1, [OLD | {"may_retire": True}], [[10]])
    document["module_types"][0] |= {"resale_price": -7, "opex": 3}
    plan = planned(document)
    told = plan_content(View.of(plan, "en"), plan)
    assert told.drivers[-1] == (
        "Retiring 2 Old modules at there from 2027Q1 frees 0.2 MW, enough for the 2 New modules that arrive there in "
        "2027Q1; otherwise there would draw 0.60 MW then, and has 0.40 MW. The removal costs 14 CNY. "
        "To operate on would cost another 6 CNY in the horizon, energy aside."
    )
    line = "Retired early over the horizon: 2 modules, the first on 2027-01-01; removal less what is received: 14 CNY."
    assert line in told.answer_lines
    assert [s.tables[0].rows[0][3:5] for s in told.sections if s.id == "departures"] == [["2", "retired"]]
    assert told.cash is not None
    chinese = plan_content(View.of(plan, "zh-CN"), plan)
    assert "退役 2 个 Old 模块，释放 0.2 MW，足够 2027Q1 到货的 2 个 New 模块使用" in chinese.drivers[-1]
    book = openpyxl.load_workbook(BytesIO(workbook(plan, "en")))
    sheet = book[wording("en")("book.departures")]
    assert [cell.value for cell in sheet[2]][1:5] == ["there", "Old", 2, "retired"]
    bound = openpyxl.load_workbook(BytesIO(workbook(planned(bare(1, [OLD], [[4]])), "en")))
    assert wording("en")("book.departures") not in bound.sheetnames
