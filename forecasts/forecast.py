"""History in, outlook out: the one call that joins level, tide, growth, events and futures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.calendar.calendar import CalendarError, country_of_zone, own_calendar, special_days
from forecasts.calendar.events import Event, apply_events, check_events
from forecasts.calendar.holidayweeks import WeekFactors, no_holidays, week_factors
from forecasts.calendar.hours import hour_of_week
from forecasts.history import History
from forecasts.hourly.combine import HourlyConfig, forecast_hourly
from forecasts.hourly.tide import hour_of_week_tide, season_of_month
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, Futures, IntArray, Outlook
from forecasts.weekly.futures import (
    FEWEST_ERRORS,
    MIN_RESIDUAL_WEEKS,
    Paths,
    daily_movement,
    draw_paths,
    reduce_paths,
    unproven,
)
from forecasts.weekly.growth import PRESENT_WEEKS, WEEKS_PER_YEAR, GrowthPrior, analogue
from forecasts.weekly.level import HELD, LevelForecast, WeeklyPanel, forecast_level, weekly_panel
from forecasts.weekly.reconcile import hierarchy, reconcile

METHOD_VERSION = 4

# Share of the short-range combination in the weekly level of weeks 1, 2 (docs/decisions/0031: it helps no further).
SHORT_RANGE_SHARE = (0.5, 0.25)
# A series younger than this is compared with the launches of others.
YOUNG_WEEKS = 26
# Demand below this share of a series' highest week counts as none: logarithms need a floor.
NOTHING = 1e-3


class ForecastError(ValueError):
    """A request or a history from which no outlook can be made; `faults` lists (where, found, allowed)."""

    def __init__(self, faults: list[tuple[str, str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{where}: found {found}, allowed {allowed}" for where, found, allowed in faults))


@dataclass(frozen=True)
class ForecastConfig:
    """How an outlook is made; every default is written into its provenance.

    seed: of every random draw. futures: weighted futures for planning. evaluation: futures of equal weight, drawn
    apart. growth: belief about growth where a history is too short to show it. growth_half_life_years: how fast growth
    that only the history shows fades. seasons: tides a year (1, 2, 3, 4, 6 or 12). events: what no history shows yet.
    peak_quantile: which quantile of a week's hours counts as its peak (1: the single busiest hour). draws: sample
    paths behind the reduction. short_range: hourly models take part in the first weeks. totals: "bottom_up" or "wls",
    whether forecasts of region, workload and overall totals pull the series (they add up either way).
    country, subdivision: whose special days count, as the `holidays` package names them (CN, or AU and VIC); None for
    none; "auto" for the country of the history's time zone, if demand is seen to know its special days.
    """

    seed: int = 1
    futures: int = 5
    evaluation: int = 100
    growth: GrowthPrior = field(default_factory=GrowthPrior)
    growth_half_life_years: float = 1.0
    seasons: int = 4
    events: tuple[Event, ...] = ()
    peak_quantile: float = 0.99
    draws: int = 400
    short_range: bool = True
    totals: str = "bottom_up"
    country: str | None = "auto"
    subdivision: str | None = None


@dataclass(frozen=True)
class OutlookReport:
    """How the outlook came about.

    history: the weeks that the forecast started from. method: (series,), what made the level. growth_per_year:
    (series,), growth seen and believed, 0.25 for +25 %. quantiles: level and peak that stay above demand with these
    probabilities, (series, weeks) each. errors: standardised rolling-origin errors behind each range of horizons.
    notes: as in the outlook.
    """

    history: WeeklyPanel
    method: tuple[str, ...]
    growth_per_year: FloatArray
    level_quantiles: dict[float, FloatArray]
    peak_quantiles: dict[float, FloatArray]
    errors: IntArray
    notes: tuple[str, ...]


def make_outlook(
    history: History, *, weeks: int, config: ForecastConfig | None = None
) -> tuple[Outlook, OutlookReport]:
    """Outlook of `weeks` weeks for every series of a history, and the report on it.

    Any history will do from one measured hour a series on; what is assumed for want of data stands in the notes.
    Raises ForecastError naming everything that makes the request impossible.
    """
    config = config or ForecastConfig()
    _check(history, weeks, config)
    panel = weekly_panel(history.values, history.index, config.peak_quantile)
    logs, empty = weekly_logs(panel)
    series = len(empty)
    tide = hour_of_week_tide(history.values, history.index, config.seasons)
    country, calendar_notes = _country(history, config)
    special = _special(history, tide, panel, weeks, country, config)
    ahead = forecast_level(
        logs - special.known(panel.weeks), weeks, config.growth, half_life_years=config.growth_half_life_years
    )
    ahead, analogue_notes = _with_analogues(ahead, logs - special.known(panel.weeks), history, config.growth)
    ahead = replace(ahead, mean=ahead.mean + special.ahead(panel.weeks))
    notes = [*history.notes, *calendar_notes, *special.notes]
    daily = daily_movement(history.values)
    ahead = unproven(ahead, daily)
    notes += [*_growth_notes(panel, logs, config), *_error_notes(ahead)]
    notes += analogue_notes
    if config.short_range:
        hourly = HourlyConfig(seed=config.seed, country=country, subdivision=config.subdivision)
        ahead, short_notes = _with_short_range(ahead, history, panel, empty, hourly)
        notes += short_notes
    if config.totals == "wls" and series > 1:
        ahead = _with_totals(ahead, panel, history, config)
        notes.append("Forecasts of region, workload and overall totals were reconciled with those of the series.")
    start = panel.start.to_pydatetime()

    def course(values: FloatArray, rng: np.random.Generator | None) -> Paths:
        """Logs (draws, rows, weeks) to units, with what the events bring."""
        units = np.exp(values)
        level = np.where(empty[None, :, None], 0.0, units[:, :series])
        peak = np.where(empty[None, :, None], 0.0, np.maximum(units[:, series:], level))
        return Paths(*apply_events(level, peak, config.events, history.series, start, rng))

    # Separate streams: what a plan is judged by must not be what it was made from.
    planning, judging = (np.random.default_rng([config.seed, stream]) for stream in (1, 2))
    draws = int(np.clip(3e7 / (2 * series * weeks), min(100, config.draws), config.draws))
    sampled = course(draw_paths(ahead, max(draws, config.futures), config.growth, planning, daily), planning)
    evaluation = course(draw_paths(ahead, config.evaluation, config.growth, judging, daily), judging)
    central = course(ahead.mean[None], None)
    middle = pd.DatetimeIndex([panel.start + pd.Timedelta(days=7 * w + 3) for w in range(weeks)])
    season = season_of_month(np.asarray(middle.month, dtype=np.int64), config.seasons)
    notes += [f"Event {event.name} from {event.start}: {_event_note(event)}." for event in config.events]
    if empty.any():
        notes.append(f"{int(empty.sum())} series never had any demand: none is forecast for them, events aside.")
    notes.append(f"A week's peak is the {100 * config.peak_quantile:g} % quantile of its hours, forecast as itself.")
    outlook = Outlook(
        series=history.series,
        start=start,
        timezone=history.timezone,
        central=Futures(np.ones(1), central.level, central.peak),
        futures=reduce_paths(sampled, config.futures, planning),
        evaluation=evaluation.as_futures(),
        tide=tide,
        season_of_week=season,
        residual=scatter(history, tide, config.seasons),
        burst=np.maximum(np.nan_to_num(history.burst, nan=1.0), 1.0),
        notes=tuple(dict.fromkeys(notes)),
        provenance=_provenance(history, weeks, config) | {"country": country or ""},
    )
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    bands = {p: np.exp(ahead.quantile(p)) for p in levels}
    report = OutlookReport(
        history=panel,
        method=ahead.method[:series],
        growth_per_year=np.expm1(ahead.structural.rate[:series]),
        level_quantiles={p: np.where(empty[:, None], 0.0, band[:series]) for p, band in bands.items()},
        peak_quantiles={p: np.where(empty[:, None], 0.0, band[series:]) for p, band in bands.items()},
        errors=ahead.pooled,
        notes=outlook.notes,
    )
    return outlook, report


def _country(history: History, config: ForecastConfig) -> tuple[str | None, list[str]]:
    """Whose special days count, and a sentence on it."""
    if config.country != "auto":
        return config.country, []
    country = country_of_zone(history.timezone)
    if country is None:
        return None, []
    first, last = history.index[0].date(), history.index[-1].date()
    try:
        days = special_days(first, (last - first).days + 1, country, config.subdivision)
    except CalendarError:
        return None, [f"Special days: no calendar is known for the time zone {history.timezone}."]
    own = own_calendar(history.values, history.index, days)
    if own is None:
        return None, [f"Special days of {country}: too few lie in the history to learn from; none are foreseen."]
    if not own:
        return None, [f"Special days of {country}: demand does not know them; none are foreseen."]
    return country, [f"Special days of {country} (time zone {history.timezone}) are foreseen as they were in the past."]


def _special(
    history: History, tide: FloatArray, panel: WeeklyPanel, weeks: int, country: str | None, config: ForecastConfig
) -> WeekFactors:
    if country is None:
        return no_holidays(len(history.series), panel.weeks + weeks)
    return week_factors(
        history.values,
        history.index,
        tide.mean(axis=1),
        panel.start,
        panel.weeks,
        weeks,
        country=country,
        subdivision=config.subdivision,
        peak_quantile=config.peak_quantile,
    )


def weekly_logs(panel: WeeklyPanel) -> tuple[FloatArray, NDArray[np.bool_]]:
    """(2 series, weeks) logs of level and then peak, and (series,) whether there never was any demand.

    Weeks before a series' first demand are left out (NaN): it did not exist yet. Later weeks without demand count as a
    thousandth of its highest.
    """
    known = np.isfinite(panel.level)
    level, peak = np.where(known, panel.level, 0.0), np.where(known, panel.peak, 0.0)
    top = peak.max(axis=1, keepdims=True)
    empty = top[:, 0] <= 0
    begun = np.maximum.accumulate(peak > 0, axis=1) | empty[:, None]
    floor = np.where(top > 0, top, 1.0) * NOTHING
    kept = known & begun
    logs = [np.where(kept, np.log(np.maximum(part, floor)), np.nan) for part in (level, peak)]
    return np.concatenate(logs), empty


def scatter(history: History, tide: FloatArray, seasons: int) -> FloatArray:
    """(series, 168) relative standard deviation of an hour of the week around level x tide, week by week.

    tide: (series, seasons, 168). Hours of the week seen less than eight times lean on the series' usual scatter.
    """
    when = hour_of_week(history.index)
    season = season_of_month(np.asarray(history.index.month, dtype=np.int64), seasons)
    seen = np.isfinite(history.values)
    shape = tide[:, season, when]
    week = (np.arange(len(when)) + int(when[0])) // HOURS_PER_WEEK
    weeks = int(week[-1]) + 1
    starts = np.flatnonzero(np.diff(week, prepend=-1))
    total = np.add.reduceat(np.where(seen, history.values, 0.0), starts, axis=1)
    usual = np.add.reduceat(np.where(seen, shape, 0.0), starts, axis=1)
    level = np.where(usual > 0, total / np.where(usual > 0, usual, 1.0), 0.0)[:, week[: len(when)]]
    fitted = level * shape
    off = np.where(seen & (fitted > 0), history.values / np.where(fitted > 0, fitted, 1.0) - 1, 0.0)
    square = np.clip(off, -2.0, 2.0) ** 2
    counted = (seen & (fitted > 0)).astype(np.float64)
    slots = np.zeros((len(when), HOURS_PER_WEEK))
    slots[np.arange(len(when)), when] = 1.0
    overall = square.sum(axis=1, keepdims=True) / np.maximum(counted.sum(axis=1, keepdims=True), 1.0)
    lean = 8.0 if weeks > 1 else 1e9
    variance = (square @ slots + lean * overall) / (counted @ slots + lean)
    return np.asarray(np.sqrt(variance))


def _with_short_range(
    ahead: LevelForecast, history: History, panel: WeeklyPanel, empty: NDArray[np.bool_], config: HourlyConfig
) -> tuple[LevelForecast, list[str]]:
    """The first weeks' level leans on the hourly combination; the peak goes half as far with it."""
    lead = int((panel.start - history.index[-1]) / pd.Timedelta(hours=1)) - 1
    count = min(len(SHORT_RANGE_SHARE), ahead.mean.shape[1])
    try:
        hourly = forecast_hourly(history, lead + count * HOURS_PER_WEEK, config)
    except (ArithmeticError, RuntimeError, np.linalg.LinAlgError) as fault:
        return ahead, [f"The hourly short range failed ({fault}): the weekly course stands alone from the first week."]
    series = len(empty)
    weekly = hourly.mean[:, lead:].reshape(series, count, HOURS_PER_WEEK).mean(axis=2)
    usable = (weekly > 0) & ~empty[:, None]
    shift = np.where(usable, np.log(np.where(usable, weekly, 1.0)) - ahead.mean[:series, :count], 0.0)
    # A combination that is far from the weekly course has seen too little: it may bend the course, not break it.
    shift = np.clip(shift, -0.5, 0.5) * np.array(SHORT_RANGE_SHARE[:count])
    mean = ahead.mean.copy()
    mean[:series, :count] += shift
    mean[series:, :count] += 0.5 * shift
    notes = [f"Short range: {note}." for note in hourly.notes]
    return replace(ahead, mean=mean), notes


