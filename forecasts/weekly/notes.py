"""What a weekly forecast rests on, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecasts.outlook import BoolArray, FloatArray, SeriesKey
from forecasts.weekly.futures import FEWEST_ERRORS, MIN_RESIDUAL_WEEKS
from forecasts.weekly.growth import WEEKS_PER_YEAR, GrowthPrior
from forecasts.weekly.guard import MOST_TIMES, Held
from forecasts.weekly.level import HELD, LevelForecast
from forecasts.weekly.shifts import Step
from forecasts.weekly.unserved import Unserved

# More remarks of a kind than this are summed up.
MOST_NAMED = 5


def growth_notes(logs: FloatArray, priors: Sequence[GrowthPrior]) -> list[str]:
    """What growth rests on. logs: (2 series, weeks)."""
    series, weeks = len(logs) // 2, logs.shape[1]
    years = (weeks - np.isfinite(logs[:series]).argmax(axis=1)) / WEEKS_PER_YEAR
    notes = []
    for prior in dict.fromkeys(priors):
        own = np.array([one == prior for one in priors])
        who = f"{int((own & (years < 2)).sum())} of {series} series"
        if (own & (years < 2)).any():
            shortest = round(float(years[own].min()) * WEEKS_PER_YEAR)
            notes.append(
                f"{who} go back less than two years (the shortest {shortest} weeks): their growth rests on the assumed "
                f"median of {prior.per_year:+.0%} a year (log-normal, sigma {prior.sigma:g}), the more the shorter."
            )
        if (own & (years >= 2)).any():
            notes.append(
                f"{int((own & (years >= 2)).sum())} of {series} series go back two years or more: growth is their own, "
                f"fading with a half-life of {prior.half_life_years:g} years."
            )
        notes.append(
            f"Growth of the years to come stays in doubt by {prior.doubt:.0%} a year (standard deviation) at least, "
            "however long the history."
        )
    if (years < 65 / WEEKS_PER_YEAR).any():
        notes.append("Series of less than 65 weeks have no yearly pattern of their own yet: seasons are assumed.")
    return notes


def shift_notes(steps: Sequence[Step], start: pd.Timestamp, weeks: int, keys: Sequence[SeriesKey]) -> list[str]:
    """Which level shifts the past was cleared of. start: midnight after the last of the `weeks` known."""

    def day(week: int) -> str:
        return str((start - pd.Timedelta(days=7 * (weeks - week))).date())

    def name(step: Step) -> str:
        return f"{keys[step.series].region}/{keys[step.series].workload}"

    stay = [step for step in steps if step.lasting and step.until is None]
    over = [step for step in steps if step.until is not None]
    unknown = [step for step in steps if not step.lasting]
    notes = [
        f"{name(s)}: the level shifted by x{np.exp(s.log_size):.2f} about {day(s.after)}; the weeks before it are read "
        "at the level after it, and what was foretold across it teaches no spread."
        for s in stay[:MOST_NAMED]
    ]
    if len(stay) > MOST_NAMED:
        notes.append(f"{len(stay) - MOST_NAMED} more level shifts were taken out of the past in the same way.")
    if over:
        last, where = day(max(s.until or 0 for s in over)), len({s.series for s in over})
        notes.append(
            f"{len(over)} passing changes of level (closures or surges, the last until {last}) in {where} series are "
            "left out of what the past teaches."
        )
    notes += [
        f"{name(s)}: demand fell to {np.exp(s.log_size):.0%} about {day(s.after)}. Whether it comes back is not known: "
        "the forecast lies between, with a wide band. State what you know as an event."
        for s in unknown[:MOST_NAMED]
    ]
    if len(unknown) > MOST_NAMED:
        notes.append(f"{len(unknown) - MOST_NAMED} more series fell as deeply; whether they come back is not known.")
    return notes


def guard_notes(held: Sequence[Held], keys: Sequence[SeriesKey]) -> list[str]:
    """Why a quarter's P95 lies beyond the guard, or that it was drawn in."""
    notes = []
    for one in held[:MOST_NAMED]:
        who = f"{keys[one.series].region}/{keys[one.series].workload}"
        if one.allowed > MOST_TIMES * 1.001:
            notes.append(
                f"{who}: the 95 % quantile of a quarter's peak reaches {one.allowed:.1f} times the highest week of the "
                f"last year, because its course grows to {one.course:.1f} times that week. Check the growth."
            )
        else:
            notes.append(
                f"{who}: past errors and unknown growth would put the 95 % quantile of a quarter's peak at "
                f"{one.wanted:.1f} times the highest week of the last year; it is held at {MOST_TIMES:g} times."
            )
    if len(held) > MOST_NAMED:
        notes.append(f"The same was done to {len(held) - MOST_NAMED} more series.")
    return notes


def error_notes(ahead: LevelForecast) -> list[str]:
    """Where spreads and correlations rest on assumptions."""
    notes = []
    failed = sum(HELD in name for name in ahead.method[: len(ahead.method) // 2])
    if failed:
        notes.append(f"{failed} series hold their last four weeks, because the structural model could not be fitted.")
    if ahead.pooled[:4].min() < FEWEST_ERRORS:
        notes.append("The history is too short to measure forecast errors at every range: spreads rest on assumptions.")
    if np.isfinite(ahead.structural.innovation).any(axis=0).sum() < MIN_RESIDUAL_WEEKS:
        notes.append(
            "Too few weeks to see how series move together: their correlations rest on their days and on assumptions."
        )
    return notes


def unserved_notes(found: Sequence[Unserved], keys: Sequence[SeriesKey]) -> list[str]:
    """What is said of demand that could not be served."""
    notes = []
    for one, key in zip(found, keys, strict=True):
        if one.share <= 0:
            continue
        who = f"{key.region}/{key.workload}: demand was cut off in {one.share:.0%} of the measured hours"
        if np.isfinite(one.doubt):
            notes.append(
                f"{who}. What was asked for above the ceiling is estimated from the hours below it and the tide (its "
                f"level to {one.doubt:.0%}, one standard deviation); levels and peaks here are of demand, not of "
                "what was served."
            )
            if one.unseen > 0:
                notes.append(
                    f"{key.region}/{key.workload}: {one.unseen:.0%} of the hours of the week were never seen below the "
                    "ceiling. How high demand stands there is guessed, and may well be higher."
                )
        else:
            notes.append(
                f"{who}, and no hour lies below the ceiling: demand is at least this, how much more is not known."
            )
    return notes


def wild_notes(wild: BoolArray, keys: Sequence[SeriesKey]) -> list[str]:
    """Hours that were taken for faults. wild: (series, hours)."""
    rows = np.flatnonzero(wild.any(axis=1))
    if not len(rows):
        return []
    named = ", ".join(f"{keys[i].region}/{keys[i].workload}" for i in rows[:MOST_NAMED].tolist())
    more = f" and {len(rows) - MOST_NAMED} more series" if len(rows) > MOST_NAMED else ""
    return [
        f"{int(wild.sum())} single hours far beyond all others around them ({named}{more}) are taken for faults of the "
        "measurement: they move neither level nor peak."
    ]
