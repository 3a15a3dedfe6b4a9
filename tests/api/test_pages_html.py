"""The pages as HTML: what they say in which state and language, to whom, and that everything they need is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from api.http import examples
from api.http.language import chosen
from api.pages import catalogue
from api.store.keys import Keys
from api.work.casetext import case_text, compose, line_of
from planner.compare.tables import COMPARISON_TABLES
from planner.plan.tables import TABLES
from planner.replay.accounts import REPLAY_TABLES

Json = dict[str, Any]
Make = Callable[..., TestClient]
WEB = Path(str(files("api") / "pages"))
HTML = {"Accept": "text/html"}
YAML = {"Content-Type": "application/yaml"}


PATHS = ("/", "/plans/new", "/comparisons", "/comparisons/new", "/forecasts", "/forecasts/new")


def test_every_page_is_whole_in_both_languages(idle: TestClient) -> None:
    wanted: set[str] = set()
    for path in PATHS:
        for language, tag in (("en", "en"), ("zh", "zh-CN")):
            answer = idle.get(path, params={"lang": language})
            text = answer.text
            assert answer.headers["content-type"].startswith("text/html")
            assert f'<html lang="{tag}">' in text
            assert len(re.findall(r"<h1\b", text)) == 1
            assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text)
            assert not re.findall(r"\son\w+=", text)
            assert re.findall(r"<script(?![^>]*(?:src=|application/json))", text) == []
            wanted |= set(re.findall(r"""(?:src|href)="(/static/[^"]+)""", text))
    for script in [name for name in wanted if name.endswith(".js")]:
        wanted |= {f"/static/{name}" for name in re.findall(r'from "\./([\w.]+)"', idle.get(script).text)}
    assert {name: idle.get(name).status_code for name in wanted} == dict.fromkeys(wanted, 200)


def test_what_pictures_need_comes_from_the_planner_and_is_sent_once(idle: TestClient) -> None:
    first = idle.get("/static/pictures.js")
    assert first.status_code == 200
    assert "picture" in first.text
    again = idle.get("/static/pictures.js", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert idle.get("/static/../app.py").status_code == 404


def test_every_text_that_a_page_or_a_script_asks_for_is_in_the_catalogue() -> None:
    known = set(catalogue("en"))
    for path in (WEB / "templates").glob("*.html"):
        asked = set(re.findall(r"\bt\.(\w+)", path.read_text("utf-8")))
        assert asked <= known, (path.name, asked - known)
    for path in (WEB / "static").glob("*.js"):
        text = path.read_text("utf-8")
        asked = set(re.findall(r'\bsay\("(\w+)"', text)) | set(re.findall(r'"(js_\w+)"', text))
        assert {key for key in asked if not key.endswith("_")} <= known, (path.name, asked - known)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_table_that_a_page_lists_has_a_title(language: str) -> None:
    named = {key.removeprefix("table_") for key in catalogue(language) if key.startswith("table_")}
    assert named == {*TABLES, *COMPARISON_TABLES, *REPLAY_TABLES}


def test_no_plans_yet_leads_to_a_first_one(idle: TestClient) -> None:
    text = idle.get("/").text
    assert "No plans yet" in text
    assert 'href="/plans/new?example=tiny"' in text


def test_a_queued_plan_can_be_followed_and_cancelled(idle: TestClient, plan_of: Callable[..., Json]) -> None:
    run = plan_of(idle)
    assert f'data-follow="/v1/plans/{run["id"]}/events"' in idle.get("/").text
    text = idle.get(f"/plans/{run['id']}").text
    assert f'data-live="/v1/plans/{run["id"]}/events"' in text
    assert f'data-post="/v1/plans/{run["id"]}/cancel"' in text
    assert f'href="/plans/new?from={run["id"]}"' in text
    idle.post(f"/v1/plans/{run['id']}/cancel")
    assert "This plan was cancelled" in idle.get(f"/plans/{run['id']}").text


def test_a_failed_plan_says_what_stands_in_the_way(live: TestClient, plan_of: Callable[..., Json]) -> None:
    run = plan_of(live, wait=30, ends="infeasible")
    text = live.get(f"/plans/{run['id']}", headers={"Accept-Language": "zh"}).text
    assert catalogue("zh")["problem_infeasible"] in text
    assert "/sites/0/power_mw" in text
    assert "found 0; allowed: 2" in text


def test_what_is_not_there_is_a_page_too(idle: TestClient) -> None:
    for path in ("/plans/plan_0", "/comparisons/comparison_0", "/forecasts/forecast_0", "/plans/new?from=plan_0"):
        answer = idle.get(path)
        assert answer.status_code == 404
        assert "There is nothing at this address" in answer.text
    for path in ("/plans/plan_0/content", "/plans/plan_0/charts/capacity", "/comparisons/x/charts/..%2Fcontent"):
        assert idle.get(path).status_code == 404
    assert idle.get("/?leaf=nonsense").status_code == 422


def test_a_viewer_reads_and_is_offered_nothing_else(make_client: Make, plan_of: Callable[..., Json]) -> None:
    client = make_client()
    run = plan_of(client)
    keys: Keys = client.app.state.services.keys  # type: ignore[attr-defined]
    _key, secret = keys.create("reader", "viewer")
    asks = {"X-API-Key": secret}
    assert client.get("/", headers=HTML).status_code == 401
    text = client.get("/", headers=asks).text
    assert "/plans/new" not in text
    shown = client.get(f"/plans/{run['id']}", headers=asks).text
    assert "data-post" not in shown
    assert client.get("/plans/new", headers=asks).status_code == 403
    assert client.post("/drafts/check", content=b"{}", headers=asks | YAML).status_code == 403


def test_the_language_is_chosen_once(idle: TestClient) -> None:
    assert chosen({}, "de, zh;q=0.5") == "zh"
    assert chosen({"tideplan_language": "en"}, "zh") == "en"
    assert chosen({"tideplan_language": "fr"}, "zh") == "zh"
    assert 'href="/?q=a&amp;lang=zh"' in idle.get("/?q=a").text
    idle.get("/?lang=zh")
    assert "规划方案" in idle.get("/").text
    assert "Plans" in idle.get("/?lang=en").text


def test_a_case_is_checked_with_the_line_of_every_fault(idle: TestClient) -> None:
    text = case_text(examples.CASE)
    good = idle.post("/drafts/check", content=text, headers=YAML).json()
    assert good["ok"]
    assert good["own_demand"]
    assert idle.get("/v1/cases").json()["items"] == []
    broken = text.replace("power_mw: 2.0", "power_mw: -2.0").replace("cards: 128", "cards: many")
    found = idle.post("/drafts/check", content=broken.encode(), headers=YAML).json()
    assert not found["ok"]
    lines = broken.splitlines()
    said = {fault["pointer"]: lines[fault["line"] - 1].strip() for fault in found["errors"]}
    assert said == {"/sites/0/power_mw": "power_mw: -2.0", "/module_types/0/cards": "cards: many"}
    assert [fault["line"] for fault in found["errors"]] == sorted(fault["line"] for fault in found["errors"])
    unreadable = idle.post("/drafts/check", content=b"a: [1", headers=YAML).json()
    assert not unreadable["ok"]
    assert unreadable["errors"]


def test_the_line_of_what_is_missing_is_that_of_what_should_hold_it() -> None:
    root = compose("sites:\n- id: a\n- id: b\n  phases:\n  - mw: 1\nx/y: 1\n")
    assert line_of(root, "/sites/1/phases/0/mw") == 5
    assert line_of(root, "/sites/1/tariff") == 3
    assert line_of(root, "/sites/7") == 1
    assert line_of(root, "/x~1y") == 6
    assert line_of(compose("a: [1"), "/a") is None


def test_a_case_as_text_is_the_same_case() -> None:
    from planner.case.file import case_from, case_hash

    again = case_from(yaml.safe_load(case_text(examples.CASE)))
    assert case_hash(again) == case_hash(case_from(examples.CASE))


@pytest.mark.parametrize("name", ["tiny", pytest.param("national", marks=pytest.mark.slow)])
def test_examples_can_be_planned_as_they_are_offered(idle: TestClient, name: str) -> None:
    case = idle.get(f"/drafts/examples/{name}/case")
    assert case.headers["content-type"].startswith("text/yaml")
    assert idle.post("/drafts/check", content=case.content, headers=YAML).json()["ok"]
    history = idle.get(f"/drafts/examples/{name}/history")
    assert history.status_code == 200
    assert history.headers["content-type"].split(";")[0] in ("text/csv", "application/vnd.apache.parquet")
    assert (
        idle.get(f"/drafts/examples/{name}/history", headers={"If-None-Match": history.headers["etag"]}).status_code
        == 304
    )


def test_a_copy_carries_case_and_demand(idle: TestClient, plan_of: Callable[..., Json]) -> None:
    run = plan_of(idle, seconds=1)
    text = idle.get(f"/drafts/plans/{run['id']}/case").text
    assert yaml.safe_load(text)["meta"]["description"] == json.dumps({"seconds": 1})
    form = idle.get(f"/plans/new?from={run['id']}").text
    assert f'value="copy" checked data-id="{run["id"]}"' in form
    assert 'value="same"' in form
