"""Pages of runs, whatever their kind: the list, one run whole, its inner part when that is ready, and its charts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from api.http.routes.runs import states_of
from api.http.schemas.runs import RunState
from api.http.security import Caller, ServicesDep, Viewer
from api.jobs.kinds import KINDS
from api.jobs.problems import ProblemError
from api.pages import kept
from api.pages.common import (
    CHART_HEADERS,
    PER_PAGE,
    Reader,
    ReaderDep,
    may_plan,
    may_steer,
    not_found,
    page,
    phases,
    table_names,
)
from api.pages.listing import ListAsked, sought
from api.service.services import Services
from api.store.runs import Run, run_of

About = Callable[[Services, Caller, Reader, Run], dict[str, Any]]


@dataclass(frozen=True)
class RunPages:
    """Pages of one kind of run, from KIND.html and KIND_content.html; `about` gives what they need beside the run."""

    kind: str
    about: About

    @property
    def section(self) -> str:
        """The part of the page that its kind belongs to."""
        return KINDS[self.kind].plural

    def add_to(self, router: APIRouter, *, whole: bool = True) -> None:
        """Give a router the addresses of one run; after those of the kind's own pages, which may look like an id."""
        base = f"/{self.section}/{{id}}"

        def one(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str, wait: bool = False) -> Response:
            return self._whole(services, caller, reader, id, wait)

        def content(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
            return self._content(services, caller, reader, id)

        def chart(services: ServicesDep, _caller: Viewer, reader: ReaderDep, id: str, name: str) -> Response:
            return chart_file(kept.chart(services, id, self.kind, reader.language, name), name)

        if whole:
            router.get(base)(one)
        router.get(f"{base}/content")(content)
        router.get(f"{base}/charts/{{name}}")(chart)

    def listed(
        self,
        services: Services,
        caller: Caller,
        reader: Reader,
        asked: ListAsked,
        row: Callable[[RunState], Any] = lambda state: state,
        **values: Any,
    ) -> Response:
        """The runs of this kind that are sought; `row` makes of each what KINDs.html shows."""
        found = services.labels.found(
            self.kind, sought(services, asked), asked.sort, first=(asked.leaf - 1) * PER_PAGE, limit=PER_PAGE
        )
        return page(
            f"{self.section}.html",
            reader,
            section=self.section,
            runs=[row(state) for state in states_of(services, [run_of(one) for one in found.rows])],
            list=asked.shown("/" if self.kind == "plan" else f"/{self.section}", self.kind, found.count, found.tags),
            may_plan=may_plan(caller),
            phases=phases(reader.language),
            **values,
        )

    def _whole(self, services: Services, caller: Caller, reader: Reader, id: str, wait: bool) -> Response:
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

    def _content(self, services: Services, caller: Caller, reader: Reader, id: str) -> Response:
        """The inner part of a finished run's page, made when it is asked for the first time."""
        run = services.runs.get(id, self.kind)
        if run is None or run.state != "finished":
            raise ProblemError("not-found", f"There is no finished {self.kind} {id}.")
        made = kept.of_run(services, run, self.kind, reader.language, caller.owner)
        values = self._values(services, caller, reader, run)
        return page(f"{self.kind}_content.html", reader, **values, content=made)

    def _values(self, services: Services, caller: Caller, reader: Reader, run: Run) -> dict[str, Any]:
        (state,) = states_of(services, [run])
        return {
            "section": self.section,
            "run": state,
            "may_plan": may_plan(caller),
            "may_steer": may_steer(caller, run),
            "phases": phases(reader.language),
            **self.about(services, caller, reader, run),
        }


def chart_file(path: Path | None, name: str) -> Response:
    """A chart's JSON as it was kept. Raises ProblemError when there is none."""
    if path is None:
        raise ProblemError("not-found", f"There is no chart {name}.")
    return FileResponse(path, media_type="application/json", headers=CHART_HEADERS)


def of_case(services: Services, _caller: Caller, _reader: Reader, run: Run) -> dict[str, Any]:
    """What pages of runs on a case need: its currency, and the names of the result's tables."""
    case = json.loads(services.artifacts.read(run.inputs["case"]))
    return {"currency": case["meta"]["currency"], "tables": table_names(run)}
