"""Inside the child: what a page shows of a run or a history; generated histories."""

from __future__ import annotations

import importlib
import shutil
import traceback
from pathlib import Path
from threading import Event

from api.jobs.kinds import KINDS
from api.jobs.task import PAGES as PAGES_FOLDER
from api.jobs.task import Json, Task, Tell, WorkError

LANGUAGES = ("en", "zh")
PAGES = {kind.name for kind in KINDS.values() if kind.page} | {"backtest", "beside", "against"}
"""What has a page: runs of some kinds, the scores of a history, two plans side by side, what became of one."""


def run(task: Task, out: Path, _tell: Tell, _stop: Event) -> Json:
    """Write `content.json` and the charts of one page below `out`. Raises WorkError for what the user must know."""
    if task.kind == "example-history":
        from api.work.bundled import example_history

        example_history(task.request["name"], out)
        return {}
    if task.kind not in PAGES:
        raise WorkError("internal", f"a page of the kind {task.kind!r} is not known")
    _write(task, out)
    return {}


def _write(task: Task, out: Path) -> None:
    (out / "charts").mkdir(parents=True)
    importlib.import_module(f"api.work.{task.kind}_content").write(task, out)


def made_at_the_end(task: Task, out: Path, tell: Tell) -> None:
    """What pages show of the run that has just ended, in both languages, so that nobody waits for it at the first look.

    A fault here is no fault of the run: it is written to the log, and the page is made when somebody asks for it.
    """
    if task.kind not in KINDS or not KINDS[task.kind].page:
        return
    tell({"phase": "page"})
    folder = out.parent / PAGES_FOLDER
    try:
        for language in LANGUAGES:
            asked = Task(task.kind, task.request | {"language": language}, task.inputs | {"result": out})
            _write(asked, folder / language)
    except Exception:  # noqa: BLE001 - a fault in a page must not cost the result
        traceback.print_exc()
        shutil.rmtree(folder, ignore_errors=True)
