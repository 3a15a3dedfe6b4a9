"""Questions answered by solving again: why not X, what if Y, what filling the valleys or resilience is worth."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import vstack

from forecasts.fault import Fault
from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import Case, Names, Resilience, WorkloadKind
from planner.case.errors import InfeasibleError, PlanError, StoppedError
from planner.demand import Demand
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed, settled
from planner.planning import Amend, ProgressCall, finish, plan_demand
from planner.planning.elastic import closed
from planner.program.blocks import Builder, Program
from planner.program.build import build_program
from planner.program.decisions import completed, whole_decisions
from planner.program.departures import find_departures
from planner.program.registry import TERMS
from planner.scenarios.levers import Lever
from planner.scenarios.scenario import DemandChange, Scenario, pose
from planner.scenarios.worlds import changed_demand
from planner.solve import Limits, Solution, WarmStart, solve_lp
from planner.solve.one_piece import split
from planner.words.wording import Message, Wording, listed, message, wording

_KEY = ["site", "module_type", "arrival_period"]
_GONE = ["site", "module_type", "to_site", "period"]
# Up to so many columns the plan's own decisions are dispatched where a question is asked: a few seconds.
_HELD_COLUMNS = 120_000


class Question(BaseModel):
    """Why not at least (or at most) so many modules of these orders, or of these departures?

    site (that they leave), module_type, period (by number: of arrival, or in which they leave): None means any.
    modules: the count to force; at_least or at_most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str | None = None
    module_type: str | None = None
    period: int | None = None
    sense: str = Field("at_least", pattern="^(at_least|at_most)$")
    modules: int = Field(1, ge=0)
    decision: Literal["orders", "departures"] = "orders"

    def message(self, case: Case) -> Message:
        ordered = self.decision == "orders"
        when = message("question.any_period")
        if self.period is not None and self.period < case.horizon.periods:
            key = "question.arriving" if ordered else "question.leaving"
            when = message(key, period=case.horizon.period_label(self.period))
        return message(
            f"question.{self.decision}",
            modules=self.modules,
            sense=message(f"question.{'' if ordered else 'leave_'}{self.sense}"),
            type=self.module_type or message("question.any_type"),
            site=self.site or message("question.any_site"),
            when=when,
        )

    def cells(self, case: Case) -> BoolArray:
        """(S, K, T), or (E, T) for departures: the decisions in question."""
        sites, types = [s.id for s in case.sites], [k.id for k in case.module_types]
        if self.decision == "orders":
            of_site, of_type = np.indices((len(sites), len(types)))
        else:
            gone = find_departures(case)
            of_site, of_type = gone.site, gone.kind
        here = np.ones(of_site.shape, bool)
        if self.site is not None:
            here &= of_site == sites.index(self.site)
        if self.module_type is not None:
            here &= of_type == types.index(self.module_type)
        t = np.arange(case.horizon.periods)
        return np.asarray(here[..., None] & ((t == self.period) if self.period is not None else np.ones(len(t), bool)))


@dataclass(frozen=True)
class Change:
    """How another plan differs from a plan.

    question: what was asked. cost: change of the objective, of the plan at hand and the other one; least, most: the
    range that both proofs leave for the change of the best plans. by_term: change of each cost term. orders: what is
    ordered more or less (site, module_type, arrival_period, before, after); departures: what leaves more or less (site,
    module_type, to_site, period, before, after). interchangeable: those orders differ by
    less than the proofs can tell apart. already: the plan at hand does what is asked (nothing changes). impossible: why
    no such plan exists (then the rest is empty). All money in the case's currency, discounted.
    """

    question: Message
    cost: float
    least: float
    most: float
    by_term: Mapping[str, float]
    orders: pd.DataFrame
    plan: Plan | None
    impossible: tuple[Fault, ...] = ()
    interchangeable: bool = False
    already: bool = False
    departures: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*_GONE, "before", "after"]))

    def sentence(self, words: Wording, currency: str) -> str:
        """The answer in one sentence, with the range that the proofs leave."""
        question = self.question.said(words)
        if self.plan is None:
            return words("ask.impossible", question=question)
        question = words.sentence(question)
        if self.already:
            return words("ask.already", question=question)
        sure = self.least > 0 or self.most < 0
        kind = "ask.unclear" if not sure else "ask.dearer" if self.cost > 0 else "ask.cheaper"
        cost = words.money(abs(self.cost) if sure else self.cost, currency)
        return words(kind, question=question, cost=cost, **_range(words, currency, self.least, self.most, kind))

    def to_json(self) -> dict[str, Any]:
        money = {"cost": self.cost, "least": self.least, "most": self.most}
        return {
            "question": self.question.said(wording("en")),
            "question_zh": self.question.said(wording("zh-CN")),
            "possible": not self.impossible,
            "already": self.already,
            **{name: value if math.isfinite(value) else None for name, value in money.items()},
            "by_term": dict(self.by_term),
            "orders": self.orders.to_dict("records"),
            "departures": self.departures.to_dict("records"),
            "interchangeable": self.interchangeable,
            "impossible": [str(p) for p in self.impossible],
            "impossible_zh": [str(p.told("zh-CN")) for p in self.impossible],
        }


