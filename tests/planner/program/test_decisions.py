"""No decision is lost: every whole column of a rich case survives plan, tables, decisions and a held program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.demand.horizon import given_demand
from planner.explain.worth import priced_program
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed, settled
from planner.planning import make_plan, warm_start
from planner.program.blocks import flatten
from planner.program.build import build_program
from planner.program.decisions import DECISIONS, completed, of_size, placed_decisions, purchases, whole_decisions
from planner.rules.neighbour import held_plan, projected, whole_of
from planner.solve import Limits, solve_lp

Document = Callable[..., dict[str, Any]]
EXACT = Limits(seconds=60, gap=1e-6)


LEASE = {"id": "l", "site": "sh", "module_type": "b", "price_per_module_period": 1e5, "maximum_modules": 2,
         "minimum_term_periods": 2, "uses_site_power": False}  # fmt: skip
CAMPAIGN = {"id": "c", "names": "C", "gang_cards": 500, "card_days": 20000, "earliest": 1, "due": 2,
            "speed": {"a": 1, "b": 3}, "value": 9e8}  # fmt: skip


def rich(small: Document, **more: Any) -> Case:
    """Order charges, phases, a candidate site, a lease, gangs, a campaign and a limit on types, all of them in use."""
    changes: dict[str, Any] = {
        "sites__1__status": "candidate",
        "sites__1__opening_cost": 1e6,
        "sites__0__power_mw": 1.6,
        "fleet": [
            {"site": "sh", "module_type": "a", "modules": 12},
            {"site": "sh", "module_type": "a", "modules": 2, "may_retire": True, "may_move_to": ["zw"]},
        ],
        "module_types__0__resale_price": 3e8,
        "module_types__0__order_cost": 1e5,
        "module_types__1__min_order": 2,
        "leases": [LEASE],
        "agreements": [
            {"id": "f", "module_types": ["a"], "commitment": 1, "breaks": [{"from_modules": 1, "discount": 0.3}]}
        ],
        "campaigns": [CAMPAIGN],
        "workloads__2__shortfall_cost": 9000,
        "workloads__0__large_pools": {"a": {"utilisation": 0.9, "spare_cards": 40}},
        "policy": {"max_module_types": {"sh": 2, "zw": 1}, "build_ahead": {"minimum": 0.2}},
    }
    return Case.model_validate(small(**changes | more))


def made(case: Case) -> Plan:
    return make_plan(case, demand=given_demand(case), limits=EXACT)


@pytest.fixture(name="plan")
def rich_plan(small: Document) -> Plan:
    return made(rich(small))


def test_every_whole_column_has_a_record_and_the_other_way_round(small: Document) -> None:
    case = rich(small)
    program = build_program(case, given_demand(case))
    columns = program.layout.columns
    whole = {name for name, at in columns.items() if at.size and program.master.integer[at[at >= 0]].any()}
    assert whole == set(whole_decisions())
    assert set(DECISIONS) <= set(columns)


def test_a_plan_keeps_every_decision_through_its_tables(plan: Plan) -> None:
    assert all(check["ok"] for check in plan.checks)
    values = decisions_of(plan).values
    assert set(values) == set(DECISIONS)
    assert [name for name in whole_decisions() if not values[name].any()] == []  # the case uses them all
    program = build_program(plan.case, plan.demand)
    held = settled(fixed(program, values, whole_decisions()))
    assert not held.master.integer.any()
    again = solve_lp(flatten(held))
    assert again.status == "optimal"
    assert again.objective * program.money_unit == pytest.approx(plan.certificate["objective"], rel=1e-6)


def test_a_warm_start_breaks_no_row_of_the_master(plan: Plan) -> None:
    master = build_program(plan.case, plan.demand, merge_steps=1).master
    x = warm_start(plan).x
    decided = np.zeros(master.columns, bool)
    program = build_program(plan.case, plan.demand, merge_steps=1)
    for name in DECISIONS:
        index = program.layout.columns[name]
        decided[index[index >= 0]] = True
    rows = np.flatnonzero(np.diff(master.matrix.indptr) == (master.matrix[:, decided] != 0).sum(axis=1).A1)
    value = master.matrix[rows] @ x
    assert len(rows) > 20
    assert (value >= master.row_lower[rows] - 1e-6).all()
    assert (value <= master.row_upper[rows] + 1e-6).all()


def test_decisions_held_by_a_comparison_give_the_same_plan(plan: Plan) -> None:
    held = held_plan(plan.case, plan.demand, whole_of(plan))
    assert held is not None
    assert held.certificate["objective"] == pytest.approx(plan.certificate["objective"], rel=1e-6)
    near = projected(plan.case, plan.demand, whole_of(plan))
    assert near is not None
    for name in (n for n in whole_decisions() if DECISIONS[n].weight > 0):  # the rest follows, or is an example
        np.testing.assert_allclose(near[name], whole_of(plan)[name], err_msg=name)


def test_prices_are_those_of_the_program_with_every_limit(plan: Plan) -> None:
    program = build_program(plan.case, plan.demand)
    priced = priced_program(program, plan)
    values = decisions_of(plan).values
    for name in (d.id for d in DECISIONS.values() if d.held_for_prices):
        index = program.layout.columns[name]
        real = index >= 0
        expected = np.broadcast_to(values[name], index.shape)[real]
        np.testing.assert_allclose(priced.master.lower[index[real]], expected, err_msg=name)
        np.testing.assert_allclose(priced.master.upper[index[real]], expected, err_msg=name)


def test_what_follows_is_worked_out_again_after_a_change(plan: Plan) -> None:
    values = dict(whole_of(plan))
    orders = values["orders"].copy()
    assert orders.any()
    changed = completed(plan.case, {**values, "orders": np.zeros_like(orders)})
    assert not changed["order_on"].any()
    standing = changed["stock"].sum()
    assert standing == pytest.approx(12 * plan.case.horizon.periods)  # the two that may leave did so
    assert completed(plan.case, changed | {"orders": orders})["type_present"].sum() >= changed["type_present"].sum()


def test_the_records_answer_what_lists_were_kept_for() -> None:
    assert set(purchases()) == {"orders", "order_on", "agreement_signed", "break_reached", "phases", "openings"}
    assert set(placed_decisions()) == {"orders", "order_on", "gangs", "large_pool", "type_present", "ahead_gangs"}
    assert set(of_size("great")) | set(of_size("near")) | set(of_size("switch")) == set(whole_decisions())


def test_a_site_has_no_more_types_than_it_may(small: Document) -> None:
    """Two types serve cheaper than one: the limit costs something, is kept, and is met by the cheaper of the two."""
    free = made(rich(small, policy={}))
    limited = made(rich(small, policy={"max_module_types": {"sh": 1}}))
    assert limited.certificate["objective"] > free.certificate["objective"]

    def types(plan: Plan) -> int:
        stock = plan.tables["stock"]
        here = stock[(stock["site"] == "sh") & (stock["owned"] + stock["leased"] > 0)]
        return int(here.groupby("period")["module_type"].nunique().max())

    assert types(free) == 2
    assert types(limited) == 1


def test_the_verifier_sees_a_type_too_many(small: Document) -> None:
    from planner.verify import verify

    free = made(rich(small, policy={}))
    case = rich(small, policy={"max_module_types": {"sh": 1}})
    report = verify(case, free.demand, free.tables)
    assert {check.id for check in report.checks if not check.ok} == {"type_count"}


def test_futures_may_differ_in_types_only_where_orders_may(small: Document) -> None:
    case = rich(small, horizon__commit_periods=1)
    two = replace(given_demand(case).only([0, 0]), probability=np.array([0.5, 0.5]))
    program = build_program(case, two)
    assert program.layout.columns["type_present"].shape[0] == 2
