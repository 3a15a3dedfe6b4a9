"""The first plans of a decomposition, from where its relaxation ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.solve.benders.fix_and_solve import FixAndSolve, holding
from planner.solve.benders.master import MasterModel
from planner.solve.benders.search import Search
from planner.solve.tuning import TUNING


@dataclass(frozen=True)
class FirstPlans:
    """Plans of what the relaxation orders in earnest."""

    search: Search

    @property
    def fix(self) -> FixAndSolve:
        """Fixes what is held here, and solves the rest."""
        return FixAndSolve(self.search)

    def early(self) -> None:
        """Any plan soon, so that there is one whenever the search is stopped: one exact evaluation."""
        search = self.search
        search.control.phase = "early plan"
        if search.cheap is None:
            self.fix.settle(holding(search, self.earnest()), rounds=1)
        else:
            self.fix.polish(self.earnest(), once=True)
        if search.control.x is None:
            self.fix.settle(lambda _model: None, rounds=1)

    def run(self) -> None:
        """Hold on what the relaxation orders in earnest (at least half a smallest order), and settle the rest.

        Where an early plan was made so, its parts are worth more than polishing it again.
        """
        search = self.search
        if search.cheap is None or search.control.x is None:
            self.fix.polish(self.earnest())
        if search.control.x is None and not search.control.done:
            self.fix.settle(lambda _model: None)

    def earnest(self) -> FloatArray:
        """The relaxation with the switches on that it uses, by the better of two readings of it.

        Either what it orders in earnest, or what is left once every order pays its charge by the module (`sloped`).
        (columns,) of the master.
        """
        search = self.search
        x = search.state.relaxed.x.copy()
        if not len(search.names.on):
            return x
        x[search.names.on] = x[search.names.orders] >= 0.5 * search.names.least
        best, least = x, np.inf
        for point in (x, *self.sloped()):
            with search.state.lock:
                outcome = search.master.linear(max(search.control.left(), 1.0), holding(search, point))
            if outcome.x is not None and outcome.objective < least:
                best, least = point, outcome.objective
        return best

    def sloped(self) -> list[FloatArray]:
        """Points whose orders pay charge / order more by the module, in place of the charge: dynamic slope scaling (Kim
        and Pardalos 1999). What is ordered little becomes dear and goes elsewhere; cuts are added where it goes.
        (columns,) of the master each.
        """
        search = self.search
        names, cost = search.names, search.program.master.cost
        charge = cost[names.on]
        slope = charge / np.maximum(search.state.relaxed.x[names.orders], names.least)

        def edit(model: MasterModel) -> None:
            model.cost[names.on] = 0.0
            model.cost[names.orders] += slope

        out: list[FloatArray] = []
        for _ in range(TUNING.slope_rounds):
            with search.state.lock:
                outcome = search.master.linear(max(search.control.left(), 1.0), edit)
            if outcome.x is None or search.control.done:
                break
            x = outcome.x[: search.columns].copy()
            ordered = x[names.orders]
            x[names.on] = ordered >= 0.5 * names.least
            search.evaluated(x, search.evaluator if search.cheap is None else search.cheap.merged)
            out.append(x)
            slope = np.where(ordered > 1e-6, charge / np.maximum(ordered, names.least), slope)
        return out
