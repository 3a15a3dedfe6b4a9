"""The answer through the command line: what stays unserved, why, what is to be signed; cases worked out by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from api.cli import app
from planner.explain.drivers import order_drivers
from planner.plan import Plan
from planner.report.report import report_html

MODULE = {"id": "m", "names": "M", "cards": 1, "peak_pflops": 1.0, "power_peak_kw": 10.0, "capex": 30_000}


def document(**more: Any) -> dict[str, Any]:
    """One site, one type of one card that serves one unit of chat; two quarters of 90 days, four units asked."""
    out: dict[str, Any] = {
        "meta": {"name": "answer", "as_of": "2026-11-28"},
        "horizon": {"start": "2027-01-01", "periods": 2, "discount_rate": 0.0, "costing": "upfront"},
        "regions": [{"id": "r", "names": "R"}],
        "sites": [{"id": "s", "names": "S", "power_mw": 5.0}],
        "module_types": [MODULE],
        "workloads": [{"id": "chat", "names": {"en": "Chat", "zh": "对话"}, "throughput": {"m": 1.0},
                       "shortfall_cost": 100}],
        "demand": demand(4),
    }  # fmt: skip
    return copy.deepcopy(out | more)


def demand(chat: Any) -> dict[str, Any]:
    return {
        "days": [{"id": "d", "weight_days": 90}],
        "step_hours": [24],
        "futures": [{"series": [{"region": "r", "workload": "chat", "values": chat}]}],
    }


def asked(case: dict[str, Any], folder: Path, *more: str) -> str:
    """What the command line says; exit code 0 is asked for."""
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(case, allow_unicode=True), encoding="utf-8")
    done = CliRunner().invoke(
        app,
        ["plan", str(path), "--gap", "1e-6", "--out", str(folder / "out"), *more],
        env={"LC_ALL": "C.UTF-8", "COLUMNS": "200"},
    )
    assert done.exit_code == 0, done.output
    return done.output


def headline(text: str) -> str:
    return next(line for line in text.splitlines() if line.strip() and not line.startswith("·"))


IN_THE_WAY = {
    "budget": ({"policy": {"budget": 0}}, "the budget (0 CNY over the horizon)"),
    "a budget below one module": ({"policy": {"budget": 29_999}}, "the budget (60 k CNY over the horizon)"),
    "domestic": ({"policy": {"domestic_share_floor": 1.0}}, "the floor on the domestic share"),
    "supply": ({"module_types": [MODULE | {"supply": 0}]}, "the supply of modules"),
    "power": ({"sites": [{"id": "s", "names": "S", "power_mw": 0.005}]}, "the power of sites"),
    "vendor": (
        {"policy": {"vendor_share_cap": {"v": 0.5}}, "module_types": [MODULE | {"vendor": "v"}]},
        "caps on vendors' shares",
    ),
    "minimum order": ({"module_types": [MODULE | {"min_order": 700}]}, "minimum orders"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(IN_THE_WAY))
def test_the_limit_in_the_way_is_named(name: str, tmp_path: Path) -> None:
    """Nothing can be ordered for one reason: all stays unserved, and that reason alone is given."""
    change, limit = IN_THE_WAY[name]
    said = headline(asked(document(**change), tmp_path))
    assert "100 % of Chat" in said
    assert "enough" not in said
    found = said.partition("each by itself: ")[2]
    names = [part.strip(" .") for part in found.split(", ")]
    # a site of .005 MW and a minimum of 700 modules at 5 MW are both too little power for so many
    allowed = {limit, "the power of sites"} if name == "minimum order" else {limit}
    assert limit in names
    assert set(names) <= allowed


def test_two_limits_together(tmp_path: Path) -> None:
    change = {"policy": {"budget": 0}, "module_types": [MODULE | {"supply": 0}]}
    assert "several do together" in headline(asked(document(**change), tmp_path))


def test_dearer_than_leaving_it(tmp_path: Path) -> None:
    """Four modules cost 120,000; 17,280 unit-hours at 2 CNY cost 34,560: serving all costs 85,440 more at least."""
    chat = document()["workloads"][0] | {"shortfall_cost": 2}
    text = asked(document(workloads=[chat]), tmp_path)
    assert headline(text).startswith("Nothing is ordered. Not served over the horizon: 100 % of Chat.")
    assert "at least 85.4 k CNY more than the plan" in headline(text)
    assert "17,280" in text


def test_the_site_that_may_serve_it_has_no_power(tmp_path: Path) -> None:
    plain = document()
    far = plain["workloads"][0] | {"residency": {"r": ["t"]}}
    sites = [*plain["sites"], {"id": "t", "names": "T", "power_mw": 0.0}]
    assert "the power of sites" in headline(asked(document(workloads=[far], sites=sites), tmp_path))


def test_before_anything_can_arrive(tmp_path: Path) -> None:
    """A lead of one quarter: the first quarter's 8,640 unit-hours could be avoided by no order."""
    text = asked(document(module_types=[MODULE | {"lead_periods": 1}]), tmp_path)
    assert "Order now, by 2027-01-01: 4 modules" in headline(text)
    assert "Not served over the horizon: 50 % of Chat" in headline(text)
    assert "8,640 PFLOPS-hours fall before 2027-04-01" in text
    plan = Plan.load(tmp_path / "out")
    assert plan.tables["unserved"]["unavoidable_unit_hours"].tolist() == [8640.0, 0.0]
    assert "nothing that is ordered can arrive before 2027-04-01" in report_html(plan, "en")


