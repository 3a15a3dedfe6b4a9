"""Histories: upload hourly demand, get the judgement on its quality."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from api.http import conditional, examples
from api.http.accept import IdempotencyKey, canonical, fingerprint, once
from api.http.routes.common import After, Limit, cursor_problem, missing, next_link, problems
from api.http.schemas.stored import HistoryPage, HistorySummary
from api.http.security import Planner, ServicesDep, Viewer
from api.http.upload import HISTORY_TYPES, OTHER_TYPES, PARQUET_TYPES, Upload, body_of, taken
from api.jobs.problems import PROBLEMS, ProblemError
from api.jobs.process import call
from api.jobs.task import Task
from api.store import audit, pages
from api.store.database import now_ms
from api.store.documents import StoredHistory

router = APIRouter(prefix="/v1/histories", tags=["histories"])

ReadOption = Annotated[str, StringConstraints(max_length=400)]
_BODY = body_of(examples.HISTORY_CSV, PARQUET_TYPES[0], *OTHER_TYPES[:2], "multipart/form-data")


async def _upload(request: Request, services: ServicesDep, caller: Planner) -> Upload:
    return await taken(request, services, caller.owner, HISTORY_TYPES)


@router.post(
    "",
    response_model=HistorySummary,
    status_code=201,
    responses=problems(413, 415, 500),
    openapi_extra=_BODY,
    operation_id="create_history",
)
def create(
    services: ServicesDep,
    caller: Planner,
    upload: Annotated[Upload, Depends(_upload)],
    name: Annotated[str, Query(max_length=400)] = "",
    timezone: Annotated[str, Query(max_length=64, examples=["Asia/Shanghai"])] = "Asia/Shanghai",
    read: Annotated[list[ReadOption] | None, Query(max_length=40, examples=[["no-row=zero"]])] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Store a history in any of the formats of docs/histories.md and say what its data are worth.

    read: KEY=VALUE, what its file leaves open, as `tideplan history --read` takes it.
    """
    settings = services.settings
    name = (upload.fields.get("name") or name or upload.name)[:400]
    timezone = upload.fields.get("timezone", timezone)
    asked = [*(read or []), *upload.fields.get("read", "").split()]
    request = {"timezone": timezone, "read": asked, "max_rows": settings.max_history_rows}
    task = Task("read-history", request, {"history": services.artifacts.checked(upload.stored.sha256)})
    with services.slots.taken(caller.owner):
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
    report = ended.result

    def add(connection: Any, id: str) -> None:
        history = StoredHistory(
            id=id,
            name=name,
            artifact=upload.stored.sha256,
            format=upload.format,
            timezone=timezone,
            mapping={"read": asked} if asked else {},
            bytes=upload.stored.bytes,
            report=report,
            owner=caller.owner,
            created_ms=now_ms(),
        )
        services.documents.add_history(connection, history)
        audit.note(connection, caller.owner, "history stored", id, {"history": history.artifact})

    request_sha256 = fingerprint("history", canonical([upload.stored.sha256, name, timezone, *asked]))
    id, _new = once(services, caller, idempotency_key, request_sha256, "history", add)
    history = services.documents.history(id)
    assert history is not None
    body = HistorySummary.of(history).model_dump(mode="json")
    return JSONResponse(body, 201, headers={"Location": f"/v1/histories/{id}"})


@router.get("", response_model=HistoryPage, responses=problems(), operation_id="list_histories")
def page(
    services: ServicesDep, _caller: Viewer, response: Response, after: After = None, limit: Limit = 50
) -> HistoryPage:
    """Newest first, a page at a time."""
    try:
        found = services.documents.history_page(after, limit)
    except pages.CursorError as fault:
        raise cursor_problem(fault) from fault
    response.headers.update(next_link("/v1/histories", found.next))
    return HistoryPage(items=[HistorySummary.of(StoredHistory(**row)) for row in found.rows], next=found.next)


@router.get("/{id}", response_model=HistorySummary, responses=problems(404), operation_id="get_history")
def get(services: ServicesDep, _caller: Viewer, request: Request, id: str) -> Response:
    """The judgement on a history; it never changes."""
    history = services.documents.history(id)
    if history is None:
        raise missing("history", id)
    tag = conditional.etag(history.id)
    same = conditional.not_modified(request, tag, conditional.IMMUTABLE)
    headers = {"ETag": tag, "Cache-Control": conditional.IMMUTABLE}
    return same or JSONResponse(HistorySummary.of(history).model_dump(mode="json"), headers=headers)
