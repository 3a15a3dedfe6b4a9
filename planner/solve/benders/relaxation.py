"""The linear relaxation by Benders decomposition: in-out points, merged steps first, exact steps then.

Multi-cut (Birge and Louveaux 1988); each point evaluated lies between the best point so far and the master's optimum
(Ben-Ameur and Neto 2007, Fischetti, Ljubic and Sinnl 2017), 0.3 of the way out, which takes about a third of
the rounds that the master's optimum itself takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from planner.program.blocks import FloatArray, Program, flatten
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import Evaluator
from planner.solve.benders.master import CutMaster
from planner.solve.benders.subproblem import BlockFailureError, cut_from_duals
from planner.solve.control import Control
from planner.solve.linear import attempts
from planner.solve.progress import relative_gap

OUT = 0.3


@dataclass
class Relaxed:
    """Where the relaxation came to. x: best master point (whole numbers ignored); value: its cost with the blocks last
    used; bound: proven lower bound; points: the master's optima, whose cuts hold the bound."""

    x: FloatArray
    value: float
    bound: float
    points: list[FloatArray]


def merged_start(merged: Program, pool: CutPool, control: Control) -> tuple[FloatArray, FloatArray] | None:
    """Solve the program with merged steps in one piece; take its optimum and one cut a block from its prices.

    Gives the master's columns and what every block is worth there.

    The cuts hold for the exact blocks too, because merged blocks bound them from below, and together they give the
    master the whole value of the merged relaxation at once. None when the time did not suffice.
    """
    arrays = flatten(merged)
    outcome = attempts(arrays, max(control.left(), 0.1))
    if outcome.status != "optimal" or outcome.x is None or outcome.duals is None:
        return None
    control.raise_bound(outcome.bound)
    row = merged.master.rows
    owner, constants, slopes = [], [], []
    values, column = np.zeros(len(merged.blocks)), merged.master.columns
    for i, block in enumerate(merged.blocks):
        count = len(block.row_lower)
        factor = 1.0
        if merged.risk:
            future = block.key.future
            price = float(outcome.duals[merged.risk.row[future]])
            factor = merged.risk.mean_weight + price / float(merged.risk.probability[future])
        if factor > 1e-9:
            cut = cut_from_duals(block, outcome.duals[row : row + count] / factor)
            if cut is not None:
                constant, columns, slope = cut
                owner.append(i)
                constants.append(constant)
                slopes.append(sp.csr_matrix((slope, columns, [0, len(columns)]), shape=(1, merged.master.columns)))
        row += count
        values[i] = block.cost @ outcome.x[column : column + len(block.cost)]
        column += len(block.cost)
    if owner:
        pool.add(np.array(owner, np.int64), np.array(constants), sp.csr_matrix(sp.vstack(slopes)))
    return outcome.x[: merged.master.columns], values


def relax(
    master: CutMaster,
    evaluator: Evaluator,
    control: Control,
    start: FloatArray,
    *,
    phase: str,
    target: float,
    rounds: int,
    is_exact: bool,
    bound: float = -np.inf,
    until: float = np.inf,
) -> Relaxed:
    """In-out rounds until the relaxation's own gap is at most `target`. Raises HaltedError when the search is ended.

    start: a point that satisfies the master's linear rows. until: seconds since the solve began after which it ends
    anyway.
    """
    control.phase = phase
    pool = master.pool
    inner, value = start, np.inf
    x = start
    points: list[FloatArray] = []
    for _ in range(rounds):
        evaluation = evaluator.evaluate(x)
        evaluator.add_to(pool, evaluation)
        cost, x = master.true_objective(x, evaluation.values)
        if cost < value:
            inner, value = x, cost
        outcome = master.linear(max(control.left(), 1.0))
        if outcome.x is None:
            if outcome.status == "infeasible":
                raise BlockFailureError("the master of the decomposition is infeasible")
            if control.halted or control.left() <= 0:
                break
            raise BlockFailureError(f"the master of the decomposition ended as {outcome.status}")
        if outcome.status == "optimal":
            bound = max(bound, outcome.objective)
            control.raise_bound(bound)
        outer = outcome.x[: master.columns]
        points.append(outer)
        control.note_relaxation(value if is_exact else np.inf, bound)
        if relative_gap(value, bound) <= target or control.halted or control.seconds > until:
            break
        x = OUT * outer + (1 - OUT) * inner
    return Relaxed(inner, value, bound, points[-8:])
