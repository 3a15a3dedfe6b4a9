"""Every error becomes a problem: refusals of the app, and what no route foresaw, with the strict headers.

Starlette's own last resort stands outside all middleware: its answer had no security headers, was not measured, and
closed the connection.
"""

from __future__ import annotations

import json
import re
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.methods import allowed
from api.jobs.problems import (
    ProblemError,
    ProblemResponse,
    answer,
    count_of,
    fault_json,
    of_trouble,
    pointer,
    problem_json,
)
from api.store.trouble import trouble

log = structlog.get_logger()
_LONGEST_FOUND = 200


class Faults:
    """ASGI middleware, innermost: a known fault of the surroundings by its name, any other as `internal`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a fault that no route has caught."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as fault:
            found = trouble(fault)
            if found is None:
                log.exception("internal fault", method=scope["method"], path=scope["path"])
            else:
                log.error("trouble", kind=found.kind, detail=found.detail, path=scope["path"])
            if begun:  # half an answer is out: breaking the connection is the only way to say that it is not whole
                raise
            said = answer("internal", "The fault was logged.") if found is None else of_trouble(found)
            await said(scope, receive, send)


def _request_faults(error: RequestValidationError) -> list[dict[str, Any]]:
    out = []
    for line in error.errors():
        where, *rest = line["loc"]
        place = pointer(rest) if where == "body" else f"#{where}" + pointer(rest)
        found = "nothing" if line["type"] == "missing" else _shown(line.get("input"))
        allowed = str(line["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
        out.append(fault_json(place, found, allowed))
    return out


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…"


_JSON = re.compile(r"application/(?:[\w.-]+\+)?json")


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


_BY_STATUS = {
    408: "request-timeout",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}


def install(app: FastAPI) -> None:
    """Make every refusal of the app a problem; `api.http.faults` does it for what nobody foresaw."""

    @app.exception_handler(ProblemError)
    async def _problem(_request: Request, error: ProblemError) -> JSONResponse:
        return answer(error.kind, error.detail, error.headers, **error.members)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if any(line["type"] == "json_invalid" for line in error.errors()):
            return answer("unreadable-body", "The body is not well-formed JSON.")
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if (
            any(line["loc"][0] == "body" for line in error.errors())
            and not _JSON.fullmatch(kind)
            and _has_body(request)
        ):
            return answer("unsupported-media-type", f"found {kind or 'nothing'}; allowed: application/json")
        errors = _request_faults(error)
        return answer("invalid-request", count_of(errors), errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(allowed(request.app.routes, request.scope))
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=headers)
        kind = _BY_STATUS.get(error.status_code, "http")
        body = problem_json(kind, str(error.detail)) | {"status": error.status_code}
        return ProblemResponse(body, error.status_code, headers=headers)
