"""Demand above a ceiling, from the hours below it and the tide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import History
from forecasts.outlook import FloatArray, SeriesKey
from forecasts.weekly.unserved import estimate_demand

WEEKS = 40


def demand(seed: int = 3) -> FloatArray:
    """Forty weeks of a tide that grows by half, hourly."""
    rng = np.random.default_rng(seed)
    t = np.arange(WEEKS * 168)
    tide = (1 + 0.45 * np.sin(2 * np.pi * (t % 24 - 9) / 24)) * np.where((t // 24) % 7 >= 5, 0.85, 1.0)
    return np.asarray(8 * 1.5 ** (t / len(t)) * tide * np.exp(0.05 * rng.standard_normal(len(t))))


@pytest.mark.parametrize("ceiling", [11.5, 13.0])
def test_level_and_peak_come_near_what_was_asked_for(ceiling: float) -> None:
    true = demand()
    cut = true > ceiling
    found = estimate_demand(np.minimum(true, ceiling), cut, 0, np.random.default_rng(1))
    assert found.share == pytest.approx(cut.mean())
    np.testing.assert_array_equal(found.values[~cut], true[~cut])
    assert (found.drawn[cut] >= ceiling * (1 - 1e-9)).all()
    weekly, came = found.values.reshape(WEEKS, 168), true.reshape(WEEKS, 168)
    np.testing.assert_allclose(weekly.mean(axis=1), came.mean(axis=1), rtol=0.04)
    peaks, asked = (np.quantile(part, 0.99, axis=1) for part in (found.drawn.reshape(WEEKS, 168), came))
    np.testing.assert_allclose(peaks, asked, rtol=0.12)
    assert abs(np.log(peaks / asked).mean()) < 0.06
    assert 0.005 < found.doubt < 0.15


def test_the_more_is_cut_off_the_less_is_known() -> None:
    true = demand()
    doubts = [
        estimate_demand(np.minimum(true, cap), true > cap, 0, np.random.default_rng(1)).doubt
        for cap in (13.0, 9.0, 5.5)
    ]
    assert doubts[0] < doubts[1] < doubts[2]
    assert doubts[2] > 0.3


def test_nothing_marked_changes_nothing_and_all_marked_says_so() -> None:
    true = demand()
    none = estimate_demand(true, np.zeros(len(true), dtype=bool), 0, np.random.default_rng(1))
    assert none.values is true
    assert (none.doubt, none.share) == (0.0, 0.0)
    flat = np.full(len(true), 7.0)
    every = estimate_demand(flat, np.ones(len(flat), dtype=bool), 0, np.random.default_rng(1))
    assert every.share == 1
    assert np.isinf(every.doubt)
    np.testing.assert_array_equal(every.values, flat)


def test_a_named_ceiling_lifts_the_outlook_and_is_said() -> None:
    true = demand()
    served = np.minimum(true, 11.5)
    index = pd.date_range("2026-01-05", periods=len(true), freq="h")
    capped = History((SeriesKey("north", "chat"),), index, served[None], np.ones(1))
    marked = replace(capped, censored=(true > 11.5)[None], ceiling=np.full((1, len(true)), 11.5))
    config = ForecastConfig(evaluation=50, short_range=False, country=None)
    below, plain = make_outlook(capped, weeks=4, config=config)
    above, report = make_outlook(marked, weeks=4, config=config)
    present = np.quantile(true[-168:], 0.99)
    assert below.central.peak[0, 0, 0] < 0.85 * present
    assert above.central.peak[0, 0, 0] == pytest.approx(present, rel=0.12)
    assert report.cut_off[0] == pytest.approx((true > 11.5).mean())
    assert plain.cut_off[0] == 0
    assert any("cut off in" in note and "north/chat" in note for note in above.notes)
    assert not any("cut off" in note for note in below.notes)
