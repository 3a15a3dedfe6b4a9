"""Faults of the surroundings have names: at the door, in /readyz, and at the start."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.app.server import RefusedError, serve
from api.http import examples
from api.jobs.problems import PROBLEMS
from api.store import migrations
from api.store import trouble as of
from api.store.artifacts import ArtifactError
from api.store.settings import Settings
from api.store.trouble import UnfitError, trouble

Make = Callable[..., TestClient]


def _sqlite(code: int) -> OperationalError:
    fault = sqlite3.OperationalError("a fault")
    fault.sqlite_errorcode = code  # type: ignore[misc]
    return OperationalError("SELECT 1", {}, fault)


class _PostgresError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__("a fault")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "disk-full"),
        (OSError(errno.EDQUOT, "Quota", "/x"), "disk-full"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "storage-read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "storage-read-only"),
        (_sqlite(sqlite3.SQLITE_FULL), "disk-full"),
        (_sqlite(sqlite3.SQLITE_READONLY | 5 << 8), "storage-read-only"),
        (_sqlite(sqlite3.SQLITE_CORRUPT), "database-damaged"),
        (_sqlite(sqlite3.SQLITE_NOTADB), "database-damaged"),
        (_sqlite(sqlite3.SQLITE_BUSY), "database-away"),
        (_sqlite(sqlite3.SQLITE_IOERR | 10 << 8), "database-away"),
        (OperationalError("", {}, _PostgresError("53100")), "disk-full"),
        (OperationalError("", {}, _PostgresError("57P01")), "database-away"),
        (OperationalError("", {}, _PostgresError("08006")), "database-away"),
        (OperationalError("", {}, _PostgresError("25006")), "storage-read-only"),
        (OperationalError("", {}, _PostgresError("XX001")), "database-damaged"),
        (OperationalError("", {}, _PostgresError("42P01")), "database-unfit"),
        (PoolTimeoutError("the pool"), "database-away"),
        (ArtifactError("a" * 64, "missing"), "artifact-missing"),
        (UnfitError("newer", "do"), "database-unfit"),
        (ValueError("ours"), None),
        (OSError(errno.ENOENT, "No such file", "/x"), None),
    ],
)
def test_every_fault_has_its_name(fault: Exception, kind: str | None) -> None:
    for raised in (fault, _caused_by(fault)):
        found = trouble(raised)
        assert (found.kind if found else None) == kind
        assert found is None or (found.remedy and PROBLEMS[found.kind].status >= 500)


def _caused_by(fault: Exception) -> Exception:
    try:
        try:
            raise fault
        except Exception as first:
            raise RuntimeError("above it") from first
    except RuntimeError as second:
        return second


def test_all_remedies_belong_to_problem_types() -> None:
    assert {*of._REMEDIES, *of._BY_ERRNO.values(), *of._BY_SQLITE.values(), *of._BY_SQLSTATE.values()} <= set(PROBLEMS)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 507, "disk-full"),
        (_sqlite(sqlite3.SQLITE_CORRUPT), 503, "database-damaged"),
        (_sqlite(sqlite3.SQLITE_BUSY), 503, "database-away"),
        (ZeroDivisionError("ours"), 500, "internal"),
    ],
)
def test_a_fault_in_a_route_is_answered_with_name_and_headers(
    idle: TestClient, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int, kind: str
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise fault

    monkeypatch.setattr(idle.app.state.services.documents, "case_page", broken)  # type: ignore[attr-defined]
    answer = idle.get("/v1/cases", headers={"X-Request-Id": "mine"})
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")
    assert ("retry-after" in answer.headers) == (kind != "internal")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"] == "mine"
    assert str(fault) not in answer.text or kind != "internal"
    assert idle.get("/healthz").status_code == 200


def _broken_file(folder: Path) -> Settings:
    settings = Settings(data_folder=folder, port=0)
    migrations.upgrade(settings)
    return settings


def _write(folder: Path, script: str) -> None:
    with sqlite3.connect(folder / "tideplan.sqlite") as connection:
        connection.executescript(script)
    connection.close()


def test_a_database_that_is_not_ours_is_refused_at_the_start_with_what_to_do(tmp_path: Path) -> None:
    newer, foreign, garbled, malformed = (tmp_path / name for name in ("newer", "foreign", "garbled", "malformed"))
    _broken_file(newer)
    _write(newer, "UPDATE alembic_version SET version_num = '9999'")
    foreign.mkdir()
    _write(foreign, "CREATE TABLE orders (id INTEGER)")
    garbled.mkdir()
    (garbled / "tideplan.sqlite").write_bytes(b"what is this" * 1000)
    _broken_file(malformed)
    file = malformed / "tideplan.sqlite"
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (file.stat().st_size - 4096))
    for folder, said in (
        (newer, "newer than this version"),
        (foreign, "something else than tideplan"),
        (garbled, "tideplan restore"),
        (malformed, "tideplan restore"),
    ):
        with pytest.raises(RefusedError, match=said):
            serve(Settings(data_folder=folder, port=0))
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(RefusedError, match="another folder"):
        serve(Settings(data_folder=in_the_way, port=0))


def test_readiness_names_a_full_disk_and_a_lost_database(make_client: Make) -> None:
    client = make_client()
    case = client.post("/v1/cases", json=examples.CASE).json()["id"]
    services = client.app.state.services  # type: ignore[attr-defined]
    object.__setattr__(services, "settings", services.settings.model_copy(update={"min_free_mb": 1e12}))
    body = client.get("/readyz").json()
    assert body["reasons"][0].startswith("disk-full: "), body
    refused = client.post("/v1/plans", json={"case_id": case})
    assert (refused.status_code, refused.json()["type"]) == (507, "/problems/disk-full")
    assert client.post("/v1/histories", content=b"t", headers={"Content-Type": "text/csv"}).status_code == 507
    assert client.get(f"/v1/cases/{case}").status_code == 200  # what is there is still read
    services.database.file.unlink()
    assert any("No such file" in reason for reason in client.get("/readyz").json()["reasons"])


UNSAYABLE = ("\0", "a\0b", "\ud800", "x\udfffy")


@pytest.mark.parametrize("text", UNSAYABLE, ids=ascii)
def test_text_that_cannot_be_kept_is_refused_wherever_it_stands(idle: TestClient, text: str) -> None:
    case = idle.post("/v1/cases", json=examples.CASE).json()["id"]
    json_type = {"Content-Type": "application/json"}
    named = examples.CASE | {"meta": examples.CASE["meta"] | {"name": text}}
    for path, body in (
        ("/v1/plans", {"case_id": case, "name": text}),
        ("/v1/plans", {"case_id": text}),
        ("/v1/plans", text),
        ("/v1/comparisons", {"case_id": case, "scenarios": [{"id": "a", "overrides": {text: 1}}]}),
        ("/v1/forecasts", {"history_id": "history_0", "growth_of": {text: {}}}),
        ("/v1/cases", named),
    ):
        answer = idle.post(path, content=json.dumps(body), headers=json_type)
        assert answer.status_code == 422, (path, answer.text)
        assert f"U+{ord(next(c for c in text if not c.isalpha())):04X}" in answer.text


def test_nul_in_an_address_or_a_cursor(idle: TestClient) -> None:
    import base64

    for path in ("/v1/plans/%00", "/v1/plans?after=%00", "/plans/a%00b", "/v1/plans/x/files/%00"):
        assert idle.get(path).status_code == 422, path
    cursor = base64.urlsafe_b64encode(b"1.plan_\x00").decode().rstrip("=")
    assert idle.get(f"/v1/plans?after={cursor}").status_code == 400
