"""Quarters ahead beside simple rules, of the sum of each unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import History
from forecasts.outlook import SeriesKey
from forecasts.weekly.quarterpeaks import quantiles_of_quarters, simple_rules


def test_rules_look_back_a_year() -> None:
    past = np.concatenate([np.full(13, 8.0), np.repeat([10.0, 20.0, 30.0, 12.0], 13)])
    rules = simple_rules(past)
    assert rules["last_year"] == pytest.approx([12.0, 24.0, 36.0, 14.4])
    assert rules["last_year_grown"] == pytest.approx([18.0, 36.0, 54.0, 21.6])  # the last quarter: 12 after 8
    assert rules["year_highest"] == pytest.approx([33.0] * 4)
    assert np.isnan(simple_rules(past[-51:])["year_highest"]).all()


def test_quantiles_are_those_of_the_highest_week() -> None:
    drawn = np.zeros((100, 30))
    drawn[:, 5], drawn[:, 20] = np.arange(100), 7.0
    assert quantiles_of_quarters(drawn) == pytest.approx(np.array([[49.5, 89.1, 94.05], [7.0, 7.0, 7.0]]))


def test_an_outlook_says_its_quarters_unit_by_unit() -> None:
    hours = 66 * 168
    index = pd.date_range("2024-01-01", periods=hours, freq="h")
    day = 10 + 4 * np.sin(np.arange(hours) * np.pi / 12)
    values = np.stack([day, 2 * day, 5 * day])
    values[1, : 40 * 168] = np.nan  # a part that began later counts as nothing before
    keys = (SeriesKey("a", "x", "GPU"), SeriesKey("b", "x", "GPU"), SeriesKey("a", "y", "CPU"))
    config = ForecastConfig(futures=1, short_range=False, country=None)
    outlook, _ = make_outlook(History(keys, index, values, np.ones(3)), weeks=27, config=config)
    rows = outlook.provenance["quarters"]
    assert [(row["unit"], row["quarter"], row["start"]) for row in rows] == [
        ("GPU", 1, "2025-04-07"), ("GPU", 2, "2025-07-07"), ("CPU", 1, "2025-04-07"), ("CPU", 2, "2025-07-07"),
    ]  # fmt: skip
    assert rows[2]["year_highest"] == pytest.approx(1.1 * 70, rel=0.01)
    assert rows[0]["year_highest"] == pytest.approx(1.1 * 42, rel=0.01)
    assert rows[0]["last_year"] == pytest.approx(1.2 * 14, rel=0.01)
    for row in rows:
        assert row["p50"] < row["p90"] < row["p95"]
    assert rows[0]["p50"] == pytest.approx(42, rel=0.25)
