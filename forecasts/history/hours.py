"""Rows at any moments to means of whole hours.

The step between samples is judged where it stands, because one series may hold hours, five minutes and minutes. Every
row counts for the time until the next one, and for no longer than the step around it, so that a gap stays a gap; where
moments are irregular (a log of changes) a value holds until the next. An hour counts when at least half of it is
covered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter

from forecasts.history.panel import BoolArray
from forecasts.history.rows import Rows, in_order
from forecasts.outlook import FloatArray, IntArray

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
WINDOW = 25
"""Gaps around a row that say what the step is there."""
TOGETHER_SHARE, TOGETHER_NS = 0.05, 60 * SECOND
"""Rows closer than this share of the step, and than a minute, are of one moment: several collectors, or parts."""
HIGHEST = (32767.0, 65535.0, 2147483647.0, 4294967295.0, 2.0**63, 2.0**64)
LEAST_NINES, FILLER_TIMES = 9999.0, 3.0
"""Nines alone from here on may fill holes (999 is a limit that people set), when so many times above the rest."""
LONGEST_HOLD = 7 * 24 * HOUR
"""How long a value of an irregular series may hold."""
Kind = Literal["gauge", "amount", "counter"]


@dataclass(frozen=True)
class Met:
    """What was met in one source series on the way to hours; counts are rows unless the name says otherwise.

    moments: rows of one moment counted once. together: moments of several rows (exactly, or seconds apart), `apart` of
    them with values that differ by more than a twentieth. steps: (minutes between samples, share of the rows), the
    usual ones first. irregular: moments follow no step. dropped: hours that had rows and were not used. coarse: rows
    that stand more than an hour apart, which say nothing of single hours. resets: of a counter. rises: the series
    looks like a counter.
    """

    rows: int = 0
    moments: int = 0
    repeated: int = 0
    together: int = 0
    apart: int = 0
    unlike: int = 0
    negative: int = 0
    empty: int = 0
    step_minutes: float = 60.0
    steps: tuple[tuple[float, float], ...] = ()
    irregular: bool = False
    dropped: int = 0
    coarse: int = 0
    coarse_hours: float = 0.0
    rises: bool = False
    resets: int = 0
    filler: int = 0


@dataclass(frozen=True)
class Hours:
    """index: hours, local. values: (sources, hours) means, NaN where not measured. burst: (sources,).

    present: (sources, hours), whether any row fell into the hour. met: one a source.
    """

    index: pd.DatetimeIndex
    values: FloatArray
    burst: FloatArray
    present: BoolArray
    met: tuple[Met, ...]


@dataclass(frozen=True)
class _Points:
    """One series, sorted by time: moments (UTC or local ns), the same in local time, and values (NaN where empty)."""

    time: IntArray
    local: IntArray
    value: FloatArray


@dataclass(frozen=True)
class _Spans:
    """What covers what: from, to (local ns), the value that holds, and its samples' moments (for the burst)."""

    begin: IntArray
    end: IntArray
    value: FloatArray
    fine: BoolArray


