"""What a model would need: cards by type that keep a promise on latency. Nothing is stored."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter

from api.http.routes.common import problems
from api.http.schemas.sizing import Sizing, SizingLibrary, SizingRequest
from api.http.security import Caller, ServicesDep, Viewer
from api.jobs.problems import PROBLEMS, ProblemError
from api.jobs.process import call
from api.jobs.task import Task
from api.service.kept import RESULT, Recipe
from api.service.services import Services

router = APIRouter(prefix="/v1/sizing", tags=["sizing"])


@router.post("", response_model=Sizing, responses=problems(500), operation_id="size_model")
def size(services: ServicesDep, caller: Viewer, asked: SizingRequest) -> dict[str, Any]:
    """Cards by type, what they cost and draw, load against latency, and what binds; or why a type will not do."""
    return sized(services, caller, asked)


@router.get("/library", response_model=SizingLibrary, responses=problems(500), operation_id="get_sizing_library")
def library(services: ServicesDep, caller: Viewer) -> dict[str, Any]:
    """The models and cards that are known, each number of a card with its mark."""
    return known(services, caller)


def known(services: Services, caller: Caller) -> dict[str, Any]:
    """The library, read by a child once for a version and kept."""
    kept = services.kept.made("sizing.library", RESULT, Recipe("library"), caller.owner)
    out: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return out


def sized(services: Services, caller: Caller, asked: SizingRequest, language: str | None = None) -> dict[str, Any]:
    """The answer, made in a child; with a language also as a page tells it. Raises ProblemError with every fault."""
    settings = services.settings
    request = asked.model_dump(mode="json") | ({} if language is None else {"language": language})
    with services.slots.taken(caller.owner):
        ended, _files = call(
            Task("size", request, {}),
            services.reads_folder,
            module=settings.work_module,
            memory_mb=settings.solve_memory_mb,
            seconds=settings.read_seconds_max,
        )
    if ended.result is None:
        kind = ended.kind if ended.kind in PROBLEMS else "internal"
        raise ProblemError(kind, ended.detail, errors=list(ended.errors))
    return ended.result
