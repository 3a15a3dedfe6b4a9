"""What the pages show, made from a true plan, outlook and back-test: every chart with its table, in both languages."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from api.http import examples
from api.jobs.task import Task, WorkError
from api.work import pages as work
from api.work import plan_content, replay_content
from api.work.forecast_content import weekly_peaks
from api.work.replay import save_tables
from forecasts.history import History
from forecasts.outlook import SeriesKey
from planner.case.file import case_from, dump_case
from planner.plan import Plan
from planner.planning import make_plan
from planner.replay import from_table, replay
from planner.report.figures import backtest_scores
from planner.solve.limits import Limits
from planner.words.wording import wording

Json = dict[str, Any]


@pytest.fixture(scope="module")
def plan() -> Plan:
    case = case_from(copy.deepcopy(examples.CASE))
    return make_plan(case, limits=Limits(seconds=60, gap=0.05, threads=1, route="one_piece"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_plans_page_has_every_chart_with_its_table(plan: Plan, tmp_path: Path, language: str) -> None:
    (tmp_path / "charts").mkdir()
    plan.save(tmp_path / "plan")
    plan_content.write(Task("plan", {"language": language}, {"result": tmp_path / "plan"}), tmp_path)
    found = json.loads((tmp_path / "content.json").read_text())
    assert found["checks_ok"]
    assert found["answer"]
    assert len(found["drivers"]) == len(plan.tables["orders"])
    shown = [chart for section in found["sections"] for chart in section["charts"]]
    assert len(shown) >= 8
    for chart in shown:
        kept = json.loads((tmp_path / "charts" / f"{chart['id']}.json").read_text())
        assert kept["picture"] == chart["picture"]
        assert "<svg" in kept["picture"]
        assert kept["table"]["rows"]
        assert all(len(row) == len(kept["table"]["columns"]) for row in kept["table"]["rows"])
    tide = next(section for section in found["sections"] if section["id"] == "tide")
    files = {path.stem for path in (tmp_path / "charts").glob("*.json")}
    assert {f"tide-{by}-{choice['id']}" for by in ("workload", "site") for choice in tide["choices"]} <= files


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_replay_is_answered_with_what_was_served(plan: Plan, tmp_path: Path, language: str) -> None:
    days = 20  # longer than a fortnight: the chart is by day
    rows = [
        {"timestamp": stamp, "region": plan.case.regions[0].id, "workload": "chat", "value": 1e6}
        for stamp in pd.date_range(plan.case.horizon.start, periods=24 * days, freq="h")
    ]
    result = replay(plan.case, plan.tables, from_table(plan.case, pd.DataFrame(rows)))
    save_tables(result.tables, tmp_path / "result" / "tables")
    case = tmp_path / "case.json"
    case.write_text(json.dumps(dump_case(plan.case)))
    (tmp_path / "charts").mkdir()
    replay_content.write(
        Task("replay", {"language": language}, {"result": tmp_path / "result", "case": case}), tmp_path
    )
    found = json.loads((tmp_path / "content.json").read_text())
    service = result.tables["service"]
    share = service["served_unit_hours"].sum() / service["demand_unit_hours"].sum()  # one workload asks for anything
    assert share < 1
    assert wording(language).percent(share, 2) in found["sentences"][0]
    assert str(days) in found["sentences"][0]
    (chart,) = found["charts"]
    drawn = json.loads((tmp_path / "charts" / f"{chart['id']}.json").read_text())
    assert len(drawn["table"]["rows"]) == days
    assert len(found["service"]["rows"]) == len(plan.case.workloads)


def test_work_that_no_page_knows_is_refused(tmp_path: Path) -> None:
    from threading import Event

    with pytest.raises(WorkError, match="not known"):
        work.run(Task("os", {}, {}), tmp_path, lambda said: None, Event())


def test_weekly_peaks_are_those_of_whole_weeks_before_the_forecast() -> None:
    hours = 24 * 17
    index = pd.date_range("2026-11-02", periods=hours, freq="h")
    values = np.arange(hours, dtype=float)
    values[hours - 170 : hours - 168] = np.nan
    history = History((SeriesKey("east", "chat"),), index, values[None, :], np.ones(1))
    peaks, start = weekly_peaks(history, 0, datetime(2026, 11, 19))
    assert start == datetime(2026, 11, 5)
    assert peaks is not None
    assert peaks.tolist() == [hours - 171, hours - 1]
    assert weekly_peaks(history, 0, datetime(2026, 11, 5)) == (None, None)


def test_back_test_scores_stand_worst_first_beside_one() -> None:
    row = {"mase": 0.8, "coverage80": 0.81, "coverage95": 0.95, "peak_bias": -0.02}
    series = [
        row | {"region": "east", "workload": "chat", "rel": 0.7},
        row | {"region": "all", "workload": "batch", "rel": 1.2},
        row | {"region": "north", "workload": "chat", "rel": None},
    ]
    chart = backtest_scores({"hours": 168, "rel": 0.9, "series": 3, "by_series": series}, wording("en"))
    bars = chart.figure.data[0]
    assert list(bars.y) == ["batch", "east / chat", "north / chat"]
    assert bars.marker.color[0] != bars.marker.color[1]
    assert chart.figure.layout.shapes[0].x0 == 1
    assert chart.table.iloc[:, 3].tolist()[:2] == [1.2, 0.7]
    json.dumps(chart.body(), allow_nan=False)
