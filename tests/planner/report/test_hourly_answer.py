"""What the dispatch of every hour found stands where the answer is: of the plan that was kept, and which way it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from planner.plan import Plan
from planner.report.answer import answer


def checked(plan: Plan, *rounds: tuple[float, float, float]) -> Plan:
    """rounds: what the hours cost beyond 100 on typical days, and PFLOPS-hours unserved on these and hour by hour."""
    told: list[dict[str, Any]] = [
        {"cost_error": more / 100, "estimated_cost": 100.0, "replayed_cost": 100.0 + more, "hours": 8760,
         "estimated_shortfall_pflops_hours": days, "replayed_shortfall_pflops_hours": hours}
        for more, days, hours in rounds
    ]  # fmt: skip
    return replace(plan, summary={**plan.summary, "every_hour": {"tolerance": 0.01, "rounds": told, "note": ""}})


@pytest.mark.parametrize(
    ("rounds", "cost", "short"),
    [
        ([(2.17, 1202, 3555)], "cost 2.17 % more", "3,555 PFLOPS-hours stay unserved"),
        ([(-2.17, 1202, 1100)], "cost 2.17 % less", None),
        ([(9.0, 5, 70), (1.5, 7, 90), (4.0, 6, 80)], "cost 1.50 % more", "90 PFLOPS-hours stay unserved"),
        ([(0.5, 1000, 1005)], "cost 0.50 % more", None),
    ],
)
def test_the_hours_are_told_beside_the_typical_days(
    charted: Plan, rounds: list[tuple[float, float, float]], cost: str, short: str | None
) -> None:
    found = answer(checked(charted, *rounds), "en")
    assert any(cost in line for line in found.lines), found.lines
    assert (short in found.headline) if short else ("hour by hour" not in found.headline)
    chinese = answer(checked(charted, *rounds), "zh-CN")
    assert any("逐时调度" in line for line in chinese.lines)


def test_nothing_is_said_where_no_hours_were_dispatched(charted: Plan) -> None:
    found = answer(charted, "en")
    assert not any("hour by hour" in line for line in (found.headline, *found.lines))
