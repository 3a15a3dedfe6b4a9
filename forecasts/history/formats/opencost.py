"""OpenCost and Kubecost: allocations a window, as the JSON of /allocation or as a CSV of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import JsonFormat, Sheet, TableFormat
from forecasts.history.moments import read_times
from forecasts.history.numbers import read_numbers
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import note

NAME = "OpenCost allocation"
HOUR = 3_600_000_000_000
START = ("window.start", "start", "window start", "starttime", "windowstart")
END = ("window.end", "end", "window end", "endtime", "windowend")
GPU_HOURS, CPU_HOURS = ("gpuhours", "gpu hours"), ("cpucorehours", "cpu core hours", "cpu hours")
LONGEST_WINDOW_HOURS = 1.01


def fits(names: Sequence[str]) -> bool:
    """Whether it is of this format."""
    measured = any(n in names for n in (*GPU_HOURS, *CPU_HOURS))
    return measured and any(n in names for n in START) and any(n in names for n in END)


def fits_json(document: Any) -> bool:
    """Whether a JSON document is of this format."""
    data = document.get("data") if isinstance(document, dict) else None
    if isinstance(data, dict) and isinstance(data.get("sets"), list):
        return True
    sets = [one for one in data if one] if isinstance(data, list) else []
    return bool(sets) and all(isinstance(one, dict) for one in sets) and "MetricDataResults" not in document


def read(sheet: Sheet, asked: Reading, faults: list[Fault]) -> Source | None:
    """GPU hours (CPU core hours where no GPU is named) of each name, over the window: what was in use."""
    at = sheet.place("name", "namespace", "properties.namespace", "controller", "pod", "cluster")
    if at is None:
        faults.append(fault_of("header", "fault.no_name_column", names=", ".join(sheet.names)))
        return None
    nought = np.zeros(len(sheet.frame))
    gpu, cpu = (
        read_numbers(sheet.column(*kind), faults, asked.decimal, kind[0]) if sheet.place(*kind) is not None else nought
        for kind in (GPU_HOURS, CPU_HOURS)
    )
    return _source(sheet.column(*START), sheet.column(*END), sheet.frame[at], gpu, cpu, f"CSV, {sheet.how}", faults)


def read_json(document: Any, _asked: Reading, faults: list[Fault]) -> Source | None:
    """The same of every allocation in every set (a step of the query)."""
    data = document["data"]
    sets = [one.get("allocations", {}) for one in data["sets"] if one] if isinstance(data, dict) else data
    rows: list[tuple[Any, ...]] = []
    for number, one in enumerate(sets):
        for name, allocation in (one or {}).items():
            window = allocation.get("window") if isinstance(allocation, dict) else None
            if not isinstance(window, dict) or "start" not in window or "end" not in window:
                faults.append(fault_of(f"data {number} {name}", "fault.no_window"))
                continue
            hours = [_number(allocation.get(key)) for key in ("gpuHours", "cpuCoreHours")]
            rows.append((window["start"], window["end"], name, *hours))
        if len(faults) > 20:
            break
    if faults:
        return None
    if not rows:
        faults.append(fault_of(NAME, "fault.no_allocation"))
        return None
    begin, end, names, gpu, cpu = (pd.Series(part) for part in zip(*rows, strict=True))
    return _source(begin, end, names, gpu.to_numpy(dtype=float), cpu.to_numpy(dtype=float), "JSON", faults)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _source(
    begin: pd.Series[Any],
    end: pd.Series[Any],
    names: pd.Series[Any],
    gpu: Any,
    cpu: Any,
    how: str,
    faults: list[Fault],
) -> Source | None:
    first, aware = read_times(begin, faults)
    last, _ = read_times(end, faults)
    if faults:
        return None
    length = (last - first) / HOUR
    bad = np.flatnonzero(length <= 0)
    if bad.size:
        faults.append(fault_of("window", "fault.window_ends", n=bad.size, row=int(bad[0]) + 1))
        return None
    if np.median(length) > LONGEST_WINDOW_HOURS:
        faults.append(fault_of("window", "fault.window_long", hours=float(np.median(length))))
        return None
    hours, unit = (gpu, "GPUs") if np.nansum(gpu) > 0 else (cpu, "CPU cores")
    text = names.astype("str").str.strip()
    kept = ~text.isin(["__idle__", "__unallocated__", "__unmounted__"]).to_numpy()
    stamps = pd.DatetimeIndex(first[kept])
    table = pd.DataFrame(
        {
            "timestamp": stamps.tz_localize("UTC") if aware else stamps,
            "series": text[kept].to_numpy(),
            "unit": unit,
            "value": (hours / length)[kept],
        }
    )
    left = int((~kept).sum())
    notes = [note("opencost.in_use", unit=unit)]
    notes += [note("opencost.idle", n=left)] if left else []
    notes += [note("opencost.cpu")] if unit != "GPUs" else []
    if table.empty:
        faults.append(fault_of(NAME, "fault.idle_alone"))
        return None
    return Source(f"{NAME} ({how})", table, notes=tuple(notes))


FORMAT = TableFormat(NAME, fits, read)
JSON = JsonFormat(NAME, fits_json, read_json)
