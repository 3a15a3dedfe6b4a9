"""The list of plans, and the page of one: live while it runs, the answer first when it is done."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api.http.schemas.runs import RunState
from api.http.security import Caller, ServicesDep, Viewer
from api.pages.actuals import entered_of
from api.pages.common import Reader, ReaderDep, words
from api.pages.listing import Asked
from api.pages.runpage import RunPages, of_case
from api.pages.signing import signing_of
from api.service.services import Services
from api.store.runs import Run

router = APIRouter()


def _about(services: Services, caller: Caller, reader: Reader, run: Run) -> dict[str, Any]:
    signing = signing_of(services, caller, reader, run) if run.state == "finished" else None
    return of_case(services, caller, reader, run) | {
        "signing": signing,
        "entered": entered_of(services, reader, run) if run.state == "finished" else None,
        "questions": services.runs.questions_on(run.id) if signing else [],
    }


RUNS = RunPages("plan", _about)


@router.get("/")
def plans(services: ServicesDep, caller: Viewer, reader: ReaderDep, asked: Asked) -> Response:
    """The plans, newest first; those that run are followed live."""
    text = words(reader.language)
    ready = services.readiness()
    return RUNS.listed(services, caller, reader, asked, lambda state: (state, _figures(state, text)), ready=ready)


def _figures(state: RunState, text: Any) -> dict[str, str]:
    """Cost, gap and build-ahead ratio of a plan, as text; what is not known is left out."""
    out: dict[str, str] = {}
    summary = state.summary or {}
    gap = (state.summary or state.progress or {}).get("gap")
    if isinstance(gap, int | float) and state.state in ("running", "finished"):
        out["gap"] = text.gap(float(gap))
    if isinstance(summary.get("cost"), int | float):
        out["cost"] = text.money(float(summary["cost"]), str(summary.get("currency", "")))
    ratios = [r for r in summary.get("build_ahead_ratio") or [] if isinstance(r, int | float)]
    if ratios:
        out["ratio"] = f"{text.ratio(min(ratios))} – {text.ratio(max(ratios))}"
    return out


RUNS.add_to(router)
