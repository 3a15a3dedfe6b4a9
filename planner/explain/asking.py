"""A plan and the same case solved again under another condition, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from planner.arrays import FloatArray, IntArray
from planner.case import Case
from planner.case.errors import InfeasibleError, StoppedError
from planner.demand import Demand
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed, settled
from planner.planning import finish, plan_demand
from planner.planning.elastic import closed
from planner.planning.solving import Amend, Solving
from planner.program.blocks import Program
from planner.program.build import build_program
from planner.program.decisions import completed, whole_decisions
from planner.program.registry import TERMS
from planner.solve import Solution, WarmStart, solve_lp
from planner.solve.one_piece import split
from planner.words.wording import Message, Wording, wording

ORDER_KEY = ["site", "module_type", "arrival_period"]
_GONE = ["site", "module_type", "to_site", "period"]
# Up to so many columns the plan's own decisions are dispatched where a question is asked: a few seconds.
_HELD_COLUMNS = 120_000


@dataclass(frozen=True)
class Change:
    """How another plan differs from a plan.

    question: what was asked. cost: change of the objective, of the plan at hand and the other one; least, most: the
    range that both proofs leave for the change of the best plans. by_term: change of each cost term. orders: what is
    ordered more or less (site, module_type, arrival_period, before, after); departures: what leaves more or less (site,
    module_type, to_site, period, before, after). interchangeable: those differ by less than the proofs can tell apart.
    already: the plan at hand does what is asked (nothing changes). impossible: why no such plan exists (then the rest
    is empty). All money in the case's currency, discounted.
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
        return words(kind, question=question, cost=cost, **proven_range(words, currency, self.least, self.most, kind))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types, both languages; null where money is not known."""
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


def proven_range(words: Wording, currency: str, least: float, most: float, kind: str = "") -> dict[str, str]:
    """What the proofs leave open, rounded outwards; of what costs less it is said by how much."""
    if kind == "ask.cheaper":
        least, most = -most, -least
    return {
        "least": words.money(least, currency, rounded="down"),
        "most": words.money(most, currency, rounded="up"),
    }


def orders_apart(before: Plan, after: Plan) -> pd.DataFrame:
    """Orders that differ: site, module_type, arrival_period, modules before and after."""
    return _apart(before, after, "orders", ORDER_KEY)


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


@dataclass(frozen=True)
class Other:
    """The other problem. demand: None for the plan's own. monotone: see `difference`. start: decisions to offer in
    place of the plan's own (by name, as `planner.plan.decisions`)."""

    case: Case
    demand: Demand | None = None
    amend: Amend | None = None
    monotone: int = 0
    start: Mapping[str, FloatArray] | None = None


def asked_again(
    plan: Plan,
    question: Message,
    other: Other,
    **solving: Unpack[Solving],
) -> Change:
    """Another solve, set beside the plan.

    The plan's own decisions are offered as a start, and kept where nothing better is found.
    """
    case, hours, monotone = other.case, other.demand or plan.demand, other.monotone
    values = other.start if other.start is not None else decisions_of(plan).values
    kept = held_solution(case, hours, values, other.amend)
    try:
        after, _ = plan_demand(
            case,
            hours,
            amend=other.amend,
            start=None if kept is None else WarmStart(kept[1].x),
            **solving,
        )
    except InfeasibleError as reason:
        none = pd.DataFrame(columns=[*ORDER_KEY, "before", "after"])
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
    return difference(plan, after, question, monotone=monotone, held=held if other.start is None else np.inf)


def held_solution(
    case: Case, demand: Demand, values: Mapping[str, FloatArray], amend: Amend | None = None
) -> tuple[Program, Solution] | None:
    """The program with these decisions, dispatched at least cost; None where they cannot be had, or it is large.

    values: (branches, ...) by decision.
    """
    program = build_program(case, demand)
    if program.master.columns + sum(len(b.cost) for b in program.blocks) > _HELD_COLUMNS:
        return None
    if amend is not None:
        program = amend(program)
    names = [name for name in whole_decisions() if name in program.layout.columns]
    for name in names:
        if not _fits(values[name], program.layout.columns[name]):
            return None
    held = fixed(program, completed(case, values), names)
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
