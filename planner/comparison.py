"""Build-ahead scenarios side by side: plan each, judge all on the same futures, and say what follows (design.md §9).

    comparison = compare(case, outlook, standard_scenarios(), limits=Limits(seconds=60), folder=Path("comparison"))
    comparison.summary["verdict"]["en"]

Work is spread over processes, or over the caller's executor. With a folder, every finished plan and evaluation is kept
by its content, so that a comparison that was cut off goes on where it was, and a second one of the same gives the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecasts.outlook import Outlook
from planner.case import Case, Expected
from planner.casefile import case_hash
from planner.demand import Demand, FloatArray
from planner.errors import PlanError, Problem
from planner.evaluation import evaluate, fitting_steps, merged_steps, plan_world, wait_and_see
from planner.fanout import executor_or_pool, fan_out
from planner.horizon import DayRules
from planner.plan import Plan
from planner.program.blocks import IntArray
from planner.program.build import build_program
from planner.rules import plan_rule
from planner.saved import read_head, read_tables, write_json, write_tables
from planner.scenarios.choices import Bracketed, difference
from planner.scenarios.decisions import DECIDED, decisions_of, fixed
from planner.scenarios.scenario import MeanValue, Posed, Rule, Scenario, Stochastic, WaitAndSee, pose
from planner.scenarios.store import Store, demand_key, evaluation_key, key_of, plan_key, world_key
from planner.scenarios.tables import COMPARISON_TABLES, Outcome, comparison_tables
from planner.scenarios.verdict import choices, verdict
from planner.scenarios.worlds import World, make_world
from planner.solve import Limits, solve

FORMAT = 1
_FUTURES_PER_BOUND = 5


@dataclass(frozen=True)
class Stage:
    """Where a comparison stands: `done` of `total` steps of one scenario's phase ("plan", "evaluate", "bound")."""

    scenario: str
    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class Comparison:
    """tables: by name, as `planner.scenarios.tables.COMPARISON_TABLES` says. summary: choices and verdict (JSON).

    plans: the scenarios' plans, by id; not saved here (they are in the comparison's folder, where there is one).
    """

    tables: Mapping[str, pd.DataFrame]
    summary: Mapping[str, Any]
    plans: Mapping[str, Plan] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write comparison.json and every table as Parquet and CSV into `folder`."""
        folder = Path(folder)
        write_tables(folder, self.tables)
        write_json(folder / "comparison.json", {"format": FORMAT, "summary": self.summary})

    @classmethod
    def load(cls, folder: Path) -> Comparison:
        """Read what `save` wrote; ValueError when the folder holds no comparison of this format."""
        folder = Path(folder)
        head = read_head(folder, "comparison", FORMAT)
        tables = read_tables(folder, COMPARISON_TABLES)
        return cls(tables, head["summary"])


def compare(
    case: Case,
    source: Outlook | Demand | None,
    scenarios: Sequence[Scenario],
    *,
    limits: Limits | None = None,
    evaluation_futures: int | Demand | None = None,
    steps: int | Literal["auto"] | None = "auto",
    days: DayRules | None = None,
    executor: Executor | None = None,
    processes: int | None = None,
    folder: Path | None = None,
    on_progress: Callable[[Stage], None] | None = None,
    stop: threading.Event | None = None,
) -> Comparison:
    """Plan every scenario, dispatch all plans on the same evaluation futures, and lay them side by side.

    source: an outlook, demand arrays, or None for the demand that the case brings along (all its futures, whatever its
    own risk objective). limits: of each plan; plans are made side by side, one thread each. evaluation_futures: how
    many of the outlook's, or a demand of one's own; without an outlook and with none given, the futures planned for are
    all there are and nothing is noise. steps: merged steps a day in the dispatch (None: every hour; auto: by size);
    what merging costs in accuracy is measured and told. executor: where tasks run (None: `processes` of our own).
    folder: where finished work is kept.

    A scenario that cannot be planned stands in the tables with the reason, and the others go on. Raises ScenarioError
    with every fault of the scenarios, PlanError where outlook and case do not fit, StoppedError after `stop`.
    """
    limits = limits or Limits()
    tell = on_progress or (lambda stage: None)
    posed = pose(case, scenarios)
    store = Store(folder)
    worlds = _worlds(case, source, posed, evaluation_futures, days)
    with executor_or_pool(executor, processes or limits.threads) as pool:
        work = _Work(pool, replace(limits, threads=1, executor=None), store, tell, stop)
        plans = work.plans(posed, worlds)
        base = worlds[_world_id(case, case, None)]
        wanted = fitting_steps(base.case, base.median) if steps == "auto" else steps
        group = merged_steps(base.case, base.median, wanted)
        outcomes = [
            work.judged(one, plan, worlds[_of(one, case)], group) for one, plan in zip(posed, plans, strict=True)
        ]
        information = work.information(base, outcomes)
        error = work.merge_error(base, outcomes, group)
    tables = comparison_tables(base.case, base.evaluation, outcomes, information, sampled=base.apart, seed=limits.seed)
    futures = len(base.evaluation)
    currency = case.meta.currency
    summary: dict[str, Any] = {
        "case": case_hash(case),
        "currency": currency,
        "evaluation_futures": futures,
        "apart": base.apart,
        "choices": choices(tables),
        "verdict": verdict(tables, currency, futures, base.apart),
        "merged_steps": None if group is None else int(group.max()) + 1,
        "merge_error": error,
        "limits": {"seconds": limits.seconds, "gap": limits.gap, "seed": limits.seed},
    }
    found = {o.scenario.id: o.plan for o in outcomes if o.plan is not None}
    return Comparison(tables, summary, found)


def _world_id(case: Case, own: Case, scenario: Scenario | None) -> str:
    change = None if scenario is None or scenario.demand.none else scenario.demand.model_dump(mode="json")
    return key_of(case_hash(own), change)


def _of(one: Posed, case: Case) -> str:
    return _world_id(case, one.case, one.scenario)


def _worlds(
    case: Case,
    source: Outlook | Demand | None,
    posed: Sequence[Posed],
    futures: int | Demand | None,
    days: DayRules | None,
) -> dict[str, World]:
    """Every world that a scenario lives in, the base among them, each made once."""
    out = {_world_id(case, case, None): make_world(case, source, evaluation_futures=futures, days=days)}
    for one in posed:
        key = _of(one, case)
        if key not in out:
            out[key] = make_world(one.case, source, change=one.scenario.demand, evaluation_futures=futures, days=days)
    return out


# --- tasks of worker processes ---------------------------------------------------------------------------------------


def plan_task(rule: Rule, world: World, limits: Limits) -> Plan | str:
    """Task of a worker process: the plan, or why there is none."""
    try:
        return plan_rule(rule, world, limits=limits)
    except PlanError as error:
        return str(error)


def mean_value_task(case: Case, futures: Demand, mean_plan: Plan, limits: Limits) -> tuple[float, float] | str:
    """Task of a worker process: expected cost of deciding for the mean future and adapting afterwards (EEV).

    What is the same in every future is fixed as the mean-value plan has it; the rest is free. Birge and Louveaux §4.2.
    """
    program = build_program(case, futures)
    values = decisions_of(mean_plan).branch(0)
    answer = solve(fixed(program, values, DECIDED, shared=True), limits)
    if not len(answer.x):
        return f"no plan keeps the mean-value decisions ({answer.status})"
    return answer.objective * program.money_unit, answer.bound * program.money_unit


# --- the steps of a comparison ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """What the steps of one comparison share."""

    executor: Executor
    limits: Limits
    store: Store
    tell: Callable[[Stage], None]
    stop: threading.Event | None

    def plans(self, posed: Sequence[Posed], worlds: Mapping[str, World]) -> list[Plan | str | None]:
        """A plan for every scenario in order, the reason where there is none, None for perfect information."""
        found: dict[str, Plan | str] = {}
        wanted: dict[str, tuple[Rule, World]] = {}
        names: dict[str, list[str]] = {}
        keys: list[str | None] = []
        for one in posed:
            if isinstance(one.scenario.rule, WaitAndSee):
                keys.append(None)
                continue
            world = self._world(one, worlds)
            key = plan_key(world_key(world), one.scenario.rule, self.limits)
            keys.append(key)
            names.setdefault(key, []).append(one.scenario.id)
            kept = self.store.plan(key)
            if kept is not None:
                found[key] = kept
            elif key not in found:
                wanted[key] = (one.scenario.rule, world)
        for key, scenarios in names.items():
            for scenario in scenarios:
                self.tell(Stage(scenario, "plan", int(key in found), 1))
        order = list(wanted)
        tasks = [(rule, replace(world, evaluation=world.median), self.limits) for rule, world in wanted.values()]
        for position, plan in fan_out(self.executor, plan_task, tasks, stop=self.stop):
            key = order[position]
            found[key] = plan
            if isinstance(plan, Plan):
                self.store.keep_plan(key, plan)
            for scenario in names[key]:
                self.tell(Stage(scenario, "plan", 1, 1))
        return [None if key is None else found[key] for key in keys]

    @staticmethod
    def _world(one: Posed, worlds: Mapping[str, World]) -> World:
        change = one.scenario.demand
        return worlds[key_of(case_hash(one.case), None if change.none else change.model_dump(mode="json"))]

    def judged(self, one: Posed, plan: Plan | str | None, world: World, group: IntArray | None) -> Outcome:
        """What a scenario's plan does on its world's evaluation futures."""
        scenario, base = one.scenario, not one.changed
        if plan is None:
            cost = self.perfect(scenario.id, plan_world(world.case), world.evaluation)[0]
            return Outcome(scenario, world.case, base, cost=cost)
        if isinstance(plan, str):
            return Outcome(scenario, world.case, base, note=plan)
        key = evaluation_key(
            plan_key(world_key(world), scenario.rule, self.limits), demand_key(world.evaluation), group
        )
        found = self.store.evaluation(key)
        if found is None:
            found = evaluate(
                plan,
                world.evaluation,
                self.executor,
                group=group,
                on_done=lambda done, total: self.tell(Stage(scenario.id, "evaluate", done, total)),
                stop=self.stop,
            )
            self.store.keep_evaluation(key, found)
        total = len(world.evaluation) * world.case.horizon.periods
        self.tell(Stage(scenario.id, "evaluate", total, total))
        note = "; ".join(w for w in plan.warnings if "cannot be built by then" in w or "limits on orders" in w)
        return Outcome(scenario, world.case, base, plan, found, note=note)

    def perfect(self, scenario: str, case: Case, demand: Demand) -> tuple[FloatArray, FloatArray]:
        """(F,) cost and proven bound of planning every future with perfect information."""
        key = key_of(case_hash(case), demand_key(demand), "perfect", self.limits.gap, self.limits.seconds)
        kept = self.store.value(key)
        if kept is not None:
            return np.array(kept["cost"]), np.array(kept["bound"])
        F = len(demand)
        chunks = [range(a, min(a + _FUTURES_PER_BOUND, F)) for a in range(0, F, _FUTURES_PER_BOUND)]
        tasks = [(case, demand.only(chunk), self.limits) for chunk in chunks]
        cost, bound = np.zeros(F), np.zeros(F)
        finished = 0
        for position, (value, low) in fan_out(self.executor, wait_and_see, tasks, stop=self.stop):
            cost[chunks[position]], bound[chunks[position]] = value, low
            finished += len(chunks[position])
            self.tell(Stage(scenario, "bound", finished, F))
        self.store.keep_value(key, {"cost": cost.tolist(), "bound": bound.tolist()})
        return cost, bound

    def information(self, base: World, outcomes: Sequence[Outcome]) -> dict[str, Bracketed]:
        """VSS and EVPI on the futures that plans are optimised on, where a stochastic plan was made for the base."""
        plan = next((o.plan for o in outcomes if o.base and isinstance(o.scenario.rule, Stochastic) and o.plan), None)
        if plan is None or len(base.futures) < 2:
            return {}
        recourse = (float(plan.certificate["objective"]), float(plan.certificate["bound"]))
        out: dict[str, Bracketed] = {}
        key = plan_key(world_key(base), MeanValue(kind="mean_value"), self.limits)
        kept = self.store.value(key_of(key, "eev"))
        if kept is None:
            light = replace(base, evaluation=base.median)
            made = self.store.plan(key) or self._one(plan_task, (MeanValue(kind="mean_value"), light, self.limits))
            if isinstance(made, Plan):
                self.store.keep_plan(key, made)
                kept = self._one(mean_value_task, (base.case, base.futures, made, self.limits))
                if not isinstance(kept, str):
                    self.store.keep_value(key_of(key, "eev"), list(kept))
        if kept is not None and not isinstance(kept, str):
            # The mean-value decisions are what they are: their cost is known up to the recourse's own gap.
            out["vss"] = difference((kept[0], kept[1]), recourse)
        alone = base.case.model_copy(
            update={
                "horizon": base.case.horizon.model_copy(update={"commit_periods": None}),
                "risk": base.case.risk.model_copy(update={"objective": Expected()}),
            }
        )
        cost, bound = self.perfect("wait_and_see", alone, base.futures)
        p = base.futures.probability
        out["evpi"] = difference(recourse, (float(cost @ p), float(bound @ p)))
        return out

    def _one(self, function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
        for _, answer in fan_out(self.executor, function, [task], stop=self.stop):
            return answer
        raise PlanError([Problem("comparison", "no answer", "an executor that runs its tasks")])

    def merge_error(self, base: World, outcomes: Sequence[Outcome], group: IntArray | None) -> dict[str, Any] | None:
        """How far merged steps are from every hour, for the cheapest plan on the first few futures."""
        followed = [o for o in outcomes if o.followed]
        if group is None or not followed:
            return None
        best = min(followed, key=lambda o: float(o.evaluation.total @ o.evaluation.probability) if o.evaluation else 0)
        assert best.plan is not None
        assert best.evaluation is not None
        # Every hour of a large case costs as much as a hundred merged days: one future has to do.
        large = fitting_steps(base.case, base.median) is not None
        sample = list(range(min(1 if large else 4, len(base.evaluation))))
        exact = evaluate(best.plan, base.evaluation.only(sample), self.executor, stop=self.stop)
        relative = best.evaluation.total[sample] / exact.total - 1
        return {
            "scenario": best.scenario.id,
            "futures": len(sample),
            "mean": float(relative.mean()),
            "largest": float(np.abs(relative).max()),
        }