def _with_analogues(
    ahead: LevelForecast, logs: FloatArray, history: History, prior: GrowthPrior
) -> tuple[LevelForecast, list[str]]:
    """Young series from their present level on as others went on after their launch, where the panel knows launches."""
    series, weeks = len(history.series), logs.shape[1]
    level = logs[:series]
    first = np.isfinite(level).argmax(axis=1)
    launched = [i for i in range(series) if first[i] >= 4]
    young = [i for i in launched if weeks - first[i] < YOUNG_WEEKS and weeks - first[i] >= 2]
    if not young or len(launched) < 3:
        return ahead, []
    mean, spread, method, notes = ahead.mean.copy(), ahead.spread.copy(), list(ahead.method), []
    bridged = pd.DataFrame(logs.T).interpolate(limit_area="inside")
    lived, present = bridged.to_numpy().T, bridged.ffill().to_numpy().T
    for i in young:
        others = [j for j in launched if j != i and history.series[j].workload == history.series[i].workload]
        others = others if len(others) >= 2 else [j for j in launched if j != i]
        aligned = np.full((len(others), weeks), np.nan)
        for row, j in enumerate(others):
            aligned[row, : weeks - first[j]] = lived[j, first[j] :]
        found = analogue(present[i, first[i] :], aligned, ahead.mean.shape[1], prior)
        if found is None:
            continue
        for row in (i, i + series):
            mean[row] = present[row, -PRESENT_WEEKS:].mean() + found.growth
            spread[row] = np.hypot(spread[row], found.sigma)
            method[row] = f"{method[row]}, growth of {found.launches} earlier launches"
        key = history.series[i]
        notes.append(
            f"{key.region}/{key.workload} is {weeks - first[i]} weeks old: it is taken to grow as "
            f"{found.launches} earlier launches did, with a trust of {found.trust:.0%}."
        )
    return replace(ahead, mean=mean, spread=spread, method=tuple(method)), notes


