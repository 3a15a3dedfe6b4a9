"""What is accepted: one answer per key, a limit per key, all or nothing, every fault at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Connection

from api.http import examples
from api.store.runs import Run

Make = Callable[..., TestClient]


def _case(client: TestClient) -> str:
    id: str = client.post("/v1/cases", json=examples.CASE).json()["id"]
    return id


def test_the_same_key_gives_the_same_plan(idle: TestClient) -> None:
    body = {"case_id": _case(idle)}
    headers = {"Idempotency-Key": "k1"}
    first = idle.post("/v1/plans", json=body, headers=headers)
    again = idle.post("/v1/plans", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    other = idle.post("/v1/plans", json=body | {"name": "another"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/key-reused")
    assert idle.post("/v1/plans", json=body, headers={"Idempotency-Key": "k2"}).json()["id"] != first.json()["id"]


def test_two_requests_at_once_with_one_key_give_one_plan(idle: TestClient) -> None:
    body = {"case_id": _case(idle)}
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: idle.post("/v1/plans", json=body, headers={"Idempotency-Key": "k"}), range(12))
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(idle.get("/v1/plans").json()["items"]) == 1


def test_a_key_may_be_used_for_cases_too(idle: TestClient) -> None:
    headers = {"Idempotency-Key": "c"}
    ids = {idle.post("/v1/cases", json=examples.CASE, headers=headers).json()["id"] for _ in range(2)}
    assert len(ids) == 1


def test_waiting_work_is_limited(make_client: Make) -> None:
    client = make_client(max_unfinished_per_key=2)
    body = {"case_id": _case(client)}
    plans = [client.post("/v1/plans", json=body).json()["id"] for _ in range(2)]
    refused = client.post("/v1/plans", json=body)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-unfinished")
    assert int(refused.headers["retry-after"]) > 0
    client.post(f"/v1/plans/{plans[0]}/cancel")
    assert client.post("/v1/plans", json=body).status_code == 202


def test_row_and_job_are_committed_together_or_neither(make_client: Make, monkeypatch: Any) -> None:
    client = make_client()
    body = {"case_id": _case(client)}
    engine = client.app.state.services.engine  # type: ignore[attr-defined]

    def refuse(connection: Connection, run: Run) -> None:
        raise RuntimeError("the queue is away")

    monkeypatch.setattr(engine, "submit", refuse)
    quiet = TestClient(client.app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    answer = quiet.post("/v1/plans", json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert client.get("/v1/plans").json()["items"] == []
    monkeypatch.undo()
    assert client.post("/v1/plans", json=body, headers={"Idempotency-Key": "k"}).status_code == 202


def test_every_fault_of_a_plan_request_at_once(make_client: Make) -> None:
    client = make_client(solve_seconds_max=100, solve_threads_max=2)
    body = {"case_id": "case_1", "history_id": "history_2", "limits": {"seconds": 1000, "threads": 64}}
    problem = client.post("/v1/plans", json=body).json()
    pointers = {error["pointer"] for error in problem["errors"]}
    assert pointers == {"/case_id", "/history_id", "/limits/seconds", "/limits/threads"}
    shape = client.post("/v1/plans", json={"case_id": 7, "limits": {"gap": 2, "sed": 1}}).json()
    assert {error["pointer"] for error in shape["errors"]} == {"/case_id", "/limits/gap", "/limits/sed"}


def test_a_case_without_demand_needs_a_history(idle: TestClient) -> None:
    without = {name: block for name, block in examples.CASE.items() if name != "demand"}
    case = idle.post("/v1/cases", json=without)
    assert case.status_code == 201, case.text
    problem = idle.post("/v1/plans", json={"case_id": case.json()["id"]})
    assert problem.status_code == 422
    assert problem.json()["errors"][0]["pointer"] == "/history_id"


def test_a_bad_history_leaves_nothing(live: TestClient) -> None:
    problem = live.post("/v1/histories", content=b"nonsense", headers={"Content-Type": "text/csv"})
    assert (problem.status_code, problem.json()["type"]) == (422, "/problems/invalid-history")
    assert problem.json()["errors"]
    assert live.post("/v1/histories", content=b"", headers={"Content-Type": "text/csv"}).status_code == 422
    assert live.post("/v1/histories", content=b"x", headers={"Content-Type": "image/png"}).status_code == 415


def test_a_form_uploads_a_history(live: TestClient) -> None:
    file = {"file": ("demand.csv", examples.HISTORY_CSV.encode(), "text/csv")}
    stored = live.post("/v1/histories", files=file, data={"timezone": "UTC"})
    assert stored.status_code == 201, stored.text
    assert (stored.json()["name"], stored.json()["timezone"]) == ("demand.csv", "UTC")
    assert live.get(stored.headers["location"]).json() == stored.json()
