"""Worker processes: they answer, fail, die and stop without taking anyone along."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor

import psutil
import pytest

from planner.program.blocks import Program, flatten
from planner.solve import Limits, solve
from planner.solve.control import Control
from planner.solve.native import Settings
from planner.solve.workers import Worker


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.shutdown(cancel_futures=True)


def test_answers_and_errors_come_back(worker: Worker) -> None:
    assert worker.submit(math.factorial, 10).result(60) == 3628800
    with pytest.raises(ValueError, match="math domain"):
        worker.submit(math.sqrt, -1.0).result(60)


def test_a_dead_process_fails_its_task_and_the_next_one_starts_anew(worker: Worker) -> None:
    first = worker.submit(os.getpid).result(60)
    with pytest.raises(BrokenExecutor):
        worker.submit(os._exit, 3).result(60)
    second = worker.submit(os.getpid).result(60)
    assert first != second
    assert not psutil.pid_exists(first)


def test_a_solve_that_does_not_hear_is_ended(worker: Worker, make_program: Callable[..., Program]) -> None:
    pid = worker.submit(os.getpid).result(60)
    control = Control(Limits(seconds=600))
    arrays = flatten(make_program(5, periods=10, days=6, steps=24))
    threading.Timer(0.5, control.halt).start()
    began = time.monotonic()
    worker.native(arrays, Settings("highs", seconds=600, gap=0.0), control, patience=0.5)
    assert time.monotonic() - began < 20
    worker.submit(os.getpid).result(60)
    assert pid > 0


def test_stop_leaves_no_process_behind(make_program: Callable[..., Program]) -> None:
    program = make_program(3, periods=8, days=4, steps=24)
    stop = threading.Event()
    threading.Timer(4.0, stop.set).start()
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    answer = solve(program, Limits(seconds=600, gap=0.0, route="benders"), stop=stop)
    assert answer.status in ("optimal", "feasible", "stopped_without_plan")
    assert answer.bound <= answer.objective
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        left = {c.pid for c in psutil.Process().children(recursive=True) if c.status() != psutil.STATUS_ZOMBIE} - before
        if not left:
            break
        time.sleep(0.2)
    assert not left
