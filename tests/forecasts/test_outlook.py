"""The outlook's own arithmetic: shapes that meet their peak, weekdays, faults, and files."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasts.outlook import Futures, Outlook, OutlookError, SeriesKey


def outlook(tide: np.ndarray, level: float, peak: float, start: datetime = datetime(2026, 1, 5)) -> Outlook:
    one = Futures(np.ones(1), np.full((1, 1, 2), level), np.full((1, 1, 2), peak))
    return Outlook(
        series=(SeriesKey("r", "w", "PFLOPS"),),
        start=start,
        timezone="Asia/Shanghai",
        central=one,
        futures=one,
        evaluation=one,
        tide=(tide / tide.mean())[None, None, :],
        season_of_week=np.zeros(2, dtype=np.int64),
        residual=np.full((1, 168), 0.1),
        burst=np.ones(1),
    )


DAY = 1 + 0.5 * np.sin(2 * np.pi * (np.arange(168) - 14) / 24)


@settings(deadline=None)
@given(st.floats(1.0, 6.0), st.floats(0.1, 1e5))
def test_a_week_has_its_level_and_its_peak(ratio: float, level: float) -> None:
    made = outlook(DAY, level, level * ratio)
    hours = made.hourly(0, made.futures, 0)
    assert hours.min() >= 0
    assert hours.max() == pytest.approx(level * ratio, rel=1e-9)
    assert hours.mean() == pytest.approx(level, rel=1e-6)


def test_a_series_without_a_tide_has_one_busy_hour_a_day() -> None:
    hours = outlook(np.ones(168), 10.0, 15.0).hourly(0, outlook(np.ones(168), 10.0, 15.0).futures, 0)
    assert hours.max() == pytest.approx(15.0)
    assert hours.mean() == pytest.approx(10.0)
    assert (hours == hours.max()).sum() == 7


def test_the_week_begins_on_the_outlooks_weekday() -> None:
    weekend = np.where(np.arange(168) >= 120, 0.5, 1.2)
    made = outlook(weekend, 10, 12, datetime(2026, 1, 10))
    assert made.start.weekday() == 5
    hours = made.hourly(0, made.futures, 0)[0]
    assert hours[:48].max() < hours[48:].min()


def test_files_come_back_as_they_were_and_have_one_form(tmp_path: Path) -> None:
    made = replace(outlook(DAY, 3, 5), notes=("假设", "assumed"), provenance={"seed": 1})
    made.save(tmp_path / "a")
    made.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    back = Outlook.load(tmp_path / "a")
    np.testing.assert_array_equal(back.tide, made.tide)
    np.testing.assert_array_equal(back.futures.peak, made.futures.peak)
    assert (back.series, back.start, back.notes, back.provenance) == (
        made.series,
        made.start,
        made.notes,
        made.provenance,
    )
    (tmp_path / "c").write_bytes(b"no zip")
    with pytest.raises(OutlookError, match="not an outlook"):
        Outlook.load(tmp_path / "c")


def test_parts_that_do_not_fit_are_refused() -> None:
    made = outlook(DAY, 3, 5)
    with pytest.raises(OutlookError, match="mean 1"):
        replace(made, tide=made.tide * 2)
    with pytest.raises(OutlookError, match="season_of_week"):
        replace(made, season_of_week=np.array([0, 1]))
    with pytest.raises(OutlookError, match="peak not below level"):
        Futures(np.ones(1), np.full((1, 1, 1), 2.0), np.ones((1, 1, 1)))
    with pytest.raises(OutlookError, match="add up to 1"):
        Futures(np.full(2, 0.4), np.ones((2, 1, 1)), np.ones((2, 1, 1)))
