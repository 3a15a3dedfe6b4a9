"""What a forecast's result and page say of forecasts like it: from the upload to sentences, charts and tables."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pytest

from api.jobs.task import Task
from api.work import pages as page
from api.work import work
from api.work.lookback_content import sentences
from planner.report.figures import peaks_against
from planner.words.wording import wording

Json = dict[str, Any]
REQUEST = {"weeks": 20, "timezone": "Asia/Shanghai", "seed": 1, "evaluation": 60}


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two series over 42 weeks: one origin a quarter before the end has enough history behind it."""
    rng = np.random.default_rng(0)
    hours = 168 * 42
    index = pd.date_range("2025-01-06", periods=hours, freq="h")
    parts = []
    for place, scale in (("east", 100.0), ("west", 40.0)):
        values = (
            scale * (1 + 0.4 * np.sin(2 * np.pi * (np.arange(hours) % 24 - 14) / 24)) * rng.lognormal(0, 0.03, hours)
        )
        parts.append(pd.DataFrame({"timestamp": index, "region": place, "workload": "chat", "value": values.round(2)}))
    path = tmp_path_factory.mktemp("history") / "history.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def result(uploaded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Json, list[str]]:
    out = tmp_path_factory.mktemp("result")
    phases: list[str] = []
    task = Task("forecast", REQUEST, {"history": uploaded})
    return out, work.run(task, out, lambda said: phases.append(said["phase"]), Event()), phases


def test_a_forecast_says_what_plans_from_it_would_have_lacked(result: tuple[Path, Json, list[str]]) -> None:
    out, summary, phases = result
    assert list(dict.fromkeys(phases)) == [
        "forecast",
        "backtest",
        "backtest_quarters",
        "page",
    ]  # each as often as it goes on
    found = json.loads((out / "backtest.json").read_text())
    back = summary["backtest"]
    (short,) = back["quarters"]["shortfall"]
    assert (short["quarters"], back["quarters"]["planned"]) == (1, 0.95)
    assert any("of 1 quarter" in text for text in back["notes"])
    assert back["week"]["rel"] == found["week"]["rel"]
    assert [row["workload"] for row in found["week"]["by_workload"]] == ["chat"]
    assert {row["region"] for row in found["week"]["by_series"]} == {"east", "west"}
    assert all(row["weights"] and row["tide_day"] > 0.5 for row in found["week"]["by_series"])
    assert [row["first"] for row in found["quarters"]["by_weeks_ahead"]] == [1, 5, 9]
    assert [row["method"] for row in found["courses"]] == summary["method"]
    assert len(found["quality"]["series"]) == 2
    peaks = pd.read_parquet(out / "peaks.parquet")
    assert set(peaks["region"]) == {"east", "west", "total"}
    assert (peaks["came"] > 0).all()


def test_without_a_look_back_there_is_none(uploaded: Path, tmp_path: Path) -> None:
    task = Task("forecast", REQUEST | {"backtest": False, "weeks": 2}, {"history": uploaded})
    summary = work.run(task, tmp_path, lambda said: None, Event())
    assert summary["backtest"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outlook.zip", "weeks.parquet"]


@pytest.mark.parametrize(("language", "word"), [("en", "ordering for the 95 %"), ("zh", "按合计峰值的 95% 分位订购")])
def test_the_page_says_it_in_words_charts_and_tables(
    uploaded: Path, result: tuple[Path, Json, list[str]], tmp_path: Path, language: str, word: str
) -> None:
    inputs = {"history": uploaded, "result": result[0]}
    page.run(Task("forecast", REQUEST | {"language": language}, inputs), tmp_path, lambda said: None, Event())
    back = json.loads((tmp_path / "content.json").read_text())["lookback"]
    assert len(back["said"]) == 1
    assert word in back["said"][0]
    charts = [*back["totals"], *back["charts"], *back["scores"]]
    assert [chart["id"] for chart in charts] == ["lookback-total-0", "lookback-0", "backtest"]
    assert [choice["id"] for choice in back["choices"]] == ["0", "1"]
    for name in ("lookback-total-0", "lookback-0", "lookback-1", "backtest"):
        assert json.loads((tmp_path / "charts" / f"{name}.json").read_text())["table"]["rows"]
    assert len(back["tables"]) == 8  # the eighth: quarters beside three simple rules
    for table in back["tables"]:
        assert table["title"]
        assert table["rows"]
        assert all(len(row) == len(table["columns"]) for row in table["rows"])


def test_shortfalls_are_said_with_their_unit() -> None:
    short = {"unit": "PFLOPS", "quarters": 7, "short": 2, "mean_short": 0.1, "worst_short": 0.125, "spare": 0.2}
    calm = short | {"unit": "", "short": 0}
    found = {"origins": 4, "planned": 0.9, "shortfall": [short, calm]}
    first, second = sentences(found, wording("en"))
    assert first.startswith("Measured in PFLOPS: ")
    assert "ordering for the 90 % quantile" in first
    assert "short by 10.0 % (at most 12.5 %) in 2 of 7 quarters; in the others 20 % was spare" in first
    assert "short in none of 7 quarters; 20 % was spare" in second
    (nothing,) = sentences({"origins": 0, "planned": 0.95, "shortfall": []}, wording("zh"))
    assert "39" in nothing


def test_the_chart_takes_every_week_from_the_last_outlook_before_it() -> None:
    rows = []
    for origin, weeks in (("2026-01-05", 26), ("2026-04-06", 13)):
        for ahead in range(1, weeks + 1):
            start = pd.Timestamp(origin) + pd.Timedelta(weeks=ahead - 1)
            rows.append(
                (pd.Timestamp(origin), start, ahead, 10.0 * ahead, 1.0, 30.0, 40.0, np.nan if ahead == 3 else 9.0)
            )
    names = ["origin", "start", "week_ahead", "p50", "low80", "high80", "planned", "came"]
    chart = peaks_against(pd.DataFrame(rows, columns=names).assign(unit="PFLOPS"), "x", "all", wording("en"))
    assert chart.table.iloc[:, 0].is_unique
    assert len(chart.table) == 26
    assert chart.table["P50 (PFLOPS)"].tolist() == [10.0 * w for w in range(1, 14)] * 2
    drawn = {trace.name: trace for trace in chart.figure.data}
    assert list(drawn["P50"].y).index(None) == 13  # a gap between two outlooks
    assert drawn["came"].y[2] is None  # and where nothing was measured
    bands = [trace for trace in chart.figure.data if trace.fill == "tonexty"]
    assert [(len(band.x), band.x[0], band.showlegend) for band in bands] == [
        (13, "2026-01-05", True),
        (13, "2026-04-06", False),
    ]
    json.dumps(chart.body(), allow_nan=False)
