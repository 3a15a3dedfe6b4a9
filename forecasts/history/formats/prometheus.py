"""Prometheus: the answer of /api/v1/query_range, a matrix of samples a series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats import dcgm, engines
from forecasts.history.formats.base import JsonFormat
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import note

NAME = "Prometheus query_range"


def fits(document: Any) -> bool:
    """Whether it is of this format."""
    if not isinstance(document, dict) or "status" not in document:
        return False
    data = document.get("data")
    return document["status"] == "error" or (isinstance(data, dict) and "resultType" in data)


def read(document: Any, _asked: Reading, faults: list[Fault]) -> Source | None:
    """Samples as they are, series named by their labels; samples of DCGM become busy GPUs, counters of inference
    engines rates a second."""
    if document["status"] == "error":
        faults.append(fault_of(NAME, "fault.prometheus_error", text=str(document.get("error", "none named"))))
        return None
    kind = document["data"]["resultType"]
    if kind != "matrix":
        faults.append(fault_of(NAME, "fault.prometheus_type", kind=str(kind)))
        return None
    result = document["data"].get("result")
    if not isinstance(result, list) or not result:
        faults.append(fault_of(NAME, "fault.prometheus_empty"))
        return None
    frames, metrics = [], []
    for number, series in enumerate(result):
        found = _samples(series)
        if found is None:
            faults.append(fault_of(f"result {number}", "fault.prometheus_result", text=str(series)[:80]))
            continue
        labels = {str(k): str(v) for k, v in series.get("metric", {}).items()}
        frames.append(found)
        metrics.append(labels)
    if faults:
        return None
    if dcgm.measured(metrics):
        return dcgm.from_samples(metrics, frames, "Prometheus query_range")
    names = [name_of(labels, metrics) for labels in metrics]
    units = [engines.unit_of(labels) for labels in metrics]
    frames = [engines.rates(frame) if unit else frame for frame, unit in zip(frames, units, strict=True)]
    counted = sum(bool(unit) for unit in units)
    told = zip(names, units, frames, strict=True)
    parts = [frame.assign(series=name, **({"unit": unit} if counted else {})) for name, unit, frame in told]
    table = pd.concat(parts, ignore_index=True)
    warnings = [str(one) for one in document.get("warnings") or []]
    notes = tuple(note("prometheus.warned", text=text) for text in warnings)
    if counted:
        notes = (*notes, note("prometheus.counters", n=counted))
        table = table.astype({"unit": "category"})
    return Source(NAME, table.astype({"series": "category"}), notes=notes)


def _samples(series: Any) -> pd.DataFrame | None:
    """timestamp (UTC) and value of one series' samples, or None where they are not of the form."""
    if not isinstance(series, dict) or not isinstance(series.get("values"), list):
        return None
    try:
        pairs = [(float(moment), _number(value)) for moment, value in series["values"]]
    except (TypeError, ValueError):
        return None
    moments = np.array([moment for moment, _ in pairs])
    if not np.isfinite(moments).all() or (np.abs(moments) > 4e9).any():
        return None
    stamps = pd.to_datetime(np.round(moments * 1e3).astype(np.int64), unit="ms", utc=True).as_unit("ns")
    return pd.DataFrame({"timestamp": stamps, "value": np.array([value for _, value in pairs], dtype=np.float64)})


def _number(value: Any) -> float:
    """Values are strings, so that NaN and +Inf can be told: both mean that nothing was measured."""
    number = float(value)
    return number if np.isfinite(number) else float("nan")


def name_of(labels: dict[str, str], others: list[dict[str, str]]) -> str:
    """A series' name: its metric with the labels in which the result's series differ; all of them for a lone one."""
    differ = {k for k in set().union(*others) if len({one.get(k) for one in others}) > 1 and k != "__name__"}
    if len(others) == 1:
        differ = {k for k in labels if k != "__name__"}
    own = ",".join(f"{k}={labels[k]}" for k in sorted(differ) if k in labels)
    metric = labels.get("__name__", "")
    if not metric:
        return own if own else "value"
    return f"{metric}{{{own}}}" if own else metric


FORMAT = JsonFormat(NAME, fits, read)
