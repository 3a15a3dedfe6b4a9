"""Logs of single requests with their tokens: the Azure LLM inference traces, BurstGPT, and tables like them.

Every request is one; requests and tokens are counted a minute and given a second. A log is whole: a minute without a
request is one without demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import Sheet, TableFormat
from forecasts.history.moments import read_times
from forecasts.history.numbers import read_numbers
from forecasts.history.rows import Source
from forecasts.outlook import FloatArray, IntArray
from forecasts.words.fault import fault_of
from forecasts.words.note import note

MINUTE = 60_000_000_000
INPUT = ("contexttokens", "request tokens", "prompt_tokens", "input_tokens", "input_length", "num_prefill_tokens")
OUTPUT = ("generatedtokens", "response tokens", "completion_tokens", "output_tokens", "output_length")
MOMENT = ("timestamp", "time", "arrival_time", "arrived_at", "created_at", "start_time", "arrival_s")
MODEL = ("model", "model_name", "model name")
MOST_SERIES = 400


def fits(names: Sequence[str]) -> bool:
    """Whether it is of this format."""
    return any(n in names for n in INPUT) and any(n in names for n in OUTPUT) and any(n in names for n in MOMENT)


def read(sheet: Sheet, asked: Reading, faults: list[Fault]) -> Source | None:
    """Series `requests`, `input tokens` and `output tokens`, of each model where the log names models."""
    wanted = asked.columns.get("timestamp")
    column = (
        sheet.column(wanted.lower()) if wanted and sheet.place(wanted.lower()) is not None else sheet.column(*MOMENT)
    )
    notes: list[str] = []
    moments = _moments(column, asked, faults, notes)
    inputs = read_numbers(sheet.column(*INPUT), faults, asked.decimal, "input tokens")
    outputs = read_numbers(sheet.column(*OUTPUT), faults, asked.decimal, "output tokens")
    if moments is None or faults:
        return None
    times, aware = moments
    model, models = np.zeros(len(times), dtype=np.int64), [""]
    at = sheet.place(*MODEL)
    if at is not None:
        part, distinct = pd.factorize(sheet.frame[at], sort=True)
        models = [str(name).strip() for name in distinct]
        model = np.where(part < 0, len(models), part)
        models = [*models, "no model"] if (part < 0).any() else models
    if len(models) > MOST_SERIES:
        faults.append(fault_of("model", "fault.models", n=len(models), most=MOST_SERIES))
        return None
    failed = int((np.nan_to_num(outputs) == 0).sum())
    if failed:
        notes.append(note("requests.failed", n=failed))
    notes.append(note("requests.counted", n=len(times)))
    notes += [_shape(models[m], inputs[model == m], outputs[model == m], times[model == m]) for m in _largest(model)]
    minute = times // MINUTE
    first, span = int(minute.min()), int(minute.max() - minute.min()) + 1
    if span > 40 * 366 * 1440:
        faults.append(fault_of("timestamp", "fault.log_days", n=span // 1440))
        return None
    stamps = pd.DatetimeIndex((np.arange(span) + first) * MINUTE)
    stamps = stamps.tz_localize("UTC") if aware else stamps
    frames = []
    place = model * span + (minute - first)
    for name, unit, weight in (
        ("requests", "requests/s", np.ones(len(times))),
        ("input tokens", "input tokens/s", np.nan_to_num(inputs)),
        ("output tokens", "output tokens/s", np.nan_to_num(outputs)),
    ):
        rate = np.bincount(place, weight, len(models) * span).reshape(len(models), span) / 60
        for own, values in zip(models, rate, strict=True):
            series = f"{own}/{name}" if own else name
            frames.append(pd.DataFrame({"timestamp": stamps, "series": series, "unit": unit, "value": values}))
    table = pd.concat(frames, ignore_index=True).astype({"series": "category", "unit": "category"})
    return Source(f"{_name(sheet)} ({sheet.how})", table, notes=tuple(notes))


def _largest(model: IntArray) -> list[int]:
    """The three models with most requests, the most first."""
    count = np.bincount(model)
    return [int(m) for m in np.argsort(-count, kind="stable")[:3] if count[m] > 0]


def _shape(name: str, inputs: FloatArray, outputs: FloatArray, times: IntArray) -> str:
    """What a `service` of a case asks for: mean and spread of tokens, dispersion of arrivals within seconds."""
    told = {}
    for what, tokens in (("input", inputs), ("output", outputs)):
        known = tokens[np.isfinite(tokens) & (tokens > 0)]
        mean = float(known.mean()) if len(known) else float("nan")
        told[what] = f"{mean:,.0f}" if len(known) else "–"
        told[f"{what}_cv"] = f"{float(known.std()) / mean:.2f}" if len(known) else "–"
    found = dispersion(times)
    spoken = note("requests.dispersion", value=f"{found:.1f}") if found is not None else note("requests.too_few")
    return note("requests.shape", name=name or note("requests.all"), dispersion=spoken, **told)


def dispersion(times: IntArray) -> float | None:
    """Variance over mean of arrivals in 10 seconds, within hours: the median of hours with 360 requests or more.

    times: (arrivals,) ns. None where no hour has so many: the figure would be noise.
    """
    slot = times // (10 * MINUTE // 60)
    hour, counts = slot // 360, []
    for h in np.flatnonzero(np.bincount(hour - hour.min()) >= 360) + hour.min():
        each = np.bincount(slot[hour == h] - h * 360, minlength=360)
        counts.append(each.var() / each.mean())
    return float(np.median(counts)) if counts else None


def _name(sheet: Sheet) -> str:
    low = sheet.low()
    if {"timestamp", "contexttokens", "generatedtokens"} <= set(low):
        return "request log, Azure LLM inference trace"
    if {"request tokens", "response tokens", "log type"} <= set(low):
        return "request log, BurstGPT"
    return "request log with tokens"


def _moments(
    column: pd.Series[Any], asked: Reading, faults: list[Fault], notes: list[str]
) -> tuple[IntArray, bool] | None:
    """Moments of requests. Small numbers are seconds since the log began: the day must be said."""
    numbers = pd.to_numeric(pd.Series(column.astype("str")), errors="coerce").to_numpy(dtype=np.float64)
    if np.isfinite(numbers).all() and len(numbers) and np.abs(numbers).max() < 5e8:
        if asked.began is None:
            faults.append(fault_of("timestamp", "fault.log_began", first=numbers[0]))
            return None
        start = pd.Timestamp(asked.began).value
        notes.append(note("requests.began", began=asked.began))
        return start + np.round(numbers * 1e9).astype(np.int64), False
    if len(numbers) == 0:
        faults.append(fault_of("rows", "fault.no_request"))
        return None
    return read_times(column, faults)


FORMAT = TableFormat("request log with tokens", fits, read)
