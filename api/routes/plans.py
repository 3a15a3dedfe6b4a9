"""Plans: from a stored case and a demand, as a durable run; their tables in every format; the report."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Header, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse

from api import conditional, tables
from api.accept import IdempotencyKey, accept_run
from api.derived import report_of
from api.language import preferred
from api.problems import ProblemError, count_of, fault_json
from api.routes.common import Prefer, answer_run, missing, problems
from api.routes.runs import finished_or_409, run_router
from api.schemas import PlanRequest, RunState, TableEntry, TableList, TableRows
from api.security import REPORT_POLICY, Caller, Planner, ServicesDep, Viewer
from api.services import Services
from api.store.runs import Run

router = run_router("plan", "plans")
_SUFFIX = ".parquet"
_SCHEMA_FILE = "schema.json"
Offset = Annotated[int, Query(ge=0, le=10**9, description="First row (JSON only).")]
Rows = Annotated[int, Query(ge=1, le=100_000, description="Rows at most (JSON only).")]


@router.post(
    "",
    response_model=RunState,
    status_code=202,
    responses=problems(429) | {200: {"model": RunState, "description": "It ended within `Prefer: wait`."}},
    operation_id="create_plan",
)
async def create(
    services: ServicesDep,
    caller: Planner,
    asked: PlanRequest,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Accept a plan. It reaches a final state whatever happens to this server; look at `Location` for it."""
    run = await asyncio.to_thread(_accept, services, caller, asked, idempotency_key)
    return await answer_run(services, run, "/v1/plans", prefer)


def _accept(services: Services, caller: Caller, asked: PlanRequest, key: str | None) -> Run:
    errors: list[dict[str, Any]] = []
    settings = services.settings
    inputs: dict[str, str] = {}
    request: dict[str, Any] = {}
    case = services.documents.case(asked.case_id)
    if case is None:
        errors.append(fault_json("/case_id", asked.case_id, "the id of a stored case"))
    else:
        inputs["case"] = case.artifact
    if asked.history_id is not None:
        history = services.documents.history(asked.history_id)
        if history is None:
            errors.append(fault_json("/history_id", asked.history_id, "the id of a stored history"))
        else:
            inputs["history"] = history.artifact
            request |= {"timezone": history.timezone, "max_rows": settings.max_history_rows}
    if asked.forecast_id is not None:
        forecast = services.runs.get(asked.forecast_id, "forecast")
        if forecast is None or forecast.state != "finished":
            found = asked.forecast_id if forecast is None else f"{asked.forecast_id}, {forecast.state}"
            errors.append(fault_json("/forecast_id", found, "the id of a finished forecast"))
        else:
            inputs["outlook"] = (forecast.files or {})["outlook.zip"]["sha256"]
    limits = asked.limits
    if limits.seconds > settings.solve_seconds_max:
        errors.append(fault_json("/limits/seconds", f"{limits.seconds:g}", f"at most {settings.solve_seconds_max:g}"))
    threads = limits.threads or settings.solve_threads_max
    if threads > settings.solve_threads_max:
        errors.append(fault_json("/limits/threads", f"{threads}", f"at most {settings.solve_threads_max}"))
    if case is not None and not errors and len(inputs) == 1 and not _brings_demand(services, case.artifact):
        errors.append(
            fault_json("/history_id", "nothing", "history_id or forecast_id, because the case brings no demand")
        )
    if errors or case is None:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)
    request["limits"] = {
        "seconds": limits.seconds,
        "gap": limits.gap,
        "seed": limits.seed,
        "threads": threads,
        "route": limits.route,
    }
    request["forecast"] = asked.forecast.model_dump(mode="json", exclude_none=True)
    return accept_run(
        services,
        caller,
        key,
        kind="plan",
        name=asked.name or case.name,
        asked=asked.model_dump(mode="json", exclude_none=True),
        request=request,
        inputs=inputs,
    )


def _brings_demand(services: Services, artifact: str) -> bool:
    return json.loads(services.artifacts.read(artifact)).get("demand") is not None


@router.get("/{id}/tables", response_model=TableList, responses=problems(404, 409), operation_id="list_plan_tables")
def table_list(services: ServicesDep, caller: Viewer, request: Request, id: str) -> Response:
    """Every table with its columns and units."""
    run = finished_or_409(services, "plan", id)
    tag = conditional.etag(f"{run.id}.tables")
    same = conditional.not_modified(request, tag, conditional.IMMUTABLE)
    if same is not None:
        return same
    described = _schema(services, run)
    items = []
    for name, sha256 in sorted(_tables(run).items()):
        about = described.get(name, {})
        items.append(
            TableEntry(
                name=name,
                title=about.get("title", ""),
                rows=tables.row_count(services.artifacts.path(sha256)),
                columns=_columns(services, about, sha256),
                href=f"/v1/plans/{run.id}/tables/{name}",
            )
        )
    headers = {"ETag": tag, "Cache-Control": conditional.IMMUTABLE}
    return JSONResponse(TableList(items=items).model_dump(mode="json"), headers=headers)


