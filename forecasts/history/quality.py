"""What a history's data are worth: suspect hours, outliers, level shifts, reach and staleness of each series."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from forecasts.history.asked import Reading
from forecasts.history.ceilings import LooksLike
from forecasts.history.hours import Hours, Met
from forecasts.history.medians import known_median
from forecasts.history.panel import BoolArray
from forecasts.history.patterns import matches
from forecasts.history.remarks import DONE, READ, Remark, summed_up
from forecasts.outlook import FloatArray, IntArray, SeriesKey
from forecasts.words.note import LANGUAGES, Note, said

STUCK_HOURS = 24
OUTAGE_HOURS = 3
OUTLIER_DEVIATIONS = 8.0
SHIFT_LOG = 0.4
SHIFT_DEVIATIONS = 6.0
SAME_HOURS_SHARE = 0.2


@dataclass(frozen=True)
class Suspects:
    """(series, hours) masks. stuck: the sensor repeats itself; outage: zeros where there never are any."""

    stuck: BoolArray
    outage: BoolArray


@dataclass(frozen=True)
class LevelShift:
    """The level of a series changed for good: the day, and the ratio of the level after to the level before."""

    day: str
    ratio: float


@dataclass(frozen=True)
class SeriesQuality:
    """What is known about one source series. Counts are hours unless the name says otherwise."""

    source: str
    region: str
    workload: str
    unit: str
    first: str
    last: str
    weeks: float
    step_minutes: float
    burst: float
    measured: int
    missing: int
    longest_gap: int
    duplicate_rows: int
    conflicting_rows: int
    negative_rows: int
    not_a_number_rows: int
    dropped: int
    coarse_rows: int
    stuck: int
    outage: int
    outliers: int
    at_ceiling: int
    level_shifts: tuple[LevelShift, ...]
    stale: int
    remarks: tuple[Remark, ...]

    @property
    def done(self) -> tuple[str, ...]:
        """What was done to the series, in words."""
        return tuple(remark.words() for remark in self.remarks if remark.code in DONE)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know of it, in words."""
        return tuple(remark.words() for remark in self.remarks if remark.code not in DONE)


