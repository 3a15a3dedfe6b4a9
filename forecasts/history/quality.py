"""What a history's data are worth: suspect hours, outliers, level shifts, reach and staleness of each series."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.outlook import FloatArray, IntArray, SeriesKey

BoolArray = NDArray[np.bool_]

STUCK_HOURS = 24
OUTAGE_HOURS = 3
OUTLIER_DEVIATIONS = 8.0
SHIFT_LOG = 0.4
SHIFT_DEVIATIONS = 6.0


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
    stuck: int
    outage: int
    outliers: int
    level_shifts: tuple[LevelShift, ...]
    stale: int
    done: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class QualityReport:
    """The state of a whole history, series by series, and what was done to it."""

    timezone: str
    first: str
    last: str
    hours: int
    series: tuple[SeriesQuality, ...]
    warnings: tuple[str, ...]

    def sentences(self) -> tuple[str, ...]:
        """Plain sentences, the whole first and then one per series that has something to tell."""
        lines = list(self.warnings)
        for one in self.series:
            lines += [f"{one.source}: {text}" for text in (*one.done, *one.warnings)]
        return tuple(lines)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        return asdict(self)


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


def find_suspects(values: FloatArray) -> Suspects:
    """Hours that were recorded but cannot be demand. values: (series, hours), NaN where nothing was measured.

    Stuck: the same value above zero for 24 hours or more in a series that otherwise hardly repeats itself. Outage:
    zero for 3 hours or more in a series that is otherwise never near zero at those hours of the day.
    """
    with np.errstate(invalid="ignore"):
        same = np.zeros(values.shape, dtype=bool)
        same[:, 1:] = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > 0)
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
    cube = np.full((n, rows * season), np.nan)
    cube[:, :hours] = values
    cube = cube.reshape(n, rows, season)
    near = np.stack([cube[:, np.clip(np.arange(rows) + k, 0, rows - 1)] for k in (-2, -1, 0, 1, 2)])
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        away = np.abs(cube - np.nanmedian(near, axis=0)).reshape(n, -1)[:, :hours]
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
        level = np.nanmedian(tail, axis=1)
        top = np.nanmax(level) if np.isfinite(level).any() else 0.0
        if not top > 0:
            return ()
        log = np.log(np.maximum(level, 1e-3 * top))
        windows = np.lib.stride_tricks.sliding_window_view(log, 4)
        middle = np.nanmedian(windows, axis=1)
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


def judge(
    names: list[str],
    keys: list[SeriesKey],
    index: pd.DatetimeIndex,
    values: FloatArray,
    suspects: Suspects,
    counts: Mapping[str, FloatArray | IntArray],
    timezone: str,
    misplaced: int,
    as_of: datetime | None,
    kept_suspect: bool,
    left_out: tuple[str, ...],
) -> QualityReport:
    """Write the report. values: (sources, hours) before masking; counts: what the reader met, (sources,) each."""
    measured = np.isfinite(values)
    outliers = find_outliers(np.where(suspects.stuck | suspects.outage, np.nan, values))
    gaps = _runs(~measured)
    end = pd.Timestamp(as_of) if as_of is not None else index[-1] + pd.Timedelta(hours=1)
    rows = []
    for i, (name, key) in enumerate(zip(names, keys, strict=True)):
        seen = np.flatnonzero(measured[i])
        first, last = (int(seen[0]), int(seen[-1])) if seen.size else (0, -1)
        inside = slice(first, last + 1)
        missing = int((~measured[i][inside]).sum())
        stale = int((end - index[last]).total_seconds() // 3600) - 1 if seen.size else len(index)
        stuck, outage = int(suspects.stuck[i].sum()), int(suspects.outage[i].sum())
        shifts = find_level_shifts(values[i][inside], index[inside]) if seen.size else ()
        number = {what: int(part[i]) for what, part in counts.items() if what not in ("step_minutes", "burst")}
        verb = "kept" if kept_suspect else "masked"
        done = [
            text
            for on, text in (
                (number["duplicates"], f"{number['duplicates']} repeated rows merged"),
                (number["conflicting"], f"{number['conflicting']} moments with different values averaged"),
                (number["negative"], f"{number['negative']} negative values masked"),
                (number["not_a_number"], f"{number['not_a_number']} empty or infinite values masked"),
                (missing, f"{missing} hours missing inside the history, masked"),
                (stuck, f"{stuck} hours of a stuck sensor {verb}"),
                (outage, f"{outage} hours of zeros that look like an outage {verb}"),
                (counts["step_minutes"][i] < 59.5, f"averaged from {counts['step_minutes'][i]:g} minutes to hours"),
            )
            if on
        ]
        n_out = int(outliers[i].sum())
        said = [f"the level changed by x{shift.ratio:.2f} about {shift.day}" for shift in shifts]
        said += [f"{n_out} outliers kept (the models dampen them)"] if n_out else []
        said += [f"the last value is {stale} hours old"] if stale >= 24 else []
        said += ["no usable value at all"] if not seen.size else []
        said += [f"only {seen.size} hours of history"] if 0 < seen.size < 14 * 24 else []
        rows.append(
            SeriesQuality(
                name,
                key.region,
                key.workload,
                key.unit,
                str(index[first]) if seen.size else "",
                str(index[last]) if seen.size else "",
                round((last + 1 - first) / 168, 2),
                float(counts["step_minutes"][i]),
                float(counts["burst"][i]),
                int(seen.size),
                missing,
                int(gaps[i][inside].max()) if seen.size else len(index),
                number["duplicates"],
                number["conflicting"],
                number["negative"],
                number["not_a_number"],
                stuck,
                outage,
                n_out,
                shifts,
                stale,
                tuple(done),
                tuple(said),
            )
        )
    whole = []
    if misplaced:
        whole.append(f"{misplaced} times lie in hours that {timezone} skips: the time zone may be wrong")
    if left_out:
        whole.append(f"{len(left_out)} series left out by the mapping: {', '.join(left_out[:10])}")
    return QualityReport(timezone, str(index[0]), str(index[-1]), len(index), tuple(rows), tuple(whole))