@router.get(
    "/{id}/tables/{name}",
    response_model=TableRows,
    responses=problems(404, 406, 409)
    | {200: {"content": {kind: {} for form, kind in tables.MEDIA_TYPES.items() if form != "json"}}},
    operation_id="get_plan_table",
)
def table(
    services: ServicesDep,
    caller: Viewer,
    request: Request,
    id: str,
    name: str,
    format: Annotated[Literal["json", "csv", "parquet", "xlsx"] | None, Query()] = None,
    offset: Offset = 0,
    limit: Rows = 10_000,
    accept: Annotated[str, Header(max_length=1000)] = "*/*",
) -> Response:
    """One table as JSON, CSV, Parquet or XLSX, by `format` or by Accept."""
    run = finished_or_409(services, "plan", id)
    sha256 = _tables(run).get(name)
    if sha256 is None:
        raise missing("table", name)
    chosen = tables.choose(format, accept)
    tag = conditional.etag(f"{sha256}.{chosen}.{offset}.{limit}")
    headers = {"ETag": tag, "Cache-Control": conditional.IMMUTABLE, "Vary": "Accept"}
    same = conditional.not_modified(request, tag, conditional.IMMUTABLE)
    if same is not None:
        return same
    path = services.artifacts.path(sha256)
    if chosen == "json":
        found = tables.read(path)
        rows = tables.json_rows(found, offset, limit)
        more = offset + len(rows) < found.num_rows
        body = TableRows(
            name=name,
            columns=_columns(services, _schema(services, run).get(name, {}), sha256),
            rows=rows,
            total=found.num_rows,
            next_offset=offset + len(rows) if more else None,
        )
        return JSONResponse(body.model_dump(mode="json"), headers=headers)
    media_type = tables.MEDIA_TYPES[chosen]
    headers["Content-Disposition"] = f'attachment; filename="{name}.{chosen}"'
    if chosen == "parquet":
        return FileResponse(path, media_type=media_type, headers=headers)
    if chosen == "csv":
        return StreamingResponse(tables.csv_chunks(tables.read(path)), media_type=media_type, headers=headers)
    return Response(tables.xlsx(tables.read(path), name), media_type=media_type, headers=headers)


@router.get(
    "/{id}/report",
    response_class=HTMLResponse,
    responses=problems(404, 409, 500),
    operation_id="get_plan_report",
)
def report(
    services: ServicesDep,
    caller: Viewer,
    request: Request,
    id: str,
    lang: Annotated[Literal["en", "zh"] | None, Query()] = None,
) -> Response:
    """The self-contained HTML report, English or Chinese; it opens offline."""
    run = finished_or_409(services, "plan", id)
    language = lang or preferred(request.headers.get("accept-language", ""))
    tag = conditional.etag(f"{run.id}.report.{language}")
    same = conditional.not_modified(request, tag, "private, no-cache")
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Language",
        "Content-Security-Policy": REPORT_POLICY,
    }
    return same or FileResponse(report_of(services, run, language), media_type="text/html", headers=headers)


def _tables(run: Run) -> dict[str, str]:
    """Name → hash of a finished plan's tables."""
    return {Path(path).stem: entry["sha256"] for path, entry in (run.files or {}).items() if path.endswith(_SUFFIX)}


def _schema(services: Services, run: Run) -> dict[str, dict[str, Any]]:
    """Name → title and columns, as the plan was saved with them."""
    for path, entry in (run.files or {}).items():
        if Path(path).name == _SCHEMA_FILE:
            resources = json.loads(services.artifacts.read(entry["sha256"])).get("resources", [])
            return {
                one["name"]: {"title": one.get("title", ""), "columns": one["schema"]["fields"]} for one in resources
            }
    return {}


def _columns(services: Services, about: dict[str, Any], sha256: str) -> list[dict[str, Any]]:
    if "columns" in about:
        return list(about["columns"])
    kinds = {"i": "integer", "f": "number", "d": "number", "b": "boolean"}
    return [
        {"name": field.name, "type": kinds.get(str(field.type)[0], "string"), "unit": "", "description": ""}
        for field in tables.read(services.artifacts.path(sha256)).schema
    ]
