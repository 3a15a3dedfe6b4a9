"""One line a request in the log, one id for all that is said of it, and its figures.

The id is the client's own `X-Request-Id` when that is plain, else a new one; the answer carries it, so that a user who
reports a fault can name the lines that belong to it.
"""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.metrics import Metrics

REQUEST_ID = "X-Request-Id"
log = structlog.get_logger("access")
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RESOURCE = re.compile(r"\b(?:plan|forecast|comparison|replay|question|case|history)_[0-9a-f]{20,40}\b")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Requests:
    """ASGI middleware, outermost. Labels of figures are route templates, never paths: nobody can blow them up."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count and time a request, and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status, sent, place = time.perf_counter(), 500, 0, scope["path"]
        given = Headers(scope=scope).get(REQUEST_ID, "")
        id = given if _PLAIN.fullmatch(given) else uuid4().hex
        state = scope.setdefault("state", {})

        async def watched(message: Message) -> None:
            nonlocal status, sent, place
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = id
                place = headers.get("location", place)
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        with structlog.contextvars.bound_contextvars(request=id):
            try:
                await self.app(scope, receive, watched)
            finally:
                seconds = time.perf_counter() - begun
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                self.metrics.requests.labels(method, route, str(status)).inc()
                self.metrics.seconds.labels(method, route).observe(seconds)
                about = _RESOURCE.search(place)
                log.info(
                    "request",
                    method=method,
                    path=scope["path"][:300],
                    status=status,
                    ms=round(seconds * 1000, 1),
                    bytes=sent,
                    key=state.get("owner", ""),
                    run=about.group() if about else "",
                )
