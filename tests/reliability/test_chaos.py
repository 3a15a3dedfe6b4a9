"""Random kills of server, solver and database under load; afterwards every count adds up.

`make chaos` makes 1,000 of them on each database; the slow tests make as many as fit (TIDEPLAN_CHAOS_KILLS).
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest

from api.client import ApiError, Client
from tests.api.conftest import case_document
from tests.reliability.test_kill import _events

Make = Callable[..., Any]
KILLS = int(os.environ.get("TIDEPLAN_CHAOS_KILLS", "12"))
CLIENTS = 3
FINAL_FAULTS = {"/problems/solver-crashed", "/problems/given-up"}
"""What a run may end with when its solver is killed, or when it met a kill in every attempt."""


class Load:
    """Clients that keep asking for plans. accepted: key → id of the run that it was answered with."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.accepted: dict[str, str] = {}
        self.wrong: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _ask(self, number: int) -> None:
        with Client(self.address, tries=400, timeout_s=30) as client:
            case = client.store_case(case_document(seconds=0.3))
            turn = 0
            while not self.over.is_set():
                key = f"{number}-{turn}"
                try:
                    run = client.plan(case, key=key)
                    again = client.plan(case, key=key)
                except (ApiError, httpx.TransportError) as fault:
                    self.wrong.append(f"{key}: {fault!r}")
                    continue
                if again.id != run.id:
                    self.wrong.append(f"{key} was answered with {run.id} and {again.id}")
                self.accepted[key] = run.id
                turn += 1
                self.over.wait(1.0)

    def end(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(300)


def _kill_solver(server: Any, dice: random.Random) -> None:
    with suppress(psutil.Error):
        below = psutil.Process(server.process.pid).children(recursive=True)
        if below:
            dice.choice(below).kill()


@pytest.mark.slow
def test_every_count_adds_up_after_random_kills(
    make_server: Make, database: dict[str, str], request: pytest.FixtureRequest
) -> None:
    dice = random.Random(16)
    cluster = request.getfixturevalue("cluster") if database else None
    server = make_server(**database, TIDEPLAN_SOLVE_SLOTS="2", TIDEPLAN_MAX_UNFINISHED_PER_KEY="100000").start()
    load = Load(server.address)
    done: Counter[str] = Counter()
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.2, 2.0))
        victim = dice.choice(["server", "solver", *(["database"] if cluster else [])])
        done[victim] += 1
        if victim == "server":
            server.kill()
            server.start()
        elif victim == "solver":
            _kill_solver(server, dice)
        else:
            cluster.stop()
            time.sleep(dice.uniform(0.1, 2.0))
            cluster.start()
    server.wait_ready()
    load.end()
    assert load.wrong == []
    ended = {id: server.until_final(id) for id in load.accepted.values()}
    assert len(ended) == len(load.accepted) > 0, done
    listed = [item["id"] for item in _all(server)]
    assert sorted(listed) == sorted(ended)
    for id, plan in ended.items():
        numbers, kinds, data = zip(*_events(server.address, id, 0), strict=True)
        assert list(numbers) == list(range(1, len(numbers) + 1)), (id, done)
        finals = [d for k, d in zip(kinds, data, strict=True) if k == "state" and ("finished" in d or "failed" in d)]
        assert len(finals) == 1
        assert plan["state"] == "finished" or plan["problem"]["type"] in FINAL_FAULTS, plan
        if plan["state"] == "finished":
            assert server.get(f"/v1/plans/{id}/files/plan.json").status_code == 200


def _all(server: Any) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = server.get(f"/v1/plans?limit=200{cursor}").json()
        out += page["items"]
        if page["next"] is None:
            return out
        cursor = f"&after={page['next']}"
