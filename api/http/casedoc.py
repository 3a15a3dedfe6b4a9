"""Case documents at the edge: read JSON or YAML, check, and write the case out whole."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fastapi import Request

from api.http import examples
from api.http.text import refuse_unsayable
from api.jobs.problems import ProblemError, count_of
from api.store.settings import Settings

if TYPE_CHECKING:
    from planner.case.fault import Fault

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


@dataclass(frozen=True)
class CheckedCase:
    """A valid case: its document with every default (bytes of JSON), its name, and numbers that look wrong."""

    document: bytes
    name: str
    warnings: list[dict[str, Any]]


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
    from planner.case.file import CaseError, dump_case, read_case
    from planner.case.plausible import warnings

    is_yaml = kind in YAML_TYPES
    if is_yaml:
        _refuse_large(body)
    with TemporaryDirectory(prefix="tideplan-case-") as folder:  # nothing else lies in it that a document could name
        path = Path(folder) / ("case.yaml" if is_yaml else "case.json")
        path.write_bytes(body)
        try:
            case = read_case(path)
        except CaseError as fault:
            errors = [_error(one) for one in fault.faults]
            if all(one.kind == "file" for one in fault.faults):
                raise ProblemError("unreadable-body", errors[0]["detail"], errors=errors) from fault
            raise ProblemError("invalid-case", count_of(errors), errors=errors) from fault
    document = dump_case(case)
    refuse_unsayable(document, "invalid-case")
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return CheckedCase(text.encode(), case.meta.name[:400], [asdict(one) for one in warnings(case)])


def _error(fault: Fault) -> dict[str, Any]:
    return {
        "pointer": fault.pointer,
        "detail": f"found {fault.found}; allowed: {fault.allowed}",
        "found": fault.found,
        "allowed": fault.allowed,
        "kind": fault.kind,
    }


def _refuse_large(body: bytes) -> None:
    """Reading YAML is slow; what its aliases may stand for is limited where it is read (`planner.case.document`)."""
    allowed = int(YAML_MAX_MB * 2**20)
    if len(body) > allowed:
        raise ProblemError("too-large", f"found {len(body)} bytes; allowed: {allowed} of YAML; send JSON")


def schema() -> dict[str, Any]:
    from planner.case import Case

    return Case.model_json_schema()
