"""Survival of a lost site: whether what is left could still serve the named online work at its peak step.

The tables do not say how work would move after a loss, so the limit asks for existence. It is settled by a small linear
programme for every future, period and lost site (least work left over), solved with SciPy, which the planner's engine
does not use. Regions that may use the same sites are added up first: only their sum meets a limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from planner.arrays import FloatArray, IntArray
from planner.verify.building import Capacity
from planner.verify.facts import Facts
from planner.verify.report import Book


def peak_step(facts: Facts, future: int, period: int, workloads: list[int]) -> tuple[int, int]:
    """(day, step) of the largest installed-PFLOPS equivalent of the named workloads; the first of equals."""
    need = facts.installed_per_unit()[workloads]
    asked = np.einsum("w,wrdh->dh", need, facts.demand.values[future][workloads, :, period])
    asked = np.where(facts.used[period][:, None], asked, -1.0)
    day, step = np.unravel_index(int(asked.argmax()), asked.shape)
    return int(day), int(step)


def unserved_without(
    facts: Facts, usable: FloatArray, asked: FloatArray, workloads: list[int], lost: int
) -> tuple[float, FloatArray]:
    """Least work left over, in busy-module equivalents scaled to each workload, with site `lost` gone.

    usable: (S, K) modules; asked: (workloads, R) rates. Returns the largest share of a workload's demand left over and
    that of each workload.
    """
    S, K = usable.shape
    keep = np.array([s for s in range(S) if s != lost])
    groups: list[tuple[int, IntArray, float]] = []  # (workload position, sites, demand)
    for i, w in enumerate(workloads):
        total: dict[bytes, float] = {}
        for r in np.flatnonzero(asked[i] > 0):
            mask = facts.allowed[w, r, keep]
            total[mask.tobytes()] = total.get(mask.tobytes(), 0.0) + float(asked[i, r])
        groups += [(i, np.flatnonzero(np.frombuffer(m, bool)).astype(np.int64), d) for m, d in total.items()]
    if not groups:
        return 0.0, np.zeros(len(workloads))
    n, m, G = len(keep), len(workloads), len(groups)
    # columns: load (workload, site, type) in modules, then flow and leftover of every group, as shares of its demand
    scale = np.array([max(asked[i].sum(), 1e-12) for i in range(m)])
    flows = [(g, int(s)) for g, (_, sites, _) in enumerate(groups) for s in sites]
    columns = m * n * K + len(flows) + G
    rows: list[tuple[int, int, float]] = []
    for i, w in enumerate(workloads):
        for s in range(n):
            for k in range(K):
                rows.append((i * n + s, (i * n + s) * K + k, -facts.work[w, k] / scale[i]))
                rows.append((m * n + s * K + k, (i * n + s) * K + k, 1.0))
    for c, (g, s) in enumerate(flows):
        i = groups[g][0]
        rows.append((i * n + s, m * n * K + c, facts.burst[workloads[i]]))
    row, column, value = (np.array(x) for x in zip(*rows, strict=True))
    upper: Any = sp.csr_matrix((value, (row, column)), shape=(m * n + n * K, columns))
    limit = np.concatenate([np.zeros(m * n), usable[keep].ravel()])
    balance: Any = sp.csr_matrix(
        (
            np.ones(len(flows) + G),
            (
                np.concatenate([np.array([g for g, _ in flows], int), np.arange(G)]),
                np.arange(m * n * K, columns),
            ),
        ),
        shape=(G, columns),
    )
    demand = np.array([d / scale[i] for i, _, d in groups])
    cost = np.zeros(columns)
    cost[-G:] = 1.0
    able = np.repeat(facts.work[workloads] > 0, n, axis=0).ravel()
    bounds: Any = np.zeros((columns, 2))
    bounds[:, 1] = np.inf
    bounds[: m * n * K, 1] = np.where(able, np.inf, 0.0)
    answer = linprog(cost, A_ub=upper, b_ub=limit, A_eq=balance, b_eq=demand, bounds=bounds, method="highs")
    if answer.status != 0 or answer.x is None:
        raise RuntimeError(f"the check of a lost site ended with: {answer.message}")
    over = np.zeros(m)
    for g, (i, _, _) in enumerate(groups):
        over[i] += max(float(answer.x[columns - G + g]), 0.0)
    return float(over.max()), over


def check_resilience(facts: Facts, capacity: Capacity, book: Book) -> None:
    """resilience: with any one of the named sites lost, nothing of the named work is left over at its peak step."""
    rule = facts.case.policy.resilience
    if rule is None:
        return
    names, sites = facts.labels["workload"], facts.labels["site"]
    workloads = [names.index(w) for w in rule.workloads]
    lost = [sites.index(s) for s in (rule.sites if rule.sites is not None else sites)]
    usable = facts.availability[:, None] * capacity.modules
    for f in range(facts.futures):
        for t in range(facts.shape[0]):
            day, step = peak_step(facts, f, t, workloads)
            asked = facts.demand.values[f][workloads, :, t, day, step]
            over = np.array([unserved_without(facts, usable[f, :, :, t], asked, workloads, z)[1] for z in lost])
            at = f"future {f}, period {facts.labels['period'][t]}, day {day}, step {step}, share left over"
            book.labels = {**book.labels, "lost site": [sites[z] for z in lost], "named": list(rule.workloads)}
            book.limit("resilience", over, "most", 0.0, ("lost site", "named"), at=at)
