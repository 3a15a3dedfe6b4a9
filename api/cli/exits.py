"""Exit codes, and how an error of any floor becomes one with words a user can act on."""

from __future__ import annotations

import errno
import tempfile
import traceback
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from forecasts.fault import Fault, FaultsError


class Exit(IntEnum):
    """What the process answers with. `tideplan --help` and docs/guide.md list them."""

    ok = 0
    internal = 1
    bad_input = 2
    infeasible = 3
    no_plan = 4
    refused = 5
    unhealthy = 6
    interrupted = 130


EXIT_HELP = (
    "Exit codes: 0 done; 1 internal error; 2 wrong usage or input; 3 the case cannot be met (the smallest change that "
    "helps is named); 4 stopped before there was a plan; 5 the service refuses to start; 6 doctor found a fault; "
    "130 interrupted."
)


@dataclass(frozen=True)
class Told:
    """A failure in the user's terms: its exit code, a heading's key in the catalogue, and every fault."""

    exit: Exit
    key: str
    message: str
    faults: tuple[Fault, ...] = ()


# By name, so that telling an error needs none of the modules that define it.
_ERRORS: dict[str, tuple[Exit, str]] = {
    "CaseError": (Exit.bad_input, "error.case"),
    "HistoryError": (Exit.bad_input, "error.history"),
    "ForecastError": (Exit.bad_input, "error.forecast"),
    "OutlookError": (Exit.bad_input, "error.outlook"),
    "InfeasibleError": (Exit.infeasible, "error.infeasible"),
    "StoppedError": (Exit.no_plan, "error.stopped"),
    "SizingError": (Exit.bad_input, "error.usage"),
    "PlanError": (Exit.bad_input, "error.plan"),
    "OutputError": (Exit.bad_input, "error.output"),
    "UsageError": (Exit.bad_input, "error.usage"),
    "RefusedError": (Exit.refused, "error.refused"),
    "LockedError": (Exit.refused, "error.refused"),
    "UnfitError": (Exit.refused, "error.refused"),
    "BackupError": (Exit.bad_input, "error.backup"),
    "TransportError": (Exit.bad_input, "error.server"),
    "ValidationError": (Exit.bad_input, "error.settings"),
}


_OF_FILES = (
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
)
"""What a file system answers when a path or its room is the fault: a matter for the user."""


class UsageError(FaultsError):
    """Arguments that do not fit."""


def told(error: BaseException) -> Told:
    """What to say about an error; a traceback only ever goes into a file."""
    for kind in type(error).__mro__:
        if kind.__name__ in _ERRORS:
            code, key = _ERRORS[kind.__name__]
            return Told(code, key, _message(error), _faults(error))
    if type(error).__name__ == "ApiError":
        return Told(_of_service(error), "error.service", str(error))
    if isinstance(error, KeyboardInterrupt):
        return Told(Exit.interrupted, "error.interrupted", "")
    if isinstance(error, OSError) and error.errno in _OF_FILES:
        return Told(Exit.bad_input, "error.file", f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}")
    if isinstance(error, ValueError) and _ours(error):
        return Told(Exit.bad_input, "error.usage", str(error))
    return Told(Exit.internal, "error.internal", f"{type(error).__name__}: {error} ({_trace_file(error)})")


def _of_service(error: Any) -> Exit:
    """The exit code for a problem that a service answered with."""
    of = {"infeasible": Exit.infeasible, "stopped-early": Exit.no_plan}
    return of.get(error.kind, Exit.bad_input if error.status < 500 else Exit.internal)


def _message(error: BaseException) -> str:
    return "" if _faults(error) else str(error)


def _faults(error: Any) -> tuple[Fault, ...]:
    if callable(getattr(error, "errors", None)):  # pydantic, from the service's settings
        lines = error.errors(include_url=False)
        return tuple(Fault("/".join(map(str, line["loc"])), repr(line["input"]), line["msg"]) for line in lines)
    return tuple(fault for fault in getattr(error, "faults", ()) if isinstance(fault, Fault))


def _ours(error: BaseException) -> bool:
    """Whether a plain ValueError was raised by our own code, which words it for users."""
    trace = error.__traceback__
    module = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return module.split(".")[0] in ("planner", "forecasts", "api")


def _trace_file(error: BaseException) -> str:
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="tideplan-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.writelines(traceback.format_exception(error))
    except OSError as full:
        return f"no file with the details: {full.strerror}"
    return file.name
