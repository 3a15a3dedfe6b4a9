"""Pages for people, without scripts: the list of plans, the documents of the API, what a problem means."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.language import Language, preferred
from api.problems import PROBLEMS, ProblemError
from api.routes.common import After, cursor_problem
from api.schemas import RunState
from api.security import ServicesDep, Viewer
from api.store import pages
from api.store.runs import run_of

router = APIRouter(include_in_schema=False)
Lang = Annotated[Literal["en", "zh"] | None, Query()]
_STATIC = {"page.css": "text/css", "docs.js": "text/javascript"}
_OFFLINE = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_DAY = "private, max-age=86400"


@cache
def _environment() -> Environment:
    loader = PackageLoader("api", "web/templates")
    return Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True)


@cache
def catalogue(language: Language) -> dict[str, str]:
    """Every text of the pages in one language."""
    text = (files("api") / "web" / "i18n" / f"{language}.json").read_text(encoding="utf-8")
    out: dict[str, str] = json.loads(text)
    return out


def _page(name: str, language: Language, **values: Any) -> HTMLResponse:
    template = _environment().get_template(name)
    body = template.render(t=catalogue(language), lang=language, **values)
    return HTMLResponse(body, headers={"Content-Language": language, "Vary": "Accept-Language"})


def _language(request: Request, lang: Language | None) -> Language:
    return lang or preferred(request.headers.get("accept-language", ""))


@router.get("/")
def plans(services: ServicesDep, caller: Viewer, request: Request, after: After = None, lang: Lang = None) -> Response:
    """The plans, newest first, with links to their reports."""
    language = _language(request, lang)
    try:
        found = services.runs.page("plan", state=None, after=after, limit=50)
    except pages.CursorError as fault:
        raise cursor_problem(fault) from fault
    query = {"after": found.next or ""} | ({"lang": lang} if lang else {})
    return _page(
        "plans.html",
        language,
        plans=[RunState.of(run_of(row), "/v1/plans") for row in found.rows],
        next=f"/?{urlencode(query)}" if found.next else None,
        ready=services.readiness(),
        other="zh" if language == "en" else "en",
    )


@router.get("/docs")
def docs(caller: Viewer, request: Request, lang: Lang = None) -> Response:
    """The API's documents; every file comes from this service."""
    return _page("docs.html", _language(request, lang))


@router.get("/problems/{kind}")
def problem(kind: str, request: Request, lang: Lang = None) -> Response:
    """What a problem type means."""
    if kind not in PROBLEMS:
        raise ProblemError("not-found", f"There is no problem type {kind}.")
    return _page("problem.html", _language(request, lang), kind=kind, known=PROBLEMS[kind])


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Our own style sheet and scripts, and Swagger UI's out of its installed package."""
    if name in _STATIC:
        path, kind = Path(str(files("api") / "web" / "static" / name)), _STATIC[name]
    elif name in _OFFLINE:
        path, kind = Path(str(files("fastapi_offline") / "static" / name)), _OFFLINE[name]
    else:
        raise ProblemError("not-found", f"There is no file {name}.")
    return FileResponse(path, media_type=kind, headers={"Cache-Control": _DAY})


@router.get("/favicon.ico")
def favicon() -> Response:
    return static("favicon.png")
