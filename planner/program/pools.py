"""Large pools of serving: after a few spare cards they carry a higher share of their throughput.

What a pool of p modules carries is theta n max(eta p, a (p - o)): spare grows more slowly than the pool, so that the
capacity of a pool is convex in its size, and which line holds is a decision: large_pool_wskt (decision 0210). Where it
is taken, all of the workload's modules of the type at the site are one pool for the period, and o of them stay spare in
every hour.
"""

from __future__ import annotations

import numpy as np

from planner.arrays import BoolArray, FloatArray
from planner.case import WorkloadKind
from planner.program.capacity import most_modules
from planner.program.instance import Instance
from planner.program.master import Master


def most_pooled(inst: Instance) -> FloatArray:
    """(W, S, K) modules beyond which no pool is of use: all of the workload's work at once, within what can stand."""
    hourly = inst.demand.sum(axis=2).max(axis=(0, 2, 3), initial=0.0)  # (W, H)
    late = np.array([w.kind is WorkloadKind.deferrable for w in inst.case.workloads], bool)
    rate = np.where(late, hourly @ inst.step_hours / inst.step_hours.min(), hourly.max(axis=1, initial=0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        need = np.where(inst.pool_factor > 0, (rate * inst.burst)[:, None] / inst.throughput, 0.0) + inst.pool_spare
    return np.asarray(np.minimum(need[:, None], most_modules(inst)), float)


def add_pools(master: Master) -> None:
    """Which pools are large, by workload, site, type and period; what they keep spare is in `gangs_fit`."""
    inst = master.instance
    periods = inst.case.horizon.periods
    reached: BoolArray = np.asarray(inst.allowed.any(axis=1))  # (W, S)
    may: BoolArray = np.asarray(reached[:, :, None] & (inst.pool_factor > 0)[:, None])
    master.decide("large_pool", (*may.shape, periods), np.arange(periods), upper=1.0, where=may[..., None])
