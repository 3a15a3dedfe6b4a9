"""Faults of the planner and the forecasts as the problem errors of the service."""

from __future__ import annotations

from collections.abc import Iterable

from api.jobs.problems import fault_json
from api.jobs.task import Json
from forecasts.fault import Fault


def errors_of(faults: Iterable[Fault]) -> list[Json]:
    """RFC 9457 errors; what a fault does not say is left out."""
    out = []
    for fault in faults:
        error = fault_json(fault.where, fault.found, fault.allowed)
        if fault.kind:
            error["kind"] = fault.kind
        if fault.remedy:
            error |= {"detail": f"{error['detail']}; {fault.remedy}", "remedy": fault.remedy}
        if fault.zh is not None:
            zh = fault.zh
            error |= {"found_zh": zh.found, "allowed_zh": zh.allowed, "remedy_zh": zh.remedy}
        out.append(error)
    return out
