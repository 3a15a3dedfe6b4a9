"""Cases and scenarios that are checked while a request waits: the planner is imported when the first one comes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from api.jobs.problems import ProblemError, count_of
from api.jobs.text import refuse_unsayable
from api.work.faults import errors_of
from forecasts.words.note import said

if TYPE_CHECKING:
    from planner.case import Case
    from planner.case.warning import CaseWarning


@dataclass(frozen=True)
class CheckedCase:
    """A valid case: its document with every default (bytes of JSON), its name, and numbers that look wrong."""

    document: bytes
    name: str
    warnings: list[dict[str, Any]]


def checked(body: bytes, format: str) -> CheckedCase:
    """Read and check a document ("json" or "yaml"). Raises ProblemError with every fault."""
    from planner.case.file import CaseError, dump_case, read_case

    with TemporaryDirectory(prefix="tideplan-case-") as folder:  # nothing else lies in it that a document could name
        path = Path(folder) / f"case.{format}"
        path.write_bytes(body)
        try:
            case = read_case(path)
        except CaseError as fault:
            errors = errors_of(fault.faults)
            if all(one.kind == "file" for one in fault.faults):
                raise ProblemError("unreadable-body", errors[0]["detail"], errors=errors) from fault
            raise ProblemError("invalid-case", count_of(errors), errors=errors) from fault
    document = dump_case(case)
    refuse_unsayable(document, "invalid-case")
    return _stored(case, document)


def _stored(case: Case, document: dict[str, Any]) -> CheckedCase:
    from planner.case.plausible import warnings

    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return CheckedCase(text.encode(), case.meta.name[:400], [_odd(one) for one in warnings(case)])


def _odd(warning: CaseWarning) -> dict[str, Any]:
    told = {"found_zh": said(warning.found, "zh-CN"), "usual_zh": said(warning.usual, "zh-CN")}
    return asdict(warning) | told


def schema() -> dict[str, Any]:
    """The JSON Schema of a case."""
    from planner.case import Case

    return Case.model_json_schema()


def scenario_faults(
    document: bytes, scenarios: list[dict[str, Any]] | None, sweep: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Every fault of the scenarios, alone and on the case of `document`; None: the standard ones."""
    from planner.case.file import case_from
    from planner.scenarios import ScenarioError, asked_scenarios, pose

    try:
        wanted = asked_scenarios(scenarios, sweep)
        if scenarios is not None:
            pose(case_from(json.loads(document)), wanted)
    except ScenarioError as error:
        return errors_of(error.faults)
    return []


def posed(document: bytes, world: dict[str, Any]) -> CheckedCase:
    """The case of `document` with the levers and overrides of a what-if. Raises ProblemError with every fault."""
    from planner.case.file import case_from, dump_case
    from planner.scenarios import ScenarioError, asked_scenarios, pose

    asked = {"id": "what-if", "names": {"en": "what if"}} | {n: world[n] for n in ("levers", "overrides")}
    try:
        case = pose(case_from(json.loads(document)), asked_scenarios([asked]))[0].case
    except ScenarioError as error:
        errors = errors_of(error.faults)
        raise ProblemError("invalid-request", count_of(errors), errors=errors) from error
    return _stored(case, dump_case(case))


def offered_scenarios(language: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(id, name, document) of the standard scenarios; language: "en" or "zh"."""
    from planner.scenarios import standard_scenarios

    known = "zh-CN" if language == "zh" else "en"
    return [(one.id, one.names.text(known), one.model_dump(mode="json")) for one in standard_scenarios()]
