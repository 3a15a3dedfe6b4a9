"""What no plan can beat: linear relaxations of single futures, on one step a day and tightened, each in seconds.

Knowing the future costs no more in any future, so the risk measure of these bounds bounds that of any plan for all of
them, and their mean bounds what perfect information leaves (wait and see). With the decisions that are the same in
every future held, they bound what those decisions can come to (EEV). One computation serves all three.

Steps of a day hardly move the relaxation: on the national example by hub 1 step gives 1.3664, 2 steps 1.3668 and all 4
steps 1.3670 bn, in 2.5, 8.0 and 12.8 s of CPU (docs/decisions/0073).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from planner.arrays import BoolArray, FloatArray
from planner.case import Case, CVaR
from planner.demand import Demand
from planner.evaluate.evaluation import plan_world
from planner.plan.decisions import fixed
from planner.program.blocks import flatten
from planner.program.build import build_master, build_program
from planner.program.decisions import whole_decisions
from planner.program.instance import make_instance
from planner.program.tighten import tightened
from planner.rules.neighbour import Values
from planner.rules.statistics import cvar, mean
from planner.solve import solve_lp
from planner.solve.probing import probed

Shared = Mapping[str, BoolArray]


def lone_bound(case: Case, demand: Demand, held: Values | None, shared: Shared | None, seconds: float | None) -> float:
    """Task of a worker process: a proven lower bound of what one future costs when it is known, in the case's currency.

    demand: one future. held: (1, ...) decisions by name, held where `shared` (of the same shapes) says so. Infinity
    where no plan keeps to them, minus infinity where `seconds` did not do.
    """
    program = probed(tightened(build_program(plan_world(case), demand, merge_steps=1, pooled=True)))
    if held is not None and shared is not None:
        program = fixed(program, held, whole_decisions(), only=shared)
    answer = solve_lp(flatten(program), seconds=seconds)
    if answer.status == "infeasible":
        return np.inf
    return answer.objective * program.money_unit if answer.status == "optimal" else -np.inf


def shared_decisions(case: Case, demand: Demand) -> dict[str, BoolArray]:
    """By name: (1, ...) whether a decision is the same in every future of `demand`."""
    columns = build_master(make_instance(case, demand)).columns
    return {name: (columns[name] == columns[name][:1]).all(axis=0)[None] for name in whole_decisions()}


def relaxed_bound(case: Case, demand: Demand, known: FloatArray | None = None) -> float:
    """A proven lower bound for any plan of the case: its risk objective over single futures' bounds; cheap, and weak.

    known: (F,) `lone_bounds` of `demand`, where they are there already.
    """
    F = len(demand)
    fitting = known is not None and len(known) == F > 1
    bounds = known if fitting else np.array([lone_bound(case, demand.only([f]), None, None, None) for f in range(F)])
    assert bounds is not None
    average = mean(bounds, demand.probability)
    objective = case.risk.objective
    if isinstance(objective, CVaR):
        tail = cvar(bounds, demand.probability, objective.alpha)
        return (1 - objective.weight) * average + objective.weight * tail
    return average
