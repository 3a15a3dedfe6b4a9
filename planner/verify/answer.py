"""What is to be signed, what falls due and what stays unserved, again from the decisions and hours of the plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Case, WorkloadKind, by_period
from planner.verify.costs import leaving_prices
from planner.verify.facts import Facts
from planner.verify.reading import PlanArrays
from planner.verify.report import Book

_KEY = ("kind", "site", "item", "order_period", "arrival_period")
_AMOUNTS = ("count", "cards", "pflops", "mw", "price")


def check_answer(facts: Facts, plan: PlanArrays, tables: Mapping[str, pd.DataFrame], book: Book) -> None:
    """purchases, cash, unserved: every cell of these tables, where the plan has them."""
    if "purchases" in tables:
        _check_purchases(facts, plan, tables["purchases"], book)
    if "cash" in tables:
        _check_cash(facts, plan, tables["cash"], book)
    if "unserved" in tables:
        _check_unserved(facts, plan, tables["unserved"], book)


def _number(table: pd.DataFrame, column: str) -> FloatArray:
    return np.asarray(pd.to_numeric(table[column], errors="coerce"), float)


def _check_purchases(facts: Facts, plan: PlanArrays, table: pd.DataFrame, book: Book) -> None:
    case, T = facts.case, facts.shape[0]
    starts = [case.horizon.period_start(t) for t in range(T)]
    wanted: dict[tuple[object, ...], list[float]] = {}
    for f in range(facts.futures):
        for s, k, t in np.argwhere(plan.orders[f] > 0.5):
            n, kind, site = float(plan.orders[f, s, k, t]), case.module_types[k], case.sites[s].id
            price = n * plan.price[f, k, t] + facts.order_cost[k, t]
            key = (f, "module", site, kind.id, int(t) - kind.lead_periods, int(t))
            wanted[key] = [n, n * kind.cards, n * facts.pflops[k], 0.0, price]
        for p, t in np.argwhere(plan.phases[f] > 0.5):
            s, i = facts.phases[p]
            phase, n = case.sites[s].phases[i], float(plan.phases[f, p, t])
            key = (f, "phase", case.sites[s].id, str(i), int(t) - phase.lead_periods, int(t))
            wanted[key] = [n, 0.0, 0.0, n * phase.mw, n * phase.capex]
        for s, t in np.argwhere(plan.openings[f] > 0.5):
            site = case.sites[s]
            wanted[(f, "opening", site.id, "", int(t), int(t))] = [1.0, 0.0, 0.0, 0.0, site.opening_cost]
    found: dict[tuple[object, ...], list[float]] = {}
    wrong = 0
    amounts = np.stack([_number(table, c) for c in _AMOUNTS], axis=1)
    branch = _number(table, "branch")
    for i, row in enumerate(table.to_dict("records")):
        for f in range(facts.futures) if branch[i] == -1 else (branch[i],):
            key = (f, *(row[c] for c in _KEY))
            wrong += key in found
            found[key] = list(amounts[i])
        for date, period in (("order_date", "order_period"), ("arrival_date", "arrival_period")):
            at = row[period]
            wrong += not (0 <= at < T and str(row[date])[:10] == starts[int(at)].isoformat())
    wrong += len(set(found) ^ set(wanted))
    where = "table purchases: rows, periods or dates that are not those of orders, phases and openings"
    book.rule("purchases", max(len(wanted), 1), wrong, float(wrong), where)
    both = sorted(set(found) & set(wanted), key=str)
    if both:
        book.labels = {
            **book.labels,
            "purchase": [" ".join(str(x) for x in key) for key in both],
            "amount": list(_AMOUNTS),
        }
        left, right = np.array([found[k] for k in both]), np.array([wanted[k] for k in both])
        book.limit("purchases", left, "equal", right, ("purchase", "amount"), at="table purchases")


def due(facts: Facts, plan: PlanArrays) -> dict[str, FloatArray]:
    """(F, T) by column of the table: what falls due in each period, undiscounted (docs/model.md, budget)."""
    case, T = facts.case, facts.shape[0]
    zero = np.zeros((facts.futures, T))
    out = {name: zero.copy() for name in ("prepaid", "on_arrival", "order_charges", "phases", "openings", "leases")}
    for k, kind in enumerate(case.module_types):
        paid = plan.price[:, k] * plan.orders[:, :, k].sum(axis=1)
        out["on_arrival"] += (1 - kind.prepay_share) * paid
        lead = kind.lead_periods
        if lead < T:
            out["prepaid"][:, : T - lead] += kind.prepay_share * paid[:, lead:]
        out["order_charges"] += facts.order_cost[k] * (plan.orders[:, :, k] > 0.5).sum(axis=1)
    for p, (s, i) in enumerate(facts.phases):
        out["phases"] += case.sites[s].phases[i].capex * plan.phases[:, p]
    cost = np.array([s.opening_cost for s in case.sites])
    out["openings"] = np.einsum("s,fst->ft", cost, plan.openings)
    for i, lease in enumerate(case.leases):
        out["leases"] += by_period(lease.price_per_module_period, T, 0.0) * plan.lease_active[:, i]
    out["departures"] = zero.copy()
    for i, _, price in leaving_prices(facts):
        out["departures"] += np.einsum("fst,st->ft", plan.departures[:, i], price)
    out["commitments"] = plan.agreements.paid.sum(axis=1)
    out["due"] = out["prepaid"] + out["on_arrival"] + out["order_charges"] + out["phases"] + out["openings"]
    out["budget"] = np.broadcast_to(by_period(case.policy.budget, T, np.nan), zero.shape)
    return out


def _check_cash(facts: Facts, plan: PlanArrays, table: pd.DataFrame, book: Book) -> None:
    T = facts.shape[0]
    branch, period = _number(table, "branch"), _number(table, "period")
    several = bool((branch >= 0).any())
    cells = {(int(b), int(t)) for b, t in zip(branch, period, strict=True) if np.isfinite(b) and np.isfinite(t)}
    whole = {(b, t) for b in (range(facts.futures) if several else [-1]) for t in range(T)}
    off = len(cells ^ whole) + (len(table) != len(whole))
    book.rule("cash", len(whole), off, float(off), "table cash: not one row for every branch and period")
    for name, right in due(facts, plan).items():
        value = _number(table, name)
        for f in range(facts.futures):
            mine = ((branch == f) | (branch == -1)) & (period >= 0) & (period < T)
            got = np.full(T, np.nan)
            got[period[mine].astype(int)] = value[mine]
            same_gap = np.isnan(got) & np.isnan(right[f])
            book.limit(
                "cash",
                np.where(same_gap, 0.0, got),
                "equal",
                np.where(same_gap, 0.0, np.nan_to_num(right[f])),
                ("period",),
                at=f"table cash, future {f}, {name}",
            )


def first_arrival(case: Case) -> int:
    """The first period in which anything ordered or leased may stand, from lead times, supply and notice alone."""
    T = case.horizon.periods
    out = T
    for kind in case.module_types:
        open_ = by_period(kind.supply, T, np.inf)[kind.lead_periods :] >= 1
        if open_.any():
            out = min(out, kind.lead_periods + int(open_.argmax()))
    for lease in case.leases:
        open_ = by_period(lease.maximum_modules, T, np.inf)[lease.notice_periods :] > 0
        if open_.any():
            out = min(out, lease.notice_periods + int(open_.argmax()))
    return out


def _check_unserved(facts: Facts, plan: PlanArrays, table: pd.DataFrame, book: Book) -> None:
    share, hours = facts.demand.probability, facts.hours
    asked = np.einsum("f,fwrtdh,tdh->wt", share, facts.demand.values, hours)
    missing = np.zeros_like(asked)
    rows = plan.tables["shortfall"]
    at = rows.index
    if len(rows):
        weight = share[at["future"]] * hours[at["period"], at["day"], at["step"]]
        np.add.at(missing, (at["workload"], at["period"]), rows.value["shortfall"] * weight)
    for w, kind in enumerate(facts.kind):
        if kind is WorkloadKind.training:
            missing[w] += share @ plan.training_shortfall[:, w]
    early = np.arange(facts.shape[0]) < first_arrival(facts.case)
    workload = pd.Index(facts.labels["workload"]).get_indexer(pd.Index(table["workload"]))
    period = _number(table, "period")
    fine = (workload >= 0) & (period >= 0) & (period < facts.shape[0])
    cells = list(zip(workload[fine].tolist(), period[fine].astype(int).tolist(), strict=True))
    off = (
        int((~fine).sum())
        + len(cells)
        - len(set(cells))
        + len(set(cells) ^ set(map(tuple, np.argwhere(asked > 0).tolist())))
    )
    where = "table unserved: not one row for every workload and period with demand"
    book.rule("unserved", max(int((asked > 0).sum()), 1), off, float(off), where)
    for name, right in (
        ("asked_unit_hours", asked),
        ("unserved_unit_hours", missing),
        ("unavoidable_unit_hours", missing * early),
    ):
        got = np.zeros_like(asked)
        got[workload[fine], period[fine].astype(int)] = _number(table, name)[fine]
        scale = np.maximum(asked, 1.0)
        book.limit(
            "unserved", got / scale, "equal", right / scale, ("workload", "period"), at=f"table unserved, {name}"
        )
