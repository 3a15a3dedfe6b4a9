"""One linear program with its prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Arrays

from .native import Outcome, Settings, run

LinearStatus = Literal["optimal", "infeasible", "unbounded", "stopped"]


@dataclass(frozen=True)
class Linear:
    """Answer of `solve_lp`, arrays empty unless optimal.

    duals: (rows,) change of the objective when a row's binding side moves up by one; reduced: (columns,) the same for a
    column's binding bound.
    """

    status: LinearStatus
    x: FloatArray
    objective: float
    duals: FloatArray
    reduced: FloatArray
    detail: str = ""


def attempts(arrays: Arrays, seconds: float | None) -> Outcome:
    """HiGHS first, and GLOP from scratch where HiGHS did not come to a clear end.

    Both see the program without integrality. The second answer is needed in practice: presolve ends with
    "infeasible or unbounded", and degenerate models now and then with a numerical error.
    """
    outcome = run(arrays, Settings("highs", seconds=seconds), relax=True)
    clear = outcome.status in ("infeasible", "unbounded") or (outcome.status == "optimal" and outcome.duals is not None)
    if clear or (outcome.status == "no_solution" and seconds is not None):
        return outcome
    return run(arrays, Settings("glop", seconds=seconds), relax=True)


def solve_lp(arrays: Arrays, *, seconds: float | None = None) -> Linear:
    """Minimise without regard to `integer`. Duals and reduced costs belong to the basis that was found.

    Raises no error for an infeasible or unbounded model: see `status`. "stopped" when time ran out.
    """
    outcome = attempts(arrays, seconds)
    if outcome.status == "optimal" and outcome.x is not None:
        duals = np.zeros(arrays.rows) if outcome.duals is None else outcome.duals
        reduced = arrays.cost - arrays.matrix.T @ duals if outcome.reduced is None else outcome.reduced
        return Linear("optimal", outcome.x, outcome.objective, duals, reduced, outcome.detail)
    status: LinearStatus = "stopped"
    if outcome.status == "infeasible":
        status = "infeasible"
    elif outcome.status in ("unbounded", "infeasible_or_unbounded"):
        free = run(_without_cost(arrays), Settings("highs", seconds=seconds), relax=True)
        status = "infeasible" if free.x is None else "unbounded"
    none = np.zeros(0)
    return Linear(status, none, np.inf, none, none, outcome.detail)


def _without_cost(arrays: Arrays) -> Arrays:
    return Arrays(
        arrays.matrix,
        np.zeros_like(arrays.cost),
        arrays.lower,
        arrays.upper,
        arrays.row_lower,
        arrays.row_upper,
        arrays.integer,
    )
