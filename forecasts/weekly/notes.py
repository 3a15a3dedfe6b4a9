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
from forecasts.words.note import Note, listed, note

# More remarks of a kind than this are summed up.
MOST_NAMED = 5


def _name(key: SeriesKey) -> str:
    return f"{key.region}/{key.workload}"


def growth_notes(logs: FloatArray, priors: Sequence[GrowthPrior]) -> list[Note]:
    """What growth rests on. logs: (2 series, weeks)."""
    series, weeks = len(logs) // 2, logs.shape[1]
    years = (weeks - np.isfinite(logs[:series]).argmax(axis=1)) / WEEKS_PER_YEAR
    notes = []
    for prior in dict.fromkeys(priors):
        own = np.array([one == prior for one in priors])
        short, long = int((own & (years < 2)).sum()), int((own & (years >= 2)).sum())
        if short:
            shortest = round(float(years[own].min()) * WEEKS_PER_YEAR)
            told = {"shortest": shortest, "per_year": prior.per_year, "sigma": prior.sigma}
            notes.append(note("growth.short", n=short, series=series, **told))
        if long:
            notes.append(note("growth.long", n=long, series=series, half_life=prior.half_life_years))
        notes.append(note("growth.doubt", doubt=prior.doubt))
    if (years < 65 / WEEKS_PER_YEAR).any():
        notes.append(note("growth.no_year"))
    return notes


def shift_notes(steps: Sequence[Step], start: pd.Timestamp, weeks: int, keys: Sequence[SeriesKey]) -> list[Note]:
    """Which level shifts the past was cleared of. start: midnight after the last of the `weeks` known."""

    def day(week: int) -> str:
        return str((start - pd.Timedelta(days=7 * (weeks - week))).date())

    def told(key: str, step: Step) -> Note:
        size = float(np.exp(step.log_size))
        return note(f"shift.{key}", name=_name(keys[step.series]), ratio=size, share=size, day=day(step.after))

    stay = [step for step in steps if step.lasting and step.until is None]
    over = [step for step in steps if step.until is not None]
    unknown = [step for step in steps if not step.lasting]
    notes = [told("stays", step) for step in stay[:MOST_NAMED]]
    if len(stay) > MOST_NAMED:
        notes.append(note("shift.more", n=len(stay) - MOST_NAMED))
    if over:
        last, where = day(max(s.until or 0 for s in over)), len({s.series for s in over})
        notes.append(note("shift.passing", n=len(over), until=last, series=where))
    notes += [told("fell", step) for step in unknown[:MOST_NAMED]]
    if len(unknown) > MOST_NAMED:
        notes.append(note("shift.fell_more", n=len(unknown) - MOST_NAMED))
    return notes


def guard_notes(held: Sequence[Held], keys: Sequence[SeriesKey]) -> list[Note]:
    """Why a quarter's P95 lies beyond the guard, or that it was drawn in."""
    notes = []
    for one in held[:MOST_NAMED]:
        key = "guard.grows" if one.allowed > MOST_TIMES * 1.001 else "guard.held"
        told = {"allowed": one.allowed, "course": one.course, "wanted": one.wanted, "most": MOST_TIMES}
        notes.append(note(key, name=_name(keys[one.series]), **told))
    if len(held) > MOST_NAMED:
        notes.append(note("guard.more", n=len(held) - MOST_NAMED))
    return notes


def error_notes(ahead: LevelForecast) -> list[Note]:
    """Where spreads and correlations rest on assumptions."""
    notes = []
    failed = sum(HELD in name for name in ahead.method[: len(ahead.method) // 2])
    if failed:
        notes.append(note("error.held", n=failed))
    if ahead.pooled[:4].min() < FEWEST_ERRORS:
        notes.append(note("error.short"))
    if np.isfinite(ahead.structural.innovation).any(axis=0).sum() < MIN_RESIDUAL_WEEKS:
        notes.append(note("error.together"))
    return notes


def unserved_notes(found: Sequence[Unserved], keys: Sequence[SeriesKey]) -> list[Note]:
    """What is said of demand that could not be served."""
    notes = []
    for one, key in zip(found, keys, strict=True):
        if one.share <= 0:
            continue
        if not np.isfinite(one.doubt):
            notes.append(note("unserved.unknown", name=_name(key), share=one.share))
            continue
        notes.append(note("unserved.estimated", name=_name(key), share=one.share, doubt=one.doubt))
        if one.unseen > 0:
            notes.append(note("unserved.unseen", name=_name(key), share=one.unseen))
    return notes


def wild_notes(wild: BoolArray, keys: Sequence[SeriesKey]) -> list[Note]:
    """Hours that were taken for faults. wild: (series, hours)."""
    rows = np.flatnonzero(wild.any(axis=1)).tolist()
    if not rows:
        return []
    return [note("wild.hours", n=int(wild.sum()), names=listed([_name(keys[i]) for i in rows], MOST_NAMED))]
