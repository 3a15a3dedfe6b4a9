"""JSON of points: Datadog's query and Azure Monitor's metrics."""

from __future__ import annotations

from typing import Any

import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import JsonFormat
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import note

DATADOG = "Datadog query"
AZURE = "Azure Monitor metrics"
AGGREGATES = ("average", "total", "count", "maximum", "minimum")


def _is_datadog(document: Any) -> bool:
    series = document.get("series") if isinstance(document, dict) else None
    return isinstance(series, list) and any(isinstance(one, dict) and "pointlist" in one for one in series)


def _datadog(document: Any, _asked: Reading, faults: list[Fault]) -> Source | None:
    rows: list[tuple[int, float | None, str, str]] = []
    for number, one in enumerate(document["series"]):
        try:
            # What is counted, and by what: [{"short_name": "req"}, {"short_name": "s"}] are requests a second.
            units = [str(part.get("short_name") or part.get("name") or "") for part in one.get("unit") or [] if part]
            name = str(one.get("metric", "value"))
            name += "{" + str(one["scope"]) + "}" if one.get("scope") not in (None, "", "*") else ""
            rows += [(int(at), value, name, "/".join(units)) for at, value in one["pointlist"]]
        except (TypeError, ValueError, KeyError, AttributeError):
            faults.append(fault_of(f"series {number}", "fault.point_pairs", text=str(one)[:80]))
    return None if faults else _source(DATADOG, rows, faults)


def _is_azure(document: Any) -> bool:
    value = document.get("value") if isinstance(document, dict) else None
    return isinstance(value, list) and any(isinstance(one, dict) and "timeseries" in one for one in value)


def _azure(document: Any, _asked: Reading, faults: list[Fault]) -> Source | None:
    rows: list[tuple[str, float | None, str, str]] = []
    used: dict[str, None] = {}
    for number, metric in enumerate(document["value"]):
        try:
            name = metric.get("name", {})
            name = str(name.get("value", "value") if isinstance(name, dict) else name)
            for part in metric["timeseries"]:
                tags = ",".join(f"{tag['name']['value']}={tag['value']}" for tag in part.get("metadatavalues") or [])
                points = part["data"]
                kept = next((one for one in AGGREGATES if any(one in point for point in points)), None)
                if kept is None:
                    continue
                used[kept] = None
                unit = (
                    "" if kept in ("total", "count") else str(metric.get("unit", "")).replace("CountPerSecond", "1/s")
                )
                label = name + (f"{{{tags}}}" if tags else "")
                rows += [(point["timeStamp"], point.get(kept), label, unit) for point in points]
        except (TypeError, ValueError, KeyError, AttributeError):
            faults.append(fault_of(f"value {number}", "fault.point_data", text=str(metric)[:80]))
    if not faults and len(used) > 1:
        faults.append(fault_of(AZURE, "fault.point_aggregates", names=", ".join(used)))
    found = None if faults else _source(AZURE, rows, faults)
    if found is None:
        return None
    kept = next(iter(used))
    key = "points.amount" if kept in ("total", "count") else "points.kept"
    return Source(AZURE, found.table, notes=(note(key, kept=kept),), amount=kept in ("total", "count"))


def _source(name: str, rows: list[Any], faults: list[Fault]) -> Source | None:
    if not rows:
        faults.append(fault_of(name, "fault.no_points"))
        return None
    table = pd.DataFrame(rows, columns=["timestamp", "value", "series", "unit"])
    return Source(name, table if table["unit"].any() else table.drop(columns="unit"))


FORMATS = (JsonFormat(DATADOG, _is_datadog, _datadog), JsonFormat(AZURE, _is_azure, _azure))
