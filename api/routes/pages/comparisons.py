"""Comparisons: the list, the form for a new one, and the page of one at an address that can be shared."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from api.problems import ProblemError
from api.routes.common import After, cursor_problem
from api.routes.pages.common import (
    CHART_HEADERS,
    PER_PAGE,
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
)
from api.schemas import RunState
from api.security import Caller, Planner, ServicesDep, Viewer
from api.services import Services
from api.store.runs import Run, run_of
from api.web import kept

router = APIRouter()


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
    run = services.runs.get(id, "comparison")
    if run is None:
        return not_found(reader, "comparisons")
    content = None
    if run.state == "finished":
        content = kept.of_run(services, run, "comparison", reader.language) if wait else None
        content = content or kept.known(services, run.id, "comparison", reader.language)
    return page("comparison.html", reader, **_about(services, caller, reader, run), content=content)


@router.get("/comparisons/{id}/content")
def content(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """The inner part of a finished comparison's page, made when it is asked for the first time."""
    run = services.runs.get(id, "comparison")
    if run is None or run.state != "finished":
        raise ProblemError("not-found", f"There is no finished comparison {id}.")
    made = kept.of_run(services, run, "comparison", reader.language)
    return page("comparison_content.html", reader, **_about(services, caller, reader, run), content=made)


@router.get("/comparisons/{id}/charts/{name}")
def chart(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, name: str) -> Response:
    """One chart of a comparison's page as JSON."""
    path = kept.chart(services, id, "comparison", reader.language, name)
    if path is None:
        raise ProblemError("not-found", f"There is no chart {name}.")
    return FileResponse(path, media_type="application/json", headers=CHART_HEADERS)


def _about(services: Services, caller: Caller, reader: Reader, run: Run) -> dict[str, Any]:
    case = json.loads(services.artifacts.read(run.inputs["case"]))
    return {
        "section": "comparisons",
        "run": RunState.of(run, "/v1/comparisons"),
        "currency": case["meta"]["currency"],
        "tables": table_names(run),
        "may_plan": may_plan(caller),
        "may_steer": may_steer(caller, run),
        "phases": phases(reader.language),
    }
