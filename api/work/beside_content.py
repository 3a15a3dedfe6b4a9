"""What the page of two plans side by side shows: `planner.report.side_by_side`, as tables of text."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from api.jobs.task import Task, WorkError
from api.work.drawing import write_json
from api.work.faults import errors_of
from planner.case.errors import PlanError
from planner.plan import Plan
from planner.report.grid import grid
from planner.report.side_by_side import TABLES, side_by_side
from planner.words.wording import wording


def write(task: Task, out: Path) -> None:
    """inputs: "first" and "second", folders of plans. Raises WorkError for plans that cannot be compared."""
    words = wording(task.request["language"])
    try:
        found = side_by_side(Plan.load(task.inputs["first"]), Plan.load(task.inputs["second"]), words)
    except PlanError as fault:
        raise WorkError("plan-impossible", str(fault), errors_of(fault.faults)) from fault
    tables = [
        asdict(grid(table, words, words(f"apart.title.{name}"))) | {"id": name}
        for name in TABLES
        if len(table := getattr(found, name))
    ]
    write_json(out / "content.json", {"sentences": found.sentences, "tables": tables})
