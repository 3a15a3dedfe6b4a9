"""Rolling origins over quarters: how outlooks made then would have served a planner.

At origins a quarter apart the outlook is made from what was known there, and set against the weekly peaks that came: of
every series, and of the sum of those that share a unit. From it follows what a plan made then would have lacked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecasts.forecast import ForecastConfig, OutlookReport, make_outlook
from forecasts.history import History
from forecasts.lookback.quarterscores import QuarterScore, quarter_rows, quarter_scores
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, Outlook
from forecasts.weekly.level import BUCKETS, weekly_panel
from forecasts.weekly.quarterlaw import QUARTER_WEEKS
from forecasts.weekly.reconcile import coincident_peak

FEWEST_WEEKS = 26
"""Weeks of history before the first origin."""
PLANNED_QUANTILE = 0.95
MOST_QUARTERS = 8
TOTAL = "total"
"""Region and workload of the rows for the sum of all series of a unit."""

SERIES = ["region", "workload", "unit"]
PEAK_COLUMNS = (
    *("region", "workload", "unit", "origin", "start", "week_ahead", "p50", "low80", "high80", "low95", "high95"),
    *("planned", "came", "four_weeks"),
)
QUARTER_COLUMNS = ("region", "workload", "unit", "origin", "start", "ordered", "came", "short")


@dataclass(frozen=True)
class RangeScore:
    """Weekly peaks so many weeks ahead, all series together.

    first, last: weeks ahead, from 1. rel: absolute error over that of the mean of the last four weekly peaks, geometric
    mean over series. coverage80, coverage95: share of weeks inside the band. bias: mean of P50 over what came, minus 1.
    weeks: how many were judged.
    """

    first: int
    last: int
    rel: float
    coverage80: float
    coverage95: float
    bias: float
    weeks: int


@dataclass(frozen=True)
class GroupScore:
    """Weekly peaks of one series, or of one workload in all regions (region ""), over all weeks ahead.

    rel, coverage80, coverage95, bias, weeks: as in RangeScore.
    """

    region: str
    workload: str
    unit: str
    rel: float
    coverage80: float
    coverage95: float
    bias: float
    weeks: int


@dataclass(frozen=True)
class Shortfall:
    """Orders for the planned quantile of a quarter's highest weekly peak, against that peak.

    unit: of the total that was ordered for. quarters: how many were judged; short: in how many demand was higher.
    mean_short, worst_short: by how much of the order in those (0 if there were none). spare: mean share of the orders
    that the quarter's peak left unused where it was enough.
    """

    unit: str
    quarters: int
    short: int
    mean_short: float
    worst_short: float
    spare: float

    def sentence(self, quantile: float) -> str:
        """The line that a planner reads."""
        what = f"Plans made from these outlooks, ordering for the {100 * quantile:g} % quantile of the total's peak"
        what += f" ({self.unit})" if self.unit else ""
        if not self.short:
            return f"{what}, would have been short in none of {self.quarters} quarters; {self.spare:.0%} was spare."
        return (
            f"{what}, would have been short by {self.mean_short:.1%} (at most {self.worst_short:.1%}) "
            f"in {self.short} of {self.quarters} quarters; in the others {self.spare:.0%} was spare."
        )


@dataclass(frozen=True)
class LongRangeReport:
    """What the rolling outlooks found.

    peaks: a row a series (and total of a unit), origin and week: forecast peak, its bands, the planned quantile and
    what came; the data of the chart "peak forecast against what came". quarters: a row a series (and total), origin and
    quarter: ordered, came, short (share of the order, 0 when it was enough). ranges: scores by weeks ahead of the
    series. series, workloads: scores of each over all weeks ahead. shortfall: of the totals, one a unit. planned: the
    quantile that was ordered for. highest: the highest week of every quarter as foretold and by simple rules, a row a
    series (and total), origin and quarter; by_quarter: their scores by quarters ahead.
    """

    planned: float
    origins: int
    peaks: pd.DataFrame
    quarters: pd.DataFrame
    ranges: tuple[RangeScore, ...]
    shortfall: tuple[Shortfall, ...]
    series: tuple[GroupScore, ...]
    workloads: tuple[GroupScore, ...]
    highest: pd.DataFrame
    by_quarter: tuple[QuarterScore, ...]

    def sentences(self) -> tuple[str, ...]:
        """What a planner should know, a sentence each."""
        if not self.origins:
            return (f"Too short for a back-test of quarters: it needs {FEWEST_WEEKS + QUARTER_WEEKS} weeks.",)
        return tuple(one.sentence(self.planned) for one in self.shortfall)

    def to_json(self) -> dict[str, Any]:
        """Scores and shortfalls as plain JSON types (NaN becomes None); the frames stay out."""
        return {
            "planned": self.planned,
            "origins": self.origins,
            "by_weeks_ahead": [_plain(one) for one in self.ranges],
            "by_series": [_plain(one) for one in self.series],
            "by_workload": [_plain(one) for one in self.workloads],
            "shortfall": [vars(one) for one in self.shortfall],
            "by_quarter": [one.to_json() for one in self.by_quarter],
            "sentences": list(self.sentences()),
        }


def _plain(score: RangeScore | GroupScore) -> dict[str, Any]:
    return {key: None if isinstance(v, float) and not np.isfinite(v) else v for key, v in vars(score).items()}


def backtest_quarters(
    history: History,
    *,
    windows: int = 4,
    weeks: int = MOST_QUARTERS * QUARTER_WEEKS,
    planned: float = PLANNED_QUANTILE,
    config: ForecastConfig | None = None,
    on_origin: Callable[[int, int], None] | None = None,
    spaced: tuple[int, int] = (QUARTER_WEEKS, QUARTER_WEEKS),
) -> LongRangeReport:
    """Make the outlook at up to `windows` origins a quarter apart, and score up to `weeks` weeks of each.

    The last origin lies a quarter before the history's end, the first has half a year before it. Series that were not
    measured for four weeks before an origin are left out there. planned: which quantile of the quarter's highest weekly
    peak a plan orders for. on_origin: told (origins done, most). spaced: weeks between origins, and after the last one,
    where these are other than a quarter. A history that is too short gives a report without origins.
    """
    if windows < 1 or weeks < QUARTER_WEEKS or not 0 < planned < 1:
        raise ValueError(f"windows {windows}, weeks {weeks}, planned {planned}: allowed are 1, {QUARTER_WEEKS}, 0 to 1")
    settings = replace(config or ForecastConfig(), futures=1)
    hours = len(history.index)
    peaks: list[pd.DataFrame] = []
    highest: list[pd.DataFrame] = []
    origins = 0
    for turn in range(windows):
        left = spaced[1] + turn * spaced[0]
        cut = hours - left * HOURS_PER_WEEK
        if cut < FEWEST_WEEKS * HOURS_PER_WEEK:
            break
        recent = np.isfinite(history.values[:, cut - 4 * HOURS_PER_WEEK : cut]).mean(axis=1) > 0.5
        if not recent.any():
            continue
        rows = np.flatnonzero(recent)
        past = history.part(rows, slice(cut))
        ahead = min(weeks, left)
        outlook, report = make_outlook(past, weeks=ahead, config=settings)
        weekly, quarterly = _against(history, rows, outlook, report, planned, settings.peak_quantile)
        peaks.append(weekly)
        highest.append(quarterly)
        origins += 1
        if on_origin is not None:
            on_origin(origins, windows)
    table = pd.concat(peaks, ignore_index=True) if peaks else pd.DataFrame(columns=list(PEAK_COLUMNS))
    quarters = _quarters(table)
    whole = pd.concat(highest, ignore_index=True) if highest else pd.DataFrame(columns=[*SERIES, "quarter", "came"])
    return LongRangeReport(
        planned=planned,
        origins=origins,
        peaks=table,
        quarters=quarters,
        ranges=_ranges(table),
        shortfall=_shortfalls(quarters),
        series=_groups(table, SERIES),
        workloads=_groups(table, SERIES[1:]),
        highest=whole,
        by_quarter=quarter_scores(whole, TOTAL),
    )


def _against(
    history: History,
    rows: np.ndarray,
    outlook: Outlook,
    report: OutlookReport,
    planned: float,
    peak_quantile: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every week of one outlook beside what came, and every quarter. A week that was not measured has no `came`."""
    first = int((pd.Timestamp(outlook.start) - history.index[0]) / pd.Timedelta(hours=1))
    stop = min(first + outlook.weeks * HOURS_PER_WEEK, len(history.index))
    whole = (stop - first) // HOURS_PER_WEEK
    span = slice(first, first + whole * HOURS_PER_WEEK)
    index, values = history.index[span], history.values[rows, span]
    evaluation = outlook.evaluation
    bands = (0.025, 0.1, 0.9, 0.975)
    frames, quarterly = [], []
    start = pd.Timestamp(outlook.start)

    def add(
        name: tuple[str, str, str], p50: FloatArray, band: FloatArray, plan: FloatArray, came: FloatArray, now: float
    ) -> None:
        columns = {
            "region": name[0],
            "workload": name[1],
            "unit": name[2],
            "origin": pd.Timestamp(outlook.start),
            "start": pd.date_range(outlook.start, periods=whole, freq="7D"),
            "week_ahead": np.arange(1, whole + 1),
            "p50": p50[:whole],
            **{key: band[b, :whole] for b, key in enumerate(("low95", "low80", "high80", "high95"))},
            "planned": plan,
            "came": came,
            "four_weeks": now,
        }
        frames.append(pd.DataFrame(columns)[list(PEAK_COLUMNS)])

    came = weekly_panel(values, index, peak_quantile).peak
    present = np.nanmean(report.history.peak[:, -4:], axis=1)
    for i, key in enumerate(outlook.series):
        band = np.stack([report.peak_quantiles[p][i] for p in bands])
        plan = _ordered(evaluation.peak[:, i, :whole], planned)
        name = (key.region, key.workload, key.unit)
        add(name, outlook.central.peak[0, i], band, plan, came[i], float(present[i]))
        quarterly.append(quarter_rows(name, start, evaluation.peak[:, i], came[i], report.history.peak[i]))
    for unit in dict.fromkeys(key.unit for key in outlook.series):
        members = [i for i, key in enumerate(outlook.series) if key.unit == unit]
        # An hour of the total counts when all of it was measured.
        total = values[members].sum(axis=0, keepdims=True)
        known = history.values[rows[members], max(first - 4 * HOURS_PER_WEEK, 0) : first].sum(axis=0)
        now = float(np.nanquantile(known, peak_quantile)) if np.isfinite(known).any() else float("nan")
        drawn = coincident_peak(outlook, evaluation, members)
        p50 = coincident_peak(outlook, outlook.central, members)[0]
        band = np.quantile(drawn, bands, axis=0)
        plan = _ordered(drawn[:, :whole], planned)
        name, whole_came = (TOTAL, TOTAL, unit), weekly_panel(total, index, peak_quantile).peak[0]
        add(name, p50, band, plan, whole_came, now)
        before = history.values[rows[members], :first].sum(axis=0, keepdims=True)
        past = weekly_panel(before, history.index[:first], peak_quantile).peak[0]
        quarterly.append(quarter_rows(name, start, drawn, whole_came, past))
    return pd.concat(frames, ignore_index=True), pd.concat(quarterly, ignore_index=True)


