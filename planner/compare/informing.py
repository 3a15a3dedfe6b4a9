"""What knowing the future is worth in a comparison: VSS and EVPI, and planning every future with perfect information.

A small case is solved for it, within a time of its own (decision 0071); a large one's values come from the plans that
are there and from relaxations of single futures (decision 0076). Answers are kept in the comparison's store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.case import Case
from planner.case.file import case_hash
from planner.compare.choices import Bracketed
from planner.compare.information import (
    mean_value_cost,
    perfect_information,
    perfect_limits,
    value_of_perfect,
    value_of_stochastic,
    values_at_hand,
)
from planner.compare.known_bounds import lone_bounds
from planner.compare.making import Made, Maker, NoPlan, Wish
from planner.compare.rows import Outcome
from planner.compare.store import Store, demand_key, key_of, plan_key, world_key
from planner.demand import Demand
from planner.evaluate.evaluation import plan_world
from planner.plan import Plan
from planner.rules.neighbour import whole_of
from planner.scenarios.scenario import MeanValue, Stochastic
from planner.scenarios.worlds import World
from planner.solve import Limits
from planner.solve.fanout import fan_out
from planner.words.wording import Message, message

MEAN_VALUE, _STOCHASTIC = MeanValue(kind="mean_value"), Stochastic(kind="stochastic")
# The relaxation of a future has at least this time: it takes a few seconds, and says nothing unfinished.
_RELAXATION_S = 10.0


@dataclass(frozen=True)
class Informer:
    """limits: of a plan. tell: called with scenario, phase, how many are done, of how many. large: which way to go."""

    executor: Executor
    limits: Limits
    store: Store
    tell: Callable[[str, str, int, int], None]
    stop: threading.Event | None
    large: bool

    def perfect(self, scenario: str, case: Case, demand: Demand) -> tuple[FloatArray, FloatArray]:
        """(F,) cost (nan where unknown) and proven bound of planning every future with perfect information."""
        F = len(demand)
        if self.large:
            bounds = lone_bounds(
                case, demand, self, on_done=lambda done, total: self.tell(scenario, "bound", done, total)
            )
            return np.full(F, np.nan), bounds
        limits = perfect_limits(self.limits, F)
        key = key_of(case_hash(case), demand_key(demand), "perfect", limits.gap, limits.seconds)
        kept = self.store.value(key)
        if kept is not None:
            return np.array(kept["cost"], float), np.array(kept["bound"], float)
        tasks = [(case, demand.only([f]), limits) for f in range(F)]
        cost, bound = np.zeros(F), np.zeros(F)
        for done, (f, (value, low)) in enumerate(
            fan_out(self.executor, perfect_information, tasks, stop=self.stop), start=1
        ):
            cost[f], bound[f] = value[0], low[0]
            self.tell(scenario, "bound", done, F)
        known = [None if np.isnan(value) else value for value in cost.tolist()]
        self.store.keep_value(key, {"cost": known, "bound": bound.tolist()})
        return cost, bound

    def information(
        self, base: World, outcomes: Sequence[Outcome], mean_plan: Made | None, maker: Maker
    ) -> dict[str, Bracketed]:
        """VSS and EVPI on the futures that plans are optimised on, where a stochastic plan was made for the base."""
        plan = next((o.plan for o in outcomes if o.base and isinstance(o.scenario.rule, Stochastic) and o.plan), None)
        if plan is None or mean_plan is None:
            return {}
        if self.large:
            return self._at_hand(base, outcomes, mean_plan, maker)
        recourse = (float(plan.certificate["objective"]), float(plan.certificate["bound"]))
        out: dict[str, Bracketed] = {}
        known = self._mean_value(base, mean_plan)
        if isinstance(known, Message):
            none = float("nan")
            out["vss"] = Bracketed(none, none, none, known)
        else:
            out["vss"] = value_of_stochastic(known, recourse)
        cost, bound = self.perfect("perfect information", plan_world(base.case), base.futures)
        seconds = perfect_limits(self.limits, len(base.futures)).seconds
        out["evpi"] = value_of_perfect(cost, bound, base.futures.probability, recourse, seconds)
        return out

    def _at_hand(self, base: World, outcomes: Sequence[Outcome], mean_plan: Made, maker: Maker) -> dict[str, Bracketed]:
        """The same for a large case: all plans dispatched on the futures planned for, and bounds of single futures."""
        plans = {maker.key(Wish(o.scenario.rule, base, False)): o.plan for o in outcomes if o.base and o.plan}
        mean_key = maker.key(Wish(MEAN_VALUE, base, False))
        if isinstance(mean_plan, Plan):
            plans[mean_key] = mean_plan
        costs = maker.rehearsed(base, plans)
        bound = held = maker.bounds(base)
        told: FloatArray | Message
        if isinstance(mean_plan, Plan):
            told = costs[mean_key]
            seconds = max(self.limits.seconds, _RELAXATION_S)
            early = whole_of(mean_plan)
            held = lone_bounds(base.case, base.futures, self, held=early, seconds=seconds)
            self.tell("mean value", "evaluate", 1, 1)
        else:
            told = message("information.no_mean_plan", why=mean_plan.why)
        every, stochastic = np.stack(list(costs.values())), costs[maker.key(Wish(_STOCHASTIC, base, False))]
        return values_at_hand(stochastic, told, every, bound, held, base.futures.probability)

    def _mean_value(self, base: World, mean_plan: Made) -> tuple[float, float] | Message:
        """Cost and bound of the decisions made for the mean future, or why they are not known."""
        if isinstance(mean_plan, NoPlan):
            return message("information.no_mean_plan", why=mean_plan.why)
        key = key_of(plan_key(world_key(base), MEAN_VALUE, self.limits), "eev")
        kept = self.store.value(key)
        if kept is None:
            task = (base.case, base.futures, mean_plan, self.limits)
            kept = next(answer for _, answer in fan_out(self.executor, mean_value_cost, [task], stop=self.stop))
            self.tell("mean value", "evaluate", 1, 1)
            if isinstance(kept, Message):
                return kept
            self.store.keep_value(key, list(kept))
        return float(kept[0]), float(kept[1])
