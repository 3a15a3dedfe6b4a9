"""`serve --example`: the page is there at once, the plan is a run of the service, and a second start finds it again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def _serving(folder: Path, port: int, log: Path, language: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "api.cli", "serve", "--example", "tiny", "--time-limit", "60"]
    command += ["--data", str(folder), "--port", str(port), "--language", language]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def _said(log: Path, words: str, process: subprocess.Popen[bytes], seconds: float) -> str:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        found = [line for line in log.read_text(encoding="utf-8").splitlines() if words in line]
        if found:
            return found[0]
        time.sleep(0.3)
    raise AssertionError(f"{words!r} was not said:\n{log.read_text(encoding='utf-8')}")


def _get(port: int, path: str) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
        return dict(json.load(response))


@pytest.mark.slow
def test_an_example_is_planned_while_the_page_is_served(tmp_path: Path) -> None:
    port, first, again = _free_port(), tmp_path / "first.log", tmp_path / "again.log"
    with _serving(tmp_path / "data", port, first, "en") as process:
        address = _said(first, "The example is being planned", process, 120).split()[-1]
        assert urllib.request.urlopen(address, timeout=30).status == 200  # the page of the plan, before there is one
        told = _said(first, "The example is planned", process, 300)
        plan = _get(port, f"/v1/plans/{address.rsplit('/', 1)[-1]}")
        assert plan["state"] == "finished"
        assert address in told
    with _serving(tmp_path / "data", port, again, "zh-CN") as process:
        assert address in _said(again, "示例规划完成", process, 120)
        assert len(list(_get(port, "/v1/plans")["items"])) == 1  # type: ignore[call-overload]


def test_another_example_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.cli", "serve", "--example", "moon", "--data", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "--example" in done.stderr
    assert not (tmp_path / "data").exists()
