"""Tasks over processes: all answers, errors passed on, a dead process tried again, stop, and the caller's executor."""

from __future__ import annotations

import math
import operator
import os
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from planner.case.errors import StoppedError
from planner.solve.fanout import ProcessPool, executor_or_pool, fan_out


def test_answers_come_from_other_processes() -> None:
    with executor_or_pool(None, 2) as pool:
        assert isinstance(pool, ProcessPool)
        found = dict(fan_out(pool, operator.add, [(i, 10) for i in range(7)]))
        processes = {pid for _, pid in fan_out(pool, os.getpid, [()] * 6)}
    assert found == {i: i + 10 for i in range(7)}
    assert os.getpid() not in processes
    assert 1 <= len(processes) <= 2


def test_an_error_of_a_task_is_raised() -> None:
    with executor_or_pool(None, 1) as pool, pytest.raises(ValueError, match="math domain"):
        list(fan_out(pool, math.sqrt, [(4.0,), (-1.0,)]))


@pytest.mark.slow
def test_a_task_that_kills_its_process_twice_gives_up() -> None:
    with executor_or_pool(None, 1) as pool:
        with pytest.raises(BrokenExecutor):
            list(fan_out(pool, os._exit, [(3,)]))
        assert dict(fan_out(pool, operator.neg, [(1,)])) == {0: -1}  # and the pool goes on


def test_a_process_that_dies_once_is_tried_again(tmp_path: Path) -> None:
    file = str(tmp_path / "died")
    code = f"import os, pathlib; p = pathlib.Path({file!r})\nif not p.exists():\n p.touch()\n os._exit(9)"
    with executor_or_pool(None, 1) as pool:
        assert dict(fan_out(pool, exec, [(code, {})])) == {0: None}
    assert (tmp_path / "died").exists()


def test_stop_ends_it() -> None:
    stop = threading.Event()
    stop.set()
    with executor_or_pool(None, 1) as pool, pytest.raises(StoppedError):
        list(fan_out(pool, operator.neg, [(1,)], stop=stop))


def test_the_callers_executor_is_used_and_left_open() -> None:
    with ThreadPoolExecutor(1) as own:
        with executor_or_pool(own) as pool:
            assert pool is own
            assert dict(fan_out(pool, os.getpid, [()])) == {0: os.getpid()}
        assert own.submit(int).result() == 0
