"""Amazon CloudWatch: the JSON of `aws cloudwatch get-metric-data` and `get-metric-statistics`."""

from __future__ import annotations

from typing import Any

import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import JsonFormat
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import listed, note

STATISTICS = ("Average", "Sum", "Maximum", "Minimum", "SampleCount")


def fits(document: Any) -> bool:
    """Whether it is of this format."""
    return isinstance(document, dict) and ("MetricDataResults" in document or "Datapoints" in document)


def read(document: Any, _asked: Reading, faults: list[Fault]) -> Source | None:
    """Moments and values; sums are amounts for their period and become amounts a second."""
    found = _data(document, faults) if "MetricDataResults" in document else _statistics(document, faults)
    if found is not None and found.table.empty:
        faults.append(fault_of(found.format, "fault.no_points"))
        return None
    return found


def _data(document: Any, faults: list[Fault]) -> Source | None:
    frames, notes = [], []
    results = document["MetricDataResults"]
    if not isinstance(results, list):
        faults.append(fault_of("MetricDataResults", "fault.a_list", text=str(results)[:80]))
        return None
    for number, one in enumerate(results):
        where = f"MetricDataResults {number}"
        if not isinstance(one, dict):
            faults.append(fault_of(where, "fault.metric_object", text=str(one)[:80]))
            continue
        moments, values = one.get("Timestamps"), one.get("Values")
        if not isinstance(moments, list) or not isinstance(values, list) or len(moments) != len(values):
            faults.append(fault_of(where, "fault.metric_lengths"))
            continue
        name = str(one.get("Label") or one.get("Id") or f"metric {number}")
        frames.append(pd.DataFrame({"timestamp": moments, "value": values, "series": name}))
        if one.get("StatusCode") not in (None, "Complete"):
            notes.append(note("cloudwatch.more_pages", name=name, status=one["StatusCode"]))
    if document.get("NextToken"):
        notes.append(note("cloudwatch.next_token"))
    notes.append(note("cloudwatch.statistic_unsaid"))
    if faults:
        return None
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({"timestamp": [], "value": []})
    return Source("CloudWatch get-metric-data", table, notes=tuple(notes))


def _statistics(document: Any, faults: list[Fault]) -> Source | None:
    points = document["Datapoints"]
    if not isinstance(points, list) or not all(isinstance(one, dict) for one in points):
        faults.append(fault_of("Datapoints", "fault.objects", text=str(points)[:80]))
        return None
    name = str(document.get("Label") or "value")
    if not points:
        return Source("CloudWatch get-metric-statistics", pd.DataFrame({"timestamp": [], "value": []}))
    kept = next((s for s in STATISTICS if all(s in one for one in points)), None)
    if kept is None:
        kept = next((s for s in points[0] if s not in ("Timestamp", "Unit") and all(s in one for one in points)), None)
    if kept is None or not all("Timestamp" in one for one in points):
        faults.append(fault_of("Datapoints", "fault.points_bare"))
        return None
    unit = str(points[0].get("Unit", ""))
    per_second = {"Count": "requests/s"} if "request" in name.lower() else {"Count": "Count/s"}
    stated = "" if unit in ("None", "") else unit.replace("/Second", "/s")
    amount = kept in ("Sum", "SampleCount")
    table = pd.DataFrame(
        {
            "timestamp": [one["Timestamp"] for one in points],
            "value": [one[kept] for one in points],
            "series": name,
            "unit": per_second.get(unit, f"{stated}/s" if stated else "") if amount else stated,
        }
    )
    more = [s for s in points[0] if s not in ("Timestamp", "Unit", kept)]
    told = note("cloudwatch.statistic", kept=kept)
    told = note("cloudwatch.statistic_of", kept=kept, more=listed(more)) if more else told
    told = note("cloudwatch.amount", statistic=told) if amount else told
    return Source("CloudWatch get-metric-statistics", table, notes=(told,), amount=amount)


FORMAT = JsonFormat("CloudWatch", fits, read)
