"""From the planner's charts and tables to what a page shows: a figure's JSON in a file, its table as text."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from planner.report.figures import Chart
from planner.report.report import grid
from planner.words.wording import Wording

Json = dict[str, Any]


def draw(out: Path, chart: Chart, words: Wording, slot: str | None = None) -> Json:
    """Write a chart's figure and table into its file; returns its place on the page.

    slot: the name of the place where several charts are shown in turn.
    """
    body = chart.body()
    table = asdict(grid(chart.table, words))
    about = {"id": chart.id, "title": chart.title, "note": chart.note, "table": table}
    write_json(
        out / "charts" / f"{chart.id}.json", about | {"figure": {"data": body["data"], "layout": body["layout"]}}
    )
    return about | {"slot": slot or chart.id, "height": int(body["layout"]["height"])}


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")), encoding="utf-8")
