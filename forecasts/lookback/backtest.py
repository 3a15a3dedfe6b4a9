"""Rolling origins over a history: how good forecasts made then would have been."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from forecasts.calendar.country import AUTO, foreseen_country
from forecasts.forecast import ForecastConfig
from forecasts.history import History
from forecasts.hourly.combine import HourlyConfig, fill, forecast_hourly
from forecasts.hourly.members.base import DAY, WEEK
from forecasts.hourly.members.seasonal import repeat
from forecasts.hourly.tide import tide_strength
from forecasts.lookback.quarters import LongRangeReport, backtest_quarters
from forecasts.outlook import FloatArray, IntArray
from forecasts.words.note import note

SHORTEST_TRUTH = 3 * DAY
FOUR_WEEKS = 4


class Predicted(Protocol):
    """What a forecaster gives: mean (series, hours); quantiles (series, levels, hours) at levels, or no levels."""

    @property
    def mean(self) -> FloatArray:
        """(series, hours)."""

    @property
    def levels(self) -> tuple[float, ...]:
        """(levels,) of the quantiles, in order."""

    @property
    def quantiles(self) -> FloatArray:
        """(series, levels, hours)."""


Forecaster = Callable[[History, int], Predicted]


@dataclass(frozen=True)
class PointForecast:
    """A forecast without a spread, for forecasters that have none."""

    mean: FloatArray
    levels: tuple[float, ...] = ()
    quantiles: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))


def seasonal_naive(history: History, hours: int) -> PointForecast:
    """Last week again (yesterday again, or the last hour, where there is less): what every method must beat."""
    period = max(p for p in (1, DAY, WEEK) if history.values.shape[1] >= p)
    return PointForecast(repeat(fill(history.values)[:, -period:], hours))


@dataclass(frozen=True)
class SeriesScore:
    """Scores of one series, means over its origins.

    mase: mean absolute error over the in-sample error of the weekly naive (of the daily one below two weeks; Hyndman
    and Koehler 2006). rel: mean absolute error over that of the seasonal naive at the same origins. coverage80/95:
    share of hours inside the band. pinball: mean over the levels, over the same scale as mase. peak_bias: forecast P99
    of the hours over the measured one, minus 1. peak_error, peak_naive: absolute error of that P99, and of the mean of
    the last four weeks' P99. tide_day, tide_week: strength of the tide, 0 to 1.
    """

    region: str
    workload: str
    origins: int
    mase: float
    rel: float
    coverage80: float
    coverage95: float
    pinball: float
    peak_bias: float
    peak_error: float
    peak_naive: float
    tide_day: float
    tide_week: float
    weights: dict[str, float]


@dataclass(frozen=True)
class LeadScore:
    """Scores of all series together so many days ahead (1 is the first day)."""

    day: int
    rel: float
    coverage80: float
    coverage95: float


@dataclass(frozen=True)
class BacktestReport:
    """What a back-test found. `row` is the line for benchmarks; `series` and `lead` give the detail.

    quarters: how outlooks over quarters would have served, when they were asked for; notes end with its sentences.
    """

    set: str
    method: str
    hours: int
    cpu_s: float
    series: tuple[SeriesScore, ...]
    lead: tuple[LeadScore, ...]
    notes: tuple[str, ...]
    quarters: LongRangeReport | None = None

    def row(self) -> dict[str, Any]:
        """One line: set, method, series, mase, rel, worst, coverage80, coverage95, pinball, peak_rel, cpu_s.

        rel is the geometric mean over series; the others are means. None where nothing could be measured.
        """
        peak = sum(one.peak_error for one in self.series if np.isfinite(one.peak_naive + one.peak_error))
        naive = sum(one.peak_naive for one in self.series if np.isfinite(one.peak_naive + one.peak_error))
        rel = np.array([one.rel for one in self.series])
        rel = rel[np.isfinite(rel) & (rel > 0)]
        last_week = max(1, -(-self.hours // WEEK))
        return {
            "set": self.set,
            "method": self.method,
            "series": len(self.series),
            "mase": _mean([one.mase for one in self.series]),
            "rel": float(np.exp(np.log(rel).mean())) if rel.size else None,
            "worst": float(rel.max()) if rel.size else None,
            "coverage80": _mean([one.coverage80 for one in self.series]),
            "coverage95": _mean([one.coverage95 for one in self.series]),
            "pinball": _mean([one.pinball for one in self.series]),
            "peak_rel": {f"1-{last_week}": peak / naive if naive > 0 else None},
            "peak_bias": _mean([one.peak_bias for one in self.series]),
            "cpu_s": round(self.cpu_s, 3),
        }

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON types: the row's keys, series, lead, notes and quarters; NaN becomes None."""
        return {
            **self.row(),
            "hours": self.hours,
            "by_series": [_plain(asdict(one)) for one in self.series],
            "by_day": [_plain(asdict(one)) for one in self.lead],
            "notes": list(self.notes),
            "quarters": self.quarters.to_json() if self.quarters is not None else None,
        }


