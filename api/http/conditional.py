"""ETags: answers that need not be sent again, and changes that must not overwrite what nobody has seen."""

from __future__ import annotations

from fastapi import Request, Response

from api.jobs.problems import ProblemError

IMMUTABLE = "private, max-age=31536000, immutable"


def etag(value: str) -> str:
    """An entity tag as it is written in headers."""
    return f'"{value}"'


def not_modified(request: Request, tag: str, cache: str) -> Response | None:
    """The 304 for a client that has this version already (weak comparison, RFC 9110 13.1.2)."""
    known = request.headers.get("if-none-match")
    if known is None:
        return None
    tags = {part.strip().removeprefix("W/") for part in known.split(",")}
    if tag.removeprefix("W/") in tags or "*" in tags:
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": cache})
    return None


def require_match(given: str | None, tag: str) -> None:
    """Raises ProblemError unless If-Match names the present version (strong comparison)."""
    if given is None:
        raise ProblemError("precondition-required", "Send the ETag of the version that you read as If-Match.")
    if given.strip() != "*" and tag not in {part.strip() for part in given.split(",")}:
        raise ProblemError("precondition-failed", f"found {given}; the present version is {tag}", headers={"ETag": tag})
