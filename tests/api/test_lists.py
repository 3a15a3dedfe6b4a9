"""Lists of runs: searched, filtered, ordered, in leaves; names, tags, putting away, deleting."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from api.service.services import Services
from api.store.tables import runs

Json = dict[str, Any]


@pytest.fixture
def plans(idle: TestClient) -> TestClient:
    """60 plans, every third of them finished."""
    services: Services = idle.app.state.services  # type: ignore[attr-defined]
    case = services.artifacts.put_bytes(b'{"meta": {"name": "x", "currency": "CNY"}}').sha256
    ended = update(runs).values(state="finished", files={}, finished_ms=1)
    with services.database.write() as connection:
        for i in range(60):
            id = f"plan_{i:011x}"
            services.runs.add(
                connection, id=id, kind="plan", name=f"Run {i:03d}", request={}, inputs={"case": case}, owner="other"
            )
            if i % 3 == 0:
                summary = {"cost": float(1000 - i), "gap": 0.01}
                connection.execute(ended.where(runs.c.id == id).values(summary=summary))
    return idle


def _named(client: TestClient, query: str) -> list[str]:
    answer = client.get(f"/?{query}")
    assert answer.status_code == 200, answer.text
    return re.findall(r'data-name="([^"]+)"', answer.text)


def test_what_is_looked_for_is_found(plans: TestClient) -> None:
    assert len(_named(plans, "")) == 50
    assert len(_named(plans, "leaf=2")) == 10
    assert "60 found, page 2 of 2" in plans.get("/?leaf=2").text
    assert _named(plans, "q=run+05&sort=name") == [f"Run {i:03d}" for i in (5, *range(50, 60))]
    assert _named(plans, "q=run&state=finished&sort=cost")[:2] == ["Run 057", "Run 054"]
    assert _named(plans, "q=100%25") == []
    assert "Nothing like that was found." in plans.get("/?q=none").text
    assert plans.get("/?sort=colour").status_code == 422
    found = plans.get("/v1/plans", params={"q": "run 057", "state": "finished"}).json()["items"]
    assert [one["name"] for one in found] == ["Run 057"]


def test_names_tags_and_putting_away(plans: TestClient) -> None:
    id = f"plan_{7:011x}"
    told = plans.patch(f"/v1/plans/{id}", json={"name": "第二次", "tags": ["board", "二期", "board"]}).json()
    assert (told["name"], told["tags"], told["archived"]) == ("第二次", ["board", "二期"], None)
    assert _named(plans, "q=二期") == ["第二次"]
    assert _named(plans, "tag=二期") == ["第二次"]
    assert _named(plans, "tag=oard") == []
    assert '<option value="board">' in plans.get("/").text
    assert plans.patch(f"/v1/plans/{id}", json={"archived": True}).json()["archived"] is not None
    assert _named(plans, "q=第二次") == []
    assert _named(plans, "archived=true") == ["第二次"]
    assert plans.get("/v1/plans", params={"archived": True}).json()["items"][0]["id"] == id
    plans.patch(f"/v1/plans/{id}", json={"archived": False})
    assert _named(plans, "q=第二次") == ["第二次"]
    for wrong in ({"name": " "}, {"tags": [""]}, {"tags": ["x"] * 21}, {"colour": "red"}):
        assert plans.patch(f"/v1/plans/{id}", json=wrong).status_code == 422


def test_what_is_deleted_is_gone_unless_it_is_under_way(plans: TestClient, plan_of: Callable[..., Json]) -> None:
    queued, done = f"plan_{1:011x}", f"plan_{3:011x}"
    assert plans.delete(f"/v1/plans/{queued}").json()["type"] == "/problems/not-ready"
    services: Services = plans.app.state.services  # type: ignore[attr-defined]
    names = [f"{done}.plan.en", f"{done}+plan_x.beside.en", f"plan_x+{done}.beside.en", "plan_x.plan.en"]
    for name in names:
        (services.kept.folder / name).mkdir(parents=True)
    assert plans.delete(f"/v1/plans/{done}").status_code == 204
    assert [name for name in names if (services.kept.folder / name).exists()] == ["plan_x.plan.en"]
    assert plans.get(f"/v1/plans/{done}").status_code == 404
    assert plans.delete(f"/v1/plans/{done}").status_code == 404
    # a key whose plan was deleted makes a new one
    case = plans.post("/v1/cases", json=plan_case()).json()["id"]
    ask = {"json": {"case_id": case}, "headers": {"Idempotency-Key": "again"}}
    first = plans.post("/v1/plans", **ask).json()["id"]  # type: ignore[arg-type]
    plans.post(f"/v1/plans/{first}/cancel")
    assert plans.delete(f"/v1/plans/{first}").status_code == 204
    assert plans.post("/v1/plans", **ask).json()["id"] != first  # type: ignore[arg-type]


def plan_case() -> Json:
    from api.http import examples

    return examples.CASE


def test_only_the_owner_or_an_admin_changes_a_run(idle: TestClient, plan_of: Callable[..., Json]) -> None:
    services: Services = idle.app.state.services  # type: ignore[attr-defined]
    ann, bob = ({"X-API-Key": services.keys.create(name, "planner")[1]} for name in ("ann", "bob"))
    id = plan_of(idle, headers=ann)["id"]
    assert idle.patch(f"/v1/plans/{id}", json={"name": "mine"}, headers=bob).status_code == 403
    assert idle.delete(f"/v1/plans/{id}", headers=bob).status_code == 403
    assert idle.patch(f"/v1/plans/{id}", json={"name": "mine"}, headers=ann).status_code == 200