def _ordered(drawn: FloatArray, planned: float) -> FloatArray:
    """(weeks,) the planned quantile of the highest weekly peak of each week's quarter. drawn: (futures, weeks)."""
    out = np.empty(drawn.shape[1])
    for begin in range(0, drawn.shape[1], QUARTER_WEEKS):
        part = slice(begin, begin + QUARTER_WEEKS)
        out[part] = np.quantile(drawn[:, part].max(axis=1), planned)
    return out


def _quarters(peaks: pd.DataFrame) -> pd.DataFrame:
    """What was ordered and what came, a row a series or total, origin and whole quarter that was measured."""
    if peaks.empty:
        return pd.DataFrame(columns=list(QUARTER_COLUMNS))
    quarter = (peaks["week_ahead"] - 1) // QUARTER_WEEKS
    grouped = peaks.groupby(["region", "workload", "unit", "origin", quarter], sort=False)
    table = grouped.agg(
        start=("start", "first"), ordered=("planned", "first"), came=("came", "max"), seen=("came", "count")
    ).reset_index()
    # A quarter of which weeks were not measured might have been higher: it is not judged.
    table = table[table["seen"] == QUARTER_WEEKS].reset_index(drop=True)
    ordered = table["ordered"].to_numpy(np.float64)
    over = table["came"].to_numpy(np.float64) - ordered
    safe = np.where(ordered > 0, ordered, 1.0)
    table["short"] = np.where(ordered > 0, np.maximum(over, 0.0) / safe, np.where(over > 0, np.inf, 0.0))
    return table[list(QUARTER_COLUMNS)]


