"""History in, outlook out: the one call that joins level, tide, growth, events and futures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecasts.futures import Paths, draw_errors, growth_errors, reduce_paths, residual_weeks
from forecasts.growth import GrowthPrior
from forecasts.history import History
from forecasts.level import LevelForecast, WeeklyPanel, forecast_level, weekly_panel
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, Futures, IntArray, Outlook

METHOD_VERSION = 1


class ForecastError(ValueError):
    """A request or a history from which no outlook can be made; `faults` lists (where, found, allowed)."""

    def __init__(self, faults: list[tuple[str, str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{where}: found {found}, allowed {allowed}" for where, found, allowed in faults))


@dataclass(frozen=True)
class ForecastConfig:
    """How an outlook is made; every default is written into its provenance.

    seed: of every random draw. futures: weighted futures for planning. evaluation: futures of equal weight, drawn
    apart. growth: belief about growth where a history is too short to show it. seasons: 1 or 4 tides a year.
    peak_quantile: which quantile of a week's hours counts as its peak (1: the single busiest hour).
    draws: sample paths behind the reduction. short_range: hourly models lead in the first eight weeks.
    """

    seed: int = 1
    futures: int = 5
    evaluation: int = 100
    growth: GrowthPrior = field(default_factory=GrowthPrior)
    seasons: int = 4
    peak_quantile: float = 0.99
    draws: int = 400
    short_range: bool = True


@dataclass(frozen=True)
class OutlookReport:
    """What a planner wants to know about how the outlook came about.

    history: the weeks that the forecast started from. method, rate_per_year: (series,) name of the method and growth.
    notes: as in the outlook.
    """

    history: WeeklyPanel
    method: tuple[str, ...]
    rate_per_year: FloatArray
    notes: tuple[str, ...]


def make_outlook(
    history: History, *, weeks: int, config: ForecastConfig | None = None
) -> tuple[Outlook, OutlookReport]:
    """Outlook of `weeks` weeks for every series of a history, and the report on it.

    Raises ForecastError naming everything that makes the request impossible.
    """
    config = config or ForecastConfig()
    _check(history, weeks, config)
    panel = weekly_panel(history.values, history.index, config.peak_quantile)
    notes = list(history.notes)
    series = len(history.series)
    logs, empty = _logs(panel)
    ahead = forecast_level(logs, weeks, config.growth)
    fit = ahead.structural
    rng_futures, rng_evaluation = (np.random.default_rng([config.seed, stream]) for stream in (1, 2))
    central_log = ahead.mean
    draws = int(np.clip(4e7 / max(2 * series * weeks, 1), min(100, config.draws), config.draws))
    sampled = _paths(ahead, max(draws, config.futures), config, rng_futures, empty)
    evaluation = _paths(ahead, config.evaluation, config, rng_evaluation, empty)
    level = np.where(empty[:, None], 0.0, np.exp(central_log[:series]))
    peak = np.where(empty[:, None], 0.0, np.maximum(np.exp(central_log[series:]), level))
    season_of_hour = _season(history.index, config.seasons)
    tide, residual = _tide(history, season_of_hour, config.seasons)
    mid = pd.DatetimeIndex([panel.start + pd.Timedelta(days=7 * w + 3) for w in range(weeks)])
    years = panel.weeks / 52.18
    if years < 2:
        g = config.growth
        notes.append(
            f"The history covers {panel.weeks} week(s), less than two years: growth rests on the assumed "
            f"{g.per_year:+.0%} a year (log-normal, sigma {g.sigma:g}) more than on the data."
        )
    notes.append(f"A week's peak is the {config.peak_quantile:.0%} quantile of its hours.")
    outlook = Outlook(
        series=history.series,
        start=panel.start.to_pydatetime(),
        timezone=history.timezone,
        central=Futures(np.ones(1), level[None], peak[None]),
        futures=reduce_paths(sampled, config.futures, rng_futures),
        evaluation=evaluation.as_futures(),
        tide=tide,
        season_of_week=_season(mid, config.seasons),
        residual=residual,
        burst=np.maximum(history.burst, 1.0),
        notes=tuple(notes),
        provenance=_provenance(history, weeks, config),
    )
    report = OutlookReport(panel, ahead.method[:series], fit.rate[:series], tuple(notes))
    return outlook, report


def _check(history: History, weeks: int, config: ForecastConfig) -> None:
    faults = []
    if weeks < 1 or weeks > 520:
        faults.append(("weeks", str(weeks), "1 to 520"))
    if config.futures < 1:
        faults.append(("config.futures", str(config.futures), "1 or more"))
    if config.evaluation < 1:
        faults.append(("config.evaluation", str(config.evaluation), "1 or more"))
    if config.seasons not in (1, 4):
        faults.append(("config.seasons", str(config.seasons), "1 or 4"))
    if not 0.5 <= config.peak_quantile <= 1:
        faults.append(("config.peak_quantile", str(config.peak_quantile), "0.5 to 1"))
    if not len(history.series) or not len(history.index):
        faults.append(("history", f"{len(history.series)} series, {len(history.index)} hours", "at least one of each"))
    elif not np.isfinite(history.values).any(axis=1).all():
        silent = [k for k, row in zip(history.series, history.values, strict=True) if not np.isfinite(row).any()]
        faults.extend((f"series {k.region}/{k.workload}", "no measured hour", "at least one") for k in silent)
    if faults:
        raise ForecastError(faults)


def _logs(panel: WeeklyPanel) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.bool_]]]:
    """(2 series, weeks) logs of level then peak, and which series never had any demand."""
    peak, level = panel.peak, panel.level
    top = np.nanmax(np.where(np.isfinite(peak), peak, 0.0), axis=1, keepdims=True)
    empty = top[:, 0] <= 0
    floor = np.where(top > 0, top, 1.0) * 1e-3
    both = np.concatenate([level, peak])
    floors = np.concatenate([floor, floor])
    return np.log(np.maximum(both, floors)), empty


def _paths(
    ahead: LevelForecast,
    draws: int,
    config: ForecastConfig,
    rng: np.random.Generator,
    empty: np.ndarray[Any, np.dtype[np.bool_]],
) -> Paths:
    series, weeks = len(empty), ahead.mean.shape[1]
    fit = ahead.structural
    pool, _ = residual_weeks(fit.innovation, rng)
    errors = draw_errors(fit, pool, draws, rng)
    errors += growth_errors(fit.rate_variance, weeks, draws, config.growth, rng)
    errors = ahead.calibrated(errors / ahead.spread) * ahead.spread
    values = np.exp(errors + ahead.mean)
    level = np.where(empty[None, :, None], 0.0, values[:, :series])
    peak = np.where(empty[None, :, None], 0.0, np.maximum(values[:, series:], level))
    return Paths(level, peak)


def _season(index: pd.DatetimeIndex, seasons: int) -> IntArray:
    """Season of each time: December-February 0, March-May 1, June-August 2, September-November 3; or 0 throughout."""
    months = np.asarray(index.month, dtype=np.int64)
    return (months % 12) // 3 if seasons == 4 else np.zeros_like(months)


def _tide(history: History, season_of_hour: IntArray, seasons: int) -> tuple[FloatArray, FloatArray]:
    """Hour-of-week shape (series, seasons, 168) with mean 1 and relative scatter (series, 168) around it."""
    values = np.nan_to_num(history.values)
    seen = np.isfinite(history.values)
    index = history.index
    how = np.asarray(index.dayofweek * 24 + index.hour, dtype=np.int64)
    n = values.shape[0]
    tide = np.ones((n, seasons, HOURS_PER_WEEK))
    hod = np.asarray(index.hour, dtype=np.int64)
    weekly = len(index) >= 3 * HOURS_PER_WEEK
    for s in range(seasons):
        inside = season_of_hour == s
        use = inside if inside.sum() >= 4 * HOURS_PER_WEEK else np.ones_like(inside)
        slot = how if weekly else hod
        slots = HOURS_PER_WEEK if weekly else 24
        onehot = np.zeros((len(index), slots))
        onehot[np.arange(len(index)), slot] = use
        total = values @ onehot
        count = seen.astype(np.float64) @ onehot
        overall = values[:, use].sum(axis=1, keepdims=True) / np.maximum(seen[:, use].sum(axis=1, keepdims=True), 1)
        shape = np.where(count > 0, total / np.maximum(count, 1), overall)
        if not weekly:
            shape = np.tile(shape, (1, 7))
        mean = shape.mean(axis=1, keepdims=True)
        tide[:, s] = np.where(mean > 0, shape / np.where(mean > 0, mean, 1.0), 1.0)
    level = np.where(seen, values, 0).sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    fitted = level * tide[:, season_of_hour, how]
    relative = np.where(seen & (fitted > 0), values / np.where(fitted > 0, fitted, 1.0) - 1, 0.0)
    spread = np.sqrt((relative**2).sum(axis=1) / np.maximum(seen.sum(axis=1), 1))
    return tide, np.tile(np.clip(spread, 0.0, 2.0)[:, None], (1, HOURS_PER_WEEK))


def _provenance(history: History, weeks: int, config: ForecastConfig) -> dict[str, Any]:
    digest = hashlib.sha256()
    digest.update(repr([(k.region, k.workload, k.unit) for k in history.series]).encode())
    digest.update(history.index.to_numpy().tobytes())
    digest.update(np.ascontiguousarray(history.values).tobytes())
    return {
        "history_sha256": digest.hexdigest(),
        "method_version": METHOD_VERSION,
        "weeks": weeks,
        "seed": config.seed,
        "futures": config.futures,
        "evaluation": config.evaluation,
        "growth_per_year": config.growth.per_year,
        "growth_sigma": config.growth.sigma,
        "seasons": config.seasons,
        "peak_quantile": config.peak_quantile,
        "short_range": config.short_range,
    }
