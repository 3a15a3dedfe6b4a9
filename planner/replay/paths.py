"""An hourly course of demand, day by day, on the axes of a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.fault import Fault
from forecasts.outlook import Futures, Outlook
from planner.arrays import FloatArray
from planner.case import DAY_KINDS, Case
from planner.case.errors import PlanError
from planner.demand import Demand, TypicalDays
from planner.demand.horizon import check_outlook, day_kind, peak_pflops, period_path

COLUMNS = ("timestamp", "region", "workload", "value")


@dataclass(frozen=True)
class HourlyDemand:
    """Demand of every hour of whole days in local time, in each workload's unit.

    start: the first day. values: (workloads, regions, days, 24) mean rate, in the case's order; at least 0 and finite.
    """

    start: date
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or self.values.shape[3] != 24:
            raise ValueError(f"hourly demand has shape {self.values.shape}, expected (workloads, regions, days, 24)")
        if not np.isfinite(self.values).all() or (self.values < 0).any():
            raise ValueError("hourly demand must be finite and at least 0")

    @property
    def days(self) -> int:
        """Days of the course."""
        return int(self.values.shape[2])

    def dates(self) -> list[date]:
        """Every day of the course."""
        return [self.start + timedelta(days=i) for i in range(self.days)]


def from_outlook(
    case: Case, outlook: Outlook, futures: Futures | None = None, future: int = 0, *, seed: int | None = None
) -> HourlyDemand:
    """The hourly course of one future over the whole horizon (default: the P50 course).

    seed: with one, single hours scatter around the course as they did in the history; the same seed, the same path.
    """
    check_outlook(case, outlook)
    part = outlook.central if futures is None else futures
    rng = None if seed is None else np.random.default_rng([seed, future])
    region = {r.id: i for i, r in enumerate(case.regions)}
    workload = {w.id: i for i, w in enumerate(case.workloads)}
    w = np.array([workload[k.workload] for k in outlook.series])
    r = np.array([region[k.region] for k in outlook.series])
    parts = []
    for period in range(case.horizon.periods):
        path = period_path(case, outlook, part, future, period)
        if rng is not None:
            path = np.maximum(path * (1 + _scatter(outlook, case, period, path.shape[1], rng)), 0.0)
        values = np.zeros((len(case.workloads), len(case.regions), path.shape[1], 24))
        np.add.at(values, (w, r), path)
        parts.append(values)
    return HourlyDemand(case.horizon.start, np.concatenate(parts, axis=2))


def _scatter(outlook: Outlook, case: Case, period: int, days: int, rng: np.random.Generator) -> FloatArray:
    """(series, days, 24) relative scatter of single hours; `residual` is by hour of the week from Monday."""
    first = case.horizon.period_start(period)
    weekday = (np.arange(days) + first.weekday()) % 7
    spread = outlook.residual.reshape(-1, 7, 24)[:, weekday]
    return np.asarray(spread * rng.standard_normal(spread.shape), float)


def from_table(case: Case, table: pd.DataFrame) -> HourlyDemand:
    """Hourly demand from rows of timestamp (local, naive), region, workload and value in the workload's unit.

    Pairs that do not appear are 0; a pair that appears must have every hour of the days that the table covers. Raises
    PlanError with every fault: missing columns, names the case does not know, bad numbers, doubled or missing hours,
    days outside the horizon.
    """
    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise PlanError([Fault("columns", f"no {', '.join(missing)}", f"{', '.join(COLUMNS)}")])
    if table.empty:
        raise PlanError([Fault("rows", "none", "at least one day of hours")])
    problems: list[Fault] = []
    position = {}
    for column, names in (("region", [x.id for x in case.regions]), ("workload", [x.id for x in case.workloads])):
        position[column] = pd.Index(names).get_indexer(pd.Index(table[column].astype(str)))
        unknown = sorted(set(table.loc[position[column] < 0, column].astype(str)))
        problems += [Fault(column, repr(x), f"one of {', '.join(names)}") for x in unknown[:20]]
    value = pd.to_numeric(table["value"], errors="coerce").to_numpy(float)
    bad = ~np.isfinite(value) | (value < 0)
    if bad.any():
        at = int(bad.argmax())
        problems.append(Fault(f"value, row {at}", f"{table['value'].iloc[at]!r} ({bad.sum()} such rows)", "at least 0"))
    time = pd.to_datetime(table["timestamp"], errors="coerce")
    if time.dt.tz is not None:
        time = time.dt.tz_convert(case.meta.timezone).dt.tz_localize(None)
    off = time.isna().to_numpy() | (time != time.dt.floor("h")).to_numpy()
    if off.any():
        at = int(off.argmax())
        problems.append(Fault(f"timestamp, row {at}", repr(table["timestamp"].iloc[at]), "a whole hour"))
    if problems:
        raise PlanError(problems)
    start, last = time.min().date(), time.max().date()
    horizon = case.horizon
    if start < horizon.start or last >= horizon.end:
        raise PlanError([Fault("timestamp", f"{start} to {last}", f"{horizon.start} up to before {horizon.end}")])
    hour = ((time - pd.Timestamp(start)) // pd.Timedelta(hours=1)).to_numpy(int)
    days = (last - start).days + 1
    shape = (len(case.workloads), len(case.regions), days * 24)
    flat = np.ravel_multi_index((position["workload"], position["region"], hour), shape)
    count = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    present = np.asarray(count.any(axis=2), bool)
    absent: NDArray[np.bool_] = np.equal(count, 0) & present[:, :, None]
    doubled: NDArray[np.bool_] = np.greater(count, 1)
    for words, hours in (("listed twice", doubled), ("missing", absent)):
        for w, r in np.argwhere(hours.any(axis=2))[:20]:
            first = pd.Timestamp(start) + pd.Timedelta(hours=int(hours[w, r].argmax()))
            where = f"{case.regions[r].id}, {case.workloads[w].id}"
            found = f"{int(hours[w, r].sum())} hours {words}, first {first}"
            problems.append(Fault(where, found, "every hour of whole days once"))
    if problems:
        raise PlanError(problems)
    values = np.asarray(np.bincount(flat, weights=value, minlength=int(np.prod(shape))), float)
    return HourlyDemand(start, values.reshape(*shape[:2], days, 24))


def real_days(case: Case, hourly: HourlyDemand) -> tuple[Demand, list[tuple[int, int]]]:
    """The course as "typical" days that each stand for one real day, and the (period, position) of each day.

    position: day of the period, 0 for its first day.
    """
    horizon = case.horizon
    if hourly.values.shape[:2] != (len(case.workloads), len(case.regions)):
        raise ValueError(f"hourly demand has {hourly.values.shape[:2]} workloads and regions; it is not this case's")
    dates = hourly.dates()
    if not dates or dates[0] < horizon.start or dates[-1] >= horizon.end:
        raise PlanError([Fault("hourly", f"{dates[:1]} to {dates[-1:]}", f"within {horizon.start} to {horizon.end}")])
    places = [(t := horizon.period_of(day), (day - horizon.period_start(t)).days) for day in dates]
    T, D = horizon.periods, max(horizon.days(t) for t in range(horizon.periods))
    values = np.zeros((1, *hourly.values.shape[:2], T, D, 24))
    weight, calendar = np.zeros((T, D)), np.zeros((T, D, 12, len(DAY_KINDS)))
    for i, (day, (t, d)) in enumerate(zip(dates, places, strict=True)):
        values[0, :, :, t, d] = hourly.values[:, :, i]
        weight[t, d] = 1.0
        calendar[t, d, day.month - 1, day_kind(day, case.meta.timezone)] = 1.0
    days = TypicalDays(tuple(f"day {d}" for d in range(D)), weight, np.ones(24), calendar, hourly=True)
    peak = peak_pflops(case, values, weight, days.step_hours)[0]
    return Demand(np.ones(1), values, days, peak, peak), places