def _shortfalls(quarters: pd.DataFrame) -> tuple[Shortfall, ...]:
    out = []
    totals = quarters[quarters["workload"] == TOTAL]
    for unit, part in totals.groupby("unit", sort=False):
        short = part.loc[part["short"] > 0, "short"]
        spare = 1 - part.loc[part["short"] <= 0, "came"] / part.loc[part["short"] <= 0, "ordered"].clip(lower=1e-300)
        mean, worst = (float(short.mean()), float(short.max())) if len(short) else (0.0, 0.0)
        left = float(spare.mean()) if len(spare) else 0.0
        out.append(Shortfall(str(unit), len(part), len(short), mean, worst, left))
    return tuple(out)


def _ranges(peaks: pd.DataFrame) -> tuple[RangeScore, ...]:
    out = []
    single = _judged(peaks)
    for first, last in BUCKETS:
        part = single[(single["week_ahead"] > first) & (single["week_ahead"] <= last)]
        if not part.empty:
            out.append(RangeScore(first + 1, last, *_scores(part)))
    return tuple(out)


def _groups(peaks: pd.DataFrame, keys: list[str]) -> tuple[GroupScore, ...]:
    """A score for every value of the keys, in the order of the series."""
    out = []
    for key, part in _judged(peaks).groupby(keys, sort=False):
        named = dict(zip(keys, map(str, key), strict=True))
        out.append(GroupScore(named.get("region", ""), named["workload"], named["unit"], *_scores(part)))
    return tuple(out)


def _judged(peaks: pd.DataFrame) -> pd.DataFrame:
    return peaks[(peaks["workload"] != TOTAL) & peaks["came"].notna()]


def _scores(part: pd.DataFrame) -> tuple[float, float, float, float, int]:
    """rel, coverage at 80 and at 95 %, bias and how many weeks, of rows of which all came."""
    came = part["came"]
    keys = [part["region"], part["workload"]]
    error = (part["p50"] - came).abs().groupby(keys).sum()
    naive = (part["four_weeks"] - came).abs().groupby(keys).sum()
    usable = (error > 0) & (naive > 0)
    rel = float(np.exp(np.log(error[usable] / naive[usable]).mean())) if usable.any() else float("nan")
    inside = [float(((came >= part[f"low{b}"]) & (came <= part[f"high{b}"])).mean()) for b in (80, 95)]
    there = came > 0
    bias = float((part["p50"][there] / came[there] - 1).mean()) if there.any() else float("nan")
    return rel, inside[0], inside[1], bias, len(part)
