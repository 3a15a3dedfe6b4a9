"""Demand as the model sees it: futures x workloads x regions x periods x typical days x steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.arrays import BoolArray, FloatArray


def quantile(values: FloatArray, probability: FloatArray, q: float) -> FloatArray:
    """Weighted quantile over axis 0: the least value whose cumulated probability reaches q.

    values: (futures, ...); probability: (futures,).
    """
    order = np.argsort(values, axis=0, kind="stable")
    cumulated = np.cumsum(probability[order], axis=0)
    reach = (cumulated >= q - 1e-12).argmax(axis=0)
    position = np.take_along_axis(order, reach[None], axis=0)
    return np.asarray(np.take_along_axis(values, position, axis=0)[0], float)


@dataclass(frozen=True)
class TypicalDays:
    """The days that stand for each period.

    labels: (days,), what each stands for ("workday", "peak day", ...).
    weight: (periods, days), how many real days each stands for; 0 where a period does not use it.
    step_hours: (steps,), length of every step.
    calendar: (periods, days, 12, 3), share of the day's real days in each month and day kind; adds up to 1 where the
        weight is above 0. Tariffs, PUE and carbon are averaged with it.
    hourly: steps are the 24 hours of a day; else the day's mean price holds in every step.
    bills: (periods, bills) share of the period's months in each of its power bills where every day belongs to all of
        them (a mean day); None: by the calendar, see `power_bills`.
    """

    labels: tuple[str, ...]
    weight: FloatArray
    step_hours: FloatArray
    calendar: FloatArray
    hourly: bool
    bills: FloatArray | None = None

    @property
    def periods(self) -> int:
        """Periods of the horizon."""
        return int(self.weight.shape[0])

    @property
    def days(self) -> int:
        """Typical days a period."""
        return int(self.weight.shape[1])

    @property
    def steps(self) -> int:
        """Steps a day."""
        return int(self.step_hours.shape[0])

    def clock(self, step: int) -> str:
        """The time of day at which a step begins; a step may be longer than an hour."""
        hours = float(self.step_hours[:step].sum())
        return f"{int(hours):02d}:{round(60 * (hours % 1)):02d}"

    def used(self) -> list[tuple[int, int]]:
        """(period, day) pairs that stand for at least part of a real day, in order."""
        return [(int(t), int(d)) for t, d in zip(*np.nonzero(self.weight > 0), strict=True)]


def power_bills(days: TypicalDays) -> tuple[FloatArray, BoolArray]:
    """(periods, bills) share of a period's months in each of its power bills; (periods, days, bills) whose days it is.

    A month's bill goes by the highest power of the typical days that belong to the month. Months of a period with the
    same days have the same bill, so that they stand together. A period whose days name no month has one bill.
    """
    if days.bills is not None:
        belongs = (days.bills > 0)[:, None] & (days.weight > 0)[:, :, None]
        return days.bills, belongs
    months = (days.calendar.sum(axis=3) > 0) & (days.weight > 0)[:, :, None]  # (T, D, 12)
    own: list[dict[bytes, tuple[float, BoolArray]]] = []
    for t in range(days.periods):
        bills: dict[bytes, tuple[float, BoolArray]] = {}
        known = np.flatnonzero(months[t].any(axis=0))
        for m in known:
            members = months[t, :, m]
            count = bills.get(members.tobytes(), (0.0, members))[0]
            bills[members.tobytes()] = (count + 1 / len(known), members)
        own.append(bills or {b"": (1.0, days.weight[t] > 0)})
    most = max((len(bills) for bills in own), default=1)
    share, belongs = np.zeros((days.periods, most)), np.zeros((days.periods, days.days, most), bool)
    for t, bills in enumerate(own):
        for i, (count, members) in enumerate(bills.values()):
            share[t, i], belongs[t, :, i] = count, members
    return share, belongs


@dataclass(frozen=True)
class Course:
    """One course of demand with days and steps of its own, which stay when those of the demand around it are merged.

    values: (workloads, regions, periods, days, steps), mean rate in the workload's unit.
    """

    values: FloatArray
    days: TypicalDays

    def from_period(self, period: int) -> Course:
        """What is left of it from a period on."""
        days = self.days
        left = replace(days, weight=days.weight[period:], calendar=days.calendar[period:])
        return Course(self.values[:, :, period:], left)

    def scaled(self, factor: FloatArray) -> Course:
        """Its values times a factor that broadcasts to them. factor: as (workloads, regions, periods, days, steps)."""
        return Course(self.values * factor, self.days)


@dataclass(frozen=True)
class Demand:
    """Demand on typical days.

    probability: (futures,).
    values: (futures, workloads, regions, periods, days, steps), mean rate in the workload's unit, in the case's order.
    days: the typical days behind the last three axes.
    p50_peak: (periods,) installed-PFLOPS equivalent of the P50 peak hour (see `planner.demand.horizon.peak_pflops`).
    p90_peak: (periods,) the same for P90.
    notes: what was assumed on the way from history to demand.
    course: the P50 course; None where it is the median over the futures (`central` gives it either way).
    """

    probability: FloatArray
    values: FloatArray
    days: TypicalDays
    p50_peak: FloatArray
    p90_peak: FloatArray
    notes: tuple[str, ...] = ()
    course: Course | None = None

    def __len__(self) -> int:
        return int(self.probability.shape[0])

    @property
    def central(self) -> Course:
        """The P50 course: what the build-ahead ratio is measured against."""
        return self.course or Course(quantile(self.values, self.probability, 0.5), self.days)

    def mean_day(self) -> Demand:
        """The same with one typical day a period, the mean of its days."""
        weight = self.days.weight
        total = weight.sum(axis=1, keepdims=True)
        share = weight / np.where(total > 0, total, 1.0)
        calendar = np.einsum("td,tdmk->tmk", share, self.days.calendar)[:, None]
        bills = power_bills(self.days)[0] if self.days.bills is None else self.days.bills
        days = TypicalDays(("mean day",), total, self.days.step_hours, calendar, self.days.hourly, bills)
        values = np.einsum("fwrtdh,td->fwrth", self.values, share)[:, :, :, :, None]
        return replace(self, days=days, values=values, course=self.central)

    def only(self, futures: Sequence[int]) -> Demand:
        """The named futures, their probabilities scaled to add up to 1."""
        keep = list(futures)
        probability = self.probability[keep]
        return replace(
            self,
            probability=probability / probability.sum(),
            values=self.values[keep],
            course=self.central,
        )
