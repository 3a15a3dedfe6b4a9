"""History in, outlook out: the one call that joins level, tide, growth, events and futures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from forecasts.calendar.calendar import CalendarError, special_days
from forecasts.calendar.country import AUTO, foreseen_country
from forecasts.calendar.events import Event, apply_events, check_events
from forecasts.calendar.holidayweeks import WeekFactors, no_holidays, week_factors
from forecasts.calendar.hours import hour_of_week
from forecasts.fault import Fault, FaultsError
from forecasts.history import History
from forecasts.hourly.combine import HourlyConfig, forecast_hourly
from forecasts.hourly.tide import hour_of_week_tide, season_of_month
from forecasts.outlook import HOURS_PER_WEEK, BoolArray, FloatArray, Futures, IntArray, Outlook, SeriesKey
from forecasts.weekly.futures import Paths, daily_movement, draw_paths, reduce_paths, unproven
from forecasts.weekly.glitches import wild_hours
from forecasts.weekly.growth import Beliefs, GrowthPrior
from forecasts.weekly.growthused import GrowthUsed, growth_used
from forecasts.weekly.guard import guarded
from forecasts.weekly.launches import with_analogues
from forecasts.weekly.level import LevelForecast, WeeklyPanel, forecast_level, weekly_panel
from forecasts.weekly.notes import error_notes, growth_notes, guard_notes, shift_notes, unserved_notes, wild_notes
from forecasts.weekly.quarterpeaks import quarters_ahead
from forecasts.weekly.reconcile import hierarchy, reconcile
from forecasts.weekly.unserved import with_unserved
from forecasts.words.fault import fault_of
from forecasts.words.note import Note, note

METHOD_VERSION = 7
SEASONS = (1, 2, 3, 4, 6, 12)
TOTALS = ("bottom_up", "wls")

# Share of the short-range combination in the weekly level of weeks 1, 2 (docs/decisions/0031: it helps no further).
SHORT_RANGE_SHARE = (0.5, 0.25)
# Demand below this share of a series' highest week counts as none: logarithms need a floor.
NOTHING = 1e-3


class ForecastError(FaultsError):
    """A request or a history from which no outlook can be made."""


@dataclass(frozen=True)
class ForecastConfig:
    """How an outlook is made; every default is written into its provenance.

    seed: of every random draw. futures: weighted futures for planning. evaluation: futures of equal weight, drawn
    apart. growth: belief about growth where a history is too short to show it, how fast growth that only the history
    shows fades, and the doubt that stays; growth_of: the same for single workloads. seasons: tides a year (1, 2, 3, 4,
    6 or 12). events: what no history shows yet. peak_quantile: which quantile of a week's hours counts as its peak (1:
    the single busiest hour). draws: sample paths behind the reduction. short_range: hourly models take part in the
    first weeks. totals: "bottom_up" or "wls", whether forecasts of region, workload and overall totals pull the series
    (they add up either way). country, subdivision: whose special days count, as the `holidays` package names them (CN,
    or AU and VIC); None for none; "auto" for the country of the history's time zone, if demand is seen to know its
    special days.
    """

    seed: int = 1
    futures: int = 5
    evaluation: int = 100
    growth: GrowthPrior = field(default_factory=GrowthPrior)
    growth_of: Mapping[str, GrowthPrior] = field(default_factory=dict)
    seasons: int = 4
    events: tuple[Event, ...] = ()
    peak_quantile: float = 0.99
    draws: int = 400
    short_range: bool = True
    totals: str = "bottom_up"
    country: str | None = AUTO
    subdivision: str | None = None

    def priors(self, series: Sequence[SeriesKey]) -> list[GrowthPrior]:
        """The belief about each series' growth."""
        return [self.growth_of.get(key.workload, self.growth) for key in series]


