"""One typical day of the build-ahead ratio's check: how many times its work can be served by what stands.

A small linear program, solved with SciPy, which the planner's engine does not use. Regions that may use the same sites
are added up, and sites that the same work may use: only their sums meet a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from planner.arrays import FloatArray, IntArray
from planner.case import Workload, WorkloadKind, by_period
from planner.verify.facts import Facts


class _Origin(NamedTuple):
    """Regions whose demand for a workload may go to the same places."""

    workload: int
    may: tuple[bool, ...]  # by group of sites
    regions: tuple[int, ...]


class Day:
    """One typical day with gangs in place. usable: (S, K) modules; gangs: (W, S, K).

    Columns: the multiple, then flow (pairs of origin and place), load (work, place, type), active (yielding gangs) and
    backlog (origins that may wait), each with its steps. Flow and load are counted in parts of the work's highest rate.
    """

    def __init__(self, facts: Facts, period: int, day: int, usable: FloatArray, gangs: FloatArray) -> None:
        self.facts, self.period, self.gangs = facts, period, gangs
        course = facts.demand.central
        self.hours, self.steps, self.hourly = course.days.step_hours, course.days.steps, course.days.hourly
        self.asked = course.values[:, :, period, day]  # (W, R, H)
        self.work = [
            w for w in range(len(self.asked)) if facts.kind[w] is not WorkloadKind.training and self.asked[w].any()
        ]
        self.h = np.arange(self.steps)
        self.scale = [max(float(one.max()), 1e-12) for one in self.asked]
        self.groups = self._groups()
        self.room = np.array([usable[members].sum(axis=0) for members in self.groups])
        self.size = np.einsum("wk,wsk->wsk", facts.gang, gangs)

    def most(self, ceiling: float) -> float:
        """The largest multiple up to `ceiling`."""
        if not self.work:
            return ceiling
        starts = np.cumsum([0, *(len(x) for x in (self.pairs, self.loads, self.yielding, self.late))])
        self.flow, self.load, self.active, self.backlog, columns = (int(x) for x in 1 + self.steps * starts)
        equal, upper = _Rows(columns), _Rows(columns)
        self._demand(equal)
        self._windows(upper)
        self._bandwidth(upper)
        self._rates(upper)
        self._serving(upper)
        self._capacity(upper)
        self._yield(upper)
        cost = np.zeros(columns)
        cost[0] = -1.0
        bounds: Any = np.stack([np.zeros(columns), self._most(columns, ceiling)], axis=1)
        a_eq, b_eq = equal.matrix()
        a_ub, b_ub = upper.matrix()
        answer = linprog(cost, a_ub, b_ub, a_eq, b_eq, bounds, method="highs-ipm")
        if answer.status == 2:  # gangs that do not fit what stands, which is a fault of its own
            return 0.0
        if answer.status != 0 or answer.x is None:
            raise RuntimeError(f"the check of the build-ahead ratio ended with: {answer.message}")
        return max(float(answer.x[0]), 0.0)

    # ---- what there is
    def _groups(self) -> list[list[int]]:
        """Sites that the same work may use; a site with a bandwidth limit stays alone."""
        limited = {s for row in self.facts.case.network.bandwidth_gbps.values() for s in row}
        out: dict[tuple[bytes, str], list[int]] = {}
        for s, name in enumerate(self.facts.labels["site"]):
            may = [self.facts.allowed[w, self.asked[w].any(axis=1), s].tobytes() for w in self.work]
            out.setdefault((b"|".join(may), name if name in limited else ""), []).append(s)
        return list(out.values())

    @cached_property
    def origins(self) -> list[_Origin]:
        """A region with a bandwidth limit stays alone."""
        found: dict[tuple[int, tuple[bool, ...], str], list[int]] = {}
        for w in self.work:
            for r in np.flatnonzero(self.asked[w].any(axis=1)):
                may = tuple(bool(self.facts.allowed[w, r, members[0]]) for members in self.groups)
                name = self.facts.labels["region"][r]
                alone = name if name in self.facts.case.network.bandwidth_gbps else ""
                found.setdefault((w, may, alone), []).append(int(r))
        return [_Origin(w, may, tuple(regions)) for (w, may, _), regions in found.items()]

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """(origin, group) where something that stands can do the work."""
        return [
            (o, g)
            for o, origin in enumerate(self.origins)
            for g in range(len(self.groups))
            if origin.may[g] and (self.facts.work[origin.workload] * self.room[g]).any()
        ]

    @cached_property
    def loads(self) -> list[tuple[int, int, int]]:
        """(workload, group, type)."""
        places = [(g, k) for g in range(len(self.groups)) for k in range(len(self.facts.cards))]
        return [(w, g, k) for w in self.work for g, k in places if self.facts.work[w, k] > 0 and self.room[g, k] > 0]

    @cached_property
    def trains(self) -> list[tuple[int, int, int]]:
        """(workload, group, type) of gangs."""
        places = [(g, k) for g in range(len(self.groups)) for k in range(len(self.facts.cards))]
        return [
            (j, g, k) for j in range(len(self.asked)) for g, k in places if self.gangs[j][self.groups[g]][:, k].any()
        ]

    @cached_property
    def yielding(self) -> list[tuple[int, int, int]]:
        """Gangs that may yield: (workload, site, type)."""
        return [x for x in self.trains if self._spec(x[0]).preemptible]

    @cached_property
    def late(self) -> list[int]:
        """Origins whose work may wait."""
        return [o for o, x in enumerate(self.origins) if self.facts.kind[x.workload] is WorkloadKind.deferrable]

    def _spec(self, workload: int) -> Workload:
        return self.facts.case.workloads[workload]

    def _modules(self, job: int, group: int, kind: int) -> float:
        """Modules that gangs of a job hold in a group of sites."""
        return float(self.size[job][self.groups[group]][:, kind].sum())

    def _from(self, origin: int) -> Iterator[tuple[int, int]]:
        """(position, group) of the pairs of an origin."""
        return ((p, g) for p, (o, g) in enumerate(self.pairs) if o == origin)

    # ---- rows
    def _demand(self, equal: _Rows) -> None:
        """demand, deferral: what leaves an origin is the multiple of what it asks, in its hour or with a backlog."""
        for o, origin in enumerate(self.origins):
            total = self.asked[origin.workload][list(origin.regions)].sum(axis=0) / self.scale[origin.workload]
            row = equal.open(np.zeros(self.steps))
            length = self.hours if o in self.late else np.ones(self.steps)
            for p, _ in self._from(o):
                equal.put(row, self.flow + p * self.steps + self.h, length)
            equal.put(row, np.zeros(self.steps, int), -total * length)
            if o in self.late and self.steps > 1:
                start = self.backlog + self.late.index(o) * self.steps
                equal.put(row, start + self.h, np.ones(self.steps))
                equal.put(row, start + (self.h - 1) % self.steps, -np.ones(self.steps))

    def _windows(self, upper: _Rows) -> None:
        """deferral: no more waits than has come within the window."""
        if not self.hourly:
            return
        for i, o in enumerate(self.late):
            origin = self.origins[o]
            volume = self.asked[origin.workload][list(origin.regions)].sum(axis=0) / self.scale[origin.workload]
            before = range(self._spec(origin.workload).window_hours - 1)
            window = sum((np.roll(volume * self.hours, b) for b in before), np.zeros(self.steps))
            row = upper.open(np.zeros(self.steps))
            upper.put(row, self.backlog + i * self.steps + self.h, np.ones(self.steps))
            upper.put(row, np.zeros(self.steps, int), -window)

    def _bandwidth(self, upper: _Rows) -> None:
        """bandwidth of a link, which workloads share."""
        at = {s: g for g, members in enumerate(self.groups) for s in members}
        links: dict[tuple[int, str], IntArray] = {}
        for o, origin in enumerate(self.origins):
            for region in origin.regions:
                name = self.facts.labels["region"][region]
                for site, limit in self.facts.case.network.bandwidth_gbps.get(name, {}).items():
                    most = by_period(limit, self.facts.shape[0], np.inf)[self.period]
                    through = [p for p, g in self._from(o) if g == at[self.facts.labels["site"].index(site)]]
                    if not np.isfinite(most) or not through:
                        continue
                    if (region, site) not in links:
                        links[region, site] = upper.open(np.full(self.steps, most))
                    traffic = self.facts.traffic[origin.workload] * self.scale[origin.workload] * 8 / 3600
                    for p in through:
                        columns = self.flow + p * self.steps + self.h
                        upper.put(links[region, site], columns, np.full(self.steps, traffic))

    def _rates(self, upper: _Rows) -> None:
        """deferral: no faster than the highest rate, a multiple of the day's mean."""
        for w in self.work:
            factor = self._spec(w).max_rate_factor
            if self.facts.kind[w] is not WorkloadKind.deferrable or factor is None:
                continue
            mean = float(self.asked[w].sum(axis=0) @ self.hours / self.hours.sum()) / self.scale[w]
            row = upper.open(np.zeros(self.steps))
            for p, (o, _) in enumerate(self.pairs):
                if self.origins[o].workload == w:
                    upper.put(row, self.flow + p * self.steps + self.h, np.ones(self.steps))
            upper.put(row, np.zeros(self.steps, int), np.full(self.steps, -factor * mean))

    def _serving(self, upper: _Rows) -> None:
        """serving: busy modules are as many as the placed work needs."""
        for w in self.work:
            for g in range(len(self.groups)):
                mine = [p for p, (o, place) in enumerate(self.pairs) if place == g and self.origins[o].workload == w]
                if not mine:
                    continue
                row = upper.open(np.zeros(self.steps))
                for p in mine:
                    upper.put(row, self.flow + p * self.steps + self.h, np.full(self.steps, self.facts.burst[w]))
                for i, (v, place, k) in enumerate(self.loads):
                    if (v, place) == (w, g):
                        does = np.full(self.steps, -self.facts.work[w, k] / self.scale[w])
                        upper.put(row, self.load + i * self.steps + self.h, does)

    def _capacity(self, upper: _Rows) -> None:
        """capacity: busy modules and gangs stay within what stands; gangs that may not yield take theirs throughout."""
        for g in range(len(self.groups)):
            for k in (int(x) for x in np.flatnonzero(self.room[g] > 0)):
                held = [x for x in self.trains if x[1:] == (g, k) and x not in self.yielding]
                row = upper.open(np.full(self.steps, self.room[g, k] - sum(self._modules(*x) for x in held)))
                for start, cells in ((self.load, self.loads), (self.active, self.yielding)):
                    for i, (_, place, kind) in enumerate(cells):
                        if (place, kind) == (g, k):
                            upper.put(row, start + i * self.steps + self.h, np.ones(self.steps))

    def _yield(self, upper: _Rows) -> None:
        """yield: a gang that may yield does its day's work all the same."""
        for i, x in enumerate(self.yielding):
            due = (1 - self._spec(x[0]).max_yield_share) * self._modules(*x) * self.hours.sum()
            row = upper.open(np.array([-due]))
            upper.put(np.repeat(row, self.steps), self.active + i * self.steps + self.h, -self.hours)

    def _most(self, columns: int, ceiling: float) -> FloatArray:
        """(columns,) upper bounds: the ceiling, whole gangs, and hours in which work that waits may not run."""
        top = np.full(columns, np.inf)
        top[0] = ceiling
        for i, x in enumerate(self.yielding):
            top[self.active + i * self.steps + self.h] = self._modules(*x)
        for p, (o, _) in enumerate(self.pairs if self.hourly else []):
            allowed = self._spec(self.origins[o].workload).allowed_hours
            if o in self.late and allowed:
                shut = np.ones(self.steps, bool)
                for first, last in allowed:
                    shut[first:last] = False
                top[self.flow + p * self.steps + self.h[shut]] = 0.0
        return top


class _Rows:
    """Rows of a sparse matrix under construction."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._side: list[FloatArray] = []
        self._parts: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._count = 0

    def open(self, side: FloatArray) -> IntArray:
        """New rows with their right-hand sides."""
        self._side.append(side)
        self._count += len(side)
        return np.arange(self._count - len(side), self._count)

    def put(self, rows: IntArray, columns: IntArray, values: FloatArray) -> None:
        self._parts.append((rows, columns, values))

    def matrix(self) -> tuple[Any, Any]:
        """The matrix and its right-hand sides; (None, None) without rows."""
        if not self._count:
            return None, None
        row, column, value = (np.concatenate(p) for p in zip(*self._parts, strict=True))
        return sp.csr_matrix((value, (row, column)), shape=(self._count, self.columns)), np.concatenate(self._side)
