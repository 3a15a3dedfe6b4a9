"""Series laid onto workloads and regions, and dates brought in line with a horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecasts.history import History, HistoryError
from forecasts.history.mapping import align_history, map_history, outlook_weeks
from forecasts.outlook import SeriesKey

WORKLOADS = {"chat": "PFLOPS", "batch": "PFLOPS"}


@dataclass(frozen=True)
class Rule:
    series: str
    workload: str
    region: str | None = None
    share: Mapping[str, float] = field(default_factory=dict)
    scale: float = 1.0
    scale_note: str = ""
    ceiling: float | None = None
    ceiling_series: str | None = None
    unserved_series: str | None = None


def history(names: list[tuple[str, str]], hours: int = 48, start: str = "2026-01-05") -> History:
    index = pd.date_range(start, periods=hours, freq="h")
    values = np.arange(1, len(names) + 1)[:, None] * np.ones(hours)
    return History(tuple(SeriesKey(r, w) for r, w in names), pd.DatetimeIndex(index), values, np.ones(len(names)))


def test_patterns_scale_and_add_up() -> None:
    found = map_history(
        history([("all", "m-small/1"), ("all", "m-small/2"), ("all", "other")]),
        [Rule("m-small/*", "chat", "east", scale=0.5), Rule("other", "batch", share={"east": 1, "south": 3})],
        regions=["east", "south"],
        workloads=WORKLOADS,
    )
    by_key = dict(zip(found.series, found.values[:, 0], strict=True))
    assert by_key == {
        SeriesKey("east", "chat", "PFLOPS"): 1.5,
        SeriesKey("east", "batch", "PFLOPS"): 0.75,
        SeriesKey("south", "batch", "PFLOPS"): 2.25,
    }
    assert any("times 0.5" in note for note in found.notes)


def test_an_hour_counts_only_when_every_part_has_it() -> None:
    source = history([("all", "a"), ("all", "b")])
    source.values[0, 3] = np.nan
    found = map_history(source, [Rule("?", "chat", "east")], regions=["east"], workloads=WORKLOADS)
    assert np.isnan(found.values[0, 3])
    assert found.values[0, 4] == 3


def test_every_fault_of_the_rules_is_told_at_once() -> None:
    rules = [Rule("nothing", "chat", "east"), Rule("a", "talk", "moon"), Rule("a", "chat")]
    with pytest.raises(HistoryError) as caught:
        map_history(history([("all", "a")]), rules, regions=["east"], workloads=WORKLOADS)
    said = " | ".join(str(f) for f in caught.value.faults)
    for part in ("no series of that name", "workload 'talk'", "region 'moon'", "neither region nor share"):
        assert part in said


def test_known_series_need_no_rules_and_unknown_ones_are_named() -> None:
    source = history([("east", "chat"), ("east", "batch")])
    assert [k.unit for k in map_history(source, [], regions=["east"], workloads=WORKLOADS).series] == ["PFLOPS"] * 2
    with pytest.raises(HistoryError, match="west/chat"):
        map_history(history([("west", "chat")]), [], regions=["east"], workloads=WORKLOADS)


def test_series_that_no_rule_names_are_said_to_be_left_out() -> None:
    found = map_history(
        history([("all", "a"), ("all", "b")]), [Rule("a", "chat", "east")], regions=["east"], workloads=WORKLOADS
    )
    assert "left out: b" in found.notes[-1]


def test_a_history_that_ends_before_the_horizon_stays_where_it_is() -> None:
    source = history([("east", "chat")], start="2026-10-01")
    assert align_history(source, date(2027, 1, 1)).index.equals(source.index)


def test_an_old_history_is_moved_by_whole_years_of_weeks() -> None:
    source = history([("east", "chat")], start="2012-01-02")
    moved = align_history(source, date(2027, 1, 1))
    shift = moved.index[0] - source.index[0]
    assert shift % pd.Timedelta(days=364) == pd.Timedelta(0)
    assert pd.Timedelta(0) <= pd.Timestamp(2027, 1, 1) - moved.index[-1] <= pd.Timedelta(days=365)
    assert "were moved" in moved.notes[0]


def test_hours_inside_the_horizon_are_cut_off() -> None:
    source = history([("east", "chat")], hours=24 * 60, start="2026-12-01")
    cut = align_history(source, date(2027, 1, 1))
    assert cut.index[-1] == pd.Timestamp("2026-12-31 23:00")
    assert "left out" in cut.notes[-1]


def test_weeks_reach_the_end_of_the_horizon() -> None:
    source = history([("east", "chat")], start="2026-12-30")
    weeks = outlook_weeks(source, date(2028, 1, 1))
    assert source.index[-1] + pd.Timedelta(weeks=weeks) >= pd.Timestamp(2028, 1, 1)
    assert weeks <= 55
