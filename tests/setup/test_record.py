"""The benchmark's record: a search that has become worse is named, and nothing else is."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.record import CASES, RECORD, worse

ROW: dict[str, Any] = {
    "case": "S", "verified": True, "status": "optimal", "objective": 100.0, "bound": 99.0, "evaluations": 400,
    "at": {"50": {"objective": 104.0, "bound": 97.0}, "200": {"objective": 101.0, "bound": 99.0}},
}  # fmt: skip


def changed(**at: Any) -> dict[str, Any]:
    """The row with other numbers: `at_50` those after 50 evaluations."""
    row = copy.deepcopy(ROW)
    for name, value in at.items():
        target = row["at"][name.removeprefix("at_")] if name.startswith("at_") else row
        target |= value if isinstance(value, dict) else {name: value}
    return {"rows": [row]}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (changed(), []),
        (changed(objective=101.9, bound=97.1), []),
        (changed(objective=103.0), ["S at the end: the plan costs 3.00% more"]),
        (changed(bound=96.03), ["S at the end: the bound is 3.00% lower"]),
        (changed(at_50={"objective": 119.6}), ["S after 50 evaluations: the plan costs 15.00% more"]),
        (changed(at_50={"objective": 109.2}), []),
        (changed(evaluations=801), ["S: 801 evaluations, 400 before"]),
        (changed(at_200={"bound": 84.15}), ["S after 200 evaluations: the bound is 15.00% lower"]),
        (changed(verified=False), ["S: optimal, verified False"]),
        (changed(status="feasible", objective=101.0), ["S: feasible, optimal before"]),
        (changed(at_50={"objective": None}), ["S after 50 evaluations: no plan yet"]),
        (
            {"rows": [{**ROW, "at": {}}]},
            [
                "S after 50 evaluations: no plan yet",
                "S after 50 evaluations: no bound yet",
                "S after 200 evaluations: no plan yet",
                "S after 200 evaluations: no bound yet",
            ],
        ),
        ({"rows": [{**ROW, "at": {}, "evaluations": 40}]}, []),
        ({"rows": [{"case": "S", "status": "killed after 9 s"}]}, ["S: killed after 9 s, verified None"]),
        ({"rows": [{**ROW, "case": "another", "objective": 500.0}]}, []),
    ],
)
def test_what_is_more_than_the_tolerance_worse_is_named(now: dict[str, Any], said: list[str]) -> None:
    assert worse({"rows": [ROW]}, now) == said


def test_a_bound_is_judged_before_there_is_a_plan() -> None:
    before = changed(at_50={"objective": None})
    assert worse(before, changed()) == []
    assert worse(before, changed(at_50={"objective": None, "bound": 80.0})) == [
        "S after 50 evaluations: the bound is 17.53% lower"
    ]


def test_the_record_says_of_what_and_when_it_is() -> None:
    kept = json.loads(Path(RECORD).read_text(encoding="utf-8"))
    assert re.fullmatch("[0-9a-f]{40}", kept["commit"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", kept["date"])
    assert kept["machine"].keys() == {"cpus", "platform", "python"}
    assert [row["case"] for row in kept["rows"]] == list(CASES)
    for row in kept["rows"]:
        assert row["verified"]
        assert row["bound"] <= row["objective"] * (1 + 1e-9)
        assert all(at["bound"] <= row["objective"] * (1 + 1e-6) for at in row["at"].values())
