"""Two plans side by side, the second one changed by hand."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from planner.case.errors import PlanError
from planner.demand import Demand
from planner.plan import Plan
from planner.report.side_by_side import TABLES, SideBySide, side_by_side
from planner.words.wording import wording


def changed(plan: Plan) -> Plan:
    """Dearer by 400 k on arrival of one more module, a site with a little more power, chat half as much again."""
    orders = plan.tables["purchases"].copy()
    one = orders.index[orders["kind"] == "module"][0]
    orders.loc[one, ["count", "price"]] = [orders.loc[one, "count"] + 1, orders.loc[one, "price"] + 400_000.0]
    terms = {**plan.summary["cost_by_term"], "capex": plan.summary["cost_by_term"]["capex"] + 400_000.0}
    sites = [s.model_copy(update={"power_mw": 2.5}) if s.id == "far" else s for s in plan.case.sites]
    values = plan.demand.values.copy()
    values[:, 0] *= 1.5
    d = plan.demand
    return replace(
        plan,
        case=plan.case.model_copy(update={"sites": sites}),
        demand=Demand(d.probability, values, d.days, d.p50_peak, d.p90_peak, d.notes, d.central),
        tables={**plan.tables, "purchases": orders},
        summary={**plan.summary, "cost": plan.summary["cost"] + 400_000.0, "cost_by_term": terms},
    )


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_difference_is_found_and_nothing_else(charted: Plan, language: str) -> None:
    words = wording(language)
    found = side_by_side(charted, changed(charted), words)
    assert len(found.orders) == 1
    row = found.orders.iloc[0]
    assert row[words("apart.second")] - row[words("apart.first")] == 1
    change = found.costs.iloc[:, 3].to_numpy(float)
    assert change[:-1].sum() == pytest.approx(change[-1])
    assert list(found.case[words("report.field")]) == ["/sites/far/power_mw"]
    assert list(found.case.iloc[0])[1:] == ["2.0", "2.5"]
    assert len(found.demand) == 3
    assert set(found.demand.iloc[:, 4]) == {words.percent(0.5)}
    assert words("apart.demand") in found.sentences[2]
    assert words.money(400_000.0, "CNY") in found.sentences[0]
    open_ = charted.certificate["objective"] - charted.certificate["bound"]
    assert (words("apart.within_proofs", gap=words.money(open_, "CNY", rounded="up")) in found.sentences[0]) == (
        open_ >= 400_000
    )


def test_every_table_is_listed() -> None:
    assert {"sentences", *TABLES} == {one.name for one in fields(SideBySide)}


def test_a_field_that_one_case_leaves_empty_is_told_once(charted: Plan) -> None:
    kind, *others = charted.case.module_types
    there = kind.model_copy(update={"opex_at": {"far": 7.0}})
    other = replace(charted, case=charted.case.model_copy(update={"module_types": [there, *others]}))
    rows = side_by_side(charted, other, wording("en")).case
    assert rows.to_numpy().tolist() == [[f"/module_types/{kind.id}/opex_at/far", "–", "7.0"]]


def test_a_plan_beside_itself_differs_in_nothing(charted: Plan) -> None:
    words = wording("en")
    found = side_by_side(charted, charted, words)
    assert found.sentences[1:] == [
        words("apart.same_orders"), f"{words('apart.same_case')} {words('apart.same_demand')}",
    ]  # fmt: skip
    assert not len(found.orders)
    assert not len(found.case)
    assert not len(found.demand)
    assert not found.costs.iloc[:, 3].any()


def test_plans_in_two_currencies_are_not_subtracted(charted: Plan) -> None:
    meta = charted.case.meta.model_copy(update={"currency": "EUR"})
    other = replace(charted, case=charted.case.model_copy(update={"meta": meta}))
    with pytest.raises(PlanError, match="CNY, EUR"):
        side_by_side(charted, other, wording("en"))