def test_served_in_full_and_nothing_to_order(tmp_path: Path) -> None:
    fleet = [{"site": "s", "module_type": "m", "modules": 4}]
    assert headline(asked(document(fleet=fleet), tmp_path)).startswith("Nothing has to be ordered")


def test_openings_and_phases_are_signed_with_date_and_price(tmp_path: Path) -> None:
    """A candidate with one phase of power: opening 5,000, phase 7,000, four modules; half of them prepaid."""
    site = {
        "id": "s", "names": "S", "status": "candidate", "opening_cost": 5_000, "power_mw": 0.0,
        "phases": [{"mw": 1.0, "capex": 7_000, "lead_periods": 1}],
    }  # fmt: skip
    module = MODULE | {"lead_periods": 1, "prepay_share": 0.5}
    case = document(sites=[site], module_types=[module], policy={"budget": [60_000, 75_000]})
    text = asked(case, tmp_path)
    plan = Plan.load(tmp_path / "out")
    bought = plan.tables["purchases"]
    assert bought[["kind", "order_period", "arrival_period", "price"]].values.tolist() == [
        ["phase", 0, 1, 7000.0],
        ["module", 0, 1, 120000.0],
        ["opening", 1, 1, 5000.0],
    ]
    assert plan.tables["cash"]["due"].tolist() == [60_000.0, 72_000.0]
    assert "To sign over the horizon: 132 k CNY" in text
    assert "1 MW of power and building" in headline(text)
    driver = order_drivers(plan).iloc[0]
    assert "budget of 2027Q1, 60,000 of 60,000 CNY due" in driver["limits"]
    assert "2027Q2" not in driver["limits"].partition("budget of 2027Q1")[2]


def test_the_same_everywhere(tmp_path: Path) -> None:
    """Headline, lines and figures of the command line are those of plan.json, report and page, in both languages."""
    from api.work.plan_content import content
    from planner.report.answer import answer
    from planner.report.figures import View

    case = document(module_types=[MODULE | {"lead_periods": 1}], policy={"budget": 90_000})
    (tmp_path / "charts").mkdir()
    for language in ("en", "zh-CN"):
        text = asked(case, tmp_path, "--language", language)
        plan = Plan.load(tmp_path / "out")
        told = answer(plan, language)
        assert told.headline in text
        assert all(line in text for line in told.lines)
        html = report_html(plan, language)
        assert told.headline in html
        page = content(plan, View.of(plan, language), tmp_path)
        assert page["answer"] == told.headline
        assert page["answer_lines"] == told.lines
    done = json.loads(asked(case, tmp_path, "--json"))
    assert done["summary"]["unserved_why"]["limits"] == ["budget"]
    assert done["summary"]["build_ahead_ratio"] == pytest.approx([0.0, 0.75])


def test_prepayments_and_branches_do_not_break_the_budget_in_words(tmp_path: Path) -> None:
    """Two futures whose late orders differ: the budget is set against what is due in one of them, not in both."""
    own = demand(4) | {
        "futures": [
            {"id": i, "probability": 0.5, "series": [{"region": "r", "workload": "chat", "values": [[[1]], [[v]]]}]}
            for i, v in (("low", 3), ("high", 4))
        ]
    }
    horizon = document()["horizon"] | {"commit_periods": 1}
    case = document(demand=own, horizon=horizon, policy={"budget": [30_000, 90_000]})
    asked(case, tmp_path)
    plan = Plan.load(tmp_path / "out")
    cash = plan.tables["cash"]
    assert (cash["due"] <= cash["budget"] + 1e-6).all()
    for text in order_drivers(plan)["limits"]:
        for part in str(text).split("; "):
            if part.startswith("budget"):
                due, budget = (float(x.replace(",", "")) for x in part.split(", ")[1].split(" CNY")[0].split(" of "))
                assert due <= budget
