"""Plans from acceptance to result, with the true job engine and a fake planner."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

Json = dict[str, Any]
Ask = Callable[..., Json]


def test_accepted_with_location_and_then_finished(live: TestClient, until: Ask) -> None:
    from api.http import examples

    case = live.post("/v1/cases", json=examples.CASE).json()
    accepted = live.post("/v1/plans", json={"case_id": case["id"], "name": "first"})
    assert accepted.status_code == 202
    assert accepted.headers["retry-after"] == "1"
    assert accepted.headers["location"] == f"/v1/plans/{accepted.json()['id']}"
    ended = until(live, accepted.json()["id"], "finished")
    assert ended["summary"]["objective"] == 100.0
    assert ended["name"] == "first"
    assert ended["attempt"] == 1
    result = live.get(ended["links"]["result"])
    assert result.json()["inputs"] == {"case": case["sha256"]}
    assert [f["path"] for f in result.json()["files"]] == ["plan.json", "tables/orders.parquet", "tables/schema.json"]
    assert "immutable" in result.headers["cache-control"]
    again = live.get(ended["links"]["result"], headers={"If-None-Match": result.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_prefer_wait_answers_with_the_end(live: TestClient, plan_of: Ask) -> None:
    assert plan_of(live, wait=60)["state"] == "finished"


def test_the_limits_reach_the_planner(live: TestClient, plan_of: Ask) -> None:
    from api.http import examples

    case = live.post("/v1/cases", json=examples.CASE).json()
    body = {"case_id": case["id"], "limits": {"seed": 77}}
    plan = live.post("/v1/plans", json=body, headers={"Prefer": "wait=60"}).json()
    assert live.get(f"/v1/plans/{plan['id']}/files/plan.json").json() == {"seed": 77}


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        ("infeasible", "infeasible"),
        ("memory", "solver-out-of-memory"),
        ("abort", "solver-crashed"),
        ("exit", "solver-crashed"),
    ],
)
def test_a_failing_solve_fails_that_plan_only(live: TestClient, plan_of: Ask, ends: str, kind: str) -> None:
    failed = plan_of(live, wait=60, ends=ends)
    assert failed["state"] == "failed"
    assert failed["problem"]["type"] == f"/problems/{kind}"
    result = live.get(f"/v1/plans/{failed['id']}/result")
    assert result.status_code == 409
    assert result.json()["cause"]["type"] == f"/problems/{kind}"
    assert plan_of(live, wait=60)["state"] == "finished"


def test_an_infeasible_plan_says_where(live: TestClient, plan_of: Ask) -> None:
    failed = plan_of(live, wait=60, ends="infeasible")
    assert failed["problem"]["errors"][0]["pointer"] == "/sites/0/power_mw"


def test_stop_keeps_the_best_so_far(live: TestClient, plan_of: Ask, until: Ask) -> None:
    plan = plan_of(live, seconds=120)
    until(live, plan["id"], "running")
    while live.get(f"/v1/plans/{plan['id']}").json()["progress"] is None:
        pass
    assert live.post(f"/v1/plans/{plan['id']}/stop").status_code == 202
    ended = until(live, plan["id"], "finished", "failed")
    assert ended["state"] == "finished"
    assert ended["summary"]["stopped"] is True


def test_cancel_leaves_no_process(live: TestClient, plan_of: Ask, until: Ask) -> None:
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    plan = plan_of(live, seconds=120, spawn=True)
    until(live, plan["id"], "running")
    while not (started := [p for p in psutil.Process().children(recursive=True) if p.pid not in before]) or (
        live.get(f"/v1/plans/{plan['id']}").json()["progress"] is None
    ):
        pass
    assert live.post(f"/v1/plans/{plan['id']}/cancel").status_code == 202
    until(live, plan["id"], "cancelled")
    _gone, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []
    assert live.post(f"/v1/plans/{plan['id']}/cancel").status_code == 202
    assert live.post(f"/v1/plans/{plan['id']}/stop").json()["type"] == "/problems/already-final"


def test_a_waiting_plan_is_cancelled_at_once(idle: TestClient, plan_of: Ask) -> None:
    plan = plan_of(idle)
    assert idle.post(f"/v1/plans/{plan['id']}/cancel").json()["state"] == "cancelled"


def test_events_resume_without_gap_or_duplicate(live: TestClient, plan_of: Ask) -> None:
    plan = plan_of(live, wait=60, seconds=2)
    whole = _events(live.get(f"/v1/plans/{plan['id']}/events").text)
    numbers = [number for number, _ in whole]
    assert numbers == list(range(1, len(whole) + 1))
    assert [kind for _, kind in whole if kind == "progress"], "no progress was told"
    for seen in (0, 1, len(whole) - 1, len(whole)):
        answer = live.get(f"/v1/plans/{plan['id']}/events", headers={"Last-Event-ID": str(seen)})
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert [number for number, _ in _events(answer.text)] == numbers[seen:]


def _events(text: str) -> list[tuple[int, str]]:
    out = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "id" in fields:
            out.append((int(fields["id"]), fields["event"]))
    return out


def test_tables_in_every_format(live: TestClient, plan_of: Ask) -> None:
    plan = plan_of(live, wait=60)
    here = f"/v1/plans/{plan['id']}/tables"
    listed = live.get(here).json()["items"]
    assert [(t["name"], t["title"], t["rows"]) for t in listed] == [("orders", "Orders", 3)]
    assert listed[0]["columns"][0]["unit"] == "u"
    table = live.get(f"{here}/orders").json()
    assert table["rows"] == [["near", 1, 1.5, 0], ["=1+1", 2, None, 0], ["远", 3, -3.0, 1]]
    part = live.get(f"{here}/orders?offset=1&limit=1").json()
    assert (part["rows"], part["total"], part["next_offset"]) == ([["=1+1", 2, None, 0]], 3, 2)
    text = live.get(f"{here}/orders", headers={"Accept": "text/csv"}).text
    assert text.splitlines() == ["site,modules,capex,period", "near,1,1.5,0", "'=1+1,2,,0", "远,3,-3.0,1"]
    parquet = live.get(f"{here}/orders?format=parquet").content
    assert pq.read_table(io.BytesIO(parquet)).num_rows == 3
    with zipfile.ZipFile(io.BytesIO(live.get(f"{here}/orders?format=xlsx").content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "=1+1" in sheet
    assert live.get(f"{here}/orders", headers={"Accept": "image/png"}).status_code == 406
    assert live.get(f"{here}/nothing").status_code == 404


def test_the_report_is_sandboxed_and_kept(live: TestClient, plan_of: Ask) -> None:
    plan = plan_of(live, wait=60)
    report = live.get(f"/v1/plans/{plan['id']}/report", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"})
    assert report.text == "<!doctype html><p>zh" + "</p>"
    assert "sandbox" in report.headers["content-security-policy"]
    same = live.get(f"/v1/plans/{plan['id']}/report?lang=zh", headers={"If-None-Match": report.headers["etag"]})
    assert same.status_code == 304


def test_a_forecast_feeds_a_plan(live: TestClient) -> None:
    from api.http import examples

    history = live.post("/v1/histories", content=examples.HISTORY_CSV, headers={"Content-Type": "text/csv"})
    assert history.status_code == 201, history.text
    body = {"history_id": history.json()["id"], "weeks": 9}
    forecast = live.post("/v1/forecasts", json=body, headers={"Prefer": "wait=60"}).json()
    assert forecast["summary"] == {"weeks": 9}
    case = live.post("/v1/cases", json=examples.CASE).json()
    body = {"case_id": case["id"], "forecast_id": forecast["id"]}
    plan = live.post("/v1/plans", json=body, headers={"Prefer": "wait=60"}).json()
    assert set(live.get(f"/v1/plans/{plan['id']}/result").json()["inputs"]) == {"case", "outlook"}


def test_metrics_count_routes_and_runs(live: TestClient, plan_of: Ask) -> None:
    plan_of(live, wait=60)
    text = live.get("/metrics").text
    assert 'tideplan_runs{kind="plan",state="finished"}' in text
    assert 'route="/v1/plans/{id}' in text or 'route="/v1/plans"' in text
    assert "tideplan_ready 1.0" in text
