"""What the plan's page shows of a replay: the answer, what was served by workload, the course as a chart."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from api.jobs.task import Task
from api.work.drawing import draw, write_json
from planner.case.file import case_from
from planner.plan.saved import read_tables
from planner.report.figures.replay import replayed, sentences, service_table
from planner.report.grid import grid
from planner.words.wording import wording


def write(task: Task, out: Path) -> None:
    """The content and the chart of a replay. inputs: "result" (its folder) and "case"."""
    case = case_from(json.loads(task.inputs["case"].read_bytes()))
    words = wording(task.request["language"])
    tables = read_tables(task.inputs["result"], ("hours", "days", "service"))
    charts = [draw(out, replayed(tables["hours"], case, words), words)] if len(tables["hours"]) else []
    service = asdict(grid(service_table(tables["service"], case, words), words))
    write_json(
        out / "content.json", {"sentences": sentences(tables, case, words), "service": service, "charts": charts}
    )
