"""What a forecast's page says of forecasts like it in the past: orders that would have been short, scores, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from api.work.drawing import Json, draw
from forecasts.lookback.quarters import FEWEST_WEEKS, TOTAL
from forecasts.outlook import SeriesKey
from forecasts.weekly.quarterlaw import QUARTER_WEEKS
from planner.report.figures import backtest_scores, peaks_against
from planner.report.grid import Grid, grid
from planner.words.wording import Wording

SLOT = "lookback"


def lookback(folder: Path, shown: Mapping[int, SeriesKey], out: Path, words: Wording) -> Json | None:
    """The part of the page, or None where the forecast was made without a look back.

    folder: of the forecast's result. shown: the series with charts, by the number that the page's choice has for them.
    Charts go into files below `out`: the totals', the scores', and one a series of those shown.
    """
    if not (folder / "backtest.json").is_file():
        return None
    found: Json = json.loads((folder / "backtest.json").read_text(encoding="utf-8"))
    peaks = pd.read_parquet(folder / "peaks.parquet")
    week, quarters = found["week"], found["quarters"]
    totals = [draw(out, chart, words) for chart in _totals(peaks, words)]
    series = []
    for number, key in shown.items():
        mine = peaks[(peaks["region"] == key.region) & (peaks["workload"] == key.workload)]
        if len(mine):
            series.append(draw(out, peaks_against(mine, f"{SLOT}-{number}", _label(key), words), words, SLOT))
    return {
        "said": sentences(quarters, words),
        "totals": totals,
        "choices": [
            {"id": drawn["id"].removeprefix(f"{SLOT}-"), "label": _label(shown[_number(drawn)])} for drawn in series
        ],
        "charts": series[:1],
        "scores": [] if week is None else [draw(out, backtest_scores(week, words), words)],
        "tables": [asdict(table) for table in _tables(week, quarters, found["courses"], words)],
        "notes": [] if week is not None else [words("lookback.week_short")],
    }


def sentences(quarters: Mapping[str, Any], words: Wording) -> list[str]:
    """What plans made from such outlooks would have lacked: a sentence a unit. quarters: LongRangeReport.to_json()."""
    if not quarters["origins"]:
        return [words("lookback.too_short", weeks=FEWEST_WEEKS + QUARTER_WEEKS)]
    out = []
    for one in quarters["shortfall"]:
        text = words(
            "lookback.short" if one["short"] else "lookback.never",
            quantile=words.percent(quarters["planned"], 0),
            mean=words.percent(one["mean_short"]),
            worst=words.percent(one["worst_short"]),
            short=one["short"],
            quarters=one["quarters"],
            spare=words.percent(one["spare"], 0),
        )
        out.append(words("lookback.in_unit", unit=one["unit"], text=text) if one["unit"] else text)
    return out


def _totals(peaks: pd.DataFrame, words: Wording) -> list[Any]:
    whole = peaks[peaks["workload"] == TOTAL]
    charts = []
    for number, (unit, part) in enumerate(whole.groupby("unit", sort=False)):
        name = words("lookback.total_of", unit=unit) if unit else words("lookback.total")
        charts.append(peaks_against(part, f"{SLOT}-total-{number}", name, words))
    return charts


def _tables(
    week: Mapping[str, Any] | None, quarters: Mapping[str, Any], courses: Sequence[Json], words: Wording
) -> list[Any]:
    """Scores of the weekly peak by range, workload and series, of the hours likewise, and what forecasts rest on."""
    tables = tables_ahead(quarters, words)
    if quarters["by_weeks_ahead"]:
        for group, keys in (("workload", _workload(words)), ("series", _series(words))):
            rows = quarters[f"by_{group}"]
            tables.append(grid(_table(rows, keys, PEAK, words), words, words(f"lookback.peaks_by_{group}")))
    if week is not None:
        note = words("lookback.week.note")
        day = {words("lookback.day"): lambda row: str(row["day"])}
        title = words("lookback.week_by_workload")
        tables.append(grid(_table(week["by_workload"], _workload(words), WEEK, words), words, title, note))
        tables.append(series_table(week["by_series"], words, words("lookback.week_by_series")))
        tables.append(grid(_table(week["by_day"], day, DAY, words), words, words("lookback.week_by_day")))
    tables.append(_made_of(week, courses, words))
    return tables


def tables_ahead(quarters: Mapping[str, Any], words: Wording) -> list[Grid]:
    """Scores quarters ahead: by quarter beside the simple rules, and of the weekly peak by range."""
    tables = [quarter_table(quarters["by_quarter"], words)] if quarters.get("by_quarter") else []
    if quarters["by_weeks_ahead"]:
        ranges = {words("lookback.weeks_ahead"): lambda row: f"{row['first']}–{row['last']}"}
        table = _table(quarters["by_weeks_ahead"], ranges, PEAK, words)
        tables.append(grid(table, words, words("lookback.ranges"), words("lookback.ranges.note")))
    return tables


def series_table(rows: Sequence[Json], words: Wording, title: str) -> Grid:
    """Scores of the hours, a row a series."""
    return grid(_table(rows, _series(words), WEEK, words), words, title)


QUARTER = {
    "lookback.judged": "judged",
    "lookback.below50": "below50",
    "lookback.below90": "below90",
    "lookback.below95": "below95",
    "cli.peak_bias": "bias",
    "lookback.log_error": "log_error",
    "lookback.log_error_last_year": "log_error_last_year",
    "lookback.pinball": "pinball",
    "lookback.pinball_last_year": "pinball_last_year",
    "lookback.pinball_last_year_grown": "pinball_last_year_grown",
    "lookback.pinball_year_highest": "pinball_year_highest",
}


def quarter_table(rows: Sequence[Json], words: Wording) -> Grid:
    """The highest week of every quarter ahead, of series and of totals, beside three simple rules."""
    keys = {
        words("lookback.quarter_ahead"): lambda row: row["quarter"],
        words("lookback.of"): lambda row: words("lookback.of_sum" if row["of"] == "sum" else "lookback.of_series"),
    }
    table = _table(rows, keys, QUARTER, words)
    return grid(table, words, words("lookback.by_quarter"), words("lookback.by_quarter.note"))


PEAK = {
    "lookback.rel_peak": "rel",
    "cli.coverage80": "coverage80",
    "cli.coverage95": "coverage95",
    "cli.peak_bias": "bias",
    "lookback.weeks": "weeks",
}
DAY = {"cli.rel": "rel", "cli.coverage80": "coverage80", "cli.coverage95": "coverage95"}
WEEK = {
    "cli.rel": "rel",
    "cli.mase": "mase",
    "cli.coverage80": "coverage80",
    "cli.coverage95": "coverage95",
    "cli.peak_bias": "peak_bias",
    "lookback.tide_day": "tide_day",
    "lookback.tide_week": "tide_week",
}
_SHARES = {"coverage80", "coverage95", "bias", "peak_bias", *QUARTER.values()} - {"judged"}


def _table(rows: Sequence[Json], keys: Mapping[str, Any], columns: Mapping[str, str], words: Wording) -> pd.DataFrame:
    """Headings from the catalogue over the rows' keys and numbers; shares as per cent."""
    table: dict[str, Any] = {heading: [str(value(row)) for row in rows] for heading, value in keys.items()}
    for heading, name in columns.items():
        numbers = [float("nan") if row[name] is None else float(row[name]) for row in rows]
        table[words(heading)] = [words.percent(n) for n in numbers] if name in _SHARES else numbers
    return pd.DataFrame(table)


