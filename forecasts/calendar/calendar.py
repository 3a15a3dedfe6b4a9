"""Special days: public holidays, days off and make-up working days, and what they do to demand.

Dates come from the `holidays` package (lunar festivals of China included). China's State Council announces days off and
make-up working days one year ahead; for years that it has not announced they are estimated by the pattern of recent
years and flagged.
"""

from __future__ import annotations

import warnings
import zoneinfo
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from pathlib import Path

import holidays
import numpy as np
import pandas as pd

from forecasts.outlook import FloatArray, IntArray
from forecasts.words.note import Note, listed, note

WORKDAY, WEEKEND, HOLIDAY, MAKEUP = 0, 1, 2, 3
NEAR_DAYS = (-21, -14, -7, 7, 14, 21)
SHRINK_OCCURRENCES = 0.5
FEWEST_SPECIAL_DAYS = 6
"""Special days that must have been seen before a history can say whether a calendar is its own."""
OWN_CALENDAR_RATIO = 1.7
"""A calendar is a history's own when demand on its special days departs from the weeks around so many times further
than on ordinary days (docs/decisions/0080)."""


class CalendarError(ValueError):
    """An unknown country or subdivision; the message says what is known."""


@dataclass(frozen=True)
class SpecialDays:
    """Days from `start` on. kind: (days,) WORKDAY, WEEKEND, HOLIDAY or MAKEUP; label: (days,) what special day it is,
    the n-th day of which holiday, "" for ordinary days; estimated: (days,) whether the kind is our guess.
    """

    start: date
    kind: IntArray
    label: tuple[str, ...]
    estimated: np.ndarray

    @property
    def special(self) -> np.ndarray:
        """(days,) whether the day has a label."""
        return np.array([bool(label) for label in self.label], dtype=bool)

    def notes(self) -> tuple[Note, ...]:
        """A sentence when something was estimated."""
        years = sorted({(self.start + timedelta(days=int(i))).year for i in np.flatnonzero(self.estimated)})
        if not years:
            return ()
        return (note("days.estimated", years=listed([str(year) for year in years])),)


def special_days(start: date, days: int, country: str = "CN", subdivision: str | None = None) -> SpecialDays:
    """The calendar of a country for `days` days from `start`. Raises CalendarError for an unknown country."""
    stop = start + timedelta(days=days - 1)
    years = range(start.year - 1, stop.year + 2)
    try:
        known = holidays.country_holidays(country, subdiv=subdivision, years=years, language="en_US")
    except (NotImplementedError, KeyError) as fault:
        raise CalendarError(f"country {country!r} {subdivision or ''}: {fault}") from fault
    off = _days_off(known)
    work: set[date] = set(known.weekend_workdays)
    guessed: set[date] = set()
    if country == "CN":
        announced = {day.year for day in known.weekend_workdays if day.year >= 2018}
        for year in years:
            if year not in announced:
                _estimate_china(year, known, off, work, guessed)
        _join_weekends(off, work)
    kind = np.empty(days, dtype=np.int64)
    label = [""] * days
    estimated = np.zeros(days, dtype=bool)
    for i in range(days):
        today = start + timedelta(days=i)
        estimated[i] = today in guessed
        if today in off:
            name, anchor = off[today]
            kind[i], label[i] = HOLIDAY, f"{name} {(today - anchor).days:+d}"
        elif today in work:
            kind[i], label[i] = MAKEUP, "make-up workday"
        else:
            kind[i] = WEEKEND if known.is_weekend(today) else WORKDAY
    return SpecialDays(start, kind, tuple(label), estimated)


DaysOff = dict[date, tuple[str, date]]
"""A day off -> the festival that it belongs to and that festival's own date."""

SPRING = "Chinese New Year (Spring Festival)"


def _days_off(known: holidays.HolidayBase) -> DaysOff:
    off: DaysOff = {}
    named = {day: text.split(";")[0] for day, text in known.items() if not text.startswith("Day off")}
    for day, text in sorted(named.items()):
        name = (
            SPRING if text == "Chinese New Year's Eve" else text.replace(" (observed)", "").replace(" (estimated)", "")
        )
        own = [d for d, other in named.items() if other.replace(" (estimated)", "") == name]
        near = [d for d in own if abs((d - day).days) <= 10]
        off[day] = (name, min(near, default=day))
    for day in known:
        if day not in off:
            nearest = min(named, key=lambda d: (abs((d - day).days), d))
            off[day] = off[nearest] if abs((nearest - day).days) <= 10 else ("day off", day)
    return off


