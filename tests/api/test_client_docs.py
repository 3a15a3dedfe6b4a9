"""The example of docs/client.md, run as it stands against the true service."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.alone
def test_the_example_and_the_command_run(
    true_service: TestClient | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert true_service is not None
    text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"^    tideplan (plan .*)$", text, re.MULTILINE)
    shutil.copytree(ROOT / "examples" / "tiny", tmp_path / "examples" / "tiny")
    monkeypatch.chdir(tmp_path)
    with serving(true_service) as address:
        names: dict[str, object] = {"Path": Path}
        exec(example.replace("http://127.0.0.1:8000", address), names)
        assert len(names["orders"])  # type: ignore[arg-type]
        assert (tmp_path / "out" / "tiny" / "plan.json").is_file()

        from api.cli import app

        words = command.replace("http://127.0.0.1:8000", address).split()
        done = CliRunner().invoke(
            app, [*words, "--out", str(tmp_path / "there"), "--gap", "0.05", "--time-limit", "60"]
        )
        assert done.exit_code == 0, done.output
        assert (tmp_path / "there" / "report.html").is_file()
        refused = CliRunner().invoke(app, [*words, "--map", "a=b@c", "--out", str(tmp_path / "no")])
        assert refused.exit_code == 2, refused.output


@contextmanager
def serving(service: TestClient) -> Iterator[str]:
    """The service on a port of its own; its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(service.app, lifespan="off", log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.05)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
