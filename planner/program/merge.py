"""Fewer, longer steps: a relaxation whose optimum never exceeds the exact one.

Steps of a group are replaced by one step of their total length with mean demand. Averaging a solution over the group
satisfies every row that is linear in the steps; rows that look back over single hours (windows, allowed hours) are
dropped. Energy is bought in slots: the hours of a group fall into a few slots of like prices, each slot costs its least
price, and no more is busy in a slot than what stands for its share of the hours. So a block's merged optimum is a lower
bound for the same master point, and does not pretend that all work runs at the cheapest hour.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from planner.arrays import FloatArray, IntArray
from planner.demand import TypicalDays
from planner.program.instance import Instance, PriceSlots

# Tariffs have valley, flat, peak and at times sharp hours; three slots of like prices hold nearly all of that.
SLOTS = 3


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


def price_slots(price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(..., B) share of the steps and least price of `SLOTS` slots, cut where sorted prices (..., n) jump the most.

    Steps of one hour each. Slots without a step have share 0 and the price of the dearest.
    """
    ordered = np.sort(price, axis=-1)
    n = ordered.shape[-1]
    jump = np.diff(ordered, axis=-1)
    cuts = np.sort(np.argsort(-jump, axis=-1, kind="stable")[..., : SLOTS - 1] + 1, axis=-1)
    missing = SLOTS - 1 - cuts.shape[-1]
    cuts = np.concatenate([cuts, np.full((*cuts.shape[:-1], missing), n)], axis=-1)
    starts = np.concatenate([np.zeros((*cuts.shape[:-1], 1), int), cuts], axis=-1)
    ends = np.concatenate([cuts, np.full((*cuts.shape[:-1], 1), n)], axis=-1)
    least = np.take_along_axis(ordered, np.minimum(starts, n - 1), axis=-1)
    return (ends - starts) / n, least


def merge_steps(inst: Instance, count: int) -> Instance:
    """The instance on at most `count` steps; the master must still be built on the exact one."""
    return merged_groups(inst, step_groups(inst, count))


def merged_groups(inst: Instance, group: IntArray) -> Instance:
    """The same on given groups of steps. group: (H,) numbered from 0."""
    groups = int(group.max()) + 1
    hours = np.bincount(group, weights=inst.step_hours, minlength=groups).astype(float)
    mean = np.zeros((len(group), groups))
    mean[np.arange(len(group)), group] = inst.step_hours / hours[group]
    price = np.stack([inst.price[..., group == g].min(axis=-1) for g in range(groups)], axis=-1)
    days = inst.days
    shares, prices = zip(*(price_slots(inst.energy_price()[..., group == g]) for g in range(groups)), strict=True)
    share, least = np.stack(shares, axis=-2), np.stack(prices, axis=-2)
    # carbon costs the same in every hour, so that the least price of a slot is that of its least tariff
    carbon = (inst.carbon_price[:, None] * inst.carbon)[:, None, :, None, None]
    return replace(
        inst,
        days=TypicalDays(days.labels, days.weight, hours, days.calendar, hourly=False),
        demand=inst.demand @ mean,
        price=price,
        windows=False,
        slots=PriceSlots(share, least, least - carbon),
    )
