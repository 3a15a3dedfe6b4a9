"""DCGM: how busy GPUs are, from tables of its fields, from dcgm-exporter's text and from Prometheus.

A GPU that is busy for 40 % of the time counts as 0.4 busy GPUs. GPUs are added up by model, or by host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import TIME, Sheet, TableFormat
from forecasts.history.numbers import read_numbers
from forecasts.history.rows import Source
from forecasts.words.fault import fault_of
from forecasts.words.note import listed, note

FIELDS = {"DCGM_FI_PROF_GR_ENGINE_ACTIVE": 1.0, "DCGM_FI_DEV_GPU_UTIL": 0.01}
"""Fields that say how busy a GPU is, the finer one first, with what turns them into a share of one GPU."""
GROUPS = ("modelName", "model", "gpu_name", "Hostname", "hostname", "host", "instance", "node")
GPU = ("UUID", "uuid", "gpu", "gpu_id", "device", "GPU_I_ID", "index")
LINE = re.compile(r"^(DCGM_FI_\w+)\{(.*)\}\s+(\S+)(?:\s+(\d+))?\s*$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
UNIT = "busy GPUs"


def fits(names: Sequence[str]) -> bool:
    """Whether it is of this format."""
    busy = any(field.lower() in names for field in FIELDS)
    return busy and any(name in names for name in TIME)


def measured(metrics: list[dict[str, str]]) -> bool:
    """Whether all series of a Prometheus answer are one of the fields that are read here."""
    names = {labels.get("__name__", "") for labels in metrics}
    return bool(names) and names <= set(FIELDS)


def read(sheet: Sheet, asked: Reading, faults: list[Fault]) -> Source | None:
    """One row a moment and GPU, fields in columns."""
    field = next(name for name in FIELDS if sheet.place(name.lower()) is not None)
    values = read_numbers(sheet.column(field.lower()), faults, asked.decimal, field)
    if faults:
        return None
    gpu = sheet.place(*(name.lower() for name in GPU))
    group = sheet.place(*(name.lower() for name in GROUPS))
    host = sheet.place("hostname", "host", "instance", "node")
    frame = pd.DataFrame({"timestamp": sheet.column(*TIME), "value": values * FIELDS[field]})
    frame["group"] = sheet.frame[group].astype("str") if group is not None else "gpus"
    frame["gpu"] = ""
    for at in (host, gpu):
        if at is not None:
            frame["gpu"] = frame["gpu"] + "/" + sheet.frame[at].astype("str")
    return _added(frame, field, f"DCGM table ({sheet.how})")


def from_samples(metrics: list[dict[str, str]], frames: list[pd.DataFrame], how: str) -> Source | None:
    """Samples of a GPU each, with their labels."""
    names = {labels.get("__name__", "") for labels in metrics}
    field = next(name for name in FIELDS if name in names)
    parts = []
    for number, (labels, frame) in enumerate(zip(metrics, frames, strict=True)):
        if labels.get("__name__") != field:
            continue
        group = next((labels[name] for name in GROUPS if name in labels), "gpus")
        own = "/".join(labels[name] for name in (*GROUPS[3:], *GPU) if name in labels) or str(number)
        parts.append(frame.assign(value=frame["value"] * FIELDS[field], group=group, gpu=own))
    return _added(pd.concat(parts, ignore_index=True), field, f"DCGM by {how}")


def is_text(head: str) -> bool:
    """Whether a text is dcgm-exporter's: lines of metrics with labels."""
    return any(LINE.match(line) for line in head.splitlines()[:400]) or "# HELP DCGM_FI_" in head


def read_text(text: str, _asked: Reading, faults: list[Fault]) -> Source | None:
    """Scrapes of dcgm-exporter one after the other, each sample with its time in ms."""
    samples: dict[tuple[str, ...], list[tuple[int, float]]] = {}
    labels_of: dict[tuple[str, ...], dict[str, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = LINE.match(line)
        if found is None or found[1] not in FIELDS:
            continue
        if found[4] is None:
            faults.append(fault_of(note("fault.at_line", n=number), "fault.no_sample_time"))
            return None
        try:
            value = float(found[3])
        except ValueError:
            faults.append(fault_of(note("fault.at_line", n=number), "fault.a_number", text=found[3]))
            continue
        labels = {"__name__": found[1], **dict(LABEL.findall(found[2]))}
        key = tuple(f"{k}={v}" for k, v in sorted(labels.items()))
        labels_of[key] = labels
        samples.setdefault(key, []).append((int(found[4]), value))
    if faults:
        return None
    if not samples:
        faults.append(fault_of("DCGM", "fault.dcgm_field", names=", ".join(FIELDS)))
        return None
    frames = [
        pd.DataFrame(
            {
                "timestamp": pd.to_datetime([t for t, _ in own], unit="ms", utc=True).as_unit("ns"),
                "value": np.array([v for _, v in own]),
            }
        )
        for own in samples.values()
    ]
    return from_samples(list(labels_of.values()), frames, "dcgm-exporter's text")


def _added(frame: pd.DataFrame, field: str, name: str) -> Source:
    """The table with a label a GPU: the reader adds GPUs up, each over its own life."""
    table = pd.DataFrame(
        {"timestamp": frame["timestamp"], "series": frame["group"], "unit": UNIT, "value": frame["value"]}
    )
    count = frame.groupby("group")["gpu"].nunique()
    told = listed([note("dcgm.group", group=group, n=n) for group, n in count.items()], 8)
    labels: pd.DataFrame = frame[["gpu"]]
    notes = (note("dcgm.added", field=field, groups=told),)
    return Source(name, table, labels, notes, parts=True)


FORMAT = TableFormat("DCGM", fits, read)
