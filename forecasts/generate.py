"""Generated demand histories for the bundled examples. They are made up, and every example says so.

The shapes follow published tides (collected November 2026): the consumer chat day is ServeGen's
m-small mean profile (Alibaba, 14 days, hourly) sharpened to the published daily peak/valley of about 2.8; office-bound
API and coding work follows the weekday/weekend contrast of the Azure 2024 coding trace (peaks at 10-11 and 15-17,
weekends at about a third). Levels, growth and the spread over provinces are assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

HOURS_PER_YEAR = 8766.0
SPRING_FESTIVAL = {2025: date(2025, 1, 29), 2026: date(2026, 2, 17), 2027: date(2027, 2, 6)}
"""First day of the lunar year (State Council holiday notices; 2027 by the calendar)."""

CHAT_DAY = np.array(
    [
        *(0.84, 0.71, 0.73, 0.68, 0.71, 0.66, 0.68, 0.85, 1.02, 1.05, 1.13, 1.09),
        *(1.06, 1.07, 1.06, 1.05, 1.09, 1.08, 1.01, 1.23, 1.46, 1.40, 1.27, 1.06),
    ]
)
"""(24,) ServeGen m-small mean profile over its mean, hour 0 taken as midnight (the trace's hours are relative)."""


@dataclass(frozen=True)
class Tide:
    """How a workload's demand moves: its day, its week, its year and its growth.

    day: (24,) shape of a workday, mean 1. weekend, holiday: level of such days against a workday (week 1.0 = workday).
    growth_per_year: factor from one year to the next. summer: extra level at the height of July. common, own: standard
    deviation of the slow (a day's memory) noise shared by all regions and of each region's own; jitter: of an hour.
    """

    day: FloatArray
    weekend: float
    holiday: float
    growth_per_year: float
    summer: float = 0.03
    common: float = 0.025
    own: float = 0.03
    jitter: float = 0.02


def sharpened(day: FloatArray, power: float) -> FloatArray:
    """(24,) a day's shape to a power, mean 1: peaks higher, valleys deeper, the hours where they were."""
    out = day**power
    return np.asarray(out / out.mean(), float)


def humps(floor: float, peaks: Mapping[float, tuple[float, float]]) -> FloatArray:
    """(24,) shape of mean 1 from a floor and round peaks: hour of the peak -> (height, width in hours)."""
    hour = np.arange(24) + 0.5
    out = np.full(24, floor)
    for centre, (height, width) in peaks.items():
        apart = (hour - centre + 12) % 24 - 12
        out += height * np.exp(-0.5 * (apart / width) ** 2)
    return np.asarray(out / out.mean(), float)


CHAT = Tide(sharpened(CHAT_DAY, 1.25), weekend=1.0, holiday=0.92, growth_per_year=1.45)
CODING = Tide(
    humps(0.11, {10.5: (1.0, 1.5), 15.9: (0.95, 1.7), 20.5: (0.3, 1.6)}), weekend=0.35, holiday=0.3, growth_per_year=1.8
)
BATCH = Tide(humps(0.8, {14.0: (0.4, 4.0)}), weekend=0.8, holiday=0.7, growth_per_year=1.5, common=0.04, jitter=0.04)
FINE_TUNING = Tide(
    humps(0.5, {14.0: (0.8, 3.5)}), weekend=0.6, holiday=0.4, growth_per_year=1.35, common=0.04, jitter=0.06
)
TRAINING = Tide(
    np.ones(24), weekend=1.0, holiday=0.98, growth_per_year=1.3, summer=0.0, common=0.02, own=0.02, jitter=0.01
)

PROVINCES = {
    "beijing": (21.9, 5.0),
    "tianjin": (13.6, 1.8),
    "hebei": (73.9, 4.8),
    "shanxi": (34.7, 2.5),
    "neimenggu": (24.0, 2.6),
    "liaoning": (41.8, 3.3),
    "jilin": (23.4, 1.4),
    "heilongjiang": (30.6, 1.6),
    "shanghai": (24.9, 5.4),
    "jiangsu": (85.3, 13.7),
    "zhejiang": (66.3, 9.0),
    "anhui": (61.2, 5.1),
    "fujian": (41.8, 5.8),
    "jiangxi": (45.2, 3.4),
    "shandong": (101.2, 9.9),
    "henan": (98.2, 6.4),
    "hubei": (58.4, 6.0),
    "hunan": (65.7, 5.3),
    "guangdong": (127.1, 14.2),
    "guangxi": (50.3, 2.9),
    "hainan": (10.4, 0.8),
    "chongqing": (31.9, 3.2),
    "sichuan": (83.7, 6.5),
    "guizhou": (38.7, 2.3),
    "yunnan": (46.7, 3.2),
    "xizang": (3.7, 0.3),
    "shaanxi": (39.5, 3.6),
    "gansu": (24.7, 1.3),
    "qinghai": (5.9, 0.4),
    "ningxia": (7.3, 0.6),
    "xinjiang": (26.0, 2.1),
}
"""Region -> residents in millions (about 2023), gross regional product in trillion CNY (about 2024): recalled [R]."""

NATIONAL_MEAN_PFLOPS = {"chat": 700.0, "coding": 240.0, "batch": 370.0, "finetune": 290.0, "training": 690.0}
"""Mean delivered dense FP16 PFLOPS of all regions at the end of the generated year [A]."""

NATIONAL_TIDES = {"chat": CHAT, "coding": CODING, "batch": BATCH, "finetune": FINE_TUNING, "training": TRAINING}
_GDP_POWER = {"chat": 0.5, "coding": 1.4, "batch": 1.0, "finetune": 1.2, "training": 1.5}
_POPULATION_POWER = {"chat": 0.5, "coding": 0.0, "batch": 0.0, "finetune": 0.0, "training": 0.0}


def national_history(seed: int = 2026) -> pd.DataFrame:
    """One generated year of the national example: 31 regions x 5 workloads, hourly, local time.

    Returns `timestamp, region, workload, value` (mean delivered dense FP16 PFLOPS of the hour) from 2025-11-01 to
    2026-10-31. The same seed gives the same numbers.
    """
    index = pd.date_range("2025-11-01", "2026-11-01", freq="h", inclusive="left")
    population, gdp = np.array(list(PROVINCES.values())).T
    levels = {}
    for workload, total in NATIONAL_MEAN_PFLOPS.items():
        weight = population ** _POPULATION_POWER[workload] * gdp ** _GDP_POWER[workload]
        levels[workload] = dict(zip(PROVINCES, total * weight / weight.sum(), strict=True))
    return generated_history(index, levels, NATIONAL_TIDES, seed)


def tiny_history(seed: int = 7) -> pd.DataFrame:
    """Eight generated weeks of the tiny example (7 series), in the form and unit of `national_history`."""
    index = pd.date_range("2026-09-28", periods=8 * 168, freq="h")
    levels = {
        "chat": {"north": 3.0, "east": 5.0, "south": 4.0},
        "batch": {"north": 2.0, "east": 3.0, "south": 2.0},
        "training": {"north": 4.0},
    }
    return generated_history(index, levels, {"chat": CHAT, "batch": BATCH, "training": TRAINING}, seed)


def generated_history(
    index: pd.DatetimeIndex, levels: Mapping[str, Mapping[str, float]], tides: Mapping[str, Tide], seed: int
) -> pd.DataFrame:
    """A long hourly history over `index` (naive local hours).

    levels: workload -> region -> mean of an ordinary week at the end of `index`. Every workload and region draws from
    its own stream, so that leaving one out changes no other. value = level x growth x year x day type x day x noise.
    """
    frames = []
    for workload, by_region in levels.items():
        tide = tides[workload]
        shape = _expected(index, tide)
        shared = _slow(len(index), tide.common, _stream(seed, workload, ""))
        for region, level in by_region.items():
            stream = _stream(seed, workload, region)
            noise = shared + _slow(len(index), tide.own, stream) + tide.jitter * stream.standard_normal(len(index))
            values = np.round(level * shape * np.exp(noise), 5)
            frames.append(
                pd.DataFrame({"timestamp": index, "region": region, "workload": workload, "value": values}, copy=False)
            )
    return pd.concat(frames, ignore_index=True)


def _stream(seed: int, workload: str, region: str) -> np.random.Generator:
    return np.random.default_rng([seed, *f"{workload}/{region}".encode()])


def _expected(index: pd.DatetimeIndex, tide: Tide) -> FloatArray:
    """(hours,) demand without noise, over the mean of an ordinary week at the end of the index."""
    hour, weekday = index.hour.to_numpy(), index.dayofweek.to_numpy()
    years_to_end = (np.arange(len(index)) - len(index)) / HOURS_PER_YEAR
    day_level = np.where(weekday >= 5, tide.weekend, 1.0)
    day_level += (np.minimum(day_level, tide.holiday) - day_level) * _holiday_share(index)
    year = 1 + tide.summer * np.cos(2 * np.pi * (index.dayofyear.to_numpy() - 200) / 365.25)
    week_mean = (5 + 2 * tide.weekend) / 7
    return np.asarray(tide.day[hour] * day_level / week_mean * year * tide.growth_per_year**years_to_end, float)


def _holiday_share(index: pd.DatetimeIndex) -> FloatArray:
    """(hours,) 1 in the Spring Festival week and on 1-7 October, running in and out over three days."""
    days = index.normalize()
    out = np.zeros(len(index))
    for year in sorted(set(index.year)):
        starts = [date(year, 10, 1)] + ([SPRING_FESTIVAL[year]] if year in SPRING_FESTIVAL else [])
        for start in starts:
            after = (days - pd.Timestamp(start)).days.to_numpy().astype(float) + 1.0
            out = np.maximum(out, np.clip(np.minimum((after + 3) / 4, (10 - after) / 3), 0, 1))
    return out


def _slow(hours: int, deviation: float, stream: np.random.Generator) -> FloatArray:
    """(hours,) noise with a memory of about a day: a daily AR(1), coefficient 1/e, joined by lines."""
    knots = stream.standard_normal(hours // 24 + 3)
    steady = np.empty_like(knots)
    keep = np.exp(-1.0)
    steady[0] = knots[0]
    for i in range(1, knots.size):
        steady[i] = keep * steady[i - 1] + np.sqrt(1 - keep**2) * knots[i]
    place = np.arange(hours) / 24
    return np.asarray(deviation * np.interp(place, np.arange(knots.size), steady), float)
