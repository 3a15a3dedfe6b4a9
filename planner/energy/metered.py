"""Metered energy from a CSV file: read, judged, and summed by period and site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from planner.case import Case
from planner.case.errors import PlanError

NEEDED = ("site", "start", "end", "facility_kwh")
OPTIONAL = ("it_kwh", "cost", "pflops_hours")


@dataclass(frozen=True)
class Metered:
    """Readings summed by period and site.

    sites: period, site, facility_kwh, it_kwh, cost, pflops_hours (empty where a column was not read or a reading of the
    period lacks it), covered (share of the period's hours that readings stand for), readings. first, last: what the
    readings span. gaps: hours without a reading between a site's first and last, by site.
    """

    sites: pd.DataFrame
    first: pd.Timestamp
    last: pd.Timestamp
    gaps: Mapping[str, float]


def read_metered(case: Case, source: Path | str | pd.DataFrame) -> Metered:
    """Read readings: site, start, end (local time; hours, days or months), facility_kwh, and if there are any it_kwh,
    cost (energy without demand charge) and pflops_hours.

    `source`: a CSV file, its text, or a data frame. A reading lies in one period. Raises PlanError with every fault:
    columns, sites, times, numbers, readings that overlap, machines that draw more than their site.
    """
    table = _table(source)
    missing = [c for c in NEEDED if c not in table.columns]
    unknown = [c for c in table.columns if c not in (*NEEDED, *OPTIONAL)]
    if missing or unknown:
        found = "; ".join(
            part for part in (missing and f"no {', '.join(missing)}", unknown and f"{', '.join(unknown)}") if part
        )
        raise PlanError([Fault("columns", found, f"{', '.join(NEEDED)}; if known {', '.join(OPTIONAL)}")])
    if table.empty:
        raise PlanError([Fault("rows", "none", "at least one reading")])
    table = table.reset_index(drop=True)
    problems = _sites(case, table)
    number, faults = _numbers(table)
    problems += faults
    start, end, faults = _times(case, table)
    problems += faults
    if problems:
        raise PlanError(problems)
    problems = _overlaps(table["site"], start, end)
    if problems:
        raise PlanError(problems)
    period = np.array([case.horizon.period_of(t.date()) for t in start])
    hours = (end - start) / pd.Timedelta(hours=1)
    frame = number.assign(period=period, site=table["site"].astype(str), hours=hours)
    groups = frame.groupby(["period", "site"])
    sums = groups[list(number.columns)].sum(min_count=1)
    whole = groups[list(number.columns)].apply(lambda part: part.notna().all())
    sums = sums.where(whole)
    for column in OPTIONAL:
        if column not in sums:
            sums[column] = np.nan
    length = np.array([case.horizon.days(int(t)) * 24.0 for t in sums.index.get_level_values(0)])
    sums["covered"] = groups["hours"].sum().to_numpy() / length
    sums["readings"] = groups.size().to_numpy()
    return Metered(sums.reset_index(), start.min(), end.max(), _gaps(table["site"], start, end))


def _table(source: Path | str | pd.DataFrame) -> pd.DataFrame:
    if isinstance(source, pd.DataFrame):
        return source
    text = source.read_text(encoding="utf-8-sig") if isinstance(source, Path) else source
    try:
        return pd.read_csv(StringIO(text), dtype={"site": str}, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as fault:
        raise PlanError([Fault("file", str(fault), "a CSV table with a head line")]) from fault


def _sites(case: Case, table: pd.DataFrame) -> list[Fault]:
    names = [s.id for s in case.sites]
    odd = table.loc[~table["site"].astype(str).isin(names), "site"]
    return [
        Fault(f"site, row {at}", repr(value), f"one of {', '.join(names)}")
        for at, value in odd.drop_duplicates().head(20).items()
    ]


def _numbers(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Fault]]:
    problems = []
    number = {}
    for column in ("facility_kwh", *OPTIONAL):
        if column not in table:
            continue
        value = pd.to_numeric(table[column], errors="coerce")
        empty = table[column].isna() & (column != "facility_kwh")
        bad = (~np.isfinite(value) & ~empty) | (value < 0)
        if bad.any():
            at = int(bad.to_numpy().argmax())
            found = f"{table[column].iloc[at]!r} ({int(bad.sum())} such rows)"
            problems.append(Fault(f"{column}, row {at}", found, "a number of at least 0"))
        number[column] = value.astype(float)
    frame = pd.DataFrame(number)
    if "it_kwh" in frame:
        above = (frame["it_kwh"] > frame["facility_kwh"] * (1 + 1e-9)).to_numpy()
        if above.any():
            at = int(above.argmax())
            found = f"{frame['it_kwh'].iloc[at]:g} above facility_kwh {frame['facility_kwh'].iloc[at]:g}"
            problems.append(Fault(f"it_kwh, row {at}", f"{found} ({int(above.sum())} such rows)", "at most it"))
    return frame, problems


def _times(case: Case, table: pd.DataFrame) -> tuple[pd.Series[pd.Timestamp], pd.Series[pd.Timestamp], list[Fault]]:
    problems: list[Fault] = []
    times = []
    for column in ("start", "end"):
        time = pd.to_datetime(table[column], errors="coerce", format="mixed")
        if time.dt.tz is not None:
            time = time.dt.tz_convert(case.meta.timezone).dt.tz_localize(None)
        if time.isna().any():
            at = int(time.isna().to_numpy().argmax())
            problems.append(Fault(f"{column}, row {at}", repr(table[column].iloc[at]), "a date or time"))
        times.append(time)
    start, end = times
    if problems:
        return start, end, problems
    back = (end <= start).to_numpy()
    if back.any():
        at = int(back.argmax())
        problems.append(Fault(f"end, row {at}", f"{end.iloc[at]}, not after {start.iloc[at]}", "after its start"))
    horizon = case.horizon
    last = end - pd.Timedelta(microseconds=1)
    outside = ((start < pd.Timestamp(horizon.start)) | (last >= pd.Timestamp(horizon.end))).to_numpy()
    if outside.any():
        at = int(outside.argmax())
        found = f"{start.iloc[at]} to {end.iloc[at]} ({int(outside.sum())} such rows)"
        problems.append(Fault(f"start, row {at}", found, f"within {horizon.start} to {horizon.end}"))
    across = np.array(
        [horizon.period_of(a.date()) != horizon.period_of(b.date()) for a, b in zip(start, last, strict=True)]
    )
    across &= ~outside & ~back
    if across.any():
        at = int(across.argmax())
        found = f"{start.iloc[at]} to {end.iloc[at]}, in two periods"
        problems.append(Fault(f"end, row {at}", found, "readings inside one period"))
    return start, end, problems


def _overlaps(site: pd.Series[str], start: pd.Series[pd.Timestamp], end: pd.Series[pd.Timestamp]) -> list[Fault]:
    frame = pd.DataFrame({"site": site, "start": start, "end": end}).sort_values(["site", "start"], kind="stable")
    before = frame.groupby("site")["end"].shift()
    doubled = frame[before > frame["start"]]
    return [
        Fault(f"start, row {at}", f"site {row['site']} from {row['start']} is read twice", "readings side by side")
        for at, row in doubled.head(20).iterrows()
    ]


def _gaps(site: pd.Series[str], start: pd.Series[pd.Timestamp], end: pd.Series[pd.Timestamp]) -> dict[str, float]:
    frame = pd.DataFrame({"site": site.astype(str), "start": start, "end": end})
    frame["seconds"] = (frame["end"] - frame["start"]).dt.total_seconds()
    groups = frame.groupby("site")
    span = pd.to_timedelta(groups["end"].max() - groups["start"].min()).dt.total_seconds()
    missing = (span - groups["seconds"].sum()) / 3600
    return {str(name): float(max(hours, 0.0)) for name, hours in missing.items()}
