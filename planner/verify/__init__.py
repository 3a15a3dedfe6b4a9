"""Checks a plan against its case without the model: every limit of docs/model.md §4 and every cost of §5, again.

Only the case, the demand and the plan's tables are read; `planner.program` and `planner.solve` are never imported, so
that a mistake in the model shows up here instead of being repeated. How each limit is recomputed: docs/verification.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from planner.case import Case
from planner.demand import Demand
from planner.verify.ahead import check_ahead
from planner.verify.answer import check_answer
from planner.verify.building import check_building, check_gangs, check_leases, check_policy, standing_capacity
from planner.verify.catalogue import FORMULA_OF
from planner.verify.costs import check_costs, check_owed, decided_costs, hourly_costs, risk_value
from planner.verify.facts import make_facts
from planner.verify.hourly import RowsOfFutures, check_hours, sum_hours
from planner.verify.reading import read_plan
from planner.verify.report import Book, Check, Verification, VerificationError
from planner.verify.resilience import check_resilience
from planner.verify.shown import Metered, check_shown

__all__ = ["Check", "Verification", "VerificationError", "verify"]


def verify(
    case: Case,
    demand: Demand,
    tables: Mapping[str, pd.DataFrame],
    *,
    objective: float | None = None,
    tolerance: float = 1e-6,
    ratio: bool = True,
) -> Verification:
    """Recompute every limit, every cost term and the objective of a plan.

    tables: those of `planner.plan.tables.TABLES`; branches and futures by number. objective: what the plan claims, in
    the case's currency (None: not compared). tolerance: largest violation that is accepted, relative to
    max(1, |left side|, |right side|) of each limit. With the risk measure "quantile" `demand` holds the one future that
    was planned for. ratio: False for a plan whose build-ahead ratio has not been measured yet.

    Nothing is raised for a bad plan; `Verification.require()` does that. ValueError when the demand does not belong to
    the case.
    """
    facts = make_facts(case, demand)
    book = Book(FORMULA_OF, facts.labels, tolerance)
    plan = read_plan(facts, tables, book)
    capacity = standing_capacity(facts, plan)
    check_building(facts, plan, capacity, book)
    check_leases(facts, plan, book)
    check_policy(facts, plan, capacity, book)
    check_answer(facts, plan, tables, book)
    if ratio:
        check_ahead(facts, plan, capacity, tables, book)
    check_gangs(facts, plan, capacity, book)
    rows = {name: RowsOfFutures(plan.tables[name], facts.futures) for name in ("placement", "load", "shortfall")}
    hourly, metered = [], Metered(facts)
    for future in range(facts.futures):
        hours = sum_hours(facts, plan, capacity, rows, future, book)
        check_hours(facts, plan, capacity, hours, book)
        hourly.append(hourly_costs(facts, hours))
        metered.add(hours, capacity)
    check_resilience(facts, capacity, book)
    check_shown(facts, plan, capacity, metered, tables, book)
    costs = check_costs(facts, decided_costs(facts, plan, capacity), hourly, tables.get("costs", _NO_COSTS), book)
    check_owed(facts, plan, book)
    future_cost = costs.groupby("future")["discounted"].sum().reindex(range(facts.futures)).to_numpy(float)
    value = risk_value(case.risk, demand.probability, np.asarray(future_cost))
    if objective is not None:
        book.limit("objective", objective, "equal", value, (), at="objective")
    return Verification(book.checks(), costs, np.asarray(future_cost), value, tolerance)


_NO_COSTS = pd.DataFrame({"future": [], "term": [], "period": [], "site": [], "discounted": [], "undiscounted": []})