def _range(words: Wording, currency: str, least: float, most: float, kind: str = "") -> dict[str, str]:
    """What the proofs leave open, rounded outwards; of what costs less it is said by how much."""
    if kind == "ask.cheaper":
        least, most = -most, -least
    return {
        "least": words.money(least, currency, rounded="down"),
        "most": words.money(most, currency, rounded="up"),
    }


def orders_apart(before: Plan, after: Plan) -> pd.DataFrame:
    """Orders that differ: site, module_type, arrival_period, modules before and after."""
    return _apart(before, after, "orders", _KEY)


def _apart(before: Plan, after: Plan, table: str, key: list[str]) -> pd.DataFrame:
    first = before.tables[table].groupby(key)["modules"].sum().rename("before")
    second = after.tables[table].groupby(key)["modules"].sum().rename("after")
    both = pd.concat([first, second], axis=1).fillna(0).astype(int).sort_index().reset_index()
    return both[both["before"] != both["after"]].reset_index(drop=True)


def difference(before: Plan, after: Plan, question: Message, *, monotone: int = 0, held: float = np.inf) -> Change:
    """Two plans side by side.

    monotone: 1 where the other plan keeps every limit of the first one's case and more, so that the best one cannot
    cost less; -1 where it keeps fewer. held: what the first plan's own decisions cost where the other one was made
    (infinite where they cannot be had): orders that save less than the other plan's proof leaves open are
    interchangeable.
    """
    old, new = before.certificate, after.certificate
    terms = {t: after.summary["cost_by_term"][t] - before.summary["cost_by_term"][t] for t in TERMS}
    least, most = new["bound"] - old["objective"], new["objective"] - old["bound"]
    if monotone > 0:  # what meets more limits is a plan of the first case, too
        least, most = max(new["bound"] - min(old["objective"], new["objective"]), 0.0), max(most, 0.0)
    if monotone < 0:
        least, most = min(least, 0.0), min(min(old["objective"], new["objective"]) - old["bound"], 0.0)
    apart = orders_apart(before, after)
    unproven = new["objective"] - new["bound"] + 1e-9 * abs(new["objective"])
    alike = held - new["objective"] <= unproven or (monotone > 0 and least <= 0)
    cost = new["objective"] - old["objective"]
    gone = _apart(before, after, "departures", _GONE)
    alike = bool(alike and (len(apart) or len(gone)))
    return Change(question, cost, least, most, terms, apart, after, interchangeable=alike, departures=gone)


