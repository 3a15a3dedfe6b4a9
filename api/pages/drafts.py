"""New plans: the form, the texts of cases to start from, and the check of an edited one."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from pydantic import BaseModel

from api.http import casedoc, conditional
from api.http.routes.common import missing
from api.http.security import Planner, ServicesDep, Viewer
from api.jobs.problems import ProblemError
from api.jobs.process import call
from api.jobs.task import Task
from api.pages.common import Reader, ReaderDep, catalogue, not_found, page
from api.service.services import Services
from api.store.documents import StoredHistory
from api.store.runs import Run, run_of
from api.store.version import VERSION
from api.work import casetext
from api.work.bundled import example_folder

router = APIRouter()
Example = Literal["tiny", "national"]
_MOST_OFFERED = 100


class Checked(BaseModel):
    """What a check of a case found: its name, whether it brings its own demand, faults and odd numbers with lines."""

    ok: bool
    name: str = ""
    own_demand: bool = False
    errors: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []


@router.get("/plans/new")
def new(
    services: ServicesDep,
    caller: Planner,
    reader: ReaderDep,
    example: Example | None = None,
    start: Literal["example", "upload"] = "example",
    source: Annotated[str, Query(alias="from", max_length=60)] = "",
) -> Response:
    """The form for a new plan: from an example, from files, or from a copy of a plan."""
    run = services.runs.get(source, "plan") if source else None
    if source and run is None:
        return not_found(reader, "plans")
    return page(
        "new_plan.html",
        reader,
        section="plans",
        chosen="copy" if run else "upload" if start == "upload" else (example or "tiny"),
        copied=run,
        asked=run.request.get("asked", {}) if run else {},
        demands=demands(services, reader),
        seconds_max=services.settings.solve_seconds_max,
    )


def demands(services: Services, reader: Reader) -> list[tuple[str, str]]:
    """(value, label) of every stored demand that a plan can rest on: finished forecasts, then histories."""
    t = catalogue(reader.language)
    forecasts = services.runs.page("forecast", state="finished", after=None, limit=_MOST_OFFERED).rows
    histories = services.documents.history_page(None, _MOST_OFFERED).rows
    out = [(f"forecast:{r.id}", f"{t['forecast_of']} {r.name} · {_day(r.created_ms)}") for r in map(run_of, forecasts)]
    stored = [StoredHistory(**row) for row in histories]
    return out + [(f"history:{h.id}", f"{t['history']} {h.name} · {_day(h.created_ms)}") for h in stored]


def _day(ms: int) -> str:
    from api.http.schemas import rfc3339

    return str(rfc3339(ms))[:16].replace("T", " ")


@router.get("/drafts/examples/{name}/case")
def example_case(caller: Viewer, name: Example) -> Response:
    """The case of a bundled example as one document; the national one with its regions grouped by hub."""
    from planner.case.file import dump_case, read_case
    from planner.case.grouping import grouped_by_hub

    case = read_case(example_folder(name) / "case.yaml")
    if name == "national":
        case = grouped_by_hub(case)[0]
    return PlainTextResponse(casetext.case_text(dump_case(case)), media_type="text/yaml")


@router.get("/drafts/examples/{name}/history")
def history_of_example(services: ServicesDep, caller: Viewer, request: Request, name: Example) -> Response:
    """The generated demand history of a bundled example."""

    folder = services.settings.data_folder / "cache" / VERSION / "examples" / name
    beside = example_folder(name) / "history.csv"
    path = beside if beside.is_file() else folder / "history.parquet"
    if not path.is_file():
        _generate(services, name, folder)
    tag = conditional.etag(f"{name}.{VERSION}.{path.stat().st_size:x}")
    same = conditional.not_modified(request, tag, "private, no-cache")
    kind = "text/csv" if path.suffix == ".csv" else "application/vnd.apache.parquet"
    return same or FileResponse(path, media_type=kind, headers={"ETag": tag, "Cache-Control": "private, no-cache"})


def _generate(services: Services, name: str, folder: Any) -> None:
    settings = services.settings
    ended, files = call(
        Task("example-history", {"name": name}, {}),
        services.reads_folder,
        module="api.work.pages",
        memory_mb=settings.solve_memory_mb,
        seconds=settings.read_seconds_max,
    )
    if ended.result is None:
        raise ProblemError("internal", ended.detail)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        draft = folder / f"{path}.tmp"
        draft.write_bytes(content)
        draft.replace(folder / path)


@router.get("/drafts/plans/{id}/case")
def case_of_plan(services: ServicesDep, caller: Viewer, id: str) -> Response:
    """The case of a plan, as it was when the plan was made, for editing."""
    run: Run | None = services.runs.get(id, "plan")
    if run is None:
        raise missing("plan", id)
    text = casetext.case_text(json.loads(services.artifacts.read(run.inputs["case"])))
    if len(text.encode()) > casedoc.YAML_MAX_MB * 2**20:
        raise ProblemError("too-large", f"found {len(text)} characters; allowed: {casedoc.YAML_MAX_MB} MB to edit")
    return PlainTextResponse(text, media_type="text/yaml")


async def _body(request: Request, services: ServicesDep) -> bytes:
    return (await casedoc.body_of(request, services.settings))[0]


@router.post("/drafts/check", response_model=Checked)
def check(caller: Planner, reader: ReaderDep, body: Annotated[bytes, Depends(_body)]) -> Checked:
    """Check a case without storing it: every fault at once, each with its line."""
    try:
        checked = casedoc.check(body, "application/yaml")
    except ProblemError as fault:
        errors = [dict(error) for error in fault.members.get("errors", [])]
        return Checked(ok=False, errors=_placed(errors or [{"pointer": "", "detail": fault.detail}], body))
    document = json.loads(checked.document)
    return Checked(
        ok=True,
        name=checked.name,
        own_demand=document.get("demand") is not None,
        warnings=_placed([dict(one) for one in checked.warnings], body),
    )


def _placed(faults: list[dict[str, Any]], body: bytes) -> list[dict[str, Any]]:
    """The faults with the lines on which they stand, in the order of the text."""
    root = casetext.compose(body.decode(errors="replace"))
    out = [fault | {"line": casetext.line_of(root, str(fault.get("pointer", "")))} for fault in faults]
    return sorted(out, key=lambda fault: fault["line"] or 0)
