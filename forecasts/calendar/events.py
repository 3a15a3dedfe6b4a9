"""Known events: a launch, a migration, a contract, with their date and what is not known about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from forecasts.fault import Fault
from forecasts.outlook import FloatArray, SeriesKey
from forecasts.words.fault import fault_of


@dataclass(frozen=True)
class Event:
    """A dated change of demand that no history shows yet.

    name: for notes and reports. start: first day on which it acts; end: first day on which it no longer does (None: for
    good). factor: multiplies demand once the ramp is over (1.3: +30 %). step: adds so many units of mean demand, shared
    out over the matching series by their level (negative: a customer leaves). Give one of the two. sigma: the change
    that comes (factor - 1, or step) is the stated one times a log-normal with this standard deviation in logs and
    median 1. probability: that it happens at all. ramp_weeks: linear growth from nothing to full size.
    region, workload: which series it touches; None means all.
    """

    name: str
    start: date
    factor: float | None = None
    step: float | None = None
    sigma: float = 0.0
    probability: float = 1.0
    ramp_weeks: float = 0.0
    end: date | None = None
    region: str | None = None
    workload: str | None = None

    def touches(self, key: SeriesKey) -> bool:
        """Whether the series with this key is one that the event acts on."""
        return self.region in (None, key.region) and self.workload in (None, key.workload)


def check_events(events: Sequence[Event], series: Sequence[SeriesKey]) -> list[Fault]:
    """Every fault of a list of events."""
    faults = []
    for i, event in enumerate(events):
        where = f"events[{i}] {event.name}"
        if (event.factor is None) == (event.step is None):
            faults.append(fault_of(where, "fault.event_size", factor=str(event.factor), step=str(event.step)))
        if event.factor is not None and not (math.isfinite(event.factor) and event.factor >= 0):
            faults.append(fault_of(f"{where}.factor", "fault.at_least", value=str(event.factor), low=0))
        if event.step is not None and not math.isfinite(event.step):
            faults.append(fault_of(f"{where}.step", "fault.finite", value=str(event.step)))
        if not 0 <= event.sigma < 5:
            faults.append(fault_of(f"{where}.sigma", "fault.range", value=str(event.sigma), low=0, high=5))
        if not 0 <= event.probability <= 1:
            faults.append(fault_of(f"{where}.probability", "fault.range", value=str(event.probability), low=0, high=1))
        if not event.ramp_weeks >= 0:
            faults.append(fault_of(f"{where}.ramp_weeks", "fault.at_least", value=str(event.ramp_weeks), low=0))
        if event.end is not None and event.end <= event.start:
            faults.append(fault_of(f"{where}.end", "fault.event_end", end=str(event.end), start=str(event.start)))
        if not any(event.touches(key) for key in series):
            known = {
                "regions": ", ".join(sorted({k.region for k in series})),
                "workloads": ", ".join(sorted({k.workload for k in series})),
            }
            told = {"region": str(event.region), "workload": str(event.workload)}
            faults.append(fault_of(where, "fault.event_nowhere", **told, **known))
    return faults


def presence(event: Event, start: datetime, weeks: int) -> FloatArray:
    """(weeks,) how much of its full size the event has in each week, averaged over the week's days."""
    day = np.arange(7 * weeks, dtype=np.float64) - (event.start - start.date()).days
    size = (day >= 0).astype(np.float64)
    if event.ramp_weeks > 0.01:
        size = np.clip((day + 0.5) / (7 * event.ramp_weeks), 0.0, 1.0)
    if event.end is not None:
        size = np.where(day >= (event.end - event.start).days, 0.0, size)
    return np.asarray(size.reshape(weeks, 7).mean(axis=1))


def apply_events(
    level: FloatArray,
    peak: FloatArray,
    events: Sequence[Event],
    series: Sequence[SeriesKey],
    start: datetime,
    rng: np.random.Generator | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Level and peak (futures, series, weeks) with the events in them.

    With `rng` every future draws whether and how strongly each event acts, the same for all series that it touches;
    without it each event acts with its median size if it is likelier than not (the P50 course).
    """
    if not events:
        return level, np.maximum(peak, level)
    level, peak = level.copy(), peak.copy()
    futures, _, weeks = level.shape
    for event in events:
        rows = np.flatnonzero([event.touches(key) for key in series])
        if rng is None:
            strength = np.full(futures, 1.0 if event.probability >= 0.5 else 0.0)
        else:
            happens = rng.random(futures) < event.probability
            strength = happens * np.exp(event.sigma * rng.standard_normal(futures))
        grown = strength[:, None] * presence(event, start, weeks)  # (futures, weeks)
        mean, high = level[:, rows], peak[:, rows]
        if event.factor is not None:
            change = np.maximum(1 + (event.factor - 1) * grown, 0.0)[:, None, :] * np.ones((1, len(rows), 1))
        else:
            total = mean.sum(axis=1, keepdims=True)
            added = (event.step or 0.0) * grown[:, None, :]
            if not (total > 0).all():
                # Nothing there yet to share out by: evenly, and flat until a tide is known.
                even = np.where(total > 0, 0.0, added / len(rows))
                level[:, rows] = mean = np.maximum(mean + even, 0.0)
                peak[:, rows] = high = np.maximum(high + even, 0.0)
            change = np.where(total > 0, np.maximum(1 + added / np.where(total > 0, total, 1.0), 0.0), 1.0)
        level[:, rows], peak[:, rows] = mean * change, high * change
    return level, np.maximum(peak, level)
