"""A solution's numbers as the plan's tables: what is ordered, opened, leased, and what stands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import WorkloadKind, by_period
from planner.case.horizon import Horizon
from planner.plan.owed import owed_table
from planner.plan.tables import TABLES
from planner.program.blocks import Program
from planner.program.instance import Instance
from planner.program.power import phase_places
from planner.program.training import campaign_sizes, gang_output, gang_sizes, training_volume

Values = Mapping[str, FloatArray]

# A campaign that runs for less of a period than this does not run.
_RUNS = 1e-9


def master_values(program: Program, x: FloatArray) -> dict[str, FloatArray]:
    """Each group of master columns in its own shape; whole numbers rounded, columns that do not exist are 0."""
    whole = np.where(program.master.integer, np.round(x), x) if len(x) else np.zeros(1)
    return program.layout.values(whole, program.layout.columns)


def without_idle_campaigns(program: Program, values: Values) -> dict[str, FloatArray]:
    """The values with a campaign on only where it runs: nothing else keeps it from holding modules for nothing.

    Where futures share the decision it stays on while it runs in any of them. Values: (branches, ...) by decision.
    """
    index, share = program.layout.columns["campaign_on"], values["campaign_share"]
    shared = np.broadcast_to((index == index[:1]).all(axis=0), index.shape)
    most = np.where(shared, share.max(axis=0, initial=0.0), share) if share.size else share
    return {**values, "campaign_on": np.where(most > _RUNS, values["campaign_on"], 0.0)}


def with_starts_that_grow(values: Values) -> dict[str, FloatArray]:
    """The values with leases started where leased modules grow, (B, L, T): any other start binds for nothing, and
    would be owed for nothing after the horizon."""
    grown = np.diff(np.round(values["lease_active"]), axis=2, prepend=0.0)
    return {**values, "lease_start": np.maximum(grown, 0.0)}


def chosen(index: IntArray, values: FloatArray) -> tuple[IntArray, tuple[IntArray, ...]]:
    """Branch label (-1: the same in all) and positions of the non-zero decisions, each stated once.

    index: (branches, ...) column numbers: a decision whose column is shared by all branches is stated for branch -1.
    """
    shared = np.broadcast_to((index == index[:1]).all(axis=0), index.shape)
    first = np.zeros(index.shape, bool)
    first[0] = True
    wanted = (values > 1e-9) & (~shared | first)
    where = np.nonzero(wanted)
    return np.where(shared[where], -1, where[0]), where


def decision_tables(inst: Instance, program: Program, values: Values) -> dict[str, pd.DataFrame]:
    """orders, agreements, phases, openings, departures, leases, stock, gangs, campaigns, unfinished, billed, owed,
    training."""
    case, columns = inst.case, program.layout.columns
    sites = np.array([s.id for s in case.sites], object)
    types = np.array([k.id for k in case.module_types], object)
    starts = np.array([case.horizon.period_start(t) for t in range(case.horizon.periods)], object)
    out: dict[str, pd.DataFrame] = {}

    branch, (b, s, k, t) = chosen(columns["orders"], values["orders"])
    count = values["orders"][b, s, k, t]
    on = values["order_on"][b, s, k, t]
    discount = inst.agreements.discount(values["orders"], values["agreement_signed"])
    charged = np.where(columns["order_on"][b, s, k, t] >= 0, on, 0.0)
    out["orders"] = TABLES["orders"].frame(
        {
            "branch": branch,
            "order_period": t - inst.lead[k],
            "arrival_period": t,
            "order_date": starts[t - inst.lead[k]],
            "arrival_date": starts[t],
            "site": sites[s],
            "module_type": types[k],
            "modules": count.astype(int),
            "cards": (count * inst.cards[k]).astype(int),
            "pflops": count * inst.pflops[k],
            "capex": count * inst.capex[k, t] * inst.money_unit * (1 - discount[b, k, t]),
            "order_cost": charged * inst.order_cost[k, t] * inst.money_unit,
        }
    )
    out["agreements"] = _agreements(inst, values, starts)
    out["phases"] = _phases(inst, columns["phases"], values["phases"], sites, starts)
    branch, (b, s, t) = chosen(columns["openings"], values["openings"])
    opening = np.array([x.opening_cost for x in case.sites])
    out["openings"] = TABLES["openings"].frame(
        {"branch": branch, "period": t, "site": sites[s], "cost": opening[s] * values["openings"][b, s, t]}
    )
    out["departures"] = _departures(inst, columns["departures"], values["departures"], sites, types, starts)
    out["leases"] = _leases(inst, values)
    out["stock"] = _stock(inst, values, sites, types)
    out |= _training(inst, values, sites, types)
    out["billed"] = _billed(inst, values, sites)

    def stated(name: str) -> tuple[IntArray, tuple[IntArray, ...], FloatArray]:
        # leased modules may differ between branches where their starts need not: what began is told with them
        index = columns["lease_active" if name == "lease_start" else name]
        label, where = chosen(index, values[name])
        return label, where, values[name][where]

    out["owed"] = owed_table(inst, stated, discount)
    return out


def _agreements(inst: Instance, values: Values, starts: np.ndarray) -> pd.DataFrame:
    """Every period of the agreements that hold, from the orders."""
    found, orders = inst.agreements, values["orders"]
    T = orders.shape[-1]
    signed = values["agreement_signed"]
    off, missing = found.called_off(orders), found.missing(orders, values["agreement_signed"])
    before = np.array([x.called_off for x in inst.case.agreements], float)
    reached = found.reached(orders, signed)
    modules = found.discounted(orders, reached) * found.gain[:, None, None] * inst.capex * inst.money_unit
    of_break = (found.of == np.arange(len(found))[:, None]).astype(float)
    share = np.einsum("bpt,p,ap->bat", reached, found.gain, of_break)
    saved = np.zeros_like(off)
    for k, lead in enumerate(found.lead.tolist()):
        saved[..., : T - lead] += np.einsum("bpt,ap->bat", modules[:, :, k, lead:], of_break)
    t = np.arange(T)
    holds = ((signed > 0.5) | ~found.signing)[..., None] & (t >= found.first[:, None]) & (t <= found.last[:, None])
    b, a, t = np.nonzero(holds)
    end = t == found.last[a]
    return TABLES["agreements"].frame(
        {
            "branch": _branch_label(inst, b),
            "agreement": np.array([x.id for x in inst.case.agreements] or [""], object)[a],
            "period": t,
            "date": starts[t],
            "signs": ((signed[b, a] > 0.5) & (t == found.first[a])).astype(int),
            "called_off": off[b, a, t].astype(int),
            "to_date": (before[a] + np.cumsum(off, axis=-1)[b, a, t]).astype(int) if len(a) else [],
            "discount": share[b, a, t],
            "saved": saved[b, a, t],
            "missing": np.where(end, missing[b, a], 0.0).astype(int),
            "paid": np.where(end, missing[b, a] * found.price[a], 0.0) if len(a) else [],
        }
    )


def _billed(inst: Instance, values: Values, sites: np.ndarray) -> pd.DataFrame:
    """One row a month: months with the same days share a bill in the model and are stated one by one."""
    case, days = inst.case, inst.days
    charge = np.array([x.demand_charge_per_kw_month for x in case.sites])
    month_of_day = (days.calendar.sum(axis=3) > 0) & (days.weight > 0)[:, :, None]  # (T, D, 12)
    parts = []
    for t in range(case.horizon.periods):
        months = days_months(case.horizon, t, month_of_day[t])
        each = case.horizon.months_per_period / len(months)
        for m, members in months.items():
            bill = int((inst.bill_days[t] == members[:, None]).all(axis=0).argmax())
            b, s = (a.ravel() for a in np.meshgrid(np.arange(inst.branches), np.flatnonzero(charge > 0), indexing="ij"))
            kw = values["billed_kw"][b, s, t, bill]
            parts.append((b, np.full_like(b, t), s, np.full_like(b, m + 1), kw, kw * charge[s] * each))
    branch, period, site, month, kw, cost = (np.concatenate(part) for part in zip(*parts, strict=True))
    return TABLES["billed"].frame(
        {
            "branch": _branch_label(inst, branch),
            "period": period,
            "site": sites[site],
            "month": month,
            "billed_kw": kw,
            "cost": cost,
        }
    )


def days_months(horizon: Horizon, period: int, month_of_day: BoolArray) -> dict[int, BoolArray]:
    """(days,) which typical days belong to each calendar month (0 to 11) that a period is billed for.

    month_of_day: (days, 12). The period's own months, with all its days, where the days name none.
    """
    known = np.flatnonzero(month_of_day.any(axis=0)).tolist()
    if known:
        return {m: month_of_day[:, m] for m in known}
    first = horizon.period_start(period).month - 1
    return {(first + i) % 12: np.ones(len(month_of_day), bool) for i in range(horizon.months_per_period)}


def _branch_label(inst: Instance, branch: IntArray) -> IntArray:
    return np.where(inst.branches == 1, -1, branch)


def _phases(inst: Instance, index: IntArray, values: FloatArray, sites: np.ndarray, starts: np.ndarray) -> pd.DataFrame:
    branch, (b, p, t) = chosen(index, values)
    places = phase_places(inst)
    items = [inst.case.sites[s].phases[i] for s, i in places]
    lead = np.array([x.lead_periods for x in items], int)[p] if items else np.zeros(0, int)
    mw = np.array([x.mw for x in items])[p] if items else np.zeros(0)
    capex = np.array([x.capex for x in items])[p] if items else np.zeros(0)
    at = np.array(places, int).reshape(-1, 2)[p]
    count = values[b, p, t]
    return TABLES["phases"].frame(
        {
            "branch": branch,
            "order_period": t - lead,
            "arrival_period": t,
            "order_date": starts[t - lead] if len(t) else [],
            "arrival_date": starts[t] if len(t) else [],
            "site": sites[at[:, 0]],
            "phase": at[:, 1],
            "count": count.astype(int),
            "mw": count * mw,
            "capex": count * capex,
        }
    )


def _departures(
    inst: Instance, index: IntArray, values: FloatArray, sites: np.ndarray, types: np.ndarray, starts: np.ndarray
) -> pd.DataFrame:
    branch, (b, e, t) = chosen(index, values)
    gone, count = inst.departures, values[b, e, t]
    s, k, to = gone.site[e], gone.kind[e], gone.to[e]
    away = np.array([x.moving_periods for x in inst.case.module_types], int)
    return TABLES["departures"].frame(
        {
            "branch": branch,
            "period": t,
            "date": starts[t],
            "fleet_row": gone.row[e],
            "site": sites[s],
            "module_type": types[k],
            "modules": count.astype(int),
            "to_site": np.where(to >= 0, sites[to], ""),
            "in_service_period": np.where(to >= 0, t + away[k], -1),
            "freed_mw": count * inst.peak_kw[k] * inst.pue_max[s, t] / 1000,
            "price": count * gone.price[e, t],
        }
    )


def _leases(inst: Instance, values: Values) -> pd.DataFrame:
    """Leases by branch; -1 only where there is one branch (the leased modules of a branch are its own)."""
    leases, T = inst.case.leases, inst.case.horizon.periods
    b, i, t = np.nonzero(values["lease_active"] > 1e-9)
    ids = np.array([x.id for x in leases] or [""], object)
    price = np.array([by_period(x.price_per_module_period, T, 0.0) for x in leases]).reshape(len(leases), T)
    whole = np.round(values["lease_active"])
    active = whole[b, i, t]
    begun = values["lease_start"][b, i, t]  # see `with_starts_that_grow`
    return TABLES["leases"].frame(
        {
            "branch": _branch_label(inst, b),
            "period": t,
            "lease": ids[i],
            "site": np.array([x.site for x in leases] or [""], object)[i],
            "module_type": np.array([x.module_type for x in leases] or [""], object)[i],
            "started": begun.astype(int),
            "active": active.astype(int),
            "cost": active * price[i, t],
        }
    )


def leased(inst: Instance, values: Values) -> tuple[FloatArray, FloatArray]:
    """(B, S, K, T) leased modules, and those of them that draw on the site's own power."""
    S, K, T = inst.standing.shape
    total = np.zeros((inst.branches, S, K, T))
    drawing = np.zeros_like(total)
    sites = {x.id: i for i, x in enumerate(inst.case.sites)}
    types = {x.id: i for i, x in enumerate(inst.case.module_types)}
    for i, lease in enumerate(inst.case.leases):
        cell = (slice(None), sites[lease.site], types[lease.module_type])
        total[cell] += values["lease_active"][:, i]
        if lease.uses_site_power:
            drawing[cell] += values["lease_active"][:, i]
    return total, drawing


