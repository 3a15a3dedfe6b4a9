"""The plan: its tables, and what is measured on them."""

from planner.plan.plan import Plan, demand_hash, summarise

__all__ = ["Plan", "demand_hash", "summarise"]
