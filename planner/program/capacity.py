"""Orders, agreements, lead times, stock, openings and leases: what stands where and when."""

from __future__ import annotations

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.case import by_period
from planner.program.instance import Instance, standing_after
from planner.program.master import Master


def order_limits(inst: Instance) -> FloatArray:
    """(S, K, T) most modules one order can usefully hold: power and space left beside what stands, supply, budget.

    A valid upper bound, so that order charges are not modelled with a needlessly large constant.
    """
    case, periods = inst.case, inst.case.horizon.periods
    phase_mw = np.zeros((len(case.sites), periods))
    phase_racks = np.zeros((len(case.sites), periods))
    for s, site in enumerate(case.sites):
        for phase in site.phases:
            phase_mw[s, phase.lead_periods :] += phase.mw * phase.max_count
            phase_racks[s, phase.lead_periods :] += phase.space_racks * phase.max_count
    standing_mw = np.einsum("skt,k->st", inst.least_standing, inst.peak_kw) * inst.pue_max / 1000
    room_mw = np.maximum(inst.power_mw + phase_mw - standing_mw, 0)
    room_racks = np.maximum(inst.space + phase_racks - np.einsum("skt,k->st", inst.least_standing, inst.racks), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_power = room_mw[:, None] * 1000 / (inst.peak_kw[:, None] * inst.pue_max[:, None])
        by_space = room_racks[:, None] / inst.racks[:, None]
        budget = by_period(case.policy.budget, periods, np.inf) / inst.money_unit
        prepay = np.array([k.prepay_share for k in case.module_types])
        by_budget = budget / ((1 - prepay)[:, None] * inst.least_capex)
    limit = np.minimum(np.where(np.isnan(by_power), np.inf, by_power), np.where(np.isnan(by_space), np.inf, by_space))
    # An order stands from its arrival to the end of its life: it must fit the tightest of those periods.
    fits = np.empty_like(limit)
    for k in range(limit.shape[1]):
        for t in range(periods):
            fits[:, k, t] = limit[:, k, t : min(t + int(inst.life[k]), periods)].min(axis=1)
    fits = np.minimum(fits, np.where(np.isnan(by_budget), np.inf, by_budget))
    fits = np.minimum(fits, inst.supply)
    fits = np.where(np.isfinite(fits), fits, useful_modules(inst)[:, None])
    fits = np.floor(fits + 1e-9)
    fits[fits < inst.min_order[:, None]] = 0
    fits[~inst.orderable] = 0
    for k, lead in enumerate(inst.lead):
        fits[:, k, : int(lead)] = 0
    return fits


def useful_modules(inst: Instance) -> FloatArray:
    """(K,) a generous count of modules beyond which no plan needs more of a type at one site.

    All demand of the busiest step on this type alone (that of a build-ahead floor where it is more), all gangs, any
    target on top, doubled, and what a break or a commitment asks for. Used only where nothing else limits a type.
    """
    rates = inst.demand.sum(axis=2).max(axis=(0, 2, 3, 4), initial=0.0)
    ahead = by_period(inst.case.policy.build_ahead.minimum, inst.case.horizon.periods, 0.0)
    course = inst.course.values.sum(axis=1).max(axis=(2, 3), initial=0.0) / inst.unit_scale[:, None]
    rates = np.maximum(rates, (course * ahead).max(axis=1, initial=0.0)) * inst.burst
    with np.errstate(divide="ignore", invalid="ignore"):
        need = np.where(inst.throughput > 0, rates[:, None] / inst.throughput, 0.0).sum(axis=0)
    periods = inst.case.horizon.periods
    policy = inst.case.policy
    floor = by_period(policy.capacity_targets_eflops, periods, 0.0).max() * 1000
    with np.errstate(divide="ignore"):
        need = need + np.where(inst.pflops > 0, floor / inst.pflops, 0.0)
    gangs = [w.gang_cards for w in inst.case.workloads if w.gang_cards] + [c.gang_cards for c in inst.case.campaigns]
    need = need + sum(inst.gang_modules(cards) for cards in gangs)
    return np.asarray(np.ceil(2 * need / inst.availability) + 10 + inst.min_order + inst.agreements.most_asked(), float)


def most_modules(inst: Instance) -> FloatArray:
    """(S, K) modules beyond which no plan needs more of a type at a site at any time, owned and leased."""
    most = useful_modules(inst) + inst.most_standing.max(axis=2)
    sites, types = [x.id for x in inst.case.sites], [x.id for x in inst.case.module_types]
    for lease in inst.case.leases:
        leased = by_period(lease.maximum_modules, inst.case.horizon.periods, 0.0).max(initial=0.0)
        most[sites.index(lease.site), types.index(lease.module_type)] += leased
    return np.asarray(most, float)


def add_orders(master: Master) -> None:
    """Whole orders by arrival, with order charge and minimum order.

    supply: sum_s orders_skt <= supply_kt
    order_minimum, order_charge: min_order_k order_on_skt <= orders_skt <= M_skt order_on_skt
    """
    inst = master.instance
    S, K, T = inst.standing.shape
    limit = order_limits(inst)
    arrival = np.arange(T)
    placed = arrival - inst.lead[:, None]
    charge = inst.charge(inst.life)
    taken_back = _taken_back(inst)
    alive = np.stack([standing_after(arrival, life, T) for life in inst.life])
    orders = master.decide(
        "orders",
        (S, K, T),
        placed,
        upper=limit,
        cost=inst.capex * charge + np.einsum("ktu,sku->skt", alive, taken_back),
    )
    batched = np.broadcast_to((inst.order_cost > 0) | (inst.min_order > 1)[:, None], (S, K, T)) & (limit > 0)
    on = master.decide("order_on", (S, K, T), placed, upper=1.0, cost=inst.order_cost * charge, where=batched)
    limited = np.isfinite(inst.supply)
    row = master.row("supply", (inst.branches, K, T), upper=np.where(limited, inst.supply, np.inf))
    master.add(row[:, None], orders, limited.astype(float))
    b, s, k, t = np.nonzero(on >= 0)
    cell = (b, s, k, t)
    row = master.row("order_charge", len(b), upper=0.0)
    master.add(row, orders[cell], 1.0)
    master.add(row, on[cell], -limit[s, k, t])
    row = master.row("order_minimum", len(b), lower=0.0)
    master.add(row, orders[cell], 1.0)
    master.add(row, on[cell], -inst.min_order[k].astype(float))


def _taken_back(inst: Instance) -> FloatArray:
    """(S, K, T) what the stock earns with idle power at a negative price, for modules that may not earn it."""
    return np.asarray(inst.period_idle_cost() - inst.period_energy_cost()[:, None] * inst.idle_kw[:, None], float)


def add_departures(master: Master) -> None:
    """Standing modules that are retired early or moved to another site; what was moved earns nothing idle, either.

    departures: sum_{e of i, t} departures_et <= n_i for every row i of the fleet that may leave
    """
    inst = master.instance
    gone, T = inst.departures, inst.case.horizon.periods
    there = np.einsum("etu,eu->et", gone.on, _taken_back(inst)[gone.to, gone.kind])
    leaving = master.decide(
        "departures",
        (len(gone), T),
        np.arange(T),
        upper=np.where(gone.open, gone.modules[:, None], 0.0),
        cost=inst.leaving_cost() + there,
    )
    if not len(gone):
        return
    rows, first, of = np.unique(gone.row, return_index=True, return_inverse=True)
    row = master.row("departures", (inst.branches, len(rows)), upper=gone.modules[first])
    master.add(row[:, of, None], leaving, 1.0)


def add_agreements(master: Master) -> None:
    """Prices that fall with what is called off, and commitments.

    With N_aq = sum of the orders of a's types that are placed in period q of a, for each break p of a:
    break_volume: needed_p reached_pq <= sum_{tau<=q} N_a,tau
    break_orders: discounted_pkt <= sum_s orders_skt
    break_held: discounted_pkt <= M_kt reached_p,t-lead_k
    agreement_signed: reached_pq <= signed_a, where signing is decided
    commitment: commitment_missing_a + sum_q N_aq >= commitment_a [signed_a]
    """
    inst = master.instance
    found, (_, K, T) = inst.agreements, inst.standing.shape
    A, P = len(found), len(found.of)
    signed = master.decide("agreement_signed", (A,), found.first, upper=1.0, where=found.signing)
    t = np.arange(T)
    inside = (t >= found.first[found.of, None]) & (t <= found.last[found.of, None])
    reached = master.decide("break_reached", (P, T), np.broadcast_to(t, (P, T)), upper=1.0, where=inside)
    orders = master.columns["orders"]
    most = order_limits(inst).sum(axis=0)  # (K, T)
    gain = found.gain[:, None, None] * (inst.capex * inst.charge(inst.life))
    discounted = master.decide(
        "discounted",
        (P, K, T),
        np.broadcast_to(t - found.lead[:, None], (P, K, T)),
        cost=-gain,
        where=found.counts[found.of] & (most > 0),
    )
    missing = master.decide(
        "commitment_missing",
        (A,),
        found.last,
        upper=found.commitment,
        cost=found.price / inst.money_unit * inst.discount[found.last] if A else 0.0,
    )
    if not A:
        return
    B = inst.branches
    row = master.row("commitment", (B, A), lower=np.where(found.signing, 0.0, found.commitment))
    master.add(row, missing, 1.0)
    master.add(row[:, found.signing], signed[:, found.signing], -found.commitment[found.signing])
    volume = master.row("break_volume", (B, P, T), lower=0.0)
    where = np.nonzero(reached >= 0)
    master.add(volume[where], reached[where], -found.needed[where[1]])
    for a, k, arrival in np.argwhere(found.counts):
        placed, own = arrival - found.lead[k], np.flatnonzero(found.of == a)
        master.add(row[:, None, a], orders[:, :, k, arrival], 1.0)
        cells = volume[:, own, placed : found.last[a] + 1]
        master.add(cells[:, :, :, None], orders[:, None, None, :, k, arrival], 1.0)
    b, p, k, arrival = np.nonzero(discounted >= 0)
    real = discounted[b, p, k, arrival]
    row = master.row("break_orders", len(b), upper=0.0)
    master.add(row, real, 1.0)
    master.add(row[:, None], orders[b, :, k, arrival], -1.0)
    row = master.row("break_held", len(b), upper=0.0)
    master.add(row, real, 1.0)
    master.add(row, reached[b, p, arrival - found.lead[k]], -most[k, arrival])
    where = np.nonzero((reached >= 0) & found.signing[found.of, None])
    row = master.row("agreement_signed", len(where[0]), upper=0.0)
    master.add(row, reached[where], 1.0)
    master.add(row, signed[where[0], found.of[where[1]]], -1.0)


def add_leases(master: Master) -> None:
    """Whole leased modules: they pay their price and idle energy.

    How many stay is decided in each period, and before `commit_periods` it is the same in every future.

    lease_growth: lease_active_lt <= lease_active_l,t-1 + lease_start_lt
    lease_term: lease_active_lt >= sum_{t-term < tau <= t} lease_start_l,tau
    With `costing: upfront` a start also pays what its term leaves after the horizon (`Instance.lease_rest`).
    """
    inst = master.instance
    leases, T = inst.case.leases, inst.case.horizon.periods
    L = len(leases)
    most = np.array([by_period(lease.maximum_modules, T, 0.0) for lease in leases]).reshape(L, T)
    price = np.array([by_period(lease.price_per_module_period, T, 0.0) for lease in leases]).reshape(L, T)
    notice = np.array([lease.notice_periods for lease in leases], int)
    t = np.arange(T)
    start = master.decide(
        "lease_start",
        (L, T),
        t - notice[:, None],
        upper=np.where(t < notice[:, None], 0.0, np.floor(most + 1e-9)),
        cost=inst.lease_rest(),
    )
    sites, types = [x.id for x in inst.case.sites], [x.id for x in inst.case.module_types]
    at = np.array([sites.index(x.site) for x in leases], int)
    kind = np.array([types.index(x.module_type) for x in leases], int)
    idle = inst.period_idle_cost()[at, kind]
    active = master.decide(
        "lease_active", (L, T), t, upper=np.floor(most + 1e-9), cost=price / inst.money_unit * inst.discount + idle
    )
    if not L:
        return
    row = master.row("lease_growth", active.shape, upper=0.0)
    master.add(row, active, 1.0)
    master.add(row[:, :, 1:], active[:, :, :-1], -1.0)
    master.add(row, start, -1.0)
    row = master.row("lease_term", active.shape, lower=0.0)
    master.add(row, active, 1.0)
    for i, lease in enumerate(leases):
        for back in range(min(lease.minimum_term_periods, T)):
            master.add(row[:, i, back:], start[:, i, : T - back], -1.0)


def add_stock(master: Master) -> None:
    """stock: stock_skt = standing_skt + sum_{tau <= t < tau + life_k} orders_sk,tau - left_skt + moved_skt

    left_skt, moved_skt: departures from the place, and to it, up to t while they would live (`departures.py`).
    It pays opex and idle energy. At a negative price idle power earns for what stood and was kept alone (`add_orders`).
    """
    inst = master.instance
    S, K, T = inst.standing.shape
    idle = inst.period_energy_cost()[:, None] * inst.idle_kw[:, None]
    stock = master.state("stock", (S, K, T), cost=inst.opex * inst.discount + idle)
    orders = master.columns["orders"]
    row = master.row("stock", stock.shape, lower=inst.standing, upper=inst.standing)
    master.add(row, stock, 1.0)
    for k in range(K):
        for tau in range(T):
            end = min(tau + int(inst.life[k]), T)
            master.add(row[:, :, k, tau:end], orders[:, :, k, tau, None], -1.0)
    gone, leaving = inst.departures, master.columns["departures"]
    e, t, u = np.nonzero(gone.off)
    master.add(row[:, gone.site[e], gone.kind[e], u], leaving[:, e, t], 1.0)
    e, t, u = np.nonzero(gone.on)
    master.add(row[:, gone.to[e], gone.kind[e], u], leaving[:, e, t], -1.0)


def capacity_columns(master: Master) -> list[tuple[IntArray, IntArray, IntArray, IntArray]]:
    """The columns whose sum is cap_skt: one entry for owned modules and, where there are leases, one for leased ones.

    Each entry is (s, k, columns, own): site and type of every cell, (cells,); columns (B, cells, T); and whether a cell
    draws on the site's own power and space, (cells,) of 0 and 1.
    """
    inst = master.instance
    S, K, T = inst.standing.shape
    s, k = (a.ravel() for a in np.meshgrid(np.arange(S), np.arange(K), indexing="ij"))
    owned = master.columns["stock"].reshape(inst.branches, S * K, T)
    out = [(s, k, owned, np.ones(S * K, int))]
    leases = inst.case.leases
    if leases:
        sites = {x.id: i for i, x in enumerate(inst.case.sites)}
        types = {x.id: i for i, x in enumerate(inst.case.module_types)}
        ls = np.array([sites[lease.site] for lease in leases])
        lk = np.array([types[lease.module_type] for lease in leases])
        own = np.array([int(lease.uses_site_power) for lease in leases])
        out.append((ls, lk, master.columns["lease_active"], own))
    return out
