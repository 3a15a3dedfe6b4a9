"""The page of one run, whatever its kind: whole, its inner part when that is ready, and its charts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastapi import Response
from fastapi.responses import FileResponse

from api.http.schemas import RunState
from api.http.security import Caller
from api.jobs.problems import ProblemError
from api.pages import kept
from api.pages.common import CHART_HEADERS, Reader, may_plan, may_steer, not_found, page, phases, table_names
from api.service.services import Services
from api.store.runs import Run

About = Callable[[Services, Reader, Run], dict[str, Any]]


@dataclass(frozen=True)
class RunPages:
    """Pages of one kind of run, from KIND.html and KIND_content.html; `about` gives what they need beside the run."""

    kind: Literal["plan", "comparison", "forecast", "replay"]
    about: About

    @property
    def section(self) -> str:
        return f"{self.kind}s"

    def whole(self, services: Services, caller: Caller, reader: Reader, id: str, wait: bool) -> Response:
        """The page; its content is put in at once when it was made before, or with `wait`, else loaded by script."""
        run = services.runs.get(id, self.kind)
        if run is None:
            return not_found(reader, self.section)
        content = None
        if run.state == "finished":
            content = kept.of_run(services, run, self.kind, reader.language, caller.owner) if wait else None
            content = content or kept.known(services, run.id, self.kind, reader.language)
        values = self._values(services, caller, reader, run)
        return page(f"{self.kind}.html", reader, **values, content=content)

    def content(self, services: Services, caller: Caller, reader: Reader, id: str) -> Response:
        """The inner part of a finished run's page, made when it is asked for the first time."""
        run = services.runs.get(id, self.kind)
        if run is None or run.state != "finished":
            raise ProblemError("not-found", f"There is no finished {self.kind} {id}.")
        made = kept.of_run(services, run, self.kind, reader.language, caller.owner)
        values = self._values(services, caller, reader, run)
        return page(f"{self.kind}_content.html", reader, **values, content=made)

    def chart(self, services: Services, reader: Reader, id: str, name: str) -> Response:
        """One chart of the page as JSON: title, note, figure, table."""
        return chart_file(kept.chart(services, id, self.kind, reader.language, name), name)

    def _values(self, services: Services, caller: Caller, reader: Reader, run: Run) -> dict[str, Any]:
        return {
            "section": self.section,
            "run": RunState.of(run, f"/v1/{self.section}"),
            "may_plan": may_plan(caller),
            "may_steer": may_steer(caller, run),
            "phases": phases(reader.language),
            **self.about(services, reader, run),
        }


def chart_file(path: Path | None, name: str) -> Response:
    """A chart's JSON as it was kept. Raises ProblemError when there is none."""
    if path is None:
        raise ProblemError("not-found", f"There is no chart {name}.")
    return FileResponse(path, media_type="application/json", headers=CHART_HEADERS)


def of_case(services: Services, reader: Reader, run: Run) -> dict[str, Any]:
    """What pages of runs on a case need: its currency, and the names of the result's tables."""
    case = json.loads(services.artifacts.read(run.inputs["case"]))
    return {"currency": case["meta"]["currency"], "tables": table_names(run)}
