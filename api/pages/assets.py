"""Style sheet, scripts and icon: our own, the planner's for pictures, those of packages. Nothing is from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from api.http import conditional
from api.jobs.problems import ProblemError

router = APIRouter()
_KINDS = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}
_OFFLINE = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
_PICTURES = ("pictures.js", "pictures.css")
_CACHE = "private, no-cache"


@cache
def _folder(package: str, *below: str) -> Path:
    place = files(package)
    for name in below:
        place = place / name
    return Path(str(place))


@cache
def _own() -> frozenset[str]:
    return frozenset(path.name for path in _folder("api", "pages", "static").iterdir() if path.suffix in _KINDS)


@router.get("/static/{name}")
def static(name: str, request: Request) -> Response:
    """A file of the pages; it is asked for again each time and sent only when it has changed."""
    if name in _own():
        path = _folder("api", "pages", "static") / name
    elif name in _PICTURES:
        path = _folder("planner", "report", "templates") / name
    elif name in _OFFLINE:
        path = _folder("fastapi_offline", "static") / name
    else:
        raise ProblemError("not-found", f"There is no file {name}.")
    found = path.stat()
    tag = conditional.etag(f"{found.st_mtime_ns:x}-{found.st_size:x}")
    same = conditional.not_modified(request, tag, _CACHE)
    headers = {"ETag": tag, "Cache-Control": _CACHE}
    return same or FileResponse(path, media_type=_KINDS[path.suffix], headers=headers)


@router.get("/favicon.ico")
def favicon(request: Request) -> Response:
    """The page's icon."""
    return static("favicon.png", request)
