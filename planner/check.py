"""Checks across the blocks of a case."""

from __future__ import annotations

from planner.case import Case


def cross_faults(case: Case) -> list[str]:
    """Faults that no block can see by itself."""
    return []