def _stock(inst: Instance, values: Values, sites: np.ndarray, types: np.ndarray) -> pd.DataFrame:
    total, drawing = leased(inst, values)
    owned = values["stock"]
    b, s, k, t = np.nonzero((owned > 1e-9) | (total > 1e-9))
    cell = (b, s, k, t)
    return TABLES["stock"].frame(
        {
            "branch": _branch_label(inst, b),
            "period": t,
            "site": sites[s],
            "module_type": types[k],
            "owned": owned[cell],
            "leased": total[cell],
            "pflops": (owned[cell] + total[cell]) * inst.pflops[k],
            "power_mw": (owned[cell] + drawing[cell]) * inst.peak_kw[k] * inst.pue_max[s, t] / 1000,
        }
    )


def _training(inst: Instance, values: Values, sites: np.ndarray, types: np.ndarray) -> dict[str, pd.DataFrame]:
    case = inst.case
    jobs = inst.of_kind(WorkloadKind.training)
    names = np.array([inst.workload(j).id for j in jobs] or [""], object)
    b, j, s, k, t = np.nonzero(values["gangs"] > 0.5)
    count = values["gangs"][b, j, s, k, t]
    gangs = TABLES["gangs"].frame(
        {
            "branch": _branch_label(inst, b),
            "period": t,
            "workload": names[j],
            "site": sites[s],
            "module_type": types[k],
            "gangs": count.astype(int),
            "modules": (count * gang_sizes(inst)[j, k]).astype(int) if len(jobs) else [],
        }
    )
    on = values["campaign_on"]
    b, c, s, k, t = np.nonzero(on > 0.5)
    campaign = np.array([x.id for x in case.campaigns] or [""], object)
    campaigns = TABLES["campaigns"].frame(
        {
            "branch": _branch_label(inst, b),
            "campaign": campaign[c],
            "period": t,
            "site": sites[s],
            "module_type": types[k],
            "modules": campaign_sizes(inst)[c, k].astype(int) if case.campaigns else [],
            "on": on[b, c, s, k, t].astype(int),
            "share": np.clip(values["campaign_share"][b, c, s, k, t], 0, 1),
        }
    )
    b, c = np.nonzero(values["campaign_unfinished"] > 1e-9)
    unfinished = TABLES["unfinished"].frame(
        {"branch": _branch_label(inst, b), "campaign": campaign[c], "share": values["campaign_unfinished"][b, c]}
    )
    unit, hours = inst.unit_scale[jobs], inst.period_hours
    running, size = values["gangs_running"], gang_sizes(inst)
    done = np.einsum("fjskt,jk,t->fjt", running, gang_output(inst), hours)
    keeps = np.array([1 - inst.workload(j).max_yield_share for j in jobs])
    busy = np.einsum("fjskt,jk,j,t->fjt", running, size, keeps, hours)
    held = np.einsum("bjskt,jk,t->bjt", values["gangs"], size, hours)[inst.branch_of]
    f, j, t = (a.ravel() for a in np.indices(done.shape))
    training = TABLES["training"].frame(
        {
            "future": f,
            "period": t,
            "workload": names[j],
            "demand_unit_hours": training_volume(inst)[f, j, t] * unit[j] * hours[t],
            "delivered_unit_hours": done[f, j, t] * unit[j],
            "shortfall_unit_hours": np.maximum(values["training_shortfall"][f, j, t], 0) * unit[j] * hours[t],
            "held_module_hours": held[f, j, t],
            "busy_module_hours": busy[f, j, t],
        }
    )
    b, w, s, k, t = np.nonzero(values["large_pool"] > 0.5)
    every = np.array([x.id for x in case.workloads], object)
    place = {"workload": every[w], "site": sites[s], "module_type": types[k]}
    pools = TABLES["pools"].frame({"branch": _branch_label(inst, b), "period": t, **place})
    return {"pools": pools, "gangs": gangs, "campaigns": campaigns, "unfinished": unfinished, "training": training}
