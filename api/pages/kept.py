"""What a page shows of a run: made in a child from immutable inputs, and kept until someone clears the cache.

A folder holds `content.json` (texts and tables) and `charts/NAME.json`. The name carries the version that made it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Literal

from api.http.derived import unpacked
from api.http.language import Language
from api.jobs.problems import PROBLEMS, ProblemError
from api.jobs.process import call
from api.jobs.task import Task
from api.service.services import Services
from api.store.runs import Run
from api.store.version import VERSION

What = Literal["plan", "comparison", "forecast", "backtest", "replay"]
FORMAT = 3
"""Raise it when a page's content gets another shape: what was kept in the old one is then made again."""
_MODULE = "api.work.pages"
_LOCK = Lock()
_MAKING: dict[Path, Lock] = {}


def folder_of(services: Services, id: str, what: What, language: Language) -> Path:
    """Where the content of a run's or history's page is kept."""
    return _pages(services) / f"{id}.{what}.{language}"


def known(services: Services, id: str, what: What, language: Language) -> dict[str, Any] | None:
    """The content of a page if it was made before."""
    path = folder_of(services, id, what, language) / "content.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def of_run(services: Services, run: Run, what: What, language: Language) -> dict[str, Any]:
    """The content of a finished run's page. Raises ProblemError when it cannot be made."""
    found = known(services, run.id, what, language)
    if found is not None:
        return found
    inputs = {name: services.artifacts.path(sha256) for name, sha256 in run.inputs.items() if "/" not in name}
    with TemporaryDirectory(prefix="page-", dir=_cache(services)) as here:
        result = unpacked(services, run, Path(here) / "result")
        return made(services, run.id, what, language, inputs | {"result": result}, run.request)


def made(
    services: Services, id: str, what: What, language: Language, inputs: dict[str, Path], request: dict[str, Any]
) -> dict[str, Any]:
    """Make a page's content in a child and keep it. Raises ProblemError when it cannot be made.

    Who asks for the same while it is being made waits for it.
    """
    final = folder_of(services, id, what, language)
    task = Task(what, request | {"language": language}, inputs)
    with _LOCK:
        own = _MAKING.setdefault(final, Lock())
    with own:
        return known(services, id, what, language) or _make(services, final, task)


def _make(services: Services, final: Path, task: Task) -> dict[str, Any]:
    settings = services.settings
    ended, files = call(
        task,
        services.reads_folder,
        module=_MODULE,
        memory_mb=settings.solve_memory_mb,
        seconds=settings.read_seconds_max,
    )
    if ended.result is None:
        raise ProblemError(ended.kind if ended.kind in PROBLEMS else "internal", ended.detail, errors=[*ended.errors])
    with TemporaryDirectory(prefix="page-", dir=_cache(services)) as here:
        draft = Path(here) / "page"
        for name, content in files.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with suppress(OSError):  # another server of ours has made it meanwhile
            draft.rename(final)
    found: dict[str, Any] = json.loads((final / "content.json").read_text(encoding="utf-8"))
    return found


def chart(services: Services, id: str, what: What, language: Language, name: str) -> Path | None:
    """The file of one chart of a page that was made before; None when there is none of that name."""
    folder = folder_of(services, id, what, language) / "charts"
    return next((path for path in folder.glob("*.json") if path.stem == name), None)


def _pages(services: Services) -> Path:
    return services.settings.data_folder / "cache" / VERSION / f"pages-{FORMAT}"


def _cache(services: Services) -> Path:
    folder = _pages(services)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
