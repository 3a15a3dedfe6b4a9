"""The tables of a finished run in every format. One pair of routes a kind of run that has tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from api.http import conditional, tables
from api.http.routes.common import missing, problems
from api.http.routes.runs import finished_or_409
from api.http.schemas.runs import TableEntry, TableList, TableRows
from api.http.security import VIEWER, ServicesDep, Viewer
from api.jobs.kinds import Kind
from api.service.services import Services
from api.store.runs import Run

_SUFFIX = ".parquet"
_SCHEMA_FILE = "schema.json"
Offset = Annotated[int, Query(ge=0, le=10**9, description="First row (JSON only).")]
Rows = Annotated[int, Query(ge=1, le=100_000, description="Rows at most (JSON only).")]


def _chosen(
    format: Annotated[Literal["json", "csv", "parquet", "xlsx"] | None, Query()] = None,
    accept: Annotated[str, Header(max_length=1000)] = "*/*",
) -> tables.Format:
    return tables.choose(format, accept)


def add_table_routes(router: APIRouter, of: Kind) -> None:
    """Below the kind's address and id: the list of tables, and each table as JSON, CSV, Parquet or XLSX."""
    kind = of.name

    @router.get(
        "/{id}/tables", response_model=TableList, responses=problems(404, 409), operation_id=f"list_{kind}_tables"
    )
    def table_list(services: ServicesDep, _caller: Viewer, request: Request, id: str) -> Response:
        """Every table with its columns and units."""
        run = finished_or_409(services, kind, id)
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
                    rows=tables.row_count(services.artifacts.checked(sha256)),
                    columns=_columns(services, about, sha256),
                    href=f"{of.base}/{run.id}/tables/{name}",
                )
            )
        headers = {"ETag": tag, "Cache-Control": conditional.IMMUTABLE}
        return JSONResponse(TableList(items=items).model_dump(mode="json"), headers=headers)

    @router.get(
        "/{id}/tables/{name}",
        response_model=TableRows,
        responses=problems(404, 406, 409)
        | {200: {"content": {kind: {} for form, kind in tables.MEDIA_TYPES.items() if form != "json"}}},
        operation_id=f"get_{kind}_table",
        dependencies=[VIEWER],
    )
    def table(
        services: ServicesDep,
        request: Request,
        id: str,
        name: str,
        chosen: Annotated[tables.Format, Depends(_chosen)],
        offset: Offset = 0,
        limit: Rows = 10_000,
    ) -> Response:
        """One table as JSON, CSV, Parquet or XLSX, by `format` or by Accept."""
        run = finished_or_409(services, kind, id)
        sha256 = _tables(run).get(name)
        if sha256 is None:
            raise missing("table", name)
        tag = conditional.etag(f"{sha256}.{chosen}.{offset}.{limit}")
        headers = {"ETag": tag, "Cache-Control": conditional.IMMUTABLE, "Vary": "Accept"}
        same = conditional.not_modified(request, tag, conditional.IMMUTABLE)
        if same is not None:
            return same
        path = services.artifacts.checked(sha256)
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
        for field in tables.read(services.artifacts.checked(sha256)).schema
    ]
