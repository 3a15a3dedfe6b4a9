"""Pages of other origins that the service allows (TIDEPLAN_ALLOWED_ORIGINS): preflight and the headers they need.

Such a page sends its key in a header. Cookies and remembered Basic keys are never accepted from elsewhere.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

_METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
_MAY_SEND = (
    "Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    "Prefer, X-API-Key, X-Request-Id"
)
_MAY_READ = "Allow, Content-Disposition, ETag, Link, Location, Preference-Applied, Retry-After, X-Request-Id"
_PREFLIGHT_S = "600"


def preflight() -> Response:
    """The answer to an OPTIONS request with Access-Control-Request-Method, from an origin that is allowed."""
    headers = {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _MAY_SEND,
        "Access-Control-Max-Age": _PREFLIGHT_S,
    }
    return Response(status_code=204, headers=headers)


def opened(headers: MutableHeaders, origin: str) -> None:
    """Let a page of this origin read the answer."""
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Expose-Headers"] = _MAY_READ
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
