"""What a replay came to: the part of a plan's page that its form asks for, and its chart."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.http.security import Caller
from api.pages.common import Reader, table_names
from api.pages.runpage import RunPages
from api.service.services import Services
from api.store.runs import Run

router = APIRouter()


def _about(_services: Services, _caller: Caller, _reader: Reader, run: Run) -> dict[str, Any]:
    return {"tables": table_names(run)}


RUNS = RunPages("replay", _about)
RUNS.add_to(router, whole=False)
