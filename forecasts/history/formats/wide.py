"""The wide table: one row a moment, one column a series. Grafana's "series joined by time" is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import TIME, Sheet, TableFormat, once
from forecasts.history.numbers import read_numbers
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import listed, note


def fits(names: Sequence[str]) -> bool:
    """Whether it is of this format."""
    return len(names) > 1 and any(name in names for name in TIME)


def read(sheet: Sheet, asked: Reading, faults: list[Fault]) -> Source | None:
    """Every column of numbers becomes a series of the column's name; columns of text are left out and named."""
    wanted = asked.columns.get("timestamp")
    time = sheet.place(wanted.lower()) if wanted else sheet.place(*TIME)
    if time is None:
        faults.append(fault_of("header", "fault.no_time_column", names=", ".join(sheet.names)))
        return None
    once(sheet, {"timestamp": time}, faults)
    columns, left, units = [], [], set()
    for at, name in enumerate(sheet.names):
        if at == time:
            continue
        own, unit = _numbers(sheet.frame[at], asked)
        if own is None:
            left.append((at, name))
        else:
            columns.append((name, own))
            units.add(unit)
    faults += _twice(sheet, [name.strip().lower() for name, _ in columns])
    blank = [at + 1 for at, name in enumerate(sheet.names) if not name.strip()]
    columns = [(name, own) for name, own in columns if name.strip()]
    if not columns:
        told: list[Fault] = []
        for at, name in left[:3]:
            read_numbers(sheet.frame[at], told, asked.decimal, f"column {name}")
        faults += told or [fault_of("header", "fault.no_value_column", names=", ".join(sheet.names))]
    if faults:
        return None
    rows = len(sheet.frame)
    table = pd.DataFrame(
        {
            "timestamp": pd.concat([sheet.frame[time]] * len(columns), ignore_index=True),
            "series": pd.Categorical.from_codes(
                np.repeat(np.arange(len(columns)), rows).tolist(), categories=pd.Index([name for name, _ in columns])
            ),
            "value": np.concatenate([own for _, own in columns]),
        }
    )
    kind = "Grafana, series joined by time" if sheet.names[time] == "Time" else "wide table"
    notes = []
    if left:
        notes.append(note("wide.no_numbers", names=listed([name for _, name in left], 10)))
    if blank:
        notes.append(note("wide.no_name", names=listed([str(place) for place in blank])))
    if units - {""}:
        notes.append(note("wide.units", names=listed(sorted(units - {""}))))
    # A column of a wide table begins with its first number: an empty cell is no row.
    table = table[np.isfinite(table["value"])].reset_index(drop=True) if len(columns) > 1 else table
    return Source(f"{kind} ({sheet.how})", table, notes=tuple(notes))


def _twice(sheet: Sheet, names: list[str]) -> Iterator[Fault]:
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            places = listed([str(i + 1) for i, other in enumerate(sheet.low()) if other == name])
            yield fault_of("header", "fault.series_twice", name=name, n=names.count(name), places=places)


def _numbers(column: pd.Series[Any], asked: Reading) -> tuple[np.ndarray[Any, Any] | None, str]:
    """The numbers of a column, and a unit that stands behind every one of them; None where it holds text."""
    faults: list[Fault] = []
    own = read_numbers(column, faults, asked.decimal)
    if not faults and np.isfinite(own).any():
        return own, ""
    text = pd.Series(pd.Series(column).astype("str").unique())
    parted = text.str.strip().str.extract(r"^([+-]?[\d.,]+)\s*([^\d\s.,]\S*)$")
    kinds = parted[1].dropna().unique()
    # Grafana's "formatted data": a unit behind every number, the same one throughout ("1.5 K" and "980" would not be).
    if len(kinds) == 1 and parted[0].notna().sum() >= (~text.str.lower().isin(("nan", "", "none"))).sum():
        bare = column.astype("str").str.strip().str.replace(r"\s*[^\d\s.,]\S*$", "", regex=True)
        told: list[Fault] = []
        own = read_numbers(bare, told, asked.decimal)
        if not told and np.isfinite(own).any():
            return own, str(kinds[0])
    return None, ""


FORMAT = TableFormat("wide table", fits, read)
