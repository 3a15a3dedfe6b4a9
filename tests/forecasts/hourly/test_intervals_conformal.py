"""Conformal intervals: coverage where it can be known, and widths that behave."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.hourly.intervals import conformal, growth_with_lead, sorted_quantiles
from forecasts.outlook import FloatArray

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def bands(residuals: FloatArray, level: float = 100.0, hours: int = 168) -> FloatArray:
    n = residuals.shape[0]
    fitted = np.full(residuals.shape, level)
    return conformal(residuals, fitted, np.full((n, hours), level), LEVELS, np.full(n, 10.0)).quantiles


def test_quantiles_sit_at_the_conformal_rank() -> None:
    """Nine values: level q sits at rank 10 q, so that 0.1 and 0.9 are the extremes and 0.5 the middle."""
    got, count = sorted_quantiles(np.array([[5.0, 1, 9, 3, np.nan, 7, 2, 8, 4, 6]]), np.array([0.1, 0.5, 0.9, 0.99]))
    assert count[0] == 9
    assert got[0].tolist() == [1, 5, 9, 9]


def test_quantiles_of_nothing_are_unknown() -> None:
    got, count = sorted_quantiles(np.full((2, 0), np.nan), np.array([0.5]))
    assert np.isnan(got).all()
    assert (count == 0).all()


def test_bands_of_independent_errors_cover_what_they_promise() -> None:
    rng = np.random.default_rng(1)
    residuals = rng.normal(0, 10, (60, 4, 168))
    quantiles = bands(residuals)
    fresh = 100 + rng.normal(0, 10, (60, 400, 168))
    inside80 = ((fresh >= quantiles[:, None, 1]) & (fresh <= quantiles[:, None, 3])).mean()
    inside95 = ((fresh >= quantiles[:, None, 0]) & (fresh <= quantiles[:, None, 4])).mean()
    # A little above the promise: the bands allow for level errors that four origins may not have shown.
    assert 0.80 < inside80 < 0.90
    assert 0.95 < inside95 < 0.995


def test_level_errors_shared_by_an_origin_are_covered() -> None:
    """All hours of an origin wrong together: own quantiles alone would cover far too little."""
    rng = np.random.default_rng(2)
    residuals = np.repeat(rng.normal(0, 10, (200, 4, 1)), 168, axis=2)
    quantiles = bands(residuals)
    fresh = 100 + rng.normal(0, 10, (200, 500, 1))
    inside80 = ((fresh >= quantiles[:, None, 1, :1]) & (fresh <= quantiles[:, None, 3, :1])).mean()
    assert 0.74 < inside80 < 0.88


def test_noisy_hours_have_wider_bands() -> None:
    rng = np.random.default_rng(3)
    scale = np.where(np.arange(168) % 24 < 12, 1.0, 20.0)
    quantiles = bands(rng.normal(0, 1, (10, 4, 168)) * scale)
    width = (quantiles[:, 3] - quantiles[:, 1]).mean(axis=0).reshape(7, 24).mean(axis=0)
    assert width[15:21].mean() > 4 * width[3:9].mean()


def test_errors_that_grow_with_lead_widen_with_lead() -> None:
    rng = np.random.default_rng(4)
    residuals = np.cumsum(rng.normal(0, 1, (30, 4, 336)), axis=2)
    spread = growth_with_lead(residuals, np.abs(residuals).mean(axis=(1, 2)))
    assert spread.growth > 0
    quantiles = bands(residuals, level=1000.0, hours=1344)
    width = (quantiles[:, 4] - quantiles[:, 0]).mean(axis=0)
    assert width[-24:].mean() > 1.5 * width[168:192].mean() > 1.5 * 1.1 * width[:24].mean()
    steady = rng.normal(0, 1, (30, 4, 336))
    flat = growth_with_lead(steady, np.abs(steady).mean(axis=(1, 2)))
    assert flat.growth < 0.02


def test_a_series_never_checked_gets_an_assumed_spread_and_is_flagged() -> None:
    residuals = np.full((2, 3, 48), np.nan)
    residuals[0] = 1.0
    law = conformal(residuals, np.full((2, 3, 48), 100.0), np.full((2, 48), 100.0), LEVELS, np.ones(2))
    assert law.unknown.tolist() == [False, True]
    np.testing.assert_allclose(law.middle[1], 100)
    assert law.quantiles[1, 3, 0] - 100 == pytest.approx(0.3 * 1.2816 * 100, rel=0.02)


def test_the_middle_is_the_median_whichever_levels_are_asked_for() -> None:
    rng = np.random.default_rng(6)
    residuals = rng.normal(3, 1, (20, 4, 48))
    mean = np.full((20, 48), 100.0)
    with_median = conformal(residuals, np.full_like(residuals, 100), mean, (0.1, 0.5, 0.9), np.ones(20))
    without = conformal(residuals, np.full_like(residuals, 100), mean, (0.1, 0.9), np.ones(20))
    np.testing.assert_array_equal(with_median.quantiles[:, 1], with_median.middle)
    np.testing.assert_array_equal(without.middle, with_median.middle)
    np.testing.assert_array_equal(without.quantiles, with_median.quantiles[:, [0, 2]])
    assert without.middle.mean() == pytest.approx(103, abs=0.6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 5), st.integers(1, 60))
def test_quantiles_ascend_and_stay_above_zero(seed: int, series: int, origins: int, hours: int) -> None:
    rng = np.random.default_rng(seed)
    residuals = np.where(
        rng.uniform(size=(series, origins, hours)) < 0.3, np.nan, rng.standard_cauchy((series, origins, hours))
    )
    mean = rng.exponential(2, (series, 70))
    law = conformal(residuals, np.ones_like(residuals), mean, LEVELS, rng.exponential(1, series))
    quantiles = law.quantiles
    assert (law.middle >= 0).all()
    assert quantiles.shape == (series, 5, 70)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles >= 0).all()
    assert np.isfinite(quantiles).all()
