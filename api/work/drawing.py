"""From the planner's charts and tables to what a page shows: a chart in its place, and in a file to be chosen."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from planner.report.content import Drawn, drawn
from planner.report.figures import Chart
from planner.words.wording import Wording

Json = dict[str, Any]


def draw(out: Path, chart: Chart, words: Wording, slot: str | None = None) -> Json:
    """Write a chart's picture and table into its file; returns its place on the page.

    slot: the name of the place where several charts are shown in turn.
    """
    return put(out, drawn(chart, words, slot))


def put(out: Path, chart: Drawn) -> Json:
    """Write what was drawn into its file; returns its place on the page."""
    about = asdict(chart)
    kept = {name: about[name] for name in ("id", "title", "note", "table", "picture")}
    write_json(out / "charts" / f"{chart.id}.json", kept)
    return about


def write_json(path: Path, value: object) -> None:
    """Compact UTF-8 JSON. Raises ValueError for NaN and infinity."""
    path.write_text(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")), encoding="utf-8")
