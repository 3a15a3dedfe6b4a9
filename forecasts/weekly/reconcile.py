"""Totals that add up: series, regions, workloads and the whole, in the mean and in every future.

An outlook holds bottom series only, so its totals are sums and cannot disagree. `reconcile` brings forecasts that
were made at every level of the hierarchy to bottom series whose sums come closest to all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from forecasts.outlook import FloatArray, Futures, Outlook, SeriesKey


@dataclass(frozen=True)
class Hierarchy:
    """nodes: (level, name, unit) with level total, region, workload or series; sums: (nodes, series) of 0 and 1.

    Series add up only where they share a unit, so there is a total, and a node a region, for every unit.
    """

    nodes: tuple[tuple[str, str, str], ...]
    sums: sparse.csr_array


def hierarchy(series: Sequence[SeriesKey]) -> Hierarchy:
    """Total, regions, workloads and series, each above the series that add up to it; nodes of one series only once."""
    members: dict[tuple[str, str, str], list[int]] = {}
    for i, key in enumerate(series):
        for node in (("total", "", key.unit), ("region", key.region, key.unit), ("workload", key.workload, key.unit)):
            members.setdefault(node, []).append(i)
    kept = {node: tuple(rows) for node, rows in members.items() if len(rows) > 1}
    order = {"total": 0, "region": 1, "workload": 2}
    nodes: list[tuple[str, str, str]] = []
    rows_of: list[tuple[int, ...]] = []
    for node in sorted(kept, key=lambda node: (order[node[0]], node[1], node[2])):
        if kept[node] not in rows_of:
            nodes.append(node)
            rows_of.append(kept[node])
    nodes += [("series", f"{key.region}/{key.workload}", key.unit) for key in series]
    rows_of += [(i,) for i in range(len(series))]
    at = [(n, i) for n, rows in enumerate(rows_of) for i in rows]
    r, c = np.array([n for n, _ in at], dtype=np.int64), np.array([i for _, i in at], dtype=np.int64)
    return Hierarchy(tuple(nodes), sparse.csr_array((np.ones(len(at)), (r, c)), shape=(len(nodes), len(series))))


def reconcile(base: FloatArray, variance: FloatArray, tree: Hierarchy) -> FloatArray:
    """(series, weeks) bottom forecasts whose sums are nearest to the base forecasts of all nodes.

    base: (nodes, weeks). variance: (nodes,), error variance of each node's forecast. Weighted least squares with a
    diagonal error matrix (MinT with variance scaling; Wickramasuriya, Athanasopoulos and Hyndman 2019). A bottom value
    that would fall below zero is set to zero and the others are solved for again.
    """
    if base.shape[0] != len(tree.nodes) or variance.shape != (len(tree.nodes),):
        raise ValueError(f"base {base.shape} and variance {variance.shape} must have {len(tree.nodes)} nodes")
    weight = 1 / np.maximum(variance, 1e-12 * max(float(variance.max(initial=0.0)), 1e-300))
    sums = tree.sums
    gram = (sums.T @ sums.multiply(weight[:, None])).toarray()
    moment = sums.T @ (weight[:, None] * base)
    bottom: FloatArray = np.linalg.solve(gram, moment)
    for week in np.flatnonzero((bottom < 0).any(axis=0)):
        free = np.ones(gram.shape[0], dtype=bool)
        while (bottom[free, week] < 0).any():
            free &= bottom[:, week] >= 0
            bottom[:, week] = 0.0
            if free.any():
                bottom[free, week] = np.linalg.solve(gram[np.ix_(free, free)], moment[free, week])
    return bottom


def level_totals(part: Futures, tree: Hierarchy) -> FloatArray:
    """(futures, nodes, weeks) mean demand of every node in every future."""
    return np.stack([np.asarray(tree.sums @ level) for level in part.level])


def coincident_peak(outlook: Outlook, part: Futures, rows: Sequence[int] | None = None) -> FloatArray:
    """(futures, weeks) highest hour of the sum of some series (all: None), hour by hour along their tides.

    Peaks of single series fall into different hours and do not add up; this is the peak of the sum.
    """
    chosen = np.arange(len(outlook.series)) if rows is None else np.asarray(rows, dtype=np.int64)
    out = np.empty((len(part), outlook.weeks))
    for season in np.unique(outlook.season_of_week):
        weeks = np.flatnonzero(outlook.season_of_week == season)
        tide = outlook.tide[chosen, season]
        level = part.level[:, chosen][:, :, weeks].transpose(0, 2, 1)
        peak = part.peak[:, chosen][:, :, weeks].transpose(0, 2, 1)
        # As Outlook.shape: the tide is stretched until its top meets the peak. Cutting at zero touches low hours only.
        top = tide.max(axis=1)
        stretch = np.where(top > 1.02, (peak - level) / np.maximum(top - 1, 0.02), 0.0)
        pulse = np.where(top > 1.02, 0.0, peak - level).sum(axis=2)
        hours = level.sum(axis=2)[:, :, None] + stretch @ (tide - 1)
        out[:, weeks] = np.maximum(hours.max(axis=2), hours.mean(axis=2) + pulse)
    return out
