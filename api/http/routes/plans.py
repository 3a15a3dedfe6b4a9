"""Plans: from a stored case and a demand, as a durable run; their tables in every format; the report."""

from __future__ import annotations

import asyncio

from fastapi import Response

from api.http.accept import IdempotencyKey, accept_run
from api.http.resolve import resolve
from api.http.routes.common import Prefer, answer_run, problems
from api.http.routes.reports import add_report_route, add_workbook_route
from api.http.routes.result_tables import add_table_routes
from api.http.routes.runs import run_router
from api.http.schemas import PlanRequest, RunState
from api.http.security import Caller, Planner, ServicesDep
from api.service.services import Services
from api.store.runs import Run

router = run_router("plan", "plans")
add_table_routes(router, "plan", "plans")
add_report_route(router, "plan")
add_workbook_route(router)


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
    run = await asyncio.to_thread(accept, services, caller, asked, idempotency_key)
    return await answer_run(services, run, "/v1/plans", prefer)


def accept(services: Services, caller: Caller, asked: PlanRequest, key: str | None) -> Run:
    """Store the plan that is asked for and queue it. Raises ProblemError with every fault of what it rests on."""
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
