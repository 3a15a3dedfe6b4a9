"""Joint futures: what moves together, and what a few weighted futures keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.outlook import FloatArray
from forecasts.weekly.futures import (
    FEWEST_ERRORS,
    Paths,
    daily_movement,
    draw_paths,
    growth_errors,
    reduce_paths,
    residual_weeks,
    strata,
    unproven,
    weighted_quantile,
)
from forecasts.weekly.growth import Beliefs, GrowthPrior
from forecasts.weekly.level import forecast_level


def together(share: float, series: int = 8, weeks: int = 110, seed: int = 0) -> FloatArray:
    """Weekly logs (levels then peaks) whose steps have this correlation between series."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 0.05 * np.sqrt(share), (1, weeks))
    own = rng.normal(0, 0.05 * np.sqrt(1 - share), (series, weeks))
    level = 3 + np.cumsum(common + own, axis=1)
    return np.concatenate([level, level + 0.4])


def believed(logs: FloatArray, sigma: float) -> Beliefs:
    return Beliefs.alike(GrowthPrior(0.0, sigma), len(logs) // 2)


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_series_move_together_as_they_did(share: float) -> None:
    ahead = forecast_level(together(share), 12, believed(together(share), 0.0))
    drawn = draw_paths(ahead, 600, 0.5, np.random.default_rng(1))
    found = np.corrcoef(drawn[:, :8, 8].T)[~np.eye(8, dtype=bool)].mean()
    assert found == pytest.approx(share, abs=0.15)
    # A level and its own peak stay a pair.
    assert np.corrcoef(drawn[:, 0, 8], drawn[:, 8, 8])[0, 1] > 0.95


def test_paths_have_the_spread_that_the_forecast_states() -> None:
    ahead = forecast_level(together(0.3), 26, believed(together(0.3), 0.2))
    drawn = draw_paths(ahead, 3000, 0.5, np.random.default_rng(1))
    for p in (0.1, 0.9):
        below = (drawn <= ahead.quantile(p)).mean()
        # The highest week of a quarter follows its own law, which moves single weeks a little.
        assert below == pytest.approx(p, abs=0.08)


def test_few_weeks_use_stated_correlations_and_say_so() -> None:
    pool, assumed = residual_weeks(np.random.default_rng(0).normal(size=(20, 3)), np.random.default_rng(0))
    assert assumed
    assert np.corrcoef(pool[:10])[~np.eye(10, dtype=bool)].mean() == pytest.approx(0.3, abs=0.12)
    rich, assumed = residual_weeks(np.random.default_rng(0).normal(size=(20, 60)), np.random.default_rng(0))
    assert not assumed
    np.testing.assert_allclose(rich.std(axis=1), 1, atol=0.05)


def hours_that_move(share: float, weeks: int = 6, series: int = 10, seed: int = 0) -> FloatArray:
    """(series, hours) around a weekday pattern, with daily movements of this correlation between series."""
    rng = np.random.default_rng(seed)
    days = 7 * weeks
    moved = 0.1 * (np.sqrt(share) * rng.normal(size=(1, days)) + np.sqrt(1 - share) * rng.normal(size=(series, days)))
    weekday = np.tile([0.3, 0.2, 0.2, 0.2, 0.1, -0.4, -0.6], weeks)
    return np.repeat(np.exp(5 + weekday + moved), 24, axis=1)


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_few_weeks_move_together_as_their_days_did(share: float) -> None:
    daily = daily_movement(hours_that_move(share))
    assert daily is not None
    np.testing.assert_allclose(daily.size, 0.1, rtol=0.5)
    pool, assumed = residual_weeks(np.zeros((20, 3)), np.random.default_rng(0), daily)
    assert assumed
    found = np.corrcoef(pool[:10])[~np.eye(10, dtype=bool)].mean()
    assert found == pytest.approx(0.8 * share + 0.2 * 0.3, abs=0.15)


def test_days_are_held_against_their_weekday() -> None:
    pattern = np.array([1.0, 1.1, 1.2, 1.0, 0.9, 0.4, 0.3])
    still = np.repeat(np.tile(pattern, 4), 24)[None]
    calm = daily_movement(still)
    assert calm is not None
    np.testing.assert_allclose(calm.size, 0, atol=1e-12)
    # Every weekday is e^0.1 above its mean in one week and as much below in the other: variance 2 x 0.01 over 1.
    moved = daily_movement(np.repeat(np.concatenate([pattern * np.exp(0.1), pattern * np.exp(-0.1)]), 24)[None])
    assert moved is not None
    assert moved.size[0] == pytest.approx(0.1 * np.sqrt(2))
    # A day that was hardly measured says nothing, and too few days say nothing at all.
    holes = still.copy()
    holes[0, 24:40] = np.nan
    holed = daily_movement(holes)
    assert holed is not None
    assert holed.size[0] == pytest.approx(0, abs=1e-12)
    assert daily_movement(still[:, : 5 * 24]) is None


def test_spreads_are_wider_where_no_error_was_measured_and_only_there() -> None:
    prior = believed(together(0.3), 0.2)
    short, long = forecast_level(together(0.3, weeks=6), 26, prior), forecast_level(together(0.3), 26, prior)
    daily = daily_movement(hours_that_move(0.0, series=8))
    assert daily is not None
    assert short.pooled.max() < FEWEST_ERRORS <= long.pooled[:4].min()
    np.testing.assert_array_equal(unproven(long, daily).spread, long.spread)
    np.testing.assert_allclose(
        unproven(short, daily).spread, np.hypot(1.25 * short.spread, 0.5 * np.tile(daily.size, 2)[:, None])
    )
    np.testing.assert_allclose(unproven(short, None).spread, 1.25 * short.spread)


def test_growth_error_is_partly_common_and_grows_with_time() -> None:
    drawn = growth_errors(np.full(10, 0.09), 104, 4000, 0.5, np.random.default_rng(0))
    assert drawn[:, 0, 51].std() == pytest.approx(0.3 * 52 / 52.18, rel=0.05)
    assert np.corrcoef(drawn[:, 0, 99], drawn[:, 3, 99])[0, 1] == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 5])


