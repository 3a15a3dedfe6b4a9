"""Ceilings: hours at the highest value that look like one, and those that the owner names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.faults import HistoryError
from forecasts.history.panel import BoolArray, History
from forecasts.history.patterns import matches
from forecasts.outlook import FloatArray, SeriesKey
from forecasts.words.fault import fault_of
from forecasts.words.note import Note, note

BLOCK = 28 * 24
"""Hours that are looked at together: a ceiling is raised from time to time."""
LEAST_SHARE, LEAST_HOURS, LEAST_DAYS = 0.1, 24, 3
CROWDED = 5.0
"""How much denser values lie at a ceiling than just below it. A smooth tide's top is 2 to 3 times as dense."""
WITHIN = (0.001, 0.003, 0.01)
"""How far from the ceiling an hour at it may lie, as a share; the narrowest that shows one is taken."""
FEW_KINDS = 60
"""A block of at most so many different values holds whole numbers and the like."""
AT_CEILING = 0.98
"""An hour counts as cut off from this share of a named ceiling on: part of the hour may have stood below it."""


@dataclass(frozen=True)
class LooksLike:
    """What looks like a ceiling. hours: (hours,) that stand at it. level: the last one. since: the first such hour's
    place. recent: share of the last four weeks' measured hours that stand at it.
    """

    hours: BoolArray
    level: float
    since: int
    recent: float


