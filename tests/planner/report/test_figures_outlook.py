"""Charts of an outlook: the band holds every future, the week's tide is the outlook's own."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from forecasts.outlook import Futures, Outlook, SeriesKey
from planner.report.figures import tide_heat, weekly_peak
from planner.words.wording import wording


@pytest.fixture
def outlook() -> Outlook:
    tide = np.ones(168)
    tide[20::24] = 3.0
    tide /= tide.mean()
    level = np.full((2, 1, 4), 10.0)
    peak = np.array([[[20.0, 21, 22, 23]], [[30.0, 32, 34, 36]]])
    return Outlook(
        series=(SeriesKey("east", "chat", "req/s"),), start=datetime(2027, 1, 4), timezone="Asia/Shanghai",
        central=Futures(np.ones(1), level[:1], peak[:1] + 2), futures=Futures(np.array([0.6, 0.4]), level, peak),
        evaluation=Futures(np.ones(1), level[:1], peak[:1]), tide=tide[None, None],
        season_of_week=np.zeros(4, np.int64), residual=np.zeros((1, 168)), burst=np.ones(1),
    )  # fmt: skip


def test_the_band_runs_from_the_lowest_to_the_highest_future(outlook: Outlook) -> None:
    chart = weekly_peak(outlook, 0, wording("en"), measured=np.array([18.0, 19.0]))
    assert chart.table["low (req/s)"].iloc[2:].tolist() == [
        20.0, 21.0, 22.0, 23.0,
    ]  # fmt: skip
    assert chart.table["week"].tolist()[:3] == ["2026-12-21", "2026-12-28", "2027-01-04"]
    assert chart.figure.data[-1].y[0] == 22.0
    assert chart.title.endswith("east / chat")


def test_the_tide_of_the_week_is_seven_days_of_hours(outlook: Outlook) -> None:
    heat = tide_heat(outlook, 0, wording("zh")).figure.data[0]
    z = np.asarray(heat.z)
    assert z.shape == (7, 24)
    assert z.mean() == pytest.approx(1.0)
    assert (z.argmax(axis=1) == 20).all()
