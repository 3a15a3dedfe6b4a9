"""What the page of a comparison shows: `planner.report.comparison`, its figures in files."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from api.jobs.task import Task
from api.work.drawing import Json, put, write_json
from planner.case.file import case_from
from planner.compare.comparison import Comparison
from planner.report.comparison import comparison_content
from planner.words.wording import Wording, wording


def write(task: Task, out: Path) -> None:
    """The content and the charts of a comparison's page. inputs: "result" (its folder) and "case"."""
    found = Comparison.load(task.inputs["result"])
    case = case_from(json.loads(task.inputs["case"].read_bytes()))
    periods = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    words = wording(task.request["language"])
    write_json(out / "content.json", content(found, periods, words, out))


def content(found: Comparison, periods: list[str], words: Wording, out: Path) -> Json:
    """Everything that the template needs; figures go into files below `out`."""
    told = comparison_content(found, periods, words)
    return asdict(replace(told, charts=[])) | {"charts": [put(out, chart) for chart in told.charts]}