def lognormal_paths(seed: int = 0, draws: int = 400, series: int = 20, weeks: int = 39) -> Paths:
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.normal(0, 0.03, (draws, 1, weeks)), axis=2)
    own = np.cumsum(rng.normal(0, 0.03, (draws, series, weeks)), axis=2)
    level = np.linspace(10, 200, series)[None, :, None] * np.exp(common + own)
    return Paths(level, level * 1.6)


def test_five_futures_keep_mean_spread_and_the_totals_95th_percentile() -> None:
    paths = lognormal_paths()
    few = reduce_paths(paths, 5, np.random.default_rng(0))
    w = few.probability[:, None, None]
    mean = (w * few.peak).sum(axis=0)
    sd = np.sqrt((w * (few.peak - mean) ** 2).sum(axis=0))
    np.testing.assert_allclose(mean, paths.peak.mean(axis=0), rtol=0.02)
    assert np.abs(sd / paths.peak.std(axis=0) - 1).mean() < 0.06
    total, every = few.peak[:, :, -13:].sum(axis=1).mean(axis=1), paths.peak[:, :, -13:].sum(axis=1).mean(axis=1)
    assert weighted_quantile(total, few.probability, 0.95) == pytest.approx(np.quantile(every, 0.95), rel=0.04)
    wide = np.sqrt(few.probability @ (total - few.probability @ total) ** 2)
    assert wide == pytest.approx(every.std(), rel=0.25)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 99))
def test_reduction_is_a_proper_set_of_futures(count: int, draws: int, seed: int) -> None:
    few = reduce_paths(lognormal_paths(seed, draws, 3, 15), count, np.random.default_rng(seed))
    assert len(few) == min(count, draws)
    assert few.probability.sum() == pytest.approx(1)
    assert (few.peak >= few.level * (1 - 1e-9)).all()


def test_strata_have_thin_tails_and_one_of_everything_when_asked_for_one() -> None:
    np.testing.assert_allclose(strata(5), [0.1, 0.8 / 3, 0.8 / 3, 0.8 / 3, 0.1])
    np.testing.assert_allclose(strata(1), [1])
    one = reduce_paths(lognormal_paths(), 1, np.random.default_rng(0))
    np.testing.assert_allclose(one.level[0], lognormal_paths().level.mean(axis=0))


def test_weighted_quantile_of_known_weights() -> None:
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([0.1, 0.5, 0.4])
    assert [weighted_quantile(values, weight, q) for q in (0.5, 0.51, 0.9, 0.95)] == [1, 2, 2, 3]
