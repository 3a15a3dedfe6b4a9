"""Alive, ready, and figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.http.metrics import Metrics
from api.http.routes.common import problems
from api.http.schemas.health import Health
from api.http.security import ServicesDep, Viewer
from api.store.version import VERSION

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, operation_id="healthz")
def healthz() -> Health:
    """The process answers. Needs no key."""
    return Health(status="ok", version=VERSION)


@router.get("/readyz", response_model=Health, responses={503: {"model": Health}}, operation_id="readyz")
def readyz(services: ServicesDep) -> Response:
    """Whether work is accepted, and why not. Needs no key."""
    found = services.readiness()
    body = Health(status="ok" if found.ready else "not ready", version=VERSION, reasons=list(found.reasons))
    headers = {} if found.ready else {"Retry-After": "2"}
    return JSONResponse(body.model_dump(mode="json"), 200 if found.ready else 503, headers=headers)


@router.get(
    "/metrics",
    response_class=Response,
    responses=problems() | {200: {"content": {"text/plain": {}}}},
    operation_id="metrics",
)
def metrics(request: Request, services: ServicesDep, _caller: Viewer) -> Response:
    """Prometheus text format: requests, runs by state."""
    measured: Metrics = request.app.state.metrics
    body, kind = measured.text(services)
    return Response(body, headers={"Content-Type": kind})
