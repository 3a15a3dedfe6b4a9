"""The list of plans, and the page of one: live while it runs, the answer first when it is done."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from api.problems import ProblemError
from api.routes.common import After, cursor_problem
from api.routes.pages.common import (
    CHART_HEADERS,
    Reader,
    ReaderDep,
    may_plan,
    may_steer,
    not_found,
    page,
    pages,
    phases,
    runs_of,
    table_names,
    words,
)
from api.schemas import RunState
from api.security import Caller, ServicesDep, Viewer
from api.services import Services
from api.store.runs import Run
from api.web import kept

router = APIRouter()


@router.get("/")
def plans(services: ServicesDep, caller: Viewer, reader: ReaderDep, after: After = None) -> Response:
    """The plans, newest first; those that run are followed live."""
    try:
        found = runs_of(services, "plan", "/v1/plans", "/", after)
    except pages.CursorError as fault:
        raise cursor_problem(fault) from fault
    text = words(reader.language)
    return page(
        "plans.html",
        reader,
        section="plans",
        plans=[(state, _figures(state, text)) for state in found.states],
        older=found.older,
        first=after is None,
        ready=services.readiness(),
        may_plan=may_plan(caller),
        phases=phases(reader.language),
    )


def _figures(state: RunState, text: Any) -> dict[str, str]:
    """Cost, gap and build-ahead ratio of a plan, as text; what is not known is left out."""
    out: dict[str, str] = {}
    summary = state.summary or {}
    gap = (state.summary or state.progress or {}).get("gap")
    if isinstance(gap, int | float) and state.state in ("running", "finished"):
        out["gap"] = text.percent(float(gap), 2)
    if isinstance(summary.get("cost"), int | float):
        out["cost"] = text.money(float(summary["cost"]), str(summary.get("currency", "")))
    ratios = [r for r in summary.get("build_ahead_ratio") or [] if isinstance(r, int | float)]
    if ratios:
        out["ratio"] = f"{min(ratios):.2f} – {max(ratios):.2f}"
    return out


@router.get("/plans/{id}")
def plan(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, wait: bool = False) -> Response:
    """One plan. Its content is put in at once when it was made before, else loaded by script."""
    run = services.runs.get(id, "plan")
    if run is None:
        return not_found(reader, "plans")
    content = None
    if run.state == "finished":
        content = kept.of_run(services, run, "plan", reader.language) if wait else None
        content = content or kept.known(services, run.id, "plan", reader.language)
    return page("plan.html", reader, **_about(services, caller, reader, run), content=content)


@router.get("/plans/{id}/content")
def content(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """The inner part of a finished plan's page, made when it is asked for the first time."""
    run = services.runs.get(id, "plan")
    if run is None or run.state != "finished":
        raise ProblemError("not-found", f"There is no finished plan {id}.")
    made = kept.of_run(services, run, "plan", reader.language)
    return page("plan_content.html", reader, **_about(services, caller, reader, run), content=made)


@router.get("/plans/{id}/charts/{name}")
def chart(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, name: str) -> Response:
    """One chart of a plan's page as JSON: title, note, figure, table."""
    path = kept.chart(services, id, "plan", reader.language, name)
    if path is None:
        raise ProblemError("not-found", f"There is no chart {name}.")
    return FileResponse(path, media_type="application/json", headers=CHART_HEADERS)


def _about(services: Services, caller: Caller, reader: Reader, run: Run) -> dict[str, Any]:
    """What both the whole page and its inner part need."""
    case = json.loads(services.artifacts.read(run.inputs["case"]))
    return {
        "section": "plans",
        "run": RunState.of(run, "/v1/plans"),
        "currency": case["meta"]["currency"],
        "tables": table_names(run),
        "may_plan": may_plan(caller),
        "may_steer": may_steer(caller, run),
        "phases": phases(reader.language),
    }
