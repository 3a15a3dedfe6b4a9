"""What a plan decides, as arrays by branch: read from its tables, written into a program as fixed columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Case, WorkloadKind
from planner.plan.plan import Plan
from planner.program.blocks import Program

# Columns of the master that are decisions of the owner, in the order of their first axes after the branch.
BUILDING = ("orders", "order_on", "phases", "openings")
DECIDED = (*BUILDING, "lease_start", "lease_active", "gangs", "campaign_place", "campaign_on")


@dataclass(frozen=True)
class Decisions:
    """Decisions of a plan by name of the master's columns, each (branches, ...) as in `docs/model.md` §3.

    Also the states that follow from them: stock (B, S, K, T), campaign_share (B, C, S, K, T)
    and campaign_unfinished (B, C).
    """

    values: Mapping[str, FloatArray]

    @property
    def branches(self) -> int:
        return int(self.values["stock"].shape[0])

    def branch(self, index: int) -> dict[str, FloatArray]:
        """One branch's values, with a leading axis of one."""
        return {name: array[index : index + 1] for name, array in self.values.items()}


def branches_of(plan: Plan) -> int:
    """How many branches a plan has: one, or one for each future where late orders may differ."""
    commit = plan.case.horizon.commit_periods
    split = commit is not None and commit < plan.case.horizon.periods and len(plan.demand) > 1
    return len(plan.demand) if split else 1


def decisions_of(plan: Plan) -> Decisions:
    """The decisions in a plan's tables."""
    case = plan.case
    B, T = branches_of(plan), case.horizon.periods
    sites = {s.id: i for i, s in enumerate(case.sites)}
    types = {k.id: i for i, k in enumerate(case.module_types)}
    leases = {x.id: i for i, x in enumerate(case.leases)}
    campaigns = {c.id: i for i, c in enumerate(case.campaigns)}
    jobs = {w.id: i for i, w in enumerate([w for w in case.workloads if w.kind is WorkloadKind.training])}
    places = {(s.id, p): n for n, (s, p) in enumerate((s, p) for s in case.sites for p in range(len(s.phases)))}
    S, K, L, C, J = len(sites), len(types), len(leases), len(campaigns), len(jobs)

    def fill(shape: tuple[int, ...], table: pd.DataFrame, axes: Iterable[list[int]], column: str) -> FloatArray:
        out = np.zeros((B, *shape))
        at = [np.asarray(a, int) for a in axes]
        amount = table[column].to_numpy(float)
        branch = table["branch"].to_numpy(int)
        for b in range(B):
            mine = (branch == -1) | (branch == b)
            np.add.at(out[b], tuple(a[mine] for a in at), amount[mine])
        return out

    def of(table: pd.DataFrame, column: str, index: Mapping[str, int]) -> list[int]:
        return [index[x] for x in table[column]]

    t = plan.tables
    orders, phases, openings, lease, gangs = (t[n] for n in ("orders", "phases", "openings", "leases", "gangs"))
    stock, run, late = t["stock"], t["campaigns"], t["unfinished"]
    skt = [of(orders, "site", sites), of(orders, "module_type", types), list(orders["arrival_period"])]
    values = {"orders": fill((S, K, T), orders, skt, "modules")}
    values["order_on"] = (values["orders"] > 0).astype(float)
    at = [places[s, int(p)] for s, p in zip(phases["site"], phases["phase"], strict=True)]
    values["phases"] = fill((len(places), T), phases, [at, list(phases["arrival_period"])], "count")
    opened = openings.assign(on=1.0)
    values["openings"] = fill((S, T), opened, [of(opened, "site", sites), list(opened["period"])], "on")
    by_lease = [of(lease, "lease", leases), list(lease["period"])]
    values["lease_start"] = fill((L, T), lease, by_lease, "started")
    values["lease_active"] = fill((L, T), lease, by_lease, "active")
    jskt = [
        of(gangs, "workload", jobs),
        of(gangs, "site", sites),
        of(gangs, "module_type", types),
        list(gangs["period"]),
    ]
    values["gangs"] = fill((J, S, K, T), gangs, jskt, "gangs")
    cskt = [of(run, "campaign", campaigns), of(run, "site", sites), of(run, "module_type", types), list(run["period"])]
    values["campaign_on"] = fill((C, S, K, T), run, cskt, "on")
    values["campaign_share"] = fill((C, S, K, T), run, cskt, "share")
    values["campaign_place"] = values["campaign_on"].max(axis=-1, initial=0.0)
    values["campaign_unfinished"] = fill((C,), late, [of(late, "campaign", campaigns)], "share")
    skt = [of(stock, "site", sites), of(stock, "module_type", types), list(stock["period"])]
    values["stock"] = fill((S, K, T), stock, skt, "owned")
    return Decisions(values)


def fixed(program: Program, values: Mapping[str, FloatArray], names: Iterable[str], *, shared: bool = False) -> Program:
    """The program with the named decisions fixed.

    values: (1, ...) or (branches, ...) by name. shared: only where all branches share a decision, so that what may
    adapt to a future stays free.
    """
    lower, upper = program.master.lower.copy(), program.master.upper.copy()
    for name in names:
        index = program.layout.columns[name]
        value = np.broadcast_to(values[name], index.shape)
        real = index >= 0
        if shared:
            real = real & (index == index[:1]).all(axis=0)
        lower[index[real]] = upper[index[real]] = np.round(value[real])
    return replace(program, master=replace(program.master, lower=lower, upper=upper))


def settled(program: Program) -> Program:
    """The program with columns that have one value left no longer whole: what is left may be a linear program."""
    master = program.master
    return replace(program, master=replace(master, integer=master.integer & (master.lower < master.upper)))


def usable_pflops(case: Case, stock: FloatArray, leased: FloatArray) -> FloatArray:
    """(B, T) installed dense FP16 PFLOPS after availability. stock, leased: (B, S, K, T) modules."""
    weight = np.array([k.module_pflops * k.availability for k in case.module_types])
    return np.asarray(np.einsum("bskt,k->bt", stock + leased, weight), float)


def leased_modules(case: Case, lease_active: FloatArray) -> FloatArray:
    """(B, S, K, T) leased modules. lease_active: (B, L, T)."""
    sites = {s.id: i for i, s in enumerate(case.sites)}
    types = {k.id: i for i, k in enumerate(case.module_types)}
    out = np.zeros((lease_active.shape[0], len(sites), len(types), case.horizon.periods))
    for i, lease in enumerate(case.leases):
        out[:, sites[lease.site], types[lease.module_type]] += lease_active[:, i]
    return out
