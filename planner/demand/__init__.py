"""Demand on typical days, and how an outlook becomes it."""

from planner.demand.demand import Demand, TypicalDays

__all__ = ["Demand", "TypicalDays"]
