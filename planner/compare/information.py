"""What futures are worth knowing: the value of the stochastic solution and of perfect information.

    VSS = EEV - RP     EEV: decide for the mean future, adapt afterwards; RP: decide for all futures at once
    EVPI = RP - WS     WS: plan every future knowing it

(Birge and Louveaux, Introduction to Stochastic Programming, §4.2 to §4.4.) Each optimum is known between a bound and a
plan, so each difference is known within a bracket; it is signed and never clamped at zero.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from planner.arrays import FloatArray
from planner.case import Case
from planner.compare.choices import Bracketed, apart, difference
from planner.demand import Demand
from planner.evaluate.evaluation import plan_world
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed, settled
from planner.program.blocks import flatten
from planner.program.build import build_program
from planner.program.decisions import whole_decisions
from planner.rules.bounds import lone_bound
from planner.solve import Limits, solve, solve_lp
from planner.words.wording import Message, message

# Up to so many columns a future is planned whatever its time, up to so many where it has some seconds; beyond, and in
# less time, its linear relaxation is the bound.
_QUICK_COLUMNS, _EXACT_COLUMNS, _WORTH_S = 8_000, 20_000, 5.0
# All futures together get the time of so many plans, each at least a second.
_PLANS_WORTH, _LEAST_S = 2.0, 1.0


def perfect_limits(limits: Limits, futures: int) -> Limits:
    """Limits of one future's solve, when as many are planned knowing them."""
    seconds = min(max(_PLANS_WORTH * limits.seconds / futures, _LEAST_S), limits.seconds)
    return replace(limits, seconds=seconds)


def perfect_information(case: Case, demand: Demand, limits: Limits) -> tuple[FloatArray, FloatArray]:
    """Task of a worker process: plan each future knowing it. limits: of each future's solve.

    Returns (F,) costs, nan where no plan was found in time or the future is too large to be planned in passing, and
    (F,) proven bounds that no plan for the future can beat.
    """
    case = plan_world(case)
    cost, bound = np.full(len(demand), np.nan), np.zeros(len(demand))
    for f in range(len(demand)):
        one = demand.only([f])
        program = build_program(case, one)
        columns = program.master.columns + sum(len(b.cost) for b in program.blocks)
        found = -np.inf
        if columns > _EXACT_COLUMNS:
            bound[f] = lone_bound(case, one, None, None, None)
            continue
        if columns <= (_EXACT_COLUMNS if limits.seconds >= _WORTH_S else _QUICK_COLUMNS):
            answer = solve(program, limits)
            found = answer.bound * program.money_unit
            if len(answer.x):
                cost[f] = answer.objective * program.money_unit
                if answer.gap <= limits.gap + 1e-6:
                    bound[f] = found
                    continue
        relaxed = solve_lp(flatten(program))
        if relaxed.status != "optimal":
            raise ArithmeticError(f"the relaxation of future {f} ended as {relaxed.status}")
        bound[f] = max(found, relaxed.objective * program.money_unit)
    return cost, bound


def mean_value_cost(case: Case, futures: Demand, mean_plan: Plan, limits: Limits) -> tuple[float, float] | Message:
    """Task of a worker process: EEV, expected cost of deciding for the mean future and adapting afterwards.

    What is the same in every future is fixed as the mean-value plan has it; the rest is free. Returns cost and bound,
    or why there are none.
    """
    program = build_program(case, futures)
    held = settled(fixed(program, decisions_of(mean_plan).branch(0), whole_decisions(), shared=True))
    answer = solve(held, limits)
    if answer.status == "infeasible":
        return message("information.eev_impossible")
    if not len(answer.x):
        return message("information.eev_late", seconds=f"{limits.seconds:g}")
    return answer.objective * program.money_unit, answer.bound * program.money_unit


def value_of_stochastic(mean_value: tuple[float, float], recourse: tuple[float, float]) -> Bracketed:
    """VSS; each argument is (cost of the plan found, proven bound)."""
    note = message("information.vss", mean=_gap(mean_value), plan=_gap(recourse))
    return difference(mean_value, recourse, note)


def value_of_perfect(
    cost: FloatArray, bound: FloatArray, probability: FloatArray, recourse: tuple[float, float], seconds: float
) -> Bracketed:
    """EVPI. cost, bound: (F,) of planning each future knowing it, cost nan where no plan is known."""
    known = np.isfinite(cost)
    low = float(bound @ probability)
    # The stochastic plan is a plan for every future, too: together they cost no more than it does.
    high = float(cost @ probability) if known.all() else recourse[0]
    told = {"futures": len(cost), "seconds": f"{seconds:.3g}"}
    few = message("information.evpi", known=int(known.sum()), **told)
    note = message("information.evpi_all", **told) if known.all() else few
    value = apart(recourse[0], high if known.all() else low)
    return Bracketed(value, apart(recourse[1], high), apart(recourse[0], low), note)


def values_at_hand(
    plan: FloatArray,
    mean_plan: FloatArray | Message,
    plans: FloatArray,
    bound: FloatArray,
    mean_bound: FloatArray,
    probability: FloatArray,
) -> dict[str, Bracketed]:
    """VSS and EVPI of a large case, from plans that are there and from linear relaxations of single futures.

    plan, mean_plan: (F,) cost in each future planned for of the stochastic plan and of the plan for the mean future (or
    why there is none). plans: (n, F) of all plans: who knows the future takes the cheapest of them in each, which is a
    plan, if not the best one. bound: (F,) what no plan for a future can beat; mean_bound: what none can that keeps to
    the mean plan's early decisions (`known_bounds.py`).
    """
    p, low = probability, float(bound @ probability)
    recourse = (float(plan @ p), low)
    out: dict[str, Bracketed] = {}
    if isinstance(mean_plan, Message) or np.isposinf(mean_bound).any():
        none = float("nan")
        why = mean_plan if isinstance(mean_plan, Message) else message("information.eev_impossible")
        out["vss"] = Bracketed(none, none, none, why)
    else:
        least = np.maximum(mean_bound, bound)  # a relaxation that was cut off says nothing
        note = message("information.vss_at_hand", futures=len(p))
        out["vss"] = difference((float(mean_plan @ p), float(least @ p)), recourse, note)
    chosen = (float(plans.min(axis=0) @ p), low)
    note = message("information.evpi_at_hand", futures=len(p), plans=len(plans))
    out["evpi"] = difference(recourse, chosen, note)
    return out


def _gap(known: tuple[float, float]) -> str:
    gap = max(known[0] - known[1], 0.0) / max(abs(known[0]), 1e-9)
    if not math.isfinite(gap):
        return "∞"  # a plan was found before anything was proven
    return f"{math.ceil(round(1e4 * gap, 6)) / 100:.2f}%"  # rounded up: it is known to no less