def _with_totals(ahead: LevelForecast, panel: WeeklyPanel, history: History, config: ForecastConfig) -> LevelForecast:
    """Series moved so that their sums come nearest to what the totals' own histories foretell."""
    tree = hierarchy(history.series)
    series = len(history.series)
    upper = len(tree.nodes) - series
    sums = np.asarray(tree.sums[:upper] @ np.nan_to_num(panel.level))
    logs, empty = weekly_logs(WeeklyPanel(panel.start, sums, sums))
    weeks = ahead.mean.shape[1]
    above = forecast_level(logs, weeks, config.growth, half_life_years=config.growth_half_life_years)
    base = np.concatenate([np.where(empty[:, None], 0.0, np.exp(above.mean[:upper])), np.exp(ahead.mean[:series])])
    relative = np.concatenate([above.spread[:upper], ahead.spread[:series]]).mean(axis=1)
    coherent = reconcile(base, (relative * base.mean(axis=1)) ** 2, tree)
    shift = np.log(np.maximum(coherent, 1e-300)) - ahead.mean[:series]
    shift = np.clip(shift, -0.5, 0.5)
    return replace(ahead, mean=ahead.mean + np.concatenate([shift, shift]))


def _growth_notes(panel: WeeklyPanel, logs: FloatArray, config: ForecastConfig) -> list[str]:
    series = len(logs) // 2
    years = (panel.weeks - np.isfinite(logs[:series]).argmax(axis=1)) / WEEKS_PER_YEAR
    notes = []
    if (years < 2).any():
        notes.append(
            f"{int((years < 2).sum())} of {series} series go back less than two years (the shortest "
            f"{round(float(years.min()) * WEEKS_PER_YEAR)} weeks): their growth rests on the assumed median of "
            f"{config.growth.per_year:+.0%} a year (log-normal, sigma {config.growth.sigma:g}), the more the shorter."
        )
    if (years >= 2).any():
        notes.append(
            f"{int((years >= 2).sum())} of {series} series go back two years or more: growth is their own, "
            f"fading with a half-life of {config.growth_half_life_years:g} years."
        )
    if (years < 65 / WEEKS_PER_YEAR).any():
        notes.append("Series of less than 65 weeks have no yearly pattern: their level is taken to have no seasons.")
    return notes


