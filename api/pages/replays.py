"""What a replay came to: the part of a plan's page that its form asks for, and its chart."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api.http.security import ServicesDep, Viewer
from api.pages.common import Reader, ReaderDep, table_names
from api.pages.runpage import RunPages
from api.service.services import Services
from api.store.runs import Run

router = APIRouter()


def _about(services: Services, reader: Reader, run: Run) -> dict[str, Any]:
    return {"tables": table_names(run)}


RUNS = RunPages("replay", _about)


@router.get("/replays/{id}/content")
def content(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """The answer of a finished replay, made when it is asked for the first time."""
    return RUNS.content(services, caller, reader, id)


@router.get("/replays/{id}/charts/{name}")
def chart(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, name: str) -> Response:
    """One chart of a replay as JSON: title, note, figure, table."""
    return RUNS.chart(services, reader, id, name)
