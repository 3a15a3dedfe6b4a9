"""Case documents at the edge: read JSON or YAML, check, and write the case out whole."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from api.http import examples
from api.jobs.problems import ProblemError
from api.store.settings import Settings
from api.work.cases import CheckedCase, checked

JSON_TYPES = ("application/json", "text/json", "application/merge-patch+json")
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
YAML_MAX_MB = 2
_SCHEMA = {
    "type": "object",
    "title": "Case",
    "description": "A case; GET /v1/cases/schema gives its whole JSON Schema.",
    "required": ["meta", "horizon", "regions", "sites", "module_types", "workloads"],
    "additionalProperties": True,
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _SCHEMA, "example": examples.CASE},
            "application/yaml": {"schema": _SCHEMA, "example": examples.CASE},
        },
    }
}
ANSWER: dict[str, Any] = {
    "description": "The case.",
    "content": {"application/json": {"schema": _SCHEMA, "example": examples.CASE}},
}


async def body_of(request: Request, settings: Settings) -> tuple[bytes, str]:
    """(bytes, media type) of a case's request. Raises ProblemError for other media types and too large a body."""
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind not in (*JSON_TYPES, *YAML_TYPES):
        raise ProblemError("unsupported-media-type", f"found {kind}; allowed: application/json, application/yaml")
    allowed = int(settings.max_case_mb * 2**20)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > allowed:
            raise ProblemError("too-large", f"allowed: {allowed} bytes for a case")
    return bytes(body), kind


def check(body: bytes, kind: str) -> CheckedCase:
    """Read and check a document. Raises ProblemError with every fault."""
    is_yaml = kind in YAML_TYPES
    if is_yaml:
        _refuse_large(body)
    return checked(body, "yaml" if is_yaml else "json")


def _refuse_large(body: bytes) -> None:
    """Reading YAML is slow; what its aliases may stand for is limited where it is read (`planner.case.document`)."""
    allowed = int(YAML_MAX_MB * 2**20)
    if len(body) > allowed:
        raise ProblemError("too-large", f"found {len(body)} bytes; allowed: {allowed} of YAML; send JSON")
