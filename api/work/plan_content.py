"""What the page of a plan shows: `planner.report.content`, its figures in files, and what its forms need."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from api.jobs.task import Task
from api.work.drawing import Json, put, write_json
from planner.plan import Plan
from planner.program.registry import TERMS
from planner.report.content import Section, plan_content
from planner.report.figures import View

_HEADINGS = ("made", "mark", "field", "source", "date", "warnings", "no_warnings", "notes", "sources", "no_sources")


def write(task: Task, out: Path) -> None:
    """The content and the charts of a plan's page. inputs["result"]: the plan's folder."""
    plan = Plan.load(task.inputs["result"])
    view = View.of(plan, task.request["language"])
    write_json(out / "content.json", content(plan, view, out))


def content(plan: Plan, view: View, out: Path) -> Json:
    """Everything that the template needs; figures go into files below `out`."""
    words, told = view.words, plan_content(view, plan)
    return asdict(replace(told, sections=[])) | {
        "sections": [asdict(replace(one, charts=())) | {"charts": _charts(one, out)} for one in told.sections],
        "names": {kind: view.names[kind] for kind in ("site", "module_type")},
        "periods": view.periods,
        "terms": {term: words(f"term.{term}") for term in TERMS},
        "currency": view.currency,
        "may_leave": any(row.may_leave for row in plan.case.fleet),
        "headings": {key: words(f"report.{key}") for key in _HEADINGS},
    }


def _charts(section: Section, out: Path) -> list[Json]:
    """Writes every chart of a section; returns those that are shown first."""
    return [place for chart in section.charts if (place := put(out, chart))["first"]]
