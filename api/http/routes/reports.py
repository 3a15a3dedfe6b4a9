"""The report of a finished run, as HTML and, of a plan, as a workbook."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from api.http import conditional
from api.http.derived import report_of
from api.http.language import preferred
from api.http.routes.common import problems
from api.http.routes.runs import finished_or_409
from api.http.security import REPORT_POLICY, ServicesDep, Viewer
from api.http.tables import MEDIA_TYPES
from api.jobs.kinds import Kind

_Lang = Annotated[Literal["en", "zh"] | None, Query()]


def add_report_route(router: APIRouter, of: Kind) -> None:
    """Below the kind's address and id: the report, made when it is asked for the first time."""

    @router.get(
        "/{id}/report",
        response_class=HTMLResponse,
        responses=problems(404, 409, 500),
        operation_id=f"get_{of.name}_report",
    )
    def report(
        services: ServicesDep,
        caller: Viewer,
        request: Request,
        id: str,
        lang: _Lang = None,
    ) -> Response:
        """The self-contained HTML report, English or Chinese; it opens offline."""
        run = finished_or_409(services, of.name, id)
        language = lang or preferred(request.headers.get("accept-language", ""))
        path = report_of(services, run, language, caller.owner)
        tag = conditional.etag(path.parent.name)
        same = conditional.not_modified(request, tag, "private, no-cache")
        headers = {
            "ETag": tag,
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Language",
            "Content-Security-Policy": REPORT_POLICY,
        }
        return same or FileResponse(path, media_type="text/html", headers=headers)


def add_workbook_route(router: APIRouter, of: Kind) -> None:
    """Below the kind's address and id: orders, cash, capacity, service and assumptions in one workbook."""

    @router.get(
        "/{id}/workbook",
        response_class=Response,
        responses=problems(404, 409, 500) | {200: {"content": {MEDIA_TYPES["xlsx"]: {}}}},
        operation_id=f"get_{of.name}_workbook",
    )
    def workbook(services: ServicesDep, caller: Viewer, request: Request, id: str, lang: _Lang = None) -> Response:
        """The plan as XLSX, English or Chinese, with dates, currency formats and totals."""
        run = finished_or_409(services, of.name, id)
        language = lang or preferred(request.headers.get("accept-language", ""))
        path = report_of(services, run, language, caller.owner, "xlsx")
        headers = {"Cache-Control": "private, no-cache", "Vary": "Accept-Language"}
        return FileResponse(path, media_type=MEDIA_TYPES["xlsx"], filename=f"{of.name}.xlsx", headers=headers)
