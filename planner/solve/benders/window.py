"""A window around the best plan's integers, where no order has a first-stage binary."""

from __future__ import annotations

import numpy as np

from planner.arrays import FloatArray
from planner.solve.benders.search import Search
from planner.solve.tuning import TUNING


class Window:
    """Whole numbers within a window around the best plan's, where no order has a switch."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._width, self._misses, self._gap = 2, 0, 1e-3

    def once(self, plan: FloatArray) -> None:
        """See `Strategy`. plan: (columns,) of the master."""
        search, control = self._search, self._search.control
        before = control.objective
        search.refresh_base()
        model = search.whole_numbers(search.pruned(16))
        near = search.whole
        model.lower[near] = np.maximum(model.lower[near], plan[near] - self._width)
        model.upper[near] = np.minimum(model.upper[near], plan[near] + self._width)
        control.phase = "plans nearby"
        outcome = search.solve(model, search.effort.branch_seconds, self._gap, search.hint(plan))
        found = None if outcome.x is None else search.rounded(outcome.x[: search.columns])
        if found is not None:
            cost = search.offer(found)
            search.state.seeds.append(found)
            self._gap = float(np.clip(0.2 * (cost - outcome.objective) / abs(cost), 3e-4, 5e-3))
            if cost < before * (1 - 1e-5):
                self._misses = 0
                return
        self._misses += 1
        if self._misses > TUNING.patience or outcome.bound > before * (1 - 5e-4):  # nothing left so near: look further
            self._width, self._misses = self._width + 2, 0
