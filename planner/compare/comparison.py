"""Build-ahead scenarios side by side: plan each, judge all on the same futures, and say what follows.

    comparison = compare(case, outlook, standard_scenarios(), Comparing(Limits(seconds=60), folder=Path("comparison")))
    comparison.summary["verdict"]["en"]

Work is spread over processes, or over the caller's executor. With a folder, every finished plan and evaluation is kept
by its content, so that a comparison that was cut off goes on where it was, and a second one of the same gives the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecasts.outlook import Outlook
from forecasts.words.note import run_on
from planner.arrays import IntArray
from planner.case import Case
from planner.case.file import case_hash
from planner.compare.choices import Bracketed
from planner.compare.informing import MEAN_VALUE, Informer
from planner.compare.making import Made, Maker, NoPlan, Wish, seconds_each
from planner.compare.rows import Outcome, comparison_tables
from planner.compare.store import Store, demand_key, evaluation_key, key_of, plan_key, world_key
from planner.compare.tables import COMPARISON_TABLES
from planner.compare.verdict import choices, verdict
from planner.demand import Demand
from planner.demand.horizon import DayRules
from planner.evaluate.evaluation import (
    Evaluation,
    evaluate,
    evaluate_plans,
    fitting_steps,
    merged_steps,
    merging_error,
    plan_world,
)
from planner.plan import Plan
from planner.plan.folders import results_in
from planner.plan.provenance import made_by
from planner.plan.saved import read_head, read_tables, write_json, write_tables
from planner.rules.rules import rule_notes
from planner.scenarios.scenario import Posed, Scenario, Stochastic, WaitAndSee, pose
from planner.scenarios.worlds import World, Worlds, merged_world
from planner.solve import Limits
from planner.solve.fanout import executor_or_pool
from planner.words.wording import noted

FORMAT = 1
COMPARISON_FILES = ("comparison.json", "tables", "report.html")
# Large cases are planned on so many steps a day here. Plans are judged on more: what a plan is for is its orders, and
# with the busiest hour by itself few steps tell those as well as many (docs/decisions/0072).
PLANNING_STEPS = 4
# Of a budget, the part that plans may take: dispatch and bounds take what they need, here about the rest.
_PLANS_PART = 0.75
Group = IntArray | None


@dataclass(frozen=True)
class Stage:
    """Where a comparison stands: `done` of `total` steps of one scenario's phase ("plan", "evaluate", "bound")."""

    scenario: str
    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class Comparison:
    """tables: by name, as `planner.compare.tables.COMPARISON_TABLES` says. summary: choices and verdict (JSON).

    plans: the scenarios' plans, by id; not saved here (they are in the comparison's folder, where there is one).
    """

    tables: Mapping[str, pd.DataFrame]
    summary: Mapping[str, Any]
    plans: Mapping[str, Plan] = field(default_factory=dict)

    def with_origin(self, origin: Mapping[str, Any]) -> Comparison:
        """The comparison with more said about where it comes from; what is None says nothing."""
        said = {name: value for name, value in origin.items() if value is not None}
        known = dict(self.summary.get("provenance", {}))
        return replace(self, summary={**self.summary, "provenance": known | said})

    def save(self, folder: Path) -> None:
        """Write comparison.json and every table as Parquet and CSV into `folder`, aside first and moved in whole."""
        with results_in(Path(folder), COMPARISON_FILES) as output:
            output.fill(self.write)

    def write(self, folder: Path) -> None:
        """What `save` writes, straight into a folder of one's own."""
        write_tables(folder, self.tables)
        write_json(folder / "comparison.json", {"format": FORMAT, "summary": self.summary})

    @classmethod
    def load(cls, folder: Path) -> Comparison:
        """Read what `save` wrote; ValueError when the folder holds no comparison of this format."""
        folder = Path(folder)
        head = read_head(folder, "comparison", FORMAT)
        tables = read_tables(folder, COMPARISON_TABLES)
        return cls(tables, head["summary"])


