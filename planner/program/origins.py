"""Where work comes from, with regions that are alike taken together.

Regions whose work may go to the same sites at the same price are one origin: the model cannot tell them apart, and a
plan is split among them again when tables are made. Regions with a bandwidth limit stay alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.case import WorkloadKind
from planner.program.blocks import BoolArray, FloatArray, IntArray
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
            key = (inst.allowed[w, r].tobytes(), cost.tobytes(), r if limited[r] else -1)
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
    return Origins(workload, member, origin, site, inst.transfer[workload[origin], first[origin], site])
