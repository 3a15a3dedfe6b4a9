"""What goes wrong in planning, said so that a user can mend it."""

from __future__ import annotations

from forecasts.fault import FaultsError


class PlanError(FaultsError):
    """A plan cannot be made from this input."""


class InfeasibleError(PlanError):
    """The limits contradict each other; each fault names a limit and the smallest relaxation that helps."""


class StoppedError(PlanError):
    """Stopped by time or by hand before there was any plan."""
