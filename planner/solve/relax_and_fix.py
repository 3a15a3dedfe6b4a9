"""Relax-and-fix by periods: whole numbers are settled window by window, later ones stay relaxed meanwhile.

Dillenberger, Escudero, Wollensak and Zhang 1994. The bound is that of the first step's relaxation: the linear program
with the whole numbers of the first window only, which no plan can beat, and before it the plain linear program. HiGHS
solves the windows in a worker process, where a stop can reach it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Arrays, Program, flatten
from planner.solve.control import Control
from planner.solve.native import Outcome, Settings
from planner.solve.one_piece import Ending, dispatch, scip, try_first_plans, why_no_plan
from planner.solve.periods import period_of_columns
from planner.solve.tuning import TUNING
from planner.solve.workers import Worker


def relax_and_fix(program: Program, control: Control, start: FloatArray | None = None) -> Ending:
    """Plan and bound go to `control`. Returns "infeasible" or "unbounded" where that is proven, else None.

    start: (columns,) of the master.
    """
    arrays = flatten(program)
    period = np.full(arrays.columns, -1)
    period[: program.master.columns] = period_of_columns(program)
    last = int(period.max(initial=0))
    worker = Worker()
    try:
        control.phase = "linear relaxation"
        linear = _run(worker, control, replace(arrays, integer=np.zeros_like(arrays.integer)), control.left())
        if linear is None:
            return None
        if linear.x is None:
            return why_no_plan(arrays, linear, control)
        control.raise_bound(linear.bound)
        if start is not None:
            dispatch(program, arrays, start, control)
        else:
            try_first_plans(program, arrays, control)
        lower, upper = arrays.lower.copy(), arrays.upper.copy()
        windows = range(0, last + 1, TUNING.window_periods)
        for number, first in enumerate(windows):
            if control.done:
                break
            control.phase = "relax and fix"
            whole = arrays.integer & (period < first + TUNING.window_periods)
            share = control.left() / (len(windows) - number + 1)
            step = _run(worker, control, replace(arrays, lower=lower, upper=upper, integer=whole), share)
            if step is None:
                return None
            if number == 0:
                control.raise_bound(step.bound)
            if step.x is None:
                # earlier windows left no room, or time was short: give the last window back and close what is open
                return _close(program, arrays, control)
            settled = whole & (period < first + TUNING.window_periods)
            lower[settled] = upper[settled] = np.round(step.x[settled])
            if whole.sum() == arrays.integer.sum():
                dispatch(program, arrays, step.x, control)
    finally:
        worker.shutdown(wait=False, cancel_futures=True)
    return None


def _run(worker: Worker, control: Control, arrays: Arrays, seconds: float) -> Outcome | None:
    """One HiGHS solve in the worker process; None after a halt."""
    settings = Settings("highs", seconds=max(seconds, 0.5), gap=max(control.limits.gap * 0.3, 1e-4))
    return worker.native(arrays, settings, control)


def _close(program: Program, arrays: Arrays, control: Control) -> Ending:
    """A plan by SCIP, when the windows ended without one."""
    control.phase = "search for any plan"
    outcome = scip(arrays, control)
    if outcome is not None and outcome.x is not None:
        dispatch(program, arrays, outcome.x, control)
        return None
    return None if outcome is None else why_no_plan(arrays, outcome, control)
