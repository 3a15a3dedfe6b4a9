"""The contract that keeps the planner to the forecasts' value types names every other module."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_of_the_forecasts_is_in_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    named = {m for c in contracts if c["name"].startswith("the planner sees") for m in c["forbidden_modules"]}
    found = {
        f"forecasts.{path.stem}"
        for path in (ROOT / "forecasts").iterdir()
        if path.stem not in ("__init__", "fault", "outlook", "words")
        and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert named == found
