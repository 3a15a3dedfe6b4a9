"""Where a result comes from: enough to make it again.

Keys: case, demand (hashes), versions, made (UTC), machine; solve (seconds, gap, seed, threads, route, memory_gb as they
were asked for); outlook (the forecast's own provenance, with the name and hash of its history), days and every_hour,
where there were any; command (what somebody typed or sent), which only the edge knows.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from planner.case import Case
from planner.case.file import case_hash
from planner.demand import Demand
from planner.plan.plan import Plan, demand_hash

PACKAGES = ("tideplan", "ortools", "numpy", "scipy", "pandas", "statsmodels")


def made_by() -> dict[str, Any]:
    """Versions, machine and time of day: what worked, where and when."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return {
        "versions": versions,
        "machine": {"system": platform.system(), "machine": platform.machine(), "processors": os.cpu_count()},
        "made": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


def provenance(case: Case, demand: Demand) -> dict[str, Any]:
    """Hashes of what went in, and what worked on it."""
    return {"case": case_hash(case), "demand": demand_hash(demand), **made_by()}


def with_origin(plan: Plan, origin: Mapping[str, Any]) -> Plan:
    """The plan with more said about where it comes from; what is None says nothing."""
    said = {name: value for name, value in origin.items() if value is not None}
    return replace(plan, provenance={**plan.provenance, **said})


def as_json(settings: Any) -> dict[str, Any]:
    """A frozen dataclass of settings as JSON, its mappings with keys as text."""
    return {name: _plain(value) for name, value in asdict(settings).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value
