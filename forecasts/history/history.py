"""Read, check and regularise demand histories: the one way in, whatever the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.ceilings import looks_like_ceilings
from forecasts.history.faults import HistoryError
from forecasts.history.formats import read_source
from forecasts.history.hours import HOUR, TOGETHER_NS, Hours, Kind, Met, to_hours
from forecasts.history.moments import far_from_the_rest, names_ends
from forecasts.history.panel import BoolArray, History
from forecasts.history.patterns import matches
from forecasts.history.quality import QualityReport, find_suspects, judge
from forecasts.history.remarks import Remark, format_name
from forecasts.history.rows import Rows, Source, in_order, rows_of
from forecasts.history.sums import add_up, lives_said
from forecasts.history.units import same_unit
from forecasts.outlook import FloatArray, IntArray, SeriesKey
from forecasts.words.fault import fault_of
from forecasts.words.note import Note, listed, note

LONGEST_YEARS = 40
MOST_PARTS = 20_000
SUM_HOURS, SUM_NEAR, SUM_SHARE = 24, 1e-3, 0.95
"""A series is the sum of the others when it is so near, in this share of the hours that all have, so many at least."""
ASKED_SHARE, ASKED_MOMENTS = 0.2, 12
"""Rows of one moment that differ are asked about when this share of the moments, and this many, have such rows."""


@dataclass(frozen=True)
class SeriesMapping:
    """What a source series means: its region and workload, and value = source x `scale` in `unit`.

    Source series that map to the same region and workload are added up, each over its own life.
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
    asked: Reading | None = None,
    max_rows: int | None = None,
) -> tuple[History, QualityReport]:
    """Read a history into a regular hourly panel and say what its data are worth.

    source: path, bytes, binary stream or frame, in any of the formats of `forecasts.history.formats`, told apart by
        content. A long table has columns `timestamp, region, workload, value` or `timestamp, series, value` (then every
        series becomes a workload of its own name in region "all", unless `mapping` says otherwise); a `unit` column is
        read when there is one.
    timezone: IANA name. Times without an offset are local time there; times with one, and epochs, are converted to it.
    mapping: source series (or "region/workload") -> SeriesMapping; series it does not name are left out and reported.
    as_of: naive local time against which staleness is counted; the panel's end unless given.
    asked: what the owner says of the file where it leaves something open.

    Finer data become time-weighted means of hours and the burst factor inside the hour is kept. Negative, infinite and
    missing values, stuck sensors and outages are masked (NaN), never set to zero; outliers, level shifts and what looks
    like a ceiling are reported and kept.

    Raises HistoryError with every fault that was found.
    """
    asked = asked or Reading()
    faults: list[Fault] = []
    zone = _zone(timezone, faults)
    unread: list[Fault] = []
    found = read_source(source, asked, unread, max_rows)
    faults += unread
    if found is None:
        raise HistoryError(faults)
    rows = rows_of(found, asked, faults)
    hours_end = [Remark("ends")] if not faults and names_ends(found.table["timestamp"]) else []
    if zone is None or faults:
        raise HistoryError(faults)
    whole = [Remark("format", {"format": format_name(found.format), "rows": len(rows.times)})]
    whole += [Remark("note", {"text": note}) for note in found.notes]
    whole += hours_end
    left: tuple[str, ...] = ()
    targets: list[SeriesMapping] | None = None
    if mapping is not None:
        rows, targets, left = _mapped(rows, mapping, faults)
        if faults:
            raise HistoryError(faults)
    rows, mistyped = _without_mistyped(rows)
    whole += mistyped
    local, misplaced = _to_local(rows.times, rows.aware, zone)
    span = (local.max() - local.min()) / (HOUR * 24 * 365.25)
    if span > LONGEST_YEARS:
        ends = {"first": str(pd.Timestamp(local.min())), "last": str(pd.Timestamp(local.max()))}
        raise HistoryError([fault_of("timestamp", "fault.years", **ends, years=LONGEST_YEARS)])
    panel, said = _hours(rows, local, found, asked)
    whole += said
    if misplaced:
        whole.append(Remark("zone", {"n": misplaced, "zone": timezone}))
    if left:
        whole.append(Remark("left_out", {"n": len(left), "names": listed(left, 10)}))
    return _finish(panel, rows, targets, timezone, as_of, asked, whole)


