"""Questions answered by solving again: why not X, what if Y, what filling the valleys or resilience is worth."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import vstack

from planner.case import Case, Names, Resilience, WorkloadKind
from planner.case.errors import InfeasibleError, PlanError, Problem
from planner.demand import Demand
from planner.plan import Plan
from planner.planning import Amend, ProgressCall, plan_demand, warm_start
from planner.program.blocks import Builder, Program
from planner.program.registry import TERMS
from planner.scenarios.levers import Lever
from planner.scenarios.scenario import DemandChange, Scenario, pose
from planner.scenarios.worlds import changed_demand
from planner.solve import Limits
from planner.words.wording import Message, listed, message, wording


class Question(BaseModel):
    """Why not at least (or at most) so many modules of these orders?

    site, module_type, period (by number): None means any. modules: the count to force; at_least or at_most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str | None = None
    module_type: str | None = None
    period: int | None = None
    sense: str = Field("at_least", pattern="^(at_least|at_most)$")
    modules: int = Field(1, ge=0)

    def message(self, case: Case) -> Message:
        when = message("question.any_period")
        if self.period is not None and self.period < case.horizon.periods:
            when = message("question.arriving", period=case.horizon.period_label(self.period))
        return message(
            "question.orders",
            sense=message(f"question.{self.sense}"),
            modules=self.modules,
            type=self.module_type or message("question.any_type"),
            site=self.site or message("question.any_site"),
            when=when,
        )


@dataclass(frozen=True)
class Change:
    """How another plan differs from a plan.

    question: what was asked. cost: change of the objective; least, most: the range that both proven gaps leave for it.
    by_term: change of each cost term. orders: what is ordered more or less (site, module_type, arrival_period, before,
    after). impossible: why no such plan exists (then the rest is empty). All money in the case's currency, discounted.
    """

    question: Message
    cost: float
    least: float
    most: float
    by_term: Mapping[str, float]
    orders: pd.DataFrame
    plan: Plan | None
    impossible: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "question": self.question.said(wording("en")),
            "question_zh": self.question.said(wording("zh-CN")),
            "possible": not self.impossible,
            "cost": self.cost if self.plan else None,
            "least": self.least if self.plan else None,
            "most": self.most if self.plan else None,
            "by_term": dict(self.by_term),
            "orders": self.orders.to_dict("records"),
            "impossible": [str(p) for p in self.impossible],
        }


def difference(before: Plan, after: Plan, question: Message) -> Change:
    """Two plans side by side."""
    old, new = before.certificate, after.certificate
    terms = {t: after.summary["cost_by_term"][t] - before.summary["cost_by_term"][t] for t in TERMS}
    key = ["site", "module_type", "arrival_period"]
    first = before.tables["orders"].groupby(key)["modules"].sum().rename("before")
    second = after.tables["orders"].groupby(key)["modules"].sum().rename("after")
    both = pd.concat([first, second], axis=1).fillna(0).astype(int).sort_index().reset_index()
    moved = both[both["before"] != both["after"]].reset_index(drop=True)
    return Change(
        question,
        new["objective"] - old["objective"],
        new["bound"] - old["objective"],
        new["objective"] - old["bound"],
        terms,
        moved,
        after,
    )


def asked_again(
    plan: Plan,
    case: Case,
    question: Message,
    *,
    limits: Limits | None = None,
    demand: Demand | None = None,
    amend: Amend | None = None,
    from_plan: bool = False,
    on_progress: ProgressCall | None = None,
    stop: threading.Event | None = None,
) -> Change:
    """Another solve, set beside the plan: of `case`, on the plan's demand or `demand`.

    from_plan: begin from the plan's own decisions, which must keep to the limits of the other solve, too.
    """
    start = warm_start(plan) if from_plan else None
    try:
        after, _ = plan_demand(
            case,
            demand or plan.demand,
            limits=limits,
            amend=amend,
            on_progress=on_progress,
            stop=stop,
            start=start,
        )
    except InfeasibleError as reason:
        none = pd.DataFrame(columns=["site", "module_type", "arrival_period", "before", "after"])
        return Change(question, np.inf, np.inf, np.inf, {}, none, None, reason.problems)
    return difference(plan, after, question)


