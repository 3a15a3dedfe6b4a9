"""The documents' commands and snippets: every option named exists, and every block runs as it stands."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.forecasts.history.exports import write_all

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("guide", "histories", "questions", "sizing"))]
QUICK = ("check", "doctor", "--help", "--version", "tideplan history ")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *kinds: str) -> list[str]:
    return [body for kind, body in FENCE.findall(page.read_text("utf-8")) if kind in kinds]


def commands(page: Path, *kinds: str) -> list[str]:
    lines = [line.strip() for body in blocks(page, *kinds) for line in body.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def named() -> list[tuple[str, str]]:
    return [(page.name, line) for page in PAGES for line in commands(page, "sh", "") if line.startswith("tideplan ")]


@pytest.mark.parametrize(("page", "line"), named())
def test_every_command_and_option_in_the_documents_exists(page: str, line: str) -> None:
    from typer.testing import CliRunner

    from api.cli import app

    words = shlex.split(line.split(" #")[0].rstrip(" &"))[1:]
    group = 2 if words[0] in ("db", "keys") else 1
    shown = CliRunner().invoke(app, [*words[:group], "--help"])
    assert shown.exit_code == 0, f"{page}: {line}"
    options = {word.split("=")[0] for word in words[group:] if word.startswith("--")}
    assert options - set(re.findall(r"--[\w-]+", shown.stdout)) == set(), f"{page}: {line}"


def test_every_link_between_the_documents_leads_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    targets = [(page, target) for page in PAGES for target in link.findall(page.read_text("utf-8"))]
    assert [f"{page.name}: {target}" for page, target in targets if not (page.parent / target).exists()] == []


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout, with `tideplan` on its path and nothing of ours to spoil."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("examples", "docs", "Makefile"):
        (folder / name).symlink_to(ROOT / name)
    write_all(folder / "exports")
    shim = folder / "bin" / "tideplan"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m api.cli "$@"\n')
    shim.chmod(0o755)
    return folder


def environment(desk: Path) -> dict[str, str]:
    path = f"{desk / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


def run_line(line: str, desk: Path) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        dry = ["make", "--no-print-directory", "-n", "-C", str(ROOT), *words[1:]]
        assert subprocess.run(dry, capture_output=True, check=False).returncode == 0, line
    elif words[:2] == ["tideplan", "serve"]:
        serve(words, desk)
    else:
        done = subprocess.run(words, cwd=desk, env=environment(desk), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def serve(words: list[str], desk: Path) -> None:
    port = words[words.index("--port") + 1]
    server = subprocess.Popen(words, cwd=desk, env=environment(desk), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            time.sleep(0.5)
            assert server.poll() is None, (server.stdout and server.stdout.read().decode()[-2000:]) or "it ended"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                continue
        else:
            pytest.fail("the server did not answer in two minutes")
        server.send_signal(signal.SIGINT)
        assert server.wait(60) in (0, -signal.SIGINT, 130)
    finally:
        if server.poll() is None:
            server.kill()


@pytest.mark.parametrize("line", [c for page in RUN for c in commands(page, "sh") if any(q in c for q in QUICK)])
def test_quick_commands_run(line: str, desk: Path) -> None:
    run_line(line, desk)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_every_command_runs_in_the_page_s_order(page: Path, desk: Path) -> None:
    for line in commands(page, "sh"):
        run_line(line, desk)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_python_snippets_run(page: Path, desk: Path) -> None:
    for code in blocks(page, "python"):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=desk, env=environment(desk), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