def _mean(values: list[float]) -> float | None:
    good = [value for value in values if np.isfinite(value)]
    return float(np.mean(good)) if good else None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not np.isfinite(value) else value for key, value in row.items()}


def foreseen(past: History, ahead: int) -> Predicted:
    """As an outlook made then would have had it: with the country whose special days demand was seen to know."""
    country, _ = foreseen_country(past.values, past.index, past.timezone, AUTO, None)
    return forecast_hourly(past, ahead, HourlyConfig(country=country))


def backtest(
    history: History,
    *,
    hours: int = WEEK,
    windows: int = 8,
    config: HourlyConfig | None = None,
    forecaster: Forecaster | None = None,
    name: str = "history",
    quarters: int = 0,
) -> BacktestReport:
    """Forecast from up to `windows` past origins a week apart and score what came.

    Every series is judged on its own span (series of one panel may begin and end apart). The first origin has a week
    of history at least, half the span where there is less than ten days; the truth of the nearest origin may be shorter
    than `hours` on short histories, but not below three days. config: of our own forecasts; without one special days
    are foreseen as an outlook foresees them (calendar/country.py). quarters: origins a quarter apart at which whole
    outlooks are tested too (see quarters.py; some seconds each). Raises ValueError when no series is long enough.
    """

    def ours(past: History, ahead: int) -> Predicted:
        return foreseen(past, ahead) if config is None else forecast_hourly(past, ahead, config)

    tally = _Tally(hours)
    began = time.process_time()
    spent = 0.0
    for rows, span in _spans(history):
        for cut in _cuts(span.stop - span.start, hours, windows):
            at = slice(span.start, span.start + cut)
            past = history.part(rows, at)
            began = time.process_time()
            predicted = (forecaster or ours)(past, hours)
            spent += time.process_time() - began
            truth = history.values[rows, at.stop : min(at.stop + hours, span.stop)]
            tally.add(rows, past, predicted, truth)
    if not tally.rows:
        raise ValueError("no series is long enough for a back-test: it needs a day of history and three days of truth")
    strength = tide_strength(history.values, history.index)
    scores = tuple(
        tally.series_score(row, history.series[row].region, history.series[row].workload, strength.day, strength.week)
        for row in sorted(tally.rows)
    )
    left = len(history.series) - len(scores)
    notes = (note("backtest.short", n=left),) if left else ()
    long = None
    if quarters:
        given = config or HourlyConfig()
        ours_ahead = ForecastConfig(country=given.country or AUTO, subdivision=given.subdivision)
        long = backtest_quarters(history, windows=quarters, config=ours_ahead)
        notes = (*notes, *long.sentences())
    return BacktestReport(name, "tideplan", hours, spent, scores, tally.lead_scores(), notes, long)


def _spans(history: History) -> list[tuple[IntArray, slice]]:
    """Rows that share first and last measured hour, with that span."""
    seen = np.isfinite(history.values)
    hours = seen.shape[1]
    found: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(seen.any(axis=1)):
        first, last = int(np.argmax(seen[row])), int(hours - np.argmax(seen[row, ::-1]))
        found.setdefault((first, last), []).append(int(row))
    return [(np.array(rows, dtype=np.int64), slice(*span)) for span, rows in found.items()]