def asked_again(
    plan: Plan,
    case: Case,
    question: Message,
    *,
    limits: Limits | None = None,
    demand: Demand | None = None,
    amend: Amend | None = None,
    monotone: int = 0,
    start: Mapping[str, FloatArray] | None = None,
    on_progress: ProgressCall | None = None,
    stop: threading.Event | None = None,
) -> Change:
    """Another solve, set beside the plan: of `case`, on the plan's demand or `demand`.

    The plan's own decisions are offered as a start, and kept where nothing better is found. monotone: see
    `difference`. start: decisions to offer in their place (by name, as `planner.plan.decisions`).
    """
    hours = demand or plan.demand
    values = start if start is not None else decisions_of(plan).values
    kept = held_solution(case, hours, values, amend)
    try:
        after, _ = plan_demand(
            case,
            hours,
            limits=limits,
            amend=amend,
            on_progress=on_progress,
            stop=stop,
            start=None if kept is None else WarmStart(kept[1].x),
        )
    except InfeasibleError as reason:
        none = pd.DataFrame(columns=[*_KEY, "before", "after"])
        return Change(question, np.inf, np.inf, np.inf, {}, none, None, reason.faults)
    except StoppedError:
        if kept is None:
            raise
        after = finish(case, hours, kept[0], replace(kept[1], bound=-np.inf))
        return difference(plan, after, question, monotone=monotone)
    held = np.inf
    if kept is not None:
        program, found = kept
        held = found.objective * program.money_unit
        # No worse than what was found: then nothing has to change.
        if held <= after.certificate["objective"] * (1 + 1e-9) + 1e-9:
            after = finish(case, hours, program, replace(found, bound=after.certificate["bound"] / program.money_unit))
    return difference(plan, after, question, monotone=monotone, held=held if start is None else np.inf)


def held_solution(
    case: Case, demand: Demand, values: Mapping[str, FloatArray], amend: Amend | None = None
) -> tuple[Program, Solution] | None:
    """The program with these decisions, dispatched at least cost; None where they cannot be had, or it is large."""
    program = build_program(case, demand)
    if program.master.columns + sum(len(b.cost) for b in program.blocks) > _HELD_COLUMNS:
        return None
    if amend is not None:
        program = amend(program)
    names = [name for name in whole_decisions() if name in program.layout.columns]
    for name in names:
        if not _fits(values[name], program.layout.columns[name]):
            return None
    held = fixed(program, values, names)
    lower, upper = program.master.lower, program.master.upper
    if ((held.master.lower < lower - 1e-9) | (held.master.upper > upper + 1e-9)).any():
        return None  # such an order may not be placed there any more
    linear = solve_lp(closed(settled(held)))
    if linear.status != "optimal":
        return None
    x, blocks = split(held, linear.x)
    return program, Solution(x, blocks, linear.objective, -np.inf, np.inf, "feasible", 0.0, "held")


def _fits(value: FloatArray, index: IntArray) -> bool:
    """Whether decisions by branch can be laid over columns of these branches."""
    return value.shape[1:] == index.shape[1:] and value.shape[0] in (1, index.shape[0])


def why_not(
    plan: Plan,
    question: Question,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCall | None = None,
    stop: threading.Event | None = None,
) -> Change:
    """Solve again with the orders or departures in question forced (or held down) and say what that changes.

    Raises PlanError when the question names what the case does not have.
    """
    case = plan.case
    sites, types = [s.id for s in case.sites], [k.id for k in case.module_types]
    problems = []
    if question.site is not None and question.site not in sites:
        problems.append(Fault("/site", question.site, f"one of {sites}"))
    if question.module_type is not None and question.module_type not in types:
        problems.append(Fault("/module_type", question.module_type, f"one of {types}"))
    if question.period is not None and not 0 <= question.period < case.horizon.periods:
        problems.append(Fault("/period", str(question.period), f"0 to {case.horizon.periods - 1}"))
    if problems:
        raise PlanError(problems)
    chosen = question.cells(case)
    if question.decision == "departures" and not (chosen & find_departures(case).open).any():
        allowed = "what a row of the fleet with may_retire or may_move_to can do"
        raise PlanError([Fault("/decision", "departures of modules that may not leave then and there", allowed)])

    asked = question.message(case)
    values = dict(decisions_of(plan).values)
    counts = values[question.decision][:, chosen].sum(axis=1)
    at_least = question.sense == "at_least"
    if ((counts >= question.modules) if at_least else (counts <= question.modules)).all():
        none = pd.DataFrame(columns=[*_KEY, "before", "after"])
        return Change(asked, 0.0, 0.0, 0.0, dict.fromkeys(TERMS, 0.0), none, plan, already=True)

    def amend(program: Program) -> Program:
        columns = program.layout.columns[question.decision]
        groups = [columns[b][chosen] for b in range(len(columns))]
        return with_order_total(program, groups, question.sense, question.modules)

    start = _brought(plan, values, chosen, question)
    return asked_again(
        plan,
        case,
        asked,
        limits=limits,
        amend=amend,
        monotone=1,
        start=start,
        on_progress=on_progress,
        stop=stop,
    )


