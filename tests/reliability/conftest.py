"""True servers in processes of their own, to be killed, frozen and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.http import examples
from api.store import migrations
from api.store.settings import Settings
from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]
_START = "from api.app.server import serve; from api.store.settings import Settings; serve(Settings())"


class Server:
    """`serve` in a process of its own; `start` again after a kill uses the same data, port and executor id."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "api")]),
            "TIDEPLAN_DATA_FOLDER": str(folder),
            "TIDEPLAN_PORT": str(self.port),
            "TIDEPLAN_WORK_MODULE": "fakework",
            "TIDEPLAN_SOLVE_MEMORY_MB": "512",
            "TIDEPLAN_HEARTBEAT_S": "0.5",
            "TIDEPLAN_WORKER_TIMEOUT_S": "5",
            **environment,
        }
        self.log = folder / f"server-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, readiness: int = 200, within: float = 150) -> Server:
        """Start it and wait until /readyz answers with the status `readiness`."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START], env=self.environment, stderr=self.log.open("ab")
        )
        self.wait_ready(readiness, within)
        return self

    def wait_ready(self, readiness: int = 200, within: float = 150) -> None:
        deadline = time.monotonic() + within
        while True:
            try:
                if httpx.get(f"{self.address}/readyz", timeout=5).status_code == readiness:
                    return
            except httpx.TransportError:
                pass
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 30) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def get(self, path: str, **more: Any) -> Any:
        return httpx.get(self.address + path, timeout=30, **more)

    def post(self, path: str, body: Json | None = None, **more: Any) -> Any:
        return httpx.post(self.address + path, json=body, timeout=30, **more)

    def ask_for_plan(self, *, key: str = "", **wish: Any) -> Json:
        """A plan of the example case, with wishes for the fake planner."""
        case = examples.CASE | {"meta": examples.CASE["meta"] | {"description": json.dumps(wish)}}
        case_id = self.post("/v1/cases", case).json()["id"]
        answer = self.post("/v1/plans", {"case_id": case_id}, headers={"Idempotency-Key": key} if key else {})
        assert answer.status_code == 202, answer.text
        body: Json = answer.json()
        return body

    def until(self, id: str, done: Callable[[Json], bool], seconds: float = 150) -> Json:
        deadline = time.monotonic() + seconds
        while True:
            try:
                body: Json = self.get(f"/v1/plans/{id}").json()
                if done(body):
                    return body
            except httpx.TransportError:
                body = {}
            assert time.monotonic() < deadline, (body, self.log.read_text()[-3000:])
            time.sleep(0.1)

    def until_solving(self, id: str) -> Json:
        return self.until(id, lambda plan: plan.get("state") == "running" and plan.get("progress") is not None)

    def until_final(self, id: str) -> Json:
        return self.until(id, lambda plan: plan.get("state") in ("finished", "failed", "cancelled"))


@pytest.fixture(scope="session")
def fake_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fake") / "orders.parquet"
    pq.write_table(pa.table({"site": ["near"], "modules": [1], "capex": [1.5], "period": [0]}), path)
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a fresh database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return {}
    return _fresh(request)


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a fresh PostgreSQL database."""
    return _fresh(request)


def _fresh(request: pytest.FixtureRequest) -> dict[str, str]:
    cluster = request.getfixturevalue("cluster")
    url = cluster.new_database(f"t{time.monotonic_ns()}")
    migrations.upgrade(Settings(database_url=url))
    return {"TIDEPLAN_DATABASE_URL": url}


@pytest.fixture
def make_server(tmp_path: Path, fake_table: Path) -> Iterator[Callable[..., Server]]:
    """Servers over one data folder; all are ended afterwards."""
    made: list[Server] = []

    def make(**environment: str) -> Server:
        made.append(Server(tmp_path, {"FAKE_TABLE": str(fake_table), **environment}))
        return made[-1]

    yield make
    for server in made:
        if server.process is not None and server.process.poll() is None:
            server.signal(signal.SIGCONT)
            server.kill()
