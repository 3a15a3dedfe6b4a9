"""From a case and demand to a finished plan."""

from planner.planning.planning import (
    finish,
    make_plan,
    measured_plan,
    plan_demand,
    settle_demand,
    warm_start,
    with_measured_burst,
)
from planner.planning.solving import Amend, ProgressCall, Solving

__all__ = [
    "Amend",
    "ProgressCall",
    "Solving",
    "finish",
    "make_plan",
    "measured_plan",
    "plan_demand",
    "settle_demand",
    "warm_start",
    "with_measured_burst",
]