@dataclass(frozen=True)
class OutlookReport:
    """How the outlook came about.

    history: the weeks that the forecast started from. method: (series,), what made the level. growth_per_year:
    (series,), growth seen and believed, 0.25 for +25 %; growth: what was made of it, series by series. cut_off:
    (series,), share of the measured hours in which demand was cut off, as the owner says. level_quantiles,
    peak_quantiles: level and peak that demand stays below with these probabilities, (series, weeks) each. errors:
    standardised rolling-origin errors behind each range of horizons. notes: as in the outlook.
    """

    history: WeeklyPanel
    method: tuple[str, ...]
    growth_per_year: FloatArray
    growth: tuple[GrowthUsed, ...]
    cut_off: FloatArray
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
    wild, instead = wild_hours(history.values)
    history = replace(history, values=np.where(wild, instead, history.values))
    history, unserved = with_unserved(history, np.random.default_rng([config.seed, 3]))
    panel = weekly_panel(history.values, history.index, config.peak_quantile)
    logs, empty = weekly_logs(panel)
    series = len(empty)
    tide = hour_of_week_tide(history.values, history.index, config.seasons)
    country, calendar_notes = foreseen_country(
        history.values, history.index, history.timezone, config.country, config.subdivision
    )
    special = _special(history, tide, panel, weeks, country, config)
    priors = config.priors(history.series)
    beliefs = Beliefs.of(priors)
    plain = logs - special.known(panel.weeks)
    ahead = forecast_level(plain, weeks, beliefs)
    ahead, analogue_notes = with_analogues(ahead, plain, history.series, priors)
    used = growth_used(ahead, plain)
    ahead = replace(ahead, mean=ahead.mean + special.ahead(panel.weeks))
    notes = [
        *history.notes,
        *unserved_notes(unserved, history.series),
        *wild_notes(wild, history.series),
        *calendar_notes,
        *special.notes,
    ]
    daily = daily_movement(history.values)
    ahead = unproven(ahead, daily)
    doubt = np.array([one.doubt if np.isfinite(one.doubt) else 0.0 for one in unserved])
    ahead = replace(ahead, spread=np.hypot(ahead.spread, np.tile(doubt, 2)[:, None]))
    notes += [*growth_notes(logs, priors), *shift_notes(ahead.steps, panel.start, panel.weeks, history.series)]
    notes += [*error_notes(ahead), *analogue_notes]
    if config.short_range:
        hourly = HourlyConfig(seed=config.seed, country=country, subdivision=config.subdivision)
        ahead, short_notes = _with_short_range(ahead, history, panel, empty, hourly)
        notes += short_notes
    if config.totals == "wls" and series > 1:
        ahead = _with_totals(ahead, panel, history, beliefs)
        notes.append(note("outlook.totals"))
    ahead, held = guarded(ahead)
    notes += guard_notes(held, history.series)
    start = panel.start.to_pydatetime()

    def course(values: FloatArray, rng: np.random.Generator | None) -> Paths:
        """Logs (draws, rows, weeks) to units, with what the events bring."""
        units = np.exp(values)
        units[:, np.tile(empty, 2)] = 0.0
        level, peak = units[:, :series], units[:, series:]
        return Paths(*apply_events(level, peak, config.events, history.series, start, rng))

    # Separate streams: what a plan is judged by must not be what it was made from.
    planning, judging = (np.random.default_rng([config.seed, stream]) for stream in (1, 2))
    draws = int(np.clip(3e7 / (2 * series * weeks), min(100, config.draws), config.draws))
    sampled = course(draw_paths(ahead, max(draws, config.futures), beliefs.common, planning, daily), planning)
    evaluation = course(draw_paths(ahead, config.evaluation, beliefs.common, judging, daily), judging)
    central = course(ahead.mean[None], None)
    middle = pd.DatetimeIndex([panel.start + pd.Timedelta(days=7 * w + 3) for w in range(weeks)])
    season = season_of_month(np.asarray(middle.month, dtype=np.int64), config.seasons)
    notes += [_event_note(event) for event in config.events]
    if empty.any():
        notes.append(note("outlook.empty", n=int(empty.sum())))
    notes.append(note("outlook.peak", percent=100 * config.peak_quantile))
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
        provenance=_provenance(history, weeks, config)
        | {
            "country": country or "",
            "cut_off": [one.share for one in unserved],
            "growth": [asdict(one) for one in used],
        },
    )
    quarters = quarters_ahead(outlook, history, config.peak_quantile)
    outlook = replace(outlook, provenance={**outlook.provenance, "quarters": quarters})
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    bands = {p: np.exp(ahead.quantile(p)) for p in levels}
    report = OutlookReport(
        history=panel,
        method=ahead.method[:series],
        growth_per_year=np.expm1(ahead.structural.rate[:series]),
        growth=used,
        cut_off=np.array([one.share for one in unserved]),
        level_quantiles={p: np.where(empty[:, None], 0.0, band[:series]) for p, band in bands.items()},
        peak_quantiles={p: np.where(empty[:, None], 0.0, band[series:]) for p, band in bands.items()},
        errors=ahead.pooled,
        notes=outlook.notes,
    )
    return outlook, report


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
        (panel.weeks, weeks),
        (country, config.subdivision),
        config.peak_quantile,
    )


