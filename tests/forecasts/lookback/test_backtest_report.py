"""The back-test: scores with known answers, and the aims on the open histories."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasts.history import History, read_history
from forecasts.lookback.backtest import PointForecast, backtest, seasonal_naive
from forecasts.outlook import FloatArray, SeriesKey

DATA = Path(os.environ.get("TIDEPLAN_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


def panel(values: FloatArray) -> History:
    values = np.atleast_2d(values)
    keys = tuple(SeriesKey("all", f"w{i}") for i in range(len(values)))
    index = pd.date_range("2026-01-05", periods=values.shape[1], freq="h")
    return History(keys, index, values, np.ones(len(values)))


def noisy(weeks: int, series: int = 1, seed: int = 0) -> FloatArray:
    t = np.arange(weeks * 168)
    return 100 + 40 * np.sin(2 * np.pi * t / 24) + 5 * np.random.default_rng(seed).normal(size=(series, len(t)))


@dataclass(frozen=True)
class Fixed:
    """A forecast of one value with a fixed band."""

    mean: FloatArray
    levels: tuple[float, ...]
    quantiles: FloatArray


def test_the_naive_scores_one_against_itself() -> None:
    report = backtest(panel(noisy(8, 3)), forecaster=seasonal_naive)
    assert report.row()["rel"] == pytest.approx(1)
    assert report.row()["mase"] == pytest.approx(1, abs=0.1)
    assert report.row()["coverage80"] is None
    assert all(score.origins == 7 for score in report.series)


def test_scores_of_a_constant_forecast_are_those_by_hand() -> None:
    """Truth alternates 10 and 20 by the week; the forecast is 12 with the band 5 to 15 (80 %) and 0 to 30 (95 %)."""
    values = np.repeat([10.0, 20.0, 10.0, 20.0, 10.0], 168)

    def constant(history: History, hours: int) -> Fixed:
        band = np.array([0.0, 5.0, 15.0, 30.0])
        quantiles = np.broadcast_to(band[None, :, None], (1, 4, hours))
        return Fixed(np.full((1, hours), 12.0), (0.025, 0.1, 0.9, 0.975), quantiles)

    report = backtest(panel(values), forecaster=constant, windows=4)
    score = report.series[0]
    assert score.origins == 4
    assert score.rel == pytest.approx((2 + 8 + 2 + 8) / 4 / 10)
    assert score.coverage80 == pytest.approx(0.5)
    assert score.coverage95 == pytest.approx(1)
    assert score.peak_bias == pytest.approx(((12 / 10 - 1) + (12 / 20 - 1)) / 2)
    by_hand = {
        10.0: 0.025 * 10 + 0.1 * 5 + 0.1 * 5 + 0.025 * 20,
        20.0: 0.025 * 20 + 0.1 * 15 + 0.9 * 5 + 0.025 * 10,
    }
    # The first origin has one week of history, constant: no scale, so that it has no scaled scores.
    scaled = [by_hand[truth] / 4 / 10 for truth in (10.0, 20.0, 10.0)]
    assert score.pinball == pytest.approx(np.mean(scaled))


def test_our_forecast_beats_the_naive_and_covers() -> None:
    report = backtest(panel(noisy(12, 4)), windows=4)
    row = report.row()
    assert row["rel"] < 0.8
    assert 0.75 < row["coverage80"] < 0.93
    assert 0.92 < row["coverage95"] <= 1
    assert [lead.day for lead in report.lead] == [1, 2, 3, 4, 5, 6, 7]
    assert report.series[0].tide_day > 0.9
    assert sum(report.series[0].weights.values()) == pytest.approx(1, abs=0.01)


def test_the_report_is_json_with_the_agreed_keys() -> None:
    report = backtest(panel(noisy(4)), windows=2, name="mine")
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    agreed = {"set", "method", "series", "mase", "rel", "coverage80", "coverage95", "pinball", "peak_rel", "cpu_s"}
    assert agreed <= set(plain)
    assert (plain["set"], plain["series"]) == ("mine", 1)


def test_series_are_judged_on_their_own_spans() -> None:
    values = noisy(8, 2)
    values[1, 5 * 168 :] = np.nan
    report = backtest(panel(values), windows=8)
    assert [score.origins for score in report.series] == [7, 4]


def test_eleven_days_can_be_tested_and_two_cannot() -> None:
    assert backtest(panel(noisy(2)[:, : 11 * 24])).series[0].origins == 1
    with pytest.raises(ValueError, match="long enough"):
        backtest(panel(noisy(1)[:, :48]))


def test_a_forecaster_sees_the_past_only() -> None:
    seen: list[int] = []

    def spy(history: History, hours: int) -> PointForecast:
        seen.append(history.values.shape[1])
        return seasonal_naive(history, hours)

    backtest(panel(noisy(6)), forecaster=spy, windows=3)
    assert seen == [5 * 168, 4 * 168, 3 * 168]


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the open histories are not here")
@pytest.mark.parametrize(
    ("name", "rel"), [("nab_tweets", 0.78), ("ms_purchase_counts", 0.78), ("alibaba_dlrm_2025", 0.55)]
)
def test_open_histories_are_forecast_better_than_by_the_naive(name: str, rel: float) -> None:
    """Guards the figures of docs/forecasting.md with some room; benchmarks/forecast.py measures all sets."""
    history, _ = read_history(DATA / f"{name}.csv.gz")
    assert backtest(history, windows=3).row()["rel"] < rel


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the open histories are not here")
def test_all_open_histories_meet_the_aims() -> None:
    rel: list[float] = []
    covered: list[tuple[float, float]] = []
    for path in sorted(DATA.glob("*.csv.gz")):
        if path.name.startswith("m4"):
            continue
        report = backtest(read_history(path)[0], windows=8)
        rel += [score.rel for score in report.series if np.isfinite(score.rel) and score.rel > 0]
        covered += [(score.coverage80, score.coverage95) for score in report.series]
    assert np.exp(np.mean(np.log(rel))) <= 0.81
    assert max(rel) <= 1.5
    mean80, mean95 = np.mean(covered, axis=0)
    assert 0.77 <= mean80 <= 0.85
    assert 0.92 <= mean95 <= 0.97
