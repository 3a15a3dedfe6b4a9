"""Forecasts and the histories that they rest on: lists, a form, the page of a forecast and that of a history."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.http.schemas.stored import HistorySummary
from api.http.security import Caller, Planner, ServicesDep, Viewer
from api.jobs.problems import ProblemError
from api.pages import kept
from api.pages.common import (
    Reader,
    ReaderDep,
    not_found,
    page,
)
from api.pages.drafts import demands
from api.pages.listing import Asked
from api.pages.runpage import RunPages, chart_file
from api.service.services import Services
from api.store.documents import StoredHistory
from api.store.runs import Run

router = APIRouter()
_MOST_SHOWN = 20
_MOST_OFFERED = 100


def _history(services: Services, reader: Reader, stored: StoredHistory) -> dict[str, Any]:
    """A history's report and, if they were made before, its scores."""
    known = kept.known(services, stored.id, "backtest", reader.language)
    return {"history": HistorySummary.of(stored), "history_id": stored.id, "scores": known}


def _about(services: Services, _caller: Caller, reader: Reader, run: Run) -> dict[str, Any]:
    stored = services.documents.history(str(run.request.get("asked", {}).get("history_id", "")))
    return _history(services, reader, stored) if stored else {"history": None, "scores": None, "history_id": ""}


RUNS = RunPages("forecast", _about)


@router.get("/forecasts")
def forecasts(services: ServicesDep, caller: Viewer, reader: ReaderDep, asked: Asked) -> Response:
    """The forecasts, newest first, and the newest histories."""
    stored = services.documents.history_page(None, _MOST_SHOWN).rows
    histories = [HistorySummary.of(StoredHistory(**row)) for row in stored]
    return RUNS.listed(services, caller, reader, asked, histories=histories)


@router.get("/forecasts/new")
def new(
    services: ServicesDep,
    _caller: Planner,
    reader: ReaderDep,
    history: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """The form for a new forecast: a history, stored or uploaded, and how far ahead."""
    cases = services.documents.case_page(None, _MOST_OFFERED).rows
    return page(
        "new_forecast.html",
        reader,
        section="forecasts",
        histories=[pair for pair in demands(services, reader) if pair[0].startswith("history:")],
        chosen=f"history:{history}",
        cases=[(str(row["id"]), str(row["name"])) for row in cases],
    )


@router.get("/histories/{id}")
def history(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """What a history's data are worth, and how good forecasts from it would have been."""
    stored = services.documents.history(id)
    if stored is None:
        return not_found(reader, "forecasts")
    return page("history.html", reader, section="forecasts", **_history(services, reader, stored), caller=caller)


@router.get("/histories/{id}/scores")
def scores(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """Back-test scores of a history, made when they are asked for the first time; a part of a page."""
    stored = services.documents.history(id)
    if stored is None:
        raise ProblemError("not-found", f"There is no history {id}.")
    request = stored.reading(services.settings.max_history_rows)
    made = kept.of_history(services, id, reader.language, {"history": stored.artifact}, request, caller.owner)
    return page("scores.html", reader, section="forecasts", history_id=id, scores=made)


@router.get("/histories/{id}/charts/{name}")
def scores_chart(services: ServicesDep, _caller: Viewer, reader: ReaderDep, id: str, name: str) -> Response:
    """One chart of a history's scores as JSON."""
    return chart_file(kept.chart(services, id, "backtest", reader.language, name), name)


RUNS.add_to(router)
