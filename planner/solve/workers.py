"""Worker processes behind the interface of `concurrent.futures`, never forked.

Each `Worker` is one process and one queue, so that the caller knows which process holds which warm solver. A process
that dies fails its task with `BrokenExecutor`; the next task starts a new one.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any

from planner.program.blocks import Arrays

from .control import Control
from .native import Outcome, Settings
from .worker import ANSWER, INTERRUPT, NOTE, receive, send, solve_here


class Worker(Executor):
    """One worker process. Tasks run one after the other, in the order of `submit`."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None] = (
            queue.SimpleQueue()
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._pipe = threading.Lock()
        self._note: Callable[[float], None] = lambda _bound: None
        # The process dies with the thread that starts it (parent-death signals follow threads), hence this one.
        self._thread = threading.Thread(target=self._serve, name="tideplan-worker", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin a task in the process; positional arguments only (TypeError)."""
        if kwargs:
            raise TypeError("tasks take positional arguments only")
        future: Future[Any] = Future()
        if self._closed:
            raise RuntimeError("the worker is closed")
        self._tasks.put((future, fn, args))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the process; with `cancel_futures` at once, whatever it is doing."""
        self._closed = True
        self._tasks.put(None)
        if cancel_futures:
            self._end()
        if wait and threading.current_thread() is not self._thread:
            self._thread.join(5.0)

    def interrupt(self) -> None:
        """Ask the native solve that is running to end with what it has; HiGHS does not listen."""
        process = self._process
        if process is not None and process.stdin is not None and process.poll() is None:
            with contextlib.suppress(OSError, ValueError), self._pipe:
                send(process.stdin, INTERRUPT)

    def native(
        self,
        arrays: Arrays,
        settings: Settings,
        control: Control,
        *,
        on_bound: Callable[[float], None] | None = None,
        patience: float = 1.5,
    ) -> Outcome | None:
        """One native solve in the process, waited for. After a halt of `control` it is interrupted, and `patience`
        seconds later killed: then None, and also when the process died by itself (out of memory)."""
        self._note = on_bound or (lambda _bound: None)
        task = self.submit(solve_here, arrays, settings)
        since: float | None = None
        while True:
            try:
                outcome: Outcome = task.result(timeout=0.1)
                return outcome
            except TimeoutError:
                if not control.halted:
                    continue
            except (BrokenExecutor, CancelledError):
                return None
            if since is None:
                since = time.monotonic()
                self.interrupt()
            elif time.monotonic() - since > patience:
                self._end()
                return None

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[name] = "1"
        command = [sys.executable, "-c", "from planner.solve.worker import main; main()", str(os.getpid())]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def _end(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def _serve(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None or self._closed:
                self._cancel(task)
                break
            future, function, arguments = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if self._process is None or self._process.poll() is not None:
                    self._process = self._start()
                assert self._process.stdin is not None
                assert self._process.stdout is not None
                with self._pipe:
                    send(self._process.stdin, (function, arguments))
                kind, answer = receive(self._process.stdout)
                while kind == NOTE:
                    self._note(answer)
                    kind, answer = receive(self._process.stdout)
            except (EOFError, OSError, ValueError) as error:
                code = None if self._process is None else self._process.poll()
                self._end()
                future.set_exception(BrokenExecutor(f"the worker process ended ({code}): {error!r}"))
                continue
            if kind == ANSWER:
                future.set_result(answer)
            else:
                future.set_exception(answer)
        self._end()

    def _cancel(self, task: tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None) -> None:
        while True:
            if task is not None:
                task[0].cancel()
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                return
