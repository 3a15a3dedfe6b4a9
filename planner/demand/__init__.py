"""Demand on typical days, and how an outlook becomes it."""

from planner.demand.demand import Course, Demand, TypicalDays, quantile

__all__ = ["Course", "Demand", "TypicalDays", "quantile"]
