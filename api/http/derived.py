"""The report of a run, HTML or workbook: made on demand in a child, and kept until someone clears the cache.

It is derived from immutable inputs, so the cache may be deleted at any time; the name carries the version that made it.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from uuid import uuid4

from api.http.language import Language
from api.jobs.problems import PROBLEMS, ProblemError
from api.jobs.process import call
from api.jobs.task import Task
from api.service.services import Services
from api.store.runs import Run
from api.store.version import VERSION

Reported = Literal["plan", "comparison"]
Form = Literal["html", "xlsx"]


def report_of(services: Services, run: Run, kind: Reported, language: Language, form: Form = "html") -> Path:
    """The report of a run of this kind as a file; a workbook there is of plans only. Raises ProblemError when it cannot
    be made."""
    settings = services.settings
    cache = settings.data_folder / "cache" / VERSION
    final = cache / f"{run.id}.{language}.{form}"
    if final.is_file():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="report-", dir=cache) as folder:
        inputs: dict[str, Path] = {kind: unpacked(services, run, Path(folder) / kind)}
        if kind == "comparison":
            inputs["case"] = services.artifacts.path(run.inputs["case"])
        ended, files = call(
            Task("report", {"language": language, "form": form}, inputs),
            services.reads_folder,
            module=settings.work_module,
            memory_mb=settings.solve_memory_mb,
            seconds=settings.read_seconds_max,
        )
    if ended.result is None:
        raise ProblemError(ended.kind if ended.kind in PROBLEMS else "internal", ended.detail)
    temporary = cache / f"{uuid4().hex}.tmp"
    temporary.write_bytes(files[f"report.{form}"])
    temporary.replace(final)
    return final


def unpacked(services: Services, run: Run, folder: Path) -> Path:
    """The run's files below `folder`, as links to the artifacts: a folder that `Plan.load` reads."""
    for name, entry in (run.files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(services.artifacts.path(entry["sha256"]).absolute(), path)
    return folder
