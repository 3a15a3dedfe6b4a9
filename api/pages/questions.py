"""Questions about plans: the page of one, at an address that can be shared; its answer as a part of the plan's page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.http.security import Caller
from api.pages.common import Reader
from api.pages.runpage import RunPages, of_case
from api.service.services import Services
from api.store.runs import Run

router = APIRouter()


def _about(services: Services, caller: Caller, reader: Reader, run: Run) -> dict[str, Any]:
    kind = run.request["question"].get("kind", "why_not")
    return of_case(services, caller, reader, run) | {"kind": kind}


RUNS = RunPages("question", _about)
RUNS.add_to(router)
