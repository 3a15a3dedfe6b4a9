"""Growth: prior and data, damping, ceilings and launches seen before."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.history import read_history
from forecasts.weekly.growth import (
    WEEKS_PER_YEAR,
    Beliefs,
    GrowthPrior,
    analogue,
    damped_years,
    fading,
    posterior_rate,
    saturation,
    seasonal_slope_variance,
)
from forecasts.weekly.level import forecast_level, weekly_panel
from forecasts.weekly.structural import fit_structural

DATA = Path(os.environ.get("TIDEPLAN_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


def test_posterior_is_the_precision_weighted_mean() -> None:
    mean, variance = posterior_rate(np.array([0.6, 5.0]), np.array([0.09, np.inf]), np.full(2, 0.3), np.zeros(2))
    np.testing.assert_allclose(mean, [0.3, 0.0])
    np.testing.assert_allclose(variance, [0.045, 0.09])


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(1e-6, 10), st.floats(0, 2), st.floats(-1, 1))
def test_posterior_lies_between_belief_and_slope(slope: float, variance: float, sigma: float, rate: float) -> None:
    mean, left = posterior_rate(np.array([slope]), np.array([variance]), np.array([sigma]), np.array([rate]))
    assert min(slope, rate) - 1e-9 <= mean[0] <= max(slope, rate) + 1e-9
    assert 0 <= left[0] <= min(variance, sigma**2) + 1e-9


def test_damping_starts_at_full_pace_and_halves() -> None:
    weeks = np.array([1e-6, 365.25 / 7, 1e6])
    years = damped_years(weeks, 1.0)
    assert years[0] == pytest.approx(weeks[0] * 7 / 365.25, rel=1e-4)
    assert years[1] == pytest.approx(0.5 / np.log(2))
    assert years[2] == pytest.approx(1 / np.log(2))


def test_growth_faster_than_threefold_fades_the_sooner_and_never_brings_more() -> None:
    rate = np.array([0.1, np.log(3), 2 * np.log(3), 12.0, -12.0])
    half = fading(rate, np.ones(5))
    np.testing.assert_allclose(half[:3], [1, 1, 0.25])
    assert half[3] < 1 / 52
    assert half[4] == half[3]
    ever = rate * damped_years(np.array([1e6]), half)[:, 0]
    np.testing.assert_allclose(
        np.abs(ever[1:]), np.array([1, 0.5, np.log(3) / 12, np.log(3) / 12]) * np.log(3) / np.log(2)
    )


def test_a_part_of_a_year_may_be_season() -> None:
    assert seasonal_slope_variance(26) > seasonal_slope_variance(40) > 0.03
    assert seasonal_slope_variance(53) == 0 == seasonal_slope_variance(1)


def test_sixty_weeks_of_a_yearly_pattern_are_not_growth() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(60)
    for phase in np.linspace(0, 2 * np.pi, 6)[:-1]:
        wave = 0.35 * np.sin(2 * np.pi * t / WEEKS_PER_YEAR + phase)
        logs = np.stack([wave, wave + 0.5]) + rng.normal(0, 0.03, (2, 60))
        made = forecast_level(logs, 104, Beliefs.alike(GrowthPrior(0.0, 0.33), 1))
        assert np.abs(made.structural.rate).max() < 0.2
        came = 0.35 * np.sin(2 * np.pi * (60 + np.arange(104)) / WEEKS_PER_YEAR + phase)
        assert np.abs(made.mean[0] - came).mean() < 0.6 * np.abs(came - wave[-4:].mean()).mean()


def test_tenfold_growth_goes_on_and_fades_without_a_saw() -> None:
    t = np.arange(78 + 104)
    logs = np.log(10) * t / 78 + np.random.default_rng(4).normal(0, 0.02, (2, len(t)))
    made = forecast_level(logs[:, :78], 104, Beliefs.alike(GrowthPrior(), 1))
    quarters = made.mean[0].reshape(8, 13).mean(axis=1)
    assert (np.diff(quarters) > 0).all()
    assert (np.diff(quarters, 2) < 0.06).all()
    assert quarters[-1] - logs[0, 77] < np.log(5)


def test_bad_beliefs_are_refused() -> None:
    for fault in ({"per_year": -1.0}, {"sigma": -0.1}, {"common": 1.5}, {"half_life_years": 0.0}, {"doubt": -1.0}):
        with pytest.raises(ValueError, match="allowed"):
            GrowthPrior(**fault)


def curve(kind: str, weeks: int) -> np.ndarray:
    t = np.arange(weeks)
    age = (t - 25) / 8
    return {
        "logistic": np.log(100 / (1 + np.exp(-age))),
        "Gompertz": np.log(100) - np.exp(-age),
        "straight": 0.01 * t,
        "flat": 0.0 * t,
    }[kind]


@pytest.mark.parametrize("kind", ["logistic", "Gompertz", "straight", "flat"])
def test_a_ceiling_is_found_where_there_is_one_and_only_there(kind: str) -> None:
    rng = np.random.default_rng(3)
    whole = curve(kind, 140)
    logs = whole[None, :60] + rng.normal(0, 0.03, (6, 60))
    found = saturation(logs, 80)
    assert found.found.all() == (kind in ("logistic", "Gompertz"))
    assert found.found.any() == (kind in ("logistic", "Gompertz"))
    if kind in ("logistic", "Gompertz"):
        np.testing.assert_allclose(found.growth[:, -1], whole[-1] - whole[59], atol=0.1)
        np.testing.assert_allclose(found.ceiling, np.log(100) - whole[59], atol=0.12)


def test_a_launch_follows_the_launches_that_began_like_it() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(80)
    fast = np.stack([1 + 1.5 * (1 - np.exp(-t / 10)) for _ in range(3)])
    slow = np.stack([1 + 0.3 * (1 - np.exp(-t / 10)) for _ in range(3)])
    others = np.concatenate([fast, slow]) + rng.normal(0, 0.02, (6, 80))
    young = 5 + 1.5 * (1 - np.exp(-t[:8] / 10)) + rng.normal(0, 0.02, 8)
    found = analogue(young, others, 52, GrowthPrior())
    assert found is not None
    assert found.launches == 6
    came = 1.5 * (np.exp(-7 / 10) - np.exp(-59 / 10))
    stays = 0.3 * (np.exp(-7 / 10) - np.exp(-59 / 10))
    assert abs(found.growth[51] - came) < 0.25 * (came - stays)
    assert abs(found.growth[51] - came) < 2 * found.sigma[51]


def test_launches_are_followed_as_far_as_they_are_alike() -> None:
    """From the level of the last two weeks: all the way where launches began alike, half where they are .15 apart."""
    week = np.arange(40, dtype=np.float64)
    rise = 0.02 * week
    wave = 0.15 * np.where(week % 2 < 1, 1.0, -1.0)
    same = analogue(rise[:6], np.stack([rise, rise + 2]), 20, GrowthPrior(0.0, 0.3))
    assert same is not None
    assert same.trust == pytest.approx(1)
    # The present level is that of the middle of the last two weeks, half a week before the last.
    np.testing.assert_allclose(same.growth, 0.02 * (np.arange(1, 21) + 0.5), atol=1e-9)
    other = analogue((rise + wave)[:6], np.stack([rise, rise]), 20, GrowthPrior(0.0, 0.3))
    assert other is not None
    assert other.trust == pytest.approx(0.5)
    np.testing.assert_allclose(other.growth, 0.5 * same.growth, atol=1e-9)
    believed = analogue((rise + 20 * wave)[:6], np.stack([rise, rise]), 52, GrowthPrior(0.5, 0.3))
    assert believed is not None
    assert believed.growth[51] == pytest.approx(np.log(1.5) * 52 / 52.18, rel=0.02)


def test_one_launch_is_not_enough() -> None:
    assert analogue(np.zeros(5), np.zeros((1, 40)), 10, GrowthPrior()) is None
    assert analogue(np.zeros(5), np.zeros((3, 6)), 10, GrowthPrior()) is None


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the open histories are not here")
def test_a_bend_found_in_a_real_recovery_is_worth_following() -> None:
    """Pedestrian counts recovered from lockdowns and levelled off: half a year on, the curve errs less than the line.

    Windows of 30 to 60 weeks all over seven years; a ceiling must be found seldom, and then be right.
    """
    history, _ = read_history(DATA / "akl_ped_a.csv.gz")
    level = weekly_panel(history.values, history.index).level
    belief = GrowthPrior()
    windows = 0
    off: dict[str, list[float]] = {"bent": [], "straight": []}
    for length in (30, 45, 60):
        for begin in range(0, level.shape[1] - length - 26, 23):
            whole = level[:, begin : begin + length + 26]
            rows = np.isfinite(whole).all(axis=1) & (whole.min(axis=1) > 0)
            logs = np.log(whole[rows])
            windows += len(logs)
            found = saturation(logs[:, :length], 26)
            if not found.found.any():
                continue
            known, came = logs[found.found, :length], logs[found.found, length:]
            rate = np.full(len(known), belief.log_rate * min(1.0, 2 - length / 52))
            fit = fit_structural(known, 26, Beliefs.alike(belief, len(known)), rate)
            bent = fit.mean - fit.growth + found.growth[found.found]
            off["bent"] += np.abs(bent - came)[:, 8:].mean(axis=1).tolist()
            off["straight"] += np.abs(fit.mean - came)[:, 8:].mean(axis=1).tolist()
    assert windows > 100
    assert 3 <= len(off["bent"]) <= 0.1 * windows
    assert np.mean(off["bent"]) < np.mean(off["straight"])
