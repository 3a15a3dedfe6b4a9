"""Why not at least, or at most, so many modules of these orders, or of these departures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Unpack

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from forecasts.fault import Fault
from planner.arrays import BoolArray, FloatArray
from planner.case import Case
from planner.case.errors import PlanError
from planner.explain.asking import ORDER_KEY, Change, Other, asked_again
from planner.plan import Plan
from planner.plan.decisions import decisions_of
from planner.planning.solving import Solving
from planner.program.blocks import Builder, Program
from planner.program.build import build_program
from planner.program.decisions import completed
from planner.program.departures import find_departures
from planner.program.registry import TERMS
from planner.words.wording import Message, message


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
        """The question in words."""
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


def why_not(
    plan: Plan,
    question: Question,
    **solving: Unpack[Solving],
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
        none = pd.DataFrame(columns=[*ORDER_KEY, "before", "after"])
        return Change(asked, 0.0, 0.0, 0.0, dict.fromkeys(TERMS, 0.0), none, plan, already=True)

    def amend(program: Program) -> Program:
        columns = program.layout.columns[question.decision]
        groups = [columns[b][chosen] for b in range(len(columns))]
        return with_order_total(program, groups, question.sense, question.modules)

    start = _brought(plan, values, chosen, question)
    other = Other(case, amend=amend, monotone=1, start=start)
    return asked_again(plan, asked, other, **solving)


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
    """The program with one row a branch: the sum of the given columns is at least, or at most, `count`.

    groups: (columns,) by branch.
    """
    rows = Builder()
    lower, upper = (count, np.inf) if sense == "at_least" else (-np.inf, count)
    index = rows.row("question", len(groups), lower=lower, upper=upper)
    rows.column_count = program.master.columns
    for row, columns in zip(index, groups, strict=True):
        rows.add(row, columns, 1.0)
    extra = rows.arrays()
    return replace(program, master=program.master.with_rows(extra.matrix, extra.row_lower, extra.row_upper))
