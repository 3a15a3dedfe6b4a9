"""What a page shows of a run or a history: made in a child from immutable inputs, and kept (`api.service.kept`).

An entry holds `content.json` (texts and tables) and `charts/NAME.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.http.language import Language
from api.service.kept import Recipe, page_name
from api.service.services import Services
from api.store.runs import Run

MODULE = "api.work.pages"
_CONTENT = "content.json"


def known(services: Services, id: str, what: str, language: Language) -> dict[str, Any] | None:
    """The content of a page if it was made before."""
    return _read(services.kept.file(page_name(id, what, language), _CONTENT))


def of_run(services: Services, run: Run, what: str, language: Language, owner: str) -> dict[str, Any]:
    """The content of a finished run's page. Raises ProblemError when it cannot be made."""
    inputs = {name: sha256 for name, sha256 in run.inputs.items() if "/" not in name}
    return made(services, run.id, what, language, Recipe(what, run.request, inputs, (("result", run),)), owner)


def of_history(
    services: Services, id: str, language: Language, inputs: Mapping[str, str], request: dict[str, Any], owner: str
) -> dict[str, Any]:
    """The scores of a history. Raises ProblemError when they cannot be made."""
    return made(services, id, "backtest", language, Recipe("backtest", request, inputs), owner)


def made(services: Services, id: str, what: str, language: Language, recipe: Recipe, owner: str) -> dict[str, Any]:
    """Content made by a child process and kept, read as JSON."""
    told = Recipe(recipe.kind, recipe.request | {"language": language}, recipe.inputs, recipe.unpacked, MODULE)
    found = _read(services.kept.made(page_name(id, what, language), _CONTENT, told, owner))
    assert found is not None
    return found


def chart(services: Services, id: str, what: str, language: Language, name: str) -> Path | None:
    """The file of one chart of a page that was made before; None when there is none of that name."""
    return services.kept.file(page_name(id, what, language), f"charts/{name}.json")


def _read(path: Path | None) -> dict[str, Any] | None:
    return None if path is None else json.loads(path.read_text(encoding="utf-8"))