@dataclass(frozen=True)
class Comparing:
    """How a comparison is made.

    limits: of each plan; plans are made side by side, one thread each. evaluation_futures: how many of the outlook's,
    or a demand of one's own; without an outlook and with none given, the futures planned for are all there are and
    nothing is noise. steps: merged steps a day in the dispatch (None: every hour; auto: by size); what merging costs in
    accuracy is measured and told. executor: where tasks run (None: `processes` of our own). folder: where finished work
    is kept. budget_seconds: of plans, dispatch and values of information together: the plans have three quarters of it,
    divided over them, in place of the seconds of `limits`.
    """

    limits: Limits = field(default_factory=Limits)
    evaluation_futures: int | Demand | None = None
    steps: int | Literal["auto"] | None = "auto"
    days: DayRules | None = None
    executor: Executor | None = None
    processes: int | None = None
    folder: Path | None = None
    budget_seconds: float | None = None


def compare(
    case: Case,
    source: Outlook | Demand | None,
    scenarios: Sequence[Scenario],
    how: Comparing | None = None,
    *,
    on_progress: Callable[[Stage], None] | None = None,
    stop: threading.Event | None = None,
) -> Comparison:
    """Plan every scenario, dispatch all plans on the same evaluation futures, and lay them side by side.

    source: an outlook, demand arrays, or None for the demand that the case brings along (all its futures, whatever its
    own risk objective).

    A large case (whose hours are merged) is planned on `PLANNING_STEPS` steps a day, one plan beginning from another.
    A scenario that cannot be planned stands in the tables with the reason, and the others go on. Raises ScenarioError
    with every fault of the scenarios, PlanError where outlook and case do not fit, StoppedError after `stop`.
    """
    how = how or Comparing()
    limits = how.limits
    tell = on_progress or (lambda _stage: None)
    posed = pose(case, scenarios)
    store = Store(how.folder)
    with executor_or_pool(how.executor, how.processes or limits.threads) as pool:
        worlds = _worlds(case, Worlds(source, how.evaluation_futures, how.days, pool, stop), posed)
        base_id = _world_id(case, None)
        hourly = worlds[base_id]
        fitting = fitting_steps(hourly.case, hourly.median)
        group = merged_steps(hourly.case, hourly.median, fitting if how.steps == "auto" else how.steps)
        large = how.steps == "auto" and group is not None
        if large:
            few = merged_steps(hourly.case, hourly.median, PLANNING_STEPS)
            worlds = {key: world if few is None else merged_world(world, few) for key, world in worlds.items()}
        base = worlds[base_id]
        if how.budget_seconds is not None:
            seconds = seconds_each(posed, _PLANS_PART * how.budget_seconds, getattr(pool, "processes", 1), large=large)
            limits = replace(limits, seconds=seconds)
        work = _Work(case, pool, replace(limits, threads=1, executor=None), store, tell, stop, large)
        informed = len(base.futures) > 1 and any(
            isinstance(one.scenario.rule, Stochastic) and not one.changed for one in posed
        )
        plans, mean_plan, maker = work.plans(posed, worlds, base if informed else None)
        found = work.evaluations(posed, plans, worlds, group)
        outcomes = [
            work.judged(one, plan, evaluation, worlds[_of(one)])
            for one, plan, evaluation in zip(posed, plans, found, strict=True)
        ]
        with ThreadPoolExecutor(1) as beside:  # one long task, while many short ones go on
            measured = beside.submit(work.merge_error, base, outcomes, group, large=fitting is not None)
            information = work.informer.information(base, outcomes, mean_plan, maker)
            error = measured.result()
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
        "value_of_information": {name: _plain(known) for name, known in information.items()},
        "merged_steps": None if group is None else int(group.max()) + 1,
        "planned_steps": base.futures.days.steps if large else None,
        "merge_error": error,
        "limits": {"seconds": limits.seconds, "gap": limits.gap, "seed": limits.seed},
        "provenance": _origin(case, source, limits),
    }
    return Comparison(tables, summary, {o.scenario.id: o.plan for o in outcomes if o.plan is not None})


