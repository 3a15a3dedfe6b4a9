"""What the page of a question shows: the answer in sentences, what stands in the way, tables."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from api.jobs.task import Task, WorkError
from api.work.analysis import ANSWER
from api.work.drawing import write_json
from planner.case.file import case_from
from planner.report.questions import answer_tables
from planner.words.wording import wording


def write(task: Task, out: Path) -> None:
    """The content of a question's page. inputs: "result" (its folder) and "case", that of the plan.

    Raises WorkError for a question that an older version answered, which kept no answer to show.
    """
    file = task.inputs["result"] / ANSWER
    if not file.is_file():
        raise WorkError("not-found", "An older version answered this question; ask it again.")
    answer = json.loads(file.read_bytes())
    words = wording(task.request["language"])
    own = "_zh" if words.chinese else ""
    kind = task.request["question"].get("kind", "why_not")
    case = case_from(json.loads(task.inputs["case"].read_bytes()))
    shown = {
        "kind": kind,
        "question": answer.get(f"question{own}", ""),
        "sentences": answer.get(f"sentences{own}", []),
        "reasons": answer.get(f"impossible{own}", []),
        "tables": [asdict(one) for one in answer_tables(kind, answer, case, words)],
        "can_be_plan": kind == "what_if" and bool(answer.get("possible")),
    }
    write_json(out / "content.json", shown)