def _error_notes(ahead: LevelForecast) -> list[str]:
    notes = []
    failed = sum(HELD in name for name in ahead.method[: len(ahead.method) // 2])
    if failed:
        notes.append(f"{failed} series hold their last four weeks, because the structural model could not be fitted.")
    if ahead.pooled.min() < FEWEST_ERRORS:
        notes.append("The history is too short to measure forecast errors at every range: spreads rest on assumptions.")
    if np.isfinite(ahead.structural.innovation).any(axis=0).sum() < MIN_RESIDUAL_WEEKS:
        notes.append(
            "Too few weeks to see how series move together: their correlations rest on their days and on assumptions."
        )
    return notes


def _event_note(event: Event) -> str:
    size = f"x {event.factor:g}" if event.factor is not None else f"{event.step:+g} units"
    return f"{size}, sigma {event.sigma:g}, probability {event.probability:g}"


def _check(history: History, weeks: int, config: ForecastConfig) -> None:
    faults = []
    for where, value, low, high in (
        ("weeks", weeks, 1, 520),
        ("config.futures", config.futures, 1, 10_000),
        ("config.evaluation", config.evaluation, 1, 10_000),
        ("config.draws", config.draws, 1, 100_000),
        ("config.peak_quantile", config.peak_quantile, 0.5, 1),
        ("config.growth_half_life_years", config.growth_half_life_years, 0.01, 100),
    ):
        if not low <= value <= high:
            faults.append((where, str(value), f"{low} to {high}"))
    if config.seasons not in (1, 2, 3, 4, 6, 12):
        faults.append(("config.seasons", str(config.seasons), "1, 2, 3, 4, 6 or 12"))
    if config.totals not in ("bottom_up", "wls"):
        faults.append(("config.totals", config.totals, "bottom_up or wls"))
    if not len(history.series) or not len(history.index):
        faults.append(("history", f"{len(history.series)} series, {len(history.index)} hours", "at least one of each"))
    else:
        silent = np.flatnonzero(~np.asarray(np.isfinite(history.values).any(axis=1)))
        names = [history.series[i] for i in silent]
        faults += [(f"series {key.region}/{key.workload}", "no measured hour", "at least one") for key in names]
    faults += check_events(config.events, history.series)
    if config.country not in (None, "auto"):
        try:
            special_days(date(2025, 1, 1), 1, config.country or "", config.subdivision)
        except CalendarError as fault:
            faults.append(("config.country", str(fault), 'a country that the holidays package knows, "auto" or None'))
    if faults:
        raise ForecastError(faults)


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
        "growth_common": config.growth.common,
        "growth_half_life_years": config.growth_half_life_years,
        "seasons": config.seasons,
        "events": [event.name for event in config.events],
        "peak_quantile": config.peak_quantile,
        "short_range": config.short_range,
        "totals": config.totals,
    }
