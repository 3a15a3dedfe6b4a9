"""docs/architecture.md is true: its picture shows the rooms that are there, its lists name files that are there, and
the registers that they speak of are complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FLOORS = ("forecasts", "planner", "api")


def _rooms(floor: str) -> set[str]:
    """Folders with modules, and single modules, of one floor."""
    found = (path for path in (ROOT / floor).iterdir() if path.name not in ("__init__.py", "__pycache__"))
    return {path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").is_file()}


def _picture() -> dict[str, list[str]]:
    """Floor → its lines of the picture, rooms only, from the top down."""
    lines = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert lines is not None
    floors: dict[str, list[str]] = {}
    floor = ""
    for line in lines[1].splitlines():
        head = line[:11].strip()
        floor = head or floor
        floors.setdefault(floor, []).append(re.split(r"\s{2,}", line[11:].strip())[0])
    return floors


def _layers(floor: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = next(c for c in project["tool"]["importlinter"]["contracts"] if c.get("containers") == [floor])
    assert found["exhaustive"]
    return [str(layer) for layer in found["layers"]]


@pytest.mark.parametrize("floor", FLOORS)
def test_the_picture_shows_the_rooms_as_the_contracts_have_them(floor: str) -> None:
    parts = [set(re.split(r"\s*\|\s*", line)) for line in _picture()[floor]]
    assert parts == [set(re.split(r"\s*[|:]\s*", layer)) for layer in _layers(floor)]
    assert set().union(*parts) == _rooms(floor)


@pytest.mark.parametrize("floor", FLOORS)
def test_every_room_says_what_it_is_for(floor: str) -> None:
    silent = [
        str(init.relative_to(ROOT))
        for init in (ROOT / floor).glob("*/__init__.py")
        if not init.read_text(encoding="utf-8").lstrip().startswith('"""')
    ]
    assert silent == []


def test_every_path_on_the_page_is_there() -> None:
    named = set(re.findall(r"`((?:api|planner|forecasts|tests|docs)/[\w./-]*)`", PAGE))
    assert len(named) > 40
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_no_layer_is_skipped_by_a_folder_without_an_init() -> None:
    bare = [
        str(folder.relative_to(ROOT))
        for floor in FLOORS
        for folder in (ROOT / floor).rglob("*")
        if folder.is_dir() and any(folder.glob("*.py")) and not (folder / "__init__.py").is_file()
    ]
    assert [folder for folder in bare if "migrations" not in folder] == []


def test_every_limit_has_a_check_and_every_check_a_formula_on_the_model_page() -> None:
    """A family of rows that the verifier does not recompute, or a check of something that the page does not state."""
    from planner.program.registry import FAMILIES
    from planner.verify.catalogue import FORMULA_OF

    checked = set(FORMULA_OF.values()) - {""}
    limits = {family.name for family in FAMILIES.values() if not family.solver_only and family.name != "cvar"}
    assert limits - checked == set()
    page = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    stated = set(re.findall(r"\*{1,2}(\w+)", page))
    assert checked - stated == {"costs"} & checked


@pytest.mark.parametrize("what", ["a call", "a page", "a kind of run", "a forecasting member", "a format of histories"])
def test_adding_one_touches_few_files(what: str) -> None:
    """Every row of the page names the files that are touched, and behind the last `;` the test that holds it."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {what} |"))
    named = re.findall(r"`((?:api|planner|forecasts)/[\w./-]*|openapi\.json)`", row.rpartition(";")[0])
    assert 1 <= len(set(named)) <= 5, named


def test_kinds_of_runs_are_listed_once() -> None:
    """A kind that is only in the list fails here: it needs work, routes, and a page where it says that it has one."""
    from api.app.app import openapi
    from api.jobs.kinds import KINDS
    from api.work.work import _WORK

    paths = openapi()["paths"]
    for kind in KINDS.values():
        assert kind.name in _WORK
        assert f"{kind.base}/{{id}}/result" in paths
        assert (f"{kind.base}/{{id}}/tables/{{name}}" in paths) == kind.tables
        assert (f"{kind.base}/{{id}}/report" in paths) == kind.report
        content = ROOT / "api" / "work" / f"{kind.name}_content.py"
        template = ROOT / "api" / "pages" / "templates" / f"{kind.name}_content.html"
        assert content.is_file() == template.is_file() == kind.page


def test_pages_of_runs_have_their_addresses_from_their_kind() -> None:
    from api.jobs.kinds import KINDS
    from api.pages import comparisons, forecasts, plans, questions, replays

    parts = (plans, comparisons, forecasts, questions, replays)
    found = {getattr(route, "path", "") for part in parts for route in part.router.routes}
    for kind in KINDS.values():
        assert (f"/{kind.plural}/{{id}}/content" in found) == kind.page
        assert (f"/{kind.plural}/{{id}}/charts/{{name}}" in found) == kind.page
