"""The list of plans, and the page of one: live while it runs, the answer first when it is done."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api.http.routes.common import After, cursor_problem
from api.http.schemas import RunState
from api.http.security import ServicesDep, Viewer
from api.pages.common import (
    ReaderDep,
    may_plan,
    page,
    pages,
    phases,
    runs_of,
    words,
)
from api.pages.runpage import RunPages, of_case

router = APIRouter()
RUNS = RunPages("plan", of_case)


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
        out["gap"] = text.percent(float(gap), 2, "up")
    if isinstance(summary.get("cost"), int | float):
        out["cost"] = text.money(float(summary["cost"]), str(summary.get("currency", "")))
    ratios = [r for r in summary.get("build_ahead_ratio") or [] if isinstance(r, int | float)]
    if ratios:
        out["ratio"] = f"{text.ratio(min(ratios))} – {text.ratio(max(ratios))}"
    return out


@router.get("/plans/{id}")
def plan(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, wait: bool = False) -> Response:
    """One plan. Its content is put in at once when it was made before, else loaded by script."""
    return RUNS.whole(services, caller, reader, id, wait)


@router.get("/plans/{id}/content")
def content(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """The inner part of a finished plan's page, made when it is asked for the first time."""
    return RUNS.content(services, caller, reader, id)


@router.get("/plans/{id}/charts/{name}")
def chart(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, name: str) -> Response:
    """One chart of a plan's page as JSON: title, note, figure, table."""
    return RUNS.chart(services, reader, id, name)
