"""Bounds beside the plan search: relaxations of the cut master, each with more whole numbers than the one before.

half: gangs, and one switch for "this type is ordered anywhere in this period"; soon solved, and most of the bound.
choices: gangs and every order's switch, orders themselves not whole. HiGHS branches on it five times as fast as on the
whole master and its bound is the better for as long as anyone would wait (M, seed 1, 30 s: 285.0 against 284.7 of 287).
whole: all that is.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Arrays
from planner.solve.benders.evaluation import HaltedError
from planner.solve.benders.master import MasterModel
from planner.solve.benders.search import Search
from planner.solve.linear import attempts
from planner.solve.native import Settings
from planner.solve.tuning import TUNING
from planner.solve.workers import Worker


class BoundSearch:
    """A thread that solves relaxations in turn until `end`, raises the bound and keeps the points it found."""

    def __init__(self, search: Search) -> None:
        self._search, self._control = search, search.control
        self._found: list[FloatArray] = []
        self._failed: list[BaseException] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tideplan-bound", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Raises what went wrong in the thread."""
        self._over.set()
        self._thread.join(2.0)
        if self._failed and not isinstance(self._failed[0], HaltedError):
            raise self._failed[0]

    def take(self) -> FloatArray | None:
        """The newest point found, once. (columns,) of the master."""
        with self._search.state.lock:
            found, self._found = self._found[-1:], []
        return found[0] if found else None

    def _work(self) -> None:
        search, control = self._search, self._control
        small = len(search.whole) <= TUNING.small_master
        kind = "whole" if small else "half"
        # a process of its own starts in a second or two: as long as all that a small master takes
        worker = search.worker if small else Worker()
        seconds, turn = search.effort.half_seconds, 0
        try:
            while not (self._over.is_set() or control.done):
                settings = Settings(
                    "highs",
                    seconds=self._seconds(seconds),
                    gap=min(1e-3, 0.2 * max(control.limits.gap, 1e-4)),
                    seed=control.limits.seed + turn,
                )
                best = control.objective
                outcome = worker.native(priced_out(self._model(kind).arrays(), best), settings, control)
                if outcome is None:
                    return
                settled = outcome.status in ("optimal", "infeasible") and outcome.bound <= control.bound
                control.raise_bound(best if outcome.status == "infeasible" else min(outcome.bound, best))
                if outcome.x is not None:
                    point = outcome.x[: search.columns]
                    search.state.hold(point)
                    with search.state.lock:
                        self._found.append(point)
                turn += 1
                if kind == "half":
                    kind, seconds = "choices", search.effort.bound_seconds
                elif kind == "choices" and settled:
                    kind = "whole"
                else:
                    seconds *= 2.0
                before = len(search.master.pool)
                while len(search.master.pool) == before and not (self._over.is_set() or control.done):
                    self._over.wait(0.1)  # without new cuts the same relaxation says nothing new
        except BaseException as error:  # noqa: BLE001 - told in the thread that asked
            self._failed.append(error)
        finally:
            if worker is not search.worker:
                worker.shutdown(wait=False, cancel_futures=True)

    def _model(self, kind: str) -> MasterModel:
        search = self._search
        search.refresh_base()  # cuts added since may have moved the optimum to where the pruned model would know little
        model = search.pruned(20)
        search.add_groups(model)
        model.integer[search.names.gangs] = True
        if kind != "half":
            model.integer[search.choices if kind == "choices" else search.whole] = True
        return model

    def _seconds(self, wanted: float) -> float:
        """So long, or until the end where too little would be left for another turn: half a turn says nothing."""
        left = self._control.left() - TUNING.before_end_seconds
        return float(np.clip(left if left < 2.0 * wanted else wanted, 0.5, max(left, 0.5)))


def priced_out(arrays: Arrays, best: float) -> Arrays:
    """The program without what its linear relaxation proves to cost more than `best`.

    A column at its bound with reduced cost d moves by at most (best - relaxation) / |d| in any solution that is no
    dearer (reduced cost fixing, Nemhauser and Wolsey 1988, §II.1.6). The minimum stays what it is unless it is above
    `best`.
    """
    if not np.isfinite(best):
        return arrays
    relaxed = attempts(arrays, None)
    if relaxed.status != "optimal" or relaxed.x is None or relaxed.duals is None:
        return arrays
    room = max(best - relaxed.objective, 0.0) + 1e-6 * abs(best)
    reduced = arrays.cost - arrays.matrix.T @ relaxed.duals
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    at_lower = (relaxed.x <= lower + 1e-9) & (reduced > 1e-9)
    at_upper = (relaxed.x >= upper - 1e-9) & (reduced < -1e-9)
    upper[at_lower] = np.minimum(upper[at_lower], lower[at_lower] + room / reduced[at_lower])
    lower[at_upper] = np.maximum(lower[at_upper], upper[at_upper] + room / reduced[at_upper])
    whole = arrays.integer
    upper[whole] = np.floor(upper[whole] + 1e-6)
    lower[whole] = np.ceil(lower[whole] - 1e-6)
    return replace(arrays, lower=lower, upper=upper)
