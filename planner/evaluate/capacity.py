"""Capacity against demand: what stands, the build-ahead ratio, and how far ahead in time that is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.demand import Demand
from planner.evaluate.multiple import Multiple, largest_multiples
from planner.plan.tables import TABLES
from planner.program.instance import Instance


def standing(inst: Instance, tables: Mapping[str, pd.DataFrame]) -> tuple[FloatArray, FloatArray]:
    """(B, S, K, T) modules that stand, owned and leased, and those that campaigns hold, from a plan's tables."""
    shape = (inst.branches, *inst.standing.shape)
    sites = pd.Index([x.id for x in inst.case.sites])
    types = pd.Index([x.id for x in inst.case.module_types])
    out = []
    for table, amount in (
        (tables["stock"], tables["stock"]["owned"] + tables["stock"]["leased"]),
        (tables["campaigns"], tables["campaigns"]["modules"] * tables["campaigns"]["on"]),
    ):
        s, k = sites.get_indexer(pd.Index(table["site"])), types.get_indexer(pd.Index(table["module_type"]))
        branch, t, n = table["branch"].to_numpy(int), table["period"].to_numpy(int), amount.to_numpy(float)
        total = np.zeros(shape)
        for b in range(inst.branches):
            mine = (branch == b) | (branch < 0)
            np.add.at(total[b], (s[mine], k[mine], t[mine]), n[mine])
        out.append(total)
    return out[0], out[1]


def capacity_tables(
    inst: Instance,
    demand: Demand,
    tables: Mapping[str, pd.DataFrame],
    *,
    measured: bool = True,
    counted: FloatArray | None = None,
) -> dict[str, pd.DataFrame]:
    """capacity: installed and usable compute against the P50 and P90 peak, build-ahead ratio and months ahead.
    ratio_gangs: the gangs with which that ratio is reached. Made from the tables stock and campaigns.

    measured: False leaves the ratio out (nan), for plans that are looked at on the way to another. counted:
    (B, J, S, K, T) the gangs that a floor counted on, which then stand in ratio_gangs.
    """
    stands, held = standing(inst, tables)
    installed = np.einsum("bskt,k->bt", stands, inst.pflops)
    usable = np.einsum("bskt,k->bt", stands, inst.pflops * inst.availability)
    horizon, course = inst.case.horizon, demand.central
    found = [[Multiple(np.nan)] * horizon.periods] * inst.branches
    if measured:
        found = largest_multiples(inst, course, stands, held)
    b, t = (a.ravel() for a in np.indices(usable.shape))
    flat = [found[i][j] for i, j in zip(b, t, strict=True)]
    p50 = demand.p50_peak
    label = np.where(inst.branches == 1, -1, b)
    months = [months_ahead(one.ratio, p50, int(j), horizon.months_per_period) for one, j in zip(flat, t, strict=True)]
    capacity = TABLES["capacity"].frame(
        {
            "branch": label,
            "period": t,
            "start": np.array([horizon.period_start(i) for i in range(horizon.periods)], object)[t],
            "installed_pflops": installed[b, t],
            "usable_pflops": usable[b, t],
            "p50_peak_pflops": p50[t],
            "p90_peak_pflops": demand.p90_peak[t],
            "capacity_to_peak": np.where(p50[t] > 0, usable[b, t] / np.where(p50[t] > 0, p50[t], 1), np.nan),
            "build_ahead_ratio": [one.ratio for one in flat],
            "months_ahead": months,
            "binding_day": ["" if one.day < 0 else course.days.labels[one.day] for one in flat],
            "binding_hour": ["" if one.step < 0 else course.days.clock(one.step) for one in flat],
            "binding_workloads": [", ".join(one.workloads) for one in flat],
            "binding_sites": [", ".join(one.sites) for one in flat],
        }
    )
    gangs = [(int(i), int(j), *row) for i, j, one in zip(label, t, flat, strict=True) for row in one.gangs]
    if not measured and counted is not None:
        case, jobs = inst.case, inst.of_kind_training()
        gangs = [
            (-1 if inst.branches == 1 else int(i), int(at), case.workloads[jobs[j]].id, case.sites[s].id,
             case.module_types[k].id, int(counted[i, j, s, k, at]))
            for i, j, s, k, at in np.argwhere(counted > 0.5)
        ]  # fmt: skip
    names = ("branch", "period", "workload", "site", "module_type", "gangs")
    columns = [list(column) for column in zip(*gangs, strict=True)] if gangs else [[] for _ in names]
    return {"capacity": capacity, "ratio_gangs": TABLES["ratio_gangs"].frame(dict(zip(names, columns, strict=True)))}


def months_ahead(ratio: float, peaks: FloatArray, period: int, months_per_period: int) -> float:
    """Months from the start of `period` until the P50 peak is `ratio` times what it is then, by straight lines.

    Below 1, how long ago it was so (negative). To the horizon's end at most; nan where it lies before the horizon's
    start, or the ratio is not known. peaks: (periods,).
    """
    level = ratio * peaks[period]
    if not np.isfinite(level) or peaks[period] <= 0:
        return float("nan")
    if ratio >= 1:
        above = np.flatnonzero(peaks[period:] > level)
        if not above.size:
            return float((len(peaks) - 1 - period) * months_per_period)
        i = period + int(above[0])
        return float((i - 1 + (level - peaks[i - 1]) / (peaks[i] - peaks[i - 1]) - period) * months_per_period)
    below = np.flatnonzero(peaks[:period] <= level)
    if not below.size:
        return float("nan")
    i = int(below[-1])
    return float((i + (level - peaks[i]) / (peaks[i + 1] - peaks[i]) - period) * months_per_period)
