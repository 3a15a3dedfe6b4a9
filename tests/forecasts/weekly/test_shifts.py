"""Level shifts: dated, taken out of the past, and kept from teaching; single wild hours."""

from __future__ import annotations

import numpy as np
import pytest

from forecasts.outlook import FloatArray
from forecasts.weekly.glitches import wild_hours
from forecasts.weekly.growth import Beliefs, GrowthPrior
from forecasts.weekly.level import forecast_level
from forecasts.weekly.shifts import find_steps, moved, untaught

CALM = Beliefs.alike(GrowthPrior(0.0, 0.1), 1)


def rows(level: FloatArray, gap: float = 0.5, noise: float = 0.03, seed: int = 0) -> FloatArray:
    """Level and peak of one series, in logs."""
    rng = np.random.default_rng(seed)
    return np.stack([level, level + gap]) + rng.normal(0, noise, (2, len(level)))


def season(weeks: int) -> FloatArray:
    return 0.2 * np.sin(2 * np.pi * np.arange(weeks) / 52)


@pytest.mark.parametrize("factor", [2.5, 0.4])
@pytest.mark.parametrize("ago", [4, 8, 17, 30])
def test_a_shift_that_stays_is_dated_sized_and_followed(factor: float, ago: int) -> None:
    weeks = 130
    true = season(weeks + 26) + np.where(np.arange(weeks + 26) >= weeks - ago, np.log(factor), 0.0)
    logs = rows(true[:weeks])
    (step,) = find_steps(logs)
    assert abs(step.after - (weeks - ago)) <= 1
    assert weeks - ago - 3 <= step.before < step.after
    assert step.log_size == pytest.approx(np.log(factor), abs=0.06)
    np.testing.assert_allclose(moved(logs, (step,))[0], season(weeks) + np.log(factor), atol=0.15)
    if ago == 17:
        return  # dated and sized; followed is followed
    made = forecast_level(logs, 26, CALM)
    assert np.abs(made.mean[0] - true[weeks:]).mean() < 0.06
    # Neither centre nor spread know the jump any more.
    plain = forecast_level(rows(season(weeks)), 26, CALM)
    assert made.spread[0, 12] < 2 * plain.spread[0, 12]


def test_a_shift_three_weeks_old_is_not_believed_yet() -> None:
    logs = rows(np.where(np.arange(80) >= 77, 1.0, 0.0))
    assert find_steps(logs) == ()


def test_what_comes_every_year_is_season_and_steady_growth_is_no_shift() -> None:
    term = np.where((np.arange(160) % 52) < 20, -0.9, 0.0)
    assert find_steps(rows(term)) == ()
    assert find_steps(rows(np.log(2) * np.arange(60) / 3)) == ()


def test_a_ramp_is_a_step_with_a_way_between() -> None:
    level = np.interp(np.arange(40), [0, 29, 33, 39], [0, 0, np.log(5), np.log(5)])
    logs = rows(level)
    (step,) = find_steps(logs)
    assert step.before <= 30 <= 32 <= step.after
    assert step.log_size == pytest.approx(np.log(5), abs=0.08)
    np.testing.assert_allclose(moved(logs, (step,))[0], np.log(5), atol=0.2)


@pytest.mark.parametrize("way_back", [0, 12])
def test_a_closure_leaves_the_weeks_before_it_where_they_were(way_back: int) -> None:
    level = np.zeros(150)
    level[60:70] = -2.0
    level[70 : 70 + way_back] = np.linspace(-2.0, 0.0, way_back) if way_back else 0.0
    logs = rows(level)
    steps = find_steps(logs)
    assert steps
    assert all(step.until is not None for step in steps)
    calm = moved(logs, steps)
    np.testing.assert_allclose(calm[0, :59], 0.0, atol=0.15)
    np.testing.assert_allclose(calm[0, 90:], 0.0, atol=0.15)
    assert calm[0, 58:70].min() > -1.2


def test_a_deep_drop_of_late_is_not_known_to_last() -> None:
    logs = rows(np.where(np.arange(120) >= 112, -2.2, 0.0))
    (step,) = find_steps(logs)
    assert not step.lasting
    np.testing.assert_array_equal(moved(logs, (step,)), logs)


def test_origins_across_a_shift_teach_nothing() -> None:
    logs = rows(np.where(np.arange(100) >= 60, 1.0, 0.0))
    steps = find_steps(logs)
    silent = untaught(steps, np.array([50, 59, 62, 66, 80]), 2, 26)
    assert silent[0, 0].tolist() == [False] * 10 + [True] * 16
    assert silent[1, :, 1:].all()
    assert silent[2].all()
    assert not silent[3:].any()


def test_one_rows_break_does_not_widen_the_others() -> None:
    """Errors are cut before they are pooled: a row that jumps about by itself is no law for ten calm ones."""
    rng = np.random.default_rng(8)
    calm = np.cumsum(rng.normal(0, 0.02, (10, 130)), axis=1)
    wild = calm[:1].copy()
    wild[0, 60:63] += 6.0
    wild[0, 90:93] -= 6.0
    belief = Beliefs.alike(GrowthPrior(0.0, 0.1), 11)

    def width(last: FloatArray) -> FloatArray:
        level = np.concatenate([calm, last])
        made = forecast_level(np.concatenate([level, level + 0.4]), 26, belief)
        return np.asarray((made.quantile(0.95) - made.mean)[:10].mean(axis=0))

    assert (width(wild) < 1.5 * width(calm[:1] + 0.01)).all()


@pytest.mark.parametrize("hours", [1, 3])
def test_wild_hours_are_replaced_and_surges_are_not(hours: int) -> None:
    rng = np.random.default_rng(1)
    values = 100 + 50 * np.sin(np.arange(20 * 168) * 2 * np.pi / 24) + rng.normal(0, 5, (2, 20 * 168))
    values[0, 1000 : 1000 + hours] = 1e6
    values[1, 1000:1024] *= 12.0  # a day twelve times as busy was demand
    wild, instead = wild_hours(values)
    assert np.flatnonzero(wild[0]).tolist() == list(range(1000, 1000 + hours))
    assert not wild[1].any()
    assert instead[0, 1000] < 200
