"""The whole program in one piece, by SCIP (whole numbers) or HiGHS (none).

SCIP's incumbent has its whole numbers rounded and fixed and its linear rest solved again, so that the plan that leaves
here is exact in the orders and optimal in the dispatch that belongs to them.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Arrays, Program, flatten
from planner.solve.tuning import TUNING

from .control import Control
from .first_plan import first_plans
from .linear import attempts
from .native import Outcome, Settings, run
from .solution import SolutionStatus
from .workers import Worker

Ending = SolutionStatus | None


def split(program: Program, x: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
    """(master columns,) and one array a block, from the columns of the flat program."""
    cuts = program.master.columns + np.cumsum([0, *(b.cost.shape[0] for b in program.blocks)])
    return x[: program.master.columns], [x[a:b] for a, b in itertools.pairwise(cuts)]


def fixed(arrays: Arrays, x: FloatArray) -> Arrays:
    """The arrays with every whole column fixed at the rounded x; no whole numbers are left. x: (columns,)."""
    whole = np.round(x[arrays.integer])
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    lower[arrays.integer] = upper[arrays.integer] = np.clip(whole, lower[arrays.integer], upper[arrays.integer])
    return replace(arrays, lower=lower, upper=upper, integer=np.zeros_like(arrays.integer))


def why_no_plan(arrays: Arrays, outcome: Outcome, control: Control) -> Ending:
    """Tell infeasible from unbounded where the solver did not, by asking for any point at all."""
    if outcome.status == "infeasible":
        return "infeasible"
    if outcome.status in ("unbounded", "infeasible_or_unbounded"):
        free = replace(arrays, cost=np.zeros_like(arrays.cost))
        any_point = run(free, Settings("scip", seconds=max(control.left(), 1.0), seed=control.limits.seed))
        if any_point.status == "infeasible":
            return "infeasible"
        if any_point.x is not None:
            return "unbounded"
    return None


def scip(arrays: Arrays, control: Control, hint: FloatArray | None = None) -> Outcome | None:
    """SCIP until the gap or the time is reached; None after a halt that it did not hear in time.

    In a worker process, where a stop reaches it; a model that takes a second or so is not worth starting one.
    hint: (columns,).
    """
    settings = Settings(
        "scip", seconds=max(control.left(), 0.1), gap=control.limits.gap * 0.9, seed=control.limits.seed, hint=hint
    )
    if arrays.columns <= TUNING.small_columns:
        return run(arrays, settings, on_bound=control.raise_bound)
    worker = Worker()
    try:
        return worker.native(arrays, settings, control, on_bound=control.raise_bound)
    finally:
        worker.shutdown(wait=False, cancel_futures=True)


def one_piece(program: Program, control: Control, start: FloatArray | None = None) -> Ending:
    """Solve the flat program; plan and bound go to `control`. start: (master columns,) tried first.

    Returns "infeasible" or "unbounded" where that is proven, else None.
    """
    arrays = _billed_in_full(program, flatten(program))
    if not arrays.integer.any():
        return _linear(program, arrays, control)
    control.phase = "one piece"
    hint = None
    if start is not None:
        first = dispatch(program, arrays, start, control)
        if first is not None:
            hint = first
    else:
        hint = try_first_plans(program, arrays, control)
        control.phase = "one piece"

    outcome = scip(arrays, control, hint)
    if outcome is None:
        return None
    if outcome.x is not None:
        dispatch(program, arrays, outcome.x, control)
    control.raise_bound(outcome.bound)
    return None if outcome.x is not None else why_no_plan(arrays, outcome, control)


def _billed_in_full(program: Program, arrays: Arrays) -> Arrays:
    """Without power above the billed one: a way out for points of a decomposition, not for a plan.

    Its price holds for any weight of a future but nought, which CVaR may give to a cheap one.
    """
    upper, start = arrays.upper.copy(), program.master.columns
    for block in program.blocks:
        over = block.layout.columns.get("over_billed")
        if over is not None:
            upper[start + over] = 0.0
        start += len(block.cost)
    return replace(arrays, upper=upper)


def try_first_plans(program: Program, arrays: Arrays, control: Control) -> FloatArray | None:
    """Plans that need no search (`first_plan`), offered; the cheapest of them, None without any.

    (columns,) of the program in one piece.
    """
    best = None
    for phase, x in first_plans(program, min(TUNING.first_seconds, 0.1 * control.limits.seconds), control.limits.seed):
        control.phase = phase
        found = None if control.halted else _held(program, arrays, x, control)
        if found is not None and (best is None or arrays.cost @ found < arrays.cost @ best):
            best = found
    return best


def _linear(program: Program, arrays: Arrays, control: Control) -> Ending:
    control.phase = "linear program"
    if arrays.columns <= TUNING.small_columns:
        outcome = attempts(arrays, control.left())
    else:
        worker = Worker()  # HiGHS does not hear a stop, but its process can be ended
        try:
            answer = worker.native(arrays, Settings("highs", seconds=max(control.left(), 0.1)), control)
        finally:
            worker.shutdown(wait=False, cancel_futures=True)
        if answer is None or control.halted:
            return None
        outcome = answer if answer.status == "optimal" else attempts(arrays, control.left())
    if outcome.x is not None:
        x, blocks = split(program, outcome.x)
        control.offer(float(arrays.cost @ outcome.x), x, blocks)
        control.raise_bound(outcome.bound)
    return None if outcome.x is not None else why_no_plan(arrays, outcome, control)


def dispatch(program: Program, arrays: Arrays, x: FloatArray, control: Control) -> FloatArray | None:
    """Fix the whole numbers of a solver's x (flat, or the master's part) and solve the rest; the plan goes to
    `control`."""
    answer = _held(program, arrays, x, control)
    whole = np.flatnonzero(arrays.integer)
    if answer is None and x.shape[0] == arrays.columns and not set(whole) - set(_near_whole(arrays, x)):
        master, blocks = split(program, x)
        control.offer(float(arrays.cost @ x), master, blocks)
    return answer


def _held(program: Program, arrays: Arrays, x: FloatArray, control: Control) -> FloatArray | None:
    """The same for any x; None, and nothing offered, where its whole numbers are in no plan."""
    full = np.zeros(arrays.columns)
    full[: x.shape[0]] = x
    rest = run(fixed(arrays, full), Settings("highs", seconds=max(control.left(), 10.0)))
    if rest.x is None:
        return None
    answer = rest.x.copy()
    answer[arrays.integer] = np.round(answer[arrays.integer])
    master, blocks = split(program, answer)
    control.offer(float(arrays.cost @ answer), master, blocks)
    return answer


def _near_whole(arrays: Arrays, x: FloatArray) -> list[int]:
    whole = np.flatnonzero(arrays.integer)
    return [int(j) for j in whole[np.abs(x[whole] - np.round(x[whole])) < 1e-5]]
