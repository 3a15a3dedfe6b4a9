"""Every cost term of docs/model.md §5 from prices and quantities, and the objective over the futures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Costing, CVaR, Risk, WorkloadKind, by_period
from planner.verify.building import Capacity
from planner.verify.facts import Facts
from planner.verify.hourly import Hours
from planner.verify.reading import PlanArrays
from planner.verify.report import Book

TERMS = (
    "capex",
    "order_charges",
    "phases",
    "openings",
    "opex",
    "leases",
    "leases_owed",
    "energy",
    "demand_charge",
    "carbon",
    "transfer",
    "shortfall",
)
HOURLY_TERMS = ("energy", "carbon", "transfer")
"""Terms whose money falls in the period in which it is used, so that their periods are compared one by one."""


def decided_costs(facts: Facts, plan: PlanArrays, capacity: Capacity) -> dict[str, FloatArray]:
    """Discounted (F,) cost of everything decided ahead of the hours, by term."""
    case, T = facts.case, facts.case.horizon.periods
    charge = np.array([facts.charge(k.life_periods) for k in case.module_types])
    phases = np.zeros(facts.futures)
    for p, (s, i) in enumerate(facts.phases):
        phase = case.sites[s].phases[i]
        phases += phase.capex * (plan.phases[:, p] @ facts.charge(phase.life_periods))
    opening = np.array([site.opening_cost * facts.charge(site.opening_life_periods) for site in case.sites])
    rent = np.array([by_period(x.price_per_module_period, T, 0.0) for x in case.leases]).reshape(-1, T)
    power = np.array([s.demand_charge_per_kw_month for s in case.sites])
    return {
        "capex": np.einsum("kt,kt,fskt->f", charge, facts.capex, plan.orders),
        "order_charges": np.einsum("kt,kt,fskt->f", charge, facts.order_cost, (plan.orders > 0.5).astype(float)),
        "phases": phases,
        "openings": np.einsum("st,fst->f", opening, plan.openings),
        "opex": np.einsum("t,kt,fskt->f", facts.discount, facts.opex, capacity.owned),
        "leases": np.einsum("t,lt,flt->f", facts.discount, rent, plan.lease_active),
        "leases_owed": sum(
            (plan.lease_start[:, i] @ facts.lease_rest(i)[1] for i in range(len(case.leases))), np.zeros(facts.futures)
        ),
        "demand_charge": np.einsum("t,s,tm,fstm->f", facts.discount, power, facts.bill_months, plan.billed_kw),
    }


def hourly_costs(facts: Facts, hours: Hours) -> dict[str, FloatArray]:
    """Discounted (T,) cost of one future's hours, by term; `shortfall` without training and campaigns."""
    T = facts.case.horizon.periods
    penalty = np.array([w.shortfall_cost for w in facts.case.workloads])
    price = by_period(facts.case.policy.carbon_price_per_tonne, T, 0.0) / 1000
    kwh = np.einsum("tdh,stdh->st", facts.hours, hours.kw)
    paid = np.where(facts.tariff < 0, hours.kw - hours.unearned_kw, hours.kw)
    return {
        "energy": facts.discount * np.einsum("tdh,stdh,stdh->t", facts.hours, facts.tariff, paid),
        "carbon": facts.discount * price * (facts.carbon @ kwh),
        "transfer": facts.discount * hours.transfer,
        "shortfall": facts.discount * np.einsum("tdh,w,wrtdh->t", facts.hours, penalty, hours.shortfall),
    }


def late_costs(facts: Facts, plan: PlanArrays) -> FloatArray:
    """Discounted (F,) cost of training work not delivered and campaigns not finished."""
    out = np.zeros(facts.futures)
    for w, workload in enumerate(facts.case.workloads):
        if facts.kind[w] is WorkloadKind.training:
            out += workload.shortfall_cost * (plan.training_shortfall[:, w] @ facts.discount)
    for c, campaign in enumerate(facts.case.campaigns):
        out += (campaign.value or 0.0) * facts.discount[campaign.due] * plan.unfinished[:, c]
    return out


def risk_value(risk: Risk, probability: FloatArray, cost: FloatArray) -> float:
    """The objective over futures; CVaR by its minimum formula (Rockafellar and Uryasev 2000, Theorem 1).

    The minimum over zeta is reached at one of the costs, so that trying each is exact.
    """
    mean = float(probability @ cost)
    if not isinstance(risk.objective, CVaR):
        return mean
    excess = np.maximum(cost[:, None] - cost, 0.0)
    tail = float((cost + (probability @ excess) / (1 - risk.objective.alpha)).min())
    return (1 - risk.objective.weight) * mean + risk.objective.weight * tail