def _origin(case: Case, source: Outlook | Demand | None, limits: Limits) -> dict[str, Any]:
    """Of what case and forecast a comparison speaks, and how it was made (`planner.plan.provenance`)."""
    meta = case.meta
    out: dict[str, Any] = {
        "name": meta.name,
        "as_of": meta.as_of.isoformat(),
        "currency": meta.currency,
        "generated_demand": meta.generated_demand,
        "case": case_hash(case),
        "solve": limits.as_json(),
        **made_by(),
    }
    return out | ({"outlook": dict(source.provenance)} if isinstance(source, Outlook) else {})


def _plain(known: Bracketed) -> dict[str, float | None]:
    """A bracket in JSON: null where there is no value."""
    values = {name: getattr(known, name) for name in ("value", "low", "high")}
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def _world_id(own: Case, scenario: Scenario | None) -> str:
    change = None if scenario is None or scenario.demand.none else scenario.demand.model_dump(mode="json")
    return key_of(case_hash(own), change)


def _of(one: Posed) -> str:
    return _world_id(one.case, one.scenario)


def _worlds(case: Case, source: Worlds, posed: Sequence[Posed]) -> dict[str, World]:
    """Every world that a scenario lives in, the base among them, each made once."""
    out = {_world_id(case, None): source.world(case)}
    for one in posed:
        key = _of(one)
        if key not in out:
            out[key] = source.world(one.case, one.scenario.demand)
    return out


