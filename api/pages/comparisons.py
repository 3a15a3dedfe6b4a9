"""Comparisons: the list, the form for a new one, and the page of one at an address that can be shared."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.http.routes.common import After, cursor_problem
from api.http.schemas import RunState
from api.http.security import Planner, ServicesDep, Viewer
from api.pages.common import (
    PER_PAGE,
    Reader,
    ReaderDep,
    may_plan,
    page,
    pages,
    phases,
    runs_of,
)
from api.pages.runpage import RunPages, of_case
from api.store.runs import run_of

router = APIRouter()
RUNS = RunPages("comparison", of_case)


@router.get("/comparisons")
def comparisons(services: ServicesDep, caller: Viewer, reader: ReaderDep, after: After = None) -> Response:
    """The comparisons, newest first."""
    try:
        found = runs_of(services, "comparison", "/v1/comparisons", "/comparisons", after)
    except pages.CursorError as fault:
        raise cursor_problem(fault) from fault
    return page(
        "comparisons.html",
        reader,
        section="comparisons",
        runs=[(state, _verdict(state, reader)) for state in found.states],
        older=found.older,
        first=after is None,
        may_plan=may_plan(caller),
        phases=phases(reader.language),
    )


def _verdict(state: RunState, reader: Reader) -> str:
    language = "zh-CN" if reader.language == "zh" else "en"
    said = (state.summary or {}).get("verdict", {}).get(language) or [""]
    return str(said[0])


@router.get("/comparisons/new")
def new(
    services: ServicesDep,
    caller: Planner,
    reader: ReaderDep,
    plan: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """The form for a new comparison on the case and demand of a plan."""
    from planner.scenarios import standard_scenarios

    found = services.runs.page("plan", state="finished", after=None, limit=PER_PAGE)
    plans = [RunState.of(run_of(row), "/v1/plans") for row in found.rows]
    asked = services.runs.get(plan, "plan") if plan else None
    if asked is not None and all(one.id != plan for one in plans):
        plans.insert(0, RunState.of(asked, "/v1/plans"))
    language = "zh-CN" if reader.language == "zh" else "en"
    return page(
        "new_comparison.html",
        reader,
        section="comparisons",
        plans=plans,
        chosen=plan or (plans[0].id if plans else ""),
        scenarios=[(one.id, one.names.text(language), one.model_dump(mode="json")) for one in standard_scenarios()],
        seconds_max=services.settings.solve_seconds_max,
    )


@router.get("/comparisons/{id}")
def comparison(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, wait: bool = False) -> Response:
    """One comparison. Its content is put in at once when it was made before, else loaded by script."""
    return RUNS.whole(services, caller, reader, id, wait)


@router.get("/comparisons/{id}/content")
def content(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """The inner part of a finished comparison's page, made when it is asked for the first time."""
    return RUNS.content(services, caller, reader, id)


@router.get("/comparisons/{id}/charts/{name}")
def chart(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, name: str) -> Response:
    """One chart of a comparison's page as JSON: title, note, figure, table."""
    return RUNS.chart(services, reader, id, name)
