"""The demand that a scenario is planned for and judged on: from an outlook, or from demand that a case brings along."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from forecasts.fault import Fault
from forecasts.outlook import Futures, Outlook
from forecasts.words.note import Note
from planner.arrays import FloatArray, IntArray
from planner.case import Case, Expected
from planner.case.errors import PlanError
from planner.demand import Demand, TypicalDays, quantile
from planner.demand.horizon import DayRules, given_demand, outlook_demand, peak_pflops
from planner.planning import with_measured_burst
from planner.scenarios.scenario import DemandChange
from planner.solve.fanout import fan_out
from planner.words.wording import noted

# Futures in one task: drawing their typical days takes a second or so of CPU on a national outlook.
_FUTURES_PER_TASK = 25


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
    """The world of one case: `Worlds.world` without others beside it."""
    return Worlds(source, evaluation_futures=evaluation_futures, days=days).world(case, change)


@dataclass
class Worlds:
    """Worlds of one source of demand. What two cases see alike is made once: a lever seldom changes any demand.

    source: None takes the demand that the case brings along. evaluation_futures: how many of the outlook's evaluation
    futures are used (None: all), or a demand to judge on. executor: where the typical days of futures are drawn (None:
    in this process).
    """

    source: Outlook | Demand | None
    evaluation_futures: int | Demand | None = None
    days: DayRules | None = None
    executor: Executor | None = None
    stop: threading.Event | None = None
    _drawn: dict[str, tuple[Demand, Demand, Demand]] = field(default_factory=dict)

    def world(self, case: Case, change: DemandChange | None = None) -> World:
        """The world of a case. The case's own risk objective is set aside: rules bring their own.

        Raises PlanError where outlook and case do not fit, or there are fewer evaluation futures than asked for.
        """
        change = change or DemandChange()
        case = case.model_copy(update={"risk": case.risk.model_copy(update={"objective": Expected()})})
        if not isinstance(self.source, Outlook):
            return self._given(case, given_demand(case) if self.source is None else self.source, change)
        case = with_measured_burst(case, self.source)
        key = json.dumps([_seen(case), change.model_dump(mode="json")], sort_keys=True)
        if key not in self._drawn:
            self._drawn[key] = self._draw(case, changed_outlook(self.source, change))
        futures, median, evaluation = self._drawn[key]
        if isinstance(self.evaluation_futures, Demand):
            evaluation = changed_demand(case, self.evaluation_futures, change)
        return World(case, futures, median, _mean(futures), evaluation)

    def _given(self, case: Case, source: Demand, change: DemandChange) -> World:
        futures = changed_demand(case, source, change)
        evaluation = futures
        if isinstance(self.evaluation_futures, Demand):
            evaluation = changed_demand(case, self.evaluation_futures, change)
        median = replace(
            futures,
            probability=np.ones(1),
            values=quantile(futures.values, futures.probability, 0.5)[None],
            course=futures.central,
        )
        return World(case, futures, median, _mean(futures), evaluation)

    def _draw(self, case: Case, outlook: Outlook) -> tuple[Demand, Demand, Demand]:
        """Typical days of the planning futures, of the P50 course and of the evaluation futures.

        The grouping of days rests on the P50 course alone, so that they are the same days in all three; and the peaks
        rest on all evaluation futures, so that they need be found once.
        """
        judged = None
        if not isinstance(self.evaluation_futures, Demand):
            judged = first_futures(outlook.evaluation, self.evaluation_futures)
        light = replace(outlook, futures=outlook.central, evaluation=outlook.central)
        tasks = [(case, outlook, self.days), (case, light, self.days)]
        for a in range(0, 0 if judged is None else len(judged), _FUTURES_PER_TASK):
            assert judged is not None
            part = slice(a, a + _FUTURES_PER_TASK)
            share = judged.probability[part]
            own = Futures(share / share.sum(), judged.level[part], judged.peak[part])
            tasks.append((case, replace(light, futures=own), self.days))
        if self.executor is None:
            found = [outlook_demand(*task) for task in tasks]
        else:
            made = dict(fan_out(self.executor, outlook_demand, tasks, stop=self.stop))
            found = [made[i] for i in range(len(tasks))]
        futures, median, *parts = found
        p50, p90 = futures.p50_peak, futures.p90_peak
        median = replace(median, p50_peak=p50, p90_peak=p90)
        if judged is None:
            return futures, median, futures
        values = np.concatenate([part.values for part in parts])
        evaluation = replace(parts[0], probability=judged.probability, values=values, p50_peak=p50, p90_peak=p90)
        return futures, median, evaluation


def _seen(case: Case) -> list[object]:
    """What of a case its demand rests on (`planner.demand.horizon.outlook_demand`)."""
    workloads = [
        (w.id, w.kind.value, w.throughput, w.max_utilisation, w.burst_factor, w.pflops_per_unit) for w in case.workloads
    ]
    types = [(k.id, k.peak_pflops) for k in case.module_types]
    horizon = case.horizon.model_dump(mode="json")
    return [horizon, case.meta.timezone, [r.id for r in case.regions], workloads, types]


def merged_world(world: World, group: IntArray) -> World:
    """The world with the demand that plans are made for on merged steps; the evaluation futures stay as they are.

    group: (steps,) number of the merged step.
    """
    futures, median, mean = (merged_demand(d, group) for d in (world.futures, world.median, world.mean))
    return replace(world, futures=futures, median=median, mean=mean)


def merged_demand(demand: Demand, group: IntArray) -> Demand:
    """Steps of a group as one step of their total length with mean demand. group: (steps,) see `merged_steps`.

    Peaks by period and the P50 course, on which build-ahead ratios rest, stay those of single hours.
    """
    days, count = demand.days, int(group.max()) + 1
    hours = np.bincount(group, weights=days.step_hours, minlength=count).astype(float)
    mean = np.zeros((len(group), count))
    mean[np.arange(len(group)), group] = days.step_hours / hours[group]
    merged = TypicalDays(days.labels, days.weight, hours, days.calendar, hourly=False)
    return replace(demand, values=demand.values @ mean, days=merged, course=demand.central)


def _mean(demand: Demand) -> Demand:
    values = np.einsum("f,fwrtdh->wrtdh", demand.probability, demand.values)[None]
    return replace(demand, probability=np.ones(1), values=values, course=demand.central)


def first_futures(futures: Futures, count: int | None) -> Futures:
    """The first `count` of equally weighted futures (None: all). Raises PlanError when there are fewer."""
    if count is None or count == len(futures):
        return futures
    if not 1 <= count <= len(futures):
        raise PlanError([Fault("evaluation_futures", str(count), f"1 to {len(futures)}, as many as were drawn")])
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


def _changed_note(change: DemandChange) -> Note:
    note = noted("note.changed", multiplier=f"{change.multiplier:g}", growth=f"{change.growth:g}")
    own = [noted("note.changed_of", workload=id, factor=f"{by:g}") for id, by in change.of.items() if by != 1]
    return Note(" ".join([note, *own]), "".join(part.chinese for part in (note, *own)))


def changed_outlook(outlook: Outlook, change: DemandChange) -> Outlook:
    """The outlook with its level times the factor and the slope of its P50 course times `growth`, in every future."""
    if change.none:
        return outlook
    slope = trend(outlook.central.level[0])
    share = np.array([change.factor(key.workload) for key in outlook.series])
    factor = share[:, None] * np.exp((change.growth - 1) * slope[:, None] * np.arange(outlook.weeks))

    def scaled(futures: Futures) -> Futures:
        return Futures(futures.probability, futures.level * factor, futures.peak * factor)

    return replace(
        outlook,
        central=scaled(outlook.central),
        futures=scaled(outlook.futures),
        evaluation=scaled(outlook.evaluation),
        notes=(*outlook.notes, _changed_note(change)),
    )


def changed_demand(case: Case, demand: Demand, change: DemandChange) -> Demand:
    """The same for demand arrays: the slope is that of each workload's mean volume by period."""
    if change.none:
        return demand
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    volume = np.einsum("f,fwrtdh,tdh->wt", demand.probability, demand.values, hours)
    slope = trend(volume)
    share = np.array([change.factor(w.id) for w in case.workloads])
    factor = share[:, None] * np.exp((change.growth - 1) * slope[:, None] * np.arange(demand.days.periods))
    values = demand.values * factor[None, :, None, :, None, None]
    peak = peak_pflops(case, values, demand.days.weight, demand.days.step_hours)
    return replace(
        demand,
        values=values,
        p50_peak=quantile(peak, demand.probability, 0.5),
        p90_peak=quantile(peak, demand.probability, 0.9),
        notes=(*demand.notes, _changed_note(change)),
        course=demand.central.scaled(factor[:, None, :, None, None]),
    )