def to_hours(
    rows: Rows,
    local: IntArray,
    kinds: list[Kind],
    together: Literal["ask", "sum", "mean"],
    *,
    nothing: bool = False,
) -> Hours:
    """Hourly means of every series. kinds: what the values of each series are; local: (rows,) local ns.

    nothing: time without a row is time without demand (values of 0), not a gap.
    """
    order = in_order(rows)
    code = rows.code[order]
    edges = np.searchsorted(code, np.arange(len(rows.names) + 1))
    time, there, value = rows.times[order], local[order], rows.values[order]
    first = int(there.min() // HOUR)
    hours = int(there.max() // HOUR) - first + 1
    n = len(rows.names)
    values = np.full((n, hours), np.nan)
    present = np.zeros((n, hours), dtype=bool)
    burst, met = np.ones(n), []
    for i in range(n):
        part = slice(edges[i], edges[i + 1])
        points = _Points(time[part], there[part], value[part])
        present[i, points.local // HOUR - first] = True
        values[i], burst[i], seen = _one(points, kinds[i], together, first, hours, nothing)
        met.append(seen)
    index = pd.date_range(pd.Timestamp(first * HOUR), periods=hours, freq="h")
    return Hours(index, values, burst, present, tuple(met))


def _one(
    points: _Points,
    kind: Kind,
    together: Literal["ask", "sum", "mean"],
    first: int,
    hours: int,
    nothing: bool,
) -> tuple[FloatArray, float, Met]:
    value = points.value.copy()
    negative, empty = int((value < 0).sum()), int((~np.isfinite(value)).sum())
    value[~np.isfinite(value) | (value < 0)] = np.nan
    filled = _fillers(value)
    value[filled] = np.nan
    points = _Points(points.time, points.local, value)
    merged, repeated, groups, apart, unlike = _moments(points, together)
    rises, resets = _counter(merged.value)
    if kind == "counter":
        merged = _rates(merged)
    gaps = np.diff(merged.time)
    step = _running(gaps)
    on_grid = _hourly(gaps)
    irregular = not on_grid and _irregular(gaps, step)
    coarse = np.zeros(len(merged.time), dtype=bool)
    if on_grid and len(gaps) >= 3 and not nothing:
        # Constant steps above an hour (older data that were thinned out) say nothing about single hours.
        usual = np.append(step, step[-1:])
        alike = np.append(np.abs(gaps - step) < 0.1 * step, True)
        coarse = (usual > 1.5 * HOUR) & alike
        if coarse.all():
            coarse[:] = False  # the caller refuses a series that has nothing else
    seen = Met(
        rows=len(value),
        moments=len(merged.time),
        repeated=repeated,
        together=groups,
        apart=apart,
        unlike=unlike,
        negative=negative,
        empty=empty,
        step_minutes=float(np.median(gaps)) / HOUR * 60 if len(gaps) else 60.0,
        steps=_usual(gaps, step),
        irregular=irregular,
        coarse=int(coarse.sum()),
        coarse_hours=float(np.median(step[coarse[:-1]])) / HOUR if coarse[:-1].any() else 0.0,
        rises=rises,
        resets=resets,
        filler=int(filled.sum()),
    )
    kept = _Points(merged.time[~coarse], merged.local[~coarse], merged.value[~coarse])
    if kind == "amount" and irregular:
        return _counted(kept, first, hours), 1.0, seen
    if on_grid:
        spans = _by_the_hour(kept, 1 / 3600 if kind == "amount" else 1.0)
    else:
        spans = _held(kept, gaps, step, irregular, kind == "amount")
    over = _spread(spans, first, hours)
    good = over.covered >= 0.5
    out = np.where(good, over.mean, np.nan)
    if nothing and not irregular:
        out = np.where(over.covered > 0, over.mean * np.minimum(over.covered, 1.0), 0.0)
        good[:] = True
    burst = _burst(out, over)
    return out, burst, replace(seen, dropped=int((over.rowed & ~good).sum()))


def _fillers(value: FloatArray) -> BoolArray:
    """Rows that hold what systems write where nothing was measured (9999, the highest whole number): it comes again,
    and stands far above everything else, which is not nothing: 0 and 9999 alone may be off and on."""
    top = float(np.nanmax(value, initial=0.0))
    if not (top in HIGHEST or (top >= LEAST_NINES and set(f"{top:.10g}") == {"9"})):
        return np.zeros(len(value), dtype=bool)
    at = value == top
    rest = value[np.isfinite(value) & ~at]
    most = float(rest.max(initial=0.0))
    return np.asarray(at & bool(at.sum() >= 3 and 0 < most < top / FILLER_TIMES))


def _moments(points: _Points, together: Literal["ask", "sum", "mean"]) -> tuple[_Points, int, int, int, int]:
    """Rows of one moment made one; repeated rows, moments of several rows, how many of these differ much in value, and
    how many at all."""
    time = points.time
    gaps = np.diff(time)
    if not len(gaps) or gaps.min() >= TOGETHER_NS:
        return points, 0, 0, 0, 0
    apart = gaps[gaps > 0]
    near = gaps == 0
    if len(apart):
        longer = np.maximum(np.r_[gaps, 0], np.r_[0, gaps])
        around = _running(longer)[:-1]
        near |= (gaps < TOGETHER_SHARE * around) & (gaps < TOGETHER_NS)
    if not near.any():
        return points, 0, 0, 0, 0
    starts = np.flatnonzero(np.r_[True, ~near])
    good = np.isfinite(points.value)
    count = np.add.reduceat(good.astype(np.float64), starts)
    total = np.add.reduceat(np.where(good, points.value, 0.0), starts)
    high = np.maximum.reduceat(np.where(good, points.value, -np.inf), starts)
    low = np.minimum.reduceat(np.where(good, points.value, np.inf), starts)
    several = count > 1
    off = np.where(several, high - low, 0.0) / np.maximum(np.abs(high), 1e-12)
    differ, unlike = (several & (off > least) for least in (0.05, 1e-6))
    mean = np.where(several & (high == low), high, total / np.maximum(count, 1))
    value = np.where(count > 0, total if together == "sum" else mean, np.nan)
    merged = _Points(time[starts], points.local[starts], value)
    return merged, int(near.sum()), int(several.sum()), int(differ.sum()), int(unlike.sum())


def _running(values: IntArray) -> IntArray:
    """Running median over WINDOW values, ends held."""
    if len(values) < 3 or values.min() == values.max():
        return np.full(len(values), int(np.median(values)) if len(values) else 0, dtype=np.int64)
    size = min(WINDOW, len(values) if len(values) % 2 else len(values) - 1)
    return np.asarray(median_filter(values, size=size, mode="reflect"), dtype=np.int64)


def _hourly(gaps: IntArray) -> bool:
    """Whether every row is an hour's own: gaps of an hour and multiples of it, give or take a little jitter."""
    if not len(gaps):
        return True
    if gaps.min() < 0.9 * HOUR:
        return False
    off = np.abs(gaps / HOUR - np.round(gaps / HOUR))
    return bool((off < 0.1).mean() > 0.95)


def _irregular(gaps: IntArray, step: IntArray) -> bool:
    """Whether moments follow no step: less than half of the gaps are like those around them."""
    if len(gaps) < 3:
        return bool(len(gaps) and gaps.max() > 1.5 * HOUR)
    # Steps above an hour that are no multiples of it are a sensor's only if they hardly vary.
    bar = 0.5 if np.median(gaps) <= 1.1 * HOUR else 0.9
    return bool((np.abs(gaps - step) <= 0.25 * step).mean() < bar)


def _usual(gaps: IntArray, step: IntArray) -> tuple[tuple[float, float], ...]:
    """Steps in minutes that at least one row in a hundred follows, with their shares, the largest share first."""
    if not len(gaps):
        return ()
    minutes = np.round(step / (60 * SECOND), 1)
    kinds, counts = np.unique(minutes[np.abs(gaps - step) <= 0.25 * step], return_counts=True)
    shares = sorted(zip(-counts / len(gaps), kinds, strict=True))
    return tuple((float(kind), float(-share)) for share, kind in shares if -share >= 0.01)[:4]


def _counter(value: FloatArray) -> tuple[bool, int]:
    """Whether values only rise, resets aside (as totals since a start do), and how often they fall back."""
    known = value[np.isfinite(value)]
    if len(known) < 48:
        return False, 0
    steps = np.diff(known)
    falls = steps < 0
    # A reset falls back to almost nothing; demand that grows falls a little, and every night.
    left = known[1:][falls] / known[:-1][falls]
    # Totals of a day fall back every 24 hours, and further.
    rises = (steps > 0).mean() >= 0.6 and any(
        falls.mean() <= often and bool((left < least).all()) for often, least in ((0.02, 0.5), (0.05, 0.2))
    )
    return bool(rises), int(falls.sum())


def _rates(points: _Points) -> _Points:
    """A counter as its increase a second from each row to the next; after a reset it counts from zero."""
    good = np.isfinite(points.value)
    time, local, value = points.time[good], points.local[good], points.value[good]
    if len(value) < 2:
        return _Points(time, local, np.full(len(value), np.nan))
    rise = np.diff(value)
    rise = np.where(rise < 0, value[1:], rise)
    rate = rise / np.maximum(np.diff(time) / SECOND, 1e-9)
    # Over a gap the rate is known as a mean; it counts for one step only, like any other value before a gap.
    return _Points(time[:-1], local[:-1], rate)


def _by_the_hour(points: _Points, factor: float) -> _Spans:
    """Rows that are an hour's own, however much their minutes vary: each covers the whole hour it belongs to."""
    minute = points.local % HOUR
    # Around the full hour, 59:58 and 00:02 are both meant for it: minutes are measured from where most of them lie.
    angle = 2 * np.pi * minute / HOUR
    middle = float(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())) / (2 * np.pi) * HOUR if len(minute) else 0.0
    varied = bool(len(minute)) and int(minute.max()) != int(minute.min())
    phase = round(middle) % HOUR if varied else 0
    # A phase within two minutes below the full hour, with rows on both sides, is the full hour.
    phase = 0 if varied and HOUR - phase < 120 * SECOND and (minute < HOUR / 2).any() else phase
    hour = (points.local - phase + HOUR // 2) // HOUR if varied else points.local // HOUR
    return _Spans(hour * HOUR, (hour + 1) * HOUR, points.value * factor, np.zeros(len(hour), dtype=bool))


def _held(points: _Points, gaps: IntArray, step: IntArray, irregular: bool, amount: bool) -> _Spans:
    """Every row until the next, or for one step where the next is further away; irregular ones until the next."""
    if not len(gaps):
        return _by_the_hour(points, 1 / 3600 if amount else 1.0)
    longest = np.full(len(gaps), LONGEST_HOLD) if irregular else np.where(gaps <= 1.5 * step, gaps, step)
    hold = np.append(np.minimum(gaps, longest), step[-1])
    value = points.value / (hold / SECOND) if amount else points.value
    begin = points.local
    end = begin + hold
    # Nothing is known after the last row's own hour.
    return _Spans(begin, np.minimum(end, (begin[-1] // HOUR + 1) * HOUR), value, hold < 0.9 * HOUR)


@dataclass(frozen=True)
class _Over:
    """(hours,) each: time-weighted mean, highest value, share covered, whether a row begins there, finer ones do."""

    mean: FloatArray
    top: FloatArray
    covered: FloatArray
    rowed: BoolArray
    fine: BoolArray


def _spread(spans: _Spans, first: int, hours: int) -> _Over:
    """What the spans make of the hours."""
    begin, end = spans.begin - first * HOUR, np.maximum(spans.end - first * HOUR, spans.begin - first * HOUR + 1)
    start, stop = begin // HOUR, (end - 1) // HOUR
    if (
        (begin % HOUR == 0).all()
        and (end - begin == HOUR).all()
        and (np.diff(start) > 0).all()
        and not spans.fine.any()
    ):
        return _whole(start, spans.value, hours)
    count = np.maximum(stop - start + 1, 1)
    row = np.repeat(np.arange(len(begin)), count)
    hour = start[row] + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    inside = (hour >= 0) & (hour < hours)
    row, hour = row[inside], hour[inside]
    share = (np.minimum(end[row], (hour + 1) * HOUR) - np.maximum(begin[row], hour * HOUR)) / HOUR
    good = np.isfinite(spans.value[row])
    row, hour, share = row[good], hour[good], share[good]
    covered: FloatArray = np.bincount(hour, share, hours).astype(np.float64)
    total = np.bincount(hour, share * spans.value[row], hours)
    mean = total / np.where(covered > 0, covered, 1.0)
    # Weighing equal values must not change them.
    top, low = np.full(hours, -np.inf), np.full(hours, np.inf)
    np.maximum.at(top, hour, spans.value[row])
    np.minimum.at(low, hour, spans.value[row])
    mean = np.clip(mean, np.where(covered > 0, low, 0.0), np.where(covered > 0, top, 0.0))
    began = np.isfinite(spans.value) & (start >= 0) & (start < hours)
    rowed = np.bincount(start[began], minlength=hours) > 0
    fine = np.bincount(start[began & spans.fine], minlength=hours) > 1
    return _Over(mean, top, covered, rowed, fine)


def _whole(hour: IntArray, value: FloatArray, hours: int) -> _Over:
    """The same of values that each have one whole hour for themselves."""
    inside = (hour >= 0) & (hour < hours) & np.isfinite(value)
    at, known = hour[inside], value[inside]
    mean, top, rowed = np.zeros(hours), np.full(hours, -np.inf), np.zeros(hours, dtype=bool)
    mean[at], top[at], rowed[at] = known, known, True
    return _Over(mean, top, rowed.astype(np.float64), rowed, np.zeros(hours, dtype=bool))


def _counted(points: _Points, first: int, hours: int) -> FloatArray:
    """(hours,) amounts of single events added up, a second; nothing from the first event's hour on is zero."""
    hour = points.local // HOUR - first
    good = np.isfinite(points.value)
    total = np.bincount(hour[good], points.value[good], hours) / 3600
    out = np.full(hours, np.nan)
    lived = slice(int(hour.min()), int(hour.max()) + 1)
    out[lived] = total[lived]
    return out


def _burst(values: FloatArray, over: _Over) -> float:
    """Mean over the busiest quarter of the hours that have finer samples of the largest sample over the mean."""
    seen = over.fine & np.isfinite(values) & (values > 0)
    if not seen.any():
        return 1.0
    busy = seen & (values >= np.quantile(values[seen], 0.75))
    return max(1.0, float(np.mean(over.top[busy] / values[busy])))