@dataclass(frozen=True)
class QualityReport:
    """The state of a whole history, series by series, and what was done to it."""

    timezone: str
    first: str
    last: str
    hours: int
    series: tuple[SeriesQuality, ...]
    remarks: tuple[Remark, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know of the history as a whole."""
        return tuple(remark.words() for remark in self.remarks if remark.code not in READ)

    @property
    def read_as(self) -> tuple[str, ...]:
        """The format it was read as, and what was done on the way."""
        return tuple(remark.words() for remark in self.remarks if remark.code in READ)

    def sentences(self) -> tuple[Note, ...]:
        """Plain sentences: the whole first, then the series; what is alike in many is said once and summed up."""
        each = [(one.source, remark) for one in self.series for remark in one.remarks]
        return (*(remark.words() for remark in self.remarks), *summed_up(each))

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON types, its words in both languages under `said`."""
        out = asdict(self)
        out["warnings"], out["read_as"] = list(self.warnings), list(self.read_as)
        out["said"] = {language: [said(r.words(), language) for r in self.remarks] for language in LANGUAGES}
        for one, row in zip(self.series, out["series"], strict=True):
            row["done"], row["warnings"] = list(one.done), list(one.warnings)
            row["said"] = {language: [said(r.words(), language) for r in one.remarks] for language in LANGUAGES}
        return out


def _runs(flags: BoolArray) -> IntArray:
    """(series, hours) length of the run of true flags that each hour belongs to, 0 where false."""
    n, hours = flags.shape
    edge = np.diff(np.pad(flags, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edge == 1)
    _, stop = np.nonzero(edge == -1)
    change = np.zeros((n, hours + 1), dtype=np.int64)
    change[row, start] += stop - start
    np.subtract.at(change, (row, stop), stop - start)
    return np.asarray(np.cumsum(change[:, :-1], axis=1), dtype=np.int64)


def find_suspects(values: FloatArray, at_top: BoolArray | None = None) -> Suspects:
    """Hours that were recorded but cannot be demand. values: (series, hours), NaN where nothing was measured.

    Stuck: the same value above zero for 24 hours or more in a series that otherwise hardly repeats itself. Outage:
    zero for 3 hours or more in a series that is otherwise never near zero at those hours of the day. at_top: hours that
    stand at what looks like a ceiling: they repeat themselves because more was not served.
    """
    with np.errstate(invalid="ignore"):
        same = np.zeros(values.shape, dtype=bool)
        same[:, 1:] = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > 0)
    if at_top is not None:
        same &= ~at_top
    # A run of k equal steps is k + 1 equal hours: the first hour of the run belongs to it too.
    long = _runs(same) >= STUCK_HOURS - 1
    stuck = long.copy()
    stuck[:, :-1] |= long[:, 1:] & ~long[:, :-1]
    measured = np.isfinite(values)
    rest = (measured & ~stuck).sum(axis=1)
    repeats = (same & ~stuck).sum(axis=1) / np.maximum(rest, 1)
    # A series that mostly stands still is constant, not stuck.
    stuck &= ((repeats < 0.05) & (rest > 0.5 * measured.sum(axis=1)))[:, None]

    zero = measured & (values == 0)
    outage = _runs(zero) >= OUTAGE_HOURS
    day = np.arange(values.shape[1]) % 24
    for i in np.flatnonzero(outage.any(axis=1)):
        rest = measured[i] & ~outage[i]
        if zero[i].mean() > 0.2 or rest.sum() < 48 or zero[i][rest].mean() > 0.01:
            outage[i] = False
            continue
        low = np.array([np.quantile(v, 0.05) if (v := values[i][rest & (day == h)]).size else 0.0 for h in range(24)])
        outage[i] &= (low > 0.1 * np.median(values[i][rest]))[day]
    return Suspects(stuck, outage)


def _median(values: FloatArray, axis: int) -> FloatArray:
    """Median of what is known along a short axis, NaN where nothing is: `np.nanmedian` is ten times as slow there."""
    order = np.sort(values, axis=axis)
    known = np.isfinite(order).sum(axis=axis, keepdims=True)
    low, high = (np.take_along_axis(order, np.maximum(at, 0), axis) for at in ((known - 1) // 2, known // 2))
    return np.asarray(np.where(known > 0, (low + high) / 2, np.nan).squeeze(axis))


def find_outliers(values: FloatArray) -> BoolArray:
    """(series, hours) hours far from the same hour of the neighbouring weeks (of the days, below four weeks).

    Far: more than 8 robust deviations (1.4826 x median absolute deviation, Hampel's rule) from the running median of
    five neighbours, and more than half of the usual level away.
    """
    n, hours = values.shape
    season = 168 if hours >= 4 * 168 else 24
    if hours < 3 * season:
        return np.zeros(values.shape, dtype=bool)
    rows = -(-hours // season)
    beside = [np.clip(np.arange(rows) + k, 0, rows - 1) for k in (-2, -1, 0, 1, 2)]
    away = np.empty(values.shape)
    # A few series at a time stay in the processor's cache.
    for begin in range(0, n, 16):
        part = slice(begin, begin + 16)
        cube = np.full((len(values[part]), rows * season), np.nan)
        cube[:, :hours] = values[part]
        cube = cube.reshape(-1, rows, season)
        off = np.abs(cube - known_median([cube[:, at] for at in beside]))
        away[part] = off.reshape(len(off), -1)[:, :hours]
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        spread = 1.4826 * np.nanmedian(np.where(away > 0, away, np.nan), axis=1, keepdims=True)
        usual = np.nanmedian(np.abs(values), axis=1, keepdims=True)
        return np.asarray((away > OUTLIER_DEVIATIONS * spread) & (away > 0.5 * usual), dtype=bool)


def find_level_shifts(values: FloatArray, index: pd.DatetimeIndex) -> tuple[LevelShift, ...]:
    """Lasting changes of one series' level. values: (hours,).

    Works on weekly medians (daily ones below eight weeks): a change is a shift when the median log level of the four
    steps after it and of the four before differ by more than 0.4 and by six times the usual step.
    """
    season = 168 if len(values) >= 8 * 168 else 24
    steps = len(values) // season
    if steps < 8:
        return ()
    tail = values[len(values) - steps * season :].reshape(steps, season)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        level = _median(tail, 1)
        top = np.nanmax(level) if np.isfinite(level).any() else 0.0
        if not top > 0:
            return ()
        log = np.log(np.maximum(level, 1e-3 * top))
        windows = np.lib.stride_tricks.sliding_window_view(log, 4)
        middle = _median(windows, 1)
        jump = middle[4:] - middle[:-4]
        usual = np.nanmedian(np.abs(np.diff(log)))
    found: list[LevelShift] = []
    size = np.where(np.isfinite(jump), np.abs(jump), 0.0)
    for at in np.argsort(-size, kind="stable"):
        if size[at] <= max(SHIFT_LOG, SHIFT_DEVIATIONS * usual) or len(found) == 5:
            break
        day = index[len(values) - steps * season + (int(at) + 4) * season]
        if all(abs((day - pd.Timestamp(other.day)).total_seconds()) >= 4 * season * 3600 for other in found):
            found.append(LevelShift(str(day.date()), float(np.exp(jump[at]))))
    return tuple(sorted(found, key=lambda shift: shift.day))


def missing_at_the_same_hours(measured: BoolArray, index: pd.DatetimeIndex) -> float:
    """Share of one series' hours that are missing where always the same hours of the week are; 0 otherwise.

    measured: (hours,) of its life, at `index`. An hour of the week counts as always missing when at most one in ten of
    its hours was measured; those must make up a fifth of the week, over two weeks at least.
    """
    # What is missing at a fifth of the week's hours, nine times of ten, is an eighth of all hours at least.
    if len(measured) < 14 * 24 or measured.mean() > 0.9:
        return 0.0
    slot = np.asarray(index.dayofweek * 24 + index.hour)
    seen = np.bincount(slot, measured, 168) / np.maximum(np.bincount(slot, minlength=168), 1)
    always = seen <= 0.1
    return float((~measured).mean()) if always.mean() > SAME_HOURS_SHARE else 0.0


def judge(
    named: Sequence[tuple[str, SeriesKey]],
    panel: Hours,
    suspects: Suspects,
    tops: Sequence[LooksLike | None],
    place: tuple[str, datetime | None],
    asked: Reading,
    whole: Sequence[Remark],
) -> QualityReport:
    """Write the report. named: series as it was called, and its key; panel: hours before masking; tops: what looks like
    a ceiling in each series; place: time zone, and now (None: the end of the history)."""
    timezone, as_of = place
    index, values = panel.index, panel.values
    outliers = find_outliers(np.where(suspects.stuck | suspects.outage, np.nan, values))
    end = pd.Timestamp(as_of) if as_of is not None else index[-1] + pd.Timedelta(hours=1)
    gaps = _runs(~np.isfinite(values))
    rows = []
    for i, (name, key) in enumerate(named):
        met, measured = panel.met[i], np.isfinite(values[i])
        seen = np.flatnonzero(measured)
        first, last = (int(seen[0]), int(seen[-1])) if seen.size else (0, -1)
        inside = slice(first, last + 1)
        stuck, outage = int(suspects.stuck[i].sum()), int(suspects.outage[i].sum())
        top = tops[i]
        one = SeriesQuality(
            source=name,
            region=key.region,
            workload=key.workload,
            unit=key.unit,
            first=str(index[first]) if seen.size else "",
            last=str(index[last]) if seen.size else "",
            weeks=round((last + 1 - first) / 168, 2),
            step_minutes=met.step_minutes,
            burst=float(panel.burst[i]),
            measured=int(seen.size),
            missing=int((~measured[inside]).sum()),
            longest_gap=int(gaps[i][inside].max()) if seen.size else len(index),
            duplicate_rows=met.repeated,
            conflicting_rows=met.apart,
            negative_rows=met.negative,
            not_a_number_rows=met.empty,
            dropped=met.dropped,
            coarse_rows=met.coarse,
            stuck=stuck,
            outage=outage,
            outliers=int(outliers[i].sum()),
            at_ceiling=0 if top is None else int(top.hours.sum()),
            level_shifts=find_level_shifts(values[i][inside], index[inside]) if seen.size else (),
            stale=int((end - index[last]).total_seconds() // 3600) - 1 if seen.size else len(index),
            remarks=(),
        )
        absent = int((~panel.present[i][inside] & measured[inside]).sum()) if asked.no_row == "zero" else 0
        same = missing_at_the_same_hours(measured[inside], index[inside]) if seen.size else 0.0
        remarks = _done(one, met, absent, asked) + _noticed(one, top, same, index, asked)
        rows.append(replace(one, remarks=tuple(remarks)))
    return QualityReport(timezone, str(index[0]), str(index[-1]), len(index), tuple(rows), tuple(whole))


def _done(one: SeriesQuality, met: Met, absent: int, asked: Reading) -> list[Remark]:
    """What was done to a series, as far as anything was."""
    keep = asked.suspect == "keep"
    verb = {"verb": "kept" if keep else "masked", "verb_zh": "已保留" if keep else "已屏蔽"}
    usual = [step for step, share in met.steps if share >= 0.03]
    mixed = len(usual) > 1 and max(usual) >= 1.5 * min(usual)
    counts = {
        "duplicates": met.repeated,
        "summed" if asked.same_moment == "sum" else "conflicting": met.apart,
        "negative": met.negative,
        "empty": met.empty,
        "filler": met.filler,
        "missing": one.missing,
        "zeros": absent,
        "stuck": one.stuck,
        "outage": one.outage,
        "dropped": met.dropped,
    }
    out = [Remark(code, {"n": n, **verb}) for code, n in counts.items() if n]
    if any(matches(pattern, one.source) for pattern in asked.rate):
        out.append(Remark("rate", {"n": met.resets}))
    if any(matches(pattern, one.source) for pattern in asked.amount):
        out.append(Remark("amount"))
    if met.coarse:
        out.append(Remark("coarse", {"n": met.coarse, "hours": met.coarse_hours}))
    if met.irregular:
        out.append(Remark("irregular"))
    elif mixed:
        steps = ", ".join(f"{step:g} min" for step in sorted(usual, reverse=True))
        out.append(Remark("steps", {"steps": steps}))
    elif met.step_minutes < 59.5 and met.moments > 1:
        out.append(Remark("averaged", {"step": round(met.step_minutes, 2)}))
    return out


def _noticed(
    one: SeriesQuality, top: LooksLike | None, same: float, index: pd.DatetimeIndex, asked: Reading
) -> list[Remark]:
    """What a planner should know of a series."""
    out = [Remark("shift", {"ratio": shift.ratio, "day": shift.day}) for shift in one.level_shifts]
    if top is not None and not any(matches(p, name) for p in asked.named for name in (one.source, one.workload)):
        values = {
            "n": one.at_ceiling,
            "level": top.level,
            "since": f"{index[top.since]:%Y-%m-%d}",
            "recent": top.recent,
        }
        out.append(Remark("ceiling", values))
    out += [Remark("same_hours", {"share": same})] if same else []
    out += [Remark("outliers", {"n": one.outliers})] if one.outliers else []
    out += [Remark("stale", {"n": one.stale})] if one.stale >= 24 and one.measured else []
    out += [Remark("nothing")] if not one.measured else []
    out += [Remark("short", {"n": one.measured})] if 0 < one.measured < 14 * 24 else []
    return out
