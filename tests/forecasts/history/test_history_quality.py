"""The quality report: what was planted is found, and clean data stay clean."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from forecasts.history import read_history
from forecasts.history.asked import Reading
from forecasts.history.quality import find_level_shifts, find_outliers, find_suspects
from forecasts.outlook import FloatArray


def tidal(weeks: int, seed: int = 0) -> FloatArray:
    hours = np.arange(weeks * 168)
    noise = np.random.default_rng(seed).normal(0, 2, len(hours))
    return np.asarray(100 + 40 * np.sin(2 * np.pi * hours / 24) + noise)


def frame_of(values: FloatArray) -> pd.DataFrame:
    stamps = pd.date_range("2026-01-05", periods=len(values), freq="h")
    return pd.DataFrame({"timestamp": stamps, "series": "a", "value": values})


def test_clean_data_raise_no_suspicion() -> None:
    values = tidal(10)
    _, report = read_history(frame_of(values))
    one = report.series[0]
    assert (one.stuck, one.outage, one.outliers, one.level_shifts, one.missing) == (0, 0, 0, (), 0)
    assert report.sentences() == ("Read as long table (data frame): 1,680 rows",)


def test_a_stuck_sensor_is_masked_to_the_hour() -> None:
    values = tidal(6)
    values[200:240] = values[200]
    history, report = read_history(frame_of(values))
    assert report.series[0].stuck == 40
    assert np.flatnonzero(np.isnan(history.values[0])).tolist() == list(range(200, 240))
    kept, _ = read_history(frame_of(values), asked=Reading(suspect="keep"))
    assert np.isfinite(kept.values).all()


def test_a_constant_series_is_not_stuck() -> None:
    assert not find_suspects(np.full((1, 500), 7.0)).stuck.any()


def test_an_outage_is_masked_but_quiet_nights_are_not() -> None:
    values = tidal(6)
    values[300:310] = 0
    assert np.flatnonzero(find_suspects(values[None]).outage[0]).tolist() == list(range(300, 310))
    nights = np.where(np.arange(1008) % 24 < 6, 0.0, tidal(6))
    assert not find_suspects(nights[None]).outage.any()


def test_a_spike_is_an_outlier() -> None:
    values = tidal(8)
    values[700] = 900
    assert np.flatnonzero(find_outliers(values[None])[0]).tolist() == [700]


def test_a_level_shift_is_dated() -> None:
    values = tidal(20)
    values[10 * 168 :] *= 3
    index = pd.date_range("2026-01-05", periods=len(values), freq="h")
    (shift,) = find_level_shifts(values, index)
    assert abs((pd.Timestamp(shift.day) - index[10 * 168]).days) <= 7
    assert 2.5 < shift.ratio < 3.5


def test_the_report_is_json() -> None:
    _, report = read_history(frame_of(tidal(3)))
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["series"][0]["measured"] == 504
