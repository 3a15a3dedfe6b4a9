"""How far the estimate on typical days is from the truth of every hour, and which real day it missed most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.arrays import FloatArray
from planner.case import Case
from planner.demand import Demand
from planner.program.registry import HOURLY_TERMS
from planner.replay.course import Progress
from planner.replay.paths import HourlyDemand
from planner.replay.run import ReplayResult, replay
from planner.verify.facts import make_facts


class PlanLike(Protocol):
    """What is read of a plan (`planner.plan.Plan`)."""

    @property
    def case(self) -> Case:
        """What was planned."""

    @property
    def demand(self) -> Demand:
        """Typical days that were planned for."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables of `planner.plan.tables`."""


@dataclass(frozen=True)
class TypicalDayError:
    """Estimate on typical days against the replay of every hour, over the periods that the course covers in full.

    cost: relative difference (replay - estimate) / estimate of the whole discounted cost; by_term: the same difference
    in money. shortfall_pflops_hours: unserved work, replay less estimate, in installed-PFLOPS equivalents; estimate and
    truth themselves beside it. worst: (period, position in the period) of the real day that the typical days missed
    most and that is not one of them as it is: the dearest in shortfall, or where nothing fell short the one with the
    highest busy peak; with its date, None when there is none. missed: the same for every period, period -> position.
    """

    cost: float
    estimated_cost: float
    replayed_cost: float
    by_term: Mapping[str, float]
    estimated_shortfall_pflops_hours: float
    replayed_shortfall_pflops_hours: float
    worst: tuple[int, int] | None
    worst_date: date | None
    result: ReplayResult
    missed: Mapping[int, int] = field(default_factory=dict)

    @property
    def shortfall_pflops_hours(self) -> float:
        """Replayed less estimated, PFLOPS-hours."""
        return self.replayed_shortfall_pflops_hours - self.estimated_shortfall_pflops_hours

    def within(self, tolerance: float) -> bool:
        """Whether the cost is estimated within `tolerance` (relative)."""
        return abs(self.cost) <= tolerance


def typical_day_error(
    plan: PlanLike,
    hourly: HourlyDemand,
    *,
    future: int | None = None,
    on_progress: Progress | None = None,
    threads: int = 2,
    seconds: float = np.inf,
) -> TypicalDayError:
    """Replay `hourly` under the plan and compare with what the plan says of its future `future`.

    future: the plan's future that the course belongs to; None: the course is compared with the mean over futures (right
    for a plan with one future, and for the P50 course against a plan for several). seconds: as `replay` has it.
    """
    result = replay(
        plan.case, plan.tables, hourly, future=future, on_progress=on_progress, threads=threads, seconds=seconds
    )
    probability = plan.demand.probability
    if future is not None:
        probability = np.eye(len(probability))[future]
    days = result.tables["days"]
    covered = days.groupby("period").size()
    full = [t for t in covered.index.tolist() if covered[t] == plan.case.horizon.days(t)]
    estimated = _by_term(plan.tables["costs"], full, probability)
    replayed = _by_term(result.tables["costs"], full, np.ones(1))
    before = estimated.sum()
    difference = {term: float(replayed.get(term, 0.0) - estimated.get(term, 0.0)) for term in HOURLY_TERMS}
    error = float(sum(difference.values()))
    fresh = days[days["period"].isin(full) & ~_represented(plan.demand, hourly, days, future)]
    worst = _worst(fresh)
    return TypicalDayError(
        error / float(before) if before else (0.0 if error == 0 else float(np.inf)),
        float(before),
        float(before) + error,
        difference,
        _estimated_shortfall(plan, full, probability),
        float(days.loc[days["period"].isin(full), "shortfall_pflops_hours"].sum()),
        None if worst is None else worst[:2],
        None if worst is None else worst[2],
        result,
        {t: found[1] for t in full if (found := _worst(fresh[fresh["period"] == t])) is not None},
    )


def _by_term(costs: pd.DataFrame, periods: list[int], probability: FloatArray) -> pd.Series[float]:
    own = costs[costs["period"].isin(periods)]
    weight = probability[own["future"].to_numpy(int)]
    return pd.Series((own["discounted"] * weight).groupby(own["term"]).sum(), dtype=float)


def _worst(days: pd.DataFrame) -> tuple[int, int, date] | None:
    """(period, position, date)"""
    if days.empty:
        return None
    column = "shortfall_cost" if days["shortfall_cost"].max() > 1e-9 else "peak_busy_pflops"
    at = int(days[column].to_numpy(float).argmax())
    return int(days["period"].iloc[at]), int(days["position"].iloc[at]), days["date"].iloc[at]


def _represented(demand: Demand, hourly: HourlyDemand, days: pd.DataFrame, future: int | None) -> NDArray[np.bool_]:
    """(days,) whether a typical day of the period is that very day, so that adding it again would tell nothing new."""
    futures = range(len(demand)) if future is None else (future,)
    out = np.zeros(len(days), bool)
    if not demand.days.hourly:
        return out
    for i, period in enumerate(days["period"].to_numpy(int)):
        course = hourly.values[:, :, i, None]
        for f in futures:
            typical = demand.values[f, :, :, period]
            same = np.isclose(typical, course, rtol=1e-6, atol=1e-9).all(axis=(0, 1, 3))
            out[i] |= bool((same & (demand.days.weight[period] > 0)).any())
    return out


def _estimated_shortfall(plan: PlanLike, periods: list[int], probability: FloatArray) -> float:
    """Installed-PFLOPS equivalent hours that the plan expects not to serve."""
    table = plan.tables["shortfall"]
    own = table[table["period"].isin(periods)]
    if own.empty:
        return 0.0
    facts = make_facts(plan.case, plan.demand)
    need = dict(zip(facts.labels["workload"], facts.installed_per_unit(), strict=True))
    t, d, h = (own[c].to_numpy(int) for c in ("period", "day", "step"))
    amount = own["shortfall"].to_numpy() * own["workload"].map(need).to_numpy(float) * facts.hours[t, d, h]
    return float((amount * probability[own["future"].to_numpy(int)]).sum())
