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
        faults.append(fault_of("header", "fault.no_time_column", names=listed(sheet.names, 12)))
        return None
    once(sheet, {"timestamp": time}, faults)
    columns, left, units = [], [], {}
    for at, name in enumerate(sheet.names):
        if at == time:
            continue
        own, unit = _numbers(sheet.frame[at], asked)
        if own is None:
            left.append((at, name))
        else:
            columns.append((name, own))
            units[name] = unit
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
    told_units = sorted(set(units.values()) - {"", MULTIPLES})
    if told_units:
        table["unit"] = table["series"].map({name: unit.replace(MULTIPLES, "") for name, unit in units.items()})
    kind = "Grafana, series joined by time" if sheet.names[time] == "Time" else "wide table"
    columns_of = {
        "wide.no_numbers": [name for _, name in left],
        "wide.no_name": [str(place) for place in blank],
        "wide.units": told_units,
        "wide.multiples": [name for name in units if units[name] == MULTIPLES],
    }
    notes = [note(key, names=listed(names, 10)) for key, names in columns_of.items() if names]
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
    bare = pd.Series(pd.Series(column).astype("str").unique()).str.strip()
    full = bare[~bare.str.lower().isin(("nan", "", "none"))]
    parted = full.str.extract(r"^([+-]?[\d.,]+)\s*([^\d\s.,]\S*)?$")
    kinds = set(parted[1].dropna())
    if parted[0].isna().any() or not kinds:
        return None, ""
    told: list[Fault] = []
    number = read_numbers(parted[0], told, asked.decimal)
    if kinds <= set(MULTIPLE):
        number, unit = number * parted[1].map(MULTIPLE).fillna(1.0).to_numpy(), MULTIPLES
    elif len(kinds) == 1 and parted[1].notna().all():
        # Grafana's "formatted data": a unit behind every number, the same one throughout.
        unit = str(min(kinds))
    else:
        return None, ""
    if told or not np.isfinite(number).any():
        return None, ""
    by_text = dict(zip(full, number, strict=True))
    return column.astype("str").str.strip().map(by_text).astype("float64").to_numpy(), unit


MULTIPLE = {"K": 1e3, "k": 1e3, "M": 1e6, "Mil": 1e6, "G": 1e9, "Bil": 1e9, "T": 1e12, "万": 1e4, "亿": 1e8}
MULTIPLES = "multiples"


FORMAT = TableFormat("wide table", fits, read)
