"""The owner's limits that bear on orders and stock: budget, vendor and domestic shares, targets, build-ahead range."""

from __future__ import annotations

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.case import by_period
from planner.program.capacity import capacity_columns, most_modules
from planner.program.master import Master


def _paid(column: IntArray, row: IntArray, amount: FloatArray, master: Master) -> None:
    """Add amounts for columns that exist (a column of -1 stands for none)."""
    row, column, amount = np.broadcast_arrays(row, column, amount)
    real = column >= 0
    master.add(row[real], column[real], amount[real])


def add_budget(master: Master) -> None:
    """budget: (1 - prepay) C_kt orders_skt + prepay C_k,t+lead orders_sk,t+lead + charges, phases, openings <= B_t.

    What agreements make cheaper is paid for as cheaper: less gain_p C_kt discounted_pkt in the same two parts.
    """
    inst = master.instance
    case, T = inst.case, inst.case.horizon.periods
    budget = by_period(case.policy.budget, T, np.inf) / inst.money_unit
    if not np.isfinite(budget).any():
        return
    row = master.row("budget", (inst.branches, T), upper=budget)
    order_on = master.columns["order_on"]
    prepay = np.array([k.prepay_share for k in case.module_types])
    gain = inst.agreements.gain[:, None, None]
    priced = ((master.columns["orders"], inst.capex[None]), (master.columns["discounted"], -gain * inst.capex))
    for bought, price in priced:
        _paid(bought, row[:, None, None, :], (1 - prepay)[:, None] * price, master)
        for k, lead in enumerate(inst.lead.tolist()):
            if prepay[k] > 0:
                _paid(bought[:, :, k, lead:], row[:, None, : T - lead], prepay[k] * price[:, k, lead:], master)
    _paid(order_on, row[:, None, None, :], inst.order_cost, master)
    phase_capex = np.array([p.capex for s in case.sites for p in s.phases]) / inst.money_unit
    _paid(master.columns["phases"], row[:, None, :], phase_capex[:, None], master)
    opening = np.array([s.opening_cost for s in case.sites]) / inst.money_unit
    _paid(master.columns["openings"], row[:, None, :], opening[:, None], master)


def add_shares(master: Master) -> None:
    """vendor_share, domestic_share: a group's part of the PFLOPS ordered up to each period."""
    inst = master.instance
    case, T = inst.case, inst.case.horizon.periods
    orders = master.columns["orders"]

    def cumulative(row: IntArray, weight: FloatArray) -> None:
        """Rows (B, T) over periods; weight (K, T of the row) on all orders up to the row's period."""
        for t in range(T):
            master.add(row[:, t, None, None, None], orders[..., : t + 1], weight[:, t, None])

    for vendor, cap in case.policy.vendor_share_cap.items():
        group = np.array([k.vendor == vendor for k in case.module_types], float)
        row = master.row("vendor_share", (inst.branches, T), upper=0.0, name=f"vendor_share|{vendor}")
        cumulative(row, np.repeat((inst.pflops * (group - cap))[:, None], T, axis=1))
    floor = by_period(case.policy.domestic_share_floor, T, np.nan)
    if np.isfinite(floor).any():
        group = np.array([k.domestic for k in case.module_types], float)
        row = master.row("domestic_share", (inst.branches, T), lower=np.where(np.isfinite(floor), 0.0, -np.inf))
        cumulative(row, inst.pflops[:, None] * (group[:, None] - np.nan_to_num(floor)) * np.isfinite(floor))


def add_type_limits(master: Master) -> None:
    """At most so many types at a site at one time.

    type_present: cap_skt <= M_skt type_present_skt
    type_count: sum_k type_present_skt <= max_module_types_s
    """
    inst = master.instance
    case, (S, K, T) = inst.case, inst.standing.shape
    limited = np.array([s.id in case.policy.max_module_types for s in case.sites])
    # Which types stand follows from what is ordered and leased, and so may differ between branches where those do.
    present = master.decide("type_present", (S, K, T), master.commit, upper=1.0, where=limited[:, None, None])
    if not limited.any():
        return
    at = np.flatnonzero(limited)
    place = np.full(S, -1)
    place[at] = np.arange(len(at))
    row = master.row("type_present", (inst.branches, len(at), K, T), upper=0.0)
    for s, k, columns, _own in capacity_columns(master):
        here = limited[s]
        master.add(row[:, place[s[here]], k[here]], columns[:, here], 1.0)
    master.add(row, present[:, at], -most_modules(inst)[at][:, :, None])
    allowed = np.array([float(case.policy.max_module_types[case.sites[s].id]) for s in at])
    count = master.row("type_count", (inst.branches, len(at), T), upper=allowed[:, None])
    master.add(count[:, :, None], present[:, at], 1.0)


def add_capacity_policies(master: Master) -> None:
    """Floors and ceilings on installed and usable compute.

    capacity_target: sum_sk P_k cap_skt >= 1000 target_t
    build_ahead_maximum: sum_sk a_k P_k cap_skt <= maximum_t P50_t (the floor: `reserve`)
    """
    inst = master.instance
    policy, T = inst.case.policy, inst.case.horizon.periods
    target = by_period(policy.capacity_targets_eflops, T, -np.inf) * 1000
    # NaN, not infinity, stands for a missing limit: a period without demand has a peak of 0 to multiply with.
    most = by_period(policy.build_ahead.maximum, T, np.nan) * inst.p50_peak
    most = np.where(np.isnan(most), np.inf, most)
    usable = inst.pflops * inst.availability
    for family, weight, lower, upper in (
        ("capacity_target", inst.pflops, target, np.full(T, np.inf)),
        ("build_ahead_maximum", usable, np.full(T, -np.inf), most),
    ):
        bounded = np.isfinite(lower) | np.isfinite(upper)
        if not bounded.any():
            continue
        row = master.row(family, (inst.branches, T), lower=lower, upper=upper)
        for _s, k, columns, _own in capacity_columns(master):
            master.add(row[:, None, :], columns, weight[k][:, None] * bounded)