def why_not(
    plan: Plan,
    question: Question,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCall | None = None,
    stop: threading.Event | None = None,
) -> Change:
    """Solve again with the orders in question forced (or held down) and say what that changes.

    Raises PlanError when the question names what the case does not have.
    """
    case = plan.case
    sites, types = [s.id for s in case.sites], [k.id for k in case.module_types]
    problems = []
    if question.site is not None and question.site not in sites:
        problems.append(Problem("/site", question.site, f"one of {sites}"))
    if question.module_type is not None and question.module_type not in types:
        problems.append(Problem("/module_type", question.module_type, f"one of {types}"))
    if question.period is not None and not 0 <= question.period < case.horizon.periods:
        problems.append(Problem("/period", str(question.period), f"0 to {case.horizon.periods - 1}"))
    if problems:
        raise PlanError(problems)
    chosen = (
        slice(None) if question.site is None else sites.index(question.site),
        slice(None) if question.module_type is None else types.index(question.module_type),
        slice(None) if question.period is None else question.period,
    )

    def amend(program: Program) -> Program:
        orders = program.layout.columns["orders"]
        return with_order_total(
            program, [orders[b][chosen].ravel() for b in range(len(orders))], question.sense, question.modules
        )

    asked = question.message(case)
    return asked_again(plan, case, asked, limits=limits, amend=amend, on_progress=on_progress, stop=stop)


def with_order_total(program: Program, groups: list[np.ndarray], sense: str, count: float) -> Program:
    """The program with one row a branch: the sum of the given columns is at least, or at most, `count`."""
    rows = Builder()
    lower, upper = (count, np.inf) if sense == "at_least" else (-np.inf, count)
    index = rows.row("question", len(groups), lower=lower, upper=upper)
    rows.column_count = program.master.columns
    for row, columns in zip(index, groups, strict=True):
        rows.add(row, columns, 1.0)
    extra = rows.arrays()
    master = replace(
        program.master,
        matrix=vstack([program.master.matrix, extra.matrix]).tocsr(),
        row_lower=np.concatenate([program.master.row_lower, extra.row_lower]),
        row_upper=np.concatenate([program.master.row_upper, extra.row_upper]),
    )
    return replace(program, master=master)


def what_if(
    plan: Plan,
    patch: Mapping[str, Any] | None = None,
    *,
    levers: Sequence[Lever] = (),
    demand: DemandChange | None = None,
    limits: Limits | None = None,
    on_progress: ProgressCall | None = None,
    stop: threading.Event | None = None,
) -> Change:
    """The plan made again under a changed case: levers first, then a merge patch (RFC 7396), and changed demand.

    Raises ScenarioError with every fault of the changes.
    """
    changed = Scenario(
        id="what-if",
        names=Names(en="what if"),
        levers=list(levers),
        overrides=dict(patch or {}),
        demand=demand or DemandChange(),
    )
    case = pose(plan.case, [changed])[0].case
    asked = message("question.what_if", changes=described(changed))
    hours = changed_demand(case, plan.demand, changed.demand)
    return asked_again(plan, case, asked, limits=limits, demand=hours, on_progress=on_progress, stop=stop)


def described(changed: Scenario) -> Message:
    """What a scenario changes, in words."""
    parts = [one.message() for one in changed.levers]
    if changed.demand.multiplier != 1:
        parts.append(message("lever.demand", factor=changed.demand.multiplier))
    if changed.demand.growth != 1:
        parts.append(message("lever.growth", factor=changed.demand.growth))
    if changed.overrides:
        parts.append(message("lever.overrides", fields=", ".join(_paths(changed.overrides))))
    return listed(parts)


