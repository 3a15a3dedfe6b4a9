"""What a change of a case is worth: the case planned again with it, and the two costs set beside each other.

Two ways, each with the same freedom on both sides: everything planned again in whole numbers, with proven bounds; or,
where that takes too long, one linear program with openings, places and charges of orders, gangs and campaigns as in
the plan, and the sizes of orders, phases, leases and departures free, in fractions.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from planner.case import Case
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed
from planner.planning import warm_start
from planner.planning.elastic import closed
from planner.planning.relax import service_slack
from planner.program.blocks import Program, flatten
from planner.program.build import build_program
from planner.program.decisions import held_for_prices
from planner.program.tighten import tightened
from planner.solve import Limits, Linear, Progress, Solution, WarmStart, solve, solve_lp
from planner.solve.limits import RouteName
from planner.solve.one_piece import fixed as whole_fixed

# As near as solvers prove it: what moves less than this is not told apart from nothing.
PROVEN_GAP = 2e-6
_DECOMPOSED_COLUMNS = 5_000
# Hours are merged where the linear program would be larger.
_MOST_COLUMNS = 250_000


@dataclass(frozen=True)
class Value:
    """Cost of the best plan found and what no plan can cost less than, in the case's currency. cost is infinite where
    none was found; `impossible` where none exists.
    """

    cost: float
    bound: float
    impossible: bool = False

    @property
    def known(self) -> bool:
        """Whether there is an answer."""
        return self.impossible or math.isfinite(self.cost)


Enough = Callable[[Value], bool]
"""Whether a plan and a bound, not brought together yet, tell what is asked."""


def never(_value: Value) -> bool:
    """It goes on to the end."""
    return False


class Pricing(Protocol):
    """One way of planning a case again. enough: it may end there."""

    way: str
    base: Value
    steps: int

    def value(self, case: Case, enough: Enough = never) -> Value:
        """Cost of the case and its bound, money."""

    def duals(self) -> list[tuple[Program, Linear]]:
        """Programs with their linear solutions, from which candidates are read."""


class Replanned:
    """Everything planned again, proven to `PROVEN_GAP` where the time allows it."""

    way = "whole"

    def __init__(self, plan: Plan, deadline: float, stop: threading.Event | None = None) -> None:
        self._plan, self._deadline, self._stop = plan, deadline, stop
        self.steps = plan.demand.days.steps
        self._program = self._build(plan.case)
        self._solution = self._solve(plan.case, self._program, warm_start(plan))
        self.base = self._told(self._program, self._solution)

    def until(self, deadline: float) -> None:
        """When planning again ends from now on."""
        self._deadline = deadline

    @property
    def proven(self) -> bool:
        """Whether the plan at hand is near enough to the best for its prices to mean anything."""
        return self._solution.gap <= 5 * PROVEN_GAP and self.base.known

    def _build(self, case: Case, steps: int | None = None, *, mean_day: bool = False, loose: bool = False) -> Program:
        demand = self._plan.demand.mean_day() if mean_day else self._plan.demand
        return tightened(build_program(case, demand, merge_steps=steps, pooled=loose))

    def _solve(self, case: Case, program: Program, start: WarmStart | None, enough: Enough = never) -> Solution:
        seconds = max(self._deadline - time.monotonic(), 1.0)
        # Small programs are proven before worker processes start.
        size = program.master.columns + sum(len(b.cost) for b in program.blocks)
        route: RouteName = "benders" if size > _DECOMPOSED_COLUMNS and len(program.blocks) > 1 else "auto"
        limits = Limits(seconds=seconds, gap=PROVEN_GAP, route=route)

        def coarse(steps: int, mean_day: bool = False, loose: bool = False) -> Program:
            return self._build(case, steps, mean_day=mean_day, loose=loose)

        ended, unit = threading.Event(), program.money_unit

        def told(progress: Progress) -> None:
            stopped = self._stop is not None and self._stop.is_set()
            if stopped or enough(Value(progress.objective * unit, progress.bound * unit)):
                ended.set()

        return solve(program, limits, on_progress=told, stop=ended, start=start, coarse=coarse)

    @staticmethod
    def _told(program: Program, found: Solution) -> Value:
        if found.status == "infeasible":
            return Value(np.inf, np.inf, impossible=True)
        unit = program.money_unit
        if not len(found.x) or service_slack(program, found.blocks):
            return Value(np.inf, found.bound * unit)
        return Value(found.objective * unit, found.bound * unit)

    def value(self, case: Case, enough: Enough = never) -> Value:
        """See `Pricing`."""
        program = self._build(case)
        return self._told(program, self._solve(case, program, self._carried(program), enough))

    def _carried(self, program: Program) -> WarmStart:
        """The plan of the case as it stands, for a program that may have other columns.

        Without its cuts: beginning from them, the decomposition now and then ends at .9 % where it proves 1e-6 without.
        """
        own, other = self._program.layout.columns, program.layout.columns
        x = np.zeros(program.master.columns)
        for name, index in other.items():
            before = own.get(name)
            if before is not None and before.shape == index.shape:
                both = (index >= 0) & (before >= 0)
                x[index[both]] = self._solution.x[before[both]]
        return WarmStart(x)

    def duals(self) -> list[tuple[Program, Linear]]:
        """Prices of two linear programs: all whole numbers as found, and only those of `held_for_prices`."""
        plain = build_program(self._plan.case, self._plan.demand)
        flat = flatten(plain)
        x = np.concatenate([self._solution.x, *self._solution.blocks])
        return [(plain, solve_lp(whole_fixed(flat, x))), (plain, solve_lp(flatten(priced_program(plain, self._plan))))]


class Fractional:
    """One linear program, whole decisions as in the plan, sizes of orders free; large cases with merged hours."""

    way = "fractions"

    def __init__(self, plan: Plan, deadline: float, most_columns: int = _MOST_COLUMNS) -> None:
        self._plan, self._deadline = plan, deadline
        self._merged: int | None = None
        for steps in (None, 12, 6, 3, 1):
            program = build_program(plan.case, plan.demand, merge_steps=steps)
            self._merged = steps
            if sum(len(b.cost) for b in program.blocks) + program.master.columns <= most_columns:
                break
        self.steps = plan.demand.days.steps if self._merged is None else self._merged
        self._program = priced_program(program, plan)
        self.linear = self._solve(self._program)
        self.base = self._told(self._program, self.linear)

    @staticmethod
    def _told(program: Program, found: Linear) -> Value:
        if found.status == "optimal":
            return Value(found.objective * program.money_unit, found.objective * program.money_unit)
        return Value(np.inf, -np.inf, impossible=found.status == "infeasible")

    def value(self, case: Case, _enough: Enough = never) -> Value:
        """See `Pricing`."""
        program = priced_program(build_program(case, self._plan.demand, merge_steps=self._merged), self._plan)
        return self._told(program, self._solve(program))

    def _solve(self, program: Program) -> Linear:
        return solve_lp(closed(program), seconds=max(self._deadline - time.monotonic(), 1.0))

    def duals(self) -> list[tuple[Program, Linear]]:
        """See `Pricing`."""
        return [(self._program, self.linear)]


def priced_program(program: Program, plan: Plan) -> Program:
    """The program with yes-or-no decisions as planned and the sizes of orders free of tightening bounds."""
    values = decisions_of(plan).values
    held = fixed(program, values, [n for n in held_for_prices() if n in program.layout.columns])
    master = held.master
    upper, row_upper = master.upper.copy(), master.row_upper.copy()
    orders, on = program.layout.columns["orders"], program.layout.columns["order_on"]
    placed = np.broadcast_to(values["order_on"], on.shape) > 0.5
    upper[orders] = np.where(upper[orders] > 0, np.inf, 0.0)
    upper[orders[(on >= 0) & ~placed]] = 0.0
    found, cheaper = program.inst.agreements, program.layout.columns["discounted"]
    every = np.ones_like(values["orders"][:, :1])
    cheap = np.broadcast_to(found.discounted(every, values["break_reached"]), cheaper.shape) > 0.5
    upper[cheaper[(cheaper >= 0) & ~cheap]] = 0.0
    for group in program.layout.rows.values():
        if group.family in ("order_charge", "break_held"):
            row_upper[group.index] = np.inf
    return replace(held, master=replace(master, upper=upper, row_upper=row_upper))
