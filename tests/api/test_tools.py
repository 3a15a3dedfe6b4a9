"""In a browser and by tools: CORS, HEAD, OPTIONS, Allow, media types, ids and lines of the log, figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from api.http import examples
from api.store.version import ROOT

Make = Callable[..., TestClient]
DESK = "https://desk.example"


def test_an_allowed_origin_works_in_a_browser(make_client: Make) -> None:
    client = make_client(allowed_origins=[DESK])
    from_there = {"Origin": DESK, "Sec-Fetch-Site": "cross-site"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}
    before = client.options("/v1/cases", headers=from_there | asked)
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (204, DESK)
    assert "POST" in before.headers["access-control-allow-methods"]
    allowed = before.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("x-api-key", "content-type", "idempotency-key", "if-match", "prefer"))
    stored = client.post("/v1/cases", json=examples.CASE, headers=from_there)
    assert (stored.status_code, stored.headers["access-control-allow-origin"]) == (201, DESK)
    assert "ETag" in stored.headers["access-control-expose-headers"]
    assert "Origin" in stored.headers["vary"]
    assert "access-control-allow-credentials" not in stored.headers
    remembered = client.get("/v1/cases", headers=from_there, auth=("ann", "secret"))
    assert (remembered.status_code, remembered.json()["type"]) == (403, "/problems/cross-site")
    refused = client.get("/v1/cases/case_0", headers=from_there)  # a page can read a refusal, too
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, DESK)


def test_other_origins_get_nothing(make_client: Make) -> None:
    client = make_client(allowed_origins=[DESK])
    for origin in ("https://desk.example.evil", "https://evil.example", "null", f"{DESK}:444"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = client.options("/v1/cases", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-site")
        read = client.get("/v1/cases", headers={"Origin": origin})
        assert "access-control-allow-origin" not in read.headers
        assert "access-control-allow-origin" not in answer.headers


def test_head_is_get_without_a_body(live: TestClient, plan_of: Callable[..., Any]) -> None:
    id = plan_of(live, wait=60, seconds=0.4)["id"]
    for path in (
        *("/", "/healthz", "/v1/plans", f"/v1/plans/{id}", f"/v1/plans/{id}/result", f"/v1/plans/{id}/events"),
        *(f"/v1/plans/{id}/files/plan.json", f"/v1/plans/{id}/tables/orders?format=csv", "/static/page.css"),
    ):
        head = live.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        if not path.endswith("events"):
            whole = live.get(path)
            assert head.headers["content-type"] == whole.headers["content-type"]
            assert head.headers.get("etag") == whole.headers.get("etag")
    assert live.head("/v1/plans/plan_0").status_code == 404


def test_allow_names_every_method(idle: TestClient) -> None:
    for path, methods in (
        ("/v1/cases", "GET, HEAD, POST, OPTIONS"),
        ("/v1/cases/case_0", "GET, HEAD, PUT, OPTIONS"),
        ("/v1/plans/plan_0/stop", "POST, OPTIONS"),
        ("/v1/plans/plan_0/energy", "GET, HEAD, POST, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ):
        refused = idle.request("PATCH", path)
        assert (refused.status_code, refused.headers["allow"]) == (405, methods)
        asked = idle.options(path)
        assert (asked.status_code, asked.headers["allow"], asked.content) == (204, methods, b"")
    assert idle.options("/nothing").status_code == 404


def test_other_media_types_are_415(idle: TestClient) -> None:
    case = idle.post("/v1/cases", json=examples.CASE).json()["id"]
    body = json.dumps({"case_id": case})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", None):
        for path in ("/v1/plans", "/v1/comparisons", "/v1/forecasts"):
            answer = idle.post(path, content=body, headers={"Content-Type": kind} if kind else {})
            assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")
    assert idle.post("/v1/plans", content=body, headers={"Content-Type": "application/json; charset=utf-8"}).is_success
    assert idle.post("/v1/plans").status_code == 422  # nothing was sent: there is no type to dislike


def test_one_line_a_request_with_its_id_key_and_run(idle: TestClient) -> None:
    _key, secret = idle.app.state.services.keys.create("ann", "planner")  # type: ignore[attr-defined]
    headers = {"X-API-Key": secret, "X-Request-Id": "from-the-client"}
    case = idle.post("/v1/cases", json=examples.CASE, headers=headers).json()["id"]
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        plan = idle.post("/v1/plans", json={"case_id": case}, headers=headers)
        odd = idle.get("/healthz", headers={"X-Request-Id": 'a"b\\c'})
    first, second = (line for line in lines if line["event"] == "request")
    assert plan.headers["x-request-id"] == first["request"] == "from-the-client"
    assert (first["key"], first["run"], first["status"]) == (_key.id, plan.json()["id"], 202)
    assert (first["method"], first["path"]) == ("POST", "/v1/plans")
    assert odd.headers["x-request-id"] == second["request"] != 'a"b\\c'
    assert secret not in json.dumps(lines)


def test_every_line_of_the_log_is_json() -> None:
    code = (
        "import logging, structlog\n"
        "from api.app.logs import configure\n"
        "configure('info')\n"
        "structlog.contextvars.bind_contextvars(request='r1')\n"
        "structlog.get_logger().info('ours', run='plan_1')\n"
        "logging.getLogger('uvicorn.error').warning('theirs\\nin two lines')\n"
        "try: 1/0\n"
        "except ZeroDivisionError: logging.getLogger('dbos').exception('broken')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs\nin two lines", "broken"]
    assert all(line["request"] == "r1" and line["timestamp"] for line in lines)
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_figures(live: TestClient, plan_of: Callable[..., Any]) -> None:
    plan_of(live, wait=60)
    plan_of(live, wait=60, ends="exit")
    text = live.get("/metrics").text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["tideplan_ready"]) == 1
    assert float(values['tideplan_runs{kind="plan",state="finished"}']) >= 1
    assert float(values['tideplan_failures{type="/problems/solver-crashed"}']) >= 1
    assert float(values["tideplan_plan_gap_mean"]) == pytest.approx(0.001)
    assert 0 < float(values['tideplan_run_seconds_mean{kind="plan"}']) < 60
    assert float(values['tideplan_worker_heartbeat_age_seconds{executor="embedded"}']) < 60
    assert float(values["tideplan_disk_free_bytes"]) > 0
    assert float(values["tideplan_queue_age_seconds"]) == 0
    live.head("/v1/plans")
    assert 'tideplan_requests_total{method="HEAD",route="' in live.get("/metrics").text
