"""The members: each is exact where its assumption holds, and none fails on odd panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.hourly.members.base import Member
from forecasts.hourly.members.members import default_members
from forecasts.hourly.members.profile import LevelProfile
from forecasts.hourly.members.regression import Harmonic, SeasonalAr
from forecasts.hourly.members.seasonal import Flat, KindMedian, SeasonalMean, SeasonalMedian
from forecasts.outlook import FloatArray

HOURS = np.arange(20 * 168)
INDEX = pd.date_range("2026-01-05", periods=len(HOURS), freq="h")
DAY = 10 + 4 * np.sin(2 * np.pi * HOURS / 24)
WEEK = DAY + 2 * np.cos(2 * np.pi * HOURS / 168)


def ahead(member: Member, series: FloatArray, hours: int = 168) -> FloatArray:
    past = series[None, : len(series) - hours]
    return member.fit(past, INDEX[: past.shape[1]]).predict(hours)[0]


@pytest.mark.parametrize(
    ("member", "series"),
    [
        (SeasonalMean(24), DAY),
        (SeasonalMean(168), WEEK),
        (SeasonalMedian(168, 3), WEEK),
        (LevelProfile(168), WEEK),
        (LevelProfile(24), DAY),
        (Harmonic(), WEEK),
        (Harmonic(log=True), np.exp(0.2 * np.sin(2 * np.pi * HOURS / 24))),
        (Harmonic(8, 0), DAY),
        (SeasonalAr((1, 2, 24, 25), "x", difference=168), WEEK),
        (SeasonalAr((1, 2, 24, 168), "x", difference=24), DAY),
        (Flat(24), np.full(len(HOURS), 3.0)),
    ],
)
def test_each_member_is_exact_where_its_assumption_holds(member: Member, series: FloatArray) -> None:
    np.testing.assert_allclose(ahead(member, series), series[-168:], rtol=0.02)


def test_a_level_that_doubled_yesterday_is_followed_and_falls_back() -> None:
    past = WEEK[:-168].copy()
    past[-24:] *= 2
    path = LevelProfile(168, damping=0.7).fit(past[None], INDEX[: len(past)]).predict(168)[0]
    ratio = path.reshape(7, 24).mean(axis=1) / WEEK[-168:].reshape(7, 24).mean(axis=1)
    assert ratio[0] > 1.4
    # The last day's own profile has seen the doubling once in twelve weeks; the six before it only fall back.
    assert (np.diff(ratio[:6]) < 0).all()
    assert ratio[5] < 1.15


def test_an_outage_leaves_medians_alone() -> None:
    past = WEEK[:-168].copy()
    past[-40:-30] = 0
    path = SeasonalMedian(168, 3).fit(past[None], INDEX[: len(past)]).predict(168)[0]
    np.testing.assert_allclose(path, WEEK[-168:], rtol=1e-9)


def test_day_kinds_know_the_weekend_from_any_starting_hour() -> None:
    weekend = np.asarray(INDEX.dayofweek >= 5)
    series = np.where(weekend, 0.4, 1.0) * DAY + np.where(weekend & (HOURS % 24 > 18), 3, 0)
    for start in (0, 5, 77):
        for weeks in (1, 6):
            at = slice(start, start + weeks * 168)
            path = KindMedian().fit(series[None, at], INDEX[at]).predict(200)[0]
            np.testing.assert_allclose(path, series[at.stop : at.stop + 200], rtol=1e-9)


def test_an_autoregression_learns_its_coefficient() -> None:
    """Shocks against last week that fade by 0.8 an hour are forecast to fade so."""
    rng = np.random.default_rng(5)
    shock = np.zeros(len(HOURS))
    for t in range(1, len(shock)):
        shock[t] = 0.8 * shock[t - 1] + rng.normal(0, 0.3)
    past = (WEEK + shock)[None]
    member = SeasonalAr((1,), "x", difference=168).fit(past, INDEX)
    change = past[0, -1] - past[0, -169]
    ahead = member.predict(3)[0] - past[0, -168:-165]
    assert ahead[1] / ahead[0] == pytest.approx(0.8, abs=0.1)
    assert ahead[0] / change == pytest.approx(0.8, abs=0.1)


def test_too_short_a_history_is_refused() -> None:
    for make in default_members():
        member = make()
        if member.needs_hours > 1:
            with pytest.raises(ValueError, match=member.name):
                member.fit(np.ones((1, member.needs_hours - 1)), INDEX[: member.needs_hours - 1])


def test_names_are_unique() -> None:
    names = [make().name for make in default_members()]
    assert len(set(names)) == len(names)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(24, 800), st.sampled_from(["noise", "zeros", "steps", "spikes"]))
def test_every_member_stays_finite_and_not_negative(seed: int, hours: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    values = rng.exponential(3, (2, hours))
    if kind == "zeros":
        values[0] = 0
    elif kind == "steps":
        values = np.repeat(rng.exponential(3, (2, hours // 24 + 1)), 24, axis=1)[:, :hours]
    elif kind == "spikes":
        values *= np.where(rng.uniform(size=values.shape) < 0.02, 1000, 1)
    index = INDEX[:hours]
    for make in default_members():
        member = make()
        if hours >= member.needs_hours:
            path = member.fit(values, index).predict(60)
            assert path.shape == (2, 60)
            assert np.isfinite(path).all(), member.name
            assert (path >= 0).all(), member.name
            assert (path <= 4 * values.max(axis=1, keepdims=True) + 1e-9).all(), member.name