# --- the steps of a comparison ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """What the steps of one comparison share."""

    case: Case
    executor: Executor
    limits: Limits
    store: Store
    tell: Callable[[Stage], None]
    stop: threading.Event | None
    large: bool

    @property
    def informer(self) -> Informer:
        def tell(scenario: str, phase: str, done: int, total: int) -> None:
            self.tell(Stage(scenario, phase, done, total))

        return Informer(self.executor, self.limits, self.store, tell, self.stop, self.large)

    def plans(
        self, posed: Sequence[Posed], worlds: Mapping[str, World], informed: World | None
    ) -> tuple[list[Made | None], Made | None, Maker]:
        """A plan for every scenario in order, the reason where there is none, None for perfect information.

        Second: the plan for the mean future of the world `informed`, where one is given. Third: who made them.
        """
        wishes: dict[str, Wish] = {}
        names: dict[str, list[str]] = {}
        keys: list[str | None] = []
        for one in posed:
            if isinstance(one.scenario.rule, WaitAndSee):
                keys.append(None)
                continue
            wish = Wish(one.scenario.rule, self._world(one, worlds), one.changed)
            key = plan_key(world_key(wish.world), wish.rule, self.limits)
            keys.append(key)
            names.setdefault(key, []).append(one.scenario.id)
            wishes[key] = wish
        mean_key = "" if informed is None else plan_key(world_key(informed), MEAN_VALUE, self.limits)
        if informed is not None and mean_key not in names:
            names[mean_key] = ["mean value"]
            wishes[mean_key] = Wish(MEAN_VALUE, informed, False)

        def told(key: str, done: int = 1) -> None:
            for scenario in names.get(key, ()):
                self.tell(Stage(scenario, "plan", done, 1))

        for key in names:
            told(key, 0)
        maker = Maker(self.executor, self.limits, self.store, told, self.stop, self.large)
        found = maker.make(wishes)
        return [None if key is None else found[key] for key in keys], found.get(mean_key), maker

    def _world(self, one: Posed, worlds: Mapping[str, World]) -> World:
        return worlds[_of(one)]

    def evaluations(
        self, posed: Sequence[Posed], plans: Sequence[Made | None], worlds: Mapping[str, World], group: Group
    ) -> list[Evaluation | None]:
        """What every scenario's plan does on its world's evaluation futures; plans of one world go together."""
        keys: list[str | None] = []
        missing: dict[str, dict[str, tuple[Plan, list[str]]]] = {}
        found: dict[str, Evaluation] = {}
        for one, plan in zip(posed, plans, strict=True):
            if not isinstance(plan, Plan):
                keys.append(None)
                continue
            world = self._world(one, worlds)
            made = plan_key(world_key(world), one.scenario.rule, self.limits)
            key = evaluation_key(made, demand_key(world.evaluation), group)
            keys.append(key)
            kept = found.get(key) or self.store.evaluation(key)
            total = len(world.evaluation) * world.case.horizon.periods
            if kept is not None:
                found[key] = kept
                self.tell(Stage(one.scenario.id, "evaluate", total, total))
            else:
                waiting = missing.setdefault(_of(one), {})
                waiting.setdefault(key, (plan, []))[1].append(one.scenario.id)
        for name, waiting in missing.items():
            world = worlds[name]
            batch = key_of(sorted(waiting))
            scenarios = [scenario for _, ids in waiting.values() for scenario in ids]

            def on_done(done: int, total: int, scenarios: list[str] = scenarios) -> None:
                for scenario in scenarios:
                    self.tell(Stage(scenario, "evaluate", done, total))

            answers = evaluate_plans(
                world.case,
                [plan for plan, _ in waiting.values()],
                world.evaluation,
                self.executor,
                group=group,
                parts=self.store.parts(batch),
                on_done=on_done,
                stop=self.stop,
            )
            for key, answer in zip(waiting, answers, strict=True):
                found[key] = answer
                self.store.keep_evaluation(key, answer)
            self.store.drop_parts(batch)
        return [None if key is None else found[key] for key in keys]

    def judged(self, one: Posed, plan: Made | None, found: Evaluation | None, world: World) -> Outcome:
        """A scenario with its plan and what it does, or with the reason why there is none."""
        scenario, base = one.scenario, not one.changed
        if plan is None:
            # The proven bound, so that no rule can look better than knowing the future.
            bound = self.informer.perfect(scenario.id, plan_world(world.case), world.evaluation)[1]
            return Outcome(scenario, world.case, base, cost=bound)
        if isinstance(plan, NoPlan):
            note = noted("compare.late", seconds=f"{self.limits.seconds:g}") if plan.late else plan.why
            return Outcome(scenario, world.case, base, note=note, late=plan.late)
        return Outcome(scenario, world.case, base, plan, found, note=run_on(rule_notes(plan)))

    def merge_error(
        self, base: World, outcomes: Sequence[Outcome], group: IntArray | None, *, large: bool
    ) -> dict[str, Any] | None:
        """How far merged steps are from every hour, for the cheapest plan on the first few futures."""
        followed = [o for o in outcomes if o.followed]
        if group is None or not followed:
            return None
        best = min(followed, key=lambda o: float(o.evaluation.total @ o.evaluation.probability) if o.evaluation else 0)
        assert best.plan is not None
        assert best.evaluation is not None
        scenario, total = best.scenario.id, best.evaluation.total
        if large:
            # every hour of one period cost twice as much as all plans' merged days of it for twenty futures
            by_period = np.stack(list(best.evaluation.cost.values())).sum(axis=0)[0]
            dearest = [int(by_period.argmax())]
            one = base.evaluation.only([0])
            error = merging_error(best.plan, one, group, self.executor, dearest, by_period)
            return {"scenario": scenario, "futures": 1, "periods": len(dearest), "mean": error, "largest": abs(error)}
        sample = list(range(min(4, len(base.evaluation))))
        exact = evaluate(best.plan, base.evaluation.only(sample), self.executor, stop=self.stop)
        relative = total[sample] / exact.total - 1
        return {
            "scenario": scenario,
            "futures": len(sample),
            "periods": base.case.horizon.periods,
            "mean": float(relative.mean()),
            "largest": float(np.abs(relative).max()),
        }