def _join_weekends(off: DaysOff, work: set[date]) -> None:
    """Weekend days inside or beside a festival of three days or more belong to it."""
    for festival in set(off.values()):
        block = sorted(day for day, of in off.items() if of == festival)
        if len(block) < 3:
            continue
        inside = [block[0] + timedelta(days=k) for k in range((block[-1] - block[0]).days)]
        for edge, step in ((block[0], -1), (block[-1], 1)):
            day = edge + timedelta(days=step)
            while day.weekday() >= 5 and day not in work and day not in off:
                inside.append(day)
                day += timedelta(days=step)
        for day in inside:
            if day.weekday() >= 5 and day not in work:
                off.setdefault(day, festival)


def _estimate_china(year: int, known: holidays.HolidayBase, off: DaysOff, work: set[date], guessed: set[date]) -> None:
    """Days off and make-up days of one year as the pattern of 2024-2026 has them.

    Spring Festival: eight days from New Year's Eve, four of them by law; Labour Day: five days, two by law; National
    Day: seven (eight with Mid-Autumn in it), three (four) by law; single festivals make a long weekend when they fall
    beside one. Weekdays off beyond the law are worked on the nearest weekend days before and after.
    """
    for day in [d for d in off if d.year == year]:
        del off[day]

    def take(first: date, length: int, by_law: int, name: str, anchor: date) -> None:
        block = [first + timedelta(days=k) for k in range(length)]
        for day in block:
            off[day] = (name, anchor)
            guessed.add(day)
        owed = sum(day.weekday() < 5 for day in block) - by_law
        before, after = block[0] - timedelta(days=1), block[-1] + timedelta(days=1)
        for turn in range(max(owed, 0)):
            step, day = (-1, before) if turn % 2 == 0 else (1, after)
            while day.weekday() < 5 or day in work or day in off:
                day += timedelta(days=step)
            work.add(day)
            guessed.add(day)

    def single(day: date, name: str) -> None:
        # Beside a weekend: three days; Tuesday and Thursday are bridged; Wednesday stands alone.
        first, length = {
            0: (-2, 3), 1: (-2, 3), 2: (0, 1), 3: (0, 3), 4: (0, 3), 5: (0, 3), 6: (-1, 3),
        }[day.weekday()]  # fmt: skip
        take(day + timedelta(days=first), length, 1, name, day)

    def found(name: str) -> date | None:
        return min((d for d, text in known.items() if d.year == year and name in text), default=None)

    festival = found("Mid-Autumn")
    autumn_in_october = festival is not None and date(year, 9, 29) <= festival <= date(year, 10, 8)
    single(date(year, 1, 1), "New Year's Day")
    spring = found(SPRING)
    if spring is not None:
        take(spring - timedelta(days=1), 8, 4, SPRING, spring)
    take(date(year, 5, 1), 5, 2, "Labor Day", date(year, 5, 1))
    length = 8 if autumn_in_october else 7
    take(date(year, 10, 1), length, length - 4, "National Day", date(year, 10, 1))
    for name in ("Tomb-Sweeping Day", "Dragon Boat Festival", "Mid-Autumn Festival"):
        own = found(name)
        if own is not None and not (name == "Mid-Autumn Festival" and autumn_in_october):
            single(own, name)


@dataclass(frozen=True)
class HolidayEffects:
    """What special days did to demand, learnt from a history.

    ratio: label -> (series, 24) demand over what the weeks around let expect, by hour of day; only labels that were
    seen. days: the calendar that it was learnt with.
    """

    ratio: dict[str, FloatArray]
    days: SpecialDays

    def factors(self, first_day: int, days: int) -> FloatArray:
        """(series, days x 24) factors of `days` days from day `first_day` of the calendar; 1 where nothing is known."""
        n = next(iter(self.ratio.values())).shape[0] if self.ratio else 1
        out = np.ones((n, days, 24))
        for i, label in enumerate(self.days.label[first_day : first_day + days]):
            if label in self.ratio:
                out[:, i] = self.ratio[label]
        return out.reshape(n, -1)


