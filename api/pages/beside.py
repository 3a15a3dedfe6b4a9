"""Two plans side by side: what is ordered, what it costs, what is served, and what differs in case and demand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.http.routes.runs import finished_or_409, states_of
from api.http.security import Caller, ServicesDep, Viewer
from api.jobs.problems import ProblemError
from api.pages import kept
from api.pages.common import Reader, ReaderDep, not_found, page
from api.service.kept import Recipe
from api.service.services import Services
from api.store.runs import Run

router = APIRouter()
Id = Annotated[str, Query(max_length=60)]


@router.get("/plans/beside")
def whole(
    services: ServicesDep, caller: Viewer, reader: ReaderDep, first: Id, second: Id, wait: bool = False
) -> Response:
    """The page; its tables are put in when they were made before, or with `wait`, else loaded by script."""
    try:
        runs = _both(services, first, second)
    except ProblemError:
        return not_found(reader, "plans")
    content = (
        _made(services, caller, reader, runs) if wait else kept.known(services, _id(runs), "beside", reader.language)
    )
    return page("beside.html", reader, section="plans", plans=states_of(services, runs), content=content)


@router.get("/plans/beside/content")
def content(services: ServicesDep, caller: Viewer, reader: ReaderDep, first: Id, second: Id) -> Response:
    """The tables, made when they are asked for the first time; a part of the page."""
    made = _made(services, caller, reader, _both(services, first, second))
    return page("beside_content.html", reader, section="plans", content=made)


def _both(services: Services, first: str, second: str) -> list[Run]:
    return [finished_or_409(services, "plan", id) for id in (first, second)]


def _id(runs: list[Run]) -> str:
    return "+".join(run.id for run in runs)


def _made(services: Services, caller: Caller, reader: Reader, runs: list[Run]) -> dict[str, Any]:
    recipe = Recipe("beside", {}, {}, (("first", runs[0]), ("second", runs[1])))
    return kept.made(services, _id(runs), "beside", reader.language, recipe, caller.owner)