def _workload(words: Wording) -> Json:
    return {words("cli.workload"): lambda row: row["workload"]}


def _series(words: Wording) -> Json:
    return {words("cli.region"): lambda row: row["region"]} | _workload(words)


def _made_of(week: Mapping[str, Any] | None, courses: Sequence[Json], words: Wording) -> Any:
    """Every series' views quarters ahead and models a week ahead, with their shares, and its growth a year."""
    scored = {(row["region"], row["workload"]): row["weights"] for row in (week or {"by_series": []})["by_series"]}
    rows = []
    for course in courses:
        weights = scored.get((course["region"], course["workload"]), {})
        largest = sorted(weights.items(), key=lambda pair: -pair[1])
        hours = words.joined([f"{name} {words.percent(share, 0)}" for name, share in largest if share >= 0.005])
        used = course.get("growth") or {}
        growth = [words.percent(course["growth_per_year"]), words.percent(used.get("next_year", float("nan")))]
        rows.append([course["region"], course["workload"], course["method"], hours or "–", *growth])
    heads = ["cli.region", "cli.workload", "lookback.quarters_of", "lookback.week_of"]
    heads += ["cli.growth_seen", "cli.growth_used"]
    table = pd.DataFrame(rows, columns=[words(head) for head in heads])
    return grid(table, words, words("lookback.courses"), words("lookback.courses.note"))


def _label(key: SeriesKey) -> str:
    return key.workload if key.region in ("", "all") else f"{key.region} / {key.workload}"


def _number(drawn: Json) -> int:
    return int(drawn["id"].removeprefix(f"{SLOT}-"))
