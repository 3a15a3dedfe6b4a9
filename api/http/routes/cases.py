"""Cases: store one, read it with every default written out, replace it when nobody else did."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.responses import Response as RawResponse

from api.http import casedoc, conditional
from api.http.accept import IdempotencyKey, fingerprint, once
from api.http.casedoc import BODY
from api.http.routes.common import After, Limit, cursor_problem, missing, next_link, problems
from api.http.schemas.stored import CasePage, CaseSummary
from api.http.security import Caller, Planner, ServicesDep, Viewer
from api.jobs.problems import ProblemError
from api.service.services import Services
from api.store import audit, pages
from api.store.documents import StoredCase
from api.work.cases import CheckedCase
from api.work.cases import schema as case_schema

router = APIRouter(prefix="/v1/cases", tags=["cases"])


async def _body(request: Request, services: ServicesDep) -> tuple[bytes, str]:
    return await casedoc.body_of(request, services.settings)


Body = Annotated[tuple[bytes, str], Depends(_body)]


def _check(services: Services, caller: Caller, body: tuple[bytes, str]) -> CheckedCase:
    with services.slots.taken(caller.owner):
        return casedoc.check(*body)


def _summary(case: StoredCase, status: int, headers: dict[str, str] | None = None) -> JSONResponse:
    tags = {"ETag": conditional.etag(f"{case.id}.{case.version}"), "Cache-Control": "private, no-cache"}
    return JSONResponse(CaseSummary.of(case).model_dump(mode="json"), status, headers=tags | (headers or {}))


@router.post(
    "",
    response_model=CaseSummary,
    status_code=201,
    responses=problems(413, 415),
    openapi_extra=BODY,
    operation_id="create_case",
)
def create(services: ServicesDep, caller: Planner, body: Body, idempotency_key: IdempotencyKey = None) -> Response:
    """Store a case (JSON or YAML). A case with faults is refused with all of them at once."""
    checked = _check(services, caller, body)
    stored = services.artifacts.put_bytes(checked.document)

    def add(connection: Any, id: str) -> None:
        services.documents.add_case(
            connection,
            id=id,
            name=checked.name,
            artifact=stored.sha256,
            warnings=checked.warnings,
            owner=caller.owner,
        )
        audit.note(connection, caller.owner, "case stored", id, {"case": stored.sha256})

    id, _new = once(services, caller, idempotency_key, fingerprint("case", body[0]), "case", add)
    case = services.documents.case(id)
    assert case is not None
    return _summary(case, 201, {"Location": f"/v1/cases/{id}"})


@router.get("", response_model=CasePage, responses=problems(), operation_id="list_cases")
def page(
    services: ServicesDep, _caller: Viewer, response: Response, after: After = None, limit: Limit = 50
) -> CasePage:
    """Newest first, a page at a time."""
    try:
        found = services.documents.case_page(after, limit)
    except pages.CursorError as fault:
        raise cursor_problem(fault) from fault
    response.headers.update(next_link("/v1/cases", found.next))
    return CasePage(items=[CaseSummary.of(StoredCase(**row)) for row in found.rows], next=found.next)


@router.get("/schema", responses=problems(), operation_id="get_case_schema")
def schema(_caller: Viewer) -> dict[str, Any]:
    """The JSON Schema of a case. Checks across blocks come on top of it."""
    return case_schema()


@router.get("/{id}", responses=problems(404) | {200: casedoc.ANSWER}, operation_id="get_case")
def get(services: ServicesDep, _caller: Viewer, request: Request, id: str) -> Response:
    """The document, with every default written out."""
    case = _case(services, id)
    tag = conditional.etag(f"{case.id}.{case.version}")
    same = conditional.not_modified(request, tag, "private, no-cache")
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    return same or RawResponse(services.artifacts.read(case.artifact), media_type="application/json", headers=headers)


@router.get("/{id}/summary", response_model=CaseSummary, responses=problems(404), operation_id="get_case_summary")
def summary(services: ServicesDep, _caller: Viewer, id: str) -> Response:
    """Name, version and warnings."""
    return _summary(_case(services, id), 200)


@router.put(
    "/{id}",
    response_model=CaseSummary,
    responses=problems(404, 412, 413, 415, 428),
    openapi_extra=BODY,
    operation_id="replace_case",
)
def replace(
    services: ServicesDep, caller: Planner, id: str, body: Body, if_match: Annotated[str | None, Header()] = None
) -> Response:
    """A new version in the place of the one that If-Match names. Plans keep the version that they were made from."""
    case = _case(services, id)
    if case.owner != caller.owner and not caller.may("admin"):
        raise ProblemError("forbidden", "It belongs to another key; allowed: its own key or an admin's.")
    tag = conditional.etag(f"{case.id}.{case.version}")
    conditional.require_match(if_match, tag)
    checked = _check(services, caller, body)
    stored = services.artifacts.put_bytes(checked.document)
    with services.database.write() as connection:
        replaced = services.documents.replace_case(
            connection, id, case.version, name=checked.name, artifact=stored.sha256, warnings=checked.warnings
        )
        if replaced:
            hashes = {"before": case.artifact, "case": stored.sha256}
            audit.note(connection, caller.owner, "case replaced", id, hashes)
    now = _case(services, id)
    if not replaced:
        conditional.require_match(tag, conditional.etag(f"{now.id}.{now.version}"))
    return _summary(now, 200)


def _case(services: ServicesDep, id: str) -> StoredCase:
    case = services.documents.case(id)
    if case is None:
        raise missing("case", id)
    return case
