"""Slurm: `sacct --parsable2` with Submit, Start, End and what was allocated."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import Sheet, TableFormat
from forecasts.history.moments import read_times
from forecasts.history.rows import Source
from forecasts.outlook import FloatArray, IntArray
from forecasts.words.fault import fault_of
from forecasts.words.note import note

GPU = re.compile(r"(?:^|,)gres/gpu=(\d+(?:\.\d+)?)")
TYPED = re.compile(r"(?:^|,)gres/gpu:[^=,]+=(\d+(?:\.\d+)?)")
CPU = re.compile(r"(?:^|,)cpu=(\d+)")
HOUR = 3_600_000_000_000
NEVER = ("unknown", "none", "n/a", "", "nan", "invalid")


def fits(names: Sequence[str]) -> bool:
    """Whether it is of this format."""
    jobs = any(n in names for n in ("jobid", "jobidraw"))
    return jobs and {"start", "end"} <= set(names) and any(n in names for n in ("alloctres", "reqtres", "alloccpus"))


def read(sheet: Sheet, _asked: Reading, faults: list[Fault]) -> Source | None:
    """GPUs that run, and that wait, in every hour and partition; CPUs where no job names a GPU."""
    job = sheet.column("jobidraw", "jobid").astype("str")
    own = ~job.str.contains(".", regex=False).to_numpy()
    if not own.any():
        faults.append(fault_of("JobID", "fault.job_steps"))
        return None
    start, end = _when(sheet, "start", own, faults), _when(sheet, "end", own, faults)
    submit = _when(sheet, "submit", own, faults) if sheet.place("submit") is not None else start
    if faults:
        return None
    known = np.concatenate([part[~np.isnat(part)] for part in (start, end, submit)])
    if not len(known):
        faults.append(fault_of("Start", "fault.no_job"))
        return None
    last = known.max()
    tres = _tres(sheet, own)
    gpus = _amount(tres, GPU)
    gpus = np.where(gpus > 0, gpus, _amount(tres, TYPED))
    unit, size = ("GPUs", gpus) if (gpus > 0).any() else ("CPUs", _cpus(sheet, own, tres))
    if not (size > 0).any():
        faults.append(fault_of("AllocTRES", "fault.no_resources"))
        return None
    part, names = np.zeros(int(own.sum()), dtype=np.int64), ["jobs"]
    if sheet.place("partition") is not None:
        part, distinct = pd.factorize(sheet.column("partition").astype("str")[own].str.split(",").str[0], sort=True)
        names = [str(name) for name in distinct]
    ran = ~np.isnat(start)
    stop = np.where(np.isnat(end), last, end)
    began = np.where(ran, start, stop)
    seen = np.where(np.isnat(submit), start, submit)
    first = int(seen[~np.isnat(seen)].min().astype(np.int64))
    # The hour in which the log ends is not whole: it would read too low.
    base, hours = first // HOUR, max(int(last.astype(np.int64) // HOUR - first // HOUR), 1)
    frames = []
    stamps = pd.DatetimeIndex((np.arange(hours) + base) * HOUR)
    waits = ~np.isnat(submit) & (began > submit)
    for code, name in enumerate(names):
        mine = part == code
        run = _in_use(start, stop, size, mine & ran, base, hours)
        queue = _in_use(submit, began, size, mine & waits, base, hours)
        frames.append(pd.DataFrame({"timestamp": stamps, "series": name, "unit": unit, "value": run}))
        if queue.any():
            series = f"{name}/queued"
            frames.append(pd.DataFrame({"timestamp": stamps, "series": series, "unit": unit, "value": queue}))
    running = int((np.isnat(end) & ran).sum())
    notes = [
        note("slurm.jobs", n=int(own.sum()), unit=unit),
        note("slurm.before"),
    ]
    if running:
        notes.append(note("slurm.running", n=running))
    if unit == "CPUs":
        notes.append(note("slurm.cpus"))
    return Source(f"Slurm sacct ({sheet.how})", pd.concat(frames, ignore_index=True), notes=tuple(notes))


def _when(sheet: Sheet, name: str, own: np.ndarray, faults: list[Fault]) -> np.ndarray:
    """(jobs,) moments, NaT where Slurm knows none."""
    text = sheet.column(name).astype("str").str.strip()[own].reset_index(drop=True)
    never = text.str.lower().isin(NEVER).to_numpy()
    out = np.full(len(text), np.datetime64("NaT", "ns"))
    if (~never).any():
        told: list[Fault] = []
        times, _ = read_times(text[~never].reset_index(drop=True), told)
        faults += [fault.moved(name) for fault in told]
        out[~never] = times.astype("datetime64[ns]")
    return out


def _tres(sheet: Sheet, own: np.ndarray) -> pd.Series:
    text = sheet.column("alloctres", "reqtres", "alloccpus").astype("str")[own].reset_index(drop=True)
    if sheet.place("alloctres") is not None and sheet.place("reqtres") is not None:
        other = sheet.column("reqtres").astype("str")[own].reset_index(drop=True)
        text = text.where(text.str.contains("=", regex=False), other)
    return text


def _amount(tres: pd.Series, form: re.Pattern[str]) -> FloatArray:
    found = tres.str.findall(form).map(lambda all_: sum(float(one) for one in all_))
    return np.asarray(found.to_numpy(dtype=np.float64))


def _cpus(sheet: Sheet, own: np.ndarray, tres: pd.Series) -> FloatArray:
    if sheet.place("alloccpus", "ncpus") is not None:
        counts = pd.to_numeric(sheet.column("alloccpus", "ncpus").astype("str")[own], errors="coerce")
        return np.asarray(np.nan_to_num(counts.to_numpy(dtype=np.float64)))
    return _amount(tres, CPU)


def _in_use(
    begin: np.ndarray,
    end: np.ndarray,
    size: FloatArray,
    kept: np.ndarray,
    base: int,
    hours: int,
) -> FloatArray:
    """(hours,) mean amount in use: the area under the sum of all jobs, hour by hour."""
    a = begin[kept].astype("datetime64[ns]").astype(np.int64) / HOUR - base
    b = end[kept].astype("datetime64[ns]").astype(np.int64) / HOUR - base
    return _area(b, size[kept], hours) * -1 + _area(a, size[kept], hours)


def _area(at: FloatArray, size: FloatArray, hours: int) -> FloatArray:
    """(hours,) what is there, by the hour, of steps up at moments `at` (in hours) that never end."""
    place: IntArray = np.clip(np.floor(at).astype(np.int64), 0, hours)
    part = np.where(place < hours, (place + 1 - at) * size, 0.0)
    first = np.bincount(place, part, hours + 1)[:hours]
    whole = np.cumsum(np.bincount(place + 1, size, hours + 2))[:hours]
    return np.asarray(first + whole)


FORMAT = TableFormat("Slurm sacct", fits, read)
