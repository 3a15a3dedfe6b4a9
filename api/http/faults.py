"""The last answer: what no route foresaw becomes a problem with the strict headers, and the connection is kept.

Starlette's own last resort stands outside all middleware: its answer had no security headers, was not measured, and
closed the connection.
"""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.jobs.problems import answer, of_trouble
from api.store.trouble import trouble

log = structlog.get_logger()


class Faults:
    """ASGI middleware, innermost: a known fault of the surroundings by its name, any other as `internal`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
