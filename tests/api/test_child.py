"""The solve child: messages, stop, memory, and that nothing outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from api.jobs.childwork import json_ready
from api.jobs.process import call, child, end_leftovers
from api.jobs.task import Task
from api.store.version import ROOT


def _task(tmp_path: Path, **wish: object) -> Task:
    case = tmp_path / f"case-{time.monotonic_ns()}.json"
    case.write_text(json.dumps({"meta": {"description": json.dumps(wish)}}))
    return Task("plan", {"limits": {"seed": 3}}, {"case": case})


def test_a_short_call_gives_result_and_files(tmp_path: Path) -> None:
    ended, files = call(_task(tmp_path), tmp_path / "w", module="fakework", memory_mb=512, seconds=60)
    assert ended.result == {"objective": 100.0, "gap": 0.001, "stopped": False}
    assert json.loads(files["plan.json"]) == {"seed": 3}
    assert list((tmp_path / "w").iterdir()) == []


def test_a_call_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    ended, files = call(_task(tmp_path, seconds=60), tmp_path / "w", module="fakework", memory_mb=512, seconds=1)
    assert (ended.kind, files) == ("too-slow", {})
    assert list((tmp_path / "w").iterdir()) == []


def test_stop_brings_the_best_so_far(tmp_path: Path) -> None:
    last = None
    with child(_task(tmp_path, seconds=60), tmp_path / "w", module="fakework", memory_mb=512) as running:
        for message in running.messages(0.1):
            if message is not None and "progress" in message:
                running.ask_to_stop()
            last = message or last
        ended = running.ended(last)
    assert ended.result is not None
    assert ended.result["stopped"] is True


def test_an_unknown_module_is_an_internal_fault(tmp_path: Path) -> None:
    ended, _files = call(_task(tmp_path), tmp_path / "w", module="no_such_module", memory_mb=512, seconds=60)
    assert ended.kind == "internal"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_dies_with_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "import sys; from pathlib import Path; from api.jobs.process import child; from api.jobs.task import Task\n"
        "task = Task('plan', {'limits': {'seed': 1}}, {'case': Path(sys.argv[1])})\n"
        "with child(task, Path(sys.argv[2]), module='fakework', memory_mb=512) as running:\n"
        "    for message in running.messages(1): print(running.process.pid, flush=True)\n"
    )
    case = _task(tmp_path, seconds=60, spawn=True).inputs["case"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])}
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(case), str(tmp_path / "w")], stdout=subprocess.PIPE, env=environment
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    solver = psutil.Process(pid)
    deadline = time.monotonic() + 30
    while not (grandchildren := solver.children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert grandchildren
    parent.send_signal(how)
    parent.wait(10)
    parent.stdout.close()
    _gone, alive = psutil.wait_procs([solver], timeout=5)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    # What the solve itself had started is ended by the next process on this folder.
    assert end_leftovers(tmp_path / "w") >= 1
    _gone, alive = psutil.wait_procs(grandchildren, timeout=5)
    assert not [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_json_is_always_plain() -> None:
    import datetime

    import numpy as np

    value = {"a": float("inf"), "b": [np.float64(1.5), np.int64(2)], 3: (np.array([1.0, np.nan]), None, True)}
    assert json_ready(value) == {"a": None, "b": [1.5, 2], "3": [[1.0, None], None, True]}
    assert json_ready(datetime.date(2027, 1, 1)) == "2027-01-01"
