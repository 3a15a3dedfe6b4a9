"""The combination: who gets the weight, what happens when a member fails, and short histories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasts.history import History
from forecasts.hourly import combine
from forecasts.hourly.combine import HourlyConfig, HourlyForecast, fill, forecast_hourly, origins_before
from forecasts.hourly.members.boost import GlobalBoost
from forecasts.hourly.members.seasonal import Flat
from forecasts.outlook import FloatArray, SeriesKey


def panel(values: FloatArray, start: str = "2026-01-05") -> History:
    values = np.atleast_2d(values)
    keys = tuple(SeriesKey("all", f"w{i}") for i in range(len(values)))
    index = pd.date_range(start, periods=values.shape[1], freq="h")
    return History(keys, index, values, np.ones(len(values)))


def weekly(weeks: int, noise: float = 0.0, seed: int = 0) -> FloatArray:
    t = np.arange(weeks * 168)
    shape = 100 + 40 * np.sin(2 * np.pi * t / 24) + 25 * np.sin(2 * np.pi * t / 168)
    return np.asarray(shape + noise * np.random.default_rng(seed).normal(size=len(t)))


def share(forecast: HourlyForecast, row: int, *parts: str) -> float:
    return sum(
        w for name, w in zip(forecast.members, forecast.weights[row], strict=True) if any(p in name for p in parts)
    )


def test_a_clean_week_is_forecast_exactly_and_narrowly() -> None:
    whole = weekly(13)
    forecast = forecast_hourly(panel(whole[:-168]), 168)
    np.testing.assert_allclose(forecast.mean[0], whole[-168:], rtol=0.01)
    assert forecast.start == pd.Timestamp("2026-01-05") + pd.Timedelta(weeks=12)
    assert (forecast.quantiles[0, -1] - forecast.quantiles[0, 0]).max() < 5


def test_weekly_members_win_on_a_weekly_tide_and_flat_ones_on_a_random_walk() -> None:
    walk = 1000 + np.cumsum(np.random.default_rng(2).normal(0, 1, 12 * 168))
    forecast = forecast_hourly(panel(np.stack([weekly(12, 5), walk])), 24)
    assert share(forecast, 0, "168") > 0.9
    assert share(forecast, 0, "flat") < 0.01
    assert share(forecast, 1, "flat2") > share(forecast, 1, "naive168", "median168", "profile168")
    np.testing.assert_allclose(forecast.weights.sum(axis=1), 1)
    assert forecast.tidal[0]


@pytest.mark.parametrize("hours", [1, 5, 24, 30, 48, 100, 168, 264, 336, 800])
def test_any_length_of_history_gives_an_answer(hours: int) -> None:
    rng = np.random.default_rng(hours)
    values = np.stack([weekly(5)[:hours], np.zeros(hours), np.full(hours, 7.0), rng.exponential(2, hours)])
    forecast = forecast_hourly(panel(values), 200)
    assert forecast.mean.shape == (4, 200)
    assert np.isfinite(forecast.quantiles).all()
    assert (np.diff(forecast.quantiles, axis=1) >= 0).all()
    assert (forecast.mean >= 0).all()
    np.testing.assert_allclose(forecast.mean[1], 0)
    np.testing.assert_allclose(forecast.mean[2], 7)
    assert any("assumed" in note for note in forecast.notes) == (hours < 48)


def test_a_member_that_fails_is_replaced_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Flat):
        @property
        def name(self) -> str:
            return "broken"

        def predict(self, hours: int) -> FloatArray:
            path = super().predict(hours)
            path[0] = np.nan
            path[1] = 1e9
            return path

    makers = (*combine.default_members(), lambda: Broken(2))
    monkeypatch.setattr(combine, "default_members", lambda: makers)
    forecast = forecast_hourly(panel(np.stack([weekly(12), weekly(12, 5), weekly(12, 9)])), 48)
    assert np.isfinite(forecast.mean).all()
    assert forecast.mean.max() < 300
    assert forecast.fallbacks == ("broken failed: naive168", "broken failed: naive168", "")
    assert any("fallback" in note for note in forecast.notes)


def test_gaps_level_shift_and_late_start_do_not_break_the_forecast() -> None:
    values = np.stack([weekly(20, 2, seed) for seed in range(4)])
    truth = values[:, -168:].copy()
    values[0, 1000:1400] = np.nan
    values[1, : 15 * 168] *= 4
    values[2, : 16 * 168] = np.nan
    values[3, 2500] = 1e5
    forecast = forecast_hourly(panel(values[:, :-168]), 168)
    error = np.abs(forecast.mean - truth).mean(axis=1) / truth.mean(axis=1)
    # The shift lies on the fourth origin, which therefore says little: some error is left.
    assert (error < [0.05, 0.1, 0.05, 0.05]).all(), error


def test_a_stale_series_goes_on_and_says_so() -> None:
    values = np.stack([weekly(12), weekly(12)])
    values[1, -30 * 24 :] = np.nan
    forecast = forecast_hourly(panel(values), 168)
    np.testing.assert_allclose(forecast.mean[1], forecast.mean[0], rtol=0.02)
    assert any("continued as if current" in note for note in forecast.notes)


def test_one_series_is_weighed_the_same_in_company() -> None:
    """Weights are a series' own; the usual error and interval widths borrow from the others."""
    values = np.stack([weekly(10, 8, seed) for seed in range(3)])
    together = forecast_hourly(panel(values), 72)
    alone = forecast_hourly(panel(values[1]), 72)
    np.testing.assert_allclose(together.weights[1], alone.weights[0], rtol=1e-9)
    np.testing.assert_allclose(together.mean[1], alone.mean[0], rtol=0.005)


