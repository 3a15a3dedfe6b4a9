"""What the page of a plan of record shows of what became of it: `planner.report.against`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path

from api.jobs.task import Task
from api.work.drawing import write_json
from planner.plan import Plan
from planner.report.against import against
from planner.words.wording import wording


def write(task: Task, out: Path) -> None:
    """inputs["result"]: the plan's folder. request: actuals (`planner.report.against`), today, language."""
    words = wording(task.request["language"])
    today = date.fromisoformat(task.request["today"])
    found = against(Plan.load(task.inputs["result"]), task.request["actuals"], today, words)
    write_json(out / "content.json", asdict(found))
