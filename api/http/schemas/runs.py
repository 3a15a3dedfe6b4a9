"""Runs, their results and tables."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http import examples
from api.http.schemas.wire import Json, Told, example
from api.jobs.kinds import KINDS
from api.store.runs import Run
from api.store.signatures import State


class RunState(Told):
    """Where a run stands. `progress` while it runs, `summary` when it is finished, `problem` when it failed."""

    id: str
    kind: str
    name: str
    state: Literal["queued", "running", "finished", "failed", "cancelled"]
    wish: Literal["", "stop", "cancel"] = Field(description="What was asked of a running run.")
    attempt: int = Field(description="How often the work was begun; above 1 after a crash.")
    request: Json
    progress: Json | None = None
    summary: Json | None = None
    problem: Json | None = None
    created: str
    started: str | None = None
    finished: str | None = None
    tags: list[str] = []
    archived: str | None = Field(None, description="When it was put away; lists leave it out unless they are asked.")
    standing: State | None = Field(
        None, description="Of a plan that was proposed: where it stands. An approved plan is the plan of record."
    )
    links: dict[str, str]
    model_config = example(
        {
            "id": examples.PLAN_ID,
            "kind": "plan",
            "name": "first look",
            "state": "running",
            "wish": "",
            "attempt": 1,
            "request": {"case_id": examples.CASE_ID},
            "progress": examples.PROGRESS,
            "summary": None,
            "problem": None,
            "created": examples.TIME,
            "started": examples.TIME,
            "finished": None,
            "links": {
                "self": f"/v1/plans/{examples.PLAN_ID}",
                "events": f"/v1/plans/{examples.PLAN_ID}/events",
            },
        }
    )

    @classmethod
    def of(cls, run: Run, standing: State | None = None) -> RunState:
        """As the API tells it."""
        kind = KINDS[run.kind]
        here = f"{kind.base}/{run.id}"
        links = {"self": here, "events": f"{here}/events"}
        if run.state == "finished":
            links["result"] = f"{here}/result"
            links |= {"tables": f"{here}/tables"} if kind.tables else {}
            links |= {"report": f"{here}/report"} if kind.report else {}
            links |= {"workbook": f"{here}/workbook"} if kind.workbook else {}
        elif not run.is_final:
            links |= {"stop": f"{here}/stop", "cancel": f"{here}/cancel"}
        return cls.told(run, request=run.request.get("asked", {}), standing=standing, links=links)


class RunPage(BaseModel):
    """Newest first; `next` is the cursor of the next page, absent on the last."""

    items: list[RunState]
    next: str | None = None
    model_config = example({"items": [], "next": None})


class FileEntry(BaseModel):
    """A file of a result."""

    path: str
    sha256: str
    bytes: int
    href: str
    model_config = example(
        {
            "path": "plan.json",
            "sha256": examples.SHA256,
            "bytes": 5120,
            "href": f"/v1/plans/{examples.PLAN_ID}/files/plan.json",
        }
    )


class RunResult(BaseModel):
    """The result of a finished run: it never changes."""

    id: str
    kind: str
    summary: Json
    inputs: dict[str, str] = Field(description="Hashes of what it was computed from.")
    files: list[FileEntry]
    model_config = example(
        {
            "id": examples.PLAN_ID,
            "kind": "plan",
            "summary": {"objective": 1.284e9, "gap": 0.0039},
            "inputs": {"case": examples.SHA256},
            "files": [],
        }
    )


class TableEntry(BaseModel):
    """A table of a plan, with its columns and units, and where to get it."""

    name: str
    title: str = ""
    rows: int
    columns: list[Json]
    href: str
    model_config = example(
        {
            "name": "orders",
            "title": "What to order, when and for where",
            "rows": 12,
            "columns": [{"name": "modules", "type": "integer", "unit": "modules", "description": "whole modules"}],
            "href": f"/v1/plans/{examples.PLAN_ID}/tables/orders",
        }
    )


class TableList(BaseModel):
    """Every table of a plan."""

    items: list[TableEntry]
    model_config = example({"items": []})


class TableRows(BaseModel):
    """Rows of a table as lists in the order of the columns; `total` counts all rows, `next_offset` where to go on."""

    name: str
    columns: list[Json]
    rows: list[list[Any]]
    total: int
    next_offset: int | None = None
    model_config = example(
        {
            "name": "orders",
            "columns": [
                {"name": "site", "type": "string", "unit": "", "description": "site"},
                {"name": "modules", "type": "integer", "unit": "modules", "description": "whole modules"},
            ],
            "rows": [["near", 4]],
            "total": 1,
            "next_offset": None,
        }
    )
