"""What the page of a plan shows: `planner.report.content`, its figures in files, and what its forms need."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

from api.jobs.task import Task
from api.work.drawing import Json, put, write_json
from planner.explain.explanation import Explanation, explained_in_passing
from planner.plan import Plan
from planner.report.content import Section, plan_content
from planner.report.figures import View
from planner.report.levers import lever_values

_HEADINGS = ("made", "mark", "field", "source", "date", "warnings", "no_warnings", "notes", "sources", "no_sources")


def write(task: Task, out: Path) -> None:
    """The content and the charts of a plan's page. inputs["result"]: the plan's folder."""
    plan, why = _read(task.inputs["result"])
    view = View.of(plan, task.request["language"])
    write_json(out / "content.json", content(plan, view, out, why))


@lru_cache(maxsize=1)
def _read(folder: Path) -> tuple[Plan, Explanation]:
    """A plan and why it is so: the same in every language."""
    plan = Plan.load(folder)
    return plan, explained_in_passing(plan)


def content(plan: Plan, view: View, out: Path, why: Explanation | None = None) -> Json:
    """Everything that the template needs; figures go into files below `out`."""
    words, told = view.words, plan_content(view, plan, why)
    return asdict(replace(told, sections=[])) | {
        "sections": [asdict(replace(one, charts=())) | {"charts": _charts(one, out)} for one in told.sections],
        "names": {kind: view.names[kind] for kind in ("site", "module_type")},
        "periods": view.periods,
        "levers": lever_values(view),
        "currency": view.currency,
        "may_leave": any(row.may_leave for row in plan.case.fleet),
        "headings": {key: words(f"report.{key}") for key in _HEADINGS},
    }


def _charts(section: Section, out: Path) -> list[Json]:
    """Writes every chart of a section; returns those that are shown first."""
    return [place for chart in section.charts if (place := put(out, chart))["first"]]
