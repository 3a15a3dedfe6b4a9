"""InfluxDB: annotated CSV as `influx query --raw` and the console write it, and line protocol."""

from __future__ import annotations

import csv
import re
from io import StringIO

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import listed, note

NAME = "InfluxDB annotated CSV"
LINES = "InfluxDB line protocol"
_LINE = re.compile(
    r"(?P<key>(?:\\.|[^\s,\\])+(?:,(?:\\.|[^\s\\])+)?)\s+(?P<fields>(?:\"(?:\\.|[^\"])*\"|\\.|[^\s\"\\])+)"
    r"(?:\s+(?P<time>\d{9,19}))?\s*"
)
_OWN = ("", "result", "table", "_start", "_stop", "_time", "_value")


def is_annotated(text: str) -> bool:
    """Whether text begins as annotated CSV does."""
    first = text.lstrip().split("\n", 1)[0]
    return first.startswith(("#group", "#datatype", "#default")) or {"_time", "_value"} <= set(
        next(csv.reader([first]))
    )


def is_lines(text: str) -> bool:
    """Whether text begins with a point of the line protocol that has a time."""
    first = next((line for line in text.split("\n") if line.strip() and not line.startswith("#")), "")
    found = _LINE.fullmatch(first.rstrip("\r"))
    return found is not None and "=" in found["fields"] and found["time"] is not None


def read_annotated(text: str, where: str, faults: list[Fault]) -> Source | None:
    """Every table of the answer; a series is called by the labels in which the tables differ, or its field."""
    names: list[str] = []
    tables: list[tuple[list[str], list[list[str]]]] = []
    for cells in csv.reader(StringIO(text)):
        if not any(cells) or cells[0].startswith("#"):
            continue
        if "_time" in cells and "_value" in cells:
            names = cells
            tables.append((names, []))
        elif "error" in cells and not names:
            faults.append(fault_of(where, "fault.influx_error", text=", ".join(cells)))
            return None
        elif len(cells) == len(names):
            tables[-1][1].append(cells)
        else:
            faults.append(fault_of(where, "fault.uneven", rows=repr(",".join(cells)[:80]), n=len(names)))
            return None
    frame = pd.concat([pd.DataFrame(rows, columns=head) for head, rows in tables], ignore_index=True).fillna("")
    if not len(frame):
        faults.append(fault_of(where, "fault.header_alone"))
        return None
    labels = [str(name) for name in frame.columns if name not in _OWN]
    differ = [name for name in labels if len(set(frame[name])) > 1] or [n for n in labels if n == "_field"]
    series = frame[differ[0]] if differ else pd.Series("value", index=frame.index)
    for name in differ[1:]:
        series = series + "," + frame[name]
    table = pd.DataFrame({"timestamp": frame["_time"], "value": frame["_value"], "series": series})
    notes = (note("influx.named", names=listed(differ)),) if len(differ) > 1 else ()
    return Source(NAME, table, notes=notes)


def read_lines(text: str, where: str, faults: list[Fault]) -> Source | None:
    """Every number of every point; a series is called by its measurement, tags and field. Times are ns since 1970."""
    moments: list[str] = []
    values: list[float] = []
    series: list[str] = []
    left: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or found["time"] is None:
            place = note("fault.at_line", n=number)
            faults.append(fault_of(place, "fault.influx_line", text=line[:80]))
            return None
        for part in re.findall(r"((?:\\.|[^,=\\])+)=(\"(?:\\.|[^\"])*\"|[^,]*)", found["fields"]):
            value = re.fullmatch(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)[iu]?", part[1])
            if value is None:
                left.add(part[0])
                continue
            moments.append(found["time"])
            values.append(float(value[1]))
            series.append(f"{found['key']} {part[0]}".replace("\\", ""))
    if not values:
        faults.append(fault_of(where, "fault.nothing_usable"))
        return None
    table = pd.DataFrame({"timestamp": moments, "value": np.array(values), "series": series})
    notes = (note("wide.no_numbers", names=listed(sorted(left), 10)),) if left else ()
    return Source(LINES, table, notes=notes)
