"""The true service in a process of its own, and a real browser that looks at it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.http import examples
from api.store.version import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
LIMITS = {"seconds": 60, "gap": 0.05, "threads": 1}
PLACES = ({"lat": 31.0, "lon": 121.0}, {"lat": 37.6, "lon": 105.3})
REFUSED = re.compile(r"the server responded with a status of 4\d\d")
"""The browser's own words for an answer that a page shows as a problem."""
Json = dict[str, Any]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A running service with the true planner."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("service")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "api.cli", "serve", "--data", str(folder), "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            deadline = time.monotonic() + 300
            while True:
                assert process.poll() is None, "the service ended"
                assert time.monotonic() < deadline
                try:
                    if client.get("/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
            yield client
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def ended(service: httpx.Client) -> Callable[[str, Json], Json]:
    """Ask for a run and wait for its end."""

    def ask(path: str, body: Json) -> Json:
        accepted = service.post(path, json=body)
        assert accepted.status_code == 202, accepted.text
        run: Json = accepted.json()
        deadline = time.monotonic() + 300
        while run["state"] in ("queued", "running"):
            assert time.monotonic() < deadline, run
            time.sleep(0.3)
            run = service.get(run["links"]["self"]).json()
        return run

    return ask


@pytest.fixture(scope="session")
def stored(service: httpx.Client) -> Callable[[Json], str]:
    """Store a case; its id."""

    def store(case: Json) -> str:
        answer = service.post("/v1/cases", json=case)
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        return id

    return store


@pytest.fixture(scope="session")
def planned(ended: Callable[[str, Json], Json], stored: Callable[[Json], str]) -> Json:
    """A finished plan of the API's own example on a map; its name would be markup if nobody escaped it."""
    sites = [site | place for site, place in zip(examples.CASE["sites"], PLACES, strict=True)]
    body = {"case_id": stored(examples.CASE | {"sites": sites}), "name": "first <b>look</b>", "limits": LIMITS}
    run = ended("/v1/plans", body)
    assert run["state"] == "finished", run
    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, service: httpx.Client) -> Iterator[Callable[..., Page]]:
    """Open a page of the service. At the end: nothing was said on the console, and nothing asked for elsewhere."""
    said: list[str] = []
    elsewhere: list[str] = []
    contexts = []
    base = str(service.base_url).rstrip("/")

    def go(path: str, *, width: int = 1280, scheme: str = "light", locale: str = "en-GB") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            locale=locale,
        )
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(90_000)
        tab.on("console", lambda message: said.append(message.text) if not REFUSED.search(message.text) else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: elsewhere.append(request.url) if _foreign(request.url, base) else None)
        tab.goto(base + path)
        return tab

    yield go
    for context in contexts:
        context.close()
    assert said == []
    assert elsewhere == []


def _foreign(url: str, base: str) -> bool:
    return not url.startswith((base, "data:", "blob:"))
