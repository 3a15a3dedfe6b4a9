"""Comparison charts on tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from planner.report.figures import ComparisonView, comparison_charts
from planner.words.wording import wording

SCENARIOS = ("jit", "ratio", "cvar")


@pytest.fixture(params=["en", "zh-CN"])
def compared(request: pytest.FixtureRequest) -> ComparisonView:
    cost = {"jit": (90e6, 130e6), "ratio": (100e6, 105e6), "cvar": (110e6, 108e6)}
    best = np.min(list(cost.values()), axis=0)
    statistics = {"mean": 0.5, "p10": 0.1, "p90": 0.9, "cvar": 0.95}
    tables = {
        "scenarios": pd.DataFrame(
            {"scenario": SCENARIOS, "name_en": ["Just in time", "1.2 x", "CVaR"], "name_zh": ["不超前", "适度超前", ""]}
        ),
        "costs": pd.DataFrame(
            [
                {"scenario": s, "statistic": k, "value": c[0] + q * (c[1] - c[0]), "low": min(c), "high": max(c)}
                for s, c in cost.items()
                for k, q in statistics.items()
            ]
        ),
        "futures": pd.DataFrame(
            [
                {"scenario": s, "future": f, "cost": c[f], "regret": c[f] - best[f], "driver": (0.4, 0.1)[f]}
                for s, c in cost.items()
                for f in (0, 1)
            ]
        ),
        "regret": pd.DataFrame(
            {
                "scenario": SCENARIOS, "mean": [12.5e6, 5e6, 11.5e6], "largest": [25e6, 10e6, 20e6],
                "best_in": [0.5, 0.5, 0],
            }
        ),
        "frontier": pd.DataFrame(
            {
                "scenario": SCENARIOS, "idle_cost": [1e6, 4e6, 9e6], "shortfall_cost": [30e6, 5e6, 1e6],
                "on_frontier": [1, 1, 1], "knee": [0, 1, 0],
            }
        ),
        "ahead": pd.DataFrame(
            {
                "scenario": np.repeat(SCENARIOS, 2), "period": [0, 1] * 3,
                "build_ahead_ratio": [1.0, 0.9, 1.2, 1.2, 1.3, 1.4],
            }
        ),
        "sensitivity": pd.DataFrame(
            [
                {"scenario": "ratio", "factor": f, "setting": s, "cost": 1.0, "change": change, "best": best}
                for f, s, change, best in (
                    ("energy_price", "low", -2e6, "ratio"), ("energy_price", "high", 2e6, "ratio"),
                    ("shortfall_cost", "low", -20e6, "jit"), ("shortfall_cost", "high", 20e6, "cvar"),
                )
            ]
        ),
    }  # fmt: skip
    return ComparisonView(tables, ("2027Q1", "2027Q2"), "CNY", wording(request.param))


def test_every_chart_is_drawn_with_its_table_in_both_languages(compared: ComparisonView) -> None:
    charts = comparison_charts(compared)
    assert set(charts) == {"scenario_costs", "regret", "frontier", "ahead", "tornado"}
    for chart in charts.values():
        assert len(chart.table)
        assert any("\u4e00" <= c <= "\u9fff" for c in chart.title) == compared.words.chinese


def test_the_least_mean_cost_leads_the_tornado(compared: ComparisonView) -> None:
    assert compared.best() == "ratio"
    bars = comparison_charts(compared)["tornado"].figure.data
    assert [trace.y[-1] for trace in bars] == [compared.words("factor.shortfall_cost")] * 2  # the widest stands on top
    assert bars[0].x[-1] == pytest.approx(-bars[1].x[-1])


def test_regret_is_ranked_by_the_futures_demand(compared: ComparisonView) -> None:
    heat = comparison_charts(compared)["regret"].figure.data[0]
    scale = 1e8 if compared.words.chinese and heat.colorbar.title.text.startswith("亿") else 1e6
    scale = 1e4 if heat.colorbar.title.text.startswith("万") else scale
    # future 1 is the less demanding one and comes first
    assert np.asarray(heat.z) * scale == pytest.approx(np.array([[25e6, 0.0], [0.0, 10e6], [3e6, 20e6]]))


def test_the_knee_is_ringed_where_the_tables_say(compared: ComparisonView) -> None:
    traces = {trace.name: trace for trace in comparison_charts(compared)["frontier"].figure.data}
    ring, point = traces[compared.words("knee")], traces[compared.name("ratio")]
    assert (ring.x[0], ring.y[0]) == (point.x[0], point.y[0])


def test_a_scenario_without_a_chinese_name_keeps_its_english_one(compared: ComparisonView) -> None:
    assert compared.name("cvar") == "CVaR"


def test_nothing_varied_draws_no_tornado(compared: ComparisonView) -> None:
    tables = {**compared.tables, "sensitivity": compared.tables["sensitivity"].iloc[:0]}
    charts = comparison_charts(ComparisonView(tables, compared.periods, "CNY", compared.words))
    assert "tornado" not in charts
