"""What is uploaded against a finished plan: an hourly demand to replay, metered energy to reconcile."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.http import examples
from api.http.accept import IdempotencyKey, Wanted, accept_run
from api.http.routes.common import ENDED_IN_TIME, Prefer, answer_run, problems
from api.http.routes.kinds import kind_router
from api.http.routes.runs import finished_or_409
from api.http.schemas.runs import RunState
from api.http.security import Caller, Planner, ServicesDep
from api.http.upload import PARQUET_TYPES, Upload, body_of, taken
from api.service.services import Services
from api.store.runs import Run

router = kind_router("replay")
asking = APIRouter(prefix="/v1/plans", tags=["replays"])


async def _upload(request: Request, services: ServicesDep, caller: Planner, id: str) -> Upload:
    await asyncio.to_thread(finished_or_409, services, "plan", id)  # before a large body is taken in
    return await taken(request, services, caller.owner)


@asking.post(
    "/{id}/replays",
    response_model=RunState,
    status_code=202,
    responses=problems(404, 409, 413, 415, 429) | ENDED_IN_TIME,
    openapi_extra=body_of(examples.HISTORY_CSV, PARQUET_TYPES[0], "multipart/form-data"),
    operation_id="create_replay",
)
async def create(
    services: ServicesDep,
    caller: Planner,
    id: str,
    upload: Annotated[Upload, Depends(_upload)],
    future: Annotated[
        int | None, Query(ge=0, le=10_000, description="Whose late orders to take; the likeliest if left out.")
    ] = None,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Dispatch an hourly demand (timestamp, region, workload, value) under the plan's orders, held as they are."""
    run = await asyncio.to_thread(_accept, services, caller, id, upload, future, idempotency_key)
    return await answer_run(services, run, prefer)


@asking.post(
    "/{id}/energy",
    response_model=RunState,
    status_code=202,
    responses=problems(404, 409, 413, 415, 429) | ENDED_IN_TIME,
    openapi_extra=body_of(examples.METERED_CSV),
    operation_id="reconcile_energy",
)
async def reconcile(
    services: ServicesDep,
    caller: Planner,
    id: str,
    upload: Annotated[Upload, Depends(_upload)],
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Set metered energy (site, start, end, facility_kwh; it_kwh, cost and pflops_hours if known) against the plan: the
    difference split into volume, efficiency, PUE and price.
    """
    run = await asyncio.to_thread(_accept_readings, services, caller, id, upload, idempotency_key)
    return await answer_run(services, run, prefer)


def _accept_readings(services: Services, caller: Caller, plan_id: str, upload: Upload, key: str | None) -> Run:
    plan, sha256 = finished_or_409(services, "plan", plan_id), upload.stored.sha256
    asked, request = {"kind": "reconcile", "metered_sha256": sha256}, {"question": {"kind": "reconcile"}, "limits": {}}
    return accept_run(services, caller, key, Wanted.about(plan, "question", asked, request, metered=sha256))


def _accept(
    services: Services, caller: Caller, plan_id: str, upload: Upload, future: int | None, key: str | None
) -> Run:
    plan, sha256 = finished_or_409(services, "plan", plan_id), upload.stored.sha256
    asked = {"demand_sha256": sha256} | ({} if future is None else {"future": str(future)})
    return accept_run(services, caller, key, Wanted.about(plan, "replay", asked, {"future": future}, demand=sha256))
