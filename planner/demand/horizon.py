"""Periods, typical days and futures: from an outlook, or from demand that the case brings along, to demand arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import holidays
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from forecasts.fault import Fault
from forecasts.outlook import Futures, Outlook
from forecasts.words.note import Note
from planner.arrays import FloatArray
from planner.case import DAY_KINDS, Case, Quantile, WorkloadKind, by_period
from planner.case.compute import pflops_per_unit
from planner.case.errors import PlanError
from planner.demand.demand import Course, Demand, TypicalDays, quantile
from planner.words.wording import noted

PEAK_DAY = "peak day"


def peak_pflops(case: Case, values: FloatArray, weight: FloatArray, step_hours: FloatArray) -> FloatArray:
    """(F, T) installed-PFLOPS equivalent of each future's peak step (docs/model.md §6).

    values: (F, W, R, T, D, H) in units. Work that can wait, and training, count with their day's mean rate.
    """
    need = pflops_per_unit(case)
    online = np.array([w.kind is WorkloadKind.online for w in case.workloads])
    total = values.sum(axis=2)
    mean = (total @ step_hours / step_hours.sum())[..., None]
    equivalent = np.einsum("w,fwtdh->ftdh", need * online, total) + np.einsum("w,fwtdh->ftdh", need * ~online, mean)
    equivalent = np.where(weight[None, :, :, None] > 0, equivalent, 0.0)
    return np.asarray(equivalent.max(axis=(2, 3)), float)


# --- demand that the case brings along -------------------------------------------------------------------------------


def _spread(values: object, shape: tuple[int, int, int]) -> FloatArray:
    """A given series as (periods, days, steps): a number, [step], [day][step] or [period][day][step]."""
    return np.asarray(np.broadcast_to(np.asarray(values, float), shape))


def _period_calendar(case: Case, period: int, month: int | None, kind: str | None) -> FloatArray:
    """(12, 3) share of each month and day kind; the period's own mix where none is given."""
    share = np.zeros((12, 3))
    day = case.horizon.period_start(period)
    while day < case.horizon.period_start(period + 1):
        m = (month or day.month) - 1
        k = DAY_KINDS.index(kind) if kind else int(day.weekday() >= 5)
        share[m, k] += 1
        day += timedelta(days=1)
    return np.asarray(share / share.sum(), float)


def given_demand(case: Case) -> Demand:
    """Demand arrays of a case that states its own typical days. Its shapes were checked with the case."""
    given = case.demand
    if given is None:
        raise PlanError([Fault("/demand", "nothing", "a demand block, or an outlook")])
    T, D, H = case.horizon.periods, len(given.days), len(given.step_hours)
    weight = np.stack([by_period(d.weight_days, T, 0.0) for d in given.days], axis=1)
    calendar = np.array([[_period_calendar(case, t, d.month, d.kind) for d in given.days] for t in range(T)])
    hours = np.array(given.step_hours)
    days = TypicalDays(tuple(d.id for d in given.days), weight, hours, calendar, H == 24 and bool((hours == 1).all()))
    regions = {r.id: i for i, r in enumerate(case.regions)}
    workloads = {w.id: i for i, w in enumerate(case.workloads)}
    values = np.zeros((len(given.futures), len(workloads), len(regions), T, D, H))
    for f, future in enumerate(given.futures):
        for series in future.series:
            values[f, workloads[series.workload], regions[series.region]] += _spread(series.values, (T, D, H))
    probability = np.array([f.probability for f in given.futures])
    return _finished(case, values, probability / probability.sum(), days, ())


def _finished(
    case: Case, values: FloatArray, probability: FloatArray, days: TypicalDays, notes: Sequence[str]
) -> Demand:
    peak = peak_pflops(case, values, days.weight, days.step_hours)
    p50, p90 = quantile(peak, probability, 0.5), quantile(peak, probability, 0.9)
    return for_objective(case, Demand(probability, values, days, p50, p90, tuple(notes)))


def for_objective(case: Case, demand: Demand) -> Demand:
    """With a quantile objective: one future whose every demand is the q-quantile over the futures."""
    rule = case.risk.objective
    if not isinstance(rule, Quantile):
        return demand
    values = quantile(demand.values, demand.probability, rule.q)[None]
    note = noted("note.one_future", quantile=f"{rule.q:.0%}")
    return replace(demand, probability=np.ones(1), values=values, notes=(*demand.notes, note), course=demand.central)


# --- demand from an outlook ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DayRules:
    """How typical days are chosen: how many a period, and real days that must stand for themselves.

    extra: period -> positions of days in the period (0 is its first day) that are typical days of their own, such as
    the worst day of a replay.
    """

    days: int = 4
    extra: Mapping[int, tuple[int, ...]] | None = None


