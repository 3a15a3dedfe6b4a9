"""A history's series laid onto workloads and regions, with units scaled explicitly and dates brought in line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Protocol

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.ceilings import Ceiling, label, name_ceilings, reaches
from forecasts.history.faults import HistoryError
from forecasts.history.panel import History
from forecasts.history.sums import add_up, lives_said
from forecasts.history.units import same_unit
from forecasts.outlook import SeriesKey
from forecasts.words.fault import fault_of
from forecasts.words.note import Note, listed, note

_YEAR = timedelta(days=364)  # 52 whole weeks: weekdays and seasons both stay in place


class Rule(Protocol):
    """Which series (a name or pattern, also "region/workload") becomes which workload, where and how scaled.

    region: all of it there; or share: region -> weight (scaled to add up to 1). scale_note: why the scale is what it
    is; a scale of 1 between different units is only taken when it is stated. ceiling, ceiling_series, unserved_series:
    what the owner knows of demand that was cut off (see `Ceiling`).
    """

    @property
    def series(self) -> str:
        """Name or pattern of the series."""

    @property
    def workload(self) -> str:
        """What it becomes."""

    @property
    def region(self) -> str | None:
        """Where it goes, if to one region."""

    @property
    def share(self) -> Mapping[str, float]:
        """Region → part of it."""

    @property
    def scale(self) -> float:
        """Units of the workload for a unit of the series."""

    @property
    def scale_note(self) -> str:
        """Where the scale comes from."""

    @property
    def ceiling(self) -> float | None:
        """Where it was cut off, in the series' unit."""

    @property
    def ceiling_series(self) -> str | None:
        """Series of the capacity that cut it off."""

    @property
    def unserved_series(self) -> str | None:
        """Series of what was not served."""


def ceilings_of(rules: Sequence[Rule]) -> list[Ceiling]:
    """The ceilings that rules name."""
    return [
        Ceiling(rule.series, rule.ceiling, rule.ceiling_series, rule.unserved_series)
        for rule in rules
        if rule.ceiling is not None or rule.ceiling_series is not None or rule.unserved_series is not None
    ]


def map_history(
    history: History,
    rules: Sequence[Rule],
    *,
    regions: Iterable[str],
    workloads: Mapping[str, str],
    ceilings: Sequence[Ceiling] = (),
) -> History:
    """The history with one series for each region and workload that the rules reach.

    regions: ids that may be named; workloads: id -> unit. Series that meet in one place are added up: each counts as
    nothing outside its own life, and an hour inside a life that was not measured stays unknown. Without rules, series
    that already carry a known region and workload are kept as they are. ceilings: named beside those of the rules.
    Raises HistoryError with every fault: rules that reach nothing, unknown names, series without a place, units that
    differ from the workload's without a scale.
    """
    known = list(regions)
    faults: list[Fault] = []
    history = name_ceilings(history, [*ceilings_of(rules), *ceilings])
    if not rules:
        return _as_they_are(history, known, workloads)
    parts: dict[SeriesKey, list[tuple[int, float]]] = {}
    reached: set[int] = set()
    for number, rule in enumerate(rules):
        where = note("fault.at_rule", n=number + 1, series=rule.series)
        if rule.workload not in workloads:
            faults.append(
                fault_of(where, "fault.rule_workload", name=rule.workload, names=", ".join(sorted(workloads)))
            )
        share = _shares(rule)
        names = ", ".join(known)
        faults += [fault_of(where, "fault.rule_region", name=r, names=names) for r in share if r not in known]
        if not share:
            faults.append(fault_of(where, "fault.rule_nowhere"))
        hits = [i for i, key in enumerate(history.series) if reaches(rule.series, key)]
        if not hits:
            found = ", ".join(label(k) for k in history.series[:12])
            faults.append(fault_of(where, "fault.no_such_series", names=found))
        unit = workloads.get(rule.workload, "")
        if rule.scale == 1 and not rule.scale_note:
            faults += _units_differ([history.series[i] for i in hits], unit, where, "fault.units_differ")
        reached.update(hits)
        for region, part in share.items():
            key = SeriesKey(region, rule.workload, unit)
            parts.setdefault(key, []).extend((i, rule.scale * part) for i in hits)
    if faults:
        raise HistoryError(faults)
    sums = [add_up(history.values, history.censored, members) for members in parts.values()]
    values = np.stack([one.values for one in sums])
    burst = np.array([max(history.burst[i] for i, _ in members) for members in parts.values()])
    # A sum's ceiling is known where every part's is; otherwise what is marked is a lower bound and no more.
    named = np.stack(
        [
            sum((history.ceiling[i] * scale for i, scale in members), np.zeros(values.shape[1]))
            for members in parts.values()
        ]
    )
    labels = [label(k) for k in history.series]
    lives = lives_said(
        [one for one, members in zip(sums, parts.values(), strict=True) if len(members) > 1], labels, history.index
    )
    notes = [*history.notes, *_said(rules), *([lives] if lives else [])]
    left = [labels[i] for i in range(len(labels)) if i not in reached]
    if left:
        notes.append(note("mapping.left_out", names=listed(left, 12)))
    return History(
        tuple(parts),
        history.index,
        values,
        burst,
        history.timezone,
        tuple(notes),
        np.stack([one.marked for one in sums]),
        named,
    )


