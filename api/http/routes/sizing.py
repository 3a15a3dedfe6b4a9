"""What a model would need: cards by type that keep a promise on latency. Nothing is stored."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from fastapi import APIRouter

from api.http.routes.common import problems
from api.http.schemas import Sizing, SizingLibrary, SizingRequest
from api.http.security import ServicesDep, Viewer
from api.jobs.problems import PROBLEMS, ProblemError
from api.jobs.process import call
from api.jobs.task import Task
from api.service.services import Services
from api.store.version import VERSION

router = APIRouter(prefix="/v1/sizing", tags=["sizing"])


@router.post("", response_model=Sizing, responses=problems(500), operation_id="size_model")
def size(services: ServicesDep, caller: Viewer, asked: SizingRequest) -> dict[str, Any]:
    """Cards by type, what they cost and draw, load against latency, and what binds; or why a type will not do."""
    return sized(services, asked)


@router.get("/library", response_model=SizingLibrary, responses=problems(500), operation_id="get_sizing_library")
def library(services: ServicesDep, caller: Viewer) -> dict[str, Any]:
    """The models and cards that are known, each number of a card with its mark."""
    return known(services)


def known(services: Services) -> dict[str, Any]:
    """The library, read by a child once for a version and kept."""
    kept = services.settings.data_folder / "cache" / VERSION / "sizing.json"
    if not kept.is_file():
        told = json.dumps(_made(services, Task("library", {}, {})), ensure_ascii=False)
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_name(f"{uuid4().hex}.tmp")
        draft.write_text(told, encoding="utf-8")
        draft.replace(kept)
    out: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return out


def sized(services: Services, asked: SizingRequest) -> dict[str, Any]:
    """The answer, made in a child. Raises ProblemError with every fault of the question."""
    return _made(services, Task("size", asked.model_dump(mode="json"), {}))


def _made(services: Services, task: Task) -> dict[str, Any]:
    settings = services.settings
    ended, _files = call(
        task,
        services.reads_folder,
        module=settings.work_module,
        memory_mb=settings.solve_memory_mb,
        seconds=settings.read_seconds_max,
    )
    if ended.result is None:
        kind = ended.kind if ended.kind in PROBLEMS else "internal"
        raise ProblemError(kind, ended.detail, errors=list(ended.errors))
    return ended.result