def _cuts(length: int, hours: int, windows: int) -> list[int]:
    least = WEEK if length >= WEEK + SHORTEST_TRUTH else max(DAY, length // 2)
    last = max(length - hours, least)
    if length - last < min(SHORTEST_TRUTH, hours):
        return []
    return [last - WEEK * k for k in range(windows) if last - WEEK * k >= least]


class _Tally:
    """Adds up errors, series by series and day by day."""

    def __init__(self, hours: int) -> None:
        self.hours = hours
        self.rows: dict[int, list[dict[str, float]]] = {}
        self.weights: dict[int, list[dict[str, float]]] = {}
        days = max(1, hours // DAY)
        self._days: list[list[list[float]]] = [[] for _ in range(days)]

    def add(self, rows: IntArray, past: History, predicted: Predicted, truth: FloatArray) -> None:
        reach = truth.shape[1]
        mean = predicted.mean[:, :reach]
        good = np.isfinite(truth)
        naive = seasonal_naive(past, self.hours).mean[:, :reach]
        off, naive_off = np.abs(mean - truth), np.abs(naive - truth)
        lag = WEEK if past.values.shape[1] >= 2 * WEEK else min(DAY, max(past.values.shape[1] // 2, 1))
        known = fill(past.values)
        scale = np.abs(known[:, lag:] - known[:, :-lag]).mean(axis=1)
        inside = {band: self._inside(predicted, truth, band) for band in (0.8, 0.95)}
        pinball = self._pinball(predicted, truth)
        weeks = [
            known[:, max(known.shape[1] - WEEK * (k + 1), 0) : known.shape[1] - WEEK * k] for k in range(FOUR_WEEKS)
        ]
        weekly = np.mean([np.quantile(week, 0.99, axis=1) for week in weeks if week.shape[1] > 0], axis=0)
        share = getattr(predicted, "weights", None)
        names = getattr(predicted, "members", ())
        for i, row in enumerate(rows):
            if not good[i].any():
                continue
            here = good[i]
            peak, came = float(np.quantile(mean[i][here], 0.99)), float(np.quantile(truth[i][here], 0.99))
            error = float(off[i][here].mean())
            self.rows.setdefault(int(row), []).append(
                {
                    "error": error,
                    "naive": float(naive_off[i][here].mean()),
                    "mase": error / scale[i] if scale[i] > 0 else np.nan,
                    "c80": float(inside[0.8][i][here].mean()) if inside[0.8] is not None else np.nan,
                    "c95": float(inside[0.95][i][here].mean()) if inside[0.95] is not None else np.nan,
                    "pinball": float(pinball[i][here].mean()) / scale[i]
                    if pinball is not None and scale[i] > 0
                    else np.nan,
                    "peak_bias": peak / came - 1 if came > 0 else np.nan,
                    "peak_error": abs(peak - came) / scale[i] if scale[i] > 0 else np.nan,
                    "peak_naive": abs(float(weekly[i]) - came) / scale[i] if scale[i] > 0 else np.nan,
                }
            )
            if share is not None:
                self.weights.setdefault(int(row), []).append(dict(zip(names, share[i].tolist(), strict=True)))
            for day, cell in enumerate(self._days):
                part = slice(day * DAY, min((day + 1) * DAY, reach))
                ok = here[part]
                if part.start < reach and ok.any():
                    covered = [
                        float(band[i, part][ok].mean()) if band is not None else np.nan for band in inside.values()
                    ]
                    cell.append([float(off[i, part][ok].mean()), float(naive_off[i, part][ok].mean()), *covered])

    @staticmethod
    def _inside(predicted: Predicted, truth: FloatArray, band: float) -> np.ndarray | None:
        low, high = (round((1 - band) / 2, 6), round((1 + band) / 2, 6))
        levels = [round(level, 6) for level in predicted.levels]
        if low not in levels or high not in levels:
            return None
        below = predicted.quantiles[:, levels.index(low), : truth.shape[1]]
        above = predicted.quantiles[:, levels.index(high), : truth.shape[1]]
        # A constant series is forecast exactly: the last digit must not decide.
        slack = 1e-9 * (1 + np.abs(truth))
        return np.asarray((truth >= below - slack) & (truth <= above + slack))

    @staticmethod
    def _pinball(predicted: Predicted, truth: FloatArray) -> FloatArray | None:
        if not predicted.levels:
            return None
        level = np.array(predicted.levels)[None, :, None]
        short = truth[:, None, :] - predicted.quantiles[:, :, : truth.shape[1]]
        return np.asarray(np.maximum(level * short, (level - 1) * short).mean(axis=1))

    def series_score(
        self, row: int, region: str, workload: str, tide_day: FloatArray, tide_week: FloatArray
    ) -> SeriesScore:
        origins = pd.DataFrame(self.rows[row])
        mean = origins.mean()
        shares = pd.DataFrame(self.weights.get(row, []))
        usual = {str(name): round(float(part), 4) for name, part in shares.fillna(0.0).mean().items()}
        return SeriesScore(
            region=region,
            workload=workload,
            origins=len(origins),
            mase=float(mean["mase"]),
            rel=float(mean["error"] / mean["naive"]) if mean["naive"] > 0 else float("nan"),
            coverage80=float(mean["c80"]),
            coverage95=float(mean["c95"]),
            pinball=float(mean["pinball"]),
            peak_bias=float(mean["peak_bias"]),
            peak_error=float(mean["peak_error"]),
            peak_naive=float(mean["peak_naive"]),
            tide_day=float(tide_day[row]),
            tide_week=float(tide_week[row]),
            weights=usual,
        )

    def lead_scores(self) -> tuple[LeadScore, ...]:
        out = []
        for day, cell in enumerate(self._days):
            if not cell:
                continue
            error, naive, c80, c95 = np.array(cell).T
            usable = (error > 0) & (naive > 0)
            rel = float(np.exp(np.mean(np.log(error[usable] / naive[usable])))) if usable.any() else float("nan")
            out.append(LeadScore(day + 1, rel, float(np.mean(c80)), float(np.mean(c95))))
        return tuple(out)
