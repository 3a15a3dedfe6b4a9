"""The set-up: every dependency pinned by hash, no registry named anywhere, commands in the documents that work."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST = re.compile(r"https?://|index-url|--extra-index|find-links|registry\s*=", re.IGNORECASE)
SETUP_FILES = ("Makefile", "requirements.lock", "pyproject.toml", ".ci/run", ".ci/apt-packages", "README.md")


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listed.stdout.split("\0") if name]


def test_every_pin_in_the_lock_has_a_hash() -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
    pins = [entry for entry in entries if not entry.startswith("#")]
    assert len(pins) > 50
    assert [entry.splitlines()[0] for entry in pins if "==" not in entry.splitlines()[0]] == []
    assert [entry.splitlines()[0] for entry in pins if "--hash=sha256:" not in entry] == []


def test_the_lock_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert HOST.search(text) is None
    assert re.search(r"\b[\w-]+\.(org|com|net|io|cn)\b", re.sub(r"sha256:\w+", "", text)) is None


@pytest.mark.parametrize("name", SETUP_FILES)
def test_no_setup_file_names_a_registry(name: str) -> None:
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    lines = [line for line in path.read_text().splitlines() if HOST.search(line)]
    # The Makefile hands on an index that pip was told of on this machine; it may name the setting, never an address.
    odd = [line for line in lines if "://" in line or name != "Makefile"]
    # Addresses of the page that is served on this machine are no registries.
    assert [line for line in odd if "127.0.0.1" not in line] == []


def test_every_dependency_is_pinned_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += [name for extra in project["project"]["optional-dependencies"].values() for name in extra]
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", line)[0]).lower() for line in wanted}
    assert names - pinned == set()


def test_no_tracked_file_carries_third_party_script() -> None:
    assert [name for name in tracked() if "plotly" in name.lower() and name.endswith((".js", ".min.js"))] == []


def test_the_ci_script_runs_every_check_and_is_executable() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text()
    planned = subprocess.run(
        ["make", "--no-print-directory", "-n", "test", "SLOW=1"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest"):
        assert tool in planned
    assert planned.strip().splitlines()[-1].startswith(".venv/bin/pytest")
    assert "slow or not slow" in planned
