"""The web application, put together. Heavy libraries (solver, pandas, statsmodels) are never imported here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from api import pages
from api.http.faults import Faults, install
from api.http.methods import Heads
from api.http.metrics import Metrics
from api.http.requests import Requests
from api.http.routes import (
    answers,
    cases,
    comparisons,
    forecasts,
    health,
    histories,
    plans,
    questions,
    replays,
    signatures,
    sizing,
)
from api.http.security import Guard
from api.jobs.port import JobEngine
from api.service.services import Services, default_engine
from api.store.database import Database
from api.store.settings import Settings
from api.store.version import VERSION

DESCRIPTION = """Forecasts tidal demand for AI computing, sizes and places accelerator clusters over regions and
quarters, and proves how good the plan is. Errors are RFC 9457 problems; times are UTC; units stand in the names."""


SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer KEY`."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as the password; for people in a browser."},
}
_OPEN = ("/healthz", "/readyz")
THREADS = 64
"""Threads that answer requests; those that wait for what is made on demand hold some (`api.service.slots`)."""


def create_app(settings: Settings, *, engine: Callable[[Settings, Database], JobEngine] = default_engine) -> FastAPI:
    """The app over `settings`; its services start and stop with it. The database must have been upgraded before."""
    services = Services(settings, engine=engine)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = THREADS
        services.start()
        try:
            yield
        finally:
            services.stop()

    app = FastAPI(
        title="tideplan",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.services = services
    app.state.metrics = Metrics()
    for routes in (
        answers,
        cases,
        histories,
        forecasts,
        plans,
        comparisons,
        replays,
        questions,
        signatures,
        sizing,
        health,
        pages,
    ):
        app.include_router(routes.router)
    for below_plans in (replays, questions):
        app.include_router(below_plans.asking)
    install(app)
    for inner_first in (Faults, Heads):
        app.add_middleware(inner_first)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Requests, metrics=app.state.metrics)
    app.openapi = partial(_described, app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description, and how a key is given: one of three ways, or none on a service without keys."""
    if app.openapi_schema is None:
        told = FastAPI.openapi(app)
        told.setdefault("components", {})["securitySchemes"] = SECURITY_SCHEMES
        told["security"] = [{}, *({name: []} for name in SECURITY_SCHEMES)]
        for path in _OPEN:
            for operation in told["paths"][path].values():
                operation["security"] = []
    return app.openapi_schema or {}


def openapi() -> dict[str, Any]:
    """The API's description, as committed in openapi.json."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        from pathlib import Path

        app = create_app(Settings(data_folder=Path(folder), database_url=None))
        return app.openapi()
