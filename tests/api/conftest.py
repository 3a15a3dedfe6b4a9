"""One service over a fake planner for the whole session, and small ones without a job engine for the edge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from api.app import logs
from api.app.app import create_app
from api.http import examples
from api.jobs.port import JobStatus, Perform
from api.store import migrations
from api.store.runs import Run
from api.store.settings import Settings

Json = dict[str, Any]
BASE = "http://127.0.0.1:8000"


class IdleEngine:
    """A job engine that keeps what it is given and performs nothing."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.present: JobStatus = "waiting"

    def start(self, perform: Perform | None) -> None:
        self.perform = perform

    def submit(self, connection: Connection, run: Run) -> None:
        self.submitted.append(run.workflow_id)

    def cancel(self, run: Run) -> None:
        self.cancelled.append(run.workflow_id)

    def status(self, run: Run) -> JobStatus:
        return self.present

    def recover(self, executors: Sequence[str]) -> int:
        return 0

    def stop(self) -> None:
        pass


@pytest.fixture
def idle_engine() -> type[IdleEngine]:
    return IdleEngine


_ALONE = "TIDEPLAN_TEST_ALONE"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test marked `alone` runs in a pytest of its own: the job engine is one a process, and `live` has it already."""
    if pyfuncitem.get_closest_marker("alone") is None or os.environ.get(_ALONE):
        return None
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow"]
    done = subprocess.run(
        [*command, f"{pyfuncitem.path}::{pyfuncitem.name}"],
        cwd=pyfuncitem.config.rootpath,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {_ALONE: "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return True


@pytest.fixture
def true_service(tmp_path: Path) -> Iterator[TestClient | None]:
    """The whole service with the true planner, in a process of its own; nothing where the test is only passed on."""
    if not os.environ.get(_ALONE):
        yield None
        return
    settings = Settings(data_folder=tmp_path)
    migrations.upgrade(settings)
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.1)
        yield client


@pytest.fixture(scope="session", autouse=True)
def _fake_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The solve child finds the fake planner, and the table that it hands in; logs are those of the service."""
    logs.configure("info")  # structlog's own way of showing a fault walks through every value around it
    table = pa.table(
        {"site": ["near", "=1+1", "远"], "modules": [1, 2, 3], "capex": [1.5, float("nan"), -3.0], "period": [0, 0, 1]}
    )
    path = tmp_path_factory.mktemp("fake") / "orders.parquet"
    pq.write_table(table, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_TABLE", str(path))
        here = str(Path(__file__).parent)
        patch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
        yield


def ready(client: TestClient) -> TestClient:
    deadline = time.monotonic() + 60
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, client.get("/readyz").text
        time.sleep(0.05)
    return client


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """A service whose jobs wait for ever; keyword arguments are settings. `client.app.state` holds its parts."""
    opened: list[TestClient] = []

    def make(engine: IdleEngine | None = None, **settings: Any) -> TestClient:
        folder = settings.pop("data_folder", tmp_path / f"data{len(opened)}")
        chosen = Settings(data_folder=folder, **({"work_module": "fakework"} | settings))
        migrations.upgrade(chosen)
        idle = engine or IdleEngine()
        app = create_app(chosen, engine=lambda _settings, _database: idle)
        client = TestClient(app, base_url=BASE)
        client.__enter__()
        opened.append(client)
        return ready(client)

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def idle(make_client: Callable[..., TestClient]) -> TestClient:
    return make_client()


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The whole service with the true job engine; the planner is fake."""
    settings = Settings(
        data_folder=tmp_path_factory.mktemp("live"), work_module="fakework", solve_slots=2, solve_memory_mb=512
    )
    migrations.upgrade(settings)
    with TestClient(create_app(settings), base_url=BASE) as client:
        yield ready(client)


def case_document(**wish: Any) -> Json:
    """The example case; what the fake planner is to do stands in its description."""
    return examples.CASE | {"meta": examples.CASE["meta"] | {"description": json.dumps(wish)}}


@pytest.fixture
def plan_of() -> Callable[..., Json]:
    """Store a case with wishes for the fake planner and ask for a plan of it; `wait` seconds for its end."""

    def ask(client: TestClient, *, wait: int = 0, headers: Json | None = None, **wish: Any) -> Json:
        stored = client.post("/v1/cases", json=case_document(**wish), headers=headers)
        assert stored.status_code == 201, stored.text
        given = (headers or {}) | ({"Prefer": f"wait={wait}"} if wait else {})
        accepted = client.post("/v1/plans", json={"case_id": stored.json()["id"]}, headers=given)
        assert accepted.status_code in (200, 202), accepted.text
        body: Json = accepted.json()
        return body

    return ask


@pytest.fixture
def until() -> Callable[..., Json]:
    """Wait until a run is in one of these states."""

    def wait(client: TestClient, id: str, *states: str, seconds: float = 60) -> Json:
        deadline = time.monotonic() + seconds
        while True:
            body: Json = client.get(f"/v1/plans/{id}").json()
            if body["state"] in states:
                return body
            assert time.monotonic() < deadline, body
            time.sleep(0.05)

    return wait
