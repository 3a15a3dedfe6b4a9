"""Plans near the best one, until the time is over."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from planner.arrays import FloatArray
from planner.solve.benders.bounds import BoundSearch
from planner.solve.benders.fix_and_solve import FixAndSolve
from planner.solve.benders.large_neighbourhood import LargeNeighbourhood
from planner.solve.benders.local_branching import LocalBranching
from planner.solve.benders.search import Search
from planner.solve.benders.window import Window


class Strategy(Protocol):
    """One way of looking for a better plan near the best one; a file each. It adapts to what it has found."""

    def once(self, plan: FloatArray) -> None:
        """One try around the best plan, master columns (columns,); what is found is offered to the control."""


def strategy(search: Search) -> Strategy:
    """The one that suits a program: by parts where orders have a site, a type and a period."""
    orders = search.program.layout.columns.get("orders")
    if not len(search.names.on):
        return Window(search)
    return LargeNeighbourhood(search) if orders is not None and orders.ndim == 4 else LocalBranching(search)


def look_around(search: Search, bounds: BoundSearch) -> None:
    """Better plans near the best one, and what the bound search finds, until gap, time or halt end it."""
    step, fix = strategy(search), FixAndSolve(search)
    while not search.control.done:
        _polish_found(search, fix, bounds.take())
        if search.control.x is None:
            fix.settle(lambda _model: None)
            if search.control.x is None and search.control.wait(0.2):
                return
            continue
        step.once(search.control.x)


def _polish_found(search: Search, fix: FixAndSolve, x: FloatArray | None) -> None:
    """Cuts belong where the bound is made, and a point with whole choices is worth being made a plan."""
    if x is None:
        return
    search.control.phase = "points of the bound search"
    search.value(x)
    choices = x[search.choices]
    if np.abs(choices - np.round(choices)).max(initial=0.0) < 1e-4:
        fix.polish(x)
