"""Accepting something new: one answer per Idempotency-Key, a limit on waiting work, row and job in one transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header
from sqlalchemy import Connection

from api.http.derived import plan_inputs
from api.http.schemas.wire import Json
from api.http.security import Caller
from api.jobs.problems import ProblemError
from api.service.services import Services
from api.store import audit
from api.store.documents import Promise, new_id
from api.store.runs import Run

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key with the same body gives the same answer; with another body it is refused.",
    ),
]


def fingerprint(route: str, *parts: bytes) -> str:
    """Hash of a request: its route and what was sent."""
    digest = hashlib.sha256(route.encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def canonical(value: Any) -> bytes:
    """JSON in one form for all that mean the same."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def once(
    services: Services,
    caller: Caller,
    key: str | None,
    request_sha256: str,
    prefix: str,
    add: Callable[[Connection, str], None],
) -> tuple[str, bool]:
    """Do `add(connection, new id)` once per key, in one transaction; (id, whether it is new).

    Raises ProblemError when the key was used for another request.
    """
    id = new_id(prefix)
    with services.database.write() as connection:
        if key is not None:
            services.database.lock_for(connection, f"key:{caller.owner}:{key}")
            promise = services.documents.promise(connection, caller.owner, key)
            if promise is not None:
                if promise.body_sha256 != request_sha256:
                    raise ProblemError("key-reused", f"The key belongs to {promise.resource}.")
                return promise.resource, False
        add(connection, id)
        if key is not None:
            services.documents.keep_promise(connection, caller.owner, key, Promise(request_sha256, id))
    return id, True


@dataclass(frozen=True)
class Wanted:
    """A run to be. `asked`: the request in the user's words; `request`: what the work is told; `inputs`: hashes."""

    kind: str
    name: str
    asked: Mapping[str, Any]
    request: Mapping[str, Any]
    inputs: Mapping[str, str]

    @classmethod
    def about(cls, plan: Run, kind: str, asked: Json, request: Json, **inputs: str) -> Wanted:
        """What is asked of a finished plan. inputs: hashes of more than the plan's own files."""
        return cls(kind, plan.name, {"plan_id": plan.id} | asked, request, plan_inputs(plan) | inputs)


def accept_run(services: Services, caller: Caller, key: str | None, wanted: Wanted) -> Run:
    """Store a run and queue its job.

    Raises ProblemError when too much of the caller's work is waiting, or the service is not ready.
    """
    services.ready_for_work()  # said before anything is written

    def add(connection: Connection, id: str) -> None:
        services.database.lock_for(connection, f"queue:{caller.owner}")
        waiting = services.runs.unfinished_of(connection, caller.owner)
        allowed = services.settings.max_unfinished_per_key
        if waiting >= allowed:
            detail = f"found {waiting} unfinished runs; allowed: {allowed}"
            raise ProblemError("too-many-unfinished", detail, headers={"Retry-After": "10"})
        run = services.runs.add(
            connection,
            id=id,
            kind=wanted.kind,
            name=wanted.name,
            request={**wanted.request, "asked": dict(wanted.asked)},
            inputs=wanted.inputs,
            owner=caller.owner,
        )
        services.submit(connection, run)
        audit.note(connection, caller.owner, "run accepted", run.id, wanted.inputs)

    request_sha256 = fingerprint(wanted.kind, canonical(wanted.asked))
    id, _new = once(services, caller, key, request_sha256, wanted.kind, add)
    run = services.runs.get(id)
    assert run is not None
    return run
