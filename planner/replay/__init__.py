"""A plan's orders against any hourly demand: what would have been served, what not, at what cost.

Stock, leases, gangs and campaigns stay as ordered; every hour of the course is dispatched, day after day, with backlog
carried over midnight (`planner.replay.dispatch`). The result says what came of it, hour by hour and in sums that agree.
"""

from __future__ import annotations

from planner.replay.course import Progress, UnfinishedError
from planner.replay.paths import HourlyDemand, from_outlook, from_table
from planner.replay.run import ReplayResult, replay
from planner.replay.truth import TypicalDayError, typical_day_error

__all__ = [
    "HourlyDemand",
    "Progress",
    "ReplayResult",
    "TypicalDayError",
    "UnfinishedError",
    "from_outlook",
    "from_table",
    "replay",
    "typical_day_error",
]
