"""The parent's side of a solve child: start it, hear it, stop it, and say why it died."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from api.jobs.memory import TreeMemory
from api.jobs.task import CRASHED, OUT_OF_MEMORY, Json, Task
from api.store.version import ROOT

_LOG_TAIL_BYTES = 4000
_NO_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate memory", "out of memory")


@dataclass(frozen=True)
class Ended:
    """How a child ended: `result`, or a problem's kind, detail and errors."""

    result: Json | None
    kind: str = ""
    detail: str = ""
    errors: tuple[Json, ...] = ()


class Child:
    """A running solve child. Messages are read by a thread of its own, so that a silent child can still be steered."""

    def __init__(self, task: Task, folder: Path, *, module: str, memory_mb: int) -> None:
        folder.mkdir(parents=True)
        self._kernel_kills = _kernel_kills()
        self.folder = folder
        self.out = folder / "out"
        (folder / "task.json").write_text(json.dumps(task.to_json()), encoding="utf-8")
        self._log = (folder / "log").open("wb")
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            "MALLOC_ARENA_MAX": "2",  # every arena reserves 64 MiB of the address space that is limited below
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "api.jobs.child", str(os.getpid()), str(folder), module, str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,
        )
        (folder / "pid").write_text(str(self.process.pid))
        self._messages: queue.Queue[Json | None] = queue.Queue()
        self.memory = TreeMemory(self.process.pid, memory_mb)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # a torn last line of a killed child
            if isinstance(message, dict):
                self._messages.put(message)
        self._messages.put(None)
        self.memory.stop()

    def messages(self, every_s: float) -> Iterator[Json | None]:
        """Messages as they come; None whenever `every_s` passed without one. Ends with the child's output."""
        while True:
            try:
                message = self._messages.get(timeout=every_s)
            except queue.Empty:
                yield None
                continue
            if message is None:
                return
            yield message

    def ask_to_stop(self) -> None:
        """Ask for the best so far."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(b"stop\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it is gone already; its end will say why

    def kill(self) -> None:
        """End the child and whatever it started, now."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End the process and close its streams."""
        self.kill()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def ended(self, last: Json | None) -> Ended:
        """The end of a child whose messages are over; `last` is the last result or problem that it told."""
        code = self.process.wait()
        if last is not None and "result" in last:
            return Ended(last["result"])
        if last is not None and "problem" in last:
            problem = last["problem"]
            return Ended(None, problem["kind"], problem["detail"], tuple(problem["errors"]))
        tail = self.tail()
        if self.memory.exceeded:
            return Ended(None, OUT_OF_MEMORY, self.memory.exceeded)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
        if any(word in tail for word in _NO_MEMORY):
            return Ended(None, OUT_OF_MEMORY, f"The solve found no more memory and ended with {how}.")
        if code == -signal.SIGKILL and _kernel_kills() > self._kernel_kills:
            return Ended(None, OUT_OF_MEMORY, "The machine ran out of memory and its kernel ended the solve.")
        return Ended(None, CRASHED, f"The solve ended with {how}. {tail[-500:]}".strip())

    def tail(self) -> str:
        """The end of what the child and its solver wrote to standard error."""
        log = self.folder / "log"
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - _LOG_TAIL_BYTES, 0))
            return file.read().decode(errors="replace")


def _kernel_kills() -> int:
    """How often this machine's kernel has ended a process for want of memory since it started."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


@contextmanager
def child(task: Task, work_folder: Path, *, module: str, memory_mb: int) -> Iterator[Child]:
    """A child in a folder of its own; both are gone afterwards, whatever happens."""
    folder = work_folder / f"{task.kind}-{uuid4().hex}"
    running = Child(task, folder, module=module, memory_mb=memory_mb)
    try:
        yield running
    finally:
        running.close()
        shutil.rmtree(folder, ignore_errors=True)


def call(
    task: Task, work_folder: Path, *, module: str, memory_mb: int, seconds: float
) -> tuple[Ended, dict[str, bytes]]:
    """Do a short task in a child and wait: its end, and the files that it wrote (path → content)."""
    deadline = time.monotonic() + seconds
    last: Json | None = None
    with child(task, work_folder, module=module, memory_mb=memory_mb) as running:
        for message in running.messages(0.5):
            last = message if message is not None and "progress" not in message else last
            if time.monotonic() > deadline:
                return Ended(None, "too-slow", f"It took longer than {seconds:g} seconds."), {}
        ended = running.ended(last)
        files = {name: path.read_bytes() for name, path in files_below(running.out)} if ended.result is not None else {}
    return ended, files


def end_leftovers(work_folder: Path) -> int:
    """End what children of a killed process left running, and remove their folders; returns how many processes.

    A child leads a session of its own, and a session's number is not given again while anyone is in it. Only call this
    while no other process works in `work_folder`.
    """
    if not work_folder.is_dir():
        return 0
    sessions = set()
    for folder in work_folder.iterdir():
        with suppress(OSError, ValueError):
            sessions.add(int((folder / "pid").read_text()))
    count = 0
    for entry in Path("/proc").iterdir() if sessions and Path("/proc").is_dir() else ():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if os.getsid(int(entry.name)) in sessions:
                    os.kill(int(entry.name), signal.SIGKILL)
                    count += 1
    shutil.rmtree(work_folder, ignore_errors=True)
    return count


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path within the folder, file) of every file, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path
