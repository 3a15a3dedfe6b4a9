"""A plan made for one rule as the beginning of another: its decisions brought within other limits, and held.

Rules of one world differ in what they ask of orders and in the demand that they look at, and worlds in a lever. A plan
that is there already is therefore near to what the next rule wants: the least change that meets the other limits (an L1
projection in whole modules), dispatched as it then stands, is a plan, if not the best one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray
from planner.case import Case
from planner.demand import Demand
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed, settled
from planner.planning import finish
from planner.planning.relax import service_slack
from planner.program.blocks import flatten
from planner.program.build import build_program
from planner.program.decisions import DECISIONS, completed, whole_decisions
from planner.solve import Solution, relative_gap
from planner.solve.linear import attempts
from planner.solve.native import Settings, run
from planner.solve.one_piece import split

# Both look at decisions alone or at fixed ones: they are small, and need not be closer than this.
_PROJECTION = Settings("scip", seconds=60.0, gap=5e-2, seed=1)
_HELD_SECONDS = 120.0
_UNDONE = ("training_shortfall", "campaign_unfinished")

Values = Mapping[str, FloatArray]


def whole_of(plan: Plan) -> Values:
    """The decisions of a plan's first branch, (1, ...) by name."""
    return decisions_of(plan).branch(0)


def projected(case: Case, demand: Demand, values: Values, kept: Mapping[str, BoolArray] | None = None) -> Values | None:
    """The decisions nearest to `values` that meet the limits of `case` on decisions; None where none were found.

    values: (1, ...) by name of the master's columns. Distance is counted in modules, bigger choices weigh more. Where
    `values` meet the limits they come back as they are. kept: by name, (1, ...) which of them must stay.
    """
    alone = case.model_copy(update={"horizon": case.horizon.model_copy(update={"commit_periods": None})})
    program = build_program(alone, demand.only([0]), merge_steps=1)
    master, columns = program.master, program.layout.columns
    wanted = np.round(program.layout.point(values, whole_decisions(), master.columns))
    # bigger things than modules are changed last
    weights = {name: np.array(DECISIONS[name].weight) for name in whole_decisions()}
    weight = program.layout.point(weights, whole_decisions(), master.columns)
    lower, upper = master.lower.copy(), master.upper.copy()
    for name, stays in (kept or {}).items():
        index = columns[name][(columns[name] >= 0) & stays]
        lower[index] = upper[index] = wanted[index]
    moved = np.flatnonzero(weight > 0)
    n = len(moved)
    unit = sp.csr_matrix((np.ones(n), (np.arange(n), moved)), shape=(n, master.columns))
    eye = sp.identity(n, format="csr")
    # a trace of the real cost picks the cheaper of two equally near ones; work that is left undone counts in full
    orders = master.cost[columns["orders"]]
    module = float(np.median(orders[orders > 0])) if (orders > 0).any() else 1.0
    cost = 1e-4 * np.maximum(master.cost, 0.0) / max(float(np.abs(master.cost).max(initial=0.0)), 1e-12)
    for name in _UNDONE:
        index = columns[name][columns[name] >= 0]
        cost[index] = master.cost[index] / module
    held = replace(master, cost=cost, lower=lower, upper=upper)
    apart = held.with_columns(sp.csr_matrix((master.rows, 2 * n)), cost=np.tile(weight[moved], 2))
    arrays = apart.with_rows(sp.hstack([unit, -eye, eye]), wanted[moved], wanted[moved])
    x = run(arrays, _PROJECTION).x
    return None if x is None else completed(case, program.layout.values(np.round(x), whole_decisions()))


def with_recourse(
    case: Case, demand: Demand, early: Plan, late: Sequence[Plan], shared: Mapping[str, BoolArray]
) -> Values | None:
    """(F, ...) decisions by name: `early`'s where a decision is the same in every future, and in each future those of
    the plan `late` names for it, brought within what the early ones leave. None where that cannot be done.

    late: a plan for each future. shared: (1, ...) by name, see `planner.rules.bounds.shared_decisions`.
    """
    first = whole_of(early)
    brought: dict[int, Values] = {}
    for f, plan in enumerate(late):
        if id(plan) in brought:
            continue
        after = whole_of(plan)
        mixed = {name: np.where(shared[name], first[name], after[name]) for name in whole_decisions()}
        found = projected(case, demand.only([f]), mixed, shared)
        if found is None:
            return None
        brought[id(plan)] = found
    return {name: np.concatenate([brought[id(plan)][name] for plan in late]) for name in whole_decisions()}


def held_plan(case: Case, demand: Demand, values: Values) -> Plan | None:
    """The plan that keeps to `values` and dispatches best; None where they do not meet the limits.

    Its certificate has no bound of its own: minus infinity (see `planner.rules.bounds`). On merged steps regions
    with the same sites are dispatched together, each paying its own transfer.
    """
    program = build_program(case, demand, pooled=not demand.days.hourly)
    held = settled(fixed(program, values, whole_decisions()))
    if held.master.integer.any():
        return None
    outcome = attempts(flatten(held), _HELD_SECONDS)
    if outcome.x is None:
        return None
    x, blocks = split(held, outcome.x)
    if service_slack(held, blocks):
        return None
    found = Solution(x, blocks, outcome.objective, -np.inf, np.inf, "feasible", outcome.seconds, "held")
    return finish(case, demand, held, found, measured=False)


def with_bound(plan: Plan, bound: float) -> Plan:
    """The plan with a proven lower bound (in the case's currency) in its certificate."""
    objective = float(plan.certificate["objective"])
    low = min(bound, objective)
    return replace(plan, certificate={**plan.certificate, "bound": low, "gap": relative_gap(objective, low)})
