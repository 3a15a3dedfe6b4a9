"""A case set back into a history: the horizon that has passed, and the demand that really came.

For rules judged on what happened (`planner.walk.adaptive`): the case as if its horizon had begun earlier, and the
measured hours as an outlook that knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.outlook import HOURS_PER_WEEK, Futures, Outlook, SeriesKey
from planner.arrays import FloatArray, IntArray
from planner.case import Case
from planner.case.errors import PlanError
from planner.case.file import case_from, dump_case
from planner.case.references import PER_PERIOD, walk
from planner.words.wording import noted


def cut_periods(document: dict[str, Any], first: int, count: int) -> None:
    """Keep `count` periods from `first` on in every list of a case document that has one entry a period.

    What takes longer than the periods that are left to arrive is no longer offered; what stands works on.
    """

    for pattern in PER_PERIOD:
        for (*above, last), value in list(walk(document, pattern)):
            if isinstance(value, list):
                block: Any = document
                for part in above:
                    block = block[part]
                block[last] = value[first : first + count]
    for kind in document["module_types"]:
        if kind["lead_periods"] >= count:
            kind |= {"lead_periods": count - 1, "supply": 0.0}
    for lease in document["leases"]:
        if lease["notice_periods"] >= count:
            lease |= {"notice_periods": count - 1, "maximum_modules": 0.0}
    document["agreements"] = [one for one in document["agreements"] if _kept(one, first, count)]


def _kept(agreement: dict[str, Any], first: int, count: int) -> bool:
    """Move the span of an agreement's document into the periods that are left; whether anything is left of it.

    What was not signed in its time can no longer be. A commitment that ends beyond the periods asks nothing there: what
    it brings is left of one that is signed, and of one that is not, nothing.
    """
    last = first + count - 1 if agreement["last"] is None else agreement["last"]
    past = agreement["commitment"] and not agreement["signed"] and agreement["first"] < first
    beyond = agreement["commitment"] and last >= first + count
    lost = beyond and not (agreement["signed"] and agreement["breaks"])
    if past or lost or last < first or agreement["first"] >= first + count:
        return False
    if beyond:
        agreement |= {"commitment": 0, "shortfall_price": 0.0, "signed": False}
    agreement |= {"first": max(agreement["first"] - first, 0), "last": min(last - first, count - 1)}
    return True


# --- the case as if it had begun earlier -----------------------------------------------------------------------------


def passed_start(case: Case, last: date, periods: int) -> date:
    """First day of the last `periods` whole periods that end by `last`, at the start of a month. last: a full day."""
    months = case.horizon.months_per_period
    end = pd.Timestamp(last) + pd.Timedelta(days=1)
    begin = end.to_period("M").to_timestamp()  # a month that is under way is left out
    return (begin - pd.DateOffset(months=months * periods)).date()


def set_back(case: Case, start: date, periods: int) -> Case:
    """The case as if its horizon had begun on `start` and lasted `periods`, with prices and limits of its own periods.

    Dates of the fleet move with the horizon. Raises PlanError for more periods than the case has or a later start.
    """
    horizon = case.horizon
    problems = []
    if not 1 <= periods <= horizon.periods:
        problems.append(Fault("periods", str(periods), f"1 to {horizon.periods}, as many as the case has"))
    if start > horizon.start or start.day != horizon.start.day:
        allowed = f"day {horizon.start.day} of a month up to {horizon.start}, where the case's own horizon begins"
        problems.append(Fault("start", start.isoformat(), allowed))
    if problems:
        raise PlanError(problems)
    document = dump_case(case)
    months = (horizon.start.year - start.year) * 12 + horizon.start.month - start.month

    def moved(value: str | None) -> str | None:
        if value is None:
            return None
        return (pd.Timestamp(value) - pd.DateOffset(months=months)).date().isoformat()

    document["demand"] = None
    for agreement in document["agreements"]:
        agreement["last"] = horizon.periods - 1 if agreement["last"] is None else agreement["last"]
    document["horizon"] |= {"start": start.isoformat(), "periods": periods}
    if horizon.commit_periods is not None:
        document["horizon"]["commit_periods"] = min(horizon.commit_periods, periods)
    cut_periods(document, 0, periods)
    for site in document["sites"]:
        site["phases"] = [p for p in site["phases"] if p["lead_periods"] < periods]
    for entry in document["fleet"]:
        entry |= {"online": moved(entry["online"]), "retire": moved(entry["retire"])}
    document["campaigns"] = [c for c in document["campaigns"] if c["due"] < periods]
    return case_from(document)


# --- what came, as an outlook that knows it --------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured(Outlook):
    """An outlook that is the measured demand itself: `hourly` gives the hours as they were.

    hours: (series, weeks * 168) in the series' units, from `start` on.
    """

    hours: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    def hourly(self, week: int, _futures: Futures, _future: int, _noise: FloatArray | None = None) -> FloatArray:
        """(series, 168) what came in a week."""
        return self.hours[:, week * HOURS_PER_WEEK : (week + 1) * HOURS_PER_WEEK]


def measured(series: Sequence[SeriesKey], hours: FloatArray, start: datetime, timezone: str) -> Measured:
    """What came, for `planner.demand.horizon.outlook_demand`. hours: (series, hours from local midnight `start`).

    Hours beyond the last full week are left out; missing hours must have been filled.
    """
    weeks = hours.shape[1] // HOURS_PER_WEEK
    if not np.isfinite(hours).all():
        raise PlanError([Fault("truth", "hours without a value", "a number in every hour")])
    kept = np.ascontiguousarray(hours[:, : weeks * HOURS_PER_WEEK], float)
    by_week = kept.reshape(len(series), weeks, HOURS_PER_WEEK)
    course = Futures(np.ones(1), by_week.mean(axis=2)[None], by_week.max(axis=2)[None])
    n = len(series)
    return Measured(
        series=tuple(series),
        start=start,
        timezone=timezone,
        central=course,
        futures=course,
        evaluation=course,
        tide=np.ones((n, 1, HOURS_PER_WEEK)),
        season_of_week=_zeros(weeks),
        residual=np.zeros((n, HOURS_PER_WEEK)),
        burst=np.ones(n),
        notes=(noted("note.measured"),),
        hours=kept,
    )


def _zeros(count: int) -> IntArray:
    return np.zeros(count, np.int64)


def hours_that_came(case: Case, index: pd.DatetimeIndex, values: FloatArray) -> tuple[FloatArray, datetime, int]:
    """Hours over the case's horizon in whole weeks, for `measured`: (series, hours), their start, and hours filled in.

    index, values: a history's hours and (series, hours). Missing hours get the mean of their hour of the week over the
    horizon; so do those that only complete the last week. Raises PlanError where the history does not cover it.
    """
    start, end = pd.Timestamp(case.horizon.start), pd.Timestamp(case.horizon.end)
    if index[0] > start or index[-1] < end - pd.Timedelta(hours=1):
        found = f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}"
        raise PlanError([Fault("history", found, f"all of {start:%Y-%m-%d} to {end:%Y-%m-%d}")])
    monday = start - pd.Timedelta(days=start.dayofweek)
    weeks = -(-(end - monday) // pd.Timedelta(weeks=1))
    hours = pd.date_range(monday, periods=weeks * HOURS_PER_WEEK, freq="h")
    table = pd.DataFrame(values.T, index=index)
    inside = table[(table.index >= start) & (table.index < end)]
    seen = pd.DatetimeIndex(inside.index)
    usual = inside.groupby(seen.dayofweek * 24 + seen.hour).mean().reindex(range(HOURS_PER_WEEK))
    usual = usual.fillna(inside.mean()).fillna(0.0)
    came = inside.reindex(hours)
    filled = int(inside.isna().to_numpy().sum())
    missing = came.isna().to_numpy()
    out = np.where(missing, usual.to_numpy()[hours.dayofweek * 24 + hours.hour], came.to_numpy(float))
    return np.asarray(out.T, float), monday.to_pydatetime(), filled
