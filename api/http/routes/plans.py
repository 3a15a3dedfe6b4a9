"""Plans: from a stored case and a demand, as a durable run; their tables in every format; the report."""

from __future__ import annotations

from typing import Any

from api.http.accept import Wanted, accept_run
from api.http.resolve import resolve
from api.http.routes.kinds import add_create_route, kind_router
from api.http.schemas.requests import DemandChangeRequest, PlanRequest
from api.http.security import Caller
from api.service.services import Services
from api.store.runs import Run

router = kind_router("plan")


def accept(services: Services, caller: Caller, asked: PlanRequest, key: str | None) -> Run:
    """Accept a plan. It reaches a final state whatever happens to this server; look at `Location` for it."""
    found = resolve(services, asked)
    wanted = Wanted(
        kind="plan",
        name=asked.name or found.case.name,
        asked=asked.model_dump(mode="json", exclude_none=True),
        request=found.request | {"every_hour": asked.every_hour, "demand_change": changed(asked.demand_change)},
        inputs=found.inputs,
    )
    return accept_run(services, caller, key, wanted)


def changed(change: DemandChangeRequest | None) -> dict[str, Any] | None:
    """As the work is told it."""
    return None if change is None or change == DemandChangeRequest() else change.model_dump(mode="json")


add_create_route(router, "plan", PlanRequest, accept)
