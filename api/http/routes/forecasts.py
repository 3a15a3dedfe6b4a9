"""Forecasts: an outlook from a stored history, as a durable run."""

from __future__ import annotations

from api.http.accept import Wanted, accept_run
from api.http.routes.kinds import add_create_route, kind_router
from api.http.schemas.requests import ForecastRequest
from api.http.security import Caller
from api.jobs.problems import ProblemError, count_of, fault_json
from api.service.services import Services
from api.store.runs import Run

router = kind_router("forecast")
DEFAULT_WEEKS = 104


def _accept(services: Services, caller: Caller, asked: ForecastRequest, key: str | None) -> Run:
    """Make an outlook; its file is `outlook.zip`, and a plan may be made from it.

    The summary's `backtest` says how good forecasts made at earlier origins were, and in how many quarters a plan made
    from them would have been short; `backtest.json` says it by series, workload and range, `peaks.parquet` by week.
    """
    history = services.documents.history(asked.history_id)
    case = services.documents.case(asked.case_id) if asked.case_id is not None else None
    errors = []
    if history is None:
        errors.append(fault_json("/history_id", asked.history_id, "the id of a stored history"))
    if case is None and asked.case_id is not None:
        errors.append(fault_json("/case_id", asked.case_id, "the id of a stored case"))
    if errors or history is None:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)
    options = asked.model_dump(mode="json", exclude_none=True, exclude={"name", "history_id", "case_id"})
    if case is None:
        options.setdefault("weeks", DEFAULT_WEEKS)
    inputs = {"history": history.artifact} | ({"case": case.artifact} if case is not None else {})
    wanted = Wanted(
        kind="forecast",
        name=asked.name or history.name,
        asked=asked.model_dump(mode="json", exclude_none=True),
        request=options | history.reading(services.settings.max_history_rows),
        inputs=inputs,
    )
    return accept_run(services, caller, key, wanted)


add_create_route(router, "forecast", ForecastRequest, _accept)
