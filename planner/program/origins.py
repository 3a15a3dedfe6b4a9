"""Where work comes from, with regions that are alike taken together.

Regions whose work may go to the same sites at the same price are one origin: the model cannot tell them apart, and a
plan is split among them again when tables are made. Regions with a bandwidth limit stay alone.

A pooled instance takes regions with the same sites together whatever they pay for transfer, at the least of their
prices: a relaxation that is off by no more than `pooling_error`, and several times smaller with many regions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import WorkloadKind
from planner.program.instance import Instance


@dataclass(frozen=True)
class Origins:
    """workload (O,); member (O, R); pairs as flat arrays over (origin, site): origin, site, transfer money."""

    workload: IntArray
    member: BoolArray
    pair_origin: IntArray
    pair_site: IntArray
    transfer: FloatArray

    @property
    def pair_workload(self) -> IntArray:
        """(pairs,) workload of each pair of origin and site."""
        return np.asarray(self.workload[self.pair_origin])

    def total(self, inst: Instance, future: int, period: int, day: int) -> FloatArray:
        """(O, H) demand of each origin on one typical day."""
        demand = inst.demand[future, :, :, period, day]
        return np.asarray(np.einsum("or,orh->oh", self.member, demand[self.workload]), float)


def find_origins(inst: Instance, workloads: list[int] | None = None) -> Origins:
    """Origins of the given workloads (default: online and deferrable ones)."""
    if workloads is None:
        workloads = [i for i, w in enumerate(inst.case.workloads) if w.kind is not WorkloadKind.training]
    regions = len(inst.case.regions)
    limited = np.array([r.id in inst.case.network.bandwidth_gbps for r in inst.case.regions])
    owner: list[int] = []
    members: list[BoolArray] = []
    for w in workloads:
        seen: dict[tuple[bytes, bytes, int], int] = {}
        asked = np.asarray(inst.demand[:, w].any(axis=(0, 2, 3, 4)))
        for r in range(regions):
            if not asked[r]:
                continue
            cost = np.where(inst.allowed[w, r], inst.transfer[w, r], 0.0)
            priced = b"" if inst.pooled else cost.tobytes()
            key = (inst.allowed[w, r].tobytes(), priced, r if limited[r] else -1)
            if key not in seen:
                seen[key] = len(owner)
                owner.append(w)
                members.append(np.zeros(regions, bool))
            members[seen[key]][r] = True
    workload = np.array(owner, int)
    member = np.array(members, bool).reshape(len(owner), regions)
    first = member.argmax(axis=1) if len(owner) else np.zeros(0, int)
    reach = inst.allowed[workload, first] if len(owner) else np.zeros((0, len(inst.case.sites)), bool)
    origin, site = np.nonzero(reach)
    price = np.where(member[:, :, None], inst.transfer[workload], np.inf).min(axis=1, initial=np.inf)
    return Origins(workload, member, origin, site, price[origin, site])


def pooling_error(inst: Instance) -> float:
    """Most by which pooling can lower the cost, in discounted money: all work of a region pays its largest difference
    from the cheapest region that it is pooled with."""
    pooled = find_origins(replace(inst, pooled=True))
    work = np.einsum("f,fwrtdh,td,h,t->wr", inst.probability, inst.demand, inst.weight, inst.step_hours, inst.discount)
    least = np.zeros((len(pooled.workload), len(inst.case.sites)))
    least[pooled.pair_origin, pooled.pair_site] = pooled.transfer
    reach = np.zeros(least.shape, bool)
    reach[pooled.pair_origin, pooled.pair_site] = True
    more = np.where(reach[:, None], inst.transfer[pooled.workload] - least[:, None], 0.0).max(axis=2, initial=0.0)
    return float((work[pooled.workload] * np.where(pooled.member, more, 0.0)).sum())


def pooling_share(inst: Instance) -> float:
    """Most by which pooling can lower the cost, as a share of what every plan pays at least.

    That is upkeep and idle energy of what stands and may not leave, less what the rest may bring. inf where pooling is
    not worth its error (less than a third of the flows saved) or has no such measure: with several futures, whose risk
    may weigh them otherwise than their mean does.
    """
    if len(inst.probability) > 1:
        return np.inf
    whole, pooled = find_origins(inst), find_origins(replace(inst, pooled=True))
    if len(pooled.pair_site) > len(whole.pair_site) * 2 / 3:
        return np.inf
    upkeep = inst.opex * inst.discount + inst.period_energy_cost()[:, None] * inst.idle_kw[:, None]
    sold = inst.departures.modules * np.maximum(-inst.leaving_cost(), 0.0).max(axis=1, initial=0.0)
    kept = float((inst.least_standing * upkeep).sum() - sold.sum())
    return pooling_error(inst) / kept if kept > 0 else np.inf
