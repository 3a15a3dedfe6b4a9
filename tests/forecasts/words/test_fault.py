"""Faults of readers and forecasts are said in both languages where they are found."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasts.calendar.events import Event
from forecasts.fault import FaultsError
from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import History, read_history
from forecasts.history.asked import reading_of_texts
from forecasts.outlook import SeriesKey
from forecasts.words.fault import fault_of
from forecasts.words.note import note

CHINESE = re.compile("[\u4e00-\u9fff]")
ROOT = Path(__file__).parents[3]


def test_a_fault_has_place_finding_and_allowance_in_both_languages() -> None:
    fault = fault_of(note("fault.at_series", names="a"), "fault.negative", n=3, usable=1)
    assert str(fault) == (
        "series a: found 3 negative values, 1 usable hour; allowed: demand of at least 0 (is the sign turned?)"
    )
    own = fault.told("zh-CN")
    assert (own.where, own.found, own.allowed) == (
        "序列 a",
        "3 个负值，1 个可用小时",
        "不小于 0 的需求（符号是否颠倒？）",
    )
    moved = fault.moved("End")
    assert (moved.where, moved.told("zh").where, moved.told("zh").found) == ("End", "End", own.found)


def test_every_fault_of_the_forecasts_comes_from_the_catalogue() -> None:
    made = re.compile(r"(?<![A-Za-z_.])Fault\(")
    plain = [str(p) for p in (ROOT / "forecasts").rglob("*.py") if made.search(p.read_text("utf-8"))]
    assert plain == [str(ROOT / "forecasts" / "words" / "fault.py")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "moment,amount\nx,y\n",
        "timestamp,series,value\n2026-01-01 00:00,a,x\n",
        "timestamp,series,value\nyesterday,a,1\n",
        "timestamp,series,value,value\n2026-01-01 00:00,a,1,2\n",
        "timestamp,series,value\n2026-01-01 00:00,a,-5\n2026-01-01 01:00,a,-5\n",
        "timestamp,series,value\n01/02/2026 10:00,a,1\n",
        '{"odd": 1}',
        '{"MetricDataResults": 3}',
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_chinese_too(text: str) -> None:
    with pytest.raises(FaultsError) as error:
        read_history(text.encode())
    for fault in error.value.faults:
        own = fault.told("zh-CN")
        assert CHINESE.search(own.found + own.allowed), fault
        assert not CHINESE.search(str(fault))


def test_what_makes_an_outlook_impossible_is_said_in_chinese_too() -> None:
    index = pd.date_range("2026-01-01", periods=48, freq="h")
    history = History((SeriesKey("all", "a", "x"),), index, np.ones((1, 48)), np.ones(1), "Asia/Shanghai")
    events = (Event("odd", date(2026, 2, 1), probability=2.0, sigma=9.0, workload="b"),)
    config = ForecastConfig(seasons=5, totals="odd", country="XX", events=events)
    with pytest.raises(FaultsError) as error:
        make_outlook(history, weeks=900, config=config)
    assert len(error.value.faults) == 8
    assert all(CHINESE.search(f.told("zh").found + f.told("zh").allowed) for f in error.value.faults)
    with pytest.raises(FaultsError) as error:
        reading_of_texts(["no-row=maybe", "odd=1", "bare"])
    assert all(CHINESE.search(f.told("zh").allowed) for f in error.value.faults)
