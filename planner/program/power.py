"""Site power and space, phases and openings, and what a site's meter reads."""

from __future__ import annotations

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.case.sites import Phase
from planner.program.capacity import capacity_columns, useful_modules
from planner.program.instance import Instance
from planner.program.master import Master


def add_phases(master: Master) -> None:
    """Blocks of site power and building. phase_count: sum_t phases_spt <= max_count_p."""
    inst = master.instance
    T = inst.case.horizon.periods
    rows = phase_places(inst)
    items = [inst.case.sites[s].phases[p] for s, p in rows]
    lead = np.array([x.lead_periods for x in items], int)
    life = np.array([x.life_periods for x in items], int)
    most = np.array([x.max_count for x in items], float)
    t = np.arange(T)
    capex = np.array([x.capex for x in items]) / inst.money_unit
    phases = master.decide(
        "phases",
        (len(rows), T),
        t - lead[:, None],
        upper=np.where(t < lead[:, None], 0.0, most[:, None]),
        cost=capex[:, None] * inst.charge(life),
    )
    if rows:
        row = master.row("phase_count", (inst.branches, len(rows)), upper=most)
        master.add(row[:, :, None], phases, 1.0)


def phase_places(inst: Instance) -> list[tuple[int, int]]:
    """(site, position in its list) of each phase column."""
    return [(s, p) for s, site in enumerate(inst.case.sites) for p in range(len(site.phases))]


def add_openings(master: Master) -> None:
    """Only for candidate sites with an opening cost; an opening ends with its life and may then be paid for again.

    open_once: sum_{t-life_s < tau <= t} openings_s,tau <= 1
    """
    inst = master.instance
    S, T = inst.power_mw.shape
    cost = np.array([x.opening_cost for x in inst.case.sites]) / inst.money_unit
    life = np.array([x.opening_life_periods for x in inst.case.sites])
    needs = inst.needs_opening
    openings = master.decide(
        "openings", (S, T), np.arange(T), upper=1.0, cost=cost[:, None] * inst.charge(life), where=needs[:, None]
    )
    if needs.any():
        row = master.row("open_once", (inst.branches, int(needs.sum()), T), upper=1.0)
        for i, s in enumerate(np.flatnonzero(needs)):
            for tau in range(T):
                master.add(row[:, i, tau : tau + int(life[s])], openings[:, s, tau, None], 1.0)


def add_site_limits(master: Master) -> None:
    """Power and space of a site, and nothing at a candidate before it is opened or after its opening has ended.

    opened_st = sum_{tau <= t < tau + life_s} openings_s,tau

    site_power: sum_k peak_kw_k PUE+_st use_skt / 1000 <= MW_st [opened_st] + sum_p mw_p phases_spt
    site_space: sum_k racks_k use_skt <= space_st [opened_st] + sum_p space_racks_p phases_spt
    site_open: cap_skt <= M_skt opened_st; a phase needs an open site too
    """
    inst = master.instance
    S, T = inst.power_mw.shape
    B = inst.branches
    openings, phases = master.columns["openings"], master.columns["phases"]
    life = [site.opening_life_periods for site in inst.case.sites]
    needs = np.flatnonzero(inst.needs_opening)
    fixed = ~inst.needs_opening[:, None]
    where = np.array([s for s, _ in phase_places(inst)], int)
    items = [p for site in inst.case.sites for p in site.phases]
    for family, limit, per_module, per_phase in (
        ("site_power", inst.power_mw, None, [p.mw for p in items]),
        ("site_space", inst.space, inst.racks, [p.space_racks for p in items]),
    ):
        bounded = np.isfinite(limit)
        row = master.row(family, (B, S, T), upper=np.where(bounded, np.where(fixed, limit, 0.0), np.inf))
        for s, k, columns, own in capacity_columns(master):
            use = (
                inst.peak_kw[k][:, None] * inst.pue_max[s] / 1000
                if per_module is None
                else np.broadcast_to(per_module[k][:, None], (len(k), T))
            )
            master.add(row[:, s], columns, use * own[:, None] * bounded[s])
        for i, s in enumerate(where):
            for tau in range(T):
                end = min(tau + items[i].life_periods, T)
                master.add(row[:, s, tau:end], phases[:, i, tau, None], -per_phase[i] * bounded[s, tau:end])
        for site in needs.tolist():
            for tau in range(T):
                end = tau + int(life[site])
                gained = np.where(bounded[site, tau:end], limit[site, tau:end], 0.0)
                master.add(row[:, site, tau:end], openings[:, site, tau, None], -gained)
    if needs.size:
        _add_site_open(master, where, items)


def _add_site_open(master: Master, where: IntArray, items: list[Phase]) -> None:
    """Nothing at a candidate before it is opened or after its opening has ended. where: (phases,) site of each."""
    inst = master.instance
    B, T = inst.branches, inst.power_mw.shape[1]
    openings, phases = master.columns["openings"], master.columns["phases"]
    life = [site.opening_life_periods for site in inst.case.sites]
    needs = np.flatnonzero(inst.needs_opening)
    useful, most_mw = useful_modules(inst), most_site_mw(inst).max(axis=1)
    for name, (s_, k, columns, _own) in zip(("site_open", "site_open_leases"), capacity_columns(master), strict=False):
        cells = np.flatnonzero(inst.needs_opening[s_])
        at, kind = s_[cells], k[cells]
        row = master.row("site_open", (B, len(cells), T), upper=0.0, name=name)
        master.add(row, columns[:, cells], 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            by_power = np.where(inst.peak_kw[kind] > 0, most_mw[at] * 1000 / inst.peak_kw[kind], np.inf)
        bound = np.floor(np.minimum(by_power, useful[kind] + inst.most_standing.max(axis=2)[at, kind]) + 1e-9)
        for i, site in enumerate(at):
            for tau in range(T):
                master.add(row[:, i, tau : tau + int(life[site])], openings[:, site, tau, None], -bound[i])
    for i in np.flatnonzero(np.isin(where, needs)).tolist():
        row = master.row("site_open", (B, T), upper=0.0, name=f"site_open_phase_{i}")
        master.add(row, phases[:, i], 1.0)
        for tau in range(T):
            end = tau + int(life[where[i]])
            master.add(row[:, tau:end], openings[:, where[i], tau, None], -float(items[i].max_count))


def most_site_mw(inst: Instance) -> FloatArray:
    """(S, T) most facility power a site can have in each period."""
    extra = np.array([sum(p.mw * p.max_count for p in site.phases) for site in inst.case.sites])
    return np.asarray(inst.power_mw + extra[:, None], float)


def add_billed_power(master: Master) -> None:
    """demand_charge: billed power of a site for months with the same days, the same in every future of a branch."""
    inst = master.instance
    S, T = inst.power_mw.shape
    charge = np.array([x.demand_charge_per_kw_month for x in inst.case.sites]) / inst.money_unit
    master.decide(
        "billed_kw",
        (S, T, inst.bill_months.shape[1]),
        np.arange(T)[:, None],
        cost=charge[:, None, None] * inst.bill_months * inst.discount[:, None],
        where=(charge > 0)[:, None, None] & (inst.bill_months > 0),
    )
