"""The build-ahead ratio and the range it must keep to (docs/model.md §8), from tables and demand alone.

The tables give the ratio of every branch and period and the whole gangs with which it is reached. With these gangs what
stands must serve that multiple of the P50 course on every typical day, and no more on the worst of them: one small
linear program a day, solved with SciPy, which the planner's engine does not use. That no other gangs reach more is not
proven here. Regions that may use the same sites are added up, and sites that the same work may use: only their sums
meet a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from planner.arrays import FloatArray, IntArray
from planner.case import WorkloadKind, by_period
from planner.verify.building import Capacity
from planner.verify.day_ahead import Day
from planner.verify.facts import Facts
from planner.verify.reading import PlanArrays
from planner.verify.report import Book

# Two solvers agree on an optimum to this: the ratio is held to it, not to the last digit.
_AGREE = 2e-6
_THREADS = 2
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
    places = [(f, t) for f in range(facts.futures) for t in range(facts.shape[0])]
    keys = {(f, t): (t, usable[f, :, :, t].tobytes(), gangs[f, :, :, :, t].tobytes()) for f, t in places}
    first = {keys[place]: place for place in reversed(places)}  # futures that are alike are asked once
    with ThreadPoolExecutor(_THREADS) as pool:  # the solver runs outside of Python's lock
        found = pool.map(
            lambda at: _ratio(facts, at[1], usable[at[0], :, :, at[1]], gangs[at[0], :, :, :, at[1]]), first.values()
        )
        known = dict(zip(first, found, strict=True))
    return np.array([known[keys[place]] for place in places]).reshape(facts.futures, facts.shape[0])


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
            least = min(least, Day(facts, period, d, usable, gangs).most(least))
    return least
