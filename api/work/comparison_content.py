"""What the page of a comparison shows: the verdict first, scenarios beside each other, charts with their tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from api.jobs.task import Task
from api.work.drawing import Json, draw, write_json
from planner.case.file import case_from
from planner.compare.comparison import Comparison
from planner.report.comparison import overview, overview_title
from planner.report.figures import ComparisonView, comparison_charts
from planner.report.report import grid
from planner.words.wording import Wording, wording

_CHOICES = ("best_mean", "minimax_regret", "least_cvar", "knee")


def write(task: Task, out: Path) -> None:
    """The content and the charts of a comparison's page. inputs: "result" (its folder) and "case"."""
    found = Comparison.load(task.inputs["result"])
    case = case_from(json.loads(task.inputs["case"].read_bytes()))
    periods = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    words = wording(task.request["language"])
    write_json(out / "content.json", content(found, periods, words, out))


def content(found: Comparison, periods: list[str], words: Wording, out: Path) -> Json:
    """Everything that the template needs; figures go into files below `out`."""
    view = ComparisonView(found.tables, periods, str(found.summary["currency"]), words)
    some = len(found.tables["costs"]) > 0
    charts = comparison_charts(view) if some else {}
    chosen = {name: found.summary["choices"].get(name) for name in _CHOICES}
    table = asdict(grid(overview(found, words), words)) if some else None
    return {
        "title": words("compare.title"),
        "verdict": list(found.summary["verdict"][words.language]),
        "choices": {name: view.name(str(id)) for name, id in chosen.items() if id},
        "futures": found.summary["evaluation_futures"],
        "apart": bool(found.summary.get("apart", True)),
        "overview": table and table | {"title": overview_title(found, words)},
        "charts": [draw(out, chart, words) for chart in charts.values()],
        "notes": _notes(found.tables["scenarios"], view),
    }


def _notes(scenarios: pd.DataFrame, view: ComparisonView) -> list[dict[str, Any]]:
    """What a rule could not do, or why a scenario has no plan."""
    noted = scenarios[scenarios["note"].fillna("") != ""]
    return [
        {"name": view.name(str(row["scenario"])), "impossible": row["status"] == "impossible", "note": str(row["note"])}
        for row in noted.to_dict("records")
    ]
