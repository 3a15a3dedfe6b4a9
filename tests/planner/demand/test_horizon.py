"""Typical days: weights add up, volumes and peaks are kept, and given demand is read as stated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.outlook import Futures, Outlook, SeriesKey
from planner.case import Case
from planner.case.errors import PlanError
from planner.demand import quantile
from planner.demand.horizon import DayRules, given_demand, outlook_demand, peak_pflops, period_path
from planner.plan.extract_days import fifo

Document = Callable[..., dict[str, Any]]


def outlook(seed: int = 1, weeks: int = 44, futures: int = 3) -> Outlook:
    rng = np.random.default_rng(seed)
    keys = [SeriesKey(r, w) for r in ("east", "south") for w in ("chat", "batch", "train")]
    n = len(keys)

    def course(count: int) -> Futures:
        level = 50 * np.exp(np.cumsum(rng.normal(0.005, 0.02, (count, n, weeks)), axis=2))
        return Futures(np.full(count, 1 / count), level, level * rng.uniform(1.2, 1.8, (count, n, weeks)))

    hours = np.arange(168)
    shape = 1 + 0.4 * np.sin((hours % 24 - 9) / 24 * 2 * np.pi) * np.where(hours < 120, 1.0, 0.5)
    tide = np.stack([np.roll(shape, 3 * i) for i in range(n)])[:, None]
    return Outlook(
        series=tuple(keys),
        start=datetime(2026, 12, 23),
        timezone="Asia/Shanghai",
        central=course(1),
        futures=course(futures),
        evaluation=course(10),
        tide=tide / tide.mean(axis=2, keepdims=True),
        season_of_week=np.zeros(weeks, int),
        residual=np.full((n, 168), 0.05),
        burst=np.ones(n),
    )


@pytest.fixture(name="case")
def plain_case(small: Document) -> Case:
    document = small()
    del document["demand"]
    return Case.model_validate(document)


def test_weights_add_up_to_the_days_of_each_period(case: Case) -> None:
    demand = outlook_demand(case, outlook())
    assert demand.days.weight.sum(axis=1).tolist() == [case.horizon.days(t) for t in range(3)]
    assert np.allclose(demand.days.calendar.sum(axis=(2, 3))[demand.days.weight > 0], 1)


def test_every_series_keeps_its_volume_in_every_future(case: Case) -> None:
    ahead = outlook()
    demand = outlook_demand(case, ahead)
    for f in range(3):
        for t in range(3):
            path = period_path(case, ahead, ahead.futures, f, t)
            volume = np.einsum("d,wrdh->wr", demand.days.weight[t], demand.values[f, :, :, t])
            for i, key in enumerate(ahead.series):
                w = [x.id for x in case.workloads].index(key.workload)
                r = [x.id for x in case.regions].index(key.region)
                assert volume[w, r] == pytest.approx(path[i].sum(), rel=1e-9)


def test_the_peak_day_of_the_total_is_kept_in_every_future(case: Case) -> None:
    ahead = outlook()
    demand = outlook_demand(case, ahead)
    peaks = peak_pflops(case, demand.values, demand.days.weight, demand.days.step_hours)
    workload = [x.id for x in case.workloads]
    for f in range(3):
        for t in range(3):
            path = period_path(case, ahead, ahead.futures, f, t)
            hourly = np.zeros((3, 2, 1, path.shape[1], 24))
            for i, key in enumerate(ahead.series):
                hourly[workload.index(key.workload), ("east", "south").index(key.region), 0] += path[i]
            whole = peak_pflops(case, hourly[None], np.ones((1, path.shape[1])), np.ones(24))
            assert peaks[f, t] >= whole[0, 0] * (1 - 1e-9)


def test_an_extra_day_stands_for_itself(case: Case) -> None:
    ahead = outlook()
    plain, extra = outlook_demand(case, ahead), outlook_demand(case, ahead, DayRules(extra={1: (17,)}))
    assert extra.days.days == plain.days.days + 1
    assert extra.days.weight[1, 1] == 1
    path = period_path(case, ahead, ahead.futures, 0, 1)
    assert extra.values[0, :, :, 1, 1].sum() == pytest.approx(path[:, 17].sum())
    assert extra.days.weight.sum(axis=1).tolist() == plain.days.weight.sum(axis=1).tolist()


def test_an_outlook_that_does_not_fit_tells_every_fault(case: Case) -> None:
    ahead = outlook(weeks=20)
    odd = Outlook(**{**ahead.__dict__, "series": (SeriesKey("moon", "chat"), *ahead.series[1:])})
    with pytest.raises(PlanError) as caught:
        outlook_demand(case, odd)
    text = str(caught.value)
    assert "moon" in text
    assert "covers" in text


def test_given_demand_is_spread_as_stated(small: Document) -> None:
    document = small()
    document["demand"] = {
        "days": [{"id": "a", "weight_days": [60, 61, 62]}, {"id": "b", "weight_days": 30}],
        "step_hours": [8, 16],
        "futures": [
            {"id": "x", "probability": 0.25, "series": [{"region": "east", "workload": "chat", "values": 7}]},
            {"id": "y", "probability": 0.75, "series": [{"region": "east", "workload": "chat", "values": [3, 5]}]},
        ],
    }
    demand = given_demand(Case.model_validate(document))
    assert demand.probability.tolist() == [0.25, 0.75]
    assert demand.values.shape == (2, 3, 2, 3, 2, 2)
    assert (demand.values[0, 0, 0] == 7).all()
    assert demand.values[1, 0, 0, 2, 1].tolist() == [3, 5]
    assert demand.days.weight.tolist() == [[60, 30], [61, 30], [62, 30]]


def test_weighted_quantiles() -> None:
    values, share = np.array([[3.0], [1.0], [2.0]]), np.array([0.2, 0.5, 0.3])
    assert [quantile(values, share, q)[0] for q in (0.5, 0.51, 0.8, 0.81, 1.0)] == [1, 2, 2, 3, 3]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=6, max_size=6), st.integers(0, 5))
def test_first_in_first_out_keeps_rows_and_columns(arrivals: list[float], delay: int) -> None:
    """Work that leaves `delay` steps after it came: each departure is traced to its own arrival."""
    came = np.array(arrivals)
    left = np.roll(came, delay)
    backlog = float(came[len(came) - delay :].sum()) if delay else 0.0
    moved = fifo(came, left, backlog)
    assert moved.sum(axis=1) == pytest.approx(left, abs=1e-9)
    assert moved.sum(axis=0) == pytest.approx(came, abs=1e-9)
    for step in range(6):
        assert moved[step, (step - delay) % 6] == pytest.approx(left[step], abs=1e-9)
