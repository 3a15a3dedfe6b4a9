"""Decisions for one future of a large case, found fast: whole numbers on few days and one step, all in one piece.

Where large gangs rule, linear relaxations and cuts lie far below any plan, and what finds plans is branching on a
program that is small enough (decision 0014). In a comparison a plan is there for its orders alone, so that it may be
looked for on two days of one step a period; it is dispatched on all of them afterwards
(`planner.rules.neighbour.held_plan`), and its cost and its tables are those of that dispatch. How small was chosen
by measurement (docs/decisions/0073).

The search ends at the root of the tree or at its gap, whichever comes first, and so at the same place whatever the
machine does meanwhile, unless its time limit cuts in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.arrays import FloatArray
from planner.case import Case
from planner.case.compute import pflops_per_unit
from planner.demand import Demand, TypicalDays
from planner.plan.decisions import fixed, settled
from planner.program.blocks import Program, flatten
from planner.program.build import build_program
from planner.program.decisions import whole_decisions
from planner.program.tighten import tightened
from planner.rules.neighbour import Values, projected
from planner.solve import Limits, solve_lp
from planner.solve.native import Settings, run
from planner.solve.probing import probed
from planner.solve.tuning import TUNING

Amend = Callable[[Program], Program]

# A second look, on all days, where a plan has this time: it proves the bound, and may find a better plan.
_WHOLE_S = 90.0
_MOSTLY = 0.4
_HELD, _EARNEST_MODULES = ("campaign_place", "campaign_on"), 0.5


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
    amend: Amend | None = None,
    near: Values | None = None,
) -> Sketch:
    """Search for so many seconds at most, on one thread. demand: one future.

    First on two days a period; with `_WHOLE_S` or more then on all, whose bound is proven: steps taken together are
    a relaxation. amend: changes the program before it is solved (bounds of decisions, further columns). near: another
    plan's decisions, around which the first search stays (`around`).
    """
    begun = time.monotonic()
    few = busier_days(case, demand)
    program = _program(case, few, amend)
    values, bound = searched(program if near is None else around(program, near), limits, seconds)
    if few is not demand or near is not None:
        bound = -np.inf  # prices and power differ by day, so days taken together prove nothing
    found = [] if values is None else [values]
    if not np.isfinite(bound) and seconds >= _WHOLE_S:
        whole = _program(case, demand, amend)
        values, bound = searched(whole, limits, max(seconds - (time.monotonic() - begun), 1.0))
        found += [] if values is None else [values]
    if not found:
        values = rounded(case, few, amend)
        found += [] if values is None else [values]
    return Sketch(tuple(found), bound)


def _program(case: Case, demand: Demand, amend: Amend | None) -> Program:
    program = probed(tightened(build_program(case, demand, merge_steps=1, pooled=True)))
    return program if amend is None else amend(program)


def searched(program: Program, limits: Limits, seconds: float) -> tuple[Values | None, float]:
    """Whole decisions of one program and its bound (in the case's currency) by HiGHS: see the module."""
    arrays = flatten(program)
    gap = max(limits.gap, TUNING.root_gap)
    settings = Settings("highs", seconds=seconds, gap=gap, seed=limits.seed, node_limit=TUNING.root_nodes)
    answer = run(arrays, settings)
    bound = answer.bound * program.money_unit
    return None if answer.x is None else program.layout.values(np.round(answer.x), whole_decisions()), bound


def around(program: Program, near: Values) -> Program:
    """The program with campaigns held that run in `near`, and orders only of types at sites that it or the LP uses.

    Where and when campaigns run decides most of what else is worth doing; a search that need not find it again takes
    half the time, and rules whose plans agree on it are compared without the noise of it.
    """
    columns, master = program.layout.columns, program.master
    lower, upper = master.lower.copy(), master.upper.copy()
    runs = near["campaign_place"].max(axis=(2, 3), initial=0.0) > 0.5  # what does not run there may run here
    for name in _HELD:
        real = (columns[name] >= 0) & runs.reshape(*runs.shape, *[1] * (columns[name].ndim - 2))
        lower[columns[name][real]] = upper[columns[name][real]] = np.round(near[name][real])
    orders, on = columns["orders"], columns["order_on"]
    relaxed = solve_lp(flatten(replace(program, master=replace(master, lower=lower, upper=upper))))
    if relaxed.status != "optimal":
        return program
    used = (near["orders"] >= _EARNEST_MODULES) | (relaxed.x[orders] >= _EARNEST_MODULES)
    unused = ~used.any(axis=-1, keepdims=True) & (on >= 0)
    upper[orders[unused]] = upper[on[unused]] = 0.0
    return replace(program, master=replace(master, lower=lower, upper=upper))


def rounded(case: Case, demand: Demand, amend: Amend | None = None) -> Values | None:
    """The linear relaxation on one step a day in whole numbers: seconds of work, and a poor plan, but one.

    Each campaign goes where the relaxation has most of it and runs when it mostly does; the rest is the nearest to the
    relaxation that meets the limits (`planner.rules.neighbour.projected`). None where there is none.
    """
    program = _program(case, demand, amend)
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
    return projected(case, demand, program.layout.values(x, whole_decisions()))


def ranked(case: Case, demand: Demand, wanted: Sequence[Values]) -> list[Values]:
    """Whole decisions in the order of what they cost on two days of one step, by the case's own measure of risk.

    Several futures take a while to be dispatched on all days and steps: this says which decisions are worth it.
    """
    if len(wanted) < 2:
        return list(wanted)
    program = build_program(case, busier_days(case, demand), merge_steps=1, pooled=True)
    costs = [solve_lp(flatten(settled(fixed(program, values, whole_decisions())))).objective for values in wanted]
    return [wanted[i] for i in np.argsort(costs, kind="stable")]


def busier_days(case: Case, demand: Demand) -> Demand:
    """The same with two typical days a period: the busier ones as their mean, and the others as theirs.

    Days are parted where what is left of the spread of their work within the two is least (Fisher 1958, for two groups
    on a line), each day counting as often as it stands. As it is where a period has no more than two days.
    """
    weight = demand.days.weight
    T, D = weight.shape
    if D <= 2 or int((weight > 0).sum(axis=1).max()) <= 2:
        return demand
    need = pflops_per_unit(case)
    load = np.einsum("f,fwrtdh,h,w->td", demand.probability, demand.values, demand.days.step_hours, need)
    share = np.zeros((T, 2, D))
    for t in range(T):
        order = np.argsort(-load[t], kind="stable")
        order = order[weight[t, order] > 0]
        for part, members in enumerate(_parted(load[t], weight[t], order)):
            share[t, part, members] = weight[t, members]
    total = share.sum(axis=2)
    mean = share / np.where(total > 0, total, 1.0)[:, :, None]
    calendar = np.einsum("tnd,tdmk->tnmk", mean, demand.days.calendar)
    days = TypicalDays(("busier days", "other days"), total, demand.days.step_hours, calendar, demand.days.hourly)
    values = np.einsum("fwrtdh,tnd->fwrtnh", demand.values, mean)
    return replace(demand, days=days, values=values, course=demand.central)


def _parted(load: FloatArray, weight: FloatArray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`order` (days by falling load) cut in two where the spread within both parts is least."""

    def spread(days: np.ndarray) -> float:
        if not len(days):
            return 0.0
        w, x = weight[days], load[days]
        return float(w @ (x - w @ x / w.sum()) ** 2)

    cuts = range(1, len(order)) if len(order) > 1 else [len(order)]
    best = min(cuts, key=lambda k: spread(order[:k]) + spread(order[k:]))
    return order[:best], order[best:]
