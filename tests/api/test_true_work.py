"""The true planner and forecasts behind the service: one of each, small."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.http import examples
from api.jobs.process import call, child
from api.jobs.task import Task, WorkError
from api.work.work import run
from planner.case.file import dump_case, read_case

ROOT = Path(__file__).parents[2]
TINY = ROOT / "examples" / "tiny"
LIMITS = {"seconds": 60, "gap": 0.01, "seed": 1, "threads": 1, "route": "auto"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """Summary and folder of a plan of the example case, made in a child as the service makes it."""
    folder = tmp_path_factory.mktemp("plan")
    case = folder / "case.json"
    case.write_text(json.dumps(examples.CASE))
    task = Task("plan", {"limits": LIMITS, "forecast": {}}, {"case": case})
    last = None
    with child(task, folder / "w", module="api.work.work", memory_mb=4096) as running:
        for message in running.messages(1):
            last = message or last
        ended = running.ended(last)
        assert ended.result is not None, (ended, running.tail())
        yield ended.result, running.out


def test_the_example_case_is_planned_and_proven(planned: tuple[dict[str, Any], Path]) -> None:
    summary, folder = planned
    assert summary["objective"] == pytest.approx(summary["cost"], rel=1e-6)
    assert summary["bound"] <= summary["objective"] * (1 + 1e-9)
    assert summary["gap"] <= 0.01
    assert (folder / "tables" / "orders.parquet").is_file()
    assert not list(folder.rglob("*.csv"))
    for language in ("en", "zh"):  # what its page shows is there before anybody has looked
        assert (folder.parent / "pages" / language / "content.json").is_file()


@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.slow), "zh"])
def test_the_report_is_made(planned: tuple[dict[str, Any], Path], tmp_path: Path, language: str) -> None:
    task = Task("report", {"language": language, "form": "html"}, {"plan": planned[1]})
    ended, files = call(task, tmp_path / "w", module="api.work.work", memory_mb=4096, seconds=120)
    assert ended.result is not None, ended
    assert f'<html lang="{language}' in files["report.html"].decode()[:2000]


@pytest.mark.slow
@pytest.mark.alone
def test_a_history_becomes_a_forecast_and_a_plan(true_service: TestClient) -> None:
    case = true_service.post("/v1/cases", json=dump_case(read_case(TINY / "case.yaml")))
    assert case.status_code == 201, case.text
    history = true_service.post(
        "/v1/histories", content=(TINY / "history.csv").read_bytes(), headers={"Content-Type": "text/csv"}
    )
    assert history.status_code == 201, history.text
    assert history.json()["report"]["hours"] > 168
    ids = {"case_id": case.json()["id"], "history_id": history.json()["id"]}
    forecast = _ended(true_service, "/v1/forecasts", ids)
    assert forecast["summary"]["weeks"] > 40
    body = {"case_id": ids["case_id"], "forecast_id": forecast["id"], "limits": {"seconds": 120, "gap": 0.05}}
    plan = _ended(true_service, "/v1/plans", body)
    assert plan["summary"]["bound"] <= plan["summary"]["objective"] * (1 + 1e-9)
    assert plan["summary"]["orders"]["modules"] > 0


def _ended(client: TestClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 300
    run: dict[str, Any] = client.post(path, json=body).json()
    while run["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, run
        time.sleep(0.5)
        run = client.get(run["links"]["self"]).json()
    assert run["state"] == "finished", run
    return run


def test_an_impossible_case_is_refused_in_its_own_words(tmp_path: Path) -> None:
    case = json.loads(json.dumps(examples.CASE))
    for site in case["sites"]:
        site["power_mw"] = 0.05
    case["workloads"][0]["minimum_service"] = 1.0
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case))
    (tmp_path / "out").mkdir()
    task = Task("plan", {"limits": LIMITS, "forecast": {}}, {"case": path})
    with pytest.raises(WorkError) as raised:
        run(task, tmp_path / "out", lambda progress: None, Event())
    assert raised.value.kind in ("infeasible", "plan-impossible")
    assert raised.value.errors
    assert all(error["pointer"] or error["detail"] for error in raised.value.errors)


def test_a_broken_history_is_refused_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("when,what\n1,2\n")
    task = Task("read-history", {"timezone": "Mars/Olympus", "max_rows": 100}, {"history": path})
    with pytest.raises(WorkError) as raised:
        run(task, tmp_path, lambda progress: None, Event())
    assert raised.value.kind == "invalid-history"
    assert len(raised.value.errors) >= 2