def test_a_usual_error_is_put_right() -> None:
    """The weekly naive alone is a week's growth too low at every origin, and would be again."""
    rng = np.random.default_rng(8)
    values = np.stack([weekly(9, 3, seed) for seed in range(30)]) + 10 * (np.arange(9 * 168) // 168)
    config = HourlyConfig(members=("naive168",))
    forecast = forecast_hourly(panel(values[:, :-168]), 168, config)
    off = values[:, -168:] - forecast.mean
    assert 1 < off.mean() < 5
    steady = np.stack([weekly(9)] * 30) + rng.normal(0, 3, (30, 9 * 168))
    assert abs((steady[:, -168:] - forecast_hourly(panel(steady[:, :-168]), 168, config).mean).mean()) < 0.3


def test_with_one_week_the_weekly_naive_and_the_day_kinds_are_trusted_unseen() -> None:
    forecast = forecast_hourly(panel(np.stack([weekly(1, 5), weekly(1, 9, 1)])), 168)
    naive, kind = (forecast.weights[:, forecast.members.index(name)] for name in ("naive168", "daykind28"))
    assert (naive + kind > 0.3).all()
    np.testing.assert_allclose(kind / (naive + kind), 0.4)


def test_scaling_demand_scales_the_forecast() -> None:
    values = weekly(10, 8)
    one, million = forecast_hourly(panel(values), 72), forecast_hourly(panel(values * 1e6), 72)
    np.testing.assert_allclose(million.mean, one.mean * 1e6, rtol=1e-6)
    np.testing.assert_allclose(million.quantiles, one.quantiles * 1e6, rtol=1e-6)


def test_the_same_input_gives_the_same_output() -> None:
    values = weekly(8, 10)
    first, second = forecast_hourly(panel(values), 100), forecast_hourly(panel(values), 100)
    np.testing.assert_array_equal(first.quantiles, second.quantiles)


def test_residuals_are_those_of_the_origins() -> None:
    forecast = forecast_hourly(panel(weekly(12, 5)), 336)
    assert forecast.origin_hours[0].tolist() == [168, 336, 504, 672]
    seen = np.isfinite(forecast.residuals[0]).sum(axis=1)
    assert seen.tolist() == [168, 336, 336, 336]


def test_a_holiday_is_seen_coming() -> None:
    index = pd.date_range("2023-01-02", periods=24 * 7 * 159, freq="h")
    values = 10 + 3 * np.sin(2 * np.pi * np.asarray(index.hour) / 24)
    may = (index.month == 5) & (index.day <= 3)
    values = np.where(may, 0.4 * values, values)
    cut = int(np.flatnonzero(index == pd.Timestamp("2025-04-29"))[0])
    past = History((SeriesKey("all", "w"),), index[:cut], values[None, :cut], np.ones(1))
    blind = forecast_hourly(past, 120).mean[0] - values[cut : cut + 120]
    seeing = forecast_hourly(past, 120, HourlyConfig(country="CN")).mean[0] - values[cut : cut + 120]
    assert np.abs(seeing).mean() < 0.35 * np.abs(blind).mean()


def test_origins_leave_enough_to_learn_from() -> None:
    assert origins_before(20 * 168, 168, 4) == [19 * 168, 18 * 168, 17 * 168, 16 * 168]
    assert origins_before(336, 168, 4) == [288, 240, 192, 144]
    assert origins_before(24, 168, 4) == []
    for length in range(24, 2000, 24):
        assert all(cut >= 0.4 * length and (length - cut) % 24 == 0 for cut in origins_before(length, 100, 4))


def test_fill_takes_the_hours_beside() -> None:
    values = np.arange(500.0)[None]
    values[0, 200] = np.nan
    assert fill(values)[0, 200] == 32
    assert np.isfinite(fill(np.full((1, 30), np.nan))).all()


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="hours"):
        forecast_hourly(panel(weekly(2)), 0)
    with pytest.raises(ValueError, match="not one series"):
        forecast_hourly(panel(np.full((1, 50), np.nan)), 24)
    with pytest.raises(ValueError, match="levels"):
        HourlyConfig(levels=(0.9, 0.1))


