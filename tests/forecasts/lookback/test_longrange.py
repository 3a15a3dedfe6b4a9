"""Quarters looked back on: orders against what came, by hand, and the tables that charts are drawn from."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import History
from forecasts.lookback.backtest import SeriesScore, backtest
from forecasts.lookback.quarters import TOTAL, backtest_quarters
from forecasts.lookback.tables import BAND_COLUMNS, TIDE_COLUMNS, by_workload, history_with_band, tide_table
from forecasts.outlook import FloatArray, SeriesKey

TIDE = 1 + 0.5 * np.sin(2 * np.pi * (np.arange(168) % 24 - 8) / 24)
QUIET = ForecastConfig(short_range=False, country=None, evaluation=60)


def panel(weekly: FloatArray, units: tuple[str, ...] = ("PFLOPS", "PFLOPS")) -> History:
    """Two series whose weekly levels are given, (series, weeks), each week with the same tide."""
    values = (weekly[:, :, None] * TIDE).reshape(len(weekly), -1)
    index = pd.date_range("2025-01-06", periods=values.shape[1], freq="h")
    keys = tuple(SeriesKey("east", f"w{i}", unit) for i, unit in enumerate(units))
    return History(keys, index, values, np.ones(len(weekly)))


def calm(weeks: int = 60, seed: int = 0) -> FloatArray:
    return 100 * np.exp(np.random.default_rng(seed).normal(0, 0.02, (2, weeks)))


def test_a_jump_that_nobody_foresaw_is_short_by_what_it_was_more_than_ordered() -> None:
    weekly = calm()
    weekly[:, 40:] *= 3.0  # within the quarter that begins in week 34
    report = backtest_quarters(panel(weekly), windows=2, config=QUIET)
    assert report.origins == 2
    whole = report.quarters[report.quarters["workload"] == TOTAL].sort_values(["origin", "start"])
    # Origins at week 34 (two quarters follow) and week 47 (one): only the first origin did not see the jump.
    assert len(whole) == 3
    came = [weekly[:, 34:47].sum(axis=0).max() * np.quantile(TIDE, 0.99), weekly[:, 47:].sum(axis=0).max()]
    np.testing.assert_allclose(whole["came"].iloc[0], came[0], rtol=0.01)
    first = whole.iloc[0]
    assert first["short"] == pytest.approx(first["came"] / first["ordered"] - 1)
    (found,) = report.shortfall
    assert found.quarters == 3
    assert found.short == int((whole["short"] > 0).sum()) >= 2
    assert found.worst_short == pytest.approx(whole["short"].max())
    short = whole.loc[whole["short"] > 0, "short"]
    assert f"short by {short.mean():.1%} (at most {short.max():.1%}) in {len(short)} of 3" in report.sentences()[0]


def test_calm_demand_is_never_short_and_says_what_was_spare() -> None:
    report = backtest_quarters(panel(calm()), windows=2, config=QUIET)
    (found,) = report.shortfall
    assert (found.short, found.mean_short, found.worst_short) == (0, 0.0, 0.0)
    assert "in none of 3 quarters" in report.sentences()[0]
    whole = report.quarters[report.quarters["workload"] == TOTAL]
    assert found.spare == pytest.approx((1 - whole["came"] / whole["ordered"]).mean())
    assert [(r.first, r.last) for r in report.ranges] == [(1, 4), (5, 8), (9, 13), (14, 26)]
    assert all(0 <= r.coverage80 <= r.coverage95 <= 1 for r in report.ranges)


def test_only_what_shares_a_unit_is_ordered_together() -> None:
    report = backtest_quarters(panel(calm(), ("PFLOPS", "GB/s")), windows=1, config=QUIET)
    assert [one.unit for one in report.shortfall] == ["PFLOPS", "GB/s"]
    total = report.peaks[(report.peaks["workload"] == TOTAL) & (report.peaks["unit"] == "GB/s")]
    single = report.peaks[report.peaks["workload"] == "w1"]
    np.testing.assert_allclose(total["came"].to_numpy(), single["came"].to_numpy())


def test_weeks_that_were_not_measured_judge_nothing() -> None:
    history = panel(calm())
    history.values[:, 50 * 168 : 51 * 168] = np.nan
    report = backtest_quarters(history, windows=1, config=QUIET)
    assert report.quarters.empty
    assert report.peaks["came"].isna().sum() == 3  # two series and their total
    assert report.shortfall == ()


def test_a_short_history_says_that_it_is_short() -> None:
    report = backtest_quarters(panel(calm(30)), config=QUIET)
    assert report.origins == 0
    assert "Too short" in report.sentences()[0]
    with pytest.raises(ValueError, match="allowed"):
        backtest_quarters(panel(calm()), windows=0)


def test_the_back_test_carries_the_quarters_in_its_notes_and_json() -> None:
    report = backtest(panel(calm(45)), windows=1, quarters=1)
    assert report.quarters is not None
    assert report.notes[-1] == report.quarters.sentences()[0]
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert plain["quarters"]["shortfall"][0]["quarters"] == 1
    assert plain["quarters"]["sentences"] == list(report.quarters.sentences())
    assert backtest(panel(calm(8)), windows=1).to_json()["quarters"] is None


def test_scores_by_series_and_workload_are_those_of_their_own_weeks() -> None:
    weekly = calm()
    weekly[1, 34:] *= 2.0  # the second series alone doubles where the first origin stands
    report = backtest_quarters(panel(weekly), windows=2, config=QUIET)
    assert [(one.region, one.workload) for one in report.series] == [("east", "w0"), ("east", "w1")]
    assert [(one.region, one.workload) for one in report.workloads] == [("", "w0"), ("", "w1")]
    for one in report.series:
        mine = report.peaks[(report.peaks["workload"] == one.workload) & report.peaks["came"].notna()]
        assert one.weeks == len(mine) == 39
        assert one.bias == pytest.approx((mine["p50"] / mine["came"] - 1).mean())
        inside = (mine["came"] >= mine["low80"]) & (mine["came"] <= mine["high80"])
        assert one.coverage80 == pytest.approx(inside.mean())
        error, naive = (mine["p50"] - mine["came"]).abs().sum(), (mine["four_weeks"] - mine["came"]).abs().sum()
        assert one.rel == pytest.approx(error / naive)
    assert report.series[1].bias < -0.2 < report.series[0].bias
    # One region: a workload's score is its only series'.
    assert report.workloads[0].rel == report.series[0].rel
    told = report.to_json()
    assert [row["workload"] for row in told["by_series"]] == ["w0", "w1"]
    json.dumps(told, allow_nan=False)
    nothing = backtest_quarters(panel(calm(30)), config=QUIET)
    assert nothing.series == nothing.workloads == ()


def test_workloads_are_scored_over_their_regions() -> None:
    def score(region: str, workload: str, rel: float, coverage: float) -> SeriesScore:
        return SeriesScore(region, workload, 4, 1.0, rel, coverage, 0.95, 0.3, 0.0, 1.0, 1.0, 0.5, 0.2, {})

    rows = by_workload(
        [score("a", "chat", 0.5, 0.7), score("b", "batch", 0.8, 0.8), score("c", "chat", 2.0, float("nan"))]
    )
    assert [(row["workload"], row["series"]) for row in rows] == [("chat", 2), ("batch", 1)]
    assert rows[0]["rel"] == pytest.approx(1.0)  # the geometric mean of a half and two
    assert rows[0]["coverage80"] == pytest.approx(0.7)
    (empty,) = by_workload([score("a", "chat", float("nan"), float("nan"))])
    assert empty["rel"] is None
    assert empty["coverage80"] is None


def test_chart_tables_hold_history_then_band_and_every_hour_of_the_tide() -> None:
    outlook, report = make_outlook(panel(calm(30)), weeks=6, config=QUIET)
    table = history_with_band(outlook, report)
    assert tuple(table.columns) == BAND_COLUMNS
    peak = table[(table["workload"] == "w1") & (table["what"] == "peak")]
    assert len(peak) == 36
    assert peak["start"].iloc[30] == pd.Timestamp(outlook.start)
    np.testing.assert_array_equal(peak["measured"].to_numpy()[:30], report.history.peak[1])
    np.testing.assert_array_equal(peak["p50"].to_numpy()[30:], outlook.central.peak[0, 1])
    ahead = peak.iloc[30:]
    assert (ahead["low95"] <= ahead["low80"]).all()
    assert (ahead["high80"] <= ahead["high95"]).all()
    tide = tide_table(outlook)
    assert tuple(tide.columns) == TIDE_COLUMNS
    one = tide[(tide["workload"] == "w0") & (tide["season"] == 1) & (tide["weekday"] == 6) & (tide["hour"] == 23)]
    assert one["ratio"].item() == outlook.tide[0, 1, 167]
