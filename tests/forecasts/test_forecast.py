"""make_outlook from any history: short, flat, empty, and with a known growth."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecasts.calendar.events import Event
from forecasts.forecast import ForecastConfig, ForecastError, make_outlook
from forecasts.history import History
from forecasts.outlook import FloatArray, SeriesKey
from forecasts.weekly.growth import GrowthPrior

TIDE = 1 + 0.5 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24)


def history(hours: int, *, series: int = 1, yearly: float = 0.0, noise: float = 0.0, seed: int = 0) -> History:
    rng = np.random.default_rng(seed)
    index = pd.date_range("2024-01-01", periods=hours, freq="h")
    base = np.linspace(50, 150, series)[:, None]
    grown = np.exp(np.log1p(yearly) * (np.arange(hours) - hours) / 8766)
    values = base * TIDE[np.arange(hours) % 24] * grown * np.exp(rng.normal(0, noise, (series, hours)))
    keys = tuple(SeriesKey(f"r{i}", "chat", "PFLOPS") for i in range(series))
    return History(keys, index, values, np.ones(series))


@pytest.mark.parametrize("hours", [1, 7, 24, 264, 2000])
@pytest.mark.parametrize("fill", [None, 0.0, 5.0])
def test_any_history_gives_an_outlook(hours: int, fill: float | None) -> None:
    past = history(hours, series=2, noise=0.05)
    if fill is not None:
        past = History(past.series, past.index, np.full_like(past.values, fill), past.burst)
    outlook, report = make_outlook(past, weeks=20, config=ForecastConfig(evaluation=10))
    assert outlook.weeks == 20
    assert outlook.start == report.history.start.to_pydatetime()
    last: FloatArray = past.values[:, -24:].mean(axis=1)
    np.testing.assert_allclose(outlook.central.level[0, :, 0], last, rtol=0.25)
    assert len(outlook.futures) == 5
    assert len(outlook.evaluation) == 10


def test_growth_belief_is_taken_where_history_is_short_and_dropped_where_it_is_long() -> None:
    config = ForecastConfig(growth=GrowthPrior(per_year=0.5, sigma=0.3), evaluation=2)
    short, _ = make_outlook(history(240), weeks=52, config=config)
    year = short.central.level[0, 0, 51] / short.central.level[0, 0, 0]
    assert year == pytest.approx(1.5 ** (51 / 52.18), rel=0.02)
    _, report = make_outlook(history(3 * 8766, yearly=-0.2, noise=0.02), weeks=4, config=config)
    assert report.growth_per_year[0] == pytest.approx(-0.2, abs=0.05)


def test_same_seed_same_outlook_and_evaluation_drawn_apart() -> None:
    past = history(3000, series=3, noise=0.2)
    one, _ = make_outlook(past, weeks=12)
    two, _ = make_outlook(past, weeks=12)
    other, _ = make_outlook(past, weeks=12, config=ForecastConfig(seed=2))
    np.testing.assert_array_equal(one.evaluation.peak, two.evaluation.peak)
    np.testing.assert_array_equal(one.futures.level, two.futures.level)
    assert (one.evaluation.peak != other.evaluation.peak).any()
    np.testing.assert_array_equal(one.central.level, other.central.level)


def test_every_fault_is_named_at_once() -> None:
    past = history(100, series=2)
    values = past.values.copy()
    values[1] = np.nan
    with pytest.raises(ForecastError) as caught:
        make_outlook(
            History(past.series, past.index, values, past.burst), weeks=0, config=ForecastConfig(futures=0, seasons=5)
        )
    assert {fault.where for fault in caught.value.faults} == {
        "weeks",
        "config.futures",
        "config.seasons",
        "series r1/chat",
    }


def test_events_reach_the_centre_and_every_future() -> None:
    past = history(3000, series=2, noise=0.05)
    quiet, _ = make_outlook(past, weeks=8, config=ForecastConfig(evaluation=20))
    event = Event("launch", quiet.start.date(), factor=2.0, region="r0")
    loud, report = make_outlook(past, weeks=8, config=ForecastConfig(evaluation=20, events=(event,)))
    np.testing.assert_allclose(loud.central.level[0, 0], 2 * quiet.central.level[0, 0])
    np.testing.assert_allclose(loud.central.level[0, 1], quiet.central.level[0, 1])
    np.testing.assert_allclose(loud.evaluation.peak[:, 0].mean(), 2 * quiet.evaluation.peak[:, 0].mean(), rtol=0.2)
    assert any("launch" in note for note in report.notes)
    nowhere = ForecastConfig(events=(Event("x", date(2026, 1, 1), factor=2.0, region="moon"),))
    with pytest.raises(ForecastError, match="moon"):
        make_outlook(past, weeks=8, config=nowhere)


def test_totals_pull_the_series_only_when_asked() -> None:
    past = history(6000, series=3, noise=0.1)
    free, _ = make_outlook(past, weeks=6, config=ForecastConfig(evaluation=5))
    pulled, report = make_outlook(past, weeks=6, config=ForecastConfig(evaluation=5, totals="wls"))
    np.testing.assert_allclose(pulled.central.level, free.central.level, rtol=0.1)
    assert (pulled.central.level != free.central.level).any()
    assert any("reconciled" in note for note in report.notes)


def test_a_young_series_follows_the_launches_of_others() -> None:
    past = history(100 * 168, series=4, noise=0.05)
    values = past.values.copy()
    hours = np.arange(values.shape[1])
    for row, week in enumerate((10, 20, 30, 90)):
        since = hours / 168 - week
        values[row] *= np.where(since >= 0, 0.2 + 0.8 * (1 - np.exp(-np.maximum(since, 0) / 15)), 0.0)
    young = History(past.series, past.index, values, past.burst)
    outlook, report = make_outlook(young, weeks=52, config=ForecastConfig(evaluation=5, short_range=False))
    assert "earlier launches" in report.method[3]
    assert "earlier launches" not in report.method[0]
    grown = outlook.central.level[0, 3, 51] / values[3, -168:].mean()
    assert grown == pytest.approx(1.0 / (0.2 + 0.8 * (1 - np.exp(-9.5 / 15))), rel=0.25)


def test_the_first_weeks_join_the_later_ones_without_a_jump() -> None:
    outlook, _ = make_outlook(history(4000, series=2, noise=0.03), weeks=12)
    steps = np.abs(np.diff(np.log(outlook.central.level[0]), axis=1))
    assert steps.max() < 0.05
