"""From a case and demand to a finished plan."""

from planner.planning.planning import (
    Amend,
    ProgressCall,
    finish,
    make_plan,
    measured_plan,
    plan_demand,
    settle_demand,
    warm_start,
    with_measured_burst,
)

__all__ = [
    "Amend",
    "ProgressCall",
    "finish",
    "make_plan",
    "measured_plan",
    "plan_demand",
    "settle_demand",
    "warm_start",
    "with_measured_burst",
]
