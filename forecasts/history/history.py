"""Read, check and regularise hourly demand histories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecasts.history.faults import HistoryError, HistoryFault
from forecasts.history.longtable import (
    find_columns,
    read_numbers,
    read_table,
    read_times,
)
from forecasts.history.panel import History
from forecasts.history.quality import QualityReport, find_suspects, judge
from forecasts.outlook import FloatArray, IntArray, SeriesKey

LONGEST_YEARS = 40
_HOUR_NS = 3_600_000_000_000
__all__ = ["History", "HistoryError", "HistoryFault", "SeriesMapping", "read_history"]


@dataclass(frozen=True)
class SeriesMapping:
    """What a source series means: its region and workload, and value = source x `scale` in `unit`.

    Source series that map to the same region and workload are added up (an hour counts only when all of them have it).
    """

    region: str
    workload: str
    unit: str = ""
    scale: float = 1.0


def read_history(
    source: str | Path | bytes | IO[bytes] | pd.DataFrame,
    *,
    timezone: str = "Asia/Shanghai",
    mapping: Mapping[str, SeriesMapping] | None = None,
    as_of: datetime | None = None,
    keep_suspect: bool = False,
    max_rows: int | None = None,
) -> tuple[History, QualityReport]:
    """Read a long table into a regular hourly panel and say what its data are worth.

    source: path, bytes, binary stream or frame; CSV (also gzipped) or Parquet, told apart by content. Columns are
        `timestamp, region, workload, value` or `timestamp, series, value` (then every series becomes a workload of
        its own name in region "all", unless `mapping` says otherwise); a `unit` column is read when there is one.
    timezone: IANA name. Times without an offset are local time there; times with an offset are converted to it.
    mapping: source series (or "region/workload") -> SeriesMapping; series it does not name are left out and reported.
    as_of: naive local time against which staleness is counted; the panel's end unless given.
    keep_suspect: report stuck and outage hours without masking them.

    Finer data are averaged to hours and the burst factor inside the hour kept. Negative, infinite and missing values,
    stuck sensors and outages are masked (NaN), never set to zero; outliers and level shifts are reported and kept.

    Raises HistoryError with every fault that was found.
    """
    faults: list[HistoryFault] = []
    zone = _zone(timezone, faults)
    table = source if isinstance(source, pd.DataFrame) else read_table(source, faults, max_rows)
    columns = find_columns(table, faults) if table is not None else None
    if table is None or columns is None:
        raise HistoryError(faults)
    times, aware = read_times(table[columns["timestamp"]], faults)
    values = read_numbers(table[columns["value"]], faults)
    sources = _sources(table, columns, mapping, faults)
    if zone is None or faults:
        raise HistoryError(faults)
    local, misplaced = _to_local(times, aware, zone)
    span = (local.max() - local.min()) / (_HOUR_NS * 24 * 365.25)
    if span > LONGEST_YEARS:
        first, last = pd.Timestamp(local.min()), pd.Timestamp(local.max())
        raise HistoryError([HistoryFault("timestamp", f"{first} to {last}", f"at most {LONGEST_YEARS} years")])
    raw = _to_hours(sources, times, local, values)
    return _finish(raw, sources, timezone, misplaced, as_of, keep_suspect)


def _zone(timezone: str, faults: list[HistoryFault]) -> ZoneInfo | None:
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        faults.append(HistoryFault("timezone", repr(timezone), "an IANA name such as Asia/Shanghai or UTC"))
        return None


@dataclass(frozen=True)
class _Sources:
    """names and keys: one per source series; scale: (sources,); code: (rows,) which source a row is, -1 for none."""

    names: list[str]
    keys: list[SeriesKey]
    scale: FloatArray
    code: IntArray
    left_out: tuple[str, ...] = ()


def _sources(
    table: pd.DataFrame,
    columns: dict[str, str],
    mapping: Mapping[str, SeriesMapping] | None,
    faults: list[HistoryFault],
) -> _Sources:
    paired = {"region", "workload"} <= set(columns)
    blank = np.zeros(len(table), dtype=bool)
    packed = np.zeros(len(table), dtype=np.int64)
    texts: list[list[str]] = []
    for name in ("region", "workload") if paired else ("series",):
        part, distinct = pd.factorize(table[columns[name]])
        text = [str(value).strip() for value in distinct]
        blank |= (part < 0) | np.isin(part, [i for i, value in enumerate(text) if not value])
        packed = packed * max(len(text), 1) + part
        texts.append(text)
    if blank.any():
        row = int(np.flatnonzero(blank)[0]) + 1
        faults.append(HistoryFault("series", f"{int(blank.sum())} rows without a name (row {row})", "a name in each"))
        return _Sources([], [], np.zeros(0), packed)
    code, distinct_pairs = pd.factorize(packed)
    places = [divmod(int(pair), len(texts[1])) if paired else (0, int(pair)) for pair in distinct_pairs]
    names = [f"{texts[0][i]}/{texts[1][j]}" if paired else texts[0][j] for i, j in places]
    unit = [""] * len(names)
    if "unit" in columns:
        first = pd.Series(table[columns["unit"]].astype("str").to_numpy()).groupby(code).first()
        unit = ["" if text.lower() in ("nan", "none") else text for text in first]
    keys = [
        SeriesKey(texts[0][i], texts[1][j], u) if paired else SeriesKey("all", texts[0][j], u)
        for (i, j), u in zip(places, unit, strict=True)
    ]
    if mapping is None:
        return _Sources(names, keys, np.ones(len(names)), code.astype(np.int64))
    return _mapped(names, keys, code.astype(np.int64), mapping, faults)


def _mapped(
    names: list[str],
    keys: list[SeriesKey],
    code: IntArray,
    mapping: Mapping[str, SeriesMapping],
    faults: list[HistoryFault],
) -> _Sources:
    known = set(names)
    unknown = [name for name in mapping if name not in known]
    if unknown:
        faults.append(HistoryFault("mapping", f"series {unknown} not in the history", f"some of {names[:20]}"))
    units: dict[tuple[str, str], set[str]] = {}
    for name, to in mapping.items():
        if not (np.isfinite(to.scale) and to.scale > 0):
            faults.append(HistoryFault(f"mapping[{name}].scale", str(to.scale), "a number above 0"))
        units.setdefault((to.region, to.workload), set()).add(to.unit)
    for (region, workload), several in units.items():
        if len(several) > 1:
            faults.append(HistoryFault(f"mapping to {region}/{workload}", f"units {sorted(several)}", "one unit"))
    kept = np.array([name in mapping for name in names])
    if not kept.any() and not unknown:
        faults.append(HistoryFault("mapping", "no series", f"at least one of {names[:20]}"))
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    chosen = [name for name in names if name in mapping]
    return _Sources(
        chosen,
        [SeriesKey(mapping[n].region, mapping[n].workload, mapping[n].unit) for n in chosen],
        np.array([mapping[n].scale for n in chosen]),
        place[code],
        tuple(n for n in names if n not in mapping),
    )


def _to_local(times: IntArray, aware: bool, zone: ZoneInfo) -> tuple[IntArray, int]:
    """Local nanoseconds, and how many naive times fall into an hour that the zone skips (a sign of a wrong zone)."""
    distinct, back = np.unique(times, return_inverse=True)
    stamps = pd.DatetimeIndex(distinct)
    if aware:
        local = stamps.tz_localize("UTC").tz_convert(zone).tz_localize(None)
        return local.to_numpy("datetime64[ns]").astype(np.int64)[back], 0
    placed = stamps.tz_localize(zone, ambiguous=np.ones(len(stamps), dtype=bool), nonexistent="NaT")
    return times, int(np.asarray(placed.isna())[back].sum())


@dataclass(frozen=True)
class _Raw:
    """A source panel: index hours and (sources, hours) means, with what was met on the way, (sources,) counts."""

    index: pd.DatetimeIndex
    values: FloatArray
    burst: FloatArray
    step_minutes: FloatArray
    repeated: IntArray
    conflicting: IntArray
    negative: IntArray
    not_a_number: IntArray


def _to_hours(sources: _Sources, times: IntArray, local: IntArray, values: FloatArray) -> _Raw:
    rows = np.flatnonzero(sources.code >= 0)
    rows = rows[np.lexsort((times[rows], sources.code[rows]))]
    code, time, hour, value = sources.code[rows], times[rows], local[rows] // _HOUR_NS, values[rows].copy()
    n = len(sources.names)
    negative = np.bincount(code, value < 0, n).astype(np.int64)
    missing = np.bincount(code, ~np.isfinite(value), n).astype(np.int64)
    value[(value < 0) | ~np.isfinite(value)] = np.nan
    # The same moment twice: equal values are one, different ones are averaged.
    new = np.r_[True, (code[1:] != code[:-1]) | (time[1:] != time[:-1])]
    starts = np.flatnonzero(new)
    repeated = np.bincount(code[~new], minlength=n)
    conflicting = np.zeros(n, dtype=np.int64)
    if not new.all():
        lone = np.maximum.reduceat(np.where(np.isnan(value), -np.inf, value), starts)
        least = np.minimum.reduceat(np.where(np.isnan(value), np.inf, value), starts)
        conflicting = np.bincount(code[starts], (lone > least) & np.isfinite(lone), n).astype(np.int64)
        good = np.isfinite(value)
        count = np.add.reduceat(good.astype(float), starts)
        total = np.add.reduceat(np.where(good, value, 0.0), starts)
        value = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        code, time, hour = code[starts], time[starts], hour[starts]
    step = np.full(n, 60.0)
    edges = np.searchsorted(code, np.arange(n + 1))
    for i in range(n):
        if edges[i + 1] - edges[i] > 1:
            step[i] = float(np.median(np.diff(time[edges[i] : edges[i + 1]]))) / (_HOUR_NS / 60)
    first = int(hour.min())
    hours = int(hour.max()) - first + 1
    flat = code * hours + hour - first
    good = np.isfinite(value)
    count = np.bincount(flat[good], minlength=n * hours).reshape(n, hours)
    total = np.bincount(flat[good], value[good], n * hours).reshape(n, hours)
    wanted = np.maximum(60.0 / np.clip(step, 0.1, 60.0), 1.0)[:, None]
    # An hour of which more than half is missing says too little about its mean.
    panel = np.where(count >= np.maximum(wanted / 2, 1), total / np.maximum(count, 1), np.nan)
    burst = _burst(panel, flat[good], value[good], step)
    index = pd.date_range(pd.Timestamp(first * _HOUR_NS), periods=hours, freq="h")
    return _Raw(index, panel, burst, step, repeated, conflicting, negative, missing)


def _burst(panel: FloatArray, flat: IntArray, value: FloatArray, step_minutes: FloatArray) -> FloatArray:
    """(sources,) mean over the busiest quarter of the hours of the largest sample of the hour over its mean."""
    burst = np.ones(panel.shape[0])
    if (step_minutes >= 60).all():
        return burst
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(flat[order]) > 0])
    top = np.full(panel.shape, np.nan)
    top.reshape(-1)[flat[order][starts]] = np.maximum.reduceat(value[order], starts)
    for i in np.flatnonzero(step_minutes < 60):
        seen = np.isfinite(panel[i]) & (panel[i] > 0)
        if seen.any():
            busy = seen & (panel[i] >= np.quantile(panel[i][seen], 0.75))
            burst[i] = max(1.0, float(np.mean(top[i][busy] / panel[i][busy])))
    return burst


def _finish(
    raw: _Raw,
    sources: _Sources,
    timezone: str,
    misplaced: int,
    as_of: datetime | None,
    keep_suspect: bool,
) -> tuple[History, QualityReport]:
    faults = []
    measured = np.isfinite(raw.values)
    for i, name in enumerate(sources.names):
        if raw.step_minutes[i] > 60.5:
            found = f"a value every {raw.step_minutes[i] / 60:g} hours"
            faults.append(HistoryFault(f"series {name}", found, "hourly or finer"))
        elif raw.negative[i] > measured[i].sum():
            found = f"{raw.negative[i]} negative values, {measured[i].sum()} usable hours"
            faults.append(HistoryFault(f"series {name}", found, "demand of at least 0 (is the sign turned?)"))
    if not measured.any():
        faults.append(HistoryFault("history", "no usable series: not one finite value of at least 0", "at least one"))
    if faults:
        raise HistoryError(faults)
    suspects = find_suspects(raw.values)
    values = raw.values if keep_suspect else np.where(suspects.stuck | suspects.outage, np.nan, raw.values)
    scaled = values * sources.scale[:, None]
    order = list(dict.fromkeys(sources.keys))
    if len(order) < len(sources.keys):
        group = np.array([order.index(key) for key in sources.keys])
        scaled = np.stack([scaled[group == g].sum(axis=0) for g in range(len(order))])
        # Sums are smoother inside the hour than their parts: the weighted mean is an upper bound on the burst.
        weight = np.nan_to_num(np.nanmean(np.where(measured, raw.values, 0.0), axis=1)) * sources.scale
        burst = np.array(
            [np.average(raw.burst[group == g], weights=weight[group == g] + 1e-12) for g in range(len(order))]
        )
    else:
        burst = raw.burst
    counts: dict[str, FloatArray | IntArray] = {
        "duplicates": raw.repeated,
        "conflicting": raw.conflicting,
        "negative": raw.negative,
        "not_a_number": raw.not_a_number,
        "step_minutes": raw.step_minutes,
        "burst": raw.burst,
    }
    report = judge(
        sources.names,
        sources.keys,
        raw.index,
        raw.values,
        suspects,
        counts,
        timezone,
        misplaced,
        as_of,
        keep_suspect,
        sources.left_out,
    )
    return History(tuple(order), raw.index, scaled, burst, timezone, report.sentences()), report