def _zone(timezone: str, faults: list[Fault]) -> ZoneInfo | None:
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        faults.append(fault_of("timezone", "fault.zone", zone=timezone))
        return None


def _mapped(
    rows: Rows, mapping: Mapping[str, SeriesMapping], faults: list[Fault]
) -> tuple[Rows, list[SeriesMapping], tuple[str, ...]]:
    """The rows of the series that the mapping names, what each of them means, and the names of the others."""
    known = set(rows.names)
    unknown = [name for name in mapping if name not in known]
    if unknown:
        faults.append(
            fault_of("mapping", "fault.mapping_unknown", names=", ".join(unknown), known=listed(rows.names, 20))
        )
    units: dict[tuple[str, str], set[str]] = {}
    for name, to in mapping.items():
        if not (np.isfinite(to.scale) and to.scale > 0):
            faults.append(fault_of(f"mapping[{name}].scale", "fault.above_0", value=str(to.scale)))
        units.setdefault((to.region, to.workload), set()).add(to.unit)
    for (region, workload), several in units.items():
        if len(several) > 1:
            faults.append(
                fault_of(f"mapping to {region}/{workload}", "fault.mapping_units", units=", ".join(sorted(several)))
            )
    kept = np.array([name in mapping for name in rows.names], dtype=bool)
    if not kept.any() and not unknown:
        faults.append(fault_of("mapping", "fault.mapping_none", known=listed(rows.names, 20)))
    chosen = [name for name in rows.names if name in mapping]
    for name, key in zip(rows.names, rows.keys, strict=True):
        if name in mapping and mapping[name].scale == 1 and not same_unit(key.unit, mapping[name].unit):
            both = {"own": key.unit, "unit": mapping[name].unit}
            faults.append(fault_of(f"mapping[{name}]", "fault.mapping_scale", **both))
    if faults:
        return rows, [], ()
    place = np.where(kept, np.cumsum(kept) - 1, -1)[rows.code]
    here = place >= 0
    part = Rows(
        rows.times[here],
        rows.aware,
        rows.values[here],
        place[here],
        tuple(chosen),
        tuple(key for key, on in zip(rows.keys, kept, strict=True) if on),
        rows.labels[here] if len(rows.labels) else rows.labels,
    )
    return part, [mapping[name] for name in chosen], tuple(n for n in rows.names if n not in mapping)


def _without_mistyped(rows: Rows) -> tuple[Rows, list[Remark]]:
    far = far_from_the_rest(rows.times, rows.code, in_order(rows))
    if not far.any():
        return rows, []
    moments = [(row + 1, pd.Timestamp(rows.times[row])) for row in np.flatnonzero(far)[:5].tolist()]
    shown = listed([note("history.mistyped_row", row=row, moment=moment) for row, moment in moments])
    labels = rows.labels[~far] if len(rows.labels) else rows.labels
    kept = replace(rows, times=rows.times[~far], values=rows.values[~far], code=rows.code[~far], labels=labels)
    return kept, [Remark("mistyped", {"n": int(far.sum()), "shown": shown})]


def _to_local(times: IntArray, aware: bool, zone: ZoneInfo) -> tuple[IntArray, int]:
    """Local nanoseconds, and how many naive times fall into an hour that the zone skips (a sign of a wrong zone)."""
    back, distinct = pd.factorize(times)
    stamps = pd.DatetimeIndex(distinct)
    if aware:
        local = stamps.tz_localize("UTC").tz_convert(zone).tz_localize(None)
        return local.to_numpy("datetime64[ns]").astype(np.int64)[back], 0
    placed = stamps.tz_localize(zone, ambiguous=np.ones(len(stamps), dtype=bool), nonexistent="NaT")
    return times, int(np.asarray(placed.isna())[back].sum())


