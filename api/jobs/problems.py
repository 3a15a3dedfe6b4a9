"""Errors as RFC 9457 problems: stable types, JSON Pointers to what is wrong, every fault at once.

`type` is a path on this service that explains the problem; clients compare it as text and it never changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from api.store.trouble import Trouble

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    status: int
    title: str


PROBLEMS: dict[str, Kind] = {
    "invalid-request": Kind(422, "The request is not valid."),
    "invalid-case": Kind(422, "The case is not valid."),
    "invalid-history": Kind(422, "The history cannot be used."),
    "unreadable-body": Kind(400, "The body cannot be read."),
    "bad-cursor": Kind(400, "The page cursor is not one of ours."),
    "forecast-impossible": Kind(422, "No outlook can be made from this."),
    "infeasible": Kind(422, "No plan meets every rule of the case."),
    "plan-impossible": Kind(422, "No plan can be made from this."),
    "stopped-early": Kind(422, "It was stopped before there was any plan."),
    "not-found": Kind(404, "There is no such thing."),
    "not-ready": Kind(409, "The result is not there yet."),
    "no-result": Kind(409, "The run ended without a result."),
    "already-final": Kind(409, "The run has ended."),
    "signed": Kind(409, "The plan is signed, and what is signed stays as it is."),
    "not-to-be-signed": Kind(409, "The plan cannot be signed like this now."),
    "content-changed": Kind(409, "The plan's content is not the one that was named."),
    "key-reused": Kind(422, "The Idempotency-Key was used for another request."),
    "precondition-required": Kind(428, "If-Match is required."),
    "precondition-failed": Kind(412, "The resource has changed since you read it."),
    "not-acceptable": Kind(406, "The result cannot be given in that format."),
    "unsupported-media-type": Kind(415, "The body's media type is not supported."),
    "request-timeout": Kind(408, "The request did not come whole."),
    "too-large": Kind(413, "The body is too large."),
    "too-many-unfinished": Kind(429, "Too much of your work is waiting."),
    "unauthorised": Kind(401, "An API key is needed."),
    "forbidden": Kind(403, "This key may not do that."),
    "wrong-host": Kind(421, "The Host header is not one of this service."),
    "cross-site": Kind(403, "Requests from other sites are refused."),
    "method-not-allowed": Kind(405, "The method is not allowed here."),
    "not-available": Kind(503, "The service is not ready."),
    "busy": Kind(503, "The service is busy."),
    "disk-full": Kind(507, "The service has no room left."),
    "storage-read-only": Kind(503, "The service may not write its files."),
    "database-away": Kind(503, "The database does not answer."),
    "database-damaged": Kind(503, "The database is damaged."),
    "database-unfit": Kind(503, "The database is not one that this version can work with."),
    "artifact-damaged": Kind(500, "A stored file is damaged."),
    "artifact-missing": Kind(500, "A stored file is missing."),
    "solver-out-of-memory": Kind(500, "The solver ran out of memory."),
    "solver-crashed": Kind(500, "The solver ended unexpectedly."),
    "given-up": Kind(500, "The run was given up after repeated crashes."),
    "too-slow": Kind(500, "It took too long."),
    "internal": Kind(500, "Something went wrong on our side."),
    "http": Kind(400, "The request was refused."),
}


class Fault(BaseModel):
    """One thing that is wrong: where it stands (a JSON Pointer), what was found, what is allowed."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "pointer": "/sites/0/power_mw",
                    "detail": "found -5; allowed: greater than or equal to 0",
                    "found": "-5",
                    "allowed": "greater than or equal to 0",
                }
            ]
        },
    )

    pointer: str
    detail: str
    found: str = ""
    allowed: str = ""


class Problem(BaseModel):
    """An RFC 9457 problem. `errors` lists every fault at once."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/invalid-case",
                    "title": "The case is not valid.",
                    "status": 422,
                    "detail": "1 fault was found.",
                    "errors": [
                        {
                            "pointer": "/sites/0/power_mw",
                            "detail": "found -5; allowed: greater than or equal to 0",
                            "found": "-5",
                            "allowed": "greater than or equal to 0",
                        }
                    ],
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[Fault] = []


class ProblemError(Exception):
    """Raise it anywhere below a route; it becomes the answer."""

    def __init__(
        self, kind: str, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail or PROBLEMS[kind].title)
        self.kind, self.detail, self.members, self.headers = kind, detail, members, dict(headers or {})


def problem_json(kind: str, detail: str = "", **members: Any) -> dict[str, Any]:
    """The members of a problem of this kind."""
    known = PROBLEMS[kind]
    out: dict[str, Any] = {"type": f"/problems/{kind}", "title": known.title, "status": known.status}
    if detail:
        out["detail"] = detail
    return out | members


def fault_json(pointer: str, found: str, allowed: str, **members: Any) -> dict[str, Any]:
    """One fault of a problem's `errors`."""
    detail = f"found {found}; allowed: {allowed}"
    return {"pointer": pointer, "detail": detail, "found": found, "allowed": allowed} | members


def count_of(errors: list[Any]) -> str:
    """How many faults there are, in words."""
    return "1 fault was found." if len(errors) == 1 else f"{len(errors)} faults were found."


def answer(kind: str, detail: str = "", headers: Mapping[str, str] | None = None, **members: Any) -> JSONResponse:
    """A problem as the response to a request."""
    body = problem_json(kind, detail, **members)
    return ProblemResponse(body, body["status"], headers=dict(headers or {}))


class ProblemResponse(JSONResponse):
    """A problem may quote what cannot be written in UTF-8: it is written as JSON's own escape."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """UTF-8; what cannot be encoded is escaped."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def pointer(location: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901) from its parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def of_trouble(found: Trouble, **members: Any) -> JSONResponse:
    """The answer to a request that met a fault of the surroundings."""
    headers = {"Retry-After": "5"} if found.passes or PROBLEMS[found.kind].status == 503 else {}
    return answer(found.kind, found.detail, headers, **members)
