"""Dated events: their size, ramp, reach and chance."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.calendar.events import Event, apply_events, check_events, presence
from forecasts.outlook import SeriesKey

START = datetime(2026, 1, 5)
SERIES = (SeriesKey("east", "chat"), SeriesKey("west", "chat"), SeriesKey("east", "api"))


def test_presence_counts_days_and_ramps_evenly() -> None:
    np.testing.assert_allclose(presence(Event("a", date(2026, 1, 12), factor=2), START, 3), [0, 1, 1])
    half = Event("a", date(2026, 1, 8), end=date(2026, 1, 12), factor=2)
    np.testing.assert_allclose(presence(half, START, 2), [4 / 7, 0])
    ramp = presence(Event("a", date(2026, 1, 5), factor=2, ramp_weeks=2), START, 3)
    np.testing.assert_allclose(ramp, [0.25, 0.75, 1])
    np.testing.assert_allclose(presence(Event("past", date(2020, 1, 1), factor=2), START, 2), [1, 1])


def test_factor_and_step_on_the_series_they_name() -> None:
    level, peak = np.full((1, 3, 2), 10.0), np.full((1, 3, 2), 20.0)
    events = [
        Event("launch", date(2026, 1, 12), factor=1.5, workload="api"),
        Event("contract", date(2026, 1, 5), step=6.0, region="east"),
    ]
    new_level, new_peak = apply_events(level, peak, events, SERIES, START)
    # Launch first (api 15 in week 1), then the contract's 6 units shared 10:10 and 10:15.
    np.testing.assert_allclose(new_level[0], [[13, 10 + 6 * 10 / 25], [10, 10], [13, 15 + 6 * 15 / 25]])
    np.testing.assert_allclose(new_peak / new_level, 2.0)
    np.testing.assert_array_equal(level, 10.0)


def test_a_customer_that_leaves_never_makes_demand_negative_and_a_step_starts_from_nothing() -> None:
    level = np.zeros((1, 3, 2))
    gone, _ = apply_events(level + 1, level + 2, [Event("leaves", date(2026, 1, 5), step=-100)], SERIES, START)
    np.testing.assert_array_equal(gone, 0)
    new, peak = apply_events(level, level, [Event("new", date(2026, 1, 5), step=9)], SERIES, START)
    np.testing.assert_allclose(new, 3)
    np.testing.assert_allclose(peak, 3)


def test_draws_have_the_stated_chance_and_median_and_hit_all_series_together() -> None:
    event = Event("launch", date(2026, 1, 5), factor=2.0, sigma=0.4, probability=0.3)
    level, _ = apply_events(
        np.ones((20000, 3, 1)), np.ones((20000, 3, 1)), [event], SERIES, START, np.random.default_rng(1)
    )
    added = level[:, 0, 0] - 1
    np.testing.assert_array_equal(level[:, 0], level[:, 2])
    assert (added > 0).mean() == pytest.approx(0.3, abs=0.02)
    assert np.median(added[added > 0]) == pytest.approx(1.0, abs=0.03)
    assert np.log(added[added > 0]).std() == pytest.approx(0.4, abs=0.02)


@settings(deadline=None)
@given(st.floats(0, 4), st.floats(0, 8), st.integers(-30, 60))
def test_level_never_negative_and_peak_never_below_it(factor: float, ramp: float, day: int) -> None:
    start = date.fromordinal(START.date().toordinal() + day)
    level, peak = apply_events(
        np.ones((2, 3, 5)), np.full((2, 3, 5), 1.5), [Event("e", start, factor=factor, ramp_weeks=ramp)], SERIES, START
    )
    assert (level >= 0).all()
    assert (peak >= level).all()


def test_every_fault_is_found() -> None:
    bad = Event("x", date(2026, 1, 5), factor=-1, sigma=-1, probability=2, ramp_weeks=-1, end=date(2026, 1, 5))
    places = {fault.where.rpartition(".")[2] for fault in check_events([bad], SERIES)}
    assert {"factor", "sigma", "probability", "ramp_weeks", "end"} <= places
    assert len(check_events([Event("y", date(2026, 1, 5))], SERIES)) == 1
    assert "moon" in check_events([Event("z", date(2026, 1, 5), step=1, region="moon")], SERIES)[0].found
