"""The plans of a comparison: in which order they are made, side by side, and which one begins from which.

A small case's plans are made by themselves, after the P50 plan of their world where they begin from it. A large one's
are made stage by stage: first what needs no other plan, then what one plan is near to (more capacity, or earlier), then
the two-stage rules, for which all plans so far are candidates, then the same in changed worlds. Who finds no plan in
its time is given the nearest one, held within its own limits (`planner.scenarios.neighbour`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np

from planner.errors import PlanError, StoppedError
from planner.evaluation import evaluate_plans
from planner.fanout import fan_out
from planner.plan import Plan
from planner.rules import begins_from_median, plan_rule
from planner.scenarios.scenario import (
    Averse,
    BringForward,
    JustInTime,
    MeanValue,
    Posed,
    QuantileOf,
    Ratio,
    Rule,
    Stochastic,
    WaitAndSee,
)
from planner.scenarios.statistics import cvar, mean
from planner.scenarios.store import Store, plan_key, world_key
from planner.scenarios.worlds import World
from planner.solve import Limits


@dataclass(frozen=True)
class NoPlan:
    """Why a scenario has no plan. late: it was not found in time, and may be in more."""

    why: str
    late: bool


Made = Plan | NoPlan


@dataclass(frozen=True)
class Wish:
    """A plan to be made: of which rule, in which world, and whether that is a changed one."""

    rule: Rule
    world: World
    changed: bool


def plan_task(
    rule: Rule,
    world: World,
    limits: Limits,
    median: Plan | None,
    near: Sequence[Plan] = (),
    search: bool = True,
    sketch: bool = False,
) -> Made:
    """Task of a worker process: the plan, or why there is none."""
    try:
        return plan_rule(rule, world, limits=limits, median=median, near=near, search=search, sketch=sketch)
    except PlanError as error:
        return NoPlan(str(error), isinstance(error, StoppedError))


def stage_of(rule: Rule, changed: bool) -> int:
    """When a large case's plan is made: the number of its stage, from 0."""
    first = 3 if changed else 0
    match rule:
        case Ratio() | BringForward() | QuantileOf():
            return first + 1
        case Stochastic() | Averse():
            return first + 2
    return first


