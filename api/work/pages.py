"""Inside the child: what a page shows of a run or a history; generated histories."""

from __future__ import annotations

import importlib
from pathlib import Path
from threading import Event

from api.jobs.kinds import KINDS
from api.jobs.task import Json, Task, Tell, WorkError

PAGES = {kind.name for kind in KINDS.values() if kind.page} | {"backtest"}
"""What has a page: runs of some kinds, and the scores of a history."""


def run(task: Task, out: Path, _tell: Tell, _stop: Event) -> Json:
    """Write `content.json` and the charts of one page below `out`. Raises WorkError for what the user must know."""
    if task.kind == "example-history":
        from api.work.bundled import example_history

        example_history(task.request["name"], out)
        return {}
    if task.kind not in PAGES:
        raise WorkError("internal", f"a page of the kind {task.kind!r} is not known")
    (out / "charts").mkdir()
    importlib.import_module(f"api.work.{task.kind}_content").write(task, out)
    return {}
