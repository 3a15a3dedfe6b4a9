"""The HTML report of a run: made on demand in a child from the stored result, and kept until someone clears the cache.

It is derived from immutable inputs, so the cache may be deleted at any time; the name carries the version that made it.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from api.http.language import Language
from api.jobs.problems import PROBLEMS, ProblemError
from api.jobs.process import call
from api.jobs.task import Task
from api.service.services import Services
from api.store.runs import Run
from api.store.version import VERSION


def report_of(services: Services, run: Run, language: Language) -> Path:
    """The report of a finished run as a file. Raises ProblemError when it cannot be made."""
    settings = services.settings
    cache = settings.data_folder / "cache" / VERSION
    final = cache / f"{run.id}.{language}.html"
    if final.is_file():
        return final
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="report-", dir=cache) as folder:
        inputs = {run.kind: unpacked(services, run, Path(folder) / run.kind)}
        if run.kind == "comparison":
            inputs["case"] = services.artifacts.path(run.inputs["case"])
        ended, files = call(
            Task("report", {"language": language}, inputs),
            services.reads_folder,
            module=settings.work_module,
            memory_mb=settings.solve_memory_mb,
            seconds=settings.read_seconds_max,
        )
    if ended.result is None:
        raise ProblemError(ended.kind if ended.kind in PROBLEMS else "internal", ended.detail)
    temporary = cache / f"{uuid4().hex}.tmp"
    temporary.write_bytes(files["report.html"])
    temporary.replace(final)
    return final


def unpacked(services: Services, run: Run, folder: Path) -> Path:
    """The run's files below `folder`, as links to the artifacts: a folder that `Plan.load` reads."""
    for name, entry in (run.files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(services.artifacts.path(entry["sha256"]).absolute(), path)
    return folder
