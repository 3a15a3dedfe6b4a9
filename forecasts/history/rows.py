"""The rows of a history, whatever format they came in: moments, values, series, and columns that nobody asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.moments import read_times
from forecasts.history.numbers import read_numbers
from forecasts.outlook import FloatArray, IntArray, SeriesKey
from forecasts.words.fault import fault_of
from forecasts.words.note import note


@dataclass(frozen=True)
class Source:
    """What a format's reader hands over.

    format: its name, as the user is told. table: columns `timestamp`, `value`, `series` or `region` and `workload`, any
    `unit`. labels: the columns that were not asked for, which may tell rows of one moment apart. notes: what the reader
    did or assumed. amount: values are amounts for the time up to the next row. log: the log is whole, so that an hour
    without a row is an hour without demand.
    """

    format: str
    table: pd.DataFrame
    labels: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    amount: bool = False
    parts: bool = False


@dataclass(frozen=True)
class Rows:
    """times: (rows,) ns since 1970, UTC if `aware`, else local. values: (rows,) NaN where empty.

    code: (rows,), which of `keys` and `names` a row belongs to. labels: a frame of the same rows.
    """

    times: IntArray
    aware: bool
    values: FloatArray
    code: IntArray
    names: tuple[str, ...]
    keys: tuple[SeriesKey, ...]
    labels: pd.DataFrame


def in_order(rows: Rows) -> IntArray:
    """(rows,) the rows by series and time; those of one moment by value, so that their order in the file changes
    nothing, not even the last digit."""
    # Few enough series for sixteen bits are sorted by counting; most files have each series' rows in order already.
    small = rows.code.astype(np.uint16) if len(rows.names) < 2**16 else rows.code
    order = np.argsort(small, kind="stable")
    code, time = rows.code[order], rows.times[order]
    if ((np.diff(code) > 0) | (np.diff(time) > 0)).all():
        return order
    return np.lexsort((rows.values, rows.times, rows.code))


def rows_of(source: Source, asked: Reading, faults: list[Fault]) -> Rows:
    """The rows of a table. Every unreadable cell is a fault; what comes back is only sound if none was found."""
    table = source.table
    times, aware = read_times(table["timestamp"], faults)
    values = read_numbers(table["value"], faults, asked.decimal)
    names, keys, code = _series(table, faults)
    return Rows(times, aware, values, code, names, keys, source.labels)


def _series(table: pd.DataFrame, faults: list[Fault]) -> tuple[tuple[str, ...], tuple[SeriesKey, ...], IntArray]:
    paired = {"region", "workload"} <= set(table.columns)
    blank = np.zeros(len(table), dtype=bool)
    packed = np.zeros(len(table), dtype=np.int64)
    texts: list[list[str]] = []
    for name in ("region", "workload") if paired else ("series",):
        part, distinct = pd.factorize(table[name])
        text = [str(value).strip() for value in distinct]
        blank |= (part < 0) | np.isin(part, [i for i, value in enumerate(text) if not value])
        # "chat" and "chat " are one name.
        renamed = {value: i for i, value in reversed(list(enumerate(text)))}
        same = np.array([renamed[value] for value in text], dtype=np.int64)
        part = np.where(part >= 0, same[part] if len(same) else 0, 0)
        packed = packed * max(len(text), 1) + part
        texts.append(text)
    if blank.any():
        row = int(np.flatnonzero(blank)[0]) + 1
        faults.append(fault_of("series", "fault.blank_names", n=int(blank.sum()), row=row))
        return (), (), packed
    code, distinct_pairs = pd.factorize(packed, sort=False)
    places = [divmod(int(pair), len(texts[1])) if paired else (0, int(pair)) for pair in distinct_pairs]
    names = [f"{texts[0][i]}/{texts[1][j]}" if paired else texts[0][j] for i, j in places]
    units = _units(table, code, names, faults)
    keys = [
        SeriesKey(texts[0][i], texts[1][j], u) if paired else SeriesKey("all", texts[0][j], u)
        for (i, j), u in zip(places, units, strict=True)
    ]
    # The order of rows must change nothing: series stand in the order of their names.
    order = sorted(range(len(names)), key=lambda i: names[i])
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return tuple(names[i] for i in order), tuple(keys[i] for i in order), place[code]


def _units(table: pd.DataFrame, code: IntArray, names: list[str], faults: list[Fault]) -> list[str]:
    """(series,) the unit that each series' rows state, "" where none; more than one is a fault."""
    if "unit" not in table.columns:
        return [""] * len(names)
    part, distinct = pd.factorize(table["unit"])
    text = ["" if str(value).strip().lower() in ("nan", "none", "") else str(value).strip() for value in distinct]
    pairs = np.unique(np.stack([code[part >= 0], part[part >= 0]]), axis=1)
    out = [""] * len(names)
    for series in np.unique(pairs[0]):
        stated = sorted({text[p] for p in pairs[1][pairs[0] == series]} - {""})
        if len(stated) > 1:
            where = note("fault.at_series", names=names[series])
            faults.append(fault_of(where, "fault.several_units", units=", ".join(stated)))
        out[series] = stated[0] if stated else ""
    return out