def _hours(rows: Rows, local: IntArray, source: Source, asked: Reading) -> tuple[Hours, list[Remark]]:
    """Hourly means of every series; rows that are parts of one series are added up if that was asked for.

    Raises HistoryError where rows of one moment differ and nobody said what they are, and for counters.
    """
    faults: list[Fault] = []
    kinds = [_kind(name, source, asked, faults) for name in rows.names]
    _unreached(rows.names, asked, faults)
    if faults:
        raise HistoryError(faults)
    nothing = asked.no_row == "zero"
    together = "sum" if source.parts else asked.same_moment
    said: list[Remark] = []
    telling = _telling(rows) if together != "mean" and len(rows.labels.columns) else []
    if together == "sum" and (telling or source.parts):
        columns = list(rows.labels.columns) if source.parts else telling
        panel, said = _parts(rows, local, kinds, columns, nothing)
    else:
        panel = to_hours(rows, local, kinds, together, nothing=nothing)
    if together == "ask":
        faults += _asked_about(rows, panel.met, telling)
    faults += _counters(rows, panel.met, kinds, asked)
    if faults:
        raise HistoryError(faults)
    equal = sum(one.together for one in panel.met if _often(one.together, one))
    if together == "ask" and telling and equal:
        told = note("history.copies", n=equal, columns=listed(telling))
        said.append(Remark("note", {"text": told}))
    return panel, said


def _kind(name: str, source: Source, asked: Reading, faults: list[Fault]) -> Kind:
    counter = any(matches(pattern, name) for pattern in asked.rate)
    amount = any(matches(pattern, name) for pattern in asked.amount)
    if counter and amount:
        faults.append(fault_of(f"reading of {name}", "fault.rate_and_amount"))
    return "counter" if counter else "amount" if amount or source.amount else "gauge"


def _unreached(names: tuple[str, ...], asked: Reading, faults: list[Fault]) -> None:
    for key, patterns in (("rate", asked.rate), ("amount", asked.amount), ("gauge", asked.gauge)):
        for pattern in patterns:
            if not any(matches(pattern, name) for name in names):
                told = {"pattern": pattern, "names": ", ".join(names[:12])}
                faults.append(fault_of(f"reading {key}", "fault.pattern_unreached", **told))


def _telling(rows: Rows) -> list[str]:
    """The columns that were not read and that tell rows of one moment apart in nine cases of ten."""
    order = np.lexsort((rows.times, rows.code))
    near = (np.diff(rows.code[order]) == 0) & (np.diff(rows.times[order]) < TOGETHER_NS)
    if not near.any():
        return []
    out = []
    for column in rows.labels.columns:
        part, distinct = pd.factorize(rows.labels[column])
        differ = np.diff(part[order])[near] != 0
        # A column in which every row differs (a note, an id of the row) names no part.
        if differ.mean() >= 0.9 and len(distinct) <= max(len(part) / 10, 2):
            out.append(str(column))
    return out


