"""What stands in deploy/ agrees with the code: settings exist, commands exist, nothing runs as root."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from api.cli import app
from api.cli.exits import Exit
from api.store.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file()]
_NOT_SETTINGS = {"TIDEPLAN_DB_PASSWORD"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_is_one(path: Path) -> None:
    named = set(re.findall(r"TIDEPLAN_[A-Z_]+[A-Z]", path.read_text())) - _NOT_SETTINGS
    assert {name.removeprefix("TIDEPLAN_").lower() for name in named} <= set(Settings.model_fields)


def _commands() -> Iterator[list[str]]:
    for path in FILES:
        text = path.read_text()
        for found in re.findall(r"^ExecStart=\S*/(tideplan .*)$", text, re.MULTILINE):
            yield shlex.split(found)
        for found in re.findall(r"(?:CMD|command:) \[(.*)\]", text):
            if "tideplan" in found.split(",")[0]:
                yield [word.strip(' "') for word in found.split(",")]
        for found in re.findall(r"(tideplan (?:db|keys)[\w -]*\w)", text):
            yield shlex.split(found)


def test_every_command_exists() -> None:
    found = list(_commands())
    assert len(found) >= 8
    for words in found:
        parts = [word for word in words[1:3] if not word.startswith("-")]
        group = 2 if parts[0] in ("db", "keys") else 1
        shown = CliRunner().invoke(app, [*parts[:group], "--help"])
        assert shown.exit_code == 0, words
        assert {w for w in words if w.startswith("--")} <= set(re.findall(r"--[\w-]+", shown.stdout)), words


def test_nothing_runs_as_root_or_writes_elsewhere() -> None:
    assert re.search(r"^USER 10001", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    for document in yaml.safe_load_all((DEPLOY / "kubernetes" / "tideplan.yaml").read_text()):
        pod = document["spec"].get("template", {}).get("spec")
        if pod is None:
            continue
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert {claim["name"] for claim in pod["volumes"]} >= {m["name"] for m in pod["containers"][0]["volumeMounts"]}
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = {name: one for name, one in services.items() if one["image"] == "tideplan"}
    assert set(ours) == {"migrate", "api", "worker-1", "worker-2"}
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in ours.values())
    names = [one["environment"].get("TIDEPLAN_EXECUTOR_ID") for name, one in ours.items() if name != "migrate"]
    assert len(set(names)) == len(names) == 3
    for unit in (DEPLOY / "systemd").iterdir():
        assert f"RestartPreventExitStatus={int(Exit.refused)}" in unit.read_text()
        assert re.search(r"^User=(?!root)", unit.read_text(), re.MULTILINE)
