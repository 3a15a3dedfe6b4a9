"""Run a course through a plan and write down what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Case, WorkloadKind
from planner.demand import Demand
from planner.plan.tables import TABLES
from planner.program.instance import Instance
from planner.program.registry import HOURLY_TERMS
from planner.replay.accounts import Account, account_tables
from planner.replay.course import Progress, dispatch_course
from planner.replay.dispatch import Dispatcher, Fixed, dispatch_instance, gang_modules
from planner.replay.paths import HourlyDemand, real_days
from planner.verify.building import Capacity, standing_capacity
from planner.verify.catalogue import FORMULA_OF
from planner.verify.facts import Facts, make_facts
from planner.verify.reading import PlanArrays, read_plan
from planner.verify.report import Book

_DECISIONS = (
    "orders",
    "phases",
    "openings",
    "agreements",
    "departures",
    "leases",
    "stock",
    "gangs",
    "pools",
    "campaigns",
    "unfinished",
    "billed",
)


@dataclass(frozen=True)
class ReplayResult:
    """What came of a plan on one hourly course.

    tables: "hours" (timestamp, period, workload: rates and backlog), "sites" (timestamp, period, site: kW), "days"
    (one row a day), "service" (period, workload: unit-hours), "idle" (period, site, module_type: module-hours and
    money), "energy", "carbon", "billed" and "costs" in the columns of the plan's tables. cost: discounted total of
    `costs`; hourly_cost: of the terms that depend on the hours (energy, carbon, transfer, shortfall, demand charge).
    shortfall: (workload id) unit-hours. seconds: of the solver.
    """

    tables: Mapping[str, pd.DataFrame]
    cost: float
    hourly_cost: float
    shortfall: Mapping[str, float]
    seconds: float
    days: int


def replay(
    case: Case,
    tables: Mapping[str, pd.DataFrame],
    hourly: HourlyDemand,
    *,
    future: int | None = None,
    on_progress: Progress | None = None,
    threads: int = 2,
    seconds: float = np.inf,
) -> ReplayResult:
    """Dispatch every hour of `hourly` with everything that was ordered held fixed.

    tables: the plan's decisions (orders, phases, openings, leases, gangs, campaigns, unfinished, billed; others are not
    read). future: whose late orders to take, needed when the plan has orders that differ by future. Days follow each
    other; deferrable work waits over midnight within its window, gangs stay whole and yield at most their share of each
    day, power beyond the billed demand is billed. seconds: the result is that of the periods finished in this time.
    Raises UnfinishedError where none was, ValueError for tables that cannot be read or branches not chosen.
    """
    demand, places = real_days(case, hourly)
    plan, facts = _read(case, demand, tables, future)
    capacity = standing_capacity(facts, plan)
    inst = dispatch_instance(case, demand, capacity.modules[0])
    fixed = _fixed(facts, plan, inst, capacity)
    course = dispatch_course(
        lambda: Dispatcher(inst, fixed), places, threads=threads, seconds=seconds, on_progress=on_progress
    )
    days = course.days
    covered = replace(hourly, values=hourly.values[:, :, : len(days)])
    account = Account(
        facts, plan, inst, fixed, capacity, covered, tuple(places[: len(days)]), tuple(days), course.billed_kw
    )
    out = account_tables(account)
    costs = out["costs"]
    short = out["service"].groupby("workload")["shortfall_unit_hours"].sum()
    return ReplayResult(
        out,
        float(costs["discounted"].sum()),
        float(costs.loc[costs["term"].isin(HOURLY_TERMS), "discounted"].sum()),
        {str(w): float(v) for w, v in short.items()},
        sum(day.seconds for day in days),
        len(days),
    )


def _read(
    case: Case, demand: Demand, tables: Mapping[str, pd.DataFrame], future: int | None
) -> tuple[PlanArrays, Facts]:
    """The decisions of one branch, read by the verifier's reader, so that unreadable rows are named."""
    own: dict[str, pd.DataFrame] = {}
    for name in TABLES:
        frame = tables.get(name)
        if name not in _DECISIONS or frame is None:
            own[name] = TABLES[name].frame({c.name: [] for c in TABLES[name].columns})
            continue
        late = sorted(set(frame["branch"]) - {-1})
        if late and future is None:
            if len(late) > 1:
                raise ValueError(f"table {name} has decisions of futures {late}; say whose to replay (future=)")
            frame = frame.assign(branch=-1)
        elif late:
            frame = frame[frame["branch"].isin([-1, future])].assign(branch=-1)
        own[name] = frame.reset_index(drop=True)
    facts = make_facts(case, demand)
    book = Book(FORMULA_OF, facts.labels, 1e-6)
    plan = read_plan(facts, own, book)
    faults = [c for c in book.checks() if not c.ok]
    if faults:
        raise ValueError("the plan's tables cannot be read:\n" + "\n".join(f"{c.sentence} {c.where}" for c in faults))
    return plan, facts


def _fixed(facts: Facts, plan: PlanArrays, inst: Instance, capacity: Capacity) -> Fixed:
    """What stands and what is held, and the part of it that the course gives work to."""
    jobs = inst.of_kind(WorkloadKind.training)
    working = plan.gangs[0] * _training_share(facts, plan)[:, None, None]
    stays = np.array([float(k is WorkloadKind.training) for k in facts.kind])
    stays *= [not w.preemptible for w in facts.case.workloads]
    held, at_work = (np.einsum("w,wk,wskt->skt", stays, facts.gang, gangs) for gangs in (plan.gangs[0], working))
    on = np.einsum("ck,cskt->skt", facts.campaign_gang, plan.campaign_on[0])
    share = np.einsum("ck,cskt->skt", facts.campaign_gang, plan.campaign_share[0])
    gangs = gang_modules(inst, working[jobs])
    stands, kept = capacity.modules[0], capacity.kept[0]
    return Fixed(stands, kept, held + on, at_work + share, gangs, plan.pools[0], _declared(facts, plan))


def _declared(facts: Facts, plan: PlanArrays) -> FloatArray:
    """(S, T, 12) declared power of every month that the course has days in.

    A month that the plan's typical days do not name is declared as the highest of its period.
    """
    named = plan.billed_kw[0]
    days_in = facts.month_of_day.any(axis=1)
    return np.where(named > 0, named, np.where(days_in, named.max(axis=2, keepdims=True), 0.0))


def _training_share(facts: Facts, plan: PlanArrays) -> FloatArray:
    """(W, T) part of the gangs that the course keeps at work: training asked of the days covered / what they could do,
    at most 1 and the same for all gangs of a workload."""
    out = np.zeros((len(facts.kind), facts.shape[0]))
    for w, workload in enumerate(facts.case.workloads):
        if facts.kind[w] is not WorkloadKind.training:
            continue
        rate = np.array([workload.throughput.get(k, 0.0) for k in facts.labels["module type"]])
        rate = rate * (workload.gang_cards or 0) * workload.max_utilisation * (1 - workload.max_yield_share)
        could = np.einsum("k,skt->t", rate, plan.gangs[0, w]) * facts.period_hours
        asked = np.einsum("tdh,rtdh->t", facts.hours, facts.demand.values[0, w])
        out[w] = np.minimum(np.where(could > 0, asked / np.where(could > 0, could, 1.0), 0.0), 1.0)
    return out
