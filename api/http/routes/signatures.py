"""Signing plans: propose, comment, approve, reject, withdraw; the log; the plans of record; what became of them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from api.http.accept import IdempotencyKey, canonical, fingerprint, once
from api.http.routes.common import Limit, problems
from api.http.routes.runs import finished_or_409
from api.http.schemas.signed import (
    ActualEntry,
    ActualList,
    ActualRequest,
    PlanOfRecord,
    PlanSignatures,
    PlansOfRecord,
    SignatureEntry,
    SignatureLog,
    SignatureRequest,
)
from api.http.security import Planner, ServicesDep, Viewer
from api.jobs.problems import ProblemError, count_of, fault_json
from api.service.services import Services
from api.store.actuals import Actual
from api.store.database import now_ms
from api.store.runs import Run
from api.store.signatures import RefusedError, Said, Signer, content_sha256

router = APIRouter(prefix="/v1", tags=["signing"])


@router.post(
    "/plans/{id}/signatures",
    response_model=PlanSignatures,
    status_code=201,
    responses=problems(404, 409, 500),
    operation_id="sign_plan",
)
def sign(
    services: ServicesDep,
    caller: Planner,
    id: str,
    asked: SignatureRequest,
    idempotency_key: IdempotencyKey = None,
) -> PlanSignatures:
    """Add a line to the log. A planner proposes, comments and withdraws; an approver, whose key is not the one that
    proposed, approves or rejects. What is approved is the plan of record of its scope until the next one, and stays as
    it is for ever.
    """
    run = finished_or_409(services, "plan", id)
    _refuse_unsaid(asked)
    if asked.action == "approve":
        for entry in (run.files or {}).values():  # nobody signs what cannot be read any more
            services.artifacts.checked(entry["sha256"])
    scope = asked.scope.strip() or _case_name(services, run)

    def add(connection: Connection, entry_id: str) -> None:
        said = Said(asked.action, scope, asked.comment.strip(), asked.content_sha256)
        by = Signer(caller.owner, caller.name, caller.role)
        services.signatures.add(connection, entry_id, run, said, by)

    sent = canonical(asked.model_dump(mode="json"))
    try:
        once(services, caller, idempotency_key, fingerprint("signature", id.encode(), sent), "signature", add)
    except RefusedError as fault:
        raise ProblemError(fault.kind, fault.detail) from fault
    return PlanSignatures.of(id, services.signatures.log(), content_sha256(run))


def _refuse_unsaid(asked: SignatureRequest) -> None:
    errors = []
    if asked.action in ("comment", "reject") and not asked.comment.strip():
        errors.append(fault_json("/comment", "nothing", "why, in words"))
    if asked.action == "approve" and asked.content_sha256 is None:
        errors.append(fault_json("/content_sha256", "nothing", "the hash of the content that is approved"))
    if errors:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)


def _case_name(services: Services, run: Run) -> str:
    return str(json.loads(services.artifacts.read(run.inputs["case"]))["meta"]["name"])[:400]


@router.get(
    "/plans/{id}/signatures",
    response_model=PlanSignatures,
    responses=problems(404, 409),
    operation_id="get_plan_signatures",
)
def signatures(services: ServicesDep, _caller: Viewer, id: str) -> PlanSignatures:
    """Where a plan stands, the hash of its content, and every line of the log about it."""
    run = finished_or_409(services, "plan", id)
    return PlanSignatures.of(id, services.signatures.log(), content_sha256(run))


@router.get("/plans-of-record", response_model=PlansOfRecord, responses=problems(), operation_id="list_plans_of_record")
def plans_of_record(services: ServicesDep, _caller: Viewer) -> PlansOfRecord:
    """The approved plan of every scope."""
    log = services.signatures.log()
    return PlansOfRecord(items=[PlanOfRecord.of(one) for one in log.of_record()], faults=log.faults)


@router.get("/signatures", response_model=SignatureLog, responses=problems(), operation_id="list_signatures")
def log(
    services: ServicesDep,
    _caller: Viewer,
    after: Annotated[int, Query(ge=0, le=2**31, description="Number of the last line that is known.")] = 0,
    limit: Limit = 50,
) -> SignatureLog:
    """The log of all plans in its order, with every hash, so that anybody can check it."""
    found = services.signatures.log()
    rest = [entry for entry in found.entries if entry.seq > after]
    items = [SignatureEntry.of(entry) for entry in rest[:limit]]
    return SignatureLog(items=items, next=items[-1].seq if len(rest) > limit else None, faults=found.faults)


Scope = Annotated[str, Query(min_length=1, max_length=400, description="As in the plans of record.")]


@router.post(
    "/actuals", response_model=ActualEntry, status_code=201, responses=problems(404), operation_id="enter_actual"
)
def enter(
    services: ServicesDep,
    caller: Planner,
    scope: Scope,
    asked: ActualRequest,
    idempotency_key: IdempotencyKey = None,
) -> ActualEntry:
    """Enter what became of the plan of record of a scope. Nothing is ever changed: a correction is a further entry."""
    case = _case_of_record(services, scope)
    errors = _unknown(case, asked)
    if errors:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)

    def add(connection: Connection, id: str) -> None:
        told = asked.model_dump(mode="json")
        made = Actual(**told, id=id, scope=scope, owner=caller.owner, owner_name=caller.name, created_ms=now_ms())
        services.actuals.add(connection, made)

    sent = fingerprint("actual", scope.encode(), canonical(asked.model_dump(mode="json")))
    id, _new = once(services, caller, idempotency_key, sent, "actual", add)
    return ActualEntry.of(next(one for one in services.actuals.of(scope) if one.id == id))


def _case_of_record(services: Services, scope: str) -> dict[str, Any]:
    found = next((one for one in services.signatures.log().of_record() if one.entry.scope == scope), None)
    run = services.runs.get(found.entry.plan_id) if found else None
    if run is None:
        raise ProblemError("not-found", f"There is no plan of record for {scope}.")
    case: dict[str, Any] = json.loads(services.artifacts.read(run.inputs["case"]))
    return case


def _unknown(case: dict[str, Any], asked: ActualRequest) -> list[dict[str, Any]]:
    """Names that the case does not have."""
    ids = {name: [one["id"] for one in case[name]] for name in ("sites", "regions", "workloads", "module_types")}
    wanted = {
        "ordered": (ids["sites"], ids["module_types"]),
        "delivered": (ids["sites"], ids["module_types"]),
        "power_ready": (ids["sites"], [""]),
        "demand": (["", *ids["regions"]], ids["workloads"]),
    }[asked.kind]
    pairs = (("/place", asked.place, wanted[0]), ("/what", asked.what, wanted[1]))
    errors = [
        fault_json(pointer, found or "nothing", f"one of {', '.join(one or '(nothing)' for one in allowed)}")
        for pointer, found, allowed in pairs
        if found not in allowed
    ]
    if asked.kind == "demand" and asked.amount < 0:
        errors.append(fault_json("/amount", f"{asked.amount:g}", "at least 0"))
    return errors


@router.get("/actuals", response_model=ActualList, responses=problems(), operation_id="list_actuals")
def actuals(services: ServicesDep, _caller: Viewer, scope: Scope) -> ActualList:
    """Everything that was entered for a scope, in its order."""
    return ActualList(items=[ActualEntry.of(one) for one in services.actuals.of(scope)])
