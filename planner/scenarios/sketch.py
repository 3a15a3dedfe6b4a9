"""Decisions for one future of a large case, found fast: whole numbers on few steps, all in one piece.

Where large gangs rule, linear relaxations and cuts lie far below any plan, and what finds plans is branching on a
program that is small enough (decision 0014). In a comparison a plan is there for its orders alone, so that it may be
looked for on two steps a day; it is dispatched on more afterwards (`planner.scenarios.neighbour.held_plan`), and its
cost and its tables are those of that dispatch. The bound is proven: merging steps is a relaxation.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from planner.case import Case
from planner.demand import Demand
from planner.program.blocks import Arrays, IntArray, Program, flatten
from planner.program.build import build_program
from planner.program.tighten import tightened
from planner.scenarios.decisions import DECIDED
from planner.scenarios.neighbour import Values, projected
from planner.solve import Limits, solve_lp
from planner.solve.native import Settings, run

STEPS = 2
# Of the time: for what lies near a plan that is there, the rest for the whole program and its bound.
_NEAR_PART = 0.55
# What holds a neighbourhood together: where and when campaigns run decides most of what else is worth doing.
_HELD = ("campaign_place", "campaign_on")
_EARNEST_MODULES, _MOSTLY = 0.5, 0.4


@dataclass(frozen=True)
class Sketch:
    """decisions: (1, ...) by name, one set for each part of the search that found any. bound: in the case's currency,
    minus infinity where none was proven."""

    decisions: tuple[Values, ...]
    bound: float


def sketched(
    case: Case,
    demand: Demand,
    limits: Limits,
    seconds: float,
    near: Values | None = None,
    reach: Values | None = None,
) -> Sketch:
    """Search for so many seconds on one thread. demand: one future.

    near: decisions of another plan; the relaxation rounded, where there is none. Around them (its campaigns held,
    orders only of types at sites that it or the linear relaxation uses) a good plan is found in a fraction of the time
    that the whole program takes. reach: see `planner.scenarios.neighbour.projected`.
    """
    program = tightened(build_program(case, demand, merge_steps=STEPS, pooled=True))
    arrays = flatten(program)
    found: list[Values] = []
    begun = time.monotonic()
    first = rounded(case, demand, reach)
    if first is not None:
        found.append(first)
        near = near or first
    whole = left = max(seconds - (time.monotonic() - begun), 1.0)
    if near is not None:
        whole = (1 - _NEAR_PART) * left
        answer = _branch(_around(program, arrays, near), limits, _NEAR_PART * left, program)
        found += [] if answer[0] is None else [answer[0]]
    values, bound = _branch(arrays, limits, whole, program)
    found += [] if values is None else [values]
    return Sketch(tuple(found), bound)


def rounded(case: Case, demand: Demand, reach: Values | None = None) -> Values | None:
    """The linear relaxation on one step a day in whole numbers: seconds of work, and a poor plan, but one.

    Each campaign goes where the relaxation has most of it and runs when it mostly does; the rest is the nearest to the
    relaxation that meets the limits (`planner.scenarios.neighbour.projected`). None where there is none.
    """
    program = tightened(build_program(case, demand, merge_steps=1, pooled=True))
    arrays, columns = flatten(program), program.layout.columns
    place, on = columns["campaign_place"], columns["campaign_on"]
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    answer = solve_lp(arrays)
    if answer.status != "optimal":
        return None
    if place.size:
        share = np.where(place >= 0, answer.x[np.maximum(place, 0)], -1.0)[0].reshape(place.shape[1], -1)
        most = np.zeros(share.shape, bool)
        most[np.arange(len(share)), share.argmax(axis=1)] = True
        others = place[0].reshape(share.shape)[~most & (share >= 0)]
        upper[others] = np.maximum(lower[others], 0.0)
        answer = solve_lp(replace(arrays, upper=upper))
        if answer.status != "optimal":
            return None
    x = answer.x.copy()
    running = on[(on >= 0)]
    x[running] = x[running] >= _MOSTLY
    if place.size:
        runs = np.where(on >= 0, x[np.maximum(on, 0)], 0.0).max(axis=-1)
        real = place >= 0
        x[place[real]] = runs[real]
    values = {n: np.where(columns[n] >= 0, x[np.maximum(columns[n], 0)], 0.0) for n in DECIDED}
    return projected(case, demand, values, reach)


def _branch(arrays: Arrays, limits: Limits, seconds: float, program: Program) -> tuple[Values | None, float]:
    settings = Settings("highs", seconds=seconds, gap=max(limits.gap, 1e-3), seed=limits.seed)
    answer = run(arrays, settings)
    bound = answer.bound * program.money_unit
    if answer.x is None:
        return None, bound
    x, columns = answer.x, program.layout.columns
    return {n: np.where(columns[n] >= 0, np.round(x[np.maximum(columns[n], 0)]), 0.0) for n in DECIDED}, bound


def _around(program: Program, arrays: Arrays, near: Values) -> Arrays:
    """The program with the campaigns of `near` held, and orders only where it or the relaxation makes any."""
    columns = program.layout.columns
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    for name in _HELD:
        index: IntArray = columns[name]
        real = index >= 0
        lower[index[real]] = upper[index[real]] = np.round(near[name][real])
    orders, on = columns["orders"], columns["order_on"]
    used = near["orders"] >= _EARNEST_MODULES
    relaxed = solve_lp(replace(arrays, lower=lower, upper=upper))
    if relaxed.status == "optimal":
        used = used | (relaxed.x[orders] >= _EARNEST_MODULES)
    unused = ~used.any(axis=-1, keepdims=True) & (on >= 0)
    upper[orders[unused]] = upper[on[unused]] = 0.0
    return replace(arrays, lower=lower, upper=upper)
