"""The demand that a scenario is planned for and judged on: from an outlook, or from demand that a case brings along."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecasts.outlook import Futures, Outlook
from planner.case import Case, Expected
from planner.demand import Demand, FloatArray
from planner.errors import PlanError, Problem
from planner.horizon import DayRules, given_demand, outlook_demand, peak_pflops, quantile
from planner.planning import with_measured_burst
from planner.scenarios.scenario import DemandChange


@dataclass(frozen=True)
class World:
    """A case and its demand seen in four ways, all on the same typical days.

    futures: the weighted futures that plans are optimised on. median: one future, the P50 course. mean: one future, the
    mean of `futures`. evaluation: futures that plans are judged on, drawn apart from `futures` where the outlook has
    them; else `futures` themselves.
    """

    case: Case
    futures: Demand
    median: Demand
    mean: Demand
    evaluation: Demand

    @property
    def apart(self) -> bool:
        """Whether plans are judged on other futures than those they were optimised on."""
        return self.evaluation is not self.futures


def make_world(
    case: Case,
    source: Outlook | Demand | None,
    *,
    change: DemandChange | None = None,
    evaluation_futures: int | Demand | None = None,
    days: DayRules | None = None,
) -> World:
    """The world of a case. The case's own risk objective is set aside: rules bring their own.

    source: None takes the demand that the case brings along. evaluation_futures: how many of the outlook's evaluation
    futures are used (None: all), or a demand to judge on.
    Raises PlanError where outlook and case do not fit, or there are fewer evaluation futures than asked for.
    """
    change = change or DemandChange()
    case = case.model_copy(update={"risk": case.risk.model_copy(update={"objective": Expected()})})
    if source is None:
        source = given_demand(case)
    if isinstance(source, Demand):
        futures = changed_demand(case, source, change)
        evaluation = futures
        if isinstance(evaluation_futures, Demand):
            evaluation = changed_demand(case, evaluation_futures, change)
        median = replace(
            futures, probability=np.ones(1), values=quantile(futures.values, futures.probability, 0.5)[None]
        )
        return World(case, futures, median, _mean(futures), evaluation)
    outlook = changed_outlook(source, change)
    case = with_measured_burst(case, outlook)
    futures = outlook_demand(case, outlook, days)
    median = outlook_demand(case, replace(outlook, futures=outlook.central), days)
    if isinstance(evaluation_futures, Demand):
        evaluation = changed_demand(case, evaluation_futures, change)
    else:
        drawn = first_futures(outlook.evaluation, evaluation_futures)
        # The grouping of days rests on the P50 course alone, so that these are the same typical days.
        evaluation = outlook_demand(case, replace(outlook, futures=drawn), days)
    return World(case, futures, median, _mean(futures), evaluation)


def _mean(demand: Demand) -> Demand:
    values = np.einsum("f,fwrtdh->wrtdh", demand.probability, demand.values)[None]
    return replace(demand, probability=np.ones(1), values=values)


def first_futures(futures: Futures, count: int | None) -> Futures:
    """The first `count` of equally weighted futures (None: all). Raises PlanError when there are fewer."""
    if count is None or count == len(futures):
        return futures
    if not 1 <= count <= len(futures):
        raise PlanError([Problem("evaluation_futures", str(count), f"1 to {len(futures)}, as many as were drawn")])
    probability = futures.probability[:count]
    return Futures(probability / probability.sum(), futures.level[:count], futures.peak[:count])


def trend(values: FloatArray) -> FloatArray:
    """(n,) slope per step of the logarithm of (n, steps) values, by least squares; 0 where they are not positive."""
    steps = values.shape[1]
    if steps < 2:
        return np.zeros(len(values))
    x = np.arange(steps) - (steps - 1) / 2
    positive = np.asarray((values > 0).all(axis=1), bool)
    logs = np.log(np.where(positive[:, None], values, 1.0))
    return np.where(positive, logs @ x / (x @ x), 0.0)


def changed_outlook(outlook: Outlook, change: DemandChange) -> Outlook:
    """The outlook with its level times `multiplier` and the slope of its P50 course times `growth`, in every future."""
    if change.none:
        return outlook
    slope = trend(outlook.central.level[0])
    factor = change.multiplier * np.exp((change.growth - 1) * slope[:, None] * np.arange(outlook.weeks))

    def scaled(futures: Futures) -> Futures:
        return Futures(futures.probability, futures.level * factor, futures.peak * factor)

    return replace(
        outlook,
        central=scaled(outlook.central),
        futures=scaled(outlook.futures),
        evaluation=scaled(outlook.evaluation),
        notes=(*outlook.notes, f"Demand changed: multiplier {change.multiplier:g}, growth times {change.growth:g}."),
    )


def changed_demand(case: Case, demand: Demand, change: DemandChange) -> Demand:
    """The same for demand arrays: the slope is that of each workload's mean volume by period."""
    if change.none:
        return demand
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    volume = np.einsum("f,fwrtdh,tdh->wt", demand.probability, demand.values, hours)
    slope = trend(volume)
    factor = change.multiplier * np.exp((change.growth - 1) * slope[:, None] * np.arange(demand.days.periods))
    values = demand.values * factor[None, :, None, :, None, None]
    peak = peak_pflops(case, values, demand.days.weight, demand.days.step_hours)
    note = f"Demand changed: multiplier {change.multiplier:g}, growth times {change.growth:g}."
    return replace(
        demand,
        values=values,
        p50_peak=quantile(peak, demand.probability, 0.5),
        p90_peak=quantile(peak, demand.probability, 0.9),
        notes=(*demand.notes, note),
    )
