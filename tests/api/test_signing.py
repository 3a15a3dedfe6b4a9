"""Signing: who may do what, what it makes of plans, and a log that nobody can change unnoticed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from api.service.services import Services
from api.store import migrations
from api.store.audit import deeds
from api.store.database import Database
from api.store.runs import Outcome, Run, Runs
from api.store.settings import Settings
from api.store.signatures import Action, RefusedError, Said, Signatures, Signer

Json = dict[str, Any]
Make = Callable[..., TestClient]
PLANNER, BOARD = Signer("key_1", "desk", "planner"), Signer("key_2", "board", "approver")


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=[pytest.mark.slow, pytest.mark.postgres])], scope="module"
)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = None if request.param == "sqlite" else request.getfixturevalue("cluster").new_database("signing")
    settings = Settings(data_folder=tmp_path_factory.mktemp("signing"), database_url=url)
    migrations.upgrade(settings)
    opened = Database(settings)
    yield opened
    opened.close()


def _finished(runs: Runs, id: str, cost: float = 1.0) -> Run:
    with runs.database.write() as connection:
        runs.add(connection, id=id, kind="plan", name=id, request={}, inputs={"case": "0" * 64}, owner="key_1")
    runs.begin_attempt(id, "here")
    runs.publish(id, 1, Outcome("finished", {"cost": cost}, None, {"plan.json": {"sha256": "1" * 64, "bytes": 1}}))
    run = runs.get(id)
    assert run is not None
    return run


def _sign(database: Database, run: Run, action: Action, by: Signer, **more: Any) -> None:
    log = Signatures(database)
    with database.write() as connection:
        number = len(log.log_in(connection).entries)
        log.add(connection, f"signature_{number}", run, Said(action, **more), by)


def test_the_log_is_added_to_alone_and_tells_when_it_was_changed(database: Database) -> None:
    runs, log = Runs(database), Signatures(database)
    first, second = _finished(runs, "plan_a"), _finished(runs, "plan_b", 2.0)
    _sign(database, first, "propose", PLANNER, scope="east")
    with pytest.raises(RefusedError, match="the key that proposed"):
        _sign(database, first, "approve", Signer("key_1", "desk", "approver"))
    with pytest.raises(RefusedError, match="holds now"):
        _sign(database, first, "approve", BOARD, named_sha256="f" * 64)
    _sign(database, first, "approve", BOARD, comment="yes")
    _sign(database, second, "propose", PLANNER, scope="east")
    assert {id: one.state for id, one in log.log().standings.items()} == {"plan_a": "approved", "plan_b": "proposed"}
    _sign(database, second, "approve", BOARD)
    found = log.log()
    assert {id: one.state for id, one in found.standings.items()} == {"plan_a": "superseded", "plan_b": "approved"}
    assert [one.entry.plan_id for one in found.of_record()] == ["plan_b"]
    assert found.faults == []
    assert [d.action for d in deeds(database)] == ["plan proposed", "plan approved"] * 2

    with pytest.raises(RefusedError, match="no plan plan_x"):  # deleted while somebody signs it
        _sign(database, replace(first, id="plan_x"), "propose", PLANNER)
    for change in ("UPDATE signatures SET comment = 'no'", "DELETE FROM signatures WHERE seq = 4"):
        with pytest.raises(DatabaseError, match="only ever added"), database.write() as connection:
            connection.execute(text(change))
    drop = "ALTER TABLE signatures DISABLE TRIGGER ALL"
    if not database.is_postgres:
        drop = "DROP TRIGGER signatures_no_update"
    with database.write() as connection:  # whoever owns the database
        connection.execute(text(drop))
        connection.execute(text("UPDATE signatures SET comment = 'no' WHERE seq = 2"))
    assert log.log().broken == [2]
    with database.write() as connection:
        connection.execute(text("UPDATE signatures SET comment = 'yes' WHERE seq = 2"))
        if not database.is_postgres:
            connection.execute(text("DROP TRIGGER signatures_no_delete"))
        connection.execute(text("DELETE FROM signatures WHERE seq = 4"))
    assert log.log().faults == ["1 entries of which the audit log tells are gone"]


@pytest.fixture
def desk(make_client: Make) -> tuple[TestClient, dict[str, Json]]:
    client = make_client()
    keys = _services(client).keys
    roles = ("viewer", "planner", "approver", "admin")
    return client, {role: {"X-API-Key": keys.create(f"the {role}", role)[1]} for role in roles}  # type: ignore[arg-type]


def _services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


def _plan(client: TestClient, plan_of: Callable[..., Json], headers: Json | None = None) -> str:
    """A plan that has ended, with one file."""
    services, id = _services(client), str(plan_of(client, headers=headers)["id"])
    stored = services.artifacts.put_bytes(b"{}")
    services.runs.begin_attempt(id, "here")
    files = {"plan.json": {"sha256": stored.sha256, "bytes": stored.bytes}}
    services.runs.publish(id, 1, Outcome("finished", {"cost": 5.0, "currency": "CNY"}, None, files))
    return id


def _said(answer: Any) -> str:
    return str(answer.json()["type"]).removeprefix("/problems/")


def test_from_a_draft_to_the_plan_of_record(desk: tuple[TestClient, dict[str, Json]], plan_of: Any) -> None:
    client, key = desk
    id = _plan(client, plan_of, key["planner"])
    address = f"/v1/plans/{id}/signatures"

    def sign(role: str, action: str, **more: Any) -> Any:
        return client.post(address, json={"action": action, **more}, headers=key[role])

    draft = client.get(address, headers=key["viewer"]).json()
    assert (draft["standing"], draft["items"], draft["unchanged"]) == (None, [], None)
    assert _said(sign("viewer", "propose")) == "forbidden"
    assert _said(sign("approver", "approve", content_sha256=draft["content_sha256"])) == "not-to-be-signed"
    assert sign("planner", "propose").json()["scope"] == "Two sites, one workload"
    assert _said(sign("planner", "propose")) == "not-to-be-signed"
    assert _said(sign("planner", "approve", content_sha256=draft["content_sha256"])) == "forbidden"
    faults = sign("approver", "approve").json()["errors"] + sign("approver", "reject").json()["errors"]
    assert [fault["pointer"] for fault in faults] == ["/content_sha256", "/comment"]
    assert _said(sign("approver", "approve", content_sha256="e" * 64)) == "content-changed"
    rename = {"json": {"name": "other"}, "headers": key["planner"]}
    assert _said(client.patch(f"/v1/plans/{id}", **rename)) == "signed"  # type: ignore[arg-type]
    before = client.get(f"/v1/plans/{id}", headers=key["viewer"]).headers["etag"]
    asked = {"action": "approve", "content_sha256": draft["content_sha256"]}
    once = key["approver"] | {"Idempotency-Key": "k"}
    signed = [client.post(address, json=asked, headers=once).json() for _ in range(2)]
    assert signed[0] == signed[1]
    assert [one["action"] for one in signed[0]["items"]] == ["propose", "approve"]
    assert signed[0]["items"][1]["owner_name"] == "the approver"
    seen = client.get(f"/v1/plans/{id}", headers=key["viewer"])
    assert seen.json()["standing"] == "approved"
    assert seen.headers["etag"] != before
    assert client.get("/v1/plans", headers=key["viewer"]).json()["items"][0]["standing"] == "approved"
    (record,) = client.get("/v1/plans-of-record", headers=key["viewer"]).json()["items"]
    assert record["plan_id"] == id
    assert _said(client.delete(f"/v1/plans/{id}", headers=key["admin"])) == "signed"
    log = client.get("/v1/signatures", params={"limit": 1}, headers=key["viewer"]).json()
    assert (len(log["items"]), log["next"], log["faults"]) == (1, 1, [])

    # what is shown is no longer what was signed: said by the interface and on the page
    with _services(client).database.write() as connection:
        connection.execute(text("UPDATE runs SET summary = '{\"cost\": 4.0}'"))
    assert client.get(address, headers=key["viewer"]).json()["unchanged"] is False
    shown = client.get(f"/plans/{id}", headers=key["viewer"]).text
    assert 'role="alert">What this page shows is not what was' in shown
    assert "Not what was proposed for Two sites" in shown
    assert "NOT" in shown[shown.index("@top-center") :][:40]
    assert "Approved: the plan of record" not in shown
    assert re.findall(r'name="action" value="(\w+)"', shown) == []


def test_pages_tell_drafts_proposals_and_the_plan_of_record_apart(make_client: Make, plan_of: Any) -> None:
    client = make_client()
    id = _plan(client, plan_of)
    address = f"/v1/plans/{id}/signatures"
    content = client.get(address).json()["content_sha256"]
    wanted = (
        (None, "Draft: this plan was not proposed.", "DRAFT", ["propose", "comment"]),
        ("propose", "Proposed for Two sites", "PROPOSED", ["approve", "reject", "withdraw", "comment"]),
        ("approve", "Approved: the plan of record of Two sites", "APPROVED", ["comment"]),
    )
    for action, sentence, paper, actions in wanted:
        if action is not None:
            client.post(address, json={"action": action, "content_sha256": content}).raise_for_status()
        page = client.get(f"/plans/{id}").text
        assert sentence in page
        assert f'@top-center{{content:"{paper}' in page
        assert re.findall(r'name="action" value="(\w+)"', page) == actions
        assert ('class="badge approved"' in client.get("/").text) == (action == "approve")
    assert client.get("/?standing=approved").text.count("data-pick=") == 1
    assert client.get("/?standing=proposed").text.count("data-pick=") == 0
    chinese = client.get(f"/plans/{id}?lang=zh").text
    assert "已批准" in chinese
    assert '@top-center{content:"\\005df2\\006279\\0051c6' in chinese, "escaped as style sheets want it"


def test_what_became_of_the_plan_of_record(make_client: Make, plan_of: Any) -> None:
    client = make_client()
    scope = {"scope": "Two sites, one workload"}
    entry = {"kind": "delivered", "place": "near", "what": "m128", "day": "2027-02-03", "amount": 4}
    assert client.post("/v1/actuals", params=scope, json=entry).status_code == 404
    id = _plan(client, plan_of)
    content = client.get(f"/v1/plans/{id}/signatures").json()["content_sha256"]
    for action in ("propose", "approve"):
        client.post(f"/v1/plans/{id}/signatures", json={"action": action, "content_sha256": content})
    wrong = client.post("/v1/actuals", params=scope, json=entry | {"place": "nowhere", "what": "m9"}).json()
    assert [fault["pointer"] for fault in wrong["errors"]] == ["/place", "/what"]
    assert client.post("/v1/actuals", params=scope, json=entry).status_code == 201
    assert client.post("/v1/actuals", params=scope, json=entry | {"amount": -1}).status_code == 201
    items = client.get("/v1/actuals", params=scope).json()["items"]
    assert [(one["amount"], one["owner_name"]) for one in items] == [(4, ""), (-1, "")]


def test_a_report_says_where_its_plan_stands(tmp_path: Path) -> None:
    from planner.words.standing import standing_rule, stands
    from planner.words.wording import wording

    values = {"state": "approved", "scope": "east", "by": "board", "on": "2026-11-29", "content": "abc"}
    assert stands(None, wording("en")) == ("", "")
    assert standing_rule("") == ""
    for language, short in (("en", "APPROVED 2026-11-29 · abc"), ("zh-CN", "已批准 2026-11-29 · abc")):
        sentence, found = stands(values, wording(language))
        assert found == short
        assert "board" in sentence
        assert "east" in sentence
        assert "2026" in standing_rule(found)