def _paths(patch: Mapping[str, Any], before: str = "") -> list[str]:
    """JSON Pointers of the fields that a merge patch sets."""
    out = []
    for name, value in patch.items():
        inner = isinstance(value, Mapping) and len(value) > 0
        out += _paths(value, f"{before}/{name}") if inner else [f"{before}/{name}"]
    return out


def without_filling(case: Case) -> Case:
    """The case in which nothing fills the valleys: deferrable work is done at once, gangs never yield."""

    def stiff(workload: Any) -> Any:
        if workload.kind is WorkloadKind.deferrable:
            return workload.model_copy(update={"window_hours": 1, "allowed_hours": None, "max_rate_factor": None})
        if workload.kind is WorkloadKind.training and workload.preemptible:
            return workload.model_copy(update={"preemptible": False, "max_yield_share": 0.0})
        return workload

    return case.model_copy(update={"workloads": [stiff(w) for w in case.workloads]})


@dataclass(frozen=True)
class Filling:
    """What filling the valleys is worth: modules not ordered and money not spent because work can wait or yield."""

    modules_avoided: int
    pflops_avoided: float
    cost_avoided: float
    change: Change

    def to_json(self) -> dict[str, Any]:
        return {
            "modules_avoided": self.modules_avoided,
            "pflops_avoided": self.pflops_avoided,
            "cost_avoided": self.cost_avoided,
            "change": self.change.to_json(),
        }


def value_of_filling(
    plan: Plan,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCall | None = None,
    stop: threading.Event | None = None,
) -> Filling:
    """Tide accounting (docs/model.md): a second solve with filling forbidden."""
    asked = message("question.no_filling")
    change = asked_again(plan, without_filling(plan.case), asked, limits=limits, on_progress=on_progress, stop=stop)
    if change.plan is None:
        return Filling(0, 0.0, np.inf, change)
    before, after = plan.tables["orders"], change.plan.tables["orders"]
    return Filling(
        int(after["modules"].sum() - before["modules"].sum()),
        float(after["pflops"].sum() - before["pflops"].sum()),
        change.cost,
        change,
    )


@dataclass(frozen=True)
class Surviving:
    """What surviving the loss of any one site costs; least, most: the range that both proofs leave for it.

    asked: whether the plan survives already (then the other plan need not), or the other one has to. workloads: that
    are still served. change: the other plan beside the plan; impossible where no plan survives.
    """

    asked: bool
    workloads: tuple[str, ...]
    cost: float
    least: float
    most: float
    change: Change

    def to_json(self) -> dict[str, Any]:
        possible = not self.change.impossible
        money = {"cost": self.cost, "least": self.least, "most": self.most}
        return {
            "asked": self.asked,
            "workloads": list(self.workloads),
            **{name: value if possible else None for name, value in money.items()},
            "change": self.change.to_json(),
        }


def cost_of_resilience(
    plan: Plan,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCall | None = None,
    stop: threading.Event | None = None,
) -> Surviving | None:
    """The case with and without `policy.resilience`: as it stands there, or for all online workloads.

    None for a case without online work.
    """
    own = plan.case.policy.resilience
    online = [w.id for w in plan.case.workloads if w.kind is WorkloadKind.online]
    if own is None and not online:
        return None
    other = Resilience(workloads=online) if own is None else None
    policy = plan.case.policy.model_copy(update={"resilience": other})
    asked = message("question.resilience" if own is None else "question.no_resilience")
    case = plan.case.model_copy(update={"policy": policy})
    change = asked_again(plan, case, asked, limits=limits, on_progress=on_progress, stop=stop)
    if own is None:
        return Surviving(False, tuple(online), change.cost, change.least, change.most, change)
    return Surviving(True, tuple(own.workloads), -change.cost, -change.most, -change.least, change)