def _by_day(values: FloatArray, index: pd.DatetimeIndex, days: SpecialDays) -> FloatArray:
    """(series, days, 24) from the calendar's first day to the history's last, NaN where nothing was measured."""
    lead = int((index[0] - pd.Timestamp(days.start)).total_seconds() // 3600)
    total = -(-(lead + len(index)) // 24)
    flat = np.full((values.shape[0], total * 24), np.nan)
    flat[:, lead : lead + len(index)] = values
    return flat.reshape(values.shape[0], total, 24)


@cache
def country_of_zone(timezone: str) -> str | None:
    """The country (ISO 3166, two letters) of an IANA time zone, as the zone table says; None for UTC and the like."""
    for folder in (*map(Path, zoneinfo.TZPATH), resources.files("tzdata") / "zoneinfo"):
        table = folder / "zone.tab"
        if table.is_file():
            for line in table.read_text(encoding="utf-8").splitlines():
                parts = line.split("\t")
                if not line.startswith("#") and len(parts) > 2 and parts[2] == timezone:
                    return parts[0]
            return None
    return None


def own_calendar(values: FloatArray, index: pd.DatetimeIndex, days: SpecialDays) -> bool | None:
    """Whether demand knows these special days; None when too few of them were seen to tell.

    values: (series, hours), NaN where masked. A day's departure is the log ratio of its mean to the median of the same
    weekday one to three weeks away, ordinary days only. The mean departure of special days is compared with that of
    ordinary ones, series by series; the median series decides.
    """
    cube = _by_day(values, index, days)
    total = cube.shape[1]
    special = days.special[:total]
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.where(np.isfinite(cube).sum(axis=2) >= 20, np.nanmean(cube, axis=2), np.nan)
        ordinary = np.pad(np.where(special, np.nan, mean), ((0, 0), (21, 21)), constant_values=np.nan)
        around = np.stack([ordinary[:, 21 + k : 21 + k + total] for k in NEAR_DAYS])
        off = np.abs(np.log(mean / np.nanmedian(around, axis=0)))
        off = np.where(np.isfinite(off), np.minimum(off, 2.0), np.nan)
        if np.isfinite(off[:, special]).any(axis=0).sum() < FEWEST_SPECIAL_DAYS:
            return None
        ratio = np.nanmean(off[:, special], axis=1) / np.nanmean(off[:, ~special], axis=1)
        usual = float(np.nanmedian(ratio))
    return bool(usual > OWN_CALENDAR_RATIO) if np.isfinite(usual) else None


def learn_effects(values: FloatArray, index: pd.DatetimeIndex, days: SpecialDays) -> HolidayEffects:
    """Learn the effects of special days. values: (series, hours) from `index`; days: calendar of at least these days.

    One occurrence's ratio is demand over the median of the same hour on ordinary days one to three weeks away. Log
    ratios of a label are averaged over its occurrences, half by hour and half as one figure for the day, shrunk to
    that of all series and to 1 as if half an occurrence more had been seen. A day without ordinary days around, or
    without demand, teaches nothing.
    """
    cube = _by_day(values, index, days)
    n, total = cube.shape[:2]
    special = days.special[:total]
    ordinary = np.where(special[None, :, None], np.nan, cube)
    logs: dict[str, list[FloatArray]] = {}
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        for i in np.flatnonzero(special).tolist():
            near = [i + k for k in NEAR_DAYS if 0 <= i + k < total]
            expected = np.nanmedian(ordinary[:, near], axis=1) if near else np.full((n, 24), np.nan)
            day = np.nanmean(cube[:, i], axis=1) / np.nanmean(
                np.where(np.isfinite(cube[:, i]), expected, np.nan), axis=1
            )
            hour = cube[:, i] / expected
            whole = np.clip(np.log(day), -2.0, 1.0)[:, None]
            hourly = np.clip(np.log(hour), whole - 1.0, whole + 1.0)
            seen = np.where(np.isfinite(hourly), 0.5 * hourly + 0.5 * whole, whole)
            if np.isfinite(seen).any():
                logs.setdefault(days.label[i], []).append(seen)
        ratio = {}
        for label, several in logs.items():
            stack = np.stack(several)
            count = np.isfinite(stack).sum(axis=0)
            own = np.where(count > 0, np.nansum(stack, axis=0) / np.maximum(count, 1), 0.0)
            everyone = np.nan_to_num(np.nanmedian(np.nanmean(stack, axis=0), axis=0))[None]
            mixed = (count * own + SHRINK_OCCURRENCES * everyone) / (count + 2 * SHRINK_OCCURRENCES)
            ratio[label] = np.exp(mixed)
    return HolidayEffects(ratio, days)
