"""Plan against actual: what is due is asked for until it is done; demand is held against the plan's futures."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from planner.plan import Plan
from planner.report.against import against
from planner.words.wording import wording


def entry(kind: str, place: str, what: str, day: str, amount: float) -> dict[str, Any]:
    return {"kind": kind, "place": place, "what": what, "day": day, "amount": amount}


@pytest.fixture
def first(charted: Plan) -> dict[str, Any]:
    """The first module order that holds in every future."""
    rows = charted.tables["purchases"]
    rows = rows[(rows["branch"] < 0) & (rows["kind"] == "module")].sort_values("order_date")
    assert len(rows)
    found: dict[str, Any] = rows.iloc[0].to_dict()
    return found


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_is_due_is_asked_for_until_it_is_done(charted: Plan, first: dict[str, Any], language: str) -> None:
    words = wording(language)
    site, kind, day = str(first["site"]), str(first["item"]), str(first["order_date"])[:10]
    rows = charted.tables["purchases"]
    same = (rows["branch"] < 0) & (rows["site"] == site) & (rows["item"] == kind)
    due = float(rows.loc[same & (rows["order_date"].astype(str) <= day), "count"].sum())
    name = {s.id: words.name(s.names) for s in charted.case.sites}[site]
    today = date.fromisoformat(day)

    def missing(*entries: dict[str, Any]) -> list[str]:
        said = against(charted, entries, today, words).now
        return [line for line in said if name in line and words.number(due) in line and day in line]

    before = against(charted, [], today - timedelta(days=1), words)
    assert before.now[0] == words("against.nothing_due", day=(today - timedelta(days=1)).isoformat())
    assert any(day in line for line in before.now[1:]), "what comes next is named with its day"
    assert len(missing()) == 1
    half = entry("ordered", site, kind, day, due - 1)
    assert len(missing(half)) == 1
    assert missing(half, entry("ordered", site, kind, day, 1)) == []
    over = against(charted, [entry("ordered", site, kind, day, due + 2)], today, words).now
    assert words.number(2.0) in over[0]


def test_quarters_add_up_to_all_that_is_certain(charted: Plan, first: dict[str, Any]) -> None:
    words = wording("en")
    rows = charted.tables["purchases"]
    certain = rows[(rows["branch"] < 0) & (rows["kind"] == "module")]
    late = entry("delivered", str(first["site"]), str(first["item"]), str(first["arrival_date"])[:10], 1)
    table = against(charted, [late], date(2000, 1, 1), words).tables[0]
    assert len(table.rows) == charted.case.horizon.periods
    assert float(table.rows[-1][1].replace(",", "")) == certain["count"].sum()
    assert table.rows[-1][4] == "1"
    assert [row[2] for row in table.rows] == ["0"] * len(table.rows)


def test_demand_is_held_against_the_futures_of_the_plan(charted: Plan) -> None:
    words, case, demand = wording("en"), charted.case, charted.demand
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    mean = np.einsum("fwrtdh,tdh->fwrt", demand.values, hours) / hours.sum(axis=(1, 2))
    most = float(mean[:, 0].sum(axis=1)[:, 0].max())
    workload, day = case.workloads[0].id, case.horizon.start.isoformat()
    told = [
        against(charted, [entry("demand", "", workload, day, most * share)], case.horizon.start, words)
        for share in (0.001, 1.0, 1.5)
    ]
    wanted = ("below every future", None, "above every future")
    for found, said in zip(told, wanted, strict=True):
        assert any("every future" in line for line in found.now) == (said is not None)
        assert said is None or any(said in line for line in found.now)
        assert len(found.tables[1].rows) == 1
    again = [entry("demand", "", workload, day, most * share) for share in (1.5, 1.0)]
    assert not any("every future" in line for line in against(charted, again, case.horizon.start, words).now)


def test_what_an_earlier_plan_ordered_is_not_held_against_this_one(charted: Plan, first: dict[str, Any]) -> None:
    words, case = wording("en"), charted.case
    since = min(case.meta.as_of, case.horizon.start)
    days = (since - timedelta(days=1), since)
    entries = [entry("ordered", str(first["site"]), str(first["item"]), day.isoformat(), 7) for day in days]
    (told, *_) = against(charted, entries, since, words).now
    assert "7 of" in told
    assert "14" not in against(charted, entries, since, words).tables[0].rows[-1]


def test_done_is_said_of_what_is_signed_whatever_comes(charted: Plan) -> None:
    words, last = wording("en"), charted.case.horizon.end
    rows = charted.tables["purchases"]
    rows = rows[(rows["branch"] < 0) & (rows["kind"] != "opening")].to_dict("records")
    entries = []
    for row in rows:
        site, amount = str(row["site"]), float(row["count"])
        if row["kind"] == "phase":
            entries.append(entry("power_ready", site, "", str(row["arrival_date"])[:10], float(row["mw"])))
            continue
        for kind, day in (("ordered", "order_date"), ("delivered", "arrival_date")):
            entries.append(entry(kind, site, str(row["item"]), str(row[day])[:10], amount))
    assert against(charted, entries, last, words).now == [words("against.done", day=last.isoformat())]
    (short,) = against(charted, entries[1:], last, words).now
    assert short != words("against.done", day=last.isoformat())
