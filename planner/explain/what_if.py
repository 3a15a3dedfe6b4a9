"""The plan under a changed case: levers, a merge patch, other demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from planner.case import Names
from planner.explain.asking import Change, Other, asked_again
from planner.plan import Plan
from planner.planning.solving import Solving
from planner.scenarios.levers import Lever
from planner.scenarios.scenario import DemandChange, Scenario, pose
from planner.scenarios.worlds import changed_demand
from planner.words.wording import Message, listed, message


def what_if(
    plan: Plan,
    patch: Mapping[str, Any] | None = None,
    *,
    levers: Sequence[Lever] = (),
    demand: DemandChange | None = None,
    **solving: Unpack[Solving],
) -> Change:
    """The plan made again under a changed case: levers first, then a merge patch (RFC 7396), and changed demand.

    Raises ScenarioError with every fault of the changes.
    """
    changed = Scenario(
        id="what-if",
        names=Names(en="what if"),
        levers=list(levers),
        overrides=dict(patch or {}),
        demand=demand or DemandChange(),
    )
    case = pose(plan.case, [changed])[0].case
    asked = message("question.what_if", changes=described(changed))
    hours = changed_demand(case, plan.demand, changed.demand)
    return asked_again(plan, asked, Other(case, hours), **solving)


def described(changed: Scenario) -> Message:
    """What a scenario changes, in words."""
    parts = [one.message() for one in changed.levers]
    if changed.demand.multiplier != 1:
        parts.append(message("lever.demand", factor=changed.demand.multiplier))
    parts += [
        message("lever.demand_of", workload=id, factor=factor)
        for id, factor in changed.demand.of.items()
        if factor != 1
    ]
    if changed.demand.growth != 1:
        parts.append(message("lever.growth", factor=changed.demand.growth))
    if changed.overrides:
        parts.append(message("lever.overrides", fields=", ".join(_paths(changed.overrides))))
    return listed(parts)


def _paths(patch: Mapping[str, Any], before: str = "") -> list[str]:
    """JSON Pointers of the fields that a merge patch sets."""
    out = []
    for name, value in patch.items():
        inner = isinstance(value, Mapping) and len(value) > 0
        out += _paths(value, f"{before}/{name}") if inner else [f"{before}/{name}"]
    return out
