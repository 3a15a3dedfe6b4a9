"""Typical days against every hour: the loop stops within its tolerance, and says so when it could not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from planner.demand.horizon import DayRules
from planner.plan import Plan
from planner.planning.refine import HourlyCheck, refined
from planner.replay import TypicalDayError


class Stand:
    """Stands in for the replay: the error halves with every day that is added."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first: float) -> None:
        self.asked: list[dict[int, tuple[int, ...]]] = []
        self.error = first
        monkeypatch.setattr("planner.planning.refine._course", lambda *_: (SimpleNamespace(days=365), None))
        monkeypatch.setattr("planner.planning.refine._replayed", lambda *_: self._found())

    def _found(self) -> TypicalDayError:
        number = len(self.asked)
        error = self.error / 2 ** (number - 1)

        class Result:
            days = 365
            seconds = 0.0

        return TypicalDayError(
            cost=error,
            estimated_cost=100.0,
            replayed_cost=100 * (1 + error),
            by_term={},
            estimated_shortfall_pflops_hours=0.0,
            replayed_shortfall_pflops_hours=0.0,
            worst=(0, 10 + number),
            worst_date=date(2027, 1, 1),
            result=Result(),  # type: ignore[arg-type]
            missed={0: 10 + number, 2: 3},
        )

    def make(self, rules: DayRules, _before: Plan | None) -> Plan:
        self.asked.append(dict(rules.extra or {}))
        empty: Any = None
        return Plan(empty, empty, {}, {"round": len(self.asked)}, {"objective": 1.0, "bound": 1.0, "gap": 0.0})


def test_worst_days_are_added_until_the_tolerance_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, 0.04)
    plan = refined(None, None, HourlyCheck(tolerance=0.011, rounds=5), stand.make)  # type: ignore[arg-type]
    assert stand.asked == [{}, {0: (11,), 2: (3,)}, {0: (11, 12), 2: (3,)}]
    assert [r["cost_error"] for r in plan.summary["every_hour"]["rounds"]] == [0.04, 0.02, 0.01]
    assert plan.summary["round"] == 3
    assert plan.warnings == ()


def test_a_tolerance_that_is_not_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, 0.5)
    plan = refined(None, None, HourlyCheck(tolerance=0.01, rounds=1), stand.make)  # type: ignore[arg-type]
    assert len(stand.asked) == 2
    assert "above the tolerance" in plan.warnings[0]


def test_the_best_round_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, 0.02)
    found = iter([0.02, 0.5])
    original = stand._found

    def worse() -> TypicalDayError:
        return replace(original(), cost=next(found))

    monkeypatch.setattr("planner.planning.refine._replayed", lambda *_: worse())
    plan = refined(None, None, HourlyCheck(tolerance=0.01, rounds=1), stand.make)  # type: ignore[arg-type]
    assert plan.summary["round"] == 1


def test_a_check_of_part_of_the_days_speaks_of_these(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, 0.5)
    monkeypatch.setattr("planner.planning.refine._course", lambda *_: (SimpleNamespace(days=731), None))
    plan = refined(None, None, HourlyCheck(tolerance=0.01, rounds=3), stand.make)  # type: ignore[arg-type]
    assert len(stand.asked) == 1
    assert plan.summary["every_hour"]["rounds"][0]["hours"] == 365 * 24
    assert "365 of 731 days" in plan.warnings[0]
    assert "above the tolerance" in plan.warnings[1]


@pytest.mark.parametrize("days", [0, 181])
def test_a_later_round_that_was_cut_off_says_nothing_of_the_plan_kept(
    days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(monkeypatch, 0.5)

    def found() -> TypicalDayError | None:
        one = stand._found()
        if len(stand.asked) == 1:
            return one
        return replace(one, cost=0.001, result=SimpleNamespace(days=days, seconds=0.0)) if days else None  # type: ignore[arg-type]

    monkeypatch.setattr("planner.planning.refine._replayed", lambda *_: found())
    plan = refined(None, None, HourlyCheck(tolerance=0.01, rounds=3), stand.make)  # type: ignore[arg-type]
    assert plan.summary["round"] == 1
    assert [(r["round"], r["hours"]) for r in plan.summary["every_hour"]["rounds"]] == [(0, 8760)]
    said = " ".join(plan.warnings)
    assert "an earlier round" in said, said
    assert "after 1 round." in said, said
    assert "its figures" not in said, said
    assert "in its time" not in said, said


def test_a_check_out_of_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, 0.02)
    monkeypatch.setattr("planner.planning.refine._replayed", lambda *_: None)
    plan = refined(None, None, HourlyCheck(), stand.make)  # type: ignore[arg-type]
    assert plan.summary["every_hour"]["rounds"] == []
    assert "not finished" in plan.warnings[0]


@pytest.mark.slow
def test_the_tiny_example_stands_the_test_of_every_hour() -> None:
    from pathlib import Path

    from api.work.intake import outlook_for
    from forecasts.history import read_history
    from planner.case.file import read_case
    from planner.planning import make_plan
    from planner.solve import Limits

    folder = Path(__file__).parents[3] / "examples" / "tiny"
    case = read_case(folder / "case.yaml")
    outlook, _ = outlook_for(case, read_history(folder / "history.csv")[0])
    plan = make_plan(case, outlook=outlook, limits=Limits(seconds=90, gap=0.03), every_hour=HourlyCheck(rounds=2))
    rounds = plan.summary["every_hour"]["rounds"]
    assert rounds[0]["hours"] == 8760
    assert min(abs(r["cost_error"]) for r in rounds) <= max(abs(rounds[0]["cost_error"]), 0.01)
    assert np.isfinite(plan.certificate["objective"])
