"""Tables of answers: what is not known is a dash, ranges are rounded outwards, notes are in the reader's language."""

from __future__ import annotations

from typing import Any

import pytest

from planner.plan import Plan
from planner.report.questions import answer_tables
from planner.words.wording import wording

Json = dict[str, Any]


def sensitivity(**told: Any) -> Json:
    row = {"change": "prices", "change_zh": "价格", "difference": None, "least": None, "most": None, "modules": 0}
    return row | {"same_first_orders": 0, "note": "no room", "note_zh": "没有空间"} | told


@pytest.mark.parametrize(("language", "change", "note"), [("en", "prices", "no room"), ("zh-CN", "价格", "没有空间")])
def test_a_world_without_a_plan_has_no_numbers(charted: Plan, language: str, change: str, note: str) -> None:
    words = wording(language)
    rows = [sensitivity(), sensitivity(difference=1e6, least=999_990.0, most=None, modules=3, note="", note_zh="")]
    (table,) = answer_tables("sensitivity", {"rows": rows}, charted.case, words)
    assert table.rows[0] == [change, "–", note, "–", "–"]
    down = words.money(999_990.0, "CNY", rounded="down")
    assert table.rows[1] == [change, words.money(1e6, "CNY"), f"{down} … –", "3", words("ask.other")]


def test_an_alternative_of_which_nothing_is_proven(charted: Plan) -> None:
    case, words = charted.case, wording("en")
    site, kind = case.sites[0], case.module_types[0]
    one = {"quality": "fewest_sites", "before": 3, "after": 2, "extra_cost_share": 0.01, "modules_moved": 4}
    one |= {"extra_least": None, "extra_most": 0.01001}
    one["orders"] = [{"site": site.id, "module_type": kind.id, "arrival_period": 1, "modules": 4}]
    found = answer_tables("alternatives", {"epsilon": 0.02, "rows": [one]}, case, words)
    assert found[0].rows[0][4] == "– … 1.01 %"
    assert found[1].rows == [[words.name(site.names), words.name(kind.names), case.horizon.period_label(1), "4"]]


def test_what_leaves_is_named(charted: Plan) -> None:
    case, words = charted.case, wording("en")
    (site, *_), (kind, *_) = case.sites, case.module_types
    gone = {"site": site.id, "module_type": kind.id, "to_site": "", "period": 0, "before": 0, "after": 2}
    answer = {"by_term": {"capex": 5e6, "energy": 1.0}, "orders": [], "interchangeable": False, "departures": [gone]}
    terms, leaving = answer_tables("what_if", answer, case, words)
    assert terms.rows == [[words("term.capex"), words.money(5e6, "CNY")]]
    label = case.horizon.period_label(0)
    assert leaving.rows == [[words.name(site.names), words.name(kind.names), "–", label, "0", "2"]]
