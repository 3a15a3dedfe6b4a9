"""The web application, put together. Heavy libraries (solver, pandas, statsmodels) are never imported here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api import pages
from api.http.metrics import Measured, Metrics
from api.http.routes import cases, comparisons, forecasts, health, histories, plans, questions, replays, sizing
from api.http.security import Guard
from api.jobs import problems
from api.jobs.port import JobEngine
from api.service.services import Services, default_engine
from api.store.database import Database
from api.store.settings import Settings
from api.store.version import VERSION

DESCRIPTION = """Forecasts tidal demand for AI computing, sizes and places accelerator clusters over regions and
quarters, and proves how good the plan is. Errors are RFC 9457 problems; times are UTC; units stand in the names."""


def create_app(settings: Settings, *, engine: Callable[[Settings, Database], JobEngine] = default_engine) -> FastAPI:
    """The app over `settings`; its services start and stop with it. The database must have been upgraded before."""
    services = Services(settings, engine=engine)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
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
    for routes in (cases, histories, forecasts, plans, comparisons, replays, questions, sizing, health, pages):
        app.include_router(routes.router)
    for below_plans in (replays, questions):
        app.include_router(below_plans.asking)
    problems.install(app)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Measured, metrics=app.state.metrics)
    return app


def openapi() -> dict[str, Any]:
    """The API's description, as committed in openapi.json."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        from pathlib import Path

        app = create_app(Settings(data_folder=Path(folder), database_url=None))
        return app.openapi()
