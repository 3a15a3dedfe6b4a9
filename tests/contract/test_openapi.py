"""The API's description: committed as it is, an example for every model, and the service does what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
import schemathesis.specs.openapi.checks as checks
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings

from api.app.app import create_app, openapi
from api.http import examples
from api.jobs.port import JobStatus
from api.store import migrations
from api.store.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_committed_description_matches() -> None:
    committed = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    assert committed == openapi(), "run: python -m api.app.describe"


def test_every_model_has_an_example_that_fits_it() -> None:
    described = openapi()
    for name, model in described["components"]["schemas"].items():
        assert model.get("examples"), f"{name} has no example"
        for example in model["examples"]:
            resolved = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
            jsonschema_rs.validate(resolved, example)


def test_every_route_names_its_problems() -> None:
    for path, methods in openapi()["paths"].items():
        for method, route in methods.items():
            if path in ("/healthz", "/readyz"):
                continue
            assert "422" in route["responses"], (path, method)
            assert "application/problem+json" in route["responses"]["422"]["content"], (path, method)


def test_the_example_case_is_valid() -> None:
    from planner.case.file import case_from

    assert case_from(examples.CASE).meta.name == "Two sites, one workload"


class _IdleEngine:
    def start(self, perform: Any) -> None: ...
    def submit(self, connection: Any, run: Any) -> None: ...
    def cancel(self, run: Any) -> None: ...
    def status(self, run: Any) -> JobStatus:
        return "waiting"

    def recover(self, executors: Any) -> int:
        return 0

    def stop(self) -> None: ...


def _operations() -> list[Any]:
    described = schemathesis.openapi.from_dict(openapi())
    return [found.ok() for found in described.get_all_operations()]


_SLOW, _POSTGRES = pytest.mark.slow, [pytest.mark.slow, pytest.mark.postgres]


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("sqlite, keys", marks=_SLOW),
        pytest.param("postgres", marks=_POSTGRES),
        pytest.param("postgres, keys", marks=_POSTGRES),
    ],
)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """(app, headers) of a service on either database, open or with a key."""
    database, _, keys = request.param.partition(", ")
    url = None if database == "sqlite" else request.getfixturevalue("cluster").new_database(f"c{time.monotonic_ns()}")
    chosen = Settings(
        database_url=url,
        data_folder=tmp_path_factory.mktemp("contract"),
        max_unfinished_per_key=10_000,
        events_stream_seconds_max=0.2,
        allowed_hosts=["testserver"],
    )
    migrations.upgrade(chosen)
    app = create_app(chosen, engine=lambda _settings, _database: _IdleEngine())
    with TestClient(app) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.05)
        headers = {"X-API-Key": app.state.services.keys.create("all", "admin")[1]} if keys else {}
        case = client.post("/v1/cases", json=examples.CASE, headers=headers).json()["id"]
        client.post("/v1/plans", json={"case_id": case}, headers=headers)
        yield app, headers


@pytest.mark.parametrize("operation", _operations(), ids=lambda operation: operation.label)
def test_the_service_does_what_it_says(address: Any, operation: Any) -> None:
    if operation.label == "POST /v1/histories":
        pytest.skip("reads every upload in a process of its own; its answers are tested one by one")
    if operation.label == "POST /v1/sizing":
        pytest.skip("answers every question in a process of its own; tested in tests/api/test_sizing_page.py")

    @given(case=operation.as_strategy())
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def says(case: Any) -> None:
        app, headers = address
        # Ids and cursors that fit their form but that nobody handed out are refused, as they should be.
        case.call_and_validate(
            app=app,
            base_url="http://testserver",
            headers=headers,
            excluded_checks=[checks.positive_data_acceptance],
        )

    says()
