"""Small exports as monitoring systems write them, all made here, all of one tide whose values are known.

The tide is TIDE[hour of the day] x 1 + a little for the weekday; hours are UTC from START on.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-09-07", tz="UTC")
"""A Monday."""
DAYS = 42
TIDE = 4 + 3 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24)
HOURS = pd.date_range(START, periods=24 * DAYS, freq="h")
VALUES = np.round(TIDE[HOURS.hour] * np.where(HOURS.dayofweek < 5, 1.0, 0.7), 4)


def epoch(stamp: pd.Timestamp) -> int:
    return int(stamp.timestamp())


def table(head: list[str], rows: Iterator[list[Any]] | list[list[Any]], sign: str = ",") -> bytes:
    out = StringIO()
    writer = csv.writer(out, delimiter=sign, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue().encode()


def prometheus() -> bytes:
    """Two models' requests a second, a sample every 15 minutes, one of them NaN."""
    steps = pd.date_range(START, periods=96 * DAYS, freq="15min")
    hourly = dict(zip(HOURS, VALUES, strict=True))
    result = []
    for model, factor in (("small", 1.0), ("large", 2.0)):
        values = [[epoch(t), f"{hourly[t.floor('h')] * factor:.4f}"] for t in steps]
        values[5][1] = "NaN"
        result.append({"metric": {"__name__": "rps", "model": model, "job": "gateway"}, "values": values})
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def prometheus_dcgm() -> bytes:
    """Two GPUs of one host, each as busy as the tide says, in per cent; the second joins after three weeks."""
    result = []
    for gpu, from_day in (("0", 0), ("1", 21)):
        labels = {"__name__": "DCGM_FI_DEV_GPU_UTIL", "gpu": gpu, "Hostname": "n1", "modelName": "H20"}
        samples = [
            [epoch(t), f"{10 * v:.3f}"]
            for t, v in zip(HOURS, VALUES, strict=True)
            if t >= START + pd.Timedelta(days=from_day)
        ]
        result.append({"metric": labels, "values": samples})
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def grafana_joined() -> bytes:
    """Series joined by time, epochs in ms, a legend with commas and quotes, and Excel's first line."""
    rows = [[epoch(t) * 1000, v, 2 * v] for t, v in zip(HOURS, VALUES, strict=True)]
    return b"sep=,\n" + table(["Time", '{model="small", job="gw"}', "large [a100]"], rows)


def grafana_rows() -> bytes:
    """Series to rows, as the older export writes them."""
    rows = [
        [name, t.isoformat(), v * factor]
        for name, factor in (("small", 1), ("large", 2))
        for t, v in zip(HOURS, VALUES, strict=True)
    ]
    return table(["Series", "Time", "Value"], rows, ";")


def cloudwatch_data() -> bytes:
    """get-metric-data, newest first, as CloudWatch answers unless it is asked otherwise."""
    backwards = [t.isoformat() for t in HOURS[::-1]]
    result = {
        "Id": "m1",
        "Label": "rps",
        "Timestamps": backwards,
        "Values": VALUES[::-1].tolist(),
        "StatusCode": "Complete",
    }
    return json.dumps({"MetricDataResults": [result], "Messages": []}).encode()


def cloudwatch_statistics() -> bytes:
    """get-metric-statistics: sums an hour, in no order."""
    order = np.random.default_rng(3).permutation(len(HOURS))
    points = [{"Timestamp": HOURS[i].isoformat(), "Sum": VALUES[i] * 3600, "Unit": "Count"} for i in order]
    return json.dumps({"Label": "RequestCount", "Datapoints": points}).encode()


