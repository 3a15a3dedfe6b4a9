"""Comparisons: the list, the form for a new one, and the page of one at an address that can be shared."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.http.schemas.runs import RunState
from api.http.security import Planner, ServicesDep, Viewer
from api.pages.common import (
    PER_PAGE,
    Reader,
    ReaderDep,
    page,
)
from api.pages.listing import Asked
from api.pages.runpage import RunPages, of_case
from api.store.labels import Sought
from api.store.runs import run_of
from api.work.cases import offered_scenarios

router = APIRouter()
RUNS = RunPages("comparison", of_case)


@router.get("/comparisons")
def comparisons(services: ServicesDep, caller: Viewer, reader: ReaderDep, asked: Asked) -> Response:
    """The comparisons, newest first."""
    return RUNS.listed(services, caller, reader, asked, lambda state: (state, _verdict(state, reader)))


def _verdict(state: RunState, reader: Reader) -> str:
    language = "zh-CN" if reader.language == "zh" else "en"
    said = (state.summary or {}).get("verdict", {}).get(language) or [""]
    return str(said[0])


@router.get("/comparisons/new")
def new(
    services: ServicesDep,
    _caller: Planner,
    reader: ReaderDep,
    plan: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """The form for a new comparison on the case and demand of a plan."""
    found = services.runs.page("plan", where=Sought(state="finished").where(), after=None, limit=PER_PAGE)
    plans = [RunState.of(run_of(row)) for row in found.rows]
    asked = services.runs.get(plan, "plan") if plan else None
    if asked is not None and all(one.id != plan for one in plans):
        plans.insert(0, RunState.of(asked))
    return page(
        "new_comparison.html",
        reader,
        section="comparisons",
        plans=plans,
        chosen=plan or (plans[0].id if plans else ""),
        scenarios=offered_scenarios(reader.language),
        seconds_max=services.settings.solve_seconds_max,
    )


RUNS.add_to(router)
