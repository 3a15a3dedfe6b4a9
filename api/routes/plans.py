"""Plans: from a stored case and a demand, as a durable run; their tables in every format; the report."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from api import conditional
from api.accept import IdempotencyKey, accept_run
from api.derived import report_of
from api.language import preferred
from api.resolve import resolve
from api.routes.common import Prefer, answer_run, problems
from api.routes.result_tables import add_table_routes
from api.routes.runs import finished_or_409, run_router
from api.schemas import PlanRequest, RunState
from api.security import REPORT_POLICY, Caller, Planner, ServicesDep, Viewer
from api.services import Services
from api.store.runs import Run

router = run_router("plan", "plans")
add_table_routes(router, "plan", "plans")


@router.post(
    "",
    response_model=RunState,
    status_code=202,
    responses=problems(429) | {200: {"model": RunState, "description": "It ended within `Prefer: wait`."}},
    operation_id="create_plan",
)
async def create(
    services: ServicesDep,
    caller: Planner,
    asked: PlanRequest,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Accept a plan. It reaches a final state whatever happens to this server; look at `Location` for it."""
    run = await asyncio.to_thread(_accept, services, caller, asked, idempotency_key)
    return await answer_run(services, run, "/v1/plans", prefer)


def _accept(services: Services, caller: Caller, asked: PlanRequest, key: str | None) -> Run:
    found = resolve(services, asked)
    return accept_run(
        services,
        caller,
        key,
        kind="plan",
        name=asked.name or found.case.name,
        asked=asked.model_dump(mode="json", exclude_none=True),
        request=found.request | {"every_hour": asked.every_hour},
        inputs=found.inputs,
    )


@router.get(
    "/{id}/report",
    response_class=HTMLResponse,
    responses=problems(404, 409, 500),
    operation_id="get_plan_report",
)
def report(
    services: ServicesDep,
    caller: Viewer,
    request: Request,
    id: str,
    lang: Annotated[Literal["en", "zh"] | None, Query()] = None,
) -> Response:
    """The self-contained HTML report, English or Chinese; it opens offline."""
    run = finished_or_409(services, "plan", id)
    language = lang or preferred(request.headers.get("accept-language", ""))
    tag = conditional.etag(f"{run.id}.report.{language}")
    same = conditional.not_modified(request, tag, "private, no-cache")
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Language",
        "Content-Security-Policy": REPORT_POLICY,
    }
    return same or FileResponse(report_of(services, run, language), media_type="text/html", headers=headers)
