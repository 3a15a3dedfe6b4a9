"""What a format is: a name, how its files are recognised, and how they become a long table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import listed

TIME = ("timestamp", "time", "datetime", "date_time", "@timestamp", "ts", "date", "时间戳", "时间", "日期时间", "日期")
VALUE = ("value", "values", "数值", "值")
SERIES = ("series", "metric", "序列", "系列", "指标")
REGION = ("region", "地区", "区域")
WORKLOAD = ("workload", "负载", "业务")
UNIT = ("unit", "units", "单位")
ZONED = re.compile(
    r"(?P<base>.*?)[\s_]*[(\[（]?\s*(?:utc|gmt)\s*(?:(?P<sign>[+-])(?P<hour>\d{1,2})(?::?(?P<minute>\d{2}))?)?\s*[)\]）]?$"
)
"""A column's name (lower case) that ends with the zone of its moments: "time (utc+8)"."""


@dataclass(frozen=True)
class Sheet:
    """A table before its meaning is known. names: of the columns, in the file's own spelling; frame: the columns by
    position, text or numbers. how: what it was unpacked from, in words. notes: what was done to it since.
    """

    names: tuple[str, ...]
    frame: pd.DataFrame
    how: str
    where: str = "history"
    notes: tuple[str, ...] = ()

    def low(self) -> list[str]:
        """Names as they are compared: without case and outer spaces."""
        return [name.strip().lower() for name in self.names]

    def place(self, *wanted: str) -> int | None:
        """The position of the first of several names that the table has, by the order in which they are asked for."""
        low = self.low()
        return next((low.index(name) for name in wanted if name in low), None)

    def column(self, *wanted: str) -> pd.Series[Any]:
        """That column. Raises KeyError when the table has none of these names."""
        at = self.place(*wanted)
        if at is None:
            raise KeyError(wanted)
        return self.frame[at]


@dataclass(frozen=True)
class TableFormat:
    """A format whose files are tables, recognised by their columns' names (lower case)."""

    name: str
    fits: Callable[[Sequence[str]], bool]
    read: Callable[[Sheet, Reading, list[Fault]], Source | None]


@dataclass(frozen=True)
class JsonFormat:
    """A format whose files are JSON documents."""

    name: str
    fits: Callable[[Any], bool]
    read: Callable[[Any, Reading, list[Fault]], Source | None]


def once(sheet: Sheet, roles: dict[str, int | None], faults: list[Fault]) -> None:
    """A fault for every needed column whose name stands twice: which of them is meant cannot be known."""
    low = sheet.low()
    for at in roles.values():
        if at is not None and low.count(low[at]) > 1:
            places = listed([str(i + 1) for i, name in enumerate(low) if name == low[at]])
            told = {"name": sheet.names[at], "n": low.count(low[at]), "places": places}
            faults.append(fault_of("header", "fault.column_twice", **told))
