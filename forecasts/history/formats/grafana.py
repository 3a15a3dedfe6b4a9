"""Grafana's "series to rows": Time, Metric and Value, or the older Series;Time;Value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats import long
from forecasts.history.formats.base import Sheet, TableFormat
from forecasts.history.rows import Source


def fits(names: Sequence[str]) -> bool:
    """Whether it is of this format."""
    return list(names) in (["time", "metric", "value"], ["series", "time", "value"])


def read(sheet: Sheet, asked: Reading, faults: list[Fault]) -> Source | None:
    """A long table under Grafana's names; its times are those of the browser's zone unless they are epochs."""
    found = long.read(sheet, asked, faults)
    return found and replace(found, format=f"Grafana, series to rows ({sheet.how})", notes=())


FORMAT = TableFormat("Grafana, series to rows", fits, read)
