"""Why not at least, or at most, so many modules of these orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Unpack

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import vstack

from forecasts.fault import Fault
from planner.arrays import FloatArray
from planner.case import Case
from planner.case.errors import PlanError
from planner.explain.asking import ORDER_KEY, Change, Other, asked_again
from planner.plan import Plan
from planner.plan.decisions import decisions_of
from planner.planning.solving import Solving
from planner.program.blocks import Builder, Program
from planner.program.build import build_program
from planner.program.decisions import completed
from planner.program.registry import TERMS
from planner.words.wording import Message, message


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
        """The question in words."""
        when = message("question.any_period")
        if self.period is not None and self.period < case.horizon.periods:
            when = message("question.arriving", period=case.horizon.period_label(self.period))
        return message(
            "question.orders",
            modules=self.modules,
            sense=message(f"question.{self.sense}"),
            type=self.module_type or message("question.any_type"),
            site=self.site or message("question.any_site"),
            when=when,
        )


def why_not(
    plan: Plan,
    question: Question,
    **solving: Unpack[Solving],
) -> Change:
    """Solve again with the orders in question forced (or held down) and say what that changes.

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
    chosen = (
        slice(None) if question.site is None else sites.index(question.site),
        slice(None) if question.module_type is None else types.index(question.module_type),
        slice(None) if question.period is None else question.period,
    )

    asked = question.message(case)
    values = dict(decisions_of(plan).values)
    counts = values["orders"][(slice(None), *chosen)].reshape(len(values["orders"]), -1).sum(axis=1)
    at_least = question.sense == "at_least"
    if ((counts >= question.modules) if at_least else (counts <= question.modules)).all():
        none = pd.DataFrame(columns=[*ORDER_KEY, "before", "after"])
        return Change(asked, 0.0, 0.0, 0.0, dict.fromkeys(TERMS, 0.0), none, plan, already=True)

    def amend(program: Program) -> Program:
        orders = program.layout.columns["orders"]
        groups = [orders[b][chosen].ravel() for b in range(len(orders))]
        return with_order_total(program, groups, question.sense, question.modules)

    start = _brought(plan, values, chosen, question)
    other = Other(case, amend=amend, monotone=1, start=start)
    return asked_again(plan, asked, other, **solving)


def _brought(
    plan: Plan, values: Mapping[str, FloatArray], chosen: tuple[slice | int, ...], question: Question
) -> Mapping[str, FloatArray]:
    """The plan's decisions with orders added, or taken away from the last, until the question is met: a start."""
    program = build_program(plan.case, plan.demand, merge_steps=1)
    columns = program.layout.columns["orders"]
    orders = values["orders"].copy()
    most = np.broadcast_to(program.master.upper[columns[:1]], (1, *orders.shape[1:]))[0]
    asked_for = np.zeros(orders.shape[1:], bool)
    asked_for[chosen] = True
    # what all branches share changes in all of them
    shared = np.broadcast_to((columns == columns[:1]).all(axis=0), orders.shape[1:])
    for b in range(len(orders)):
        total = orders[b][asked_for].sum()
        lacking = question.modules - total if question.sense == "at_least" else total - question.modules
        cells = np.argwhere(asked_for)
        for s, k, t in cells if question.sense == "at_least" else cells[np.argsort(-cells[:, 2], kind="stable")]:
            room = most[s, k, t] - orders[b, s, k, t] if question.sense == "at_least" else orders[b, s, k, t]
            step = min(max(room, 0.0), max(lacking, 0.0))
            at = slice(None) if shared[s, k, t] else b
            orders[at, s, k, t] += step if question.sense == "at_least" else -step
            lacking -= step
    return completed(plan.case, {**values, "orders": orders})


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
