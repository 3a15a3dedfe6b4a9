"""The build-ahead ratio and the range it must keep to (docs/model.md §8), from tables and demand alone.

The tables give the ratio of every branch and period and the whole gangs with which it is reached. With these gangs what
stands must serve that multiple of the P50 course on every typical day, and no more on the worst of them: one small
linear program a day, solved with SciPy, which the planner's engine does not use. That no other gangs reach more is not
proven here. Regions that may use the same sites are added up, and sites that the same work may use: only their sums
meet a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import linprog

from planner.arrays import FloatArray, IntArray
from planner.case import WorkloadKind, by_period
from planner.verify.building import Capacity
from planner.verify.facts import Facts
from planner.verify.reading import PlanArrays
from planner.verify.report import Book

# Two solvers agree on an optimum to this: the ratio is held to it, not to the last digit.
_AGREE = 2e-6
_AXES = ("future", "period")


def check_ahead(
    facts: Facts, plan: PlanArrays, capacity: Capacity, tables: Mapping[str, pd.DataFrame], book: Book
) -> None:
    """build_ahead: the ratio is what the days allow; it and the capacity stay within the stated range."""
    T, policy = facts.case.horizon.periods, facts.case.policy.build_ahead
    usable = facts.availability[:, None] * capacity.modules
    peak = facts.demand.p50_peak
    pflops = np.einsum("k,fskt->ft", facts.pflops, usable)
    most = by_period(policy.maximum, T, np.inf)
    bound = np.where(np.isinf(most), most, np.where(np.isinf(most), 0.0, most) * peak)
    book.limit("build_ahead.most", pflops, "most", bound, _AXES, at="PFLOPS usable")
    given = "capacity" in tables and "ratio_gangs" in tables
    # a plan without these tables claims no ratio; its own gangs then say whether the floor is kept
    stands = _gangs(facts, tables["ratio_gangs"]) if given else plan.gangs
    if given:
        place = ["branch", "period", "workload", "site", "module_type"]
        twice = int(tables["ratio_gangs"].duplicated(place).sum())
        book.rule("unique", len(tables["ratio_gangs"]), twice, float(twice), "table ratio_gangs: a place listed twice")
    held = np.einsum("ck,fcskt->fskt", facts.campaign_gang, plan.campaign_on)
    size = np.einsum("wk,fwskt->fskt", facts.gang, stands)
    book.limit("build_ahead.gangs", size + held, "most", usable, ("future", "site", "module type", "period"))
    sites = facts.labels["site"]
    for w, workload in enumerate(facts.case.workloads):
        free = [workload.allowed_sites is None or s in workload.allowed_sites for s in sites]
        may = np.outer(free, facts.gang[w] > 0)
        may &= facts.kind[w] is WorkloadKind.training
        axes = ("future", "site", "module type", "period")
        book.limit("build_ahead.gangs", stands[:, w], "most", 0.0, axes, where=~may[:, :, None])
    found = _ratios(facts, np.maximum(usable - held, 0.0), stands)
    asked = np.isfinite(found)
    right = np.where(asked, found, 0.0)
    if given:
        claimed = _by_future(facts, tables["capacity"], "build_ahead_ratio")
        # a ratio that is missing where there is demand is as wrong as one where there is none
        absent = np.isnan(claimed) == asked
        where = "table capacity: no ratio where there is demand, or one where there is none"
        book.rule("build_ahead.ratio", asked.size, int(absent.sum()), float(absent.sum()), where)
        said = np.nan_to_num(claimed)
        close = np.where(np.abs(said - right) <= _AGREE * np.maximum(1.0, right), right, said)
        book.limit("build_ahead.ratio", close, "equal", right, _AXES, where=asked)
        months = _by_future(facts, tables["capacity"], "months_ahead")
        wanted = np.array([[_months(facts, float(r), t) for t, r in enumerate(row)] for row in claimed])
        empty = np.isnan(months) & np.isnan(wanted)
        at = "table capacity, months_ahead"
        book.limit("build_ahead.ratio", months, "equal", np.nan_to_num(wanted), _AXES, where=~empty, at=at)
    least = by_period(policy.minimum, T, -np.inf)
    reached = np.where(right >= least - _AGREE * np.maximum(1.0, np.abs(least)), np.maximum(right, least), right)
    book.limit("build_ahead", reached, "least", least, _AXES, where=asked, at="multiple of the P50 demand")


def _months(facts: Facts, ratio: float, period: int) -> float:
    """How long after the start of `period` the P50 peak, drawn straight between periods, is `ratio` times its own.

    The first time after it where the ratio is at least 1 (at most to the last period), else the last time before it;
    nan where there is none.
    """
    peak = facts.demand.p50_peak
    level = ratio * peak[period]
    if not np.isfinite(level) or peak[period] <= 0:
        return float("nan")
    span = facts.case.horizon.months_per_period
    steps = range(period, len(peak) - 1) if ratio >= 1 else range(period - 1, -1, -1)
    for t in steps:
        low, high = peak[t], peak[t + 1]
        crossed = high > level if ratio >= 1 else low <= level
        if crossed:
            return float((t - period + (level - low) / (high - low)) * span)
    return float((len(peak) - 1 - period) * span) if ratio >= 1 else float("nan")


def _rows(facts: Facts, table: pd.DataFrame) -> tuple[IntArray, IntArray]:
    branch, period = (pd.to_numeric(table[c], errors="coerce").to_numpy(float) for c in ("branch", "period"))
    fine = (branch >= -1) & (branch < facts.futures) & (period >= 0) & (period < facts.shape[0])
    return np.where(fine, branch, -2).astype(np.int64), np.where(fine, period, 0).astype(np.int64)


def _by_future(facts: Facts, table: pd.DataFrame, column: str) -> FloatArray:
    """(F, T) a column of the capacity table; nan where it has no row or nothing in it."""
    out = np.full((facts.futures, facts.shape[0]), np.nan)
    branch, period = _rows(facts, table)
    value = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
    for f in range(facts.futures):
        mine = (branch == f) | (branch == -1)
        out[f, period[mine]] = value[mine]
    return out


def _gangs(facts: Facts, table: pd.DataFrame) -> FloatArray:
    """(F, W, S, K, T) the gangs behind the ratio."""
    T = facts.shape[0]
    shape = (facts.futures, len(facts.labels["workload"]), len(facts.labels["site"]), len(facts.cards), T)
    out = np.zeros(shape)
    branch, period = _rows(facts, table)
    places = [
        pd.Index(facts.labels[axis]).get_indexer(pd.Index(table[column]))
        for axis, column in (("workload", "workload"), ("site", "site"), ("module type", "module_type"))
    ]
    count = pd.to_numeric(table["gangs"], errors="coerce").to_numpy(float)
    known = np.all([p >= 0 for p in places], axis=0) & np.isfinite(count)
    for f in range(facts.futures):
        mine = known & ((branch == f) | (branch == -1))
        np.add.at(out[f], (*(p[mine] for p in places), period[mine]), count[mine])
    return out


def _ratios(facts: Facts, usable: FloatArray, gangs: FloatArray) -> FloatArray:
    """(F, T) the least multiple over typical days; nan where the P50 course asks for nothing."""
    out = np.full((facts.futures, facts.shape[0]), np.nan)
    seen: dict[tuple[int, bytes, bytes], float] = {}
    for f in range(facts.futures):
        for t in range(facts.shape[0]):
            stands, training = usable[f, :, :, t], gangs[f, :, :, :, t]
            key = (t, stands.tobytes(), training.tobytes())
            if key not in seen:
                seen[key] = _ratio(facts, t, stands, training)
            out[f, t] = seen[key]
    return out


def _ratio(facts: Facts, period: int, usable: FloatArray, gangs: FloatArray) -> float:
    course = facts.demand.central
    weight = course.days.weight[period]
    days = [int(d) for d in np.flatnonzero(weight > 0)]
    asked = course.values[:, :, period]
    if not days or not (asked[:, :, days] > 0).any():
        return float("nan")
    least = np.inf
    hours = course.days.step_hours
    for w, workload in enumerate(facts.case.workloads):
        if facts.kind[w] is not WorkloadKind.training:
            continue
        rate = np.array([workload.throughput.get(k, 0.0) for k in facts.labels["module type"]])
        one = rate * (workload.gang_cards or 0) * workload.max_utilisation * (1 - workload.max_yield_share)
        span = float(weight.sum() * hours.sum())
        volume = float(np.einsum("d,rdh,h->", weight, asked[w], hours))
        if volume > 0:
            least = min(least, float(np.einsum("k,sk->", one, gangs[w])) * span / volume)
    size = asked.sum(axis=(0, 1)).max(axis=1)
    for d in sorted(days, key=lambda d: -size[d]):
        if least > 0:
            least = min(least, _Day(facts, period, d, usable, gangs).most(least))
    return least


@dataclass
class _Day:
    """One typical day with gangs in place: how many times its online and deferrable work can be served."""

    facts: Facts
    period: int
    day: int
    usable: FloatArray  # (S, K)
    gangs: FloatArray  # (W, S, K)

    def most(self, ceiling: float) -> float:
        """The largest multiple up to `ceiling`."""
        facts, course = self.facts, self.facts.demand.central
        hours, H = course.days.step_hours, course.days.steps
        asked = course.values[:, :, self.period, self.day]  # (W, R, H)
        work = [w for w in range(len(asked)) if facts.kind[w] is not WorkloadKind.training and asked[w].any()]
        if not work:
            return ceiling
        limits = facts.case.network.bandwidth_gbps
        groups = self._groups(asked, work)
        at = {s: g for g, members in enumerate(groups) for s in members}
        room = np.array([self.usable[members].sum(axis=0) for members in groups])
        origins: dict[tuple[int, tuple[bool, ...], str], list[int]] = {}
        for w in work:
            for r in np.flatnonzero(asked[w].any(axis=1)):
                may = tuple(bool(facts.allowed[w, r, members[0]]) for members in groups)
                name = facts.labels["region"][r]
                origins.setdefault((w, may, name if name in limits else ""), []).append(int(r))
        pairs = [
            (o, g)
            for o, (w, may, _) in enumerate(origins)
            for g in range(len(groups))
            if may[g] and (facts.work[w] * room[g]).any()
        ]
        loads = [
            (w, g, k)
            for w in work
            for g in range(len(groups))
            for k in range(len(facts.cards))
            if facts.work[w, k] > 0 and room[g, k] > 0
        ]
        trains = [
            (j, g, k)
            for j in range(len(asked))
            for g, members in enumerate(groups)
            for k in range(len(facts.cards))
            if self.gangs[j][members][:, k].any()
        ]
        yielding = [x for x in trains if facts.case.workloads[x[0]].preemptible]
        late = [o for o, (w, _, _) in enumerate(origins) if facts.kind[w] is WorkloadKind.deferrable]
        # columns: the multiple, then flow, load, active and backlog, each with its steps
        starts = 1 + H * np.cumsum([0, len(pairs), len(loads), len(yielding), len(late)])
        flow, load, active, backlog, columns = (int(x) for x in starts)
        h = np.arange(H)
        equal, upper = _Rows(columns), _Rows(columns)
        scale = [max(float(asked[w].max()), 1e-12) for w in range(len(asked))]
        sums = [asked[w][regions].sum(axis=0) for (w, _, _), regions in origins.items()]
        size = np.einsum("wk,wsk->wsk", facts.gang, self.gangs)
        for o, ((w, _, _), regions) in enumerate(origins.items()):
            mine = [p for p, (origin, _) in enumerate(pairs) if origin == o]
            total = sums[o] / scale[w]
            row = equal.open(H, np.zeros(H))
            length = hours if o in late else np.ones(H)
            for p in mine:
                equal.put(row, flow + p * H + h, length)
            equal.put(row, np.zeros(H, int), -total * length)
            if o in late:
                i = late.index(o)
                if H > 1:
                    equal.put(row, backlog + i * H + h, np.ones(H))
                    equal.put(row, backlog + i * H + (h - 1) % H, -np.ones(H))
                if course.days.hourly:
                    spec = facts.case.workloads[w]
                    window = sum((np.roll(total * hours, b) for b in range(spec.window_hours - 1)), np.zeros(H))
                    row = upper.open(H, np.zeros(H))
                    upper.put(row, backlog + i * H + h, np.ones(H))
                    upper.put(row, np.zeros(H, int), -window)
            for region in regions:
                for site, limit in limits.get(facts.labels["region"][region], {}).items():
                    cap = by_period(limit, facts.shape[0], np.inf)[self.period]
                    through = [p for p in mine if pairs[p][1] == at[facts.labels["site"].index(site)]]
                    if np.isfinite(cap) and through:
                        self._band(
                            upper,
                            (region, site),
                            cap,
                            [(flow + p * H + h, facts.traffic[w] * scale[w]) for p in through],
                        )
        for w in work:
            spec = facts.case.workloads[w]
            if facts.kind[w] is WorkloadKind.deferrable and spec.max_rate_factor is not None:
                mean = float(asked[w].sum(axis=0) @ hours / hours.sum()) / scale[w]
                row = upper.open(H, np.zeros(H))
                for p, (o, _) in enumerate(pairs):
                    if list(origins)[o][0] == w:
                        upper.put(row, flow + p * H + h, np.ones(H))
                upper.put(row, np.zeros(H, int), np.full(H, -spec.max_rate_factor * mean))
            for g in range(len(groups)):
                mine = [p for p, (o, place) in enumerate(pairs) if place == g and list(origins)[o][0] == w]
                if not mine:
                    continue
                row = upper.open(H, np.zeros(H))
                for p in mine:
                    upper.put(row, flow + p * H + h, np.full(H, facts.burst[w]))
                for i, (v, place, k) in enumerate(loads):
                    if (v, place) == (w, g):
                        upper.put(row, load + i * H + h, np.full(H, -facts.work[w, k] / scale[w]))
        for g, members in enumerate(groups):
            for k in (int(x) for x in np.flatnonzero(room[g] > 0)):
                stays = sum(
                    float(size[j][members][:, k].sum()) for j, place, kind in trains
                    if (place, kind) == (g, k) and (j, place, kind) not in yielding
                )  # fmt: skip
                row = upper.open(H, np.full(H, room[g, k] - stays))
                for i, (_, place, kind) in enumerate(loads):
                    if (place, kind) == (g, k):
                        upper.put(row, load + i * H + h, np.ones(H))
                for i, (_, place, kind) in enumerate(yielding):
                    if (place, kind) == (g, k):
                        upper.put(row, active + i * H + h, np.ones(H))
        top = np.full(columns, np.inf)
        top[0] = ceiling
        for i, (j, g, k) in enumerate(yielding):
            modules = float(size[j][groups[g]][:, k].sum())
            top[active + i * H + h] = modules
            least = (1 - facts.case.workloads[j].max_yield_share) * modules * hours.sum()
            row = upper.open(1, np.array([-least]))
            upper.put(np.repeat(row, H), active + i * H + h, -hours)
        if course.days.hourly:
            for p, (o, _) in enumerate(pairs):
                spec = facts.case.workloads[list(origins)[o][0]]
                if o in late and spec.allowed_hours:
                    shut = np.ones(H, bool)
                    for first, last in spec.allowed_hours:
                        shut[first:last] = False
                    top[flow + p * H + h[shut]] = 0.0
        cost = np.zeros(columns)
        cost[0] = -1.0
        bounds: Any = np.stack([np.zeros(columns), top], axis=1)
        a_eq, b_eq = equal.matrix()
        a_ub, b_ub = upper.matrix()
        answer = linprog(cost, a_ub, b_ub, a_eq, b_eq, bounds, method="highs-ipm")
        if answer.status == 2:  # gangs that do not fit what stands, which is a fault of its own
            return 0.0
        if answer.status != 0 or answer.x is None:
            raise RuntimeError(f"the check of the build-ahead ratio ended with: {answer.message}")
        return max(float(answer.x[0]), 0.0)

    def _groups(self, asked: FloatArray, work: list[int]) -> list[list[int]]:
        """Sites that the same work may use; a site with a bandwidth limit stays alone."""
        limited = {s for row in self.facts.case.network.bandwidth_gbps.values() for s in row}
        out: dict[tuple[bytes, str], list[int]] = {}
        for s, name in enumerate(self.facts.labels["site"]):
            may = [self.facts.allowed[w, asked[w].any(axis=1), s].tobytes() for w in work]
            out.setdefault((b"|".join(may), name if name in limited else ""), []).append(s)
        return list(out.values())

    def _band(self, rows: _Rows, link: tuple[int, str], limit: float, through: list[tuple[IntArray, float]]) -> None:
        """bandwidth of one link: workloads share its rows."""
        H = self.facts.demand.central.days.steps
        row = rows.links.setdefault(
            link, rows.open(H, np.full(H, limit)) if link not in rows.links else rows.links[link]
        )
        for columns, traffic in through:
            rows.put(row, columns, np.full(H, traffic * 8 / 3600))


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

    def put(self, rows: IntArray, columns: IntArray, values: FloatArray) -> None:
        self._parts.append((rows, columns, values))

    def matrix(self) -> tuple[Any, Any]:
        """The matrix and its right-hand sides; (None, None) without rows."""
        if not self._count:
            return None, None
        row, column, value = (np.concatenate(p) for p in zip(*self._parts, strict=True))
        return sp.csr_matrix((value, (row, column)), shape=(self._count, self.columns)), np.concatenate(self._side)
