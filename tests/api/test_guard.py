"""The door: hosts, origins, sizes, headers, keys and roles."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app.lock import LockedError, exclusive, holder
from api.app.server import RefusedError, serve
from api.http import examples
from api.store import audit
from api.store.keys import Keys
from api.store.settings import Settings
from api.store.version import ROOT

Make = Callable[..., TestClient]


def _keys(client: TestClient) -> Keys:
    keys: Keys = client.app.state.services.keys  # type: ignore[attr-defined]
    return keys


def test_foreign_hosts_are_refused(idle: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "[::1].evil"):
        answer = idle.get("/healthz", headers={"Host": host})
        assert (answer.status_code, answer.json()["type"]) == (421, "/problems/wrong-host")
    for host in ("127.0.0.1:8000", "localhost:1234", "LOCALHOST", "[::1]:8000"):
        assert idle.get("/healthz", headers={"Host": host}).status_code == 200


def test_other_sites_cannot_change_anything(idle: TestClient) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = idle.post("/v1/cases", json=examples.CASE, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-site")
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert idle.post("/v1/cases", json=examples.CASE, headers=own).status_code == 201


def test_strict_headers_on_every_answer(idle: TestClient) -> None:
    for path in ("/", "/docs", "/healthz", "/v1/plans", "/nothing", "/static/page.css"):
        headers = idle.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


def test_bodies_are_limited_with_and_without_a_length(make_client: Make) -> None:
    client = make_client(max_body_mb=0.01, max_case_mb=0.01)
    big = b" " * 20_000

    def pieces() -> Any:
        for _ in range(20):
            yield big[:1000]

    for content in (big, pieces()):
        for path, kind in (
            ("/v1/cases", "application/json"),
            ("/v1/histories", "text/csv"),
            ("/v1/plans", "application/json"),
        ):
            answer = client.post(path, content=content, headers={"Content-Type": kind})
            if not isinstance(content, bytes):
                content = pieces()
            assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large"), path


def test_once_there_is_a_key_it_is_needed(idle: TestClient) -> None:
    key, secret = _keys(idle).create("ann", "planner")
    refused = idle.get("/v1/plans")
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/unauthorised")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert idle.get("/", headers={"Accept": "text/html"}).headers["www-authenticate"].startswith("Basic")
    assert idle.get("/v1/plans", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert idle.get("/v1/plans", headers={"X-API-Key": secret}).status_code == 200
    assert idle.get("/v1/plans", auth=("anyone", secret)).status_code == 200
    assert idle.get("/v1/plans", headers={"X-API-Key": secret + "x"}).status_code == 401
    assert idle.get("/healthz").status_code == 200
    _keys(idle).create("bob", "viewer")
    assert _keys(idle).revoke(key.id)
    assert idle.get("/v1/plans", headers={"X-API-Key": secret}).status_code == 401


def test_secrets_are_not_kept(idle: TestClient, tmp_path: Path) -> None:
    _key, secret = _keys(idle).create("ann", "admin")
    for file in idle.app.state.services.settings.data_folder.glob("tideplan.sqlite*"):  # type: ignore[attr-defined]
        assert secret.encode() not in file.read_bytes()
        assert secret[3:].encode() not in file.read_bytes()


def test_roles(make_client: Make) -> None:
    client = make_client()
    roles = {role: {"X-API-Key": _keys(client).create(role, role)[1]} for role in ("viewer", "planner", "admin")}  # type: ignore[arg-type]
    other = {"X-API-Key": _keys(client).create("other", "planner")[1]}
    assert client.post("/v1/cases", json=examples.CASE, headers=roles["viewer"]).json()["type"] == "/problems/forbidden"
    case = client.post("/v1/cases", json=examples.CASE, headers=roles["planner"]).json()
    plan = client.post("/v1/plans", json={"case_id": case["id"]}, headers=roles["planner"]).json()
    assert client.get(f"/v1/plans/{plan['id']}", headers=roles["viewer"]).status_code == 200
    for headers in (roles["viewer"], other):
        assert client.post(f"/v1/plans/{plan['id']}/cancel", headers=headers).status_code == 403
    assert client.post(f"/v1/plans/{plan['id']}/cancel", headers=roles["admin"]).status_code == 202


def test_a_case_belongs_to_its_key_and_every_deed_is_written_down(make_client: Make) -> None:
    client = make_client()
    ann, bob, admin = (
        {"X-API-Key": _keys(client).create(n, r)[1]} for n, r in (("a", "planner"), ("b", "planner"), ("c", "admin"))
    )
    stored = client.post("/v1/cases", json=examples.CASE, headers=ann)
    id, match = stored.json()["id"], {"If-Match": stored.headers["etag"]}
    assert (
        client.put(f"/v1/cases/{id}", json=examples.CASE, headers=bob | match).json()["type"] == "/problems/forbidden"
    )
    again = client.put(f"/v1/cases/{id}", json=examples.CASE, headers=ann | match)
    assert again.status_code == 200
    assert client.put(
        f"/v1/cases/{id}", json=examples.CASE, headers=admin | {"If-Match": again.headers["etag"]}
    ).is_success
    plan = client.post("/v1/plans", json={"case_id": id}, headers=bob).json()["id"]
    client.post(f"/v1/plans/{plan}/cancel", headers=admin)
    database = client.app.state.services.database  # type: ignore[attr-defined]
    names = {key.id: key.name for key in _keys(client).all()}
    told = [(names.get(deed.owner), deed.action, deed.subject) for deed in audit.deeds(database)][3:]
    assert told == [
        ("a", "case stored", id),
        ("a", "case replaced", id),
        ("c", "case replaced", id),
        ("b", "run accepted", plan),
        ("c", "cancel asked", plan),
    ]
    hashes = [deed.hashes for deed in audit.deeds(database) if deed.action == "run accepted"]
    assert hashes == [{"case": stored.json()["sha256"]}]


def test_an_open_address_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="keys create"):
        serve(Settings(data_folder=tmp_path, host="0.0.0.0"))


def test_two_servers_on_one_folder(tmp_path: Path) -> None:
    with exclusive(tmp_path, "tideplan"):
        assert holder(tmp_path, "tideplan") is not None
        with pytest.raises(LockedError, match="another tideplan"), exclusive(tmp_path, "tideplan"):
            pass
        with pytest.raises(LockedError):
            serve(Settings(data_folder=tmp_path))
    assert holder(tmp_path, "tideplan") is None


def test_pages_take_nothing_from_elsewhere(idle: TestClient) -> None:
    for path in ("/", "/docs", "/problems/infeasible", "/?lang=zh"):
        text = idle.get(path).text
        assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text)
        assert "<script>" not in text
        for name in re.findall(r"""(?:src|href)="(/static/[^"]+)""", text):
            assert idle.get(name).status_code == 200


def test_the_page_speaks_chinese_and_escapes(idle: TestClient) -> None:
    case = examples.CASE | {"meta": examples.CASE["meta"] | {"name": "<script>alert(1)</script>"}}
    id = idle.post("/v1/cases", json=case).json()["id"]
    idle.post("/v1/plans", json={"case_id": id})
    text = idle.get("/", headers={"Accept-Language": "zh-CN"}).text
    assert 'lang="zh-CN"' in text
    assert "规划方案" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_both_catalogues_have_every_text() -> None:
    from api.jobs.problems import PROBLEMS
    from api.pages import catalogue

    assert set(catalogue("en")) == set(catalogue("zh"))
    assert {f"problem_{kind}" for kind in PROBLEMS} <= set(catalogue("en"))


def test_the_server_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys, api.app, api.app.server, api.store.migrations\n"
        "heavy = ('ortools', 'pandas', 'statsmodels', 'scipy', 'numpy', 'plotly', 'pyarrow', 'dbos', 'alembic')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
