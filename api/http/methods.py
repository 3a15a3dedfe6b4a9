"""What a path can be asked: HEAD wherever GET is, OPTIONS everywhere, and `Allow` that names all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TRIED = ("GET", "POST", "PUT", "PATCH", "DELETE")


def allowed(routes: Iterable[Any], scope: Scope) -> list[str]:
    """The methods of every route whose path fits; none where there is no such path."""
    there = list(routes)
    out = [m for m in _TRIED if any(r.matches(dict(scope, method=m))[0] is Match.FULL for r in there)]
    return [*(["GET", "HEAD"] if "GET" in out else []), *(m for m in out if m != "GET"), *(["OPTIONS"] if out else [])]


class Heads:
    """ASGI middleware: HEAD is GET whose body is not sent; a stream is not even begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HEAD as GET without its body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        ended = False

        async def bodiless(message: Message) -> None:
            nonlocal ended
            if ended:
                return
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                ended = True

        async def gone() -> Message:
            return {"type": "http.disconnect"} if ended else await receive()

        inner = dict(scope, method="GET")
        await self.app(inner, gone, bodiless)
        scope["route"] = inner.get("route")  # figures are kept by route