def test_only_the_named_members_stand_and_all_where_none_of_them_can() -> None:
    values = weekly(10, 8)
    assert forecast_hourly(panel(values), 24, HourlyConfig(members=("naive24", "flat2"))).members == (
        "flat2",
        "naive24",
    )
    short = forecast_hourly(panel(values[:100]), 24, HourlyConfig(members=("profile168",)))
    assert "naive24" in short.members


def test_boost_is_elected_only_when_asked_and_with_enough_series(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.stack([weekly(4, 8, seed) * (1 + seed) for seed in range(20)])
    assert "boost" not in forecast_hourly(panel(values), 24).members
    assert "boost" not in forecast_hourly(panel(values[:5]), 24, HourlyConfig(boost=True)).members
    monkeypatch.setattr(combine, "boost_available", lambda: False)
    told = forecast_hourly(panel(values[:5]), 24, HourlyConfig(boost=True))
    assert any("not installed" in note for note in told.notes)


def test_the_statsmodels_member_stands_when_asked() -> None:
    values = weekly(4, 6)
    forecast = forecast_hourly(panel(values[:-48]), 48, HourlyConfig(statsmodels=True, origins=2))
    assert "stl-smoothing" in forecast.members
    assert np.abs(forecast.mean[0] - values[-48:]).mean() < 9


@pytest.mark.skipif(not combine.boost_available(), reason="the extra `boost` is not installed")
def test_boost_learns_across_series_what_the_naive_misses() -> None:
    """Every series of this panel falls to half after a day above 180: a rule to be learnt only from all of them."""
    rng = np.random.default_rng(9)
    t = np.arange(30 * 24)
    days = rng.uniform(50, 150, (24, 30))
    for day in range(1, 30):
        days[:, day] = np.where(days[:, day - 1] > 100, 0.5 * days[:, day], days[:, day])
    values = np.repeat(days, 24, axis=1) * (1 + 0.2 * np.sin(2 * np.pi * t / 24))
    past, truth = values[:, :-24], values[:, -24:]
    index = pd.date_range("2026-01-05", periods=past.shape[1], freq="h")
    path = GlobalBoost(trees=60).fit(past, index).predict(24)
    assert path.shape == truth.shape
    assert np.abs(path - truth).mean() < 0.8 * np.abs(past[:, -24:] - truth).mean()
    again = GlobalBoost(trees=60).fit(past, index).predict(24)
    np.testing.assert_array_equal(path, again)
    with pytest.raises(ValueError, match="20 series"):
        GlobalBoost().fit(past[:3], index)
