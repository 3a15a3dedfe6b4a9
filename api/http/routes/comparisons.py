"""Comparisons: build-ahead scenarios × futures, as a durable run with tables."""

from __future__ import annotations

from typing import Any

from api.http.accept import Wanted, accept_run
from api.http.resolve import resolve
from api.http.routes.kinds import add_create_route, kind_router
from api.http.schemas.requests import ComparisonRequest
from api.http.security import Caller
from api.service.services import Services
from api.store.runs import Run
from api.work.cases import scenario_faults

router = kind_router("comparison")


def _accept(services: Services, caller: Caller, asked: ComparisonRequest, key: str | None) -> Run:
    """Plan every scenario, judge all plans on the same futures, and lay them side by side. The verdict stands in the
    summary; progress names the scenario and its phase.
    """
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
    wanted = Wanted(
        kind="comparison",
        name=asked.name or found.case.name,
        asked=asked.model_dump(mode="json", exclude_none=True),
        request=request,
        inputs=found.inputs,
    )
    return accept_run(services, caller, key, wanted)


add_create_route(router, "comparison", ComparisonRequest, _accept)
