"""Nothing rots unnoticed: every kind of stored file is damaged on purpose, and no one is given what it became."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app.doctor import diagnose
from api.http import examples
from api.store.artifacts import ArtifactError, Artifacts

Json = dict[str, Any]


def _artifacts(client: TestClient) -> Artifacts:
    found: Artifacts = client.app.state.services.artifacts  # type: ignore[attr-defined]
    return found


def _rot(path: Path) -> bytes:
    """One bit of the middle of a file changes its mind; returns what was there."""
    was = path.read_bytes()
    middle = len(was) // 2
    path.write_bytes(was[:middle] + bytes([was[middle] ^ 1]) + was[middle + 1 :])
    return was


def test_what_is_stored_again_is_right_again(tmp_path: Path) -> None:
    store = Artifacts(tmp_path)
    stored = store.put_bytes(b"a case")
    for harm in (lambda: _rot(store.path(stored.sha256)), store.path(stored.sha256).unlink):
        harm()
        for take in (store.read, store.checked):
            with pytest.raises(ArtifactError, match=stored.sha256):
                take(stored.sha256)
        store.put_bytes(b"a case")
        assert store.read(stored.sha256) == store.checked(stored.sha256).read_bytes() == b"a case"


def _problem(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return str(answer.json()["type"])


def test_a_damaged_case_is_no_input_until_it_is_stored_again(live: TestClient, plan_of: Callable[..., Json]) -> None:
    plan = plan_of(live, wait=60)
    case_id, sha256 = plan["request"]["case_id"], live.get(f"/v1/plans/{plan['id']}/result").json()["inputs"]["case"]
    document = live.get(f"/v1/cases/{case_id}").json()
    path = _artifacts(live).path(sha256)
    _rot(path)
    for answer in (live.get(f"/v1/cases/{case_id}"), live.post("/v1/plans", json={"case_id": case_id})):
        assert (answer.status_code, _problem(answer)) == (500, "/problems/artifact-damaged")
        assert sha256 in answer.json()["detail"]
    path.unlink()
    assert _problem(live.get(f"/v1/cases/{case_id}")) == "/problems/artifact-missing"
    assert live.post("/v1/cases", json=document).status_code == 201
    assert live.get(f"/v1/cases/{case_id}").json() == document


def test_a_damaged_history_ends_the_run_by_its_name(live: TestClient, until: Callable[..., Json]) -> None:
    case = live.post("/v1/cases", json=examples.CASE | {"meta": examples.CASE["meta"] | {"name": "rot"}}).json()["id"]
    body, kind = b"timestamp,value\n2026-01-01T00:00,7\n", {"Content-Type": "text/csv"}
    history = live.post("/v1/histories", content=body, headers=kind).json()
    stored = live.app.state.services.documents.history(history["id"])  # type: ignore[attr-defined]
    path = _artifacts(live).path(stored.artifact)
    _rot(path)
    ended = until(
        live, live.post("/v1/plans", json={"case_id": case, "history_id": history["id"]}).json()["id"], "failed"
    )
    assert ended["problem"]["type"] == "/problems/artifact-damaged"
    assert live.post("/v1/histories", content=body, headers=kind).status_code == 201
    assert path.read_bytes() == body


def test_no_reader_is_given_a_damaged_result(live: TestClient, plan_of: Callable[..., Json]) -> None:
    id = plan_of(live, wait=60, seconds=0.1)["id"]
    files = {entry["path"]: entry for entry in live.get(f"/v1/plans/{id}/result").json()["files"]}
    settings = live.app.state.services.settings  # type: ignore[attr-defined]
    assert diagnose_stored(settings) == "ok"
    for path, ways in (
        ("tables/orders.parquet", [f"tables/orders?format={kind}" for kind in ("json", "csv", "parquet", "xlsx")]),
        ("tables/schema.json", ["tables"]),
        ("plan.json", ["report?lang=en", "prices"]),
    ):
        file = _artifacts(live).path(files[path]["sha256"])
        was = _rot(file)
        for way in [*ways, f"files/{path}"]:
            assert _problem(live.get(f"/v1/plans/{id}/{way}")) == "/problems/artifact-damaged", way
        assert diagnose_stored(settings) == "error"
        file.write_bytes(was)


def diagnose_stored(settings: Any) -> str:
    from api.app import doctor

    found = doctor._stored(settings)
    assert found.level == "ok" or found.remedy
    return found.level


def test_doctor_names_who_needs_what_is_damaged(live: TestClient, plan_of: Callable[..., Json]) -> None:
    from api.app import doctor

    id = plan_of(live, wait=60, seconds=0.2)["id"]
    file = _artifacts(live).path(live.get(f"/v1/plans/{id}/files/plan.json").headers["etag"].strip('"'))
    settings = live.app.state.services.settings  # type: ignore[attr-defined]
    was = _rot(file)
    found = doctor._stored(settings)
    file.write_bytes(was)
    assert (found.level, f"plan {id}, its file plan.json" in found.detail) == ("error", True)
    assert doctor._integrity(settings).level == "ok"
    assert [one.name for one in diagnose(settings, deep=True)][-2:] == ["database file", "stored files"]


def test_a_kept_report_that_rots_is_made_again(live: TestClient, plan_of: Callable[..., Json]) -> None:
    id = plan_of(live, wait=60, seconds=0.3)["id"]
    first = live.get(f"/v1/plans/{id}/report?lang=zh")
    assert first.status_code == 200, first.text
    kept = live.app.state.services.kept  # type: ignore[attr-defined]
    (entry,) = kept.folder.glob(f"{id}.report.zh*")
    for file in ("report.html", "hashes.json"):
        _rot(entry / file)
        assert live.get(f"/v1/plans/{id}/report?lang=zh").text == first.text
    assert json.loads((entry / "hashes.json").read_text())
