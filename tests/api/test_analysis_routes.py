"""Comparisons, replays, questions and explanations at the edge: what is accepted, what refused, and that it runs."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.http import examples
from api.store.runs import Outcome

JIT = {"id": "jit", "names": {"en": "Just in time", "zh": "不超前"}, "rule": {"kind": "just_in_time"}}
AHEAD = {"id": "ahead", "names": {"en": "Ahead", "zh": "超前"}, "rule": {"kind": "ratio", "ratio": 1.3}}
HOURS = "timestamp,region,workload,value\n" + "".join(f"2027-01-01 {h:02d}:00,east,chat,{40 + h}\n" for h in range(24))
CSV = {"Content-Type": "text/csv"}


def _case(client: TestClient) -> str:
    id: str = client.post("/v1/cases", json=examples.CASE).json()["id"]
    return id


def _finished_plan(client: TestClient) -> str:
    """A plan that is finished as far as the store knows; its one file holds nothing that can be read."""
    services: Any = client.app.state.services  # type: ignore[attr-defined]
    id: str = client.post("/v1/plans", json={"case_id": _case(client)}).json()["id"]
    run = services.runs.begin_attempt(id, "test")
    stored = services.artifacts.put_bytes(b"{}")
    files = {"plan.json": {"sha256": stored.sha256, "bytes": stored.bytes}}
    assert services.runs.publish(id, run.attempt, Outcome("finished", {"objective": 1.0}, None, files))
    return id


def test_a_comparison_is_accepted_once_per_key(idle: TestClient) -> None:
    body = {"case_id": _case(idle), "scenarios": [JIT, AHEAD]}
    first = idle.post("/v1/comparisons", json=body, headers={"Idempotency-Key": "c"})
    again = idle.post("/v1/comparisons", json=body, headers={"Idempotency-Key": "c"})
    assert (first.status_code, first.headers["location"]) == (202, f"/v1/comparisons/{first.json()['id']}")
    assert first.json()["id"] == again.json()["id"]
    assert [run["kind"] for run in idle.get("/v1/comparisons").json()["items"]] == ["comparison"]
    assert idle.get(f"/v1/plans/{first.json()['id']}").status_code == 404
    assert idle.post(f"{first.headers['location']}/cancel").json()["state"] == "cancelled"


def test_every_fault_of_every_scenario_comes_at_once_with_those_of_the_request(idle: TestClient) -> None:
    wrong = [{**JIT, "rule": {"kind": "ratio", "ratio": -1}}, {**AHEAD, "colour": "blue"}]
    body = {"case_id": _case(idle), "scenarios": wrong, "history_id": "history_1"}
    answer = idle.post("/v1/comparisons", json=body)
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/scenarios/0/rule/ratio", "/scenarios/1/colour", "/history_id"}


def test_a_scenario_is_checked_on_the_case_itself(idle: TestClient) -> None:
    beyond = {**JIT, "overrides": {"horizon": {"periods": -2}}}
    answer = idle.post("/v1/comparisons", json={"case_id": _case(idle), "scenarios": [beyond, JIT]})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/scenarios/0/overrides/horizon/periods",
        "/scenarios/1/id",
    }


def test_a_question_names_what_the_plan_s_case_does_not_have(idle: TestClient) -> None:
    plan = _finished_plan(idle)
    body = {"site": "mars", "module_type": "abacus", "period": 9, "modules": 2}
    answer = idle.post(f"/v1/plans/{plan}/why-not", json=body)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/site", "/module_type", "/period"}
    good = idle.post(f"/v1/plans/{plan}/why-not", json={"site": "far", "modules": 2})
    assert (good.status_code, good.headers["location"]) == (202, f"/v1/questions/{good.json()['id']}")
    assert good.json()["request"]["plan_id"] == plan


def test_a_changed_world_is_checked_on_the_plan_s_case(idle: TestClient) -> None:
    plan = _finished_plan(idle)
    levers = [{"kind": "lead_time", "periods": 1, "module_types": ["abacus"]}]
    body = {"kind": "what_if", "levers": levers, "overrides": {"horizon": {"periods": -2}}}
    answer = idle.post(f"/v1/plans/{plan}/questions", json=body)
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/levers/0/module_types/0", "/overrides/horizon/periods"}
    nothing = idle.post(f"/v1/plans/{plan}/questions", json={"kind": "what_if"})
    assert [error["pointer"] for error in nothing.json()["errors"]] == ["/levers"]
    good = idle.post(f"/v1/plans/{plan}/questions", json={"kind": "what_if", "demand": {"multiplier": 1.2}})
    assert (good.status_code, good.headers["location"]) == (202, f"/v1/questions/{good.json()['id']}")
    assert idle.post(f"/v1/plans/{plan}/questions", json={"kind": "riddle"}).status_code == 422


def test_a_comparison_without_a_result_has_no_report(idle: TestClient) -> None:
    waiting = idle.post("/v1/comparisons", json={"case_id": _case(idle), "budget_seconds": 90.0}).json()
    assert waiting["request"]["budget_seconds"] == 90.0
    assert "report" not in waiting["links"]
    for comparison, code in ((waiting["id"], 409), ("comparison_0", 404)):
        assert idle.get(f"/v1/comparisons/{comparison}/report").status_code == code


def test_a_sweep_joins_the_scenarios_and_its_faults_theirs(idle: TestClient) -> None:
    case = _case(idle)
    wrong = {"case_id": case, "scenarios": [{**JIT, "colour": "blue"}], "sweep": {"first": 2.0, "last": 1.0}}
    answer = idle.post("/v1/comparisons", json=wrong)
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/scenarios/0/colour", "/sweep"}
    good = idle.post("/v1/comparisons", json={"case_id": case, "sweep": {"first": 1.0, "last": 1.2}})
    assert good.status_code == 202


def test_what_needs_a_finished_plan_says_so(idle: TestClient) -> None:
    waiting = idle.post("/v1/plans", json={"case_id": _case(idle)}).json()["id"]
    for plan, code in ((waiting, 409), ("plan_0", 404)):
        assert idle.post(f"/v1/plans/{plan}/why-not", json={}).status_code == code
        assert idle.post(f"/v1/plans/{plan}/replays", content=HOURS, headers=CSV).status_code == code
        assert idle.get(f"/v1/plans/{plan}/prices").status_code == code
        assert idle.get(f"/v1/plans/{plan}/drivers").status_code == code
        assert idle.get(f"/v1/plans/{plan}/energy").status_code == code
        assert idle.post(f"/v1/plans/{plan}/questions", json={"kind": "filling"}).status_code == code


def test_a_replay_keeps_its_demand_and_refuses_what_is_none(idle: TestClient) -> None:
    plan = _finished_plan(idle)
    accepted = idle.post(f"/v1/plans/{plan}/replays", content=HOURS, headers=CSV)
    assert (accepted.status_code, accepted.headers["location"]) == (202, f"/v1/replays/{accepted.json()['id']}")
    services: Any = idle.app.state.services  # type: ignore[attr-defined]
    run = services.runs.get(accepted.json()["id"])
    assert services.artifacts.read(run.inputs["demand"]).decode() == HOURS
    assert idle.post(f"/v1/plans/{plan}/replays", content=b"", headers=CSV).status_code == 422
    assert idle.post(f"/v1/plans/{plan}/replays", json={}).status_code == 415


@pytest.mark.slow
@pytest.mark.alone
def test_a_plan_is_replayed_questioned_explained_and_compared(true_service: TestClient) -> None:
    client = true_service
    limits = {"limits": {"seconds": 60, "gap": 0.01, "threads": 1}}
    case = _case(client)
    plan = _ended(client, lambda: client.post("/v1/plans", json={"case_id": case} | limits))
    here = plan["links"]["self"]

    replayed = _ended(client, lambda: client.post(f"{here}/replays", content=HOURS, headers=CSV))
    assert replayed["summary"]["days"] == 1
    (chat,) = replayed["summary"]["service"]
    assert chat["demand_unit_hours"] == pytest.approx(sum(range(40, 64)))
    hours = client.get(f"{replayed['links']['tables']}/hours").json()
    assert hours["total"] == 24

    asked = _ended(client, lambda: client.post(f"{here}/why-not", json={"site": "far", "modules": 50} | limits))
    change = asked["summary"]
    assert change["possible"] is False or change["most"] >= 0
    rows = client.get(f"{here}/drivers").json()["rows"]
    assert sum(row["modules"] for row in rows) == plan["summary"]["orders"]["modules"]
    assert "rows" in client.get(f"{here}/prices").json()

    changed = {"kind": "what_if", "levers": [{"kind": "shortfall_cost", "factor": 2.0}]} | limits
    told = _ended(client, lambda: client.post(f"{here}/questions", json=changed))["summary"]
    assert told["question"] == "What if: cost of unserved work × 2"
    assert told["most"] >= 0
    varied = {"kind": "sensitivity", "factors": ["hardware_price"]} | limits
    rows = _ended(client, lambda: client.post(f"{here}/questions", json=varied))["summary"]["rows"]
    assert [row["setting"] for row in rows] == ["low", "high"]

    ledger = client.get(f"{here}/energy").json()["rows"]
    assert sum(row["facility_kwh"] for row in ledger) == pytest.approx(1000 * plan["summary"]["energy_mwh"])
    first = ledger[0]
    csv = f"site,start,end,facility_kwh\n{first['site']},2027-01-01,2027-02-01,{first['facility_kwh']}\n"
    found = _ended(client, lambda: client.post(f"{here}/energy", content=csv, headers=CSV))["summary"]
    assert found["rows"][0]["metered_kwh"] == pytest.approx(first["facility_kwh"])

    body = {"case_id": case, "scenarios": [JIT, AHEAD]} | limits
    compared = _ended(client, lambda: client.post("/v1/comparisons", json=body))
    assert len(compared["summary"]["verdict"]["en"]) == 3
    names = {one["name"] for one in client.get(compared["links"]["tables"]).json()["items"]}
    assert {"scenarios", "costs", "regret", "frontier"} <= names
    costs = client.get(f"{compared['links']['tables']}/costs").json()
    means = {row[0]: row[2] for row in costs["rows"] if row[1] == "mean"}
    assert means["ahead"] >= means["jit"] * (1 - 0.011)  # one future: more than it needs costs more, within the gaps
    for language, sentences in (("en", compared["summary"]["verdict"]["en"]), ("zh", None)):
        report = client.get(f"{compared['links']['report']}?lang={language}")
        assert report.status_code == 200, report.text
        assert "sandbox" in report.headers["content-security-policy"]
        assert sentences is None or html.escape(sentences[0]) in report.text
        assert report.text.count('class="picture"') >= 3


def _ended(client: TestClient, ask: Callable[[], Any]) -> dict[str, Any]:
    answer = ask()
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    deadline = time.monotonic() + 240
    while run["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, run
        time.sleep(0.3)
        run = client.get(answer.headers["location"]).json()
    assert run["state"] == "finished", json.dumps(run)
    return run
