"""What is derived from a finished run on demand, and kept (`api.service.kept`): reports, workbooks; prices, energy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from api.http.language import Language
from api.http.schemas.signed import standing_values
from api.service.kept import RESULT, Recipe
from api.service.services import Services
from api.store.runs import Run
from api.store.signatures import content_sha256, digest
from api.work.analysis import PLAN_FILE

Form = Literal["html", "xlsx"]


def report_of(services: Services, run: Run, language: Language, owner: str, form: Form = "html") -> Path:
    """The report of a finished run as a file; a workbook there is of plans only. Raises ProblemError when it cannot be
    made."""
    inputs = {"case": run.inputs["case"]} if run.kind == "comparison" else {}
    request: dict[str, Any] = {"language": language, "form": form}
    name = f"{run.id}.report.{language}" if form == "html" else f"{run.id}.workbook.{language}"
    if run.kind == "plan":  # what is proposed and what is approved are told apart on paper, too
        request["standing"] = standing_values(services.signatures.log().standings.get(run.id), content_sha256(run))
        name += f".{digest(request['standing'])[:16]}"
    recipe = Recipe("report", request, inputs, ((run.kind, run),))
    return services.kept.made(name, f"report.{form}", recipe, owner)


def plan_inputs(plan: Run) -> dict[str, str]:
    """Everything of a finished plan that work on it needs: its case and its files, by name."""
    files = {PLAN_FILE + path: entry["sha256"] for path, entry in (plan.files or {}).items()}
    return {"case": plan.inputs["case"]} | files


def explanation_of(services: Services, run: Run, what: str, owner: str) -> dict[str, Any]:
    """Rows that follow from the plan alone. Raises ProblemError when they cannot be made."""
    path = services.kept.made(f"{run.id}.{what}", RESULT, Recipe(what, {}, plan_inputs(run)), owner)
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
