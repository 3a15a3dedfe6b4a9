"""Demand that a case brings along, and how a history's series become demand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from planner.case.fields import Block, Flag, Id, NonNegative, PerPeriod, Positive, Whole
from planner.case.tariffs import DayKind


class GivenDay(Block):
    """A typical day: `weight_days` of every period (per period), in steps of the stated lengths.

    With 24 steps of one hour, step h is hour h of the day and meets the tariff there; any other steps meet the day's
    mean price. `month` and `kind` fix the calendar for tariff and PUE; left out, they are averaged.
    """

    id: Id
    weight_days: PerPeriod
    month: Annotated[Whole, Field(ge=1, le=12)] | None = None
    kind: DayKind | None = None


class GivenSeries(Block):
    """Demand of one region and workload: values[period][day][step], a mean rate in the workload's unit.

    A single number stands for all; a list shorter in depth is spread: [step], [day][step] or [period][day][step].
    """

    region: Id
    workload: Id
    values: NonNegative | list[NonNegative] | list[list[NonNegative]] | list[list[list[NonNegative]]]


class GivenFuture(Block):
    id: Id = "base"
    probability: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0
    series: list[GivenSeries]


class GivenDemand(Block):
    """Demand brought along instead of an outlook."""

    days: Annotated[list[GivenDay], Field(min_length=1)]
    step_hours: Annotated[list[Positive], Field(min_length=1)] = [1.0] * 24
    futures: Annotated[list[GivenFuture], Field(min_length=1)]


class SeriesRule(Block):
    """How a history's series becomes demand: match (exact name or shell pattern), target, and an explicit unit scale.

    share: spread over regions by these shares, which add up to 1; with `weights`, they are scaled to do so. Or one
    `region`.
    scale: the workload's units for one unit of the series; a scale of 1 between different units needs a `scale_note`.
    ceiling, ceiling_series, unserved_series: at most one of them, where the series shows what was served and demand may
    have been cut off: at a number in the series' unit, at a series of capacity, or in the hours in which a series of
    rejected or queued work is above 0.
    """

    series: str
    workload: Id
    region: Id | None = None
    share: dict[Id, NonNegative] = {}
    weights: Flag = False
    scale: Positive
    scale_note: str = ""
    ceiling: Positive | None = None
    ceiling_series: str | None = None
    unserved_series: str | None = None
