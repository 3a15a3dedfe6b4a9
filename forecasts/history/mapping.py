"""A history's series laid onto workloads and regions, with units scaled explicitly and dates brought in line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Protocol

import numpy as np
import pandas as pd

from forecasts.history.history import History, HistoryError, HistoryFault
from forecasts.outlook import FloatArray, SeriesKey

_YEAR = timedelta(days=364)  # 52 whole weeks: weekdays and seasons both stay in place


class Rule(Protocol):
    """Which series (a name or shell pattern, also "region/workload") becomes which workload, where and how scaled.

    region: all of it there; or share: region -> weight (scaled to add up to 1).
    """

    @property
    def series(self) -> str: ...
    @property
    def workload(self) -> str: ...
    @property
    def region(self) -> str | None: ...
    @property
    def share(self) -> Mapping[str, float]: ...
    @property
    def scale(self) -> float: ...


def map_history(
    history: History, rules: Sequence[Rule], *, regions: Iterable[str], workloads: Mapping[str, str]
) -> History:
    """The history with one series for each region and workload that the rules reach.

    regions: ids that may be named; workloads: id -> unit. Series that meet in one place are added up (an hour counts
    only when all of them have it). Without rules, series that already carry a known region and workload are kept as
    they are. Raises HistoryError with every fault: rules that reach nothing, unknown names, series without a place.
    """
    known = list(regions)
    faults: list[HistoryFault] = []
    if not rules:
        return _as_they_are(history, known, workloads)
    parts: dict[SeriesKey, list[tuple[int, float]]] = {}
    reached: set[int] = set()
    for number, rule in enumerate(rules):
        where = f"rule {number + 1} ({rule.series})"
        if rule.workload not in workloads:
            faults.append(HistoryFault(where, f"workload {rule.workload!r}", f"one of {sorted(workloads)}"))
        share = _shares(rule)
        faults += [HistoryFault(where, f"region {r!r}", f"one of {known}") for r in share if r not in known]
        if not share:
            faults.append(HistoryFault(where, "neither region nor share", "a region, or shares above 0 by region"))
        hits = [i for i, key in enumerate(history.series) if _matches(rule.series, key)]
        if not hits:
            found = ", ".join(_label(k) for k in history.series[:12])
            faults.append(HistoryFault(where, "no series of that name", f"a name or pattern among: {found}"))
        reached.update(hits)
        for region, part in share.items():
            key = SeriesKey(region, rule.workload, workloads.get(rule.workload, ""))
            parts.setdefault(key, []).extend((i, rule.scale * part) for i in hits)
    if faults:
        raise HistoryError(faults)
    values = np.stack([_added(history.values, members) for members in parts.values()])
    burst = np.array([max(history.burst[i] for i, _ in members) for members in parts.values()])
    notes = [*history.notes, *_said(history, rules)]
    left = [_label(k) for i, k in enumerate(history.series) if i not in reached]
    if left:
        notes.append(f"Series that no rule names were left out: {', '.join(left)}.")
    return replace(history, series=tuple(parts), values=values, burst=burst, notes=tuple(notes))


def _as_they_are(history: History, regions: list[str], workloads: Mapping[str, str]) -> History:
    keep = [i for i, k in enumerate(history.series) if k.region in regions and k.workload in workloads]
    odd = [_label(k) for i, k in enumerate(history.series) if i not in keep]
    if odd:
        allowed = f"regions {regions} and workloads {sorted(workloads)}, or mapping rules (--map, history_mapping)"
        raise HistoryError([HistoryFault("series", f"{', '.join(odd[:12])} ({len(odd)} in all)", allowed)])
    keys = tuple(replace(k, unit=k.unit or workloads[k.workload]) for k in history.series)
    return replace(history, series=keys)


def _matches(pattern: str, key: SeriesKey) -> bool:
    return any(fnmatchcase(name, pattern) for name in (key.workload, _label(key)))


def _label(key: SeriesKey) -> str:
    return key.workload if key.region == "all" else f"{key.region}/{key.workload}"


def _shares(rule: Rule) -> dict[str, float]:
    if rule.region is not None:
        return {rule.region: 1.0}
    total = sum(rule.share.values())
    return {region: weight / total for region, weight in rule.share.items()} if total > 0 else {}


def _added(values: FloatArray, members: list[tuple[int, float]]) -> FloatArray:
    total = np.zeros(values.shape[1])
    for i, scale in members:
        total = total + values[i] * scale
    return total


def _said(history: History, rules: Sequence[Rule]) -> list[str]:
    """What was assumed about units: a sentence for every scale or spread, one for series taken as they are."""
    out = []
    plain = [rule for rule in rules if rule.scale == 1 and rule.region is not None]
    for rule in rules:
        if rule in plain:
            continue
        where = rule.region or f"{len(rule.share)} regions by stated shares"
        out.append(f"Series {rule.series} stands for workload {rule.workload} in {where}, times {rule.scale:g}.")
    if plain:
        places = len({(rule.workload, rule.region) for rule in plain})
        out.append(f"{len(plain)} rules lay series on {places} demands without a change of unit (scale 1).")
    return out


def align_history(history: History, start: date) -> History:
    """The history with its end at, or up to a year before, the first day that is planned.

    Hours after `start` are cut off. A history that ends more than a year earlier, or lies wholly after `start`, is
    moved by multiples of 52 weeks, and a note says so: its shape is used, its dates are not.
    """
    begin = pd.Timestamp(start)
    notes = list(history.notes)
    index, values = history.index, history.values
    gap = begin - (index[-1] + pd.Timedelta(hours=1))
    years = 0
    if gap < pd.Timedelta(0) and (index < begin).sum() >= min(len(index), 24 * 28):
        kept = index < begin
        cut = int((~kept).sum())
        index, values = index[kept], values[:, kept]
        if cut:
            notes.append(f"{cut} hours on and after {start} were left out: they lie in the time that is planned.")
    else:
        years = int(gap // pd.Timedelta(_YEAR))
    if years:
        index = pd.DatetimeIndex(index + years * pd.Timedelta(_YEAR))
        notes.append(
            f"The history's dates were moved by {years * 52} weeks, so that it ends on {index[-1]:%Y-%m-%d}, "
            f"before the horizon starts on {start}: its shape is used, its dates are not."
        )
    return replace(history, index=index, values=values, notes=tuple(notes))


def outlook_weeks(history: History, end: date) -> int:
    """Weeks of outlook needed from the end of the history to `end`, with one to spare on either side."""
    days = (pd.Timestamp(end) - history.index[-1]).days
    return max(days // 7 + 2, 1)