def _parts(
    rows: Rows, local: IntArray, kinds: list[Kind], columns: list[str], nothing: bool
) -> tuple[Hours, list[Remark]]:
    """Parts that labels tell apart, each made hours of its own, and added up over their lives."""
    codes, texts = rows.code.copy(), [[name] for name in rows.names]
    for column in columns:
        part, distinct = pd.factorize(rows.labels[column], sort=True, use_na_sentinel=False)
        packed = codes * max(len(distinct), 1) + part
        kept, codes = np.unique(packed, return_inverse=True)
        texts = [[*texts[k // len(distinct)], str(distinct[k % len(distinct)])] for k in kept.tolist()]
        if len(kept) > MOST_PARTS:
            told = {"n": len(kept), "columns": ", ".join(columns), "most": MOST_PARTS}
            raise HistoryError([fault_of("same-moment", "fault.parts", **told)])
    names = tuple(", ".join(text[1:]) for text in texts)
    owner = np.array([rows.names.index(text[0]) for text in texts])
    split = replace(rows, code=codes.astype(np.int64), names=names, keys=tuple(rows.keys[i] for i in owner))
    panel = to_hours(split, local, [kinds[i] for i in owner], "mean", nothing=nothing)
    marks: BoolArray = np.zeros(panel.values.shape, dtype=bool)
    sums, burst, met, present = [], [], [], []
    for i in range(len(rows.names)):
        own = np.flatnonzero(owner == i)
        sums.append(add_up(panel.values, marks, [(int(row), 1.0) for row in own]))
        weight = np.nan_to_num(panel.values[own]).sum(axis=1) + 1e-12
        burst.append(float(np.average(panel.burst[own], weights=weight)))
        met.append(_met_of([panel.met[row] for row in own]))
        present.append(panel.present[own].any(axis=0))
    said = [Remark("parts", {"n": len(names), "columns": ", ".join(columns)})]
    lives = lives_said(sums, list(names), panel.index)
    said += [Remark("note", {"text": lives})] if lives else []
    values = np.stack([one.values for one in sums])
    return Hours(panel.index, values, np.array(burst), np.stack(present), tuple(met)), said


def _met_of(parts: list[Met]) -> Met:
    """What was met in the parts of one series, taken together."""
    first = parts[0]
    rowed = ("rows", "moments", "repeated", "together", "apart", "unlike")
    counted = (*rowed, "negative", "empty", "dropped", "coarse", "resets", "filler")
    return replace(
        first,
        **{name: sum(getattr(one, name) for one in parts) for name in counted},
        rises=any(one.rises for one in parts),
        irregular=any(one.irregular for one in parts),
        step_minutes=float(np.median([one.step_minutes for one in parts])),
    )


def _asked_about(rows: Rows, met: tuple[Met, ...], telling: list[str]) -> list[Fault]:
    """A fault for series in which rows of one moment differ so often that they must be parts, or copies of a kind.

    Rows that nothing tells apart may differ by a twentieth (collectors seconds apart); where a column tells them apart,
    any difference asks: pods behind a balancer carry nearly the same.
    """
    odd = [i for i, one in enumerate(met) if _often(one.apart, one) or (telling and _often(one.unlike, one))]
    if not odd:
        return []
    several = sum(met[i].together for i in odd)
    where = note("fault.at_series", names=listed([rows.names[i] for i in odd], 5))
    if not telling:
        return [fault_of(where, "fault.same_moment", n=several)]
    told = {"n": several, "columns": " and ".join(telling), "column": telling[0]}
    return [fault_of(where, "fault.same_moment_told", **told)]


def _often(moments: int, met: Met) -> bool:
    return not met.irregular and moments >= max(ASKED_MOMENTS, ASKED_SHARE * met.moments)


def _counters(rows: Rows, met: tuple[Met, ...], kinds: list[Kind], asked: Reading) -> list[Fault]:
    """A fault for series that look like counters and were not said to be."""
    known = [any(matches(pattern, name) for pattern in asked.gauge) for name in rows.names]
    odd = [i for i, one in enumerate(met) if one.rises and kinds[i] == "gauge" and not known[i]]
    if not odd:
        return []
    where = note("fault.at_series", names=listed([rows.names[i] for i in odd], 5))
    resets = sum(met[i].resets for i in odd)
    return [fault_of(where, "fault.counter", n=resets, pattern=rows.names[odd[0]] if len(odd) == 1 else "*")]


def _finish(
    panel: Hours,
    rows: Rows,
    targets: list[SeriesMapping] | None,
    timezone: str,
    as_of: datetime | None,
    asked: Reading,
    whole: list[Remark],
) -> tuple[History, QualityReport]:
    faults = []
    values = panel.values
    if asked.no_row == "zero":
        values = np.where(np.isnan(values) & ~panel.present & _real_hours(panel.index, timezone), 0.0, values)
    measured = np.isfinite(values)
    for i, name in enumerate(rows.names):
        met = panel.met[i]
        if met.step_minutes > 60.5 and not met.irregular and asked.no_row == "unknown" and not _mostly_hours(met):
            where = note("fault.at_series", names=name)
            faults.append(fault_of(where, "fault.coarse", hours=met.step_minutes / 60))
        elif met.negative > measured[i].sum():
            told = {"n": met.negative, "usable": int(measured[i].sum())}
            faults.append(fault_of(note("fault.at_series", names=name), "fault.negative", **told))
    if not measured.any():
        faults.append(fault_of("history", "fault.nothing_usable"))
    if faults:
        raise HistoryError(faults)
    tops = looks_like_ceilings(values)
    at_top = np.stack([np.zeros(values.shape[1], dtype=bool) if top is None else top.hours for top in tops])
    suspects = find_suspects(values, at_top)
    masked = suspects.stuck | suspects.outage
    used = values if asked.suspect == "keep" else np.where(masked, np.nan, values)
    keys = list(rows.keys)
    if targets is not None:
        keys = [SeriesKey(to.region, to.workload, to.unit) for to in targets]
    named = list(zip(rows.names, keys, strict=True))
    place = (timezone, as_of)
    whole += sums_of_the_rest(values, rows.names)
    report = judge(named, replace(panel, values=values), suspects, tops, place, asked, whole)
    scale = np.array([to.scale for to in targets]) if targets is not None else np.ones(len(keys))
    series, summed, burst, notes = _to_keys(keys, used, panel.burst, scale, rows.names, panel.index)
    return History(series, panel.index, summed, burst, timezone, (*report.sentences(), *notes)), report


def sums_of_the_rest(values: FloatArray, names: tuple[str, ...]) -> list[Remark]:
    """A warning for a series that is the sum of all others: whoever maps every series counts demand twice.

    values: (series, hours).
    """
    known = np.isfinite(values).all(axis=0)
    whole = values[:, known]
    # Two equal series are no sum because a third one is empty.
    if (whole.sum(axis=1) > 0).sum() < 3 or known.sum() < SUM_HOURS:
        return []
    total = whole.sum(axis=0)
    same = (np.abs(2 * whole - total) <= SUM_NEAR * total).mean(axis=1) >= SUM_SHARE
    return [Remark("sum_of_rest", {"name": names[i]}) for i in np.flatnonzero(same & (whole.sum(axis=1) > 0)).tolist()]


def _mostly_hours(met: Met) -> bool:
    """Whether a fair part of the rows stands an hour apart or less, whatever the usual step is."""
    return any(step <= 60.5 and share >= 0.1 for step, share in met.steps)


def _real_hours(index: pd.DatetimeIndex, timezone: str) -> BoolArray:
    """(hours,) false for hours that the zone skips."""
    placed = index.tz_localize(timezone, ambiguous=np.ones(len(index), dtype=bool), nonexistent="NaT")
    return np.asarray(placed.notna(), dtype=bool)


def _to_keys(
    keys: list[SeriesKey], values: FloatArray, burst: FloatArray, scale: FloatArray, names: tuple[str, ...],
    index: pd.DatetimeIndex,
) -> tuple[tuple[SeriesKey, ...], FloatArray, FloatArray, list[Note]]:  # fmt: skip
    """Rows scaled, and those of one key added up over their lives."""
    order = list(dict.fromkeys(keys))
    if len(order) == len(keys):
        return tuple(order), values * scale[:, None], burst, []
    marks: BoolArray = np.zeros(values.shape, dtype=bool)
    members = [[(i, float(scale[i])) for i, own in enumerate(keys) if own == key] for key in order]
    sums = [add_up(values, marks, group) for group in members]
    # Sums are smoother inside the hour than their parts: the weighted mean is an upper bound on the burst.
    weight = np.nan_to_num(values).sum(axis=1) * scale + 1e-12
    bursts = [float(np.average([burst[i] for i, _ in g], weights=[weight[i] for i, _ in g])) for g in members]
    lives = lives_said([one for one, g in zip(sums, members, strict=True) if len(g) > 1], list(names), index)
    return tuple(order), np.stack([one.values for one in sums]), np.array(bursts), [lives] if lives else []
