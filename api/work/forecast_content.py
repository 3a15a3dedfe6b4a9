"""What the page of a forecast shows: every series' course ahead after what was measured, its tide, what was assumed."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from api.jobs.task import Task
from api.work.demand import history_of
from api.work.drawing import Json, draw, write_json
from api.work.intake import history_for
from api.work.lookback_content import lookback
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, Outlook
from planner.case.file import case_from
from planner.report.figures import tide_heat, weekly_peak
from planner.report.figures.outlook import series_label
from planner.report.grid import grid
from planner.words.wording import Wording, wording

if TYPE_CHECKING:
    from forecasts.history import History

MOST_SERIES = 80
"""Series with charts, those with the largest peaks; the table names every one."""


def write(task: Task, out: Path) -> None:
    """The content and the charts of a forecast's page. inputs: "result" (its folder), "history", and any "case"."""
    outlook = Outlook.load(task.inputs["result"] / "outlook.zip")
    history, _report = history_of(task)
    if "case" in task.inputs:
        history = history_for(case_from(json.loads(task.inputs["case"].read_bytes())), history)
    words = wording(task.request["language"])
    shown = largest(outlook)
    past = lookback(task.inputs["result"], {i: outlook.series[i] for i in shown}, out, words)
    write_json(out / "content.json", content(outlook, history, shown, words, out) | {"lookback": past})


def largest(outlook: Outlook) -> list[int]:
    """The series with charts, the one with the largest peak first."""
    peaks = outlook.central.peak[0].max(axis=1)
    return [int(i) for i in np.argsort(-peaks, kind="stable")[:MOST_SERIES]]


def content(outlook: Outlook, history: History, shown: list[int], words: Wording, out: Path) -> Json:
    """What the template needs of the course ahead; figures go into files below `out`."""
    place = {(key.region, key.workload): row for row, key in enumerate(history.series)}
    drawn: list[Json] = []
    for rank, i in enumerate(shown):
        key = outlook.series[i]
        row = place.get((key.region, key.workload))
        past, start = (None, None) if row is None else weekly_peaks(history, row, outlook.start)
        charts = (
            weekly_peak(outlook, i, words, measured=past, measured_start=start),
            tide_heat(outlook, i, words),
        )
        places = [draw(out, c, words, name) for c, name in zip(charts, ("history", "tide-heat"), strict=True)]
        drawn += places if rank == 0 else []
    return {
        "weeks": outlook.weeks,
        "series": len(outlook.series),
        "title": words("cli.outlook", weeks=outlook.weeks),
        "charts": drawn,
        "choices": [{"id": str(i), "label": series_label(outlook, i)} for i in shown],
        "table": asdict(grid(_ahead(outlook, words), words)),
        "notes": words.noted(outlook.notes),
    }


def weekly_peaks(history: History, row: int, end: datetime) -> tuple[FloatArray | None, datetime | None]:
    """(weeks,) largest hour of every whole week before `end`, NaN where nothing was measured, and the first week's day.

    None where the history holds no whole week before it.
    """
    values = history.values[row, np.asarray(history.index < pd.Timestamp(end))]
    weeks = len(values) // HOURS_PER_WEEK
    if weeks == 0:
        return None, None
    kept = values[len(values) - weeks * HOURS_PER_WEEK :].reshape(weeks, HOURS_PER_WEEK)
    known = np.isfinite(kept).any(axis=1)
    peaks = np.where(known, np.max(np.where(np.isfinite(kept), kept, -np.inf), axis=1), np.nan)
    first = history.index[len(values) - weeks * HOURS_PER_WEEK]
    return peaks, first.to_pydatetime()


def _ahead(outlook: Outlook, words: Wording) -> pd.DataFrame:
    """One row a series: first and last week's mean, the last week's P50 peak and its range over the futures."""
    level, peak = outlook.central.level[0], outlook.central.peak[0]
    futures = outlook.futures.peak[:, :, -1]
    return pd.DataFrame(
        {
            words("cli.region"): [key.region for key in outlook.series],
            words("cli.workload"): [key.workload for key in outlook.series],
            words("cli.unit"): [key.unit for key in outlook.series],
            words("cli.level_first"): level[:, 0],
            words("cli.level_last"): level[:, -1],
            words("cli.peak_last"): peak[:, -1],
            words("cli.peak_low"): futures.min(axis=0),
            words("cli.peak_high"): futures.max(axis=0),
        }
    )
