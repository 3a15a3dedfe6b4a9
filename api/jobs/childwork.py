"""Inside the solve child: run the work in a thread, listen for "stop", and put the outcome into words."""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from api.jobs.task import OUT_OF_MEMORY, Json, Task, Work, WorkError


def run(folder: str, module: str) -> int:
    """Do the task in `folder`; returns the process's exit code (0 when the outcome could be told)."""
    channel = _own_channel()
    lock = threading.Lock()

    def say(message: Json) -> None:
        line = json.dumps(json_ready(message), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        with lock:
            channel.write(line.encode())
            channel.flush()

    stop = threading.Event()
    outcome: list[Json] = []

    def work() -> None:
        try:
            here = Path(folder)
            task = Task.from_json(json.loads((here / "task.json").read_text(encoding="utf-8")))
            out = here / "out"
            out.mkdir(exist_ok=True)
            does: Work = importlib.import_module(module).run
            outcome.append({"result": does(task, out, lambda progress: say({"progress": progress}), stop)})
        except WorkError as fault:
            outcome.append({"problem": fault.to_json()})
        except MemoryError:
            outcome.append({"problem": WorkError(OUT_OF_MEMORY, "").to_json()})
        except BaseException as fault:  # noqa: BLE001 - the last line of defence: whatever it is, the user is told
            traceback.print_exc()
            kind = OUT_OF_MEMORY if "bad_alloc" in repr(fault) else _named(fault) or "internal"
            outcome.append({"problem": WorkError(kind, f"{type(fault).__name__}: {fault}"[:2000]).to_json()})

    threading.Thread(target=_listen, args=(stop,), daemon=True).start()
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    say(outcome[0])
    sys.stderr.flush()
    os._exit(0)  # solver threads that still unwind must not hold up the answer


def _named(fault: BaseException) -> str | None:
    """The kind of a fault of the surroundings."""
    from api.store.trouble import trouble  # here, because a child that works well needs none of it

    found = trouble(fault)
    return None if found is None else found.kind


def _own_channel() -> Any:
    """Keep the real standard output for messages; what native code prints goes to standard error."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return channel


def _listen(stop: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "stop":
            stop.set()
    os._exit(4)


def json_ready(value: Any) -> Any:
    """The value in plain JSON: numbers that are not finite become null, numpy's and dates their plain form."""
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return json_ready(value.tolist())
    return str(value)
