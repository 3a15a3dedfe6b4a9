"""A plan made for one rule as the beginning of another: its decisions brought within other limits, and held.

Rules of one world differ in what they ask of orders and in the demand that they look at, and worlds in a lever. A plan
that is there already is therefore near to what the next rule wants: the least change that meets the other limits (an L1
projection in whole modules), dispatched as it then stands, is a plan, if not the best one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planner.case import Case, CVaR
from planner.demand import Demand, FloatArray
from planner.plan import Plan
from planner.planning import finish
from planner.program.blocks import Arrays, Layout, Program, flatten
from planner.program.build import build_program
from planner.relax import service_slack
from planner.scenarios.decisions import DECIDED, decisions_of, fixed, settled
from planner.scenarios.statistics import cvar, mean
from planner.solve import Limits, WarmStart, relative_gap, solve, solve_lp

# Both look at decisions alone or at fixed ones: they are small, and need not be closer than this.
_PROJECTION = Limits(seconds=60.0, gap=5e-2, threads=1, route="one_piece")
_HELD_SECONDS = 120.0
# Bigger things than modules are changed last.
_WEIGHT = {"phases": 20.0, "openings": 50.0, "campaign_place": 400.0, "campaign_on": 100.0, "lease_start": 1.0}

_UNDONE = ("training_shortfall", "campaign_unfinished")

Values = Mapping[str, FloatArray]


def whole_of(plan: Plan) -> Values:
    """The decisions of a plan's first branch, (1, ...) by name."""
    return decisions_of(plan).branch(0)


def projected(case: Case, demand: Demand, values: Values, reach: Values | None = None) -> Values | None:
    """The decisions nearest to `values` that meet the limits of `case` on decisions; None where none were found.

    values: (1, ...) by name of the master's columns. Distance is counted in modules, bigger choices weigh more. Where
    `values` meet the limits they come back as they are. reach: decisions that meet the limits, where it is hard to
    find any.
    """
    alone = case.model_copy(update={"horizon": case.horizon.model_copy(update={"commit_periods": None})})
    program = build_program(alone, demand.only([0]), merge_steps=1)
    master, columns = program.master, program.layout.columns
    wanted = np.zeros(master.columns)
    weight = np.zeros(master.columns)
    for name in DECIDED:
        index = columns[name]
        real = index >= 0
        wanted[index[real]] = np.round(np.broadcast_to(values[name], index.shape)[real])
        if name != "order_on":
            weight[index[real]] = _WEIGHT.get(name, 1.0)
    moved = np.flatnonzero(weight > 0)
    n = len(moved)
    unit = sp.csr_matrix((np.ones(n), (np.arange(n), moved)), shape=(n, master.columns))
    eye = sp.identity(n, format="csr")
    rows = sp.vstack(
        [
            sp.hstack([master.matrix, sp.csr_matrix((master.rows, 2 * n))]),
            sp.hstack([unit, -eye, eye]),
        ]
    ).tocsr()
    # a trace of the real cost picks the cheaper of two equally near ones; work that is left undone counts in full
    orders = master.cost[columns["orders"]]
    module = float(np.median(orders[orders > 0])) if (orders > 0).any() else 1.0
    cost = 1e-4 * np.maximum(master.cost, 0.0) / max(float(np.abs(master.cost).max(initial=0.0)), 1e-12)
    for name in _UNDONE:
        index = columns[name][columns[name] >= 0]
        cost[index] = master.cost[index] / module
    arrays = Arrays(
        rows,
        np.concatenate([cost, weight[moved], weight[moved]]),
        np.concatenate([master.lower, np.zeros(2 * n)]),
        np.concatenate([master.upper, np.full(2 * n, np.inf)]),
        np.concatenate([master.row_lower, wanted[moved]]),
        np.concatenate([master.row_upper, wanted[moved]]),
        np.concatenate([master.integer, np.zeros(2 * n, bool)]),
    )
    start = None
    if reach is not None:
        first = np.zeros(arrays.columns)
        for name, value in reach.items():
            real = columns[name] >= 0
            first[columns[name][real]] = value[real]
        start = WarmStart(first)
    answer = solve(Program(arrays, Layout(columns, program.layout.rows), (), 1.0), _PROJECTION, start=start)
    if not len(answer.x):
        return None
    return {
        name: np.where(columns[name] >= 0, np.round(answer.x[np.maximum(columns[name], 0)]), 0.0) for name in DECIDED
    }


def held_plan(case: Case, demand: Demand, values: Values) -> Plan | None:
    """The plan that keeps to `values` and dispatches best; None where they do not meet the limits.

    Its certificate has no bound of its own: minus infinity (see `relaxed_bound`). On merged steps regions with the same
    sites are dispatched together, each paying its own transfer.
    """
    program = build_program(case, demand, pooled=not demand.days.hourly)
    held = settled(fixed(program, values, DECIDED))
    if held.master.integer.any():
        return None
    found = solve(held, Limits(seconds=_HELD_SECONDS, gap=1e-6, threads=1, route="one_piece"))
    if not len(found.x) or service_slack(held, found.blocks):
        return None
    return finish(case, demand, held, replace(found, bound=-np.inf, gap=np.inf, status="feasible", route="held"))


def with_bound(plan: Plan, bound: float) -> Plan:
    """The plan with a proven lower bound (in the case's currency) in its certificate."""
    objective = float(plan.certificate["objective"])
    low = min(bound, objective)
    return replace(plan, certificate={**plan.certificate, "bound": low, "gap": relative_gap(objective, low)})


def relaxed_bound(case: Case, demand: Demand) -> float:
    """A proven lower bound from linear relaxations of single futures on one step a day; cheap, and weak.

    Knowing the future costs no more in any future, so the risk measure of these bounds bounds that of any plan.
    """
    bounds = np.zeros(len(demand))
    alone = case.model_copy(update={"horizon": case.horizon.model_copy(update={"commit_periods": None})})
    for f in range(len(demand)):
        program = build_program(alone, demand.only([f]), merge_steps=1, pooled=True)
        answer = solve_lp(flatten(program))
        if answer.status != "optimal":
            return -np.inf
        bounds[f] = answer.objective * program.money_unit
    average = mean(bounds, demand.probability)
    objective = case.risk.objective
    if isinstance(objective, CVaR):
        tail = cvar(bounds, demand.probability, objective.alpha)
        return (1 - objective.weight) * average + objective.weight * tail
    return average
