"""The law of a quarter's highest week, and the guard above it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecasts.weekly.futures import draw_paths
from forecasts.weekly.growth import Beliefs, GrowthPrior
from forecasts.weekly.guard import guarded
from forecasts.weekly.level import LevelForecast, forecast_level
from forecasts.weekly.quarterlaw import KNOTS, QUARTERS, imposed, quarter_law


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
    course = np.zeros((20, 40, 26))
    size = np.full(course.shape, 0.1)
    came = 0.05 * rng.standard_normal((20, 40, 1)) + np.zeros(course.shape)
    law = quarter_law(came, course, size, np.arange(20.0)[::-1] * 13)
    assert law.counts[:2].tolist() == [800, 800]
    spread = law.at(0, 0.9) - law.at(0, 0.1)
    believed = quarter_law(np.full(course.shape, np.nan), course, size, np.arange(20.0)[::-1] * 13)
    assert believed.counts.sum() == 0
    assert 0.5 < spread / (0.5 * 2 * 1.2816) < 1.4  # standard deviation of half a spread
    assert spread < 0.8 * (believed.at(0, 0.9) - believed.at(0, 0.1))
    assert (np.diff(law.table, axis=1) >= 0).all()
    assert law.table.shape == (QUARTERS, len(KNOTS))


def test_paths_follow_the_law_and_keep_their_ranks(made: tuple[LevelForecast, np.ndarray]) -> None:
    ahead, _ = made
    paths = draw_paths(ahead, 400, 0.5, np.random.default_rng(1))
    again = imposed(paths, ahead.mean, ahead.spread, ahead.quarter, ahead.upper_quarter)
    np.testing.assert_allclose(again, paths, atol=1e-9)
    highest = paths[:, 30:, 13:26].max(axis=2)
    wanted = ahead.mean[30:, 13:26].max(axis=1) + np.arcsinh(ahead.spread[30:, 19] * float(ahead.quarter.at(1, 0.9)))
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
