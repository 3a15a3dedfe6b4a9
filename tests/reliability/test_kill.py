"""The promises, tested by breaking the thing: an accepted plan reaches one final state whatever is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

Make = Callable[..., Any]


def _events(address: str, id: str, after: int) -> list[tuple[int, str, str]]:
    """(number, kind, data) of everything that one connection gave, however it ended."""
    out: list[tuple[int, str, str]] = []
    fields: dict[str, str] = {}
    try:
        with httpx.stream(
            "GET", f"{address}/v1/plans/{id}/events", headers={"Last-Event-ID": str(after)}, timeout=60
        ) as answer:
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if not line and "id" in fields:
                    out.append((int(fields["id"]), fields["event"], fields["data"]))
                    fields = {}
                elif name in ("id", "event", "data"):
                    fields[name] = value
    except httpx.TransportError:
        pass
    return out


def test_a_killed_server_finishes_its_plan_after_restart(
    make_server: Make, database: dict[str, str], tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    server = make_server(**database).start()
    plan = server.ask_for_plan(key="one", seconds=3, marks=str(marks), spawn=True)
    server.until_solving(plan["id"])
    before: list[tuple[int, str, str]] = []
    watcher = threading.Thread(target=lambda: before.extend(_events(server.address, plan["id"], 0)))
    watcher.start()
    time.sleep(0.7)
    solver = psutil.Process(int(marks.read_text().split()[0]))
    session = os.getsid(solver.pid)
    server.kill()
    watcher.join(10)
    assert before, "the stream gave nothing before the kill"
    psutil.wait_procs([solver], timeout=5)
    assert not solver.is_running() or solver.status() == psutil.STATUS_ZOMBIE

    server.start()
    left = [p for p in psutil.process_iter() if _session(p.pid) == session and _runs(p)]
    assert not left, "what the killed solve had started still runs"
    ended = server.until_final(plan["id"])
    assert (ended["state"], ended["attempt"]) == ("finished", 2)
    assert len(marks.read_text().split()) == 2
    assert [item["id"] for item in server.get("/v1/plans").json()["items"]] == [plan["id"]]
    after = _events(server.address, plan["id"], before[-1][0])
    numbers = [number for number, _, _ in before + after]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [data for _, kind, data in before + after if kind == "state"].count('{"state":"finished"}') == 1
    again = server.post("/v1/plans", {"case_id": ended["request"]["case_id"]}, headers={"Idempotency-Key": "one"})
    assert again.json()["id"] == plan["id"]


def _runs(process: psutil.Process) -> bool:
    """Not merely waiting for its parent, here the system's first process, to take note of its end."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


@pytest.mark.slow
def test_a_server_that_is_told_to_end_does_so_and_finishes_later(make_server: Make, database: dict[str, str]) -> None:
    server = make_server(**database).start()
    plan = server.ask_for_plan(seconds=3)
    server.until_solving(plan["id"])
    watcher = threading.Thread(target=_events, args=(server.address, plan["id"], 0))
    watcher.start()  # an open stream must not hold the server up
    server.signal(signal.SIGTERM)
    server.wait(25)
    watcher.join(10)
    server.start()
    assert server.until_final(plan["id"])["state"] == "finished"


@pytest.mark.slow
def test_a_plan_that_kills_its_worker_is_given_up(make_server: Make) -> None:
    server = make_server(TIDEPLAN_MAX_ATTEMPTS="2").start()
    plan = server.ask_for_plan(ends="kill-server", seconds=0.5)
    for _ in range(2):
        server.wait(60)
        server.start()
    ended = server.until_final(plan["id"])
    assert ended["problem"]["type"] == "/problems/given-up"
    assert server.until_final(server.ask_for_plan()["id"])["state"] == "finished"


@pytest.mark.slow
@pytest.mark.postgres
def test_a_frozen_worker_publishes_nothing_late(make_server: Make, postgres: dict[str, str], tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    first = make_server(**postgres, TIDEPLAN_EXECUTOR_ID="first").start()
    second = make_server(**postgres, TIDEPLAN_EXECUTOR_ID="second").start()
    plan = first.ask_for_plan(seconds=4, marks=str(marks))
    first.until_solving(plan["id"])
    worker = psutil.Process(int(marks.read_text().split()[0])).ppid()
    if worker == second.process.pid:
        first, second = second, first
    assert worker == first.process.pid
    first.signal(signal.SIGSTOP)
    ended = second.until_final(plan["id"])
    assert (ended["state"], ended["attempt"]) == ("finished", 2)
    first.signal(signal.SIGCONT)
    time.sleep(5)  # time enough for the thawed worker to try
    events = _events(second.address, plan["id"], 0)
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    assert [data for _, kind, data in events if kind == "state"].count('{"state":"finished"}') == 1
    assert events[-1][2] == '{"state":"finished"}'
    assert second.get(f"/v1/plans/{plan['id']}").json() == ended
    assert len(marks.read_text().split()) == 2
    first.wait_ready(within=30)


@pytest.mark.slow
@pytest.mark.postgres
def test_a_database_restart_loses_nothing(
    make_server: Make, postgres: dict[str, str], cluster: Any, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    server = make_server(**postgres).start()
    plan = server.ask_for_plan(seconds=6, marks=str(marks))
    waiting = server.ask_for_plan()
    server.until_solving(plan["id"])
    cluster.stop()
    try:
        time.sleep(2)
        assert server.get("/readyz").status_code == 503
        assert server.get("/healthz").status_code == 200
        time.sleep(4)  # the solve ends meanwhile
    finally:
        cluster.start()
    ended = server.until_final(plan["id"])
    assert (ended["state"], len(marks.read_text().split())) == ("finished", 1)
    assert server.until_final(waiting["id"])["state"] == "finished"


@pytest.mark.slow
@pytest.mark.postgres
def test_an_old_database_is_said_to_be_old(make_server: Make, cluster: Any) -> None:
    server = make_server(TIDEPLAN_DATABASE_URL=cluster.new_database("old"))
    server.start(readiness=503)
    answer = server.get("/readyz")
    assert "tideplan db upgrade" in answer.json()["reasons"][0]


@pytest.mark.slow
def test_a_second_server_on_the_same_folder_is_refused(make_server: Make) -> None:
    import subprocess
    import sys

    server = make_server().start()
    other = make_server()
    code = "from api.app.server import serve; from api.store.settings import Settings; serve(Settings())"
    done = subprocess.run([sys.executable, "-c", code], env=other.environment, capture_output=True, timeout=60)
    assert done.returncode != 0
    assert f"another tideplan (process {server.process.pid})" in done.stderr.decode()
