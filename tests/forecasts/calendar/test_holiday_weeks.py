"""Special days in the outlook: whose they are, what they do to a week, and that a moving festival is found again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasts.calendar.calendar import country_of_zone, own_calendar, special_days
from forecasts.calendar.holidayweeks import week_factors
from forecasts.forecast import ForecastConfig, ForecastError, make_outlook
from forecasts.history import History
from forecasts.outlook import FloatArray, SeriesKey

DAYS_OFF = 0.5
"""Demand on a day off against an ordinary one."""


def chinese(first: str, last: str, series: int = 2, seed: int = 0) -> tuple[pd.DatetimeIndex, FloatArray]:
    """Hourly demand that halves on the days off of China, the hour-to-hour noise at 3 %."""
    index = pd.date_range(first, last, freq="h", inclusive="left")
    days = special_days(index[0].date(), (index[-1].date() - index[0].date()).days + 1)
    off = np.repeat(np.array([bool(label) and "make-up" not in label for label in days.label]), 24)
    rng = np.random.default_rng(seed)
    tide = 1 + 0.4 * np.sin(2 * np.pi * (np.asarray(index.hour) - 8) / 24)
    noise = np.exp(rng.normal(0, 0.03, (series, len(index))))
    return index, 100 * tide * np.where(off, DAYS_OFF, 1.0) * noise


def panel(index: pd.DatetimeIndex, values: FloatArray, timezone: str = "Asia/Shanghai") -> History:
    keys = tuple(SeriesKey("east", f"w{i}", "PFLOPS") for i in range(len(values)))
    return History(keys, index, values, np.ones(len(values)), timezone)


def test_zones_know_their_country() -> None:
    assert country_of_zone("Asia/Shanghai") == "CN"
    assert country_of_zone("Pacific/Auckland") == "NZ"
    assert country_of_zone("UTC") is None


def test_a_history_knows_its_own_calendar_and_no_other() -> None:
    index, values = chinese("2024-01-01", "2025-01-01")
    calendar = {country: special_days(index[0].date(), 366, country) for country in ("CN", "NZ")}
    assert own_calendar(values, index, calendar["CN"]) is True
    assert own_calendar(values, index, calendar["NZ"]) is False
    # Two ordinary weeks say nothing about special days.
    assert own_calendar(values[:, 3000:3336], index[3000:3336], calendar["CN"]) is None


def test_a_week_off_lowers_level_and_peak_and_a_day_off_only_the_level() -> None:
    index, values = chinese("2023-01-02", "2024-12-30")
    start = pd.Timestamp("2024-12-30")
    tide = np.tile(1 + 0.4 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24), 7)[None].repeat(2, axis=0)
    factors = week_factors(values, index, tide, start, (104, 8), ("CN", None))
    level, peak = factors.ahead(104)[:2], factors.ahead(104)[2:]
    # New Year's Day 2025 is the Wednesday of the first week ahead; Spring Festival 28 January to 4 February.
    assert np.exp(level[0, 0]) == pytest.approx(6.5 / 7, abs=0.03)
    assert peak[0, 0] == pytest.approx(0, abs=0.01)
    assert np.exp(level[0, 4]) < 0.75
    # Ordinary weeks are left as they are.
    np.testing.assert_array_equal(level[:, 1:3], 0.0)
    known = factors.known(104)
    assert known.shape == (4, 104)
    assert known[0, 39] == pytest.approx(level[0, 4], abs=0.2)  # National Day 2023


def test_spring_festival_is_found_again_where_the_moon_puts_it() -> None:
    """2025's began on 28 January, 2026's on 15 February: the outlook must move it by three weeks."""
    index, values = chinese("2023-11-06", "2025-11-03")
    _, came = chinese("2025-11-03", "2026-03-23")
    weekly = came.reshape(2, -1, 168).mean(axis=2)
    config = ForecastConfig(evaluation=5, futures=1)
    seeing, _ = make_outlook(panel(index, values), weeks=20, config=config)
    blind, _ = make_outlook(
        panel(index, values), weeks=20, config=ForecastConfig(evaluation=5, futures=1, country=None)
    )
    off = {
        name: np.abs(np.log(outlook.central.level[0] / weekly)).mean()
        for name, outlook in {"seeing": seeing, "blind": blind}.items()
    }
    assert off["seeing"] < 0.5 * off["blind"]
    assert seeing.central.level[0, 0].argmin() == weekly[0].argmin()
    assert seeing.provenance["country"] == "CN"
    assert blind.provenance["country"] == ""
    assert any("Special days of CN" in note for note in seeing.notes)


def test_demand_without_holidays_gets_none_and_the_notes_say_why() -> None:
    index, values = chinese("2024-06-03", "2025-06-02")
    calm = np.random.default_rng(1).normal(100, 3, values.shape)
    outlook, _ = make_outlook(panel(index, calm), weeks=4, config=ForecastConfig(evaluation=2))
    assert outlook.provenance["country"] == ""
    assert any("demand does not know them" in note for note in outlook.notes)
    short, _ = make_outlook(panel(index[:500], calm[:, :500]), weeks=4, config=ForecastConfig(evaluation=2))
    assert any("too few lie in the history" in note for note in short.notes)
    nowhere, _ = make_outlook(panel(index, values, "UTC"), weeks=4, config=ForecastConfig(evaluation=2))
    assert nowhere.provenance["country"] == ""


def test_a_country_that_nobody_knows_is_a_fault_with_its_place() -> None:
    index, values = chinese("2025-01-06", "2025-02-03")
    with pytest.raises(ForecastError) as caught:
        make_outlook(panel(index, values), weeks=4, config=ForecastConfig(country="XX", futures=0))
    assert {fault.where for fault in caught.value.faults} == {"config.country", "config.futures"}
