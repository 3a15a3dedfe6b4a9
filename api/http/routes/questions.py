"""Questions about a finished plan: answered by durable re-solves; prices, drivers and energy, made on demand."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.http import conditional
from api.http.accept import IdempotencyKey, Wanted, accept_run
from api.http.derived import explanation_of
from api.http.resolve import limit_faults, limits_json
from api.http.routes.common import ENDED_IN_TIME, Prefer, answer_run, problems
from api.http.routes.kinds import kind_router
from api.http.routes.runs import finished_or_409
from api.http.schemas.questions import Explanation, QuestionRequest, WhyNotRequest
from api.http.schemas.requests import DemandChangeRequest
from api.http.schemas.runs import RunState
from api.http.security import Caller, Planner, ServicesDep, Viewer
from api.jobs.problems import ProblemError, count_of, fault_json
from api.service.services import Services
from api.store.runs import Run
from api.store.version import VERSION
from api.work.cases import scenario_faults

router = kind_router("question")
asking = APIRouter(prefix="/v1/plans", tags=["questions"])


@asking.post(
    "/{id}/why-not",
    response_model=RunState,
    status_code=202,
    responses=problems(404, 409, 429) | ENDED_IN_TIME,
    operation_id="ask_why_not",
)
async def why_not(
    services: ServicesDep,
    caller: Planner,
    id: str,
    asked: WhyNotRequest,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Solve the plan's case again with some orders forced, or held down, and say what that changes: cost by term with
    the range that both proofs leave, and orders. What cannot be done at all is answered with the limits in the way.
    """
    run = await asyncio.to_thread(_accept, services, caller, id, asked, idempotency_key)
    return await answer_run(services, run, prefer)


@asking.post(
    "/{id}/questions",
    response_model=RunState,
    status_code=202,
    responses=problems(404, 409, 429) | ENDED_IN_TIME,
    operation_id="ask_question",
)
async def ask(
    services: ServicesDep,
    caller: Planner,
    id: str,
    asked: QuestionRequest,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Ask what if, for alternatives, for what would change the answer, or for the worth of filling and resilience. The
    answer stands in the summary of the question.
    """
    run = await asyncio.to_thread(_accept_question, services, caller, id, asked, idempotency_key)
    return await answer_run(services, run, prefer)


@asking.get(
    "/{id}/energy",
    response_model=Explanation,
    responses=problems(404, 409, 500),
    operation_id="get_plan_energy",
)
def energy(services: ServicesDep, caller: Viewer, request: Request, id: str) -> Response:
    """The energy ledger by site and period: kWh, cost, demand charge, PUE, kWh per PFLOPS-hour, carbon."""
    return _explained(services, caller, request, id, "energy")


@asking.get(
    "/{id}/prices",
    response_model=Explanation,
    responses=problems(404, 409, 500),
    operation_id="get_plan_prices",
)
def prices(services: ServicesDep, caller: Viewer, request: Request, id: str) -> Response:
    """What one unit more of a limit is worth: its number in the case moved by 1 MW, 1 module, 1 t, 1 % of the budget …,
    and the case planned again. What is worth nothing is left out; `note` says what stayed as planned."""
    return _explained(services, caller, request, id, "prices")


@asking.get(
    "/{id}/drivers",
    response_model=Explanation,
    responses=problems(404, 409, 500),
    operation_id="get_plan_drivers",
)
def drivers(services: ServicesDep, caller: Viewer, request: Request, id: str) -> Response:
    """What made every order necessary (its busiest hour, the workloads at work then, the limits that are full), and
    after the orders what every departure of the fleet frees, costs or brings."""
    return _explained(services, caller, request, id, "drivers")


def _accept(services: Services, caller: Caller, plan_id: str, asked: WhyNotRequest, key: str | None) -> Run:
    plan = finished_or_409(services, "plan", plan_id)
    errors = limit_faults(services.settings, asked.limits)
    case = json.loads(services.artifacts.read(plan.inputs["case"]))
    for field, block in (("site", "sites"), ("module_type", "module_types")):
        known, found = [one["id"] for one in case[block]], getattr(asked, field)
        if found is not None and found not in known:
            errors.append(fault_json(f"/{field}", found, f"one of {', '.join(known)}"))
    periods = int(case["horizon"]["periods"])
    if asked.period is not None and asked.period >= periods:
        errors.append(fault_json("/period", str(asked.period), f"0 to {periods - 1}"))
    return _asked(services, caller, plan, asked, asked.model_dump(mode="json", exclude={"limits"}), errors, key)


def _accept_question(services: Services, caller: Caller, plan_id: str, asked: QuestionRequest, key: str | None) -> Run:
    plan = finished_or_409(services, "plan", plan_id)
    errors = limit_faults(services.settings, asked.limits)
    if asked.kind == "what_if":
        world = {"id": "what-if", "names": {"en": "what if"}, "levers": asked.levers, "overrides": asked.overrides}
        found = scenario_faults(services.artifacts.read(plan.inputs["case"]), [world])
        errors += [one | {"pointer": str(one["pointer"]).removeprefix("/scenarios/0")} for one in found]
        if not asked.levers and not asked.overrides and asked.demand == DemandChangeRequest():
            errors.append(fault_json("/levers", "nothing that differs", "levers, overrides or demand"))
    question = asked.model_dump(mode="json", exclude={"limits"})
    return _asked(services, caller, plan, asked, question, errors, key)


def _asked(
    services: Services,
    caller: Caller,
    plan: Run,
    asked: WhyNotRequest | QuestionRequest,
    question: dict[str, Any],
    errors: list[dict[str, Any]],
    key: str | None,
) -> Run:
    """Accept a question about a plan, or refuse it with every fault."""
    if errors:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)
    request = {"question": question, "limits": limits_json(services.settings, asked.limits)}
    wanted = Wanted.about(plan, "question", asked.model_dump(mode="json", exclude_none=True), request)
    return accept_run(services, caller, key, wanted)


def _explained(
    services: Services, caller: Caller, request: Request, id: str, what: Literal["prices", "drivers", "energy"]
) -> Response:
    """Rows made in a child on demand and kept until someone clears the cache; they follow from the plan alone."""
    run = finished_or_409(services, "plan", id)
    tag = conditional.etag(f"{run.id}.{what}.{VERSION}")
    same = conditional.not_modified(request, tag, conditional.IMMUTABLE)
    if same is not None:
        return same
    told = explanation_of(services, run, what, caller.owner)
    headers = {"ETag": tag, "Cache-Control": conditional.IMMUTABLE}
    return JSONResponse(Explanation(plan_id=run.id, **told).model_dump(mode="json"), headers=headers)
