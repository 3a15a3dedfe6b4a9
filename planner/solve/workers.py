"""Worker processes behind the interface of `concurrent.futures`, never forked.

Each `Worker` is one process and one queue, so that the caller knows which process holds which warm solver. A process
that dies fails its task with `BrokenExecutor`; the next task starts a new one.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

from .worker import receive, send


class Worker(Executor):
    """One worker process. Tasks run one after the other, in the order of `submit`."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None] = (
            queue.SimpleQueue()
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        # The process dies with the thread that starts it (parent-death signals follow threads), hence this one.
        self._thread = threading.Thread(target=self._serve, name="tideplan-worker", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
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
                send(self._process.stdin, (function, arguments))
                fine, answer = receive(self._process.stdout)
            except (EOFError, OSError, ValueError) as error:
                code = None if self._process is None else self._process.poll()
                self._end()
                future.set_exception(BrokenExecutor(f"the worker process ended ({code}): {error!r}"))
                continue
            if fine:
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
