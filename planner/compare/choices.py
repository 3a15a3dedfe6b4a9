"""What follows from scenarios' costs by future: regret, choices, frontier and knee, break-evens, sensitivities."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.rules.statistics import mean
from planner.words.wording import Message

_CANCELLED = 1e-11
"""What two equal costs that were added up in another order differ by, as a part of them."""


@dataclass(frozen=True)
class Judged:
    """One scenario on the common futures. Arrays are (F,), money discounted, in the case's currency.

    shortfall_pflops_hours: unserved work as installed dense FP16 PFLOPS-hours (docs/model.md §6).
    """

    id: str
    cost: FloatArray
    shortfall_cost: FloatArray
    idle_cost: FloatArray
    shortfall_pflops_hours: FloatArray
    capex: FloatArray
    energy: FloatArray


def regret(costs: FloatArray) -> FloatArray:
    """(scenarios, F) cost above the best scenario of each future; never negative. costs: (scenarios, F)."""
    return np.asarray(costs - costs.min(axis=0, keepdims=True), float)


def frontier(idle: FloatArray, short: FloatArray) -> FloatArray:
    """(n,) whether no other point has both less idle cost and less shortfall cost (ties: the first one counts)."""
    n = len(idle)
    out = np.ones(n, bool)
    for i in range(n):
        no_worse = (idle <= idle[i]) & (short <= short[i])
        better = (idle < idle[i]) | (short < short[i])
        same_before = (idle == idle[i]) & (short == short[i]) & (np.arange(n) < i)
        out[i] = not ((no_worse & better) | same_before).any()
    return out


def knee(idle: FloatArray, short: FloatArray) -> int | None:
    """Position of the frontier point that lies farthest below the line between the frontier's ends.

    Both costs are scaled to the frontier's own range (Satopaa, Albrecht, Irwin and Raghavan 2011). None with fewer than
    three points, or where the frontier is a straight line.
    """
    on = np.flatnonzero(frontier(idle, short))
    if len(on) < 3:
        return None
    on = on[np.argsort(idle[on], kind="stable")]
    x, y = idle[on], short[on]
    if x[-1] <= x[0] or y[0] <= y[-1]:
        return None
    below = 1 - (x - x[0]) / (x[-1] - x[0]) - (y - y[-1]) / (y[0] - y[-1])
    best = int(below.argmax())
    return int(on[best]) if below[best] > 1e-9 else None


@dataclass(frozen=True)
class BreakEven:
    """Where a more cautious scenario (`more`) starts to pay against one that loses more to shortage (`less`).

    shortage_factor: times today's shortfall costs. shortage_per_pflops_hour: money that an unserved PFLOPS-hour would
    have to cost. driver: "growth" (per year, 0.2: 20 %) or "demand" (times the mean future); driver_value: at which
    value of it the two cost the same by a straight line through the paired differences, nan where the line does not
    rise with it; inside: whether that lies in the range of the futures.
    """

    less: str
    more: str
    shortage_factor: float
    shortage_per_pflops_hour: float
    today_per_pflops_hour: float
    driver: str
    driver_value: float
    inside: bool


@dataclass(frozen=True)
class CautionLine:
    """Scenarios by what they pay besides shortage and what they lose by it: the lower convex hull of those points.

    order: positions of the scenarios that are cheapest of all at some price of shortage, from the least cautious to the
    most. because: by position of every other scenario, those that are never dearer than it: one that pays and loses no
    more, or two between which it lies, one of them the cheaper at every price.
    """

    order: tuple[int, ...]
    because: Mapping[int, tuple[int, ...]]


def caution_line(paid: FloatArray, short: FloatArray) -> CautionLine:
    """Who is cheapest at which price of shortage. paid, short: (n,) mean cost without shortfall, and of shortfall.

    At a multiple f of today's shortage costs a scenario costs paid + f short, a straight line in f; the lower envelope
    of these lines belongs to the lower convex hull of the points (Andrew 1979). Equal points: the first one counts.
    """
    least = 1e-9 * max(float(np.abs(short).max(initial=0.0)), 1.0)
    line: list[int] = []
    for i in np.lexsort((np.arange(len(paid)), short, paid)).tolist():
        if line and short[line[-1]] - short[i] <= least:
            continue
        while len(line) >= 2 and _meet(paid, short, line[-1], i) <= _meet(paid, short, line[-2], line[-1]):
            line.pop()
        line.append(i)
    because: dict[int, tuple[int, ...]] = {}
    for i in sorted(set(range(len(paid))) - set(line)):
        no_worse = [j for j in line if paid[j] <= paid[i] and short[j] <= short[i] + least]
        because[i] = (no_worse[0],) if no_worse else _around(paid, line, i)
    return CautionLine(tuple(line), because)


def _meet(paid: FloatArray, short: FloatArray, less: int, more: int) -> float:
    return float((paid[more] - paid[less]) / (short[less] - short[more]))


def _around(paid: FloatArray, line: Sequence[int], i: int) -> tuple[int, ...]:
    at = int(np.searchsorted(paid[list(line)], paid[i]))
    return tuple(line[max(at - 1, 0) : at + 1])


def break_evens(
    judged: Sequence[Judged], probability: FloatArray, driver: str, driver_by_future: FloatArray
) -> list[BreakEven]:
    """Between neighbours on the `caution_line`, from the one that leaves most unserved to the least.

    Factors are positive and rise from pair to pair: from each one on, the more cautious scenario of the pair is the
    cheapest of all, until the next. probability, driver_by_future: (futures,).
    """
    short = np.array([mean(j.shortfall_cost, probability) for j in judged])
    paid = np.array([mean(j.cost, probability) for j in judged]) - short
    kept = [judged[i] for i in caution_line(paid, short).order]
    return [break_even(less, more, probability, driver, driver_by_future) for less, more in itertools.pairwise(kept)]


def break_even(
    less: Judged, more: Judged, probability: FloatArray, driver: str, driver_by_future: FloatArray
) -> BreakEven:
    """From where `more` is cheaper than `less`: a factor on shortage costs, and a value of the driver.

    probability, driver_by_future: (futures,).
    """

    def average(values: FloatArray) -> float:
        return mean(values, probability)

    dearer = average(more.cost - more.shortfall_cost) - average(less.cost - less.shortfall_cost)
    saved = average(less.shortfall_cost) - average(more.shortfall_cost)
    hours = average(less.shortfall_pflops_hours) - average(more.shortfall_pflops_hours)
    factor = dearer / saved
    gain = less.cost - more.cost  # what building more saves in each future
    centre = average(driver_by_future)
    variance = average((driver_by_future - centre) ** 2)
    value, inside = float("nan"), False
    if variance > 1e-12 * max(centre**2, 1e-12):
        slope = average((driver_by_future - centre) * (gain - average(gain))) / variance
        if slope > 0:
            value = centre - average(gain) / slope
            inside = bool(driver_by_future.min() <= value <= driver_by_future.max())
    return BreakEven(
        less.id,
        more.id,
        factor,
        dearer / hours if hours > 0 else float("nan"),
        saved / hours if hours > 0 else float("nan"),
        driver,
        value,
        inside,
    )


@dataclass(frozen=True)
class Sensitivity:
    """Mean cost of a scenario when one thing differs, its plan being as it is; and who is best then."""

    scenario: str
    factor: str
    setting: str
    cost: float
    change: float
    best: str


def sensitivities(judged: Sequence[Judged], probability: FloatArray, demand: FloatArray) -> list[Sensitivity]:
    """One thing at a time, without planning again.

    Prices scale their terms (shortfall +-50 %, energy +-20 %, hardware +-20 %): the dispatch is kept, so costs at other
    shortfall and energy prices are upper bounds. Demand: the third of the futures with the least and the most work.
    probability, demand: (futures,).
    """
    cost = {j.id: j.cost for j in judged}
    out: list[Sensitivity] = []

    def add(factor: str, setting: str, by_scenario: Mapping[str, float]) -> None:
        best = min(by_scenario, key=lambda k: (by_scenario[k], k))
        for name, value in by_scenario.items():
            out.append(Sensitivity(name, factor, setting, value, value - mean(cost[name], probability), best))

    for factor, attribute, step in (
        ("shortfall_cost", "shortfall_cost", 0.5),
        ("energy_price", "energy", 0.2),
        ("hardware_price", "capex", 0.2),
    ):
        for sign, setting in ((-1, "low"), (1, "high")):
            moved = {j.id: mean(j.cost + sign * step * getattr(j, attribute), probability) for j in judged}
            add(factor, setting, moved)
    order = np.argsort(demand, kind="stable")
    cumulated = np.cumsum(probability[order])
    for setting, chosen in (("low", order[cumulated <= 1 / 3 + 1e-9]), ("high", order[cumulated > 2 / 3 - 1e-9])):
        if len(chosen):
            share = probability[chosen] / probability[chosen].sum()
            add("demand", setting, {j.id: mean(j.cost[chosen], share) for j in judged})
    return out


@dataclass(frozen=True)
class Bracketed:
    """A signed difference of two optimal values that are known within their gaps; never clamped at zero.

    note: what the bracket rests on; where there is no value (nan), why.
    """

    value: float
    low: float
    high: float
    note: Message | None = None


def difference(first: tuple[float, float], second: tuple[float, float], note: Message | None = None) -> Bracketed:
    """first - second, each (objective, bound): the bracket holds the difference of the true optima."""
    (a_top, a_low), (b_top, b_low) = first, second
    return Bracketed(apart(a_top, b_top), apart(a_low, b_top), apart(a_top, b_low), note)


def apart(first: float, second: float) -> float:
    """first - second; 0 where that is what floating point leaves of two numbers that are the same."""
    least = _CANCELLED * max(abs(first), abs(second))
    return 0.0 if math.isfinite(least) and abs(first - second) <= least else first - second
