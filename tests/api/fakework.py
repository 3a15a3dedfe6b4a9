"""A stand-in for the planner inside the solve child. The case's description says, as JSON, what it is to do.

seconds: how long it works; ends: "result", "infeasible", "memory", "abort", "exit", "kill-server"; ignore_stop; spawn:
a child of its own; marks: a file for its process ids.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from api.jobs.task import Task, WorkError

Json = dict[str, Any]
COLUMNS = ("site", "modules", "capex", "period")


def run(task: Task, out: Path, tell: Callable[[Json], None], stop: Event) -> Json:
    if task.kind == "read-history":
        if b"nonsense" in task.inputs["history"].read_bytes():
            raise WorkError("invalid-history", "bad", [{"pointer": "value", "detail": "found nonsense"}])
        return {"hours": 2, "series": []}
    if task.kind == "report":
        (out / "report.xlsx").write_bytes(b"PK" + str(task.request["language"]).encode())
        (out / "report.html").write_text(f"<!doctype html><p>{task.request['language']}</p>", encoding="utf-8")
        return {}
    if task.kind == "forecast":
        (out / "outlook.zip").write_bytes(b"outlook of " + task.inputs["history"].read_bytes()[:10])
        return {"weeks": task.request["weeks"]}
    case = json.loads(task.inputs["case"].read_bytes())
    wish = json.loads(case["meta"]["description"] or "{}")
    marks = wish.get("marks")
    if marks:
        with Path(marks).open("a") as file:
            file.write(f"{os.getpid()}\n")
    if wish.get("spawn"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    begun = time.monotonic()
    steps = 0
    while time.monotonic() - begun < wish.get("seconds", 0.0):
        if stop.is_set() and not wish.get("ignore_stop"):
            break
        steps += 1
        tell({"objective": 100.0 + 10.0 / steps, "bound": 100.0, "gap": 0.1 / steps, "phase": "search", "seconds": 1.0})
        time.sleep(0.1)
    ends = wish.get("ends", "result")
    if ends == "infeasible":
        raise WorkError("infeasible", "no power", [{"pointer": "/sites/0/power_mw", "detail": "found 0; allowed: 2"}])
    if ends == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(64 * 2**20))
    if ends == "abort":
        os.abort()
    if ends == "kill-server":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(5)
    if ends == "exit":
        os._exit(7)
    (out / "tables").mkdir()
    shutil.copy(os.environ["FAKE_TABLE"], out / "tables" / "orders.parquet")  # made once: pyarrow is slow to import
    fields = [{"name": n, "type": "string", "unit": "u", "description": "d"} for n in COLUMNS]
    schema = {"resources": [{"name": "orders", "title": "Orders", "schema": {"fields": fields}}]}
    (out / "tables" / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    (out / "plan.json").write_text(json.dumps({"seed": task.request["limits"]["seed"]}), encoding="utf-8")
    return {"objective": 100.0, "gap": 0.001, "stopped": stop.is_set()}
