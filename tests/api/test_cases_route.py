"""Cases over HTTP: stored whole, refused with every fault, replaced only by someone who has seen the last version."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml
from fastapi.testclient import TestClient

from api.http import examples


def test_a_case_comes_back_with_its_defaults(idle: TestClient) -> None:
    stored = idle.post("/v1/cases", json=examples.CASE)
    assert stored.status_code == 201
    case = idle.get(stored.headers["location"])
    assert case.json()["meta"]["currency"] == "CNY"
    assert case.headers["etag"] == stored.headers["etag"]
    assert idle.get(stored.headers["location"], headers={"If-None-Match": case.headers["etag"]}).status_code == 304


def test_yaml_is_the_same_case(idle: TestClient) -> None:
    from_json = idle.post("/v1/cases", json=examples.CASE).json()
    text = yaml.safe_dump(examples.CASE, allow_unicode=True)
    from_yaml = idle.post("/v1/cases", content=text.encode(), headers={"Content-Type": "application/yaml"})
    assert from_yaml.status_code == 201, from_yaml.text
    assert from_yaml.json()["sha256"] == from_json["sha256"]


def test_every_fault_at_once(idle: TestClient) -> None:
    broken = json.loads(json.dumps(examples.CASE))
    broken["sites"][0]["power_mw"] = -5
    broken["workloads"][0]["throughput"] = {"nothing": 1}
    broken["horizont"] = 1
    problem = idle.post("/v1/cases", json=broken)
    assert problem.status_code == 422
    assert problem.headers["content-type"] == "application/problem+json"
    body = problem.json()
    assert body["type"] == "/problems/invalid-case"
    pointers = {error["pointer"] for error in body["errors"]}
    assert {"/sites/0/power_mw", "/horizont"} <= pointers
    assert any(pointer.startswith("/workloads/0/throughput") for pointer in pointers)
    assert all(error["found"] and error["allowed"] for error in body["errors"])
    assert idle.get("/v1/cases").json()["items"] == []


def test_bodies_that_are_no_case(idle: TestClient) -> None:
    def post(content: bytes, kind: str = "application/json") -> tuple[int, str]:
        answer = idle.post("/v1/cases", content=content, headers={"Content-Type": kind})
        return answer.status_code, answer.json()["type"]

    assert post(b"") == (400, "/problems/unreadable-body")
    assert post(b"{") == (400, "/problems/unreadable-body")
    assert post(b"[1]") == (400, "/problems/unreadable-body")
    assert post(b"\xff\xfe") == (400, "/problems/unreadable-body")
    assert post(b"[" * 100_000) == (400, "/problems/unreadable-body")
    assert post(b'{"a": 1, "a": 2}') == (400, "/problems/unreadable-body")
    assert post(b"a: &x [*x]", "application/yaml") == (400, "/problems/unreadable-body")
    levels = [b"a: &a [x,x,x,x,x,x,x,x,x,x]"]
    levels += [b"%c: &%c [%s]" % (c + 1, c + 1, b",".join([b"*%c" % c] * 10)) for c in range(ord("a"), ord("i"))]
    assert post(b"\n".join(levels), "application/yaml") == (400, "/problems/unreadable-body")
    assert post(b"[" * 100_000, "application/yaml") == (400, "/problems/unreadable-body")
    assert post(b"x", "application/x-pickle") == (415, "/problems/unsupported-media-type")


def test_a_table_beside_the_case_is_not_read_from_the_servers_disk(idle: TestClient) -> None:
    for name in ("/etc/passwd", "../../../etc/passwd", "passwd"):
        answer = idle.post("/v1/cases", json=examples.CASE | {"sites": {"csv": name}})
        assert answer.status_code == 422
        assert "root" not in answer.text


def test_put_needs_the_version_that_was_read(idle: TestClient) -> None:
    stored = idle.post("/v1/cases", json=examples.CASE)
    here, tag = stored.headers["location"], stored.headers["etag"]
    changed: dict[str, Any] = examples.CASE | {"meta": examples.CASE["meta"] | {"name": "changed"}}
    assert idle.put(here, json=changed).status_code == 428
    assert idle.put(here, json=changed, headers={"If-Match": '"other"'}).status_code == 412
    done = idle.put(here, json=changed, headers={"If-Match": tag})
    assert (done.status_code, done.json()["version"], done.json()["name"]) == (200, 2, "changed")
    assert idle.put(here, json=examples.CASE, headers={"If-Match": tag}).status_code == 412
    assert idle.get(here).json()["meta"]["name"] == "changed"


def test_of_two_writers_one_wins(idle: TestClient) -> None:
    stored = idle.post("/v1/cases", json=examples.CASE)
    headers = {"If-Match": stored.headers["etag"]}
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: idle.put(stored.headers["location"], json=examples.CASE, headers=headers), range(4))
        )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


def test_pages_neither_repeat_nor_hide(idle: TestClient) -> None:
    ids = [idle.post("/v1/cases", json=examples.CASE).json()["id"] for _ in range(5)]
    seen: list[str] = []
    address = "/v1/cases?limit=2"
    while True:
        page = idle.get(address)
        seen += [item["id"] for item in page.json()["items"]]
        if len(seen) == 2:  # a new one in between belongs before the first page
            idle.post("/v1/cases", json=examples.CASE)
        if page.json()["next"] is None:
            assert "link" not in page.headers
            break
        address = f"/v1/cases?limit=2&after={page.json()['next']}"
    assert seen == ids[::-1]
    assert idle.get("/v1/cases?after=nonsense").json()["type"] == "/problems/bad-cursor"


def test_a_plan_keeps_the_version_that_it_was_asked_for(idle: TestClient) -> None:
    stored = idle.post("/v1/cases", json=examples.CASE)
    plan = idle.post("/v1/plans", json={"case_id": stored.json()["id"]}).json()
    changed = examples.CASE | {"meta": examples.CASE["meta"] | {"name": "later"}}
    idle.put(stored.headers["location"], json=changed, headers={"If-Match": stored.headers["etag"]})
    run = idle.app.state.services.runs.get(plan["id"])  # type: ignore[attr-defined]
    assert run.inputs == {"case": stored.json()["sha256"]}


def test_the_schema_of_a_case_is_given(idle: TestClient) -> None:
    assert "horizon" in idle.get("/v1/cases/schema").json()["properties"]


def test_the_case_of_an_answer_is_warned_of_in_both_languages() -> None:
    from api.work.cases import checked, posed

    document = checked(json.dumps(examples.CASE).encode(), "json").document
    dear = posed(document, {"levers": [{"kind": "hardware_price", "factor": 1e6}], "overrides": {}}).warnings
    assert any("capex" in one["pointer"] for one in dear)
    assert all(one["found_zh"] and one["usual_zh"] for one in dear)
