"""The routes of one kind of run: what all have in common, its tables and its report, and how one is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.http.accept import IdempotencyKey
from api.http.routes.common import ENDED_IN_TIME, Prefer, answer_run, problems
from api.http.routes.labels import add_label_routes
from api.http.routes.reports import add_report_route, add_workbook_route
from api.http.routes.result_tables import add_table_routes
from api.http.routes.runs import run_router
from api.http.schemas.runs import RunState
from api.http.security import Caller, Planner, ServicesDep
from api.jobs.kinds import KINDS
from api.service.services import Services
from api.store.runs import Run

Asked = TypeVar("Asked", bound=BaseModel)


def kind_router(name: str) -> APIRouter:
    """Everything that a run of this kind offers (`api.jobs.kinds`), below its own address."""
    kind = KINDS[name]
    router = run_router(kind)
    add_label_routes(router, kind)
    if kind.tables:
        add_table_routes(router, kind)
    if kind.report:
        add_report_route(router, kind)
    if kind.workbook:
        add_workbook_route(router, kind)
    return router


def add_create_route(
    router: APIRouter, name: str, asked_type: type[Asked], accept: Callable[[Services, Caller, Asked, str | None], Run]
) -> None:
    """POST of a new run. accept: stores and queues it, by services, caller, request and Idempotency-Key.

    The docstring of `accept` is what the interface's document says.
    """

    async def create(
        services: ServicesDep,
        caller: Planner,
        asked: Asked,
        idempotency_key: IdempotencyKey = None,
        prefer: Prefer = None,
    ) -> Response:
        run = await asyncio.to_thread(accept, services, caller, asked, idempotency_key)
        return await answer_run(services, run, prefer)

    create.__annotations__["asked"] = asked_type
    create.__doc__ = accept.__doc__
    router.post(
        "",
        response_model=RunState,
        status_code=202,
        responses=problems(429) | ENDED_IN_TIME,
        operation_id=f"create_{name}",
    )(create)
