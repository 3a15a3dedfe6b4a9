"""Marks of demand that was cut off: named by the owner, carried through cuts, maps and dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecasts.history import History, HistoryError
from forecasts.history.ceilings import Ceiling, name_ceilings
from forecasts.outlook import SeriesKey


def history(**rows: list[float]) -> History:
    values = np.array(list(rows.values()), dtype=float)
    index = pd.date_range("2026-03-02", periods=values.shape[1], freq="h")
    return History(tuple(SeriesKey("all", name) for name in rows), index, values, np.ones(len(values)))


def test_nothing_is_marked_unless_a_ceiling_is_named() -> None:
    plain = history(a=[1, 2, 2])
    assert not plain.censored.any()
    assert np.isnan(plain.ceiling).all()


def test_a_number_marks_hours_within_two_percent_of_it() -> None:
    found = name_ceilings(history(a=[5, 9.9, 10, np.nan]), [Ceiling("a", value=10)])
    assert found.censored.tolist() == [[False, True, True, False]]
    assert found.ceiling.tolist() == [[10, 10, 10, 10]]
    assert any("67% of those measured" in note for note in found.notes)


def test_a_series_of_capacity_holds_until_its_next_value_and_is_no_demand() -> None:
    found = name_ceilings(history(a=[4, 8, 8, 12], room=[8, np.nan, np.nan, 16]), [Ceiling("a", capacity="room")])
    assert found.censored.tolist() == [[False, True, True, False]]
    assert [key.workload for key in found.series] == ["a"]


def test_rejected_work_marks_the_hour_without_naming_a_level() -> None:
    found = name_ceilings(history(a=[4, 5, 6], lost=[0, 0.1, 0]), [Ceiling("a", unserved="lost")])
    assert found.censored.tolist() == [[False, True, False]]
    assert np.isnan(found.ceiling).all()


def test_a_part_keeps_its_marks() -> None:
    found = name_ceilings(history(a=[1, 2, 3], b=[3, 3, 1]), [Ceiling("b", value=3)]).part([1], slice(1, 3))
    assert found.censored.tolist() == [[True, False]]
    assert found.values.tolist() == [[3, 1]]


def test_marks_of_another_shape_are_refused() -> None:
    index = pd.date_range("2026", periods=2, freq="h")
    with pytest.raises(ValueError, match="expected"):
        History((SeriesKey("all", "a"),), index, np.ones((1, 2)), np.ones(1), censored=np.ones((1, 3), dtype=bool))


def test_every_ceiling_that_reaches_nothing_is_told() -> None:
    with pytest.raises(HistoryError) as caught:
        name_ceilings(history(a=[1]), [Ceiling("b", value=1), Ceiling("a", capacity="c"), Ceiling("a", value=-1)])
    assert len(caught.value.faults) == 3
