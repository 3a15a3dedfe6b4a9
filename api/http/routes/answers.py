"""From an answer to a plan: the changed world of a what-if, planned like any other case."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Connection

from api.http.accept import IdempotencyKey, Wanted, accept_run, fingerprint, once
from api.http.resolve import limit_faults, limits_json
from api.http.routes.common import problems
from api.http.routes.runs import finished_or_409, run_or_404
from api.http.schemas.requests import LimitsRequest
from api.http.schemas.runs import RunState
from api.http.schemas.wire import Asked, example
from api.http.security import Caller, Planner, ServicesDep
from api.jobs.problems import ProblemError, count_of
from api.service.services import Services
from api.store import audit
from api.store.runs import Run
from api.work.cases import posed

router = APIRouter(prefix="/v1/questions", tags=["questions"])


class AnswerPlanRequest(Asked):
    """How the changed world is to be planned. name: that of the plan asked about, with what differs, if left out."""

    name: Annotated[str, Field(max_length=400)] = ""
    limits: LimitsRequest = LimitsRequest()
    every_hour: bool = True
    model_config = example({"name": "late power", "limits": {"seconds": 60}})


@router.post(
    "/{id}/plan",
    response_model=RunState,
    status_code=202,
    responses=problems(404, 409, 429),
    operation_id="plan_answer",
)
def plan_answer(
    services: ServicesDep,
    caller: Planner,
    id: str,
    asked: AnswerPlanRequest,
    idempotency_key: IdempotencyKey = None,
) -> RunState:
    """Store the changed case of a what-if, and plan it on the same demand, changed as it was asked."""
    question = finished_or_409(services, "question", id)
    told = question.request["question"]
    if told.get("kind") != "what_if":
        kind = told.get("kind", "why_not")
        raise ProblemError("plan-impossible", f"found an answer of the kind {kind}; allowed: what_if")
    errors = limit_faults(services.settings, asked.limits)
    if errors:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)
    plan = run_or_404(services, "plan", question.request["asked"]["plan_id"])
    return RunState.of(_accepted(services, caller, question, plan, asked, idempotency_key))


def _accepted(
    services: Services, caller: Caller, question: Run, plan: Run, asked: AnswerPlanRequest, key: str | None
) -> Run:
    told = question.request["question"]
    checked = posed(services.artifacts.read(plan.inputs["case"]), told)
    artifact = services.artifacts.put_bytes(checked.document).sha256
    en = str((question.summary or {}).get("question", ""))
    name = (asked.name or f"{plan.name}: {en}")[:400]

    def add(connection: Connection, id: str) -> None:
        services.documents.add_case(
            connection, id=id, name=name, artifact=artifact, warnings=checked.warnings, owner=caller.owner
        )
        audit.note(connection, caller.owner, "case stored", id, {"case": artifact})

    of_case = None if key is None else f"{key}:case"[:200]
    case_id, _new = once(services, caller, of_case, fingerprint("answer", artifact.encode()), "case", add)
    before: dict[str, Any] = {n: v for n, v in plan.request["asked"].items() if n in ("history_id", "forecast_id")}
    kept = {n: v for n, v in plan.request.items() if n not in ("asked", "limits", "every_hour", "demand_change")}
    change = _both(plan.request.get("demand_change"), told["demand"])
    wanted = Wanted(
        kind="plan",
        name=name,
        asked={
            **before,
            "case_id": case_id,
            "name": name,
            "limits": asked.limits.model_dump(mode="json", exclude_none=True),
            "every_hour": asked.every_hour,
            **({"demand_change": change} if change else {}),
            "question_id": question.id,
        },
        request={
            **kept,
            "limits": limits_json(services.settings, asked.limits),
            "every_hour": asked.every_hour,
            "demand_change": change,
        },
        inputs={**plan.inputs, "case": artifact},
    )
    return accept_run(services, caller, key, wanted)


def _both(first: dict[str, Any] | None, then: dict[str, Any]) -> dict[str, Any] | None:
    """One change of demand after another; None where nothing differs."""
    before = first or {"multiplier": 1.0, "growth": 1.0, "of": {}}
    ids = {**before["of"], **then["of"]}
    both = {
        "multiplier": before["multiplier"] * then["multiplier"],
        "growth": before["growth"] * then["growth"],
        "of": {id: before["of"].get(id, 1.0) * then["of"].get(id, 1.0) for id in ids},
    }
    plain = both["multiplier"] == both["growth"] == 1 and all(share == 1 for share in both["of"].values())
    return None if plain else both
