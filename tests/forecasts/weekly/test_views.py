"""Views of a weekly course, their election, and what stands in when a fit fails."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasts import forecast
from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import History
from forecasts.outlook import FloatArray, SeriesKey
from forecasts.weekly import level
from forecasts.weekly.growth import Beliefs, GrowthPrior
from forecasts.weekly.level import BUCKETS, HELD, forecast_level
from forecasts.weekly.structural import fit_structural, held_fit
from forecasts.weekly.views import VIEWS, elect, spoken, views_of

NOTHING = GrowthPrior(per_year=0.0, sigma=0.0)


def errors(best: int, origins: int = 6, rows: int = 4) -> FloatArray:
    """(origins, views, rows, 26) errors: 0.1 everywhere, a quarter of that for the best view."""
    out = np.full((origins, len(VIEWS), rows, 26), 0.1)
    out[:, best] = 0.025
    return out


def test_the_view_that_erred_least_is_believed_most_and_shares_add_up() -> None:
    age = np.arange(6.0) * 3
    found = elect(errors(1), age, BUCKETS, 40)
    assert found.now.shape == (len(VIEWS), 4, 40)
    np.testing.assert_allclose(found.now.sum(axis=0), 1)
    np.testing.assert_allclose(found.then.sum(axis=1), 1)
    assert (found.now[1] > 0.85).all()


def test_ranges_are_judged_apart_and_pass_into_each_other() -> None:
    mixed = errors(1)
    mixed[..., 13:] = errors(2)[..., 13:]
    found = elect(mixed, np.zeros(6), BUCKETS, 26)
    assert found.now[1, 0, 0] > 0.8
    assert found.now[2, 0, 25] > 0.8
    between = found.now[1, 0, 11:19]
    assert (np.diff(between) < 0).all()


def test_an_origins_own_errors_stay_out_of_its_shares() -> None:
    odd = errors(1, origins=5)
    odd[2] = errors(2, origins=1)[0]
    found = elect(odd, np.zeros(5), BUCKETS, 26)
    assert (found.then[2][1] > found.then[0][1]).all()
    changed = odd.copy()
    changed[2] *= np.arange(1, len(VIEWS) + 1)[:, None, None]
    np.testing.assert_allclose(elect(changed, np.zeros(5), BUCKETS, 26).then[2], found.then[2])


def test_without_origins_the_belief_stands() -> None:
    found = elect(np.zeros((0, len(VIEWS), 3, 26)), np.zeros(0), BUCKETS, 10)
    assert found.then.shape == (0, len(VIEWS), 3, 26)
    np.testing.assert_allclose(found.now, np.broadcast_to(found.now[:, :1, :1], found.now.shape))
    assert found.now[VIEWS.index("panel"), 0, 0] > found.now[VIEWS.index("Fourier"), 0, 0]


def test_short_rows_have_the_structural_view_only_and_small_panels_no_usual_year() -> None:
    clean = np.random.default_rng(0).normal(0, 0.1, (6, 100))
    clean[1, :60] = np.nan
    structural = np.zeros((6, 20))
    found = views_of(clean, structural)
    assert found.yearly.tolist() == [True, False, True, True, True, True]
    assert (found.paths[:, 1] == 0).all()
    np.testing.assert_array_equal(found.paths[3], found.paths[4])
    names = spoken(np.full((len(VIEWS), 6, 20), 1 / 6), found.yearly)
    assert names[1] == "structural"
    assert "year on year 17 %" in names[0]


def test_the_panel_view_goes_the_usual_way_from_the_rows_own_level() -> None:
    t = np.arange(130)
    season = 0.3 * np.sin(2 * np.pi * t / 52)
    clean = np.concatenate([np.arange(5.0)[:, None] + season[None, :104], np.zeros((5, 104))])
    clean[4, :104] = 9.0  # one row that knows no season
    found = views_of(clean, np.repeat(clean[:, -1:], 26, axis=1))
    way = found.paths[4, :5] - clean[:5, -8:].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(way, np.repeat(way[:1], 5, axis=0), atol=1e-9)
    assert np.ptp(way[4]) > 0.1


def test_a_failed_fit_is_held_named_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(level, "fit_structural", broken)
    logs = 3 + np.random.default_rng(1).normal(0, 0.05, (4, 40))
    made = forecast_level(logs, 30, Beliefs.alike(NOTHING, len(logs) // 2))
    assert all(HELD in name for name in made.method)
    np.testing.assert_allclose(made.mean, logs[:, -4:].mean(axis=1, keepdims=True).repeat(30, axis=1), atol=0.05)
    assert (np.diff(made.spread, axis=1) >= 0).all()
    index = pd.date_range("2025-01-06", periods=20 * 168, freq="h")
    values = np.random.default_rng(2).normal(100, 5, (1, len(index)))
    history = History((SeriesKey("east", "chat"),), index, values, np.ones(1))
    outlook, report = make_outlook(history, weeks=20, config=ForecastConfig(evaluation=10))
    assert HELD in report.method[0]
    assert any("holds its last four weeks" in note for note in outlook.notes)
    assert 80 < outlook.evaluation.level.mean() < 140


def test_the_held_stand_in_errs_as_a_random_walk_does() -> None:
    walk = np.cumsum(np.random.default_rng(3).normal(0, 0.05, (30, 80)), axis=1)
    walk[0, :40] = np.nan
    origins = np.array([50, 60])
    held = held_fit(walk, 12, Beliefs.alike(NOTHING, 30), np.zeros(30), origins)
    fitted = fit_structural(walk, 12, Beliefs.alike(NOTHING, 30), np.zeros(30), origins=origins)
    assert {name: getattr(held, name).shape for name in ("mean", "origin_mean", "innovation", "rate")} == {
        name: getattr(fitted, name).shape for name in ("mean", "origin_mean", "innovation", "rate")
    }
    np.testing.assert_allclose(held.scale, 0.05, rtol=0.5)
    np.testing.assert_allclose(held.spread[:, 11], held.scale * np.sqrt(12))


def test_a_failed_short_range_leaves_the_weekly_course_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(forecast, "forecast_hourly", broken)
    index = pd.date_range("2025-01-06", periods=6 * 168, freq="h")
    history = History((SeriesKey("east", "chat"),), index, np.full((1, len(index)), 7.0), np.ones(1))
    outlook, _ = make_outlook(history, weeks=3, config=ForecastConfig(evaluation=2))
    assert any("short range failed (singular)" in note for note in outlook.notes)
    assert np.isfinite(outlook.central.level).all()
