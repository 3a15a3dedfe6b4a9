"""A page and a call are added in a copy of the house, in as many files as docs/architecture.md says, and answer."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAGE_ROUTE = '''"""A page that is only here."""

from fastapi import APIRouter, Response

from api.pages.common import ReaderDep, page

router = APIRouter()


@router.get("/added")
def added(reader: ReaderDep) -> Response:
    """It says one sentence."""
    return page("added.html", reader, section="")
'''
TEMPLATE = '{% extends "base.html" %}\n{% block body %}<p>{{ t.added_sentence }}</p>{% endblock %}\n'
CALL_ROUTE = '''"""A call that is only here."""

from fastapi import APIRouter

from api.http.schemas.added import Added

router = APIRouter(tags=["added"])


@router.get("/v1/added", response_model=Added, operation_id="get_added")
def added() -> Added:
    """It says one number."""
    return Added(answer=42)
'''
CALL_BODY = '''"""What the added call answers."""

from pydantic import BaseModel


class Added(BaseModel):
    """One number."""

    answer: int
'''
ASKED = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
import api
from api.app.app import create_app
from api.app.describe import main
from api.store import migrations
from api.store.settings import Settings

assert Path(api.__file__).is_relative_to(Path(sys.argv[1])), api.__file__
settings = Settings(data_folder=Path(sys.argv[2]))
migrations.upgrade(settings)
client = TestClient(create_app(settings), base_url="http://127.0.0.1:8000")
for path, language in (("/added", "en"), ("/added", "zh"), ("/v1/added", "en")):
    answer = client.get(path, headers={"Accept-Language": language})
    print(answer.status_code, answer.text)
main()
"""


def _insert(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, (path, before)
    path.write_text(text.replace(before, after), encoding="utf-8")


def _words(path: Path, sentence: str) -> None:
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(known | {"added_sentence": sentence}, ensure_ascii=False, indent=1), encoding="utf-8")


def _changed(here: Path, there: Path) -> set[str]:
    """Files of `there` that are new or other than those of `here`."""
    files = (path.relative_to(there) for path in there.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(f) for f in files if not (here / f).is_file() or not filecmp.cmp(here / f, there / f, shallow=False)}


@pytest.fixture(name="copy")
def copied(tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "api", copy / "api", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "openapi.json", copy)
    for floor in ("planner", "forecasts", "examples"):
        (copy / floor).symlink_to(ROOT / floor)
    return copy


def test_a_page_and_a_call_are_five_files_each(copy: Path, tmp_path: Path) -> None:
    pages = copy / "api" / "pages"
    (pages / "added.py").write_text(PAGE_ROUTE, encoding="utf-8")
    (pages / "templates" / "added.html").write_text(TEMPLATE, encoding="utf-8")
    _insert(pages / "__init__.py", "sizing, about, assets):", "sizing, about, assets, added):")
    _insert(pages / "__init__.py", "from api.pages import about,", "from api.pages import added, about,")
    _words(pages / "i18n" / "en.json", "It was added.")
    _words(pages / "i18n" / "zh.json", "这是新增的。")
    of_page = _changed(ROOT / "api", copy / "api")

    (copy / "api" / "http" / "routes" / "added.py").write_text(CALL_ROUTE, encoding="utf-8")
    (copy / "api" / "http" / "schemas" / "added.py").write_text(CALL_BODY, encoding="utf-8")
    app = copy / "api" / "app" / "app.py"
    _insert(app, "from api.http.routes import (\n", "from api.http.routes import (\n    added,\n")
    _insert(app, "    for routes in (\n", "    for routes in (\n        added,\n")
    of_call = _changed(ROOT / "api", copy / "api") - of_page

    environment = {k: v for k, v in os.environ.items() if not k.startswith("TIDEPLAN_")} | {"PYTHONPATH": str(copy)}
    done = subprocess.run(
        [sys.executable, "-c", ASKED, str(copy), str(tmp_path / "data")],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "It was added." in done.stdout
    assert "这是新增的。" in done.stdout
    assert '{"answer":42}' in done.stdout
    assert "get_added" in (copy / "openapi.json").read_text(encoding="utf-8")
    assert len(of_page) <= 5
    assert len(of_call | {"openapi.json"}) <= 5
