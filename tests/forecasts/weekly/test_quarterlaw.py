"""The law of a quarter's highest week, and the guard above it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecasts.weekly.futures import draw_paths
from forecasts.weekly.growth import Beliefs, GrowthPrior
from forecasts.weekly.guard import guarded
from forecasts.weekly.level import LevelForecast, forecast_level
from forecasts.weekly.quarterlaw import KNOTS, NORMAL, QUARTERS, imposed, quarter_table
from forecasts.weekly.quarterviews import views_of_quarters


def panel(series: int = 30, weeks: int = 208, seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    wave = 0.2 * np.sin(2 * np.pi * (np.arange(weeks) / 52 + rng.random((series, 1))))
    drift = np.cumsum(rng.normal(0, 0.01, (series, weeks)), axis=1)
    level = 3 + wave + drift + rng.normal(0, 0.03, (series, weeks))
    return np.concatenate([level, level + 0.4 + rng.normal(0, 0.03, (series, weeks))])


@pytest.fixture(scope="module")
def made() -> tuple[LevelForecast, np.ndarray]:
    logs = panel()
    return forecast_level(logs[:, :156], 52, Beliefs.alike(GrowthPrior(0.0, 0.1), 30)), logs[30:, 156:]


def test_the_law_is_that_of_the_errors_and_falls_back_on_belief() -> None:
    rng = np.random.default_rng(0)
    centre = np.zeros((20, 40, 2))
    size = np.full(centre.shape, 0.1)
    came = 0.05 * rng.standard_normal(centre.shape)
    age = np.arange(20.0)[::-1] * 13
    table, counts = quarter_table(came, centre, size, age)
    assert counts[:2].tolist() == [800, 800]
    believed, none = quarter_table(np.full(centre.shape, np.nan), centre, size, age)
    assert none.sum() == 0
    spread, before = (float(np.diff(np.interp([-1.2816, 1.2816], NORMAL, law[0]))[0]) for law in (table, believed))
    assert 0.5 < spread / (0.5 * 2 * 1.2816) < 1.4  # standard deviation of half a spread
    assert spread < 0.8 * before
    assert (np.diff(table, axis=1) >= 0).all()
    assert table.shape == (QUARTERS, len(KNOTS))


def test_weeks_that_stand_out_come_again_and_last_year_is_known() -> None:
    measured = np.tile(np.where(np.arange(104) % 13 == 6, 0.4, 0.0), (2, 1))
    measured[:, 104 - 52 + 20] = 1.0  # one week of last year's second quarter
    clean = np.zeros_like(measured)
    views = views_of_quarters(np.full((2, 26), 0.1), measured, clean, np.array([True, False]))
    standing_out = (0.4 * 3 + 1.0) / 4
    np.testing.assert_allclose(views[0], 0.1 + standing_out)
    np.testing.assert_allclose(views[1:, 0], [[0.4, 1.0], [0.4, 1.0]])
    np.testing.assert_allclose(views[1:, 1], 0.1 + standing_out)  # no year to look back on


def test_paths_follow_the_law_and_keep_their_ranks(made: tuple[LevelForecast, np.ndarray]) -> None:
    ahead, _ = made
    paths = draw_paths(ahead, 400, 0.5, np.random.default_rng(1))
    again = imposed(paths, ahead.mean, ahead.spread, ahead.quarter, ahead.upper_quarter)
    np.testing.assert_allclose(again, paths, atol=1e-9)
    highest = paths[:, 30:, 13:26].max(axis=2)
    centre, size = ahead.quarter.highest(ahead.mean[30:], ahead.spread[30:], 1)
    wanted = centre + np.arcsinh(ahead.quarter.errors(1, 0.9, size))
    np.testing.assert_allclose(np.quantile(highest, 0.9, axis=0), wanted, atol=0.01)


def test_quarters_are_covered_as_asked(made: tuple[LevelForecast, np.ndarray]) -> None:
    ahead, came = made
    paths = draw_paths(ahead, 400, 0.5, np.random.default_rng(1))
    for k in range(4):
        part = slice(13 * k, 13 * k + 13)
        below = came[:, part].max(axis=1) <= np.quantile(paths[:, 30:, part].max(axis=2), 0.9, axis=0)
        assert below.mean() >= 0.76
    width = np.quantile(paths[:, 30:], 0.9, axis=0) - np.quantile(paths[:, 30:], 0.5, axis=0)
    assert width.mean() < 0.25


def test_bands_never_narrow_with_the_horizon(made: tuple[LevelForecast, np.ndarray]) -> None:
    ahead, _ = made
    for p in (0.025, 0.1, 0.9, 0.975):
        assert (np.diff(np.abs(ahead.quantile(p) - ahead.mean), axis=1) >= -1e-9).all()


def test_two_clean_years_leave_doubt_about_growth() -> None:
    t = np.arange(104)
    level = 3 + 0.2 * np.sin(2 * np.pi * t / 52) + np.random.default_rng(2).normal(0, 0.005, (2, 104))
    ahead = forecast_level(level, 104, Beliefs.alike(GrowthPrior(), 1))
    assert np.exp(ahead.quantile(0.9) - ahead.quantile(0.5))[1, 77] > 1.06
    sure = forecast_level(level, 104, Beliefs.alike(GrowthPrior(doubt=0.2), 1))
    assert np.exp(sure.quantile(0.9) - sure.quantile(0.5))[1, 77] > 1.3


def test_the_guard_holds_a_quarter_to_three_times_the_year_unless_the_course_grows(
    made: tuple[LevelForecast, np.ndarray],
) -> None:
    ahead, _ = made
    same, none = guarded(ahead)
    assert none == ()
    assert (same.upper == 1).all()
    wide = replace(ahead, spread=20 * ahead.spread)
    held, found = guarded(wide)
    assert len(found) == 30
    assert all(one.wanted > 3 and one.allowed <= 3.0001 for one in found)
    paths = draw_paths(held, 400, 0.5, np.random.default_rng(1))
    top = np.quantile(paths[:, 30:, :13].max(axis=2), 0.95, axis=0)
    assert (top <= ahead.highest[30:] + np.log(3) + 0.02).all()
    np.testing.assert_allclose(held.quantile(0.1), wide.quantile(0.1))
    grown = replace(ahead, mean=ahead.mean + np.log(4) * np.arange(52) / 51)
    _, reasons = guarded(grown)
    assert reasons
    assert all(one.course > 2 and one.allowed <= max(3.0, 2 * one.course) + 1e-9 for one in reasons)
    assert max(one.allowed for one in reasons) > 3
