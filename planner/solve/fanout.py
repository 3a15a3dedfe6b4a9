"""One executor behind everything that is spread over processes: of our own by default, or the caller's (Dask's, say).

Our own is a pool of `planner.solve.workers.Worker`: started afresh and never forked, without running the caller's main
module again, and gone when the caller is gone, even killed. Tasks are plain functions of a module with plain arguments.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from typing import Any

from forecasts.fault import Fault
from planner.case.errors import StoppedError
from planner.solve.workers import Worker

_POLL_S = 0.2
# A task whose process died (most likely for want of memory) is tried once more before the whole is given up.
_TRIES = 2


class ProcessPool(Executor):
    """Worker processes that take tasks from one queue. `processes`: how many; None: one for each core."""

    def __init__(self, processes: int | None = None) -> None:
        self.processes = max(1, processes or len(os.sched_getaffinity(0)))
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]] | None] = (
            queue.SimpleQueue()
        )
        self._closed = False
        self._workers = [Worker() for _ in range(self.processes)]
        self._threads = [
            threading.Thread(target=self._serve, args=(worker,), name="tideplan-pool", daemon=True)
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a task; positional arguments only (TypeError). Raises RuntimeError once it is closed."""
        if kwargs:
            raise TypeError("tasks take positional arguments only")
        if self._closed:
            raise RuntimeError("the pool is closed")
        future: Future[Any] = Future()
        self._tasks.put((future, fn, args))
        return future

    def _serve(self, worker: Worker) -> None:
        while (task := self._tasks.get()) is not None:
            future, function, arguments = task
            if self._closed:
                future.cancel()
                continue
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(worker.submit(function, *arguments).result())
            except BaseException as error:  # noqa: BLE001 - told where the result is asked for
                future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: after the tasks in the queue, or at once with `cancel_futures`."""
        if cancel_futures:
            self._closed = True
            for worker in self._workers:
                worker.shutdown(wait=False, cancel_futures=True)
        for _ in self._threads:
            self._tasks.put(None)
        if wait:
            for thread in self._threads:
                thread.join(30.0)
        self._closed = True
        for worker in self._workers:
            worker.shutdown(wait=wait, cancel_futures=True)


@contextmanager
def executor_or_pool(executor: Executor | None, processes: int | None = None) -> Iterator[Executor]:
    """The caller's executor, left open; or a pool of our own, ended with the context."""
    if executor is not None:
        yield executor
        return
    pool = ProcessPool(processes)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def fan_out(
    executor: Executor,
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    stop: threading.Event | None = None,
) -> Iterator[tuple[int, Any]]:
    """(position, answer) of every task as it is done, in no fixed order.

    Few tasks are under way at a time, so that large arguments do not pile up. A task's own error is raised here after
    the tasks that wait were cancelled; StoppedError when `stop` is set.
    """
    waiting = list(range(len(tasks)))[::-1]
    tries = [0] * len(tasks)
    ahead = 2 * (getattr(executor, "processes", None) or len(os.sched_getaffinity(0)) + 2)
    running: dict[Future[Any], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < ahead:
                position = waiting.pop()
                tries[position] += 1
                running[executor.submit(function, *tasks[position])] = position
            if stop is not None and stop.is_set():
                raise StoppedError([Fault("stop", "a stop before all tasks were done", "letting it finish")])
            done, _ = wait(list(running), timeout=_POLL_S, return_when=FIRST_COMPLETED)
            for future in done:
                position = running.pop(future)
                try:
                    answer = future.result()
                except BrokenExecutor:
                    if tries[position] >= _TRIES:
                        raise
                    waiting.append(position)
                    continue
                yield position, answer
    finally:
        for future in running:
            future.cancel()
