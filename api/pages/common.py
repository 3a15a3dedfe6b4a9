"""What all pages share: templates, the catalogue of texts, the reader's language, runs as pages show them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.http.language import COOKIE, Language, chosen
from api.http.schemas.wire import rfc3339
from api.http.security import Caller
from api.store import pages as pages
from api.store.runs import Run
from api.store.version import VERSION

if TYPE_CHECKING:
    from planner.words.wording import Wording

PER_PAGE = 50
CHART_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Accept-Language, Cookie"}
_YEAR_S = 365 * 86400
_FOR_SCRIPTS = ("js_", "state_", "problem_")


@dataclass(frozen=True)
class Reader:
    """Who reads: the language, and the path and query that the switch of languages leads back to."""

    language: Language
    given: bool
    path: str
    query: tuple[tuple[str, str], ...]

    @property
    def other(self) -> Language:
        """The language that can be switched to."""
        return "zh" if self.language == "en" else "en"

    @property
    def switch(self) -> str:
        """The same page in the other language."""
        return f"{self.path}?{urlencode([*self.query, ('lang', self.other)])}"


def _reader(request: Request, lang: Annotated[Language | None, Query()] = None) -> Reader:
    language = lang or chosen(request.cookies, request.headers.get("accept-language", ""))
    query = tuple((k, v) for k, v in request.query_params.multi_items() if k != "lang")
    return Reader(language, lang is not None, request.url.path, query)


ReaderDep = Annotated[Reader, Depends(_reader)]


@cache
def _environment() -> Environment:
    loader = PackageLoader("api", "pages/templates")
    made = Environment(
        loader=loader,
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["moment"] = lambda ms: str(rfc3339(ms))[:16].replace("T", " ")
    made.filters["minute"] = lambda time: str(time)[:16].replace("T", " ")
    return made


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Every text of the pages in one language."""
    text = (files("api") / "pages" / "i18n" / f"{language}.json").read_text(encoding="utf-8")
    out: dict[str, str] = json.loads(text)
    return out


def words(language: Language) -> Wording:
    """The planner's words and numbers in the reader's language."""
    from planner.words.wording import wording  # here, because the server starts without the planner

    return wording(language)


def standing_told(standing: Mapping[str, str], language: Language) -> tuple[str, str]:
    """Where a plan stands, as on paper: the sentence, and the rule of a style sheet for every sheet."""
    from planner.words.standing import standing_rule, stands

    sentence, short = stands(standing, words(language))
    return sentence, standing_rule(short)


def page(name: str, reader: Reader, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A template in the reader's language; a language asked for in the address is kept in a cookie."""
    t = catalogue(reader.language)
    told = {key: text for key, text in t.items() if key.startswith(_FOR_SCRIPTS)}
    told |= {f"phase_{name}": text for name, text in values.get("phases", {}).items()}
    template = _environment().get_template(name)
    body = template.render(t=t, lang=reader.language, reader=reader, version=VERSION, script_words=told, **values)
    headers = {"Content-Language": reader.language, "Vary": "Accept-Language, Cookie"}
    answer = HTMLResponse(body, status, headers=headers)
    if reader.given:
        answer.set_cookie(COOKIE, reader.language, max_age=_YEAR_S, samesite="lax", httponly=True)
    return answer


def not_found(reader: Reader, section: str) -> HTMLResponse:
    """The page for an address that leads nowhere."""
    return page("missing.html", reader, status=404, section=section)


def may_plan(caller: Caller) -> bool:
    """Whether the caller may ask for work."""
    return caller.may("planner")


def may_steer(caller: Caller, run: Run) -> bool:
    """Whether the caller may stop or cancel a run."""
    return caller.may("admin") or (caller.may("planner") and run.owner == caller.owner)


def table_names(run: Run) -> list[str]:
    """The tables of a finished run, by name."""
    paths = [path for path in (run.files or {}) if path.startswith("tables/") and path.endswith(".parquet")]
    return sorted(path.removeprefix("tables/").removesuffix(".parquet") for path in paths)


def phases(language: Language) -> dict[str, str]:
    """What the phases of a run are called, by the planner's name for them."""
    names = words(language).messages
    known = {key.removeprefix("phase."): text for key, text in names.items() if key.startswith("phase.")}
    own = {k.removeprefix("phase_"): text for k, text in catalogue(language).items() if k.startswith("phase_")}
    return known | own
