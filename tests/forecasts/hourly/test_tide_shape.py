"""The hour-of-week tide: planted shapes come back, nothing is invented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.calendar.hours import hour_of_week
from forecasts.hourly.tide import hour_of_week_tide, tide_strength
from forecasts.outlook import FloatArray


def planted(weeks: int, start: str = "2026-01-07 05:00") -> tuple[FloatArray, FloatArray, pd.DatetimeIndex]:
    """A known tide with weekends, seen from a Wednesday 05:00 on, at a growing level."""
    week = 1 + 0.6 * np.sin(2 * np.pi * np.arange(168) / 24)
    week[120:] *= 0.5
    week /= week.mean()
    index = pd.date_range(start, periods=weeks * 168, freq="h")
    level = 50 * 1.02 ** (np.arange(len(index)) // 168)
    return week, (level * week[hour_of_week(index)])[None], index


def test_a_planted_tide_comes_back() -> None:
    week, values, index = planted(30)
    tide = hour_of_week_tide(values, index)[0, 0]
    assert np.abs(tide - week).max() < 0.05
    assert int(np.argmax(tide)) % 24 == int(np.argmax(week)) % 24


def test_outages_and_spikes_leave_no_mark() -> None:
    week, values, index = planted(30)
    values[0, 1000:1020] = 0
    values[0, 2000] *= 30
    values[0, 3000:3100] = np.nan
    assert np.abs(hour_of_week_tide(values, index)[0, 0] - week).max() < 0.06


def test_seasons_differ_when_the_year_does() -> None:
    index = pd.date_range("2024-01-01", periods=104 * 168, freq="h")
    summer = np.isin(index.month, (6, 7, 8))
    wave = np.sin(2 * np.pi * np.asarray(index.hour) / 24)
    values = (10 + np.where(summer, 6, 1) * wave)[None]
    tide = hour_of_week_tide(values, index, seasons=4)
    swing = tide[0].max(axis=1) - tide[0].min(axis=1)
    assert int(np.argmax(swing)) == 2
    assert swing[2] > 3 * swing[0]


def test_strength_tells_a_tide_from_noise() -> None:
    _, values, index = planted(10)
    noise = np.random.default_rng(3).uniform(0, 1, values.shape)
    strength = tide_strength(np.concatenate([values, noise, np.ones_like(values)]), index)
    assert strength.tidal.tolist() == [True, False, False]
    assert strength.week[0] > 0.95
    assert strength.day[1] < 0.05
    assert strength.peak_to_mean[0] == pytest.approx(1.6 / 0.857, rel=0.1)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 4),
)
def test_any_history_gives_a_proper_tide(hours: int, seed: int, masked: float, seasons: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.uniform(size=(2, hours)) < masked, np.nan, rng.exponential(5, (2, hours)))
    tide = hour_of_week_tide(values, pd.date_range("2026-02-03 07:00", periods=hours, freq="h"), seasons)
    assert tide.shape == (2, seasons, 168)
    assert (tide >= 0).all()
    np.testing.assert_allclose(tide.mean(axis=2), 1)
