"""The plans of a comparison: in which order they are made, side by side, and which one begins from which.

A small case's plans are made by themselves, after the P50 plan of their world where they begin from it. A large one's
are made stage by stage: first what needs no other plan, then what one plan is near to (more capacity, or earlier), then
the two-stage rules, for which all plans so far are candidates, then the same in changed worlds. Who finds no plan in
its time is given the nearest one, held within its own limits (`planner.rules.neighbour`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from forecasts.words.note import Note
from planner.arrays import FloatArray
from planner.case.errors import PlanError, StoppedError
from planner.compare.known_bounds import lone_bounds
from planner.compare.store import Store, demand_key, evaluation_key, key_of, plan_key, world_key
from planner.evaluate.evaluation import evaluate_plans
from planner.plan import Plan
from planner.rules.rules import Begin, begins_from_median, plan_rule
from planner.rules.statistics import cvar, mean
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
from planner.scenarios.worlds import World
from planner.solve import Limits
from planner.solve.fanout import fan_out


@dataclass(frozen=True)
class NoPlan:
    """Why a scenario has no plan, in both languages. late: it was not found in time, and may be in more."""

    why: str
    late: bool


Made = Plan | NoPlan


@dataclass(frozen=True)
class Wish:
    """A plan to be made: of which rule, in which world, and whether that is a changed one."""

    rule: Rule
    world: World
    changed: bool


def plan_task(rule: Rule, world: World, limits: Limits, begin: Begin) -> Made:
    """Task of a worker process: the plan, or why there is none."""
    try:
        return plan_rule(rule, world, begin, limits=limits)
    except PlanError as error:
        chinese = "\n".join(str(one.told("zh-CN")) for one in error.faults)
        return NoPlan(Note(str(error), chinese), isinstance(error, StoppedError))


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
class _Task:
    """A wish and what there is to make it from."""

    wish: Wish
    begin: Begin


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
    _costs: dict[str, FloatArray] = field(default_factory=dict)

    def key(self, wish: Wish) -> str:
        """Under which a plan is kept."""
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
            tasks = [_Task(wanted[key], Begin(_plan(found.get(medians.get(key, ""))))) for key in batch]
            self._side_by_side(batch, tasks, found)

    def _from_each_other(self, wishes: Mapping[str, Wish], found: dict[str, Made]) -> None:
        """Stage by stage, each from those before it; who has none in the end is given one."""
        wanted = {key: wish for key, wish in wishes.items() if key not in found}
        for stage in sorted({stage_of(wish.rule, wish.changed) for wish in wanted.values()}):
            keys = [key for key, wish in wanted.items() if stage_of(wish.rule, wish.changed) == stage]
            self._side_by_side(keys, [self._task(wanted[key], wishes, found) for key in keys], found)
        late = [key for key in wanted if isinstance(made := found[key], NoPlan) and made.late]
        tasks = {key: self._task(wanted[key], wishes, found) for key in late}
        given = [key for key in late if tasks[key].begin.near]
        self._side_by_side(given, [tasks[key] for key in given], found, search=False)

    def _side_by_side(
        self, keys: Sequence[str], tasks: Sequence[_Task], found: dict[str, Made], *, search: bool = True
    ) -> None:
        """Make plans and add them to `found`. search: False to hold what is near by and no more."""
        sent = []
        for task in tasks:
            world = task.wish.world
            sketch = self.large and not world.futures.days.hourly
            known = self.bounds(world) if sketch and isinstance(task.wish.rule, Stochastic | Averse) else None
            light = replace(world, evaluation=world.median)
            begin = replace(task.begin, known=known, search=search, sketch=sketch)
            sent.append((task.wish.rule, light, self.limits, begin))
        for position, made in fan_out(self.executor, plan_task, sent, stop=self.stop):
            found[keys[position]] = made
            if isinstance(made, Plan):
                self.store.keep_plan(keys[position], made)
            self.tell(keys[position])

    def _task(self, wish: Wish, wishes: Mapping[str, Wish], found: Mapping[str, Made]) -> _Task:
        """What a wish begins from.

        In its own world: for the two-stage rules, of all plans there the one that is best by the rule's own measure on
        the futures it plans for, and for each of these futures the plan that is cheapest in it; for others the P50
        plan, or any. In a changed world without a plan: that of the same rule in the base world, or any of the base.
        """
        median = None
        if not isinstance(wish.rule, JustInTime):
            median = _plan(found.get(self.key(replace(wish, rule=JustInTime()))))
        own = world_key(wish.world)
        known = [(key, one, plan) for key, one in wishes.items() if (plan := _plan(found.get(key))) is not None]
        here = {key: plan for key, one, plan in known if world_key(one.world) == own}
        if here and isinstance(wish.rule, Stochastic | Averse):
            costs, p = self.rehearsed(wish.world, here), wish.world.futures.probability
            best = min(here, key=lambda key: _measure(wish.rule, costs[key], p))
            late = tuple(here[min(here, key=lambda key: costs[key][f])] for f in range(len(p)))
            return _Task(wish, Begin(median, (here[best],), late))
        if here:
            return _Task(wish, Begin(median, (median or next(iter(here.values())),)))
        base = [(one, plan) for _, one, plan in known if not one.changed]
        same = [plan for one, plan in base if one.rule == wish.rule]
        return _Task(wish, Begin(median, tuple((same or [plan for _, plan in base])[:1])))

    def rehearsed(self, world: World, plans: Mapping[str, Plan]) -> dict[str, FloatArray]:
        """(F,) cost by key of plans of one world on the futures that it plans for; each is dispatched there once."""
        demand = world.futures
        each = np.arange(demand.days.steps)  # no step merged further, regions with the same sites together
        keys = {key: evaluation_key(key, demand_key(demand), each) for key in plans}
        for kept_as in keys.values():
            if kept_as not in self._costs and (kept := self.store.evaluation(kept_as)) is not None:
                self._costs[kept_as] = kept.total
        new = [key for key in plans if keys[key] not in self._costs]
        if new:
            asked = [plans[key] for key in new]
            judged = evaluate_plans(world.case, asked, demand, self.executor, group=each, stop=self.stop)
            for key, found in zip(new, judged, strict=True):
                self._costs[keys[key]] = found.total
                self.store.keep_evaluation(keys[key], found)
        return {key: self._costs[keys[key]] for key in plans}

    def bounds(self, world: World) -> FloatArray:
        """(F,) proven bounds of the futures that a world plans for, each made once."""
        key = key_of(world_key(world), "bounds")
        if key not in self._costs:
            self._costs[key] = lone_bounds(world.case, world.futures, self)
        return self._costs[key]


def _measure(rule: Rule, costs: FloatArray, probability: FloatArray) -> float:
    """What a two-stage rule minimises. costs: (F,)."""
    average = mean(costs, probability)
    if isinstance(rule, Averse):
        return (1 - rule.weight) * average + rule.weight * cvar(costs, probability, rule.alpha)
    return average


def _plan(made: Made | None) -> Plan | None:
    return made if isinstance(made, Plan) else None
