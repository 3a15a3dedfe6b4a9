"""Totals that add up."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forecasts.outlook import Futures, Outlook, SeriesKey
from forecasts.weekly.reconcile import coincident_peak, hierarchy, level_totals, reconcile

SERIES = tuple(SeriesKey(r, w, "PFLOPS") for r in ("east", "west") for w in ("chat", "api"))


def test_hierarchy_adds_only_what_shares_a_unit() -> None:
    tree = hierarchy((*SERIES, SeriesKey("east", "batch", "tokens/s")))
    assert [node[:2] for node in tree.nodes[:5]] == [
        ("total", ""),
        ("region", "east"),
        ("region", "west"),
        ("workload", "api"),
        ("workload", "chat"),
    ]
    np.testing.assert_array_equal(tree.sums[[0]].toarray(), [[1, 1, 1, 1, 0]])
    assert len(tree.nodes) == 5 + 5


def test_known_answer_total_between_its_parts() -> None:
    # Two series of 10 and a total of 26, all equally sure: the least-squares answer is 12 each, total 24.
    tree = hierarchy((SeriesKey("a", "x"), SeriesKey("b", "x")))
    assert [n[0] for n in tree.nodes] == ["total", "series", "series"]
    bottom = reconcile(np.array([[26.0], [10.0], [10.0]]), np.ones(3), tree)
    np.testing.assert_allclose(bottom, [[12], [12]])
    sure_total = reconcile(np.array([[26.0], [10.0], [10.0]]), np.array([1e-9, 1, 1]), tree)
    np.testing.assert_allclose(sure_total.sum(), 26, rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(arrays(float, (9, 3), elements=st.floats(-50, 100)))
def test_coherent_non_negative_and_idempotent(base: np.ndarray) -> None:
    tree = hierarchy(SERIES)
    bottom = reconcile(base, np.ones(9), tree)
    assert (bottom >= 0).all()
    again = reconcile(tree.sums @ bottom, np.ones(9), tree)
    np.testing.assert_allclose(again, bottom, atol=1e-7)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="9 nodes"):
        reconcile(np.ones((3, 2)), np.ones(3), hierarchy(SERIES))


def outlook(tide: np.ndarray, level: np.ndarray, peak: np.ndarray) -> Outlook:
    n, weeks = level.shape[1:]
    one = Futures(np.full(len(level), 1 / len(level)), level, peak)
    return Outlook(
        series=tuple(SeriesKey(f"r{i}", "w") for i in range(n)),
        start=datetime(2026, 1, 5),
        timezone="Asia/Shanghai",
        central=Futures(np.ones(1), level[:1], peak[:1]),
        futures=one,
        evaluation=one,
        tide=tide,
        season_of_week=np.zeros(weeks, dtype=np.int64),
        residual=np.zeros((n, 168)),
        burst=np.ones(n),
    )


def test_totals_are_sums_in_every_future() -> None:
    rng = np.random.default_rng(0)
    level = rng.uniform(1, 9, (3, 4, 2))
    tree = hierarchy(SERIES)
    totals = level_totals(Futures(np.full(3, 1 / 3), level, level), tree)
    np.testing.assert_allclose(totals[:, 0], level.sum(axis=1))
    np.testing.assert_allclose(totals[:, 1] + totals[:, 2], totals[:, 0])
    np.testing.assert_allclose(totals[:, 3] + totals[:, 4], totals[:, 0])


def test_peak_of_the_sum_is_what_the_hours_give() -> None:
    hours = np.arange(168)
    tide = np.stack([1 + 0.5 * np.sin(2 * np.pi * (hours - s) / 24) for s in (0, 12, 5)])[:, None, :]
    level = np.array([[[10.0, 12.0], [10.0, 9.0], [4.0, 4.0]]])
    made = outlook(tide, level, level * np.array([1.4, 1.4, 1.5])[None, :, None])
    by_hour = np.stack([made.hourly(w, made.futures, 0).sum(axis=0).max() for w in range(2)])
    np.testing.assert_allclose(coincident_peak(made, made.futures)[0], by_hour, rtol=1e-9)
    # Opposite tides of equal size fill each other's valley.
    np.testing.assert_allclose(coincident_peak(made, made.futures, [0, 1])[0, 0], 20.0)
