"""Every cost term of docs/model.md §5 from prices and quantities, and the objective over the futures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Costing, CVaR, Risk, WorkloadKind, by_period
from planner.verify.building import Capacity
from planner.verify.facts import Facts
from planner.verify.hourly import Hours
from planner.verify.reading import PlanArrays, Rows
from planner.verify.report import Book

TERMS = (
    "capex",
    "order_charges",
    "phases",
    "openings",
    "departures",
    "commitments",
    "opex",
    "leases",
    "leases_owed",
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
    rest = np.zeros((2, facts.futures, S, T))
    for i, lease in enumerate(case.leases):
        rent[:, sites.index(lease.site)] += by_period(lease.price_per_module_period, T, 0.0) * plan.lease_active[:, i]
        owed, owed_now = facts.lease_rest(i)
        rest[:, :, sites.index(lease.site)] += plan.lease_start[:, i] * owed, plan.lease_start[:, i] * owed_now
    gone, missing = leaving_costs(facts, plan), plan.agreements.paid.sum(axis=1)
    power = np.array([s.demand_charge_per_kw_month for s in case.sites])
    billed = np.einsum("s,tm,fstm->fst", power, facts.bill_months, plan.billed_kw)
    opex = np.einsum("skt,fskt->fst", facts.opex, capacity.owned)
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
            _placed(np.einsum("fkt,fskt->fst", plan.price, plan.orders)),
            _placed(np.einsum("kt,fkt,fskt->fst", charge, plan.price, plan.orders)),
        ),
        "order_charges": (
            _placed(np.einsum("kt,fskt->fst", facts.order_cost, ordered)),
            _placed(np.einsum("kt,kt,fskt->fst", charge, facts.order_cost, ordered)),
        ),
        "phases": (_placed(phases[0]), _placed(phases[1])),
        "openings": (_placed(opening), _placed(opening * spread)),
        "departures": (_placed(gone[0]), _placed(gone[1])),
        "commitments": (_nowhere(missing, S), _nowhere(missing * now, S)),
        "opex": (_placed(opex), _placed(opex * now)),
        "leases": (_placed(rent), _placed(rent * now)),
        "leases_owed": (_placed(rest[0]), _placed(rest[1])),
        "demand_charge": (_placed(billed), _placed(billed * now)),
        "shortfall": (_nowhere(late, S), _nowhere(late * now, S)),
    }


def leaving_prices(facts: Facts) -> list[tuple[int, int, FloatArray]]:
    """Row and site of every row of the fleet that may leave, and (S + 1, T) the price of a module by where to."""
    out = []
    for i, row in enumerate(facts.case.fleet):
        if row.may_leave:
            s, k = facts.labels["site"].index(row.site), facts.labels["module type"].index(row.module_type)
            moved = np.repeat(facts.moving[k][None], len(facts.case.sites), axis=0)
            out.append((i, s, np.concatenate([moved, -facts.resale[k][None]])))
    return out


def leaving_costs(facts: Facts, plan: PlanArrays) -> FloatArray:
    """(2, F, S, T) money of the period, and discounted, for what leaves a site: by the life that was left to it."""
    out = np.zeros((2, facts.futures, len(facts.case.sites), facts.shape[0]))
    for i, s, paid in leaving_prices(facts):
        for t in np.flatnonzero(facts.fleet[i]):
            money = plan.departures[:, i, :, t] @ paid[:, t]
            out[:, :, s, t] += money, money * facts.share_within(facts.life_left(i, int(t)), int(t))
    return out


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
    Both (F, S + 1, T) by term, money of the period and discounted.
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


def check_owed(facts: Facts, plan: PlanArrays, book: Book) -> None:
    """owed: by future and kind, the payments after the last period of everything that starts in it."""
    case, annuity = facts.case, facts.case.horizon.costing is Costing.annuity
    T, horizon = case.horizon.periods, case.horizon
    rate = (1 + horizon.discount_rate) ** (horizon.months_per_period / 12) - 1

    def left(life: int, payment: FloatArray, count: FloatArray) -> FloatArray:
        """(2, F) undiscounted and discounted, of (F, T) items that are paid for in every period of their life.

        payment: (T,) or (F, T).
        """
        out = np.zeros((2, facts.futures))
        for t in range(T):
            late = np.arange(T, t + life)
            factor = (1 + horizon.discount_rate) ** (-late * horizon.months_per_period / 12)
            out[0] += count[:, t] * payment[..., t] * len(late)
            out[1] += count[:, t] * payment[..., t] * factor.sum()
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
            true["order"] += left(life, per_period(plan.price[:, k], life), orders.sum(axis=1))
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
    _check_owed_rows(facts, plan, rows, book)
    for label, amounts in true.items():
        for name, amount in zip(("undiscounted", "discounted"), amounts, strict=True):
            own = np.where(kinds == label, rows.value[name], 0.0)
            shared = own[branch < 0].sum()
            listed = shared + np.array([own[branch == f].sum() for f in range(facts.futures)])
            book.limit("owed", listed, "equal", amount, ("future",), at=f"{label}, {name}")


def _check_owed_rows(facts: Facts, plan: PlanArrays, rows: Rows, book: Book) -> None:
    """Each row: the periods that its term or life goes on after the horizon, and what they cost for its count."""
    case, T, horizon = facts.case, facts.shape[0], facts.case.horizon
    rate = (1 + horizon.discount_rate) ** (horizon.months_per_period / 12) - 1
    terms: dict[tuple[str, str, str], tuple[int, FloatArray]] = {}
    for lease in case.leases:
        price = np.full(T, by_period(lease.price_per_module_period, T, 0.0)[-1])
        terms["lease", lease.id, lease.site] = lease.minimum_term_periods, price
    bought: list[tuple[tuple[str, str, str], int, FloatArray]] = []
    for site in case.sites:
        for k, kind in enumerate(case.module_types):
            bought.append((("order", kind.id, site.id), kind.life_periods, facts.capex[k]))
            bought.append((("order charge", kind.id, site.id), kind.life_periods, facts.order_cost[k]))
        for i, phase in enumerate(site.phases):
            bought.append((("phase", f"phase {i + 1}", site.id), phase.life_periods, np.full(T, phase.capex)))
        bought.append((("opening", site.id, site.id), site.opening_life_periods, np.full(T, site.opening_cost)))
    for key, life, price in bought:
        terms[key] = life, price / ((1 + rate) ** -np.arange(life, dtype=float)).sum()
    frame, period = rows.frame, rows.index["period"]
    known = [
        terms.get((str(k), str(i), str(s))) for k, i, s in zip(frame["kind"], frame["item"], frame["site"], strict=True)
    ]
    lost = sum(one is None for one in known)
    book.rule("known", len(rows), lost, float(lost), "table owed: an item of the site and kind")
    lives = np.array([1 if one is None else one[0] for one in known], int)
    payment = np.array([0.0 if one is None else one[1][t] for one, t in zip(known, period, strict=True)])
    own = np.flatnonzero((frame["kind"] == "order").to_numpy() & (lives > 0))
    types = pd.Index(facts.labels["module type"]).get_indexer(pd.Index(frame["item"].astype(str)))[own]
    future = np.maximum(rows.index["branch"][own], 0)
    payment[own] *= 1 - plan.agreements.discount[future, types, period[own]]  # an unknown type has no payment
    left = np.maximum(period + lives - T, 0)
    years = np.arange(T, T + int(left.max(initial=0))) * horizon.months_per_period / 12
    later = (1 + horizon.discount_rate) ** -years
    factor = np.concatenate([[0.0], np.cumsum(later)])[left]
    book.labels = {**book.labels, "row": [str(i) for i in range(len(rows))]}
    count = rows.value["count"]
    for name, expected in (
        ("periods_left", left.astype(float)),
        ("undiscounted", count * payment * left),
        ("discounted", count * payment * factor),
    ):
        book.limit("owed", rows.value[name], "equal", expected, ("row",), at=f"table owed, {name}")
