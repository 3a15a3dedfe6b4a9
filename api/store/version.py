"""The version of this service: of the installed distribution, or of the source tree that it runs from."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the packages: site-packages, or the source tree."""


def _version() -> str:
    try:
        return version("tideplan")
    except PackageNotFoundError:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])


VERSION = _version()