def weekly_logs(panel: WeeklyPanel) -> tuple[FloatArray, BoolArray]:
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
    # A few series at a time stay in the processor's cache.
    parts = [slice(i, i + 32) for i in range(0, len(history.series), 32)]
    return np.concatenate([_scatter(history.values[at], tide[at][:, season, when], int(when[0])) for at in parts])


def _scatter(values: FloatArray, shape: FloatArray, first: int) -> FloatArray:
    """values, shape: (series, hours), demand and tide; first: hour of the week of the first hour."""
    rows, hours = values.shape
    weeks = -(-(first + hours) // HOURS_PER_WEEK)
    seen = np.isfinite(values)

    def by_week(part: FloatArray) -> FloatArray:
        whole = np.zeros((rows, weeks * HOURS_PER_WEEK))
        whole[:, first : first + hours] = np.where(seen, part, 0.0)
        return whole.reshape(rows, weeks, HOURS_PER_WEEK)

    came, usual = by_week(values), by_week(shape)
    volume = usual.sum(axis=2, keepdims=True)
    fitted = usual * np.where(volume > 0, came.sum(axis=2, keepdims=True) / np.where(volume > 0, volume, 1.0), 0.0)
    known = fitted > 0
    off = np.where(known, came / np.where(known, fitted, 1.0) - 1, 0.0)
    square = np.clip(off, -2.0, 2.0) ** 2
    overall = square.sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    lean = 8.0 if weeks > 1 else 1e9
    variance = (square.sum(axis=1) + lean * overall[:, None]) / (known.sum(axis=1) + lean)
    return np.asarray(np.sqrt(variance))


def _with_short_range(
    ahead: LevelForecast, history: History, panel: WeeklyPanel, empty: BoolArray, config: HourlyConfig
) -> tuple[LevelForecast, list[Note]]:
    """The first weeks' level leans on the hourly combination; the peak goes half as far with it."""
    lead = int((panel.start - history.index[-1]) / pd.Timedelta(hours=1)) - 1
    count = min(len(SHORT_RANGE_SHARE), ahead.mean.shape[1])
    try:
        hourly = forecast_hourly(history, lead + count * HOURS_PER_WEEK, config)
    except (ArithmeticError, RuntimeError, np.linalg.LinAlgError) as fault:
        return ahead, [note("hourly.failed", fault=str(fault))]
    series = len(empty)
    weekly = hourly.mean[:, lead:].reshape(series, count, HOURS_PER_WEEK).mean(axis=2)
    usable = (weekly > 0) & ~empty[:, None]
    shift = np.where(usable, np.log(np.where(usable, weekly, 1.0)) - ahead.mean[:series, :count], 0.0)
    # A combination that is far from the weekly course has seen too little: it may bend the course, not break it.
    shift = np.clip(shift, -0.5, 0.5) * np.array(SHORT_RANGE_SHARE[:count])
    mean = ahead.mean.copy()
    mean[:series, :count] += shift
    mean[series:, :count] += 0.5 * shift
    notes = [note("hourly.short_range", text=text) for text in hourly.notes]
    return replace(ahead, mean=mean), notes


def _with_totals(ahead: LevelForecast, panel: WeeklyPanel, history: History, beliefs: Beliefs) -> LevelForecast:
    """Series moved so that their sums come nearest to what the totals' own histories foretell."""
    tree = hierarchy(history.series)
    series = len(history.series)
    upper = len(tree.nodes) - series
    sums = np.asarray(tree.sums[:upper] @ np.nan_to_num(panel.level))
    logs, empty = weekly_logs(WeeklyPanel(panel.start, sums, sums))
    weeks = ahead.mean.shape[1]
    above = forecast_level(logs, weeks, Beliefs.alike(beliefs.usual(), upper))
    base = np.concatenate([np.where(empty[:, None], 0.0, np.exp(above.mean[:upper])), np.exp(ahead.mean[:series])])
    relative = np.concatenate([above.spread[:upper], ahead.spread[:series]]).mean(axis=1)
    coherent = reconcile(base, (relative * base.mean(axis=1)) ** 2, tree)
    shift = np.log(np.maximum(coherent, 1e-300)) - ahead.mean[:series]
    shift = np.clip(shift, -0.5, 0.5)
    return replace(ahead, mean=ahead.mean + np.concatenate([shift, shift]))


def _event_note(event: Event) -> Note:
    step = event.factor is None
    size = note("outlook.event_step", step=event.step) if step else note("outlook.event_factor", factor=event.factor)
    told = {"name": event.name, "start": event.start, "size": size}
    return note("outlook.event", **told, sigma=event.sigma, probability=event.probability)


def _check(history: History, weeks: int, config: ForecastConfig) -> None:
    faults: list[Fault] = []
    for where, value, low, high in (
        ("weeks", weeks, 1, 520),
        ("config.futures", config.futures, 1, 10_000),
        ("config.evaluation", config.evaluation, 1, 10_000),
        ("config.draws", config.draws, 1, 100_000),
        ("config.peak_quantile", config.peak_quantile, 0.5, 1),
    ):
        if not low <= value <= high:
            faults.append(fault_of(where, "fault.range", value=value, low=low, high=high))
    if config.seasons not in SEASONS:
        allowed = {"value": config.seasons, "names": ", ".join(map(str, SEASONS))}
        faults.append(fault_of("config.seasons", "fault.one_of", **allowed))
    if config.totals not in TOTALS:
        faults.append(fault_of("config.totals", "fault.one_of", value=config.totals, names=", ".join(TOTALS)))
    if not len(history.series) or not len(history.index):
        sizes = {"series": len(history.series), "hours": len(history.index)}
        faults.append(fault_of("history", "fault.no_history", **sizes))
    else:
        silent = np.flatnonzero(~np.asarray(np.isfinite(history.values).any(axis=1)))
        names = [f"{history.series[i].region}/{history.series[i].workload}" for i in silent]
        faults += [fault_of(note("fault.at_series", names=name), "fault.never_measured") for name in names]
    workloads = {key.workload for key in history.series}
    known = ", ".join(sorted(workloads)[:20])
    missed = [name for name in config.growth_of if name not in workloads]
    faults += [fault_of(f"config.growth_of.{name}", "fault.no_workload", names=known) for name in missed]
    faults += check_events(config.events, history.series)
    if config.country not in (None, AUTO):
        try:
            special_days(date(2025, 1, 1), 1, config.country or "", config.subdivision)
        except CalendarError as wrong:
            faults.append(fault_of("config.country", "fault.country", text=str(wrong)))
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
        "growth_half_life_years": config.growth.half_life_years,
        "growth_doubt": config.growth.doubt,
        "growth_of": {name: asdict(prior) for name, prior in sorted(config.growth_of.items())},
        "seasons": config.seasons,
        "events": [event.name for event in config.events],
        "peak_quantile": config.peak_quantile,
        "short_range": config.short_range,
        "totals": config.totals,
    }