def azure_llm() -> bytes:
    """Requests one by one, ten millionths of a second; each of 100 tokens in and 10 out; VALUES[h] x 40 in an hour."""
    rows = []
    for t, v in zip(HOURS[: 24 * 14], VALUES, strict=False):
        count = round(v * 40)
        for k in range(count):
            at = t.tz_localize(None) + pd.Timedelta(seconds=3600 * (k + 0.5) / count)
            rows.append([f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond:06d}0", 100, 10])
    return table(["TIMESTAMP", "ContextTokens", "GeneratedTokens"], rows)


def burst_gpt() -> bytes:
    """Seconds since the log began, two models; some answers failed."""
    rows = []
    for hour, v in enumerate(VALUES[: 24 * 14]):
        count = round(v * 20)
        for k in range(count):
            model = "GPT-4" if k % 4 == 0 else "ChatGPT"
            rows.append([hour * 3600 + 3600 * k // count, model, 200, 0 if k == 1 else 50, 250, "API log"])
    return table(["Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens", "Log Type"], rows)


def slurm() -> bytes:
    """Jobs of 8 GPUs, three hours each, that waited for one; steps, a running job and a pending one."""
    head = ["JobID", "Partition", "Submit", "Start", "End", "State", "AllocTRES"]
    rows: list[list[Any]] = []
    tres = "billing=64,cpu=64,gres/gpu=8,mem=512G,node=1"
    for day in range(DAYS):
        for start in (1, 2, 9, 20):
            begin = START.tz_localize(None) + pd.Timedelta(days=day, hours=start)
            submit, end = begin - pd.Timedelta(hours=1), begin + pd.Timedelta(hours=3)
            job = f"{day * 10 + start}"
            times = [f"{t:%Y-%m-%dT%H:%M:%S}" for t in (submit, begin, end)]
            rows.append([job, "train", *times, "COMPLETED", tres])
            rows.append([f"{job}.batch", "", *times, "COMPLETED", "cpu=64,mem=512G,node=1"])
    rows.append(["9001", "train", "2026-10-18T10:00:00", "2026-10-18T12:00:00", "Unknown", "RUNNING", tres])
    rows.append(["9002", "train", "2026-10-18T11:00:00", "Unknown", "Unknown", "PENDING", ""])
    return table(head, rows, "|")


def opencost_json() -> bytes:
    """/allocation with step=1h: one set an hour, a namespace and what was idle."""
    sets = []
    for t, v in zip(HOURS, VALUES, strict=True):
        window = {"start": f"{t:%Y-%m-%dT%H:%M:%SZ}", "end": f"{t + pd.Timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
        own = {"window": window, "gpuHours": v, "cpuCoreHours": 4 * v}
        sets.append({"serving": own, "__idle__": {"window": window, "gpuHours": 9.0, "cpuCoreHours": 1.0}})
    return json.dumps({"code": 200, "data": sets}).encode()


def opencost_csv() -> bytes:
    """The same fields as columns."""
    rows = [
        ["serving", t.isoformat(), (t + pd.Timedelta(hours=1)).isoformat(), 60, 4 * v, v]
        for t, v in zip(HOURS, VALUES, strict=True)
    ]
    return table(["name", "window.start", "window.end", "minutes", "cpuCoreHours", "gpuHours"], rows)


def dcgm_text() -> bytes:
    """Scrapes of dcgm-exporter one after the other."""
    lines = ["# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).", "# TYPE DCGM_FI_DEV_GPU_UTIL gauge"]
    for t, v in zip(HOURS, VALUES, strict=True):
        for gpu in (0, 1):
            labels = f'gpu="{gpu}",UUID="GPU-{gpu}",modelName="H20",Hostname="n1"'
            lines.append(f"DCGM_FI_DEV_GPU_UTIL{{{labels}}} {10 * v:.3f} {epoch(t) * 1000}")
            lines.append(f"DCGM_FI_DEV_GPU_TEMP{{{labels}}} 55 {epoch(t) * 1000}")
    return ("\n".join(lines) + "\n").encode()


def dcgm_table() -> bytes:
    """A row a moment and GPU."""
    rows = [
        [t.isoformat(), "n1", gpu, "H20", f"{v / 10:.6f}", 55]
        for t, v in zip(HOURS, VALUES, strict=True)
        for gpu in (0, 1)
    ]
    return table(
        ["timestamp", "Hostname", "gpu", "modelName", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_DEV_GPU_TEMP"], rows
    )


def long_csv() -> bytes:
    return table(
        ["timestamp", "series", "value"], [[t.isoformat(), "chat", v] for t, v in zip(HOURS, VALUES, strict=True)]
    )


def wide_csv() -> bytes:
    rows = [[f"{t:%Y-%m-%d %H:%M:%S}+00", v, 2 * v] for t, v in zip(HOURS, VALUES, strict=True)]
    return table(["time", "small", "large"], rows, "\t")


def parquet() -> bytes:
    out = BytesIO()
    pd.DataFrame({"timestamp": HOURS, "series": "chat", "value": VALUES}).to_parquet(out)
    return out.getvalue()


def xlsx() -> bytes:
    out = BytesIO()
    frame = pd.DataFrame({"timestamp": HOURS.tz_localize(None), "series": "chat", "value": VALUES})
    frame.to_excel(out, index=False, sheet_name="September", engine="xlsxwriter")
    return out.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "prometheus.json": prometheus,
    "dcgm.json": prometheus_dcgm,
    "grafana-joined.csv": grafana_joined,
    "grafana-rows.csv": grafana_rows,
    "cloudwatch.json": cloudwatch_data,
    "cloudwatch-sums.json": cloudwatch_statistics,
    "azure-llm.csv": azure_llm,
    "burstgpt.csv": burst_gpt,
    "sacct.txt": slurm,
    "opencost.json": opencost_json,
    "opencost.csv": opencost_csv,
    "dcgm-scrapes.txt": dcgm_text,
    "dcgm.csv": dcgm_table,
    "long.csv": long_csv,
    "wide.tsv": wide_csv,
    "history.parquet": parquet,
    "history.xlsx": xlsx,
}


def write_all(folder: Path) -> None:
    """Every export, as a file of its usual name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in FILES.items():
        (folder / name).write_bytes(made())