def seconds_each(posed: Sequence[Posed], budget: float, processes: int, *, large: bool) -> float:
    """Seconds of one plan when all together take `budget` seconds on so many processes, at least one second.

    The plan for the mean future (VSS) is counted in. A stage waits for the last plan of the one before.
    """
    counts: dict[int, int] = {}
    stages = [
        stage_of(one.scenario.rule, one.changed) for one in posed if not isinstance(one.scenario.rule, WaitAndSee)
    ]
    for stage in [*stages, stage_of(MeanValue(kind="mean_value"), False)]:
        at = stage if large else 0
        counts[at] = counts.get(at, 0) + 1
    rounds = sum(-(-count // max(processes, 1)) for count in counts.values())
    return max(budget / rounds, 1.0)


@dataclass(frozen=True)
class Maker:
    """Makes plans side by side and keeps them in `store`. limits: of each, on one thread. tell: called with the key of
    a plan that was made, or was given up."""

    executor: Executor
    limits: Limits
    store: Store
    tell: Callable[[str], None]
    stop: threading.Event | None
    large: bool

    def key(self, wish: Wish) -> str:
        return plan_key(world_key(wish.world), wish.rule, self.limits)

    def make(self, wishes: Mapping[str, Wish]) -> dict[str, Made]:
        """A plan for every wish, by key, from the store where it was kept there; the reason where there is none."""
        found: dict[str, Made] = {}
        for key in wishes:
            kept = self.store.plan(key)
            if kept is not None:
                found[key] = kept
                self.tell(key)
        if self.large:
            self._from_each_other(wishes, found)
        else:
            self._by_themselves(wishes, found)
        return found

    def _by_themselves(self, wishes: Mapping[str, Wish], found: dict[str, Made]) -> None:
        """Those that begin from a world's P50 plan come after it."""
        wanted = {key: wish for key, wish in wishes.items() if key not in found}
        beginners = [world_key(wish.world) for wish in wanted.values() if begins_from_median(wish.rule)]
        medians: dict[str, str] = {}
        for key, wish in list(wanted.items()):
            median = self.key(replace(wish, rule=JustInTime()))
            if begins_from_median(wish.rule) and (median in found or beginners.count(world_key(wish.world)) > 1):
                medians[key] = median
                if median not in found:
                    wanted.setdefault(median, replace(wish, rule=JustInTime()))
        later = {key for key, median in medians.items() if key != median}
        for batch in ([key for key in wanted if key not in later], [key for key in wanted if key in later]):
            tasks = [(wanted[key], _plan(found.get(medians.get(key, ""))), (), True) for key in batch]
            self._side_by_side(batch, tasks, found)

    def _from_each_other(self, wishes: Mapping[str, Wish], found: dict[str, Made]) -> None:
        """Stage by stage, each from those before it; who has none in the end is given one."""
        wanted = {key: wish for key, wish in wishes.items() if key not in found}
        for stage in sorted({stage_of(wish.rule, wish.changed) for wish in wanted.values()}):
            keys = [key for key, wish in wanted.items() if stage_of(wish.rule, wish.changed) == stage]
            self._side_by_side(keys, [self._task(wanted[key], wishes, found) for key in keys], found)
        late = [key for key in wanted if isinstance(made := found[key], NoPlan) and made.late]
        tasks = {key: self._task(wanted[key], wishes, found, search=False) for key in late}
        given = [key for key in late if tasks[key][2]]
        self._side_by_side(given, [tasks[key] for key in given], found)

    def _side_by_side(
        self,
        keys: Sequence[str],
        tasks: Sequence[tuple[Wish, Plan | None, Sequence[Plan], bool]],
        found: dict[str, Made],
    ) -> None:
        """Make plans and add them to `found`. tasks: wish, P50 plan, plans near by, whether to search."""
        sent = [
            (
                wish.rule,
                replace(wish.world, evaluation=wish.world.median),
                self.limits,
                median,
                tuple(near),
                search,
                self.large and not wish.world.futures.days.hourly,
            )
            for wish, median, near, search in tasks
        ]
        for position, made in fan_out(self.executor, plan_task, sent, stop=self.stop):
            found[keys[position]] = made
            if isinstance(made, Plan):
                self.store.keep_plan(keys[position], made)
            self.tell(keys[position])

    def _task(
        self, wish: Wish, wishes: Mapping[str, Wish], found: Mapping[str, Made], *, search: bool = True
    ) -> tuple[Wish, Plan | None, Sequence[Plan], bool]:
        median = None
        if not isinstance(wish.rule, JustInTime):
            median = _plan(found.get(self.key(replace(wish, rule=JustInTime()))))
        return wish, median, self._near(wish, median, wishes, found), search

    def _near(
        self, wish: Wish, median: Plan | None, wishes: Mapping[str, Wish], found: Mapping[str, Made]
    ) -> list[Plan]:
        """The plan that a wish begins from: none, or one.

        In its own world: for the two-stage rules, of all plans there the one that is best by the rule's own measure on
        the futures it plans for; for others the P50 plan, or any. In a changed world without a plan: that of the same
        rule in the base world, or any of the base.
        """
        own = world_key(wish.world)
        known = [(one, plan) for key, one in wishes.items() if (plan := _plan(found.get(key))) is not None]
        here = [plan for one, plan in known if world_key(one.world) == own]
        if here and isinstance(wish.rule, Stochastic | Averse):
            worth = self._worth(wish, here) if len(here) > 1 else [0.0]
            return [here[int(np.argmin(worth))]]
        if here:
            return [median] if median is not None else here[:1]
        base = [(one, plan) for one, plan in known if not one.changed]
        same = [plan for one, plan in base if one.rule == wish.rule]
        return (same or [plan for _, plan in base])[:1]

    def _worth(self, wish: Wish, plans: Sequence[Plan]) -> list[float]:
        """By plan, what the wish's rule minimises, on the futures that it plans for."""
        demand = wish.world.futures
        each = np.arange(demand.days.steps)  # no step merged further, regions with the same sites together
        judged = evaluate_plans(wish.world.case, plans, demand, self.executor, group=each, stop=self.stop)
        costs = [(found.total, found.probability) for found in judged]
        if isinstance(wish.rule, Averse):
            weight, alpha = wish.rule.weight, wish.rule.alpha
            return [(1 - weight) * mean(cost, p) + weight * cvar(cost, p, alpha) for cost, p in costs]
        return [mean(cost, p) for cost, p in costs]


def _plan(made: Made | None) -> Plan | None:
    return made if isinstance(made, Plan) else None