def check_costs(
    facts: Facts,
    decided: dict[str, FloatArray],
    by_period_of: list[dict[str, FloatArray]],
    late: FloatArray,
    table: pd.DataFrame,
    book: Book,
) -> pd.DataFrame:
    """Compare the costs table with the recomputed terms; returns future, term, discounted."""
    total = {term: np.zeros(facts.futures) for term in TERMS} | decided
    for term in (*HOURLY_TERMS, "shortfall"):
        total[term] = np.array([terms[term].sum() for terms in by_period_of])
    total["shortfall"] = total["shortfall"] + late
    future = pd.to_numeric(table["future"], errors="coerce").fillna(-2).to_numpy(int)
    amount = pd.to_numeric(table["discounted"], errors="coerce").to_numpy(float)
    period = pd.to_numeric(table["period"], errors="coerce").fillna(-2).to_numpy(int)
    unknown = ~table["term"].isin(TERMS).to_numpy() | (future < 0) | (future >= facts.futures)
    unknown |= (period < 0) | (period >= facts.shape[0])
    book.rule(
        "known", len(table), int(unknown.sum()), float(unknown.sum()), "table costs: unknown term, future or period"
    )
    for term in TERMS:
        own = (table["term"] == term).to_numpy() & ~unknown
        listed = np.bincount(future[own], weights=amount[own], minlength=facts.futures)
        book.limit("costs", listed, "equal", total[term], ("future",), at=f"term {term}, discounted")
        if term in HOURLY_TERMS:
            flat = future[own] * facts.shape[0] + period[own]
            listed = np.bincount(flat, weights=amount[own], minlength=facts.futures * facts.shape[0])
            true = np.array([terms[term] for terms in by_period_of])
            listed = listed.reshape(true.shape)
            book.limit("costs", listed, "equal", true, ("future", "period"), at=f"term {term}, discounted")
    columns = [(f, term, float(total[term][f])) for f in range(facts.futures) for term in TERMS]
    return pd.DataFrame(columns, columns=["future", "term", "discounted"])


def check_owed(facts: Facts, plan: PlanArrays, book: Book) -> None:
    """owed: by future and kind, the payments after the last period of everything that starts in it."""
    case, annuity = facts.case, facts.case.horizon.costing is Costing.annuity
    T, horizon = case.horizon.periods, case.horizon
    rate = (1 + horizon.discount_rate) ** (horizon.months_per_period / 12) - 1

    def left(life: int, payment: FloatArray, count: FloatArray) -> FloatArray:
        """(2, F) undiscounted and discounted, of (F, T) items that are paid for in every period of their life."""
        out = np.zeros((2, facts.futures))
        for t in range(T):
            late = np.arange(T, t + life)
            factor = (1 + horizon.discount_rate) ** (-late * horizon.months_per_period / 12)
            out[0] += count[:, t] * payment[t] * len(late)
            out[1] += count[:, t] * payment[t] * factor.sum()
        return out

    def per_period(price: FloatArray, life: int) -> FloatArray:
        return np.asarray(price / ((1 + rate) ** -np.arange(life, dtype=float)).sum(), float)

    true = {kind: np.zeros((2, facts.futures)) for kind in ("lease", "order", "order charge", "phase", "opening")}
    for i, lease in enumerate(case.leases):
        price = np.full(T, by_period(lease.price_per_module_period, T, 0.0)[-1])
        true["lease"] += left(lease.minimum_term_periods, price, plan.lease_start[:, i])
    if annuity:
        for k, kind in enumerate(case.module_types):
            life, orders = kind.life_periods, plan.orders[:, :, k]
            true["order"] += left(life, per_period(facts.capex[k], life), orders.sum(axis=1))
            placed = (orders > 0.5).sum(axis=1).astype(float)
            true["order charge"] += left(life, per_period(facts.order_cost[k], life), placed)
        for p, (s, i) in enumerate(facts.phases):
            phase = case.sites[s].phases[i]
            payment = per_period(np.full(T, phase.capex), phase.life_periods)
            true["phase"] += left(phase.life_periods, payment, plan.phases[:, p])
        for s, site in enumerate(case.sites):
            payment = per_period(np.full(T, site.opening_cost), site.opening_life_periods)
            true["opening"] += left(site.opening_life_periods, payment, plan.openings[:, s])
    rows = plan.tables["owed"]
    kinds, branch = rows.frame["kind"].to_numpy(object), rows.index["branch"]
    lost = int((~np.isin(kinds, list(true))).sum())
    book.rule("known", len(rows), lost, float(lost), f"table owed, kind: allowed one of {', '.join(true)}")
    wrong = int((rows.value["counted"] != float(not annuity)).sum())
    book.rule("owed", len(rows), wrong, float(wrong), f"table owed, counted: allowed {int(not annuity)}")
    for label, amounts in true.items():
        for name, amount in zip(("undiscounted", "discounted"), amounts, strict=True):
            own = np.where(kinds == label, rows.value[name], 0.0)
            shared = own[branch < 0].sum()
            listed = shared + np.array([own[branch == f].sum() for f in range(facts.futures)])
            book.limit("owed", listed, "equal", amount, ("future",), at=f"{label}, {name}")