def _brought(
    plan: Plan, values: Mapping[str, FloatArray], chosen: BoolArray, question: Question
) -> Mapping[str, FloatArray]:
    """The plan's decisions, with some in question added, or taken away from the last, until it is met: a start."""
    program = build_program(plan.case, plan.demand, merge_steps=1)
    columns = program.layout.columns[question.decision]
    counts = values[question.decision].copy()
    most = np.broadcast_to(program.master.upper[columns[:1]], (1, *counts.shape[1:]))[0]
    # what all branches share changes in all of them
    shared = np.broadcast_to((columns == columns[:1]).all(axis=0), counts.shape[1:])
    cells = np.argwhere(chosen)
    if question.sense == "at_most":
        cells = cells[np.argsort(-cells[:, -1], kind="stable")]
    for b in range(len(counts)):
        total = counts[b][chosen].sum()
        lacking = question.modules - total if question.sense == "at_least" else total - question.modules
        for cell in map(tuple, cells):
            room = most[cell] - counts[b][cell] if question.sense == "at_least" else counts[b][cell]
            step = min(max(room, 0.0), max(lacking, 0.0))
            at = slice(None) if shared[cell] else b
            counts[(at, *cell)] += step if question.sense == "at_least" else -step
            lacking -= step
    return completed(plan.case, {**values, question.decision: counts})


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
    """What filling the valleys is worth: modules not ordered and money not spent because work can wait or yield.

    least, most: the range that both proofs leave for the money. Of the modules it is known only what the two plans at
    hand order: where the range reaches 0, the proofs cannot tell whether any are avoided.
    """

    modules_avoided: int
    pflops_avoided: float
    cost_avoided: float
    change: Change

    @property
    def least(self) -> float:
        return self.change.least

    @property
    def most(self) -> float:
        return self.change.most

    def sentence(self, words: Wording, currency: str) -> str:
        if self.change.plan is None:
            return words("ask.impossible", question=self.change.question.said(words))
        nothing = max(abs(self.cost_avoided), self.most) <= 1e-6 * abs(self.change.plan.certificate["objective"])
        if nothing:
            return words("ask.filling_none")
        key = "ask.filling" if self.least > 0 else "ask.filling_unclear"
        compute = words.pflops(self.pflops_avoided)
        cost, left = words.money(self.cost_avoided, currency), _range(words, currency, self.least, self.most)
        if key == "ask.filling" and (self.modules_avoided <= 0 or self.pflops_avoided <= 0):
            return words("ask.filling_money", cost=cost, **left)
        return words(key, modules=self.modules_avoided, compute=compute, cost=cost, **left)

    def to_json(self) -> dict[str, Any]:
        possible = self.change.plan is not None
        money = {"cost_avoided": self.cost_avoided, "least": self.least, "most": self.most}
        return {
            "modules_avoided": self.modules_avoided if possible else None,
            "pflops_avoided": self.pflops_avoided if possible else None,
            **{name: value if possible else None for name, value in money.items()},
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
    change = asked_again(
        plan, without_filling(plan.case), asked, limits=limits, monotone=1, on_progress=on_progress, stop=stop
    )
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

    def sentence(self, words: Wording, case: Case) -> str:
        """What surviving costs, with the range that the proofs leave."""
        if self.change.impossible:
            return words("ask.impossible", question=self.change.question.said(words))
        names = {w.id: words.name(w.names) for w in case.workloads}
        currency, served = case.meta.currency, words.joined([names[w] for w in self.workloads])
        left = _range(words, currency, self.least, self.most)
        if self.least <= 0:
            return words("ask.resilience_unclear", workloads=served, **left)
        return words("ask.resilience", workloads=served, cost=words.money(self.cost, currency), **left)

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
    change = asked_again(
        plan, case, asked, limits=limits, monotone=1 if own is None else -1, on_progress=on_progress, stop=stop
    )
    if own is None:
        return Surviving(False, tuple(online), change.cost, change.least, change.most, change)
    return Surviving(True, tuple(own.workloads), -change.cost, -change.most, -change.least, change)
