"""Local branching: other patterns of first-stage binaries near the best plan's."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray
from planner.solve.benders.fix_and_solve import FixAndSolve
from planner.solve.benders.master import MasterModel
from planner.solve.benders.search import Search
from planner.solve.tuning import TUNING


class LocalBranching:
    """Other first-stage binaries near the best plan's (local branching, Fischetti and Lodi 2003), each tried once.

    Which switches are on is most of what there is to decide. The whole numbers of the orders cost every pattern about
    the same, so patterns are compared without them: on the cut master, only choices whole. The best one is polished.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._distance, self._misses = TUNING.distance, 0
        self._stretch = 1.0
        self._fix = FixAndSolve(search)

    def once(self, plan: FloatArray) -> None:
        """See `Strategy`. plan: (columns,) of the master."""
        search, control = self._search, self._search.control
        before = control.objective
        search.refresh_base()
        on = np.round(plan[search.names.on]) > 0.5
        model = search.pruned(16)
        model.integer[search.choices] = True
        for pattern in (*search.state.tried, on):  # sum_on (1 - s) + sum_off s >= 1
            model.add_rows(self._row(model, pattern), 1.0 - pattern.sum(), np.inf)
        model.add_rows(self._row(model, on), -np.inf, float(self._distance - on.sum()))
        control.phase = "patterns nearby"
        outcome = search.solve(model, self._stretch * search.effort.branch_seconds, 2e-3)
        if outcome.status == "no_solution" and outcome.bound < before and self._stretch < TUNING.longest:
            self._stretch *= 2.0  # nothing found in this time says nothing
            return
        if outcome.x is None or outcome.objective > before:
            none_here = outcome.status == "infeasible" or outcome.bound > before
            self._distance = 2 * self._distance if none_here else max(self._distance // 2, 2)
            self._misses += 1
            if self._misses > TUNING.patience:
                # every pattern that looks good has been tried once: now with nothing held, as the cuts have grown since
                self._fix.settle(lambda _model: None)
                self._distance, self._misses = TUNING.far, 0
            return
        self._fix.polish(outcome.x[: search.columns])
        if control.objective < before * (1 - 1e-5):
            self._distance, self._misses = TUNING.distance, 0
            return
        self._misses += 1
        if self._misses % 3 == 0:
            self._distance = min(self._distance + 4, len(on))

    def _row(self, model: MasterModel, on: BoolArray) -> sp.csr_matrix:
        """Switches off that are on here, less switches on: + number on = how far from this pattern."""
        count = len(on)
        where = (np.zeros(count, int), self._search.names.on)
        return sp.csr_matrix((np.where(on, -1.0, 1.0), where), shape=(1, len(model.cost)))
