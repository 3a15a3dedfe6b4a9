"""Comparisons: build-ahead scenarios × futures, as a durable run with tables."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Response

from api.http.accept import IdempotencyKey, accept_run
from api.http.resolve import resolve
from api.http.routes.common import Prefer, answer_run, problems
from api.http.routes.reports import add_report_route
from api.http.routes.result_tables import add_table_routes
from api.http.routes.runs import run_router
from api.http.schemas import ComparisonRequest, RunState
from api.http.security import Caller, Planner, ServicesDep
from api.service.services import Services
from api.store.runs import Run
from api.work.cases import scenario_faults

router = run_router("comparison", "comparisons")
add_table_routes(router, "comparison", "comparisons")
add_report_route(router, "comparison")


@router.post(
    "",
    response_model=RunState,
    status_code=202,
    responses=problems(429) | {200: {"model": RunState, "description": "It ended within `Prefer: wait`."}},
    operation_id="create_comparison",
)
async def create(
    services: ServicesDep,
    caller: Planner,
    asked: ComparisonRequest,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Plan every scenario, judge all plans on the same futures, and lay them side by side. The verdict stands in the
    summary; progress names the scenario and its phase.
    """
    run = await asyncio.to_thread(_accept, services, caller, asked, idempotency_key)
    return await answer_run(services, run, "/v1/comparisons", prefer)


def _accept(services: Services, caller: Caller, asked: ComparisonRequest, key: str | None) -> Run:
    sweep = None if asked.sweep is None else asked.sweep.model_dump()

    def faults(document: bytes) -> list[dict[str, Any]]:
        return scenario_faults(document, asked.scenarios, sweep)

    found = resolve(services, asked, faults)
    request = found.request | {
        "scenarios": asked.scenarios,
        "sweep": sweep,
        "evaluation_futures": asked.evaluation_futures,
        "budget_seconds": asked.budget_seconds,
        "kept": str((services.settings.data_folder / "cache" / "comparisons").absolute()),
        "kept_days": services.settings.comparison_days,
    }
    if asked.evaluation_futures is not None:
        request["forecast"] = {"evaluation": asked.evaluation_futures} | request["forecast"]
    return accept_run(
        services,
        caller,
        key,
        kind="comparison",
        name=asked.name or found.case.name,
        asked=asked.model_dump(mode="json", exclude_none=True),
        request=request,
        inputs=found.inputs,
    )
