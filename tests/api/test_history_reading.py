"""Histories through the service: how a file is read is stored with it, and the page says it in both languages."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.jobs.task import Task, WorkError
from api.pages.common import Reader, page
from api.work.work import run
from tests.forecasts.history import exports

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def read(folder: Path, body: bytes, *asked: str) -> Any:
    path = folder / "history"
    path.write_bytes(body)
    task = Task("read-history", {"timezone": "UTC", "read": list(asked), "max_rows": 100_000}, {"history": path})
    return run(task, folder, lambda _: None, Event())


def test_the_work_reads_as_it_was_asked(tmp_path: Path) -> None:
    report = read(tmp_path, exports.cloudwatch_data(), "amount=rps")
    assert report["read_as"][0].startswith("Read as CloudWatch get-metric-data")
    assert report["series"][0]["done"] == ["amounts, taken as amounts a second"]
    assert report["series"][0]["said"]["zh-CN"] == ["区间总量，已换算为每秒的量"]
    json.dumps(report, allow_nan=False)


def test_what_cannot_be_read_is_a_problem_with_every_fault(tmp_path: Path) -> None:
    with pytest.raises(WorkError) as caught:
        read(tmp_path, exports.burst_gpt(), "colour=red", "no-row=maybe")
    assert caught.value.kind == "invalid-history"
    assert len(caught.value.errors) == 2


def test_the_reading_is_stored_with_the_history(live: TestClient) -> None:
    query = "?timezone=UTC&read=no-row%3Dzero&read=sheet%3DSeptember"
    stored = live.post(f"/v1/histories{query}", content=exports.xlsx(), headers={"Content-Type": XLSX})
    assert stored.status_code == 201, stored.text
    assert stored.json()["read"] == ["no-row=zero", "sheet=September"]
    again = live.get(stored.headers["location"]).json()
    assert again["read"] == stored.json()["read"]


@pytest.mark.parametrize(("language", "said"), [("en", "2 negative values masked"), ("zh", "屏蔽 2 个负值")])
def test_the_page_says_what_was_done_in_the_reader_s_language(tmp_path: Path, language: str, said: str) -> None:
    report = read(tmp_path, exports.long_csv().replace(b",4.", b",-4.", 2))
    history = {"name": "h", "report": report, "timezone": "UTC", "created": "2026-11-28T00:00:00Z"}
    reader = Reader(language=language, given=False, path="/histories/x", query=())  # type: ignore[arg-type]
    shown = page("quality.html", reader, section="forecasts", history=history, history_id="x", scores=None)
    text = bytes(shown.body).decode()
    assert said in text
    assert ("读作 长表" if language == "zh" else "Read as long table") in text