def day_kind(day: date, timezone: str) -> int:
    """Position in DAY_KINDS: public holiday (of China, where the case's time zone lies there), weekend or workday."""
    if timezone in ("Asia/Shanghai", "Asia/Chongqing", "Asia/Urumqi", "PRC"):
        calendar = _china()
        if day in calendar:
            return 2
    return int(day.weekday() >= 5)


_CHINA: list[holidays.HolidayBase] = []


def _china() -> holidays.HolidayBase:
    if not _CHINA:
        _CHINA.append(holidays.country_holidays("CN"))
    return _CHINA[0]


def period_path(case: Case, outlook: Outlook, futures: Futures, future: int, period: int) -> FloatArray:
    """(series, days, 24) hourly demand of every day of a period in one future."""
    first = (case.horizon.period_start(period) - outlook.start.date()).days
    last = first + case.horizon.days(period)
    weeks = range(first // 7, (last - 1) // 7 + 1)
    path = np.concatenate([outlook.hourly(w, futures, future) for w in weeks], axis=1)
    skip = first - 7 * weeks[0]
    return path.reshape(path.shape[0], -1, 24)[:, skip : skip + last - first]


def check_outlook(case: Case, outlook: Outlook) -> None:
    """The outlook must name the case's regions and workloads and cover its horizon; every fault at once."""
    problems = []
    regions, workloads = {r.id for r in case.regions}, {w.id for w in case.workloads}
    for key in outlook.series:
        if key.region not in regions:
            problems.append(Fault("outlook.series", f"region {key.region!r}", f"one of {sorted(regions)}"))
        if key.workload not in workloads:
            problems.append(Fault("outlook.series", f"workload {key.workload!r}", f"one of {sorted(workloads)}"))
    start, end = outlook.start.date(), outlook.start.date() + timedelta(weeks=outlook.weeks)
    if start > case.horizon.start or end < case.horizon.end:
        wanted = f"{case.horizon.start} to {case.horizon.end}"
        problems.append(Fault("outlook", f"covers {start} to {end}", f"the case's horizon, {wanted}"))
    if problems:
        raise PlanError(list(dict.fromkeys(problems)))


def outlook_demand(case: Case, outlook: Outlook, rules: DayRules | None = None) -> Demand:
    """Typical days of every period, the same real days behind them in every future.

    Each period keeps the day of its highest total (in PFLOPS equivalents), from every future's own course, and any
    extra days; the other days are grouped by Ward clustering of their daily profiles on the P50 course and stand as
    group means. Group means are scaled so that every series keeps its volume over the period in every future. Weights
    add up to the days of the period.
    """
    check_outlook(case, outlook)
    rules = rules or DayRules()
    T, R, W = case.horizon.periods, len(case.regions), len(case.workloads)
    extra = {t: tuple(sorted(set((rules.extra or {}).get(t, ())))) for t in range(T)}
    D = max(rules.days, 2) + max((len(e) for e in extra.values()), default=0)
    futures = outlook.futures
    F = len(futures)
    region = {r.id: i for i, r in enumerate(case.regions)}
    workload = {w.id: i for i, w in enumerate(case.workloads)}
    w_of = np.array([workload[k.workload] for k in outlook.series])
    r_of = np.array([region[k.region] for k in outlook.series])
    need = pflops_per_unit(case)[w_of]
    online = np.array([case.workloads[w].kind is WorkloadKind.online for w in w_of])
    values = np.zeros((F, W, R, T, D, 24))
    course = np.zeros(values.shape[1:])
    weight = np.zeros((T, D))
    calendar = np.zeros((T, D, 12, len(DAY_KINDS)))
    for t in range(T):
        central = period_path(case, outlook, outlook.central, 0, t)
        own = extra[t]
        groups = _group_days(central, w_of, need, D - 1 - len(own), own)
        dates = [case.horizon.period_start(t) + timedelta(days=i) for i in range(central.shape[1])]
        marks = np.zeros((len(dates), 12, len(DAY_KINDS)))
        for i, day in enumerate(dates):
            marks[i, day.month - 1, day_kind(day, case.meta.timezone)] = 1
        members = np.zeros((D, len(dates)))
        for position, day_index in enumerate(own):
            members[1 + position, day_index] = 1
        for i, g in enumerate(groups):
            if g >= 0:
                members[1 + len(own) + g, i] = 1
        for f in range(F):
            path = period_path(case, outlook, futures, f, t)
            peak_at = int(_equivalent(path, need, online).max(axis=1).argmax())
            weight[t], days = _day_means(path, members, peak_at, fixed=1 + len(own))
            np.add.at(values[f, :, :, t], (w_of, r_of), days)
        central_peak = int(_equivalent(central, need, online).max(axis=1).argmax())
        np.add.at(course[:, :, t], (w_of, r_of), _day_means(central, members, central_peak, fixed=1 + len(own))[1])
        members[0, central_peak] = 1
        count = members.sum(axis=1)
        calendar[t] = np.einsum("di,imk->dmk", members, marks) / np.where(count > 0, count, 1)[:, None, None]
    labels = (PEAK_DAY, *(f"extra day {i + 1}" for i in range(D - max(rules.days, 2))))
    labels = (*labels, *(f"typical day {i + 1}" for i in range(D - len(labels))))
    days_ = TypicalDays(labels, weight, np.ones(24), calendar, hourly=True)
    peaks = _evaluation_peaks(case, outlook, w_of)
    share = outlook.evaluation.probability
    notes = (*outlook.notes, *_silent(case, outlook))
    p50, p90 = quantile(peaks, share, 0.5), quantile(peaks, share, 0.9)
    demand = Demand(futures.probability, values, days_, p50, p90, notes, Course(course, days_))
    return for_objective(case, demand)


def _silent(case: Case, outlook: Outlook) -> list[Note]:
    """A sentence for workloads, and for regions, of which no series speaks: their demand is planned as 0."""
    told = {key.workload for key in outlook.series}, {key.region for key in outlook.series}
    lost = [w.id for w in case.workloads if w.id not in told[0]], [r.id for r in case.regions if r.id not in told[1]]
    out = []
    if lost[0]:
        out.append(noted("note.no_series_of", names=", ".join(lost[0])))
    if lost[1]:
        out.append(noted("note.no_series_in", names=", ".join(lost[1])))
    return out


def _equivalent(path: FloatArray, need: FloatArray, online: np.ndarray) -> FloatArray:
    """(days, 24) PFLOPS equivalent of paths (series, days, 24); work that can wait counts with its day's mean."""
    waits = (need * ~online) @ path.mean(axis=2)
    return np.asarray(np.einsum("n,ndh->dh", need * online, path) + waits[:, None], float)


def _group_days(path: FloatArray, w_of: np.ndarray, need: FloatArray, count: int, own: tuple[int, ...]) -> list[int]:
    """Group of each real day by its profile (PFLOPS equivalents per workload); -1 for days that stand alone."""
    features = np.stack([np.einsum("n,ndh->dh", need * (w_of == w), path) for w in np.unique(w_of)], axis=1).reshape(
        path.shape[1], -1
    )
    free = [i for i in range(path.shape[1]) if i not in own]
    groups = np.full(path.shape[1], -1)
    scale = features.max()
    if count == 1 or len(free) <= 1 or scale <= 0:
        groups[free] = 0
    else:
        found = fcluster(linkage(features[free] / scale, "ward"), count, "maxclust")
        _, first = np.unique(found, return_index=True)
        rank = {found[i]: n for n, i in enumerate(np.sort(first))}
        groups[free] = [rank[g] for g in found]
    return [int(g) for g in groups]


def _day_means(path: FloatArray, members: FloatArray, peak_at: int, fixed: int) -> tuple[FloatArray, FloatArray]:
    """(D,) weights and (series, D, 24) demand: the peak day itself, days that stand alone, scaled means of the rest.

    The peak day takes one day's weight from the group that is largest, so that weights are the same in every future.
    """
    weight = members.sum(axis=1)
    weight[0] = 1
    largest = fixed + int(weight[fixed:].argmax())
    weight[largest] -= 1
    count = np.where(members.sum(axis=1) > 0, members.sum(axis=1), 1)
    days = np.einsum("di,nih->ndh", members / count[:, None], path)
    days[:, 0] = path[:, peak_at]
    volume = path.sum(axis=(1, 2)) - np.einsum("d,ndh->n", weight[:fixed], days[:, :fixed])
    stated = np.einsum("d,ndh->n", weight[fixed:], days[:, fixed:])
    factor = np.where(stated > 0, np.maximum(volume, 0) / np.where(stated > 0, stated, 1), 1.0)
    days[:, fixed:] *= factor[:, None, None]
    return weight, days


def _evaluation_peaks(case: Case, outlook: Outlook, w_of: np.ndarray) -> FloatArray:
    """(evaluation futures, T) PFLOPS equivalent of the period's peak hour, from each future's busiest week."""
    futures = outlook.evaluation
    need = pflops_per_unit(case)[w_of]
    online = np.array([case.workloads[w].kind is WorkloadKind.online for w in w_of])
    weekly = np.einsum("n,fnw->fw", need * online, futures.peak) + np.einsum("n,fnw->fw", need * ~online, futures.level)
    out = np.zeros((len(futures), case.horizon.periods))
    for t in range(case.horizon.periods):
        first = (case.horizon.period_start(t) - outlook.start.date()).days
        last = first + case.horizon.days(t)
        weeks = np.arange(first // 7, min((last - 1) // 7 + 1, outlook.weeks))
        busiest = weeks[weekly[:, weeks].argmax(axis=1)]
        for f, week in enumerate(busiest):
            hourly = outlook.hourly(int(week), futures, f).reshape(len(need), 7, 24)
            out[f, t] = _equivalent(hourly, need, online).max()
    return out
