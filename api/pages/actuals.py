"""What became of a plan of record: plan against actual, as a part of its page, and the form in which it is entered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response

from api.http.routes.runs import finished_or_409
from api.http.security import ServicesDep, Viewer
from api.jobs.problems import ProblemError
from api.pages import kept
from api.pages.common import Reader, ReaderDep, page
from api.service.kept import Recipe
from api.service.services import Services
from api.store.actuals import Actual
from api.store.runs import Run
from api.store.signatures import digest

router = APIRouter()


@dataclass(frozen=True)
class Entered:
    """scope: of the plan of record. names: (id, name) of sites, regions, workloads and module types of its case."""

    scope: str
    names: dict[str, list[tuple[str, str]]]
    entries: list[Actual]

    def called(self, one: Actual) -> tuple[str, str]:
        """Where and what an entry is about, by name; "" for what it does not say."""
        blocks = ("regions", "workloads") if one.kind == "demand" else ("sites", "module_types")
        place, what = (
            dict(self.names[block]).get(id, id) for block, id in zip(blocks, (one.place, one.what), strict=True)
        )
        return place, what


def entered_of(services: Services, reader: Reader, run: Run) -> Entered | None:
    """None unless the plan is one of record."""
    found = services.signatures.log().standings.get(run.id)
    if found is None or found.state != "approved":
        return None
    case = json.loads(services.artifacts.read(run.inputs["case"]))
    names = {
        block: [(one["id"], one["names"].get(reader.language) or one["names"]["en"]) for one in case[block]]
        for block in ("sites", "regions", "workloads", "module_types")
    }
    return Entered(found.entry.scope, names, services.actuals.of(found.entry.scope))


@router.get("/plans/{id}/against")
def against(services: ServicesDep, caller: Viewer, reader: ReaderDep, id: str) -> Response:
    """Plan against actual as of today; a part of the page of a plan of record."""
    run = finished_or_409(services, "plan", id)
    found = entered_of(services, reader, run)
    if found is None:
        raise ProblemError("not-found", f"{id} is no plan of record.")
    columns = ("kind", "place", "what", "day", "amount")
    request: dict[str, Any] = {
        "actuals": [{name: getattr(one, name) for name in columns} for one in found.entries],
        "today": datetime.now(UTC).date().isoformat(),
    }
    recipe = Recipe("against", request, {}, (("result", run),))
    made = kept.made(services, f"{id}.{digest(request)[:16]}", "against", reader.language, recipe, caller.owner)
    return page("against.html", reader, section="plans", content=made)
