"""Connections that only half open are closed; the others are kept."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from api.app import protocol
from api.app.app import create_app
from api.store import migrations
from api.store.settings import Settings


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_engine: type) -> Iterator[int]:
    """A server that gives headers 1 s, and a body's next byte .5 s."""
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 1.0)
    settings = Settings(data_folder=tmp_path, body_silence_s=0.5)
    migrations.upgrade(settings)
    app = create_app(settings, engine=lambda _settings, _database: idle_engine())
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http=protocol.Impatient, ws="none", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield int(listening.getsockname()[1])
        server.should_exit = True
        thread.join(20)


def _closed_within(connection: socket.socket, seconds: float) -> bytes:
    connection.settimeout(seconds)
    out = b""
    while part := connection.recv(4096):  # ends when the other side has closed
        out += part
    return out


def _refused_after(connection: socket.socket, piece: bytes) -> int:
    """How many pieces could be sent, ten a second, before the other side had closed."""
    for count in range(200):
        try:
            connection.sendall(piece)
        except OSError:
            return count
        time.sleep(0.1)
    return 200


def test_half_a_request_is_not_waited_for(port: int) -> None:
    host = f"Host: 127.0.0.1:{port}\r\n".encode()
    for said in (b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\n" + host):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(said)
            assert _closed_within(connection, 20) == b""
    with socket.create_connection(("127.0.0.1", port)) as connection:  # a header now and then does not help
        connection.sendall(b"GET /healthz HTTP/1.1\r\n" + host)
        assert _refused_after(connection, b"X-Slow: 1\r\n") < 200


def test_a_body_that_stops_coming_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"POST /v1/cases HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        answer = _closed_within(connection, 20)
    assert b" 408 " in answer.splitlines()[0]
    assert b"/problems/request-timeout" in answer


def test_whole_requests_keep_their_connection(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for _ in range(3):
            assert client.get("/healthz").status_code == 200
        assert client.get("/v1/plans/plan_0").status_code == 404
        time.sleep(1.5)  # longer than headers may take: nothing has begun, so nothing is late
        assert client.get("/healthz").status_code == 200


def test_a_slow_answer_is_not_cut(port: int) -> None:
    from api.http import examples

    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        case = client.post("/v1/cases", json=examples.CASE).json()["id"]
        begun = time.monotonic()
        answer = client.post("/v1/plans", json={"case_id": case}, headers={"Prefer": "wait=2"})
        assert answer.status_code == 202
        assert time.monotonic() - begun >= 1.9