def looks_like_ceilings(values: FloatArray) -> list[LooksLike | None]:
    """Long and repeated stays of every series at its highest value, four weeks by four weeks. values: (series, hours).

    Blocks that cannot hold one (too few values near their top, and more than a few kinds of them) are passed over.
    """
    series, total = values.shape
    blocks = -(-total // BLOCK)
    out: list[LooksLike | None] = []
    for begin in range(0, series, 32):
        part = values[begin : begin + 32]
        padded = np.full((len(part), blocks * BLOCK), np.nan)
        padded[:, blocks * BLOCK - total :] = part
        ordered = np.sort(padded.reshape(-1, BLOCK), axis=1)
        known = np.isfinite(ordered).sum(axis=1)
        place = np.ceil(0.99 * (known - 1)).astype(np.int64)
        top = ordered[np.arange(len(ordered)), np.clip(place, 0, BLOCK - 1)]
        near = (ordered >= top[:, None] * (1 - 1.05 * WITHIN[-1])).sum(axis=1) >= LEAST_SHARE * known
        few = (np.diff(ordered, axis=1) > 0).sum(axis=1) < FEW_KINDS
        maybe = (near | few).reshape(len(part), blocks)
        out += [_looks_like(row, on) for row, on in zip(part, maybe, strict=True)]
    return out


def _looks_like(values: FloatArray, maybe: BoolArray) -> LooksLike | None:
    """The same of one series. maybe: (blocks,), which may hold a ceiling."""
    total = len(values)
    at = np.zeros(total, dtype=bool)
    level = 0.0
    for block in np.flatnonzero(maybe)[::-1].tolist():
        end = total - (len(maybe) - 1 - block) * BLOCK
        begin = max(end - BLOCK, 0)
        found = _in_block(values[begin:end])
        if found is not None:
            hours, top = found
            at[begin:end] = hours
            level = level or top
    if not at.any() or _flat(values):
        return None
    last = slice(max(total - BLOCK, 0), total)
    measured = np.isfinite(values[last]).sum()
    return LooksLike(at, level, int(at.argmax()), float(at[last].sum() / max(measured, 1)))


def _flat(values: FloatArray) -> bool:
    """Whether a series as a whole hardly moves: what stands still has no ceiling to be seen."""
    known = values[np.isfinite(values)]
    return bool(np.quantile(known, 0.1) >= 0.97 * np.quantile(known, 0.995))


def _in_block(values: FloatArray) -> tuple[BoolArray, float] | None:
    known = values[np.isfinite(values)]
    if len(known) < 7 * 24:
        return None
    # Single hours above a ceiling (a lent machine, a spike) do not hide it.
    top = float(np.quantile(known, 0.99, method="higher"))
    if not top > 0:
        return None
    kinds = np.unique(known)
    if len(kinds) <= FEW_KINDS:
        return _among_few(values, known, kinds)
    for within in WITHIN:
        near = np.abs(values / top - 1) <= within
        below = (known < top * (1 - within)) & (known >= top * (1 - 5 * within))
        share = near.sum() / len(known)
        dense = share / (2 * within) > CROWDED * max(below.mean() / (4 * within), 1e-9)
        if dense and share >= LEAST_SHARE and _often(near):
            return near, top
    return None


def _among_few(values: FloatArray, known: FloatArray, kinds: FloatArray) -> tuple[BoolArray, float] | None:
    """The same for whole numbers and the like: the highest value is met more often than any other of the upper half."""
    counts = np.array([(known == kind).sum() for kind in kinds])
    highest = len(kinds) - 1
    while highest > 0 and counts[highest] < 0.005 * len(known):
        highest -= 1
    upper = counts[(kinds > 0.5 * kinds[highest]) & (kinds < kinds[highest])]
    near = values == kinds[highest]
    often = near.sum() >= LEAST_SHARE * len(known) and (near.sum() > 2 * upper.max(initial=0)) and len(kinds) > 8
    return (near, float(kinds[highest])) if often and _often(near) else None


def _often(near: BoolArray) -> bool:
    """Whether stays at the top come again on several days, and last: scattered single hours are no ceiling."""
    days = len(np.unique(np.flatnonzero(near) // 24))
    runs = int((np.diff(np.r_[False, near].astype(np.int8)) == 1).sum())
    return bool(near.sum() >= LEAST_HOURS and days >= LEAST_DAYS and near.sum() >= 2 * runs)


@dataclass(frozen=True)
class Ceiling:
    """A ceiling that the owner names for series of a name or pattern, in the series' own unit: a number, a series of
    capacity, or a series of work that was rejected or queued (hours in which there was any are cut off).
    """

    series: str
    value: float | None = None
    capacity: str | None = None
    unserved: str | None = None


def name_ceilings(history: History, ceilings: Sequence[Ceiling]) -> History:
    """The history with its hours at named ceilings marked, and without the series that named them.

    Raises HistoryError with every ceiling that reaches nothing or is none.
    """
    if not ceilings:
        return history
    faults: list[Fault] = []
    labels = [label(key) for key in history.series]
    censored, ceiling = history.censored.copy(), history.ceiling.copy()
    notes, helpers = list(history.notes), set()
    for one in ceilings:
        where = f"ceiling of {one.series}"
        hits = [i for i, key in enumerate(history.series) if reaches(one.series, key)]
        if not hits:
            faults.append(fault_of(where, "fault.no_such_series", names=", ".join(labels[:12])))
        wrong = _wrong(where, one)
        if wrong is not None:
            faults.append(wrong)
            continue
        helper = None
        if one.value is None:
            named = one.capacity or one.unserved or ""
            helper = next((i for i, key in enumerate(history.series) if named in (label(key), key.workload)), None)
            if helper is None:
                faults.append(fault_of(where, "fault.no_helper", name=named, names=", ".join(labels[:12])))
                continue
            helpers.add(helper)
        for i in (i for i in hits if i != helper):
            cut, bound = _cut(one, history.values[i], None if helper is None else history.values[helper])
            censored[i] |= cut
            ceiling[i] = np.where(np.isfinite(bound), bound, ceiling[i])
            above = int((history.values[i] > bound / AT_CEILING).sum())
            if above:
                notes.append(note("ceiling.above", name=labels[i], n=above))
            if helper is None:
                named_by = note("ceiling.by_value", value=one.value)
            else:
                named_by = note("ceiling.by_capacity" if one.capacity else "ceiling.by_unserved", name=labels[helper])
            notes.append(_said(labels[i], int(cut.sum()), int(np.isfinite(history.values[i]).sum()), named_by))
    if faults:
        raise HistoryError(faults)
    marked = replace(history, censored=censored, ceiling=ceiling, notes=tuple(notes))
    rest = [i for i in range(len(labels)) if i not in helpers]
    return marked if not helpers else marked.part(rest)


def _wrong(where: str, one: Ceiling) -> Fault | None:
    """Why it is no ceiling."""
    if sum(part is not None for part in (one.value, one.capacity, one.unserved)) != 1:
        return fault_of(where, "fault.ceiling_one")
    if one.value is not None and not (np.isfinite(one.value) and one.value > 0):
        return fault_of(where, "fault.above_0", value=str(one.value))
    return None


def _cut(one: Ceiling, values: FloatArray, helper: FloatArray | None) -> tuple[BoolArray, FloatArray]:
    """(hours,) which were cut off, and at what (NaN: not known), by a number or by the series that tells."""
    if one.unserved is not None and helper is not None:
        return (helper > 0) & np.isfinite(values), np.full(len(values), np.nan)
    bound = np.full(len(values), one.value) if helper is None else _held(helper)
    return values >= AT_CEILING * bound, bound


def _said(name: str, hours: int, measured: int, named_by: Note) -> Note:
    if not hours:
        return note("ceiling.none", name=name, by=named_by)
    return note("ceiling.cut", name=name, n=hours, share=hours / max(measured, 1), by=named_by)


def _held(capacity: FloatArray) -> FloatArray:
    """A capacity holds until the next value, and its first one before it."""
    return np.asarray(pd.Series(capacity).ffill().bfill().to_numpy(), dtype=np.float64)


def label(key: SeriesKey) -> str:
    """How a series is called: its workload where it has no region of its own."""
    return key.workload if key.region == "all" else f"{key.region}/{key.workload}"


def reaches(pattern: str, key: SeriesKey) -> bool:
    """Whether a pattern stands for a series, by its workload or by "region/workload"."""
    return any(matches(pattern, name) for name in (key.workload, label(key)))
