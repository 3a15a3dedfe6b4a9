"""The linear relaxation by Benders decomposition: in-out points, merged steps first, exact steps then.

Multi-cut (Birge and Louveaux 1988); each point evaluated lies between the best point so far and the master's optimum
(Ben-Ameur and Neto 2007, Fischetti, Ljubic and Sinnl 2017), 0.3 of the way out, which takes about a third of
the rounds that the master's optimum itself takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Program, flatten
from planner.solve.benders.cuts import CutPool
from planner.solve.benders.evaluation import Evaluator, Mixed, size_of
from planner.solve.benders.master import CutMaster
from planner.solve.benders.subproblem import BlockFailureError, BlockValue, cut_from_duals, joined
from planner.solve.control import Control
from planner.solve.linear import attempts
from planner.solve.progress import relative_gap
from planner.solve.tuning import TUNING


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
    (columns,) of the master, and (blocks,).
    """
    arrays = flatten(merged)
    outcome = attempts(arrays, max(control.left(), 0.1))
    if outcome.status != "optimal" or outcome.x is None or outcome.duals is None:
        return None
    control.raise_bound(outcome.bound)
    row = merged.master.rows
    cuts = []
    values, column = np.zeros(len(merged.blocks)), merged.master.columns
    for i, block in enumerate(merged.blocks):
        count = len(block.row_lower)
        factor = 1.0
        if merged.risk:
            future = block.key.future
            price = float(outcome.duals[merged.risk.row[future]])
            factor = merged.risk.mean_weight + price / float(merged.risk.probability[future])
        if factor > 1e-9:
            found = cut_from_duals(block, outcome.duals[row : row + count] / factor)
            if found is not None:
                cuts.append(BlockValue(i, np.nan, *found, over=np.zeros(0)))
        row += count
        values[i] = block.cost @ outcome.x[column : column + len(block.cost)]
        column += len(block.cost)
    pool.add(*joined(cuts, merged.master.columns))
    return outcome.x[: merged.master.columns], values


def stand_in_start(one_day: Program, merged: Program, pool: CutPool, control: Control) -> FloatArray | None:
    """Solve the program of one mean day a period and of the future with the middle demand, at the cost of all it stands
    for; x there, (columns,) of the master, None when the time did not suffice.

    It bounds nothing, but its prices give the blocks of all days and futures in `merged` cuts: they differ in what is
    asked for, seldom in matrix or costs.
    """
    size: dict[int, float] = {}
    for block in one_day.blocks:
        size[block.key.future] = size.get(block.key.future, 0.0) + size_of(block)
    middle = sorted(size, key=lambda future: (size[future], future))[len(size) // 2]
    # a day of any kind is stood for by the period's one day, the loss of a site by itself
    stands = [(b.key.kind, b.key.period, 0) if b.key.kind == "day" else b.key.family for b in merged.blocks]
    weight: dict[tuple[str, int, int], float] = {}
    for block, one in zip(merged.blocks, stands, strict=True):
        weight[one] = weight.get(one, 0.0) + block.scale
    chosen = [b for b in one_day.blocks if b.key.future == middle and b.scale > 0 and b.key.family in weight]
    dear = (replace(b, cost=b.cost * (weight[b.key.family] / b.scale)) for b in chosen)
    outcome = attempts(flatten(replace(one_day, blocks=tuple(dear), risk=None)), max(control.left(), 0.1))
    if outcome.status != "optimal" or outcome.x is None or outcome.duals is None:
        return None
    row, prices = one_day.master.rows, {}
    for block in chosen:
        prices[block.key.family] = outcome.duals[row : row + len(block.row_lower)] / weight[block.key.family]
        row += len(block.row_lower)
    cuts = []
    for i, (block, one) in enumerate(zip(merged.blocks, stands, strict=True)):
        price = prices.get(one)
        if price is not None and len(price) == len(block.row_lower):
            found = cut_from_duals(block, price * block.scale)
            if found is not None:
                cuts.append(BlockValue(i, np.nan, *found, over=np.zeros(0)))
    pool.add(*joined(cuts, merged.master.columns))
    return outcome.x[: merged.master.columns]


@dataclass(frozen=True)
class Rounds:
    """target: gap of the relaxation itself. is_exact: whether what the evaluator finds is the program's own cost.
    bound: one that is known. until: seconds since the solve began after which it ends anyway."""

    phase: str
    target: float
    rounds: int
    is_exact: bool
    bound: float = -np.inf
    until: float = np.inf


def relax(
    master: CutMaster,
    evaluator: Evaluator | Mixed,
    control: Control,
    start: FloatArray,
    how: Rounds,
) -> Relaxed:
    """In-out rounds until the relaxation's own gap is at most the target. Raises HaltedError when the search is ended.

    start: a point that satisfies the master's linear rows. Of many futures a few are evaluated at a point
    (`Evaluator.evaluate`): what the point costs is then an estimate from below, looked at again as cuts are added.
    start: (columns,) of the master.
    """
    control.phase, bound = how.phase, how.bound
    pool = master.pool
    inner, value, known = start, np.inf, True
    worth = np.zeros(pool.blocks)
    x = start
    points: list[FloatArray] = []
    for _ in range(how.rounds):
        evaluation = evaluator.evaluate(x, sample=True)
        evaluator.add_to(pool, evaluation)
        values = evaluation.values_at_least(pool, x)
        cost, x = master.true_objective(x, values)
        if not known:
            value = master.true_objective(inner, np.maximum(worth, pool.lower(inner)))[0]
        if cost < value:
            inner, value, worth = x, cost, values
            known = not np.isnan(evaluation.values).any()
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
        control.note_relaxation(value if how.is_exact and known else np.inf, bound)
        if relative_gap(value, bound) <= how.target or control.halted or control.seconds > how.until:
            break
        x = TUNING.in_out * outer + (1 - TUNING.in_out) * inner
    return Relaxed(inner, value, bound, points[-8:])
