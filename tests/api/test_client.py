"""The typed client against the service: plain and asyncio, repeated requests, streams that break, data frames."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from api.client import ApiError, AsyncClient, Client
from api.http import examples
from tests.api.conftest import case_document


@pytest.fixture(scope="module")
def server(live: TestClient) -> Iterator[str]:
    """The live service on a socket of its own; its parts are already up."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = uvicorn.Server(uvicorn.Config(live.app, lifespan="off", log_config=None, ws="none"))
        thread = threading.Thread(target=app.run, kwargs={"sockets": [listening]})
        thread.start()
        while not app.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        app.should_exit = True
        thread.join(20)


def test_from_a_case_to_a_data_frame(server: str, tmp_path: Path) -> None:
    with Client(server) as client:
        case = client.store_case(case_document(seconds=0.6))
        history = client.store_history(b"timestamp,value\n2026-01-01T00:00,7\n", name="tide", read=("no-row=zero",))
        assert history.told["name"] == "tide"
        run = client.plan(case, gap=0.02, seconds=30)
        seen = list(client.progress(run))
        assert [one.state for one in seen][-1] == "finished"
        assert any(one.progress for one in seen)
        assert seen[-1].result()["gap"] == 0.001
        frame = client.table(seen[-1], "orders")
        assert list(frame["modules"]) == [1, 2, 3]
        assert frame["site"][2] == "远"
        paths = client.download(seen[-1], tmp_path)
        assert (tmp_path / "tables" / "orders.parquet") in paths
        assert b"<p>zh</p>" in client.report(seen[-1], "zh")
        again = client.stop(seen[-1])  # steering what has ended is no error
        assert again.state == "finished"


def test_asyncio_does_the_same(server: str) -> None:
    async def work() -> list[str]:
        async with AsyncClient(server) as client:
            case = await client.store_case(case_document(seconds=0.3))
            runs = [await client.plan(case) for _ in range(2)]
            ended = await asyncio.gather(*map(client.wait, runs))
            frame = await client.table(ended[0], "orders")
            assert len(frame) == 3
            stopped = await client.plan(await client.store_case(case_document(seconds=60)))
            await client.cancel(stopped)
            return [run.state for run in (*ended, await client.wait(stopped))]

    assert asyncio.run(work()) == ["finished", "finished", "cancelled"]


def test_problems_are_errors_with_all_their_faults(server: str) -> None:
    with Client(server) as client:
        with pytest.raises(ApiError) as refused:
            client.plan("case_0", gap=-1)
        assert (refused.value.status, refused.value.kind) == (422, "invalid-request")
        assert any(one["pointer"] == "/limits/gap" for one in refused.value.errors)
        with pytest.raises(ApiError, match="no power") as infeasible:
            client.wait(client.plan(client.store_case(case_document(ends="infeasible")))).result()
        assert infeasible.value.kind == "infeasible"


def _broken(
    until: int, how: Callable[[httpx.Request], httpx.Response]
) -> tuple[list[httpx.Request], httpx.MockTransport]:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return how(request) if len(asked) < until else httpx.Response(201, json={"id": "case_1", "name": "n"})

    return asked, httpx.MockTransport(answer)


def _lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("cut off", request=request)


def _busy(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503, json={"type": "/problems/busy"}, headers={"Retry-After": "0"})


@pytest.mark.parametrize("how", [_lost, _busy])
def test_what_is_sent_again_carries_the_same_key(how: Any) -> None:
    asked, transport = _broken(3, how)
    with Client("http://x", transport=transport) as client:
        assert client.store_case(examples.CASE).id == "case_1"
    assert len({request.headers["idempotency-key"] for request in asked}) == 1
    assert len(asked) == 3
    asked, transport = _broken(99, how)
    with Client("http://x", tries=2, transport=transport) as client, pytest.raises((ApiError, httpx.ReadError)):
        client.store_case(examples.CASE)
    assert len(asked) == 2


def test_a_stream_that_breaks_is_taken_up_where_it_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    events = [b'id: 1\nevent: state\ndata: {"state":"queued"}\n\n', b'id: 2\nevent: progress\ndata: {"gap":0.5}\n\n']
    last = b'id: 3\nevent: state\ndata: {"state":"finished"}\n\n'
    links = {"self": "/v1/plans/plan_1", "events": "/v1/plans/plan_1/events"}
    told = {"id": "plan_1", "kind": "plan", "name": "n", "state": "running", "links": links}
    resumed: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("events"):
            return httpx.Response(200, json=told | {"state": "finished" if len(resumed) > 1 else "running"})
        resumed.append(request.headers["last-event-id"])
        return httpx.Response(200, content=b"".join(events) + b"id: 3\nev" if len(resumed) == 1 else last)

    with Client("http://x", transport=httpx.MockTransport(answer)) as client:
        from api.client import Run

        seen = list(client.progress(Run.of(told)))
    assert resumed == ["0", "2"]
    assert [one.state for one in seen] == ["queued", "running", "finished", "finished"]
