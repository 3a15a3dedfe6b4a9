"""Weekly panels, the structural model against statsmodels, and the long-range course."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from forecasts.outlook import FloatArray
from forecasts.weekly.growth import WEEKS_PER_YEAR, Beliefs, GrowthPrior
from forecasts.weekly.level import _pool, despike, forecast_level, weekly_panel
from forecasts.weekly.structural import covariance, fit_structural
from forecasts.weekly.views import fourier_held, year_on_year

NO_BELIEF = GrowthPrior(per_year=0.0, sigma=0.0)


def test_weeks_end_where_the_outlook_starts_and_peaks_are_the_quantile() -> None:
    index = pd.date_range("2026-01-01 05:00", periods=2 * 168 + 30, freq="h")
    values = np.arange(len(index), dtype=float)[None, :]
    panel = weekly_panel(values, index, quantile=0.99)
    assert panel.start == pd.Timestamp("2026-01-17")
    tail = int((panel.start - index[-1]) / pd.Timedelta(hours=1)) - 1
    last = values[0, -(168 - tail) :]
    assert panel.level[0, -1] == pytest.approx(last.mean(), rel=0.05)
    assert panel.peak[0, -1] == pytest.approx(np.quantile(last, 0.99))
    whole = values[0, -(2 * 168 - tail) : -(168 - tail)]
    assert panel.level[0, -2] == pytest.approx(whole.mean())
    assert panel.peak[0, -2] == pytest.approx(np.quantile(whole, 0.99))
    assert weekly_panel(values, index, quantile=1.0).peak[0, -2] == whole.max()


def test_holes_do_not_bias_the_level() -> None:
    index = pd.date_range("2026-01-05", periods=8 * 168, freq="h")
    values = (1 + 0.5 * np.sin(2 * np.pi * index.hour.to_numpy() / 24))[None, :].repeat(2, axis=0)
    # Every night of the last week is missing in the first series: a plain mean would be off by tens of per cent.
    values[0, -168:][(index[-168:].hour >= 12)] = np.nan
    values[1, -168:-40] = np.nan
    panel = weekly_panel(values, index)
    assert panel.level[0, -1] == pytest.approx(1.0, rel=1e-6)
    assert np.isnan(panel.level[1, -1])
    assert np.isfinite(panel.level[1, :-1]).all()


def test_spikes_are_pulled_in_and_shifts_stay() -> None:
    rng = np.random.default_rng(0)
    logs = rng.normal(0, 0.05, (1, 80))
    logs[0, 40] = 3.0
    logs[0, 60:] += 1.0
    clean = despike(logs)
    assert abs(clean[0, 40]) < 0.5
    np.testing.assert_allclose(clean[0, 62:].mean(), logs[0, 62:].mean(), atol=0.05)


def simulated(seed: int, weeks: int, yearly: float = 0.3) -> FloatArray:
    rng = np.random.default_rng(seed)
    ar = np.zeros(weeks)
    for t in range(1, weeks):
        ar[t] = 0.5 * ar[t - 1] + rng.normal(0, 0.08)
    return np.cumsum(rng.normal(0, 0.02, weeks)) + ar + yearly * np.sin(2 * np.pi * np.arange(weeks) / WEEKS_PER_YEAR)


def test_growth_at_the_end_is_no_spike_and_a_last_week_alone_is_one() -> None:
    weeks = np.arange(30.0)
    rng = np.random.default_rng(2)
    grows, alone = 0.23 * weeks, np.where(weeks == 29, 3.0, 0.0)
    logs = np.stack([grows, -grows, alone]) + rng.normal(0, 0.005, (3, 30))
    clean = despike(logs)
    np.testing.assert_allclose(clean[:2, -3:], logs[:2, -3:], atol=0.01)
    assert clean[2, -1] < 0.1


def test_the_structural_model_forecasts_like_statsmodels() -> None:
    """Same model class, two roads: grid likelihood and statsmodels' maximum likelihood agree, and err alike."""
    ours, theirs, apart = [], [], []
    for seed in range(12):
        y = simulated(seed, 66, yearly=0.0)
        known, came = y[:50], y[50:]  # below a year, where neither has a yearly part
        fit = fit_structural(known[None, :], 16, Beliefs.alike(NO_BELIEF, 1), np.zeros(1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = sm.tsa.UnobservedComponents(known, "rwalk", autoregressive=1)
            reference = model.fit(disp=0, maxiter=100).forecast(16)
        ours.append(np.abs(fit.mean[0] - came).mean())
        theirs.append(np.abs(reference - came).mean())
        apart.append(np.abs(fit.mean[0] - reference).mean())
    assert np.mean(ours) <= 1.1 * np.mean(theirs)
    assert np.mean(apart) <= 0.6 * np.mean(theirs)


def test_a_rolling_origin_is_the_forecast_that_the_shorter_history_gives() -> None:
    y = np.stack([simulated(1, 90), simulated(2, 90)])
    y[1, :10] = np.nan
    whole = fit_structural(y, 30, Beliefs.alike(GrowthPrior(), 2), np.full(2, 0.1), origins=np.array([70, 80]))
    short = fit_structural(y[:, :80], 30, Beliefs.alike(GrowthPrior(), 2), np.full(2, 0.1))
    np.testing.assert_allclose(whole.origin_mean[1, :, :10], short.mean[:, :10], rtol=1e-6, atol=1e-8)
    assert np.isnan(whole.origin_mean[1, :, 10:]).all()  # weeks that have not come cannot be judged
    # How much of the year was already known is taken as it is now, which moves the spread by a few per cent.
    np.testing.assert_allclose(whole.origin_spread[1, :, :10], short.spread[:, :10], rtol=0.06)


def test_covariance_is_that_of_its_parts() -> None:
    cov = covariance(4, 0.5, 0.0, 0.0)
    np.testing.assert_allclose(cov, np.eye(4) + 0.5 * np.minimum.outer(range(1, 5), range(1, 5)), atol=1e-7)
    np.testing.assert_allclose(np.diag(covariance(60, 0.0, 0.7, 6.0)), 7.0, atol=1e-6)


def test_innovations_of_the_right_model_are_white() -> None:
    rng = np.random.default_rng(5)
    fit = fit_structural(
        np.cumsum(rng.normal(0, 0.1, (20, 120)), axis=1), 4, Beliefs.alike(NO_BELIEF, 20), np.zeros(20)
    )
    lagged = np.mean([np.corrcoef(row[1:-1], row[2:])[0, 1] for row in fit.innovation])
    assert abs(lagged) < 0.15
    assert fit.innovation[:, 1:].std() == pytest.approx(1.0, abs=0.25)


def test_year_on_year_repeats_last_year_and_damps_growth() -> None:
    t = np.arange(160)
    logs = (np.log1p(0.2) * t / 52 + np.where(t % 52 < 26, 0.2, 0.0))[None, :]
    ahead = year_on_year(logs, 110)
    flat = logs[0, 160 - 52 : 160 - 52 + 40]
    np.testing.assert_allclose(ahead[0, 5:14] - flat[5:14], 0.5 * np.log1p(0.2), atol=0.02)
    np.testing.assert_allclose(ahead[0, 57:66], ahead[0, 5:14], atol=0.02)


def test_fourier_keeps_the_level_and_the_wave() -> None:
    t = np.arange(240)
    wave = 0.4 * np.cos(2 * np.pi * t / WEEKS_PER_YEAR)
    found = fourier_held((2 + wave)[None, :200], 40)
    np.testing.assert_allclose(found[0], 2 + wave[200:], atol=0.05)


def test_intervals_hold_what_they_say_out_of_sample() -> None:
    """30 series whose future is drawn from the same law: 80 % and 95 % cover about that at every range."""
    rng = np.random.default_rng(11)
    logs = np.cumsum(rng.normal(0, 0.04, (60, 156)), axis=1) + rng.normal(0, 0.05, (60, 156))
    made = forecast_level(logs[:, :130], 26, Beliefs.alike(NO_BELIEF, len(logs) // 2))
    came = logs[:, 130:]
    for begin, end in ((0, 4), (4, 13), (13, 26)):
        part = slice(begin, end)
        inside80 = (came >= made.quantile(0.1)) & (came <= made.quantile(0.9))
        inside95 = (came >= made.quantile(0.025)) & (came <= made.quantile(0.975))
        assert 0.68 <= inside80[:, part].mean() <= 0.92
        assert 0.83 <= inside95[:, part].mean() <= 0.995


@pytest.mark.parametrize("weeks", [1, 2, 5, 20, 60, 110])
def test_any_length_gives_a_finite_course_and_names_its_method(weeks: int) -> None:
    rng = np.random.default_rng(weeks)
    made = forecast_level(rng.normal(3, 0.1, (4, weeks)), 160, Beliefs.alike(GrowthPrior(), 2))
    assert np.isfinite(made.mean).all()
    assert (made.spread > 0).all()
    assert (np.diff([made.quantile(p) for p in (0.025, 0.1, 0.5, 0.9, 0.975)], axis=0) >= 0).all()
    assert all("structural" in name for name in made.method)
    assert ("Fourier" in made.method[0]) == (weeks >= 60)


def test_the_first_range_is_believed_wider_until_errors_are_many() -> None:
    rng = np.random.default_rng(2)
    few, many = (rng.normal(size=(8, rows, 13)) for rows in (1, 400))
    few[:, :, 8:] = np.nan
    age = np.arange(8)[::-1] * 4.0
    table, count = _pool(few, age)
    width = table[:, -2] - table[:, 1]
    assert count[:3].tolist() == [32, 32, 0]
    assert 1.1 < width[0] / (2 * 1.96) < 1.4
    assert width[1] < width[0]
    np.testing.assert_allclose(width[3], width[2])
    wide = _pool(many, age)[0]
    np.testing.assert_allclose(wide[0, -2] - wide[0, 1], 2 * 1.96, rtol=0.06)
