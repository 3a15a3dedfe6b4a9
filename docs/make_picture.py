"""Draws the README's picture from a plan: python docs/make_picture.py PLAN_FOLDER [docs/plan.svg]."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from planner.plan import Plan
from planner.report.drawing import WIDE, svg
from planner.report.figures import View, busiest_day, tide


def main(arguments: list[str]) -> None:
    """Draw the picture of the README."""
    plan = Plan.load(Path(arguments[0]))
    target = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).parent / "plan.svg"
    view = View.of(plan, "en")
    last = view.case.horizon.periods - 1
    chart = tide(view, last, busiest_day(view, last), "workload")
    named = replace(chart, title=f"{plan.case.meta.name}: {chart.title}")
    target.write_text(svg(named, WIDE, view.words, alone=True).svg + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
