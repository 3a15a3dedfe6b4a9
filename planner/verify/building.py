"""Limits on what is ordered, built, leased and held: everything that does not depend on the hour (docs/model.md §4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.case import WorkloadKind, by_period
from planner.verify.agreements import check_agreements
from planner.verify.facts import Facts
from planner.verify.reading import PlanArrays, Rows, spread
from planner.verify.report import Book

_SITE = ("future", "site", "period")
_CLASS = ("future", "site", "module type", "period")


@dataclass(frozen=True)
class Capacity:
    """What stands, recomputed from the fleet and the orders (never taken from the stock table).

    owned, leased: (F, S, K, T) modules; kept: those of the fleet that stand where they stood; on_site_power: those that
    draw on the site's power and space;
    opened: (F, S, T) 0 or 1, 1 at sites that need no opening.
    """

    owned: FloatArray
    leased: FloatArray
    kept: FloatArray
    on_site_power: FloatArray
    opened: FloatArray

    @property
    def modules(self) -> FloatArray:
        """(F, S, K, T) cap of docs/model.md §3"""
        return self.owned + self.leased


def _alive(arrivals: FloatArray, life: int) -> FloatArray:
    """(..., T) items in service, of those that arrive in (..., T) and last `life` periods."""
    total = np.cumsum(arrivals, axis=-1)
    out = total.copy()
    if life < total.shape[-1]:
        out[..., life:] -= total[..., :-life]
    return out


def standing_capacity(facts: Facts, plan: PlanArrays) -> Capacity:
    """What stands by branch, site, type and period, from orders, leases and the fleet."""
    owned = np.stack(
        [_alive(plan.orders[:, :, k], kind.life_periods) for k, kind in enumerate(facts.case.module_types)], axis=2
    )
    left, moved = _departed(facts, plan)
    kept = facts.standing - left
    owned = owned + kept + moved
    leased, on_site = np.zeros_like(owned), np.zeros_like(owned)
    for i, (s, k) in enumerate(_lease_places(facts)):
        leased[:, s, k] += plan.lease_active[:, i]
        if facts.case.leases[i].uses_site_power:
            on_site[:, s, k] += plan.lease_active[:, i]
    open_now = np.stack(
        [_alive(plan.openings[:, s], site.opening_life_periods) for s, site in enumerate(facts.case.sites)], axis=1
    )
    opened = np.where(facts.candidate[:, None], open_now, 1.0)
    return Capacity(owned, leased, kept, owned + on_site, opened)


def _departed(facts: Facts, plan: PlanArrays) -> tuple[FloatArray, FloatArray]:
    """(F, S, K, T) modules of the fleet that are missing where they stood, and that stand where they were moved to."""
    T = facts.shape[0]
    left = np.zeros((facts.futures, *facts.standing.shape))
    moved = np.zeros_like(left)
    for i, s, k, away in _fleet_places(facts):
        for t in range(T):
            leave, there = plan.departures[:, i, :, t], facts.fleet[i].astype(float)
            left[:, s, k, t:] += leave.sum(axis=1)[:, None] * there[t:]
            back = t + away
            if back < T:
                moved[:, :, k, back:] += leave[:, :-1, None] * there[back:]
    return left, moved


def _fleet_places(facts: Facts) -> list[tuple[int, int, int, int]]:
    """Row, site, type and periods out of use when moved, of every row of the fleet."""
    sites, types = facts.labels["site"], facts.labels["module type"]
    away = {k.id: k.moving_periods for k in facts.case.module_types}
    return [
        (i, sites.index(x.site), types.index(x.module_type), away[x.module_type])
        for i, x in enumerate(facts.case.fleet)
    ]


def _check_departures(facts: Facts, plan: PlanArrays, book: Book) -> None:
    """departures"""
    case, T = facts.case, facts.shape[0]
    count = np.array([x.modules for x in case.fleet], float)
    book.labels = {
        **book.labels,
        "fleet row": [f"{i} ({x.site} {x.module_type})" for i, x in enumerate(case.fleet)],
        "to": [*facts.labels["site"], "retired"],
    }
    book.limit("departures", plan.departures.sum(axis=(2, 3)), "most", count, ("future", "fleet row"))
    may = np.zeros(plan.departures.shape[1:], bool)
    for i, _, _, away in _fleet_places(facts):
        row, stands = case.fleet[i], facts.fleet[i]
        may[i, -1] = row.may_retire & stands
        again = np.array([t + away < T and bool(stands[t + away]) for t in range(T)])
        for s, site in enumerate(facts.labels["site"]):
            may[i, s] = (site in row.may_move_to) & stands & again
    axes = ("future", "fleet row", "to", "period")
    book.limit("departures.allowed", plan.departures, "most", 0.0, axes, where=~may)
    rows = plan.tables["departures"]
    places = np.array([(s, k) for _, s, k, _ in _fleet_places(facts)] or [(0, 0)])
    sites, types = np.array(facts.labels["site"], object), np.array(facts.labels["module type"], object)
    s, k = places[rows.index["fleet_row"]].T
    wrong = (rows.frame["site"].to_numpy(object) != sites[s]) | (rows.frame["module_type"].to_numpy(object) != types[k])
    book.rule("known", len(rows), int(wrong.sum()), float(wrong.sum()), "table departures: not the row's site and type")


def _lease_places(facts: Facts) -> list[tuple[int, int]]:
    sites, types = facts.labels["site"], facts.labels["module type"]
    return [(sites.index(x.site), types.index(x.module_type)) for x in facts.case.leases]


def _phase_totals(facts: Facts, plan: PlanArrays) -> tuple[FloatArray, FloatArray]:
    """(F, S, T) MW and racks that ordered phases add."""
    mw, racks = np.zeros_like(plan.openings), np.zeros_like(plan.openings)
    for p, (s, i) in enumerate(facts.phases):
        phase = facts.case.sites[s].phases[i]
        alive = _alive(plan.phases[:, p], phase.life_periods)
        mw[:, s] += phase.mw * alive
        racks[:, s] += phase.space_racks * alive
    return mw, racks


def check_building(facts: Facts, plan: PlanArrays, capacity: Capacity, book: Book) -> None:
    """stock, site_power, site_space, phase_count, site_open, supply, order_size, order_sites, type_count, agreements,
    lead_time, departures, branches"""
    case, T = facts.case, facts.case.horizon.periods
    book.limit("stock", plan.owned, "equal", capacity.owned, _CLASS)
    book.limit("stock.leased", plan.leased, "equal", capacity.leased, _CLASS)
    phase_mw, phase_racks = _phase_totals(facts, plan)
    power = np.array([by_period(s.power_mw, T, np.inf) for s in case.sites])
    draw = np.einsum("k,st,fskt->fst", facts.peak_kw, facts.pue_top, capacity.on_site_power) / 1000
    book.limit("site_power", draw, "most", power * np.minimum(capacity.opened, 1) + phase_mw, _SITE)
    space = np.array([by_period(s.space_racks, T, np.inf) for s in case.sites])
    given = np.isfinite(space)
    room = np.where(given, space, 0.0) * np.minimum(capacity.opened, 1) + phase_racks
    racks = np.einsum("k,fskt->fst", facts.racks, capacity.on_site_power)
    book.limit("site_space", racks, "most", room, _SITE, where=given)
    counts = [case.sites[s].phases[i].max_count for s, i in facts.phases]
    book.limit("phase_count", plan.phases.sum(axis=2), "most", np.array(counts, float), ("future", "phase"))
    _check_opening(facts, plan, capacity, book)
    supply = np.array([by_period(k.supply, T, np.inf) for k in case.module_types])
    book.limit("supply", plan.orders.sum(axis=1), "most", supply, ("future", "module type", "period"))
    barred = np.array(
        [[k.allowed_sites is not None and s.id not in k.allowed_sites for k in case.module_types] for s in case.sites]
    )
    book.limit("order_sites", plan.orders, "most", 0.0, _CLASS, where=barred[:, :, None])
    least = np.array([k.min_order for k in case.module_types], float)[:, None]
    book.limit("order_size", plan.orders, "least", least, _CLASS, where=plan.orders > 0.5)
    most = np.array([float(case.policy.max_module_types.get(s.id, np.inf)) for s in case.sites])
    types = (capacity.modules > 1e-6).sum(axis=2)
    book.limit("type_count", types, "most", most[:, None], _SITE, where=np.isfinite(most)[:, None])
    _check_agreements(facts, plan, book)
    _check_lead(facts, plan, book)
    _check_departures(facts, plan, book)
    _check_branches(facts, plan, book)


def _check_opening(facts: Facts, plan: PlanArrays, capacity: Capacity, book: Book) -> None:
    book.limit("site_open.once", capacity.opened, "most", 1.0, _SITE)
    book.limit("site_open.candidate", plan.openings, "most", 0.0, _SITE, where=~facts.candidate[:, None])
    closed = 1.0 - np.minimum(np.round(capacity.opened), 1.0)
    candidate = facts.candidate[:, None]
    book.limit("site_open", capacity.modules.sum(axis=2) * closed, "most", 0.0, _SITE, where=candidate)
    if facts.phases:
        site = [s for s, _ in facts.phases]
        axes = ("future", "phase", "period")
        book.limit("site_open", plan.phases * closed[:, site], "most", 0.0, axes, where=candidate[site])


def _check_agreements(facts: Facts, plan: PlanArrays, book: Book) -> None:
    rows, shape = plan.tables["agreements"], plan.agreements.modules.shape
    columns = {**rows.value, "rows": np.ones(len(rows))}
    whole = Rows(rows.index, columns, rows.frame)
    shown = {name: spread(whole, name, shape[1:], shape[0], ("agreement", "period")) for name in columns}
    check_agreements(facts.case, plan.agreements, plan.signed, shown, book)
    starts = np.array([facts.case.horizon.period_start(t).isoformat() for t in range(shape[2])])
    wrong = int((rows.frame["date"].astype(str).str[:10].to_numpy() != starts[rows.index["period"]]).sum())
    book.rule("agreements", len(rows), wrong, float(wrong), "table agreements, date: not that of the period")


def _check_lead(facts: Facts, plan: PlanArrays, book: Book) -> None:
    case = facts.case
    lead = np.array([k.lead_periods for k in case.module_types])
    rows = plan.tables["orders"]
    lead = lead[rows.index["module_type"]]
    phases = plan.tables["phases"]
    leads = np.array([case.sites[s].phases[i].lead_periods for s, i in facts.phases] or [0])
    for name, table, need in (("orders", rows, lead), ("phases", phases, leads[phases.index["flat"]])):
        placed, arrived = table.index["order_period"], table.index["arrival_period"]
        book.labels = {**book.labels, "row": [str(i) for i in range(len(table))]}
        at = f"table {name}"
        book.limit("lead_time", arrived - placed, "equal", need, ("row",), at=f"{at}, periods from order to arrival")
        book.limit("lead_time", placed, "least", 0.0, ("row",), at=f"{at}, order period")
    notice = np.array([x.notice_periods for x in case.leases], float)[:, None]
    early = np.arange(case.horizon.periods) < notice
    book.limit("lead_time", plan.lease_start, "most", 0.0, ("future", "lease", "period"), where=early)


def _check_branches(facts: Facts, plan: PlanArrays, book: Book) -> None:
    """What is decided before `commit_periods`, or without it anything at all, is the same in every future."""
    if facts.futures == 1:
        return
    commit = facts.case.horizon.commit_periods
    T = facts.case.horizon.periods
    period = np.arange(T)
    shared = np.ones(T, bool) if commit is None else period < commit
    lead = np.array([k.lead_periods for k in facts.case.module_types], int)[:, None]
    lead_p = np.array([facts.case.sites[s].phases[i].lead_periods for s, i in facts.phases], int)[:, None]

    def placed_early(leads: np.typing.NDArray[np.int64]) -> np.typing.NDArray[np.bool_]:
        return np.ones((len(leads), T), bool) if commit is None else period - leads < commit

    def same(what: str, values: FloatArray, axes: tuple[str, ...], where: np.typing.NDArray[np.bool_]) -> None:
        book.limit("nonanticipativity", values, "equal", values[:1], ("future", *axes), at=what, where=where)

    same("orders", plan.orders, ("site", "module type", "period"), placed_early(lead))
    same("phases", plan.phases, ("phase", "period"), placed_early(lead_p))
    begun = np.array([x.first for x in facts.case.agreements], int)
    early = np.ones(len(begun), bool) if commit is None else begun < commit
    same("agreements signed", plan.signed, ("agreement",), early)
    same("openings", plan.openings, ("site", "period"), shared)
    same("departures", plan.departures, ("fleet row", "to", "period"), shared)
    notice = np.array([x.notice_periods for x in facts.case.leases], int)[:, None]
    same("lease starts", plan.lease_start, ("lease", "period"), placed_early(notice))
    same("leases", plan.lease_active, ("lease", "period"), shared)
    same("gangs", plan.gangs, ("workload", "site", "module type", "period"), shared)
    same("large pools", plan.pools, ("workload", "site", "module type", "period"), shared)
    same("campaigns", plan.campaign_on, ("campaign", "site", "module type", "period"), shared)
    same("billed demand", plan.billed_kw, ("site", "period", "month"), shared[:, None])


def check_leases(facts: Facts, plan: PlanArrays, book: Book) -> None:
    """lease_term"""
    axes = ("future", "lease", "period")
    active, start = plan.lease_active, plan.lease_start
    before = np.concatenate([np.zeros_like(active[..., :1]), active[..., :-1]], axis=-1)
    book.limit("lease_term.growth", active, "most", before + start, axes)
    T = facts.case.horizon.periods
    for i, lease in enumerate(facts.case.leases):
        bound = _alive(start[:, i], lease.minimum_term_periods)
        at = f"lease {lease.id}"
        book.limit("lease_term", active[:, i], "least", bound, ("future", "period"), at=at)
        most = by_period(lease.maximum_modules, T, np.inf)
        book.limit("lease_term.maximum", active[:, i], "most", most, ("future", "period"), at=at)
    rows = plan.tables["leases"]
    places = np.array(_lease_places(facts) or [(0, 0)])
    sites, types = np.array(facts.labels["site"], object), np.array(facts.labels["module type"], object)
    wrong = (rows.frame["site"].to_numpy(object) != sites[places[rows.index["lease"], 0]]) | (
        rows.frame["module_type"].to_numpy(object) != types[places[rows.index["lease"], 1]]
    )
    book.rule("known", len(rows), int(wrong.sum()), float(wrong.sum()), "table leases: not the lease's site and type")


def check_policy(facts: Facts, plan: PlanArrays, capacity: Capacity, book: Book) -> None:
    """budget, vendor_share, domestic_share, capacity_target"""
    case, T = facts.case, facts.case.horizon.periods
    policy, axes = case.policy, ("future", "period")
    book.limit("budget", _spending(facts, plan), "most", by_period(policy.budget, T, np.inf), axes)
    ordered = np.cumsum(np.einsum("k,fskt->fkt", facts.pflops, plan.orders), axis=-1)
    every = ordered.sum(axis=1)
    for vendor, cap in policy.vendor_share_cap.items():
        own = ordered[:, [k.vendor == vendor for k in case.module_types]].sum(axis=1)
        book.limit("vendor_share", own, "most", cap * every, axes, at=f"vendor {vendor}, PFLOPS ordered so far")
    domestic = ordered[:, [k.domestic for k in case.module_types]].sum(axis=1)
    floor = by_period(policy.domestic_share_floor, T, 0.0)
    asked = by_period(policy.domestic_share_floor, T, -np.inf) > -np.inf
    book.limit("domestic_share", domestic, "least", floor * every, axes, where=asked)
    installed = np.einsum("k,fskt->ft", facts.pflops, capacity.modules)
    target = 1000 * by_period(policy.capacity_targets_eflops, T, -np.inf)
    book.limit("capacity_target", installed, "least", target, axes, at="PFLOPS installed")


def _spending(facts: Facts, plan: PlanArrays) -> FloatArray:
    """(F, T) money of the period that falls into its budget, undiscounted."""
    case, T = facts.case, facts.case.horizon.periods
    spent: FloatArray = np.einsum("st,fst->ft", _opening_cost(facts), plan.openings)
    for k, kind in enumerate(case.module_types):
        paid = plan.price[:, k] * plan.orders[:, :, k].sum(axis=1)
        spent += (1 - kind.prepay_share) * paid
        lead = kind.lead_periods
        if lead < T:
            spent[:, : T - lead] += kind.prepay_share * paid[:, lead:]
        spent += facts.order_cost[k] * (plan.orders[:, :, k] > 0.5).sum(axis=1)
    for p, (s, i) in enumerate(facts.phases):
        spent += case.sites[s].phases[i].capex * plan.phases[:, p]
    return spent


def _opening_cost(facts: Facts) -> FloatArray:
    cost = np.array([[s.opening_cost] for s in facts.case.sites], float)
    return np.asarray(np.repeat(cost, facts.case.horizon.periods, axis=1), float)


def check_gangs(facts: Facts, plan: PlanArrays, capacity: Capacity, book: Book) -> None:
    """gangs_fit, gang_place, campaign; no training shortfall of what is no training"""
    held = np.einsum("wk,fwskt->fskt", facts.gang, plan.gangs)
    held += np.einsum("ck,fcskt->fskt", facts.campaign_gang, plan.campaign_on)
    held += np.einsum("wk,fwskt->fskt", facts.pool_spare, plan.pools)
    usable = facts.availability[:, None] * capacity.modules
    book.limit("gangs_fit", held, "most", usable, _CLASS)
    sites = facts.labels["site"]
    for w, workload in enumerate(facts.case.workloads):
        may = np.outer(
            [workload.allowed_sites is None or s in workload.allowed_sites for s in sites], facts.work[w] > 0
        )
        may &= facts.kind[w] is WorkloadKind.training
        at = f"workload {workload.id}"
        book.limit("gang_place", plan.gangs[:, w], "most", 0.0, _CLASS, at=at, where=~may[:, :, None])
    axes_w = ("future", "workload", *_CLASS[1:])
    book.limit("serving.pools", plan.pools, "most", (facts.pool_work > 0)[:, None, :, None].astype(float), axes_w)
    other = np.array([k is not WorkloadKind.training for k in facts.kind])
    axes = ("future", "workload", "period")
    book.limit("training", plan.training_shortfall, "most", 0.0, axes, where=other[:, None])
    _check_campaigns(facts, plan, book)


def _check_campaigns(facts: Facts, plan: PlanArrays, book: Book) -> None:
    sites, types = facts.labels["site"], facts.labels["module type"]
    period = np.arange(facts.case.horizon.periods)
    for c, campaign in enumerate(facts.case.campaigns):
        at, on, share = f"campaign {campaign.id}", plan.campaign_on[:, c], plan.campaign_share[:, c]
        places = (on.max(axis=3) > 0.5).sum(axis=(1, 2))
        book.limit("campaign.one_place", places, "most", 1.0, ("future",), at=f"{at}, sites and types")
        may = np.array([campaign.allowed_sites is None or s in campaign.allowed_sites for s in sites])
        can = np.array([k in campaign.speed for k in types])
        inside = (period >= campaign.earliest) & (period <= campaign.due)
        outside = ~(may[:, None, None] & can[:, None] & inside)
        book.limit("campaign.place", on, "most", 0.0, _CLASS, at=at, where=outside)
        book.limit("campaign.share", on, "most", 1.0, _CLASS, at=f"{at}, on")
        book.limit("campaign.share", share, "most", on, _CLASS, at=f"{at}, share")
        speed = facts.campaign_speed[c] * campaign.gang_cards
        done = np.einsum("fskt,t,k->f", share, facts.period_days, speed)
        missing = plan.unfinished[:, c]
        need = campaign.card_days * (1 - missing)
        book.limit("campaign", done, "equal", need, ("future",), at=f"{at}, card-days")
        most = 0.0 if campaign.value is None else 1.0
        book.limit("campaign.finish", missing, "most", most, ("future",), at=f"{at}, share unfinished")
