"""How many times its P50 work a typical day can be served with gangs in place: one small linear program a day.

    maximise mu
    subject to, in every step h (deferrable work: its backlog moves between steps, within window and rate)
        sum_g flow[o, g, h] = mu asked[o, h]                                 every origin o: a workload of like regions
        burst_w sum_o flow[o, g, h] <= sum_k work[w, k] load[w, g, k, h]     every workload w and group of sites g
        sum_w load[w, g, k, h] + sum_j active[j, g, k, h] <= usable[g, k] - gangs that stay
        sum_h hours[h] active[j, g, k, h] >= (1 - yield share) gangs
        sum flow traffic <= bandwidth                                        every link with a limit

Work is counted in units of its largest hour, so that numbers stay near 1. Solved with SciPy, which the planner's engine
does not use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from planner.arrays import FloatArray, IntArray
from planner.case import Workload, WorkloadKind, by_period
from planner.verify.facts import Facts


class DayProgram:
    """One period's typical day. usable: (S, K) modules; gangs: (W, S, K) that are held in place."""

    def __init__(self, facts: Facts, period: int, day: int, usable: FloatArray, gangs: FloatArray) -> None:
        course = facts.demand.central
        self.facts, self.period, self.hourly = facts, period, course.days.hourly
        self.hours, self.H = course.days.step_hours, course.days.steps
        self.asked = course.values[:, :, period, day]  # (W, R, H)
        kinds = facts.kind
        self.work = [w for w in range(len(self.asked)) if kinds[w] is not WorkloadKind.training and self.asked[w].any()]
        self.groups = self._groups()
        self.room = np.array([usable[members].sum(axis=0) for members in self.groups])
        self.gangs = np.array([gangs[:, members].sum(axis=1) for members in self.groups])  # (G, W, K)
        self.modules = np.einsum("wk,gwk->gwk", facts.gang, self.gangs)
        self._sets()

    def _sets(self) -> None:
        """Origins (workload, which groups it may use, region if that has a limited link), and the columns' places."""
        facts, G, limits = self.facts, range(len(self.groups)), self.facts.case.network.bandwidth_gbps
        origins: dict[tuple[int, tuple[bool, ...], str], list[int]] = {}
        for w in self.work:
            for r in np.flatnonzero(self.asked[w].any(axis=1)):
                may = tuple(bool(facts.allowed[w, r, members[0]]) for members in self.groups)
                name = facts.labels["region"][r]
                origins.setdefault((w, may, name if name in limits else ""), []).append(int(r))
        self.regions = list(origins.values())
        self.origin = [w for w, _, _ in origins]  # the workload of every origin
        K = range(len(facts.cards))
        self.pairs = [
            (o, g)
            for o, (w, may, _) in enumerate(origins)
            for g in G
            if may[g] and (facts.work[w] * self.room[g]).any()
        ]
        self.loads = [
            (w, g, k) for w in self.work for g in G for k in K if facts.work[w, k] > 0 and self.room[g, k] > 0
        ]
        preemptible = [j for j, workload in enumerate(facts.case.workloads) if workload.preemptible]
        self.yielding = [(j, g, k) for j in preemptible for g in G for k in K if self.gangs[g, j, k]]
        self.late = [o for o, w in enumerate(self.origin) if facts.kind[w] is WorkloadKind.deferrable]
        # columns: the multiple, then flow, load, active and backlog, each with its steps
        sizes = [0, len(self.pairs), len(self.loads), len(self.yielding), len(self.late)]
        starts = 1 + self.H * np.cumsum(sizes)
        self._flow, self._load, self._active, self._backlog, self.columns = (int(x) for x in starts)
        self.scale = [max(float(asked.max()), 1e-12) for asked in self.asked]

    def _spec(self, w: int) -> Workload:
        return self.facts.case.workloads[w]

    def _at(self, start: int, i: int) -> IntArray:
        """(H,) columns of the i-th entry of a set that begins at `start`."""
        return start + i * self.H + np.arange(self.H)

    def most(self, ceiling: float) -> float:
        """The largest multiple up to `ceiling`; 0 where the gangs do not fit what stands."""
        if not self.work:
            return ceiling
        equal, upper = _Rows(self.columns), _Rows(self.columns)
        for o in range(len(self.origin)):
            self._serve(o, equal, upper)
            self._links(o, upper)
        for w in self.work:
            self._pace(w, upper)
            self._machines(w, upper)
        self._fit(upper)
        top = self._tops(ceiling)
        self._yield(upper, top)
        cost = np.zeros(self.columns)
        cost[0] = -1.0
        bounds: Any = np.stack([np.zeros(self.columns), top], axis=1)
        answer = linprog(cost, *upper.matrix(), *equal.matrix(), bounds, method="highs-ipm")
        if answer.status == 2:  # gangs that do not fit what stands, which is a fault of its own
            return 0.0
        if answer.status != 0 or answer.x is None:
            raise RuntimeError(f"the check of the build-ahead ratio ended with: {answer.message}")
        return max(float(answer.x[0]), 0.0)

    def _serve(self, o: int, equal: _Rows, upper: _Rows) -> None:
        """What flows from an origin is the multiple of what it asks; deferrable work may wait within its window."""
        w, H, zero = self.origin[o], self.H, np.zeros(self.H, int)
        total = self.asked[w][self.regions[o]].sum(axis=0) / self.scale[w]
        row = equal.open(H, np.zeros(H))
        length = self.hours if o in self.late else np.ones(H)
        for p in self._pairs_of(o):
            equal.put(row, self._at(self._flow, p), length)
        equal.put(row, zero, -total * length)
        if o not in self.late:
            return
        waits = self._at(self._backlog, self.late.index(o))
        if H > 1:
            equal.put(row, waits, np.ones(H))
            equal.put(row, np.roll(waits, 1), -np.ones(H))
        if self.hourly:
            window = sum((np.roll(total * self.hours, b) for b in range(self._spec(w).window_hours - 1)), np.zeros(H))
            row = upper.open(H, np.zeros(H))
            upper.put(row, waits, np.ones(H))
            upper.put(row, zero, -window)

    def _pairs_of(self, o: int) -> list[int]:
        return [p for p, (origin, _) in enumerate(self.pairs) if origin == o]

    def _links(self, o: int, upper: _Rows) -> None:
        """bandwidth: workloads share the rows of a link."""
        facts, w = self.facts, self.origin[o]
        at = {facts.labels["site"][s]: g for g, members in enumerate(self.groups) for s in members}
        for region in self.regions[o]:
            limits = facts.case.network.bandwidth_gbps.get(facts.labels["region"][region], {})
            for site, limit in limits.items():
                cap = by_period(limit, facts.shape[0], np.inf)[self.period]
                through = [p for p in self._pairs_of(o) if self.pairs[p][1] == at[site]]
                if np.isfinite(cap) and through:
                    row = upper.link((region, site), self.H, cap)
                    gbps = facts.traffic[w] * self.scale[w] * 8 / 3600
                    for p in through:
                        upper.put(row, self._at(self._flow, p), np.full(self.H, gbps))

    def _pace(self, w: int, upper: _Rows) -> None:
        """deferral.rate: no step runs more than so many times the day's mean."""
        factor = self._spec(w).max_rate_factor
        if self.facts.kind[w] is not WorkloadKind.deferrable or factor is None:
            return
        H = self.H
        mean = float(self.asked[w].sum(axis=0) @ self.hours / self.hours.sum()) / self.scale[w]
        row = upper.open(H, np.zeros(H))
        for p, (o, _) in enumerate(self.pairs):
            if self.origin[o] == w:
                upper.put(row, self._at(self._flow, p), np.ones(H))
        upper.put(row, np.zeros(H, int), np.full(H, -factor * mean))

    def _machines(self, w: int, upper: _Rows) -> None:
        """serving: what flows to a group is done by the modules that work for it there."""
        H = self.H
        for g in range(len(self.groups)):
            mine = [p for p, (o, place) in enumerate(self.pairs) if place == g and self.origin[o] == w]
            if not mine:
                continue
            row = upper.open(H, np.zeros(H))
            for p in mine:
                upper.put(row, self._at(self._flow, p), np.full(H, self.facts.burst[w]))
            for i, (v, place, k) in enumerate(self.loads):
                if (v, place) == (w, g):
                    upper.put(row, self._at(self._load, i), np.full(H, -self.facts.work[w, k] / self.scale[w]))

    def _fit(self, upper: _Rows) -> None:
        """capacity: work and gangs within what is usable."""
        H = self.H
        yields = {(j, g, k) for j, g, k in self.yielding}
        for g, k in np.argwhere(self.room > 0):
            stays = sum(float(self.modules[g, j, k]) for j in range(len(self.asked)) if (j, g, k) not in yields)
            row = upper.open(H, np.full(H, self.room[g, k] - stays))
            for start, entries in ((self._load, self.loads), (self._active, self.yielding)):
                for i, (_, place, kind) in enumerate(entries):
                    if (place, kind) == (g, k):
                        upper.put(row, self._at(start, i), np.ones(H))

    def _tops(self, ceiling: float) -> FloatArray:
        """(columns,) upper bounds: the ceiling of the multiple, and the hours in which deferrable work may not run."""
        top = np.full(self.columns, np.inf)
        top[0] = ceiling
        for p, (o, _) in enumerate(self.pairs):
            allowed = self._spec(self.origin[o]).allowed_hours
            if self.hourly and o in self.late and allowed:
                shut = np.ones(self.H, bool)
                for first, last in allowed:
                    shut[first:last] = False
                top[self._at(self._flow, p)[shut]] = 0.0
        return top

    def _yield(self, upper: _Rows, top: FloatArray) -> None:
        """yield: a gang that gives way does at least its share of the day; bounds are written into `top`."""
        for i, (j, g, k) in enumerate(self.yielding):
            modules = float(self.modules[g, j, k])
            active = self._at(self._active, i)
            top[active] = modules
            least = (1 - self._spec(j).max_yield_share) * modules * self.hours.sum()
            row = upper.open(1, np.array([-least]))
            upper.put(np.repeat(row, self.H), active, -self.hours)

    def _groups(self) -> list[list[int]]:
        """Sites that the same work may use; a site with a bandwidth limit stays alone."""
        limited = {s for row in self.facts.case.network.bandwidth_gbps.values() for s in row}
        out: dict[tuple[bytes, str], list[int]] = {}
        for s, name in enumerate(self.facts.labels["site"]):
            may = [self.facts.allowed[w, self.asked[w].any(axis=1), s].tobytes() for w in self.work]
            out.setdefault((b"|".join(may), name if name in limited else ""), []).append(s)
        return list(out.values())


class _Rows:
    """Rows of a sparse matrix under construction. links: rows of a bandwidth limit by region and site."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.links: dict[tuple[int, str], IntArray] = {}
        self._side: list[FloatArray] = []
        self._parts: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._count = 0

    def open(self, count: int, side: FloatArray) -> IntArray:
        """New rows with their right-hand sides."""
        self._side.append(side)
        self._count += count
        return np.arange(self._count - count, self._count)

    def link(self, key: tuple[int, str], count: int, limit: float) -> IntArray:
        """The rows of a link, opened when it is first asked for."""
        if key not in self.links:
            self.links[key] = self.open(count, np.full(count, limit))
        return self.links[key]

    def put(self, rows: IntArray, columns: IntArray, values: FloatArray) -> None:
        self._parts.append((rows, columns, values))

    def matrix(self) -> tuple[Any, Any]:
        """The matrix and its right-hand sides; (None, None) without rows."""
        if not self._count:
            return None, None
        row, column, value = (np.concatenate(p) for p in zip(*self._parts, strict=True))
        return sp.csr_matrix((value, (row, column)), shape=(self._count, self.columns)), np.concatenate(self._side)
