"""What a request for work rests on: stored case, demand and limits, found and checked at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from api.http.schemas.requests import DemandRequest, LimitsRequest
from api.jobs.problems import ProblemError, count_of, fault_json
from api.service.services import Services
from api.store.documents import StoredCase
from api.store.settings import Settings


@dataclass(frozen=True)
class Resolved:
    """case: the stored case. inputs: name → artifact. request: what the work is told of limits, history, forecast."""

    case: StoredCase
    inputs: dict[str, str]
    request: dict[str, Any]


def resolve(
    services: Services, asked: DemandRequest, also: Callable[[bytes], list[dict[str, Any]]] | None = None
) -> Resolved:
    """Everything that a request names. `also` finds further faults, given the case's document.

    Raises ProblemError with every fault at once.
    """
    errors: list[dict[str, Any]] = []
    settings = services.settings
    inputs: dict[str, str] = {}
    request: dict[str, Any] = {}
    case = services.documents.case(asked.case_id)
    if case is None:
        errors.append(fault_json("/case_id", asked.case_id, "the id of a stored case"))
    else:
        inputs["case"] = case.artifact
    if asked.history_id is not None:
        history = services.documents.history(asked.history_id)
        if history is None:
            errors.append(fault_json("/history_id", asked.history_id, "the id of a stored history"))
        else:
            inputs["history"] = history.artifact
            request |= history.reading(settings.max_history_rows) | {"history_name": history.name}
    if asked.forecast_id is not None:
        forecast = services.runs.get(asked.forecast_id, "forecast")
        if forecast is None or forecast.state != "finished":
            found = asked.forecast_id if forecast is None else f"{asked.forecast_id}, {forecast.state}"
            errors.append(fault_json("/forecast_id", found, "the id of a finished forecast"))
        else:
            inputs["outlook"] = (forecast.files or {})["outlook.zip"]["sha256"]
    errors += limit_faults(settings, asked.limits)
    if case is not None and not errors and len(inputs) == 1 and not _brings_demand(services, case.artifact):
        errors.append(
            fault_json("/history_id", "nothing", "history_id or forecast_id, because the case brings no demand")
        )
    if case is not None and also is not None:
        errors += also(services.artifacts.read(case.artifact))
    if errors or case is None:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)
    request["limits"] = limits_json(settings, asked.limits)
    request["forecast"] = asked.forecast.model_dump(mode="json", exclude_none=True)
    return Resolved(case, inputs, request)


def limit_faults(settings: Settings, limits: LimitsRequest) -> list[dict[str, Any]]:
    """Limits above what one solve may take here."""
    errors = []
    if limits.seconds > settings.solve_seconds_max:
        errors.append(fault_json("/limits/seconds", f"{limits.seconds:g}", f"at most {settings.solve_seconds_max:g}"))
    if (limits.threads or 1) > settings.solve_threads_max:
        errors.append(fault_json("/limits/threads", f"{limits.threads}", f"at most {settings.solve_threads_max}"))
    return errors


def limits_json(settings: Settings, limits: LimitsRequest) -> dict[str, Any]:
    """Limits as the work is told them."""
    return limits.model_dump(mode="json") | {"threads": limits.threads or settings.solve_threads_max}


def _brings_demand(services: Services, artifact: str) -> bool:
    return json.loads(services.artifacts.read(artifact)).get("demand") is not None
