"""Who may come in: Host, Origin and Sec-Fetch-Site, body size, strict headers, API keys and their roles.

A browser page from elsewhere must not be able to steer a service that listens on loopback: the Host header must be one
of ours (DNS rebinding), and requests that change something must not come from another origin (CSRF).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http import cors
from api.jobs.problems import ProblemError, answer
from api.service.services import Services
from api.store.keys import Role, reaches
from api.store.settings import LOOPBACK_NAMES, Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A report is one self-contained file with its scripts inside; sandboxed, it has no origin and reaches nothing of ours.
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Guard:
    """ASGI middleware: refuses foreign hosts, origins and oversized bodies; adds the strict headers to every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.body_silence_s = settings.body_silence_s
        self.max_body_bytes = int(settings.max_body_mb * 2**20)
        self.origins = {origin.lower().rstrip("/") for origin in settings.allowed_origins}
        self.hosts = {host.lower() for host in (*LOOPBACK_NAMES, *settings.allowed_hosts)}
        if settings.host not in ("0.0.0.0", "::"):
            self.hosts.add(settings.host.lower() if ":" not in settings.host else f"[{settings.host.strip('[]')}]")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass, answer the rest with a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        elsewhere = origin if origin is not None and origin.lower() in self.origins else None

        async def send_strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                if self.origins:
                    out.add_vary_header("Origin")
                if elsewhere is not None:
                    cors.opened(out, elsewhere)
            await send(message)

        refusal = self.refusal(scope["method"], headers)
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            refusal = refusal or ("invalid-request", "found U+0000 in the address; allowed: text without NUL")
        if refusal is not None:
            await answer(refusal[0], refusal[1])(scope, receive, send_strict)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await cors.preflight()(scope, receive, send_strict)
            return
        await self.app(scope, self._limited(receive), send_strict)

    def refusal(self, method: str, headers: Headers) -> tuple[str, str] | None:
        """Kind and detail of the problem that a request's headers make, if any."""
        host = headers.get("host", "").lower()
        if _without_port(host) not in self.hosts:
            return "wrong-host", f"found {host!r}; allowed: {', '.join(sorted(self.hosts))} (TIDEPLAN_ALLOWED_HOSTS)"
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.max_body_bytes:
            return "too-large", f"found {length} bytes; allowed: {self.max_body_bytes}"
        origin = headers.get("origin")
        if origin is not None and origin.lower() in self.origins:
            if headers.get("authorization", "").lower().startswith("basic"):  # a browser adds what it remembers
                return "cross-site", f"found a Basic key from {origin}; allowed: Authorization: Bearer, or X-API-Key"
            return None
        if method in SAFE_METHODS and "access-control-request-method" not in headers:
            return None
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "cross-site", f"found Sec-Fetch-Site {headers['sec-fetch-site']!r}; allowed: same-origin"
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            allowed = ", ".join(("this service's own", *sorted(self.origins)))
            return "cross-site", f"found the Origin {origin!r}; allowed: {allowed} (TIDEPLAN_ALLOWED_ORIGINS)"
        return None

    def _limited(self, receive: Receive) -> Receive:
        seen, whole = 0, False

        async def limited() -> Message:
            nonlocal seen, whole
            if whole:  # what comes now is the client's leaving, for which a stream may wait
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.body_silence_s)
            except TimeoutError as fault:
                raise HTTPException(
                    408, f"allowed: {self.body_silence_s:g} seconds without a byte of the body"
                ) from fault
            whole = not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self.max_body_bytes:
                # Starlette's own exception: FastAPI lets it through while it reads a body.
                raise HTTPException(413, f"allowed: {self.max_body_bytes} bytes")
            return message

        return limited


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


@dataclass(frozen=True)
class Caller:
    """Who asks: the key's id ("local" when no key is needed), what the key may do, and its name."""

    owner: str
    role: Role
    name: str = ""

    def may(self, role: Role) -> bool:
        """Whether the role is high enough."""
        return reaches(self.role, role)


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _caller(request: Request, services: Annotated[Services, Depends(_services)]) -> Caller:
    caller = _known(request, services)
    request.state.owner = caller.owner  # the log names it
    return caller


def _known(request: Request, services: Services) -> Caller:
    secret = _secret(request)
    if secret is not None:
        key = services.keys.find(secret)
        if key is not None:
            return Caller(key.id, key.role, key.name)
    elif services.settings.is_loopback and not services.keys.needed():
        return Caller("local", "admin")
    challenge = {"WWW-Authenticate": 'Basic realm="tideplan", charset="UTF-8"'}
    if "text/html" not in request.headers.get("accept", ""):
        challenge = {"WWW-Authenticate": 'Bearer realm="tideplan"'}
    found = "no key" if secret is None else "an unknown, expired or revoked key"
    detail = f"found {found}; allowed: Authorization: Bearer KEY, X-API-Key: KEY, or the key as a Basic password"
    raise ProblemError("unauthorised", detail, headers=challenge)


def _secret(request: Request) -> str | None:
    if "x-api-key" in request.headers:
        return request.headers["x-api-key"]
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeError):
            return ""
    return None


def _viewer(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return _allowed(caller, "viewer")


def _planner(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return _allowed(caller, "planner")


def _allowed(caller: Caller, role: Role) -> Caller:
    if not caller.may(role):
        raise ProblemError("forbidden", f"found the role {caller.role}; allowed: {role} or higher")
    return caller


ServicesDep = Annotated[Services, Depends(_services)]
VIEWER = Depends(_viewer)
Viewer = Annotated[Caller, VIEWER]
Planner = Annotated[Caller, Depends(_planner)]