def _units_differ(keys: Sequence[SeriesKey], unit: str, where: str, key: str) -> list[Fault]:
    """The fault of a key for every unit of these series that is not the workload's."""
    odd: dict[str, list[str]] = {}
    for one in keys:
        if not same_unit(one.unit, unit):
            odd.setdefault(one.unit, []).append(label(one))
    return [fault_of(where, key, own=own, names=", ".join(names[:5]), unit=unit) for own, names in odd.items()]


def _as_they_are(history: History, regions: list[str], workloads: Mapping[str, str]) -> History:
    faults = []
    odd = [label(k) for k in history.series if k.region not in regions or k.workload not in workloads]
    if odd:
        known = {"regions": ", ".join(regions), "workloads": ", ".join(sorted(workloads))}
        faults.append(fault_of("series", "fault.as_they_are", names=", ".join(odd[:12]), n=len(odd), **known))
    for workload, unit in workloads.items():
        own = [key for key in history.series if key.workload == workload]
        where = note("fault.at_workload", name=workload)
        faults += _units_differ(own, unit, where, "fault.units_differ_plain")
    if faults:
        raise HistoryError(faults)
    keys = tuple(replace(k, unit=workloads[k.workload]) for k in history.series)
    return replace(history, series=keys)


def _shares(rule: Rule) -> dict[str, float]:
    if rule.region is not None:
        return {rule.region: 1.0}
    total = sum(rule.share.values())
    return {region: weight / total for region, weight in rule.share.items()} if total > 0 else {}


def _said(rules: Sequence[Rule]) -> list[Note]:
    """What was assumed about units: a sentence for every scale or spread, one for series taken as they are."""
    out = []
    plain = [rule for rule in rules if rule.scale == 1 and rule.region is not None]
    for rule in rules:
        if rule in plain:
            continue
        where = rule.region or note("mapping.regions", n=len(rule.share))
        told = {"series": rule.series, "workload": rule.workload, "where": where, "scale": rule.scale}
        out.append(note("mapping.stands_for", **told))
    if plain:
        places = len({(rule.workload, rule.region) for rule in plain})
        out.append(note("mapping.plain", n=len(plain), places=places))
    return out


def align_history(history: History, start: date) -> History:
    """The history with its end at, or up to a year before, the first day that is planned.

    Hours after `start` are cut off. A history that ends more than a year earlier, or lies wholly after `start`, is
    moved by multiples of 52 weeks, and a note says so: its shape is used, its dates are not.
    """
    begin = pd.Timestamp(start)
    notes = []
    index = history.index
    gap = begin - (index[-1] + pd.Timedelta(hours=1))
    years = 0
    if gap < pd.Timedelta(0) and (index < begin).sum() >= min(len(index), 24 * 28):
        kept = int((index < begin).sum())
        cut = len(index) - kept
        history = history.part(hours=slice(kept))
        index = history.index
        if cut:
            notes.append(note("mapping.planned_hours", n=cut, start=start))
    else:
        years = int(gap // pd.Timedelta(_YEAR))
    if years:
        index = pd.DatetimeIndex(index + years * pd.Timedelta(_YEAR))
        notes.append(note("mapping.moved", weeks=years * 52, end=index[-1], start=start))
    # what all figures rest on is said first, before notes on single series
    return replace(history, index=index, notes=(*notes, *history.notes))


def outlook_weeks(history: History, end: date) -> int:
    """Weeks of outlook needed from the end of the history to `end`, with one to spare on either side."""
    days = (pd.Timestamp(end) - history.index[-1]).days
    return max(days // 7 + 2, 1)
