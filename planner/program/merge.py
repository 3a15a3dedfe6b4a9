"""Fewer, longer steps: a relaxation whose optimum never exceeds the exact one.

Steps of a group are replaced by one step of their total length with mean demand and the least energy price. Averaging a
solution over the group satisfies every row that is linear in the steps, at no greater cost; rows that look back over
single hours (windows, allowed hours) are dropped. So a block's merged optimum is a lower bound for
the same master point.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from planner.demand import TypicalDays
from planner.program.blocks import IntArray
from planner.program.instance import Instance


def step_groups(inst: Instance, count: int) -> IntArray:
    """(H,) group of each step: Ward clustering on demand and price, busier steps weighing more."""
    H = inst.days.steps
    if count >= H:
        return np.arange(H)
    load = np.einsum("f,fwrtdh->wrh", inst.probability, inst.demand)
    per_series = load.reshape(-1, H) / max(float(load.reshape(-1, H).max(axis=1).mean()), 1e-12)
    total = load.sum(axis=(0, 1))
    price = inst.energy_price().reshape(-1, H)
    price = price / max(float(price.max(initial=0.0)), 1e-12)
    features = np.concatenate(
        [2 * per_series / np.sqrt(len(per_series)), price / np.sqrt(max(len(price), 1))], axis=0
    ).T
    busy = (total / max(float(total.max(initial=0.0)), 1e-12)) ** 3 + 0.15
    tree = linkage(features * np.sqrt(busy)[:, None], "ward")
    groups = fcluster(tree, count, "maxclust")
    # Number the groups by their first step, so that the same case always gives the same rows.
    _, first = np.unique(groups, return_index=True)
    order = {groups[f]: i for i, f in enumerate(np.sort(first))}
    return np.array([order[g] for g in groups])


def merge_steps(inst: Instance, count: int) -> Instance:
    """The instance on at most `count` steps; the master must still be built on the exact one."""
    group = step_groups(inst, count)
    groups = int(group.max()) + 1
    hours = np.bincount(group, weights=inst.step_hours, minlength=groups).astype(float)
    mean = np.zeros((len(group), groups))
    mean[np.arange(len(group)), group] = inst.step_hours / hours[group]
    price = np.stack([inst.price[..., group == g].min(axis=-1) for g in range(groups)], axis=-1)
    days = inst.days
    return replace(
        inst,
        days=TypicalDays(days.labels, days.weight, hours, days.calendar, hourly=False),
        demand=inst.demand @ mean,
        price=price,
        windows=False,
    )
