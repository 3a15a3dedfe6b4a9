"""Every cost term of docs/model.md §5 from prices and quantities, and the objective over the futures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import CVaR, Risk, WorkloadKind, by_period
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
    "energy",
    "demand_charge",
    "carbon",
    "transfer",
    "shortfall",
)


def _placed(amount: FloatArray) -> FloatArray:
    """(..., S, T) money at sites as (..., S + 1, T)."""
    return np.concatenate([amount, np.zeros_like(amount[..., :1, :])], axis=-2)


def _nowhere(amount: FloatArray, sites: int) -> FloatArray:
    """(..., T) money of no site as (..., S + 1, T)."""
    out = np.zeros((*amount.shape[:-1], sites + 1, amount.shape[-1]))
    out[..., -1, :] = amount
    return out


def decided_costs(facts: Facts, plan: PlanArrays, capacity: Capacity) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Of everything decided ahead of the hours, by term: (F, S + 1, T) money of the period, and discounted.

    A price falls into the period of arrival, discounted to what its annuities inside the horizon come to.
    """
    case, (T, _, _), S = facts.case, facts.shape, len(facts.case.sites)
    charge = np.array([facts.charge(k.life_periods) for k in case.module_types])
    sites = facts.labels["site"]
    phases = np.zeros((2, facts.futures, S, T))
    for p, (s, i) in enumerate(facts.phases):
        phase = case.sites[s].phases[i]
        paid = phase.capex * plan.phases[:, p]
        phases[:, :, s] += paid, paid * facts.charge(phase.life_periods)
    opening = np.array([site.opening_cost for site in case.sites])[:, None] * plan.openings
    spread = np.array([facts.charge(site.opening_life_periods) for site in case.sites])
    rent = np.zeros((facts.futures, S, T))
    for i, lease in enumerate(case.leases):
        rent[:, sites.index(lease.site)] += by_period(lease.price_per_module_period, T, 0.0) * plan.lease_active[:, i]
    power = np.array([s.demand_charge_per_kw_month for s in case.sites]) * case.horizon.months_per_period
    billed = power[:, None] * plan.billed_kw
    opex = np.einsum("kt,fskt->fst", facts.opex, capacity.owned)
    ordered = (plan.orders > 0.5).astype(float)
    late = np.zeros((facts.futures, T))
    for w, workload in enumerate(case.workloads):
        if facts.kind[w] is WorkloadKind.training:
            late += workload.shortfall_cost * plan.training_shortfall[:, w]
    for c, campaign in enumerate(case.campaigns):
        late[:, campaign.due] += (campaign.value or 0.0) * plan.unfinished[:, c]
    now = facts.discount
    return {
        "capex": (
            _placed(np.einsum("kt,fskt->fst", facts.capex, plan.orders)),
            _placed(np.einsum("kt,kt,fskt->fst", charge, facts.capex, plan.orders)),
        ),
        "order_charges": (
            _placed(np.einsum("kt,fskt->fst", facts.order_cost, ordered)),
            _placed(np.einsum("kt,kt,fskt->fst", charge, facts.order_cost, ordered)),
        ),
        "phases": (_placed(phases[0]), _placed(phases[1])),
        "openings": (_placed(opening), _placed(opening * spread)),
        "opex": (_placed(opex), _placed(opex * now)),
        "leases": (_placed(rent), _placed(rent * now)),
        "demand_charge": (_placed(billed), _placed(billed * now)),
        "shortfall": (_nowhere(late, S), _nowhere(late * now, S)),
    }


def hourly_costs(facts: Facts, hours: Hours) -> dict[str, FloatArray]:
    """Of one future's hours, by term: (S + 1, T) money of the period; `shortfall` without training and campaigns."""
    T = facts.shape[0]
    penalty = np.array([w.shortfall_cost for w in facts.case.workloads])
    price = by_period(facts.case.policy.carbon_price_per_tonne, T, 0.0) / 1000
    kwh = np.einsum("tdh,stdh->st", facts.hours, hours.kw)
    short = np.einsum("tdh,w,wrtdh->t", facts.hours, penalty, hours.shortfall)
    return {
        "energy": _placed(np.einsum("tdh,stdh,stdh->st", facts.hours, facts.tariff, hours.paid_kw(facts))),
        "carbon": _placed(price * facts.carbon[:, None] * kwh),
        "transfer": _placed(hours.transfer),
        "shortfall": _nowhere(short, len(facts.case.sites)),
    }


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
    decided: dict[str, tuple[FloatArray, FloatArray]],
    hourly: list[dict[str, FloatArray]],
    table: pd.DataFrame,
    book: Book,
) -> pd.DataFrame:
    """Compare the costs table with the recomputed terms, by future, period and site; returns future, term, discounted.

    decided, hourly: what `decided_costs` and, for every future, `hourly_costs` say.
    """
    shape = (facts.futures, len(facts.case.sites) + 1, facts.shape[0])
    plain = {term: np.zeros(shape) for term in TERMS} | {term: money for term, (money, _) in decided.items()}
    discounted = {term: np.zeros(shape) for term in TERMS} | {term: money for term, (_, money) in decided.items()}
    for term in hourly[0] if hourly else ():
        money = np.array([one[term] for one in hourly])
        plain[term], discounted[term] = plain[term] + money, discounted[term] + money * facts.discount
    future, period = (
        pd.to_numeric(table[c], errors="coerce").replace([np.inf, -np.inf], np.nan).fillna(-2).to_numpy(float)
        for c in ("future", "period")
    )
    site = pd.Index([*facts.labels["site"], ""]).get_indexer(pd.Index(table["site"].fillna("")))
    unknown = ~table["term"].isin(TERMS).to_numpy() | (future < 0) | (future >= facts.futures) | (site < 0)
    unknown |= (period < 0) | (period >= facts.shape[0]) | (future % 1 != 0) | (period % 1 != 0)
    where = "table costs: unknown term, future, period or site"
    book.rule("known", len(table), int(unknown.sum()), float(unknown.sum()), where if unknown.any() else "")
    book.labels = {**book.labels, "cost site": [*facts.labels["site"], "none"]}
    flat = np.where(unknown, 0, (future * shape[1] + site) * shape[2] + period).astype(int)
    for column, expected in (("discounted", discounted), ("undiscounted", plain)):
        amount = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
        for term in TERMS:
            own = (table["term"] == term).to_numpy() & ~unknown
            listed = np.bincount(flat[own], weights=amount[own], minlength=int(np.prod(shape))).reshape(shape)
            at = f"term {term}, {column}"
            book.limit("costs", listed, "equal", expected[term], ("future", "cost site", "period"), at=at)
    columns = [(f, term, float(discounted[term][f].sum())) for f in range(facts.futures) for term in TERMS]
    return pd.DataFrame(columns, columns=["future", "term", "discounted"])
