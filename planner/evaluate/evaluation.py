"""A plan's orders held fixed and dispatched on futures that it was not made for.

For fixed orders, phases, openings, leases and gangs, a future's cost falls apart by period: the typical days of one
period meet only in the billed demand and in limits over the period. So every (future, period) is one linear program,
and those of one period have the same matrix in all futures: only right-hand sides move, and GLOP goes on from the basis
of the future before (docs/model.md §4, §5; decisions 0060, 0070).

Against the model's own dispatch two things differ on purpose: the billed demand of a site is measured in each future
instead of being declared for all of them, and limits that a future breaks are reported as such, not priced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.case import Case, Expected, WorkloadKind, by_period
from planner.demand import Demand
from planner.demand.horizon import peak_pflops
from planner.evaluate.dispatch import Dispatched, PeriodDemand, dispatch_period
from planner.plan import Plan
from planner.plan.decisions import Decisions, branches_of, decisions_of, leased_modules
from planner.program.instance import make_instance
from planner.program.merge import step_groups
from planner.program.registry import DECIDED_TERMS, TERMS
from planner.solve.fanout import fan_out

# Futures in one task: enough for a warm start to pay, few enough to keep every process busy to the end.
FUTURES_PER_TASK = 25


@dataclass(frozen=True)
class Evaluation:
    """What a plan does in every future. F futures, T periods, W workloads, S sites, K module types.

    probability: (F,). branch: (F,) the plan's branch that each future follows. cost: term -> (F, T), discounted.
    shortfall_unit_hours, demand_unit_hours: (F, W, T). energy_kwh: (F, S, T) facility energy. busy: (F, S, K, T)
    module-hours. capacity: (B, S, K, T) modules that stand. usable_hours: (K, T) hours that a module can work.
    ownership: (B, S, K, T) discounted cost of owning or leasing what stands (capex, opex, leases). breach: (F,) amount
    by which hard limits (service, carbon, green share, utilisation) are broken, in their own scaled units.
    steps: merged steps a day that were dispatched, None for the exact ones.
    """

    probability: FloatArray
    branch: IntArray
    cost: Mapping[str, FloatArray]
    shortfall_unit_hours: FloatArray
    demand_unit_hours: FloatArray
    energy_kwh: FloatArray
    busy: FloatArray
    capacity: FloatArray
    usable_hours: FloatArray
    ownership: FloatArray
    breach: FloatArray
    steps: int | None = None

    @property
    def total(self) -> FloatArray:
        """(F,) discounted cost."""
        return np.asarray(sum(c.sum(axis=1) for c in self.cost.values()), float)

    def idle_pflops_hours(self, case: Case) -> FloatArray:
        """(F, T) usable dense FP16 PFLOPS-hours that no work used."""
        pflops = np.array([k.module_pflops for k in case.module_types])
        idle = self.capacity[self.branch] * self.usable_hours - self.busy
        return np.asarray(np.einsum("fskt,k->ft", np.maximum(idle, 0.0), pflops), float)

    def usable_pflops_hours(self, case: Case) -> FloatArray:
        """(F, T) usable dense FP16 PFLOPS-hours."""
        pflops = np.array([k.module_pflops for k in case.module_types])
        return np.asarray(np.einsum("fskt,kt,k->ft", self.capacity[self.branch], self.usable_hours, pflops), float)

    def idle_cost(self) -> FloatArray:
        """(F, T) the part of ownership that stood idle: ownership x (1 - busy / usable), discounted."""
        usable = self.capacity[self.branch] * self.usable_hours
        used = np.divide(self.busy, usable, out=np.ones_like(usable), where=usable > 1e-9)
        share = np.clip(1 - used, 0.0, 1.0)
        return np.asarray((self.ownership[self.branch] * share).sum(axis=(1, 2)), float)

    def save(self, path: Path) -> None:
        """Write one compressed file of plain arrays."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays |= {f"cost_{term}": value for term, value in self.cost.items()}
        np.savez_compressed(path, steps=np.array(self.steps or 0), **arrays)

    @classmethod
    def load(cls, path: Path) -> Evaluation:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            cost = {term: stored[f"cost_{term}"] for term in TERMS}
            return cls(cost=cost, steps=int(stored["steps"]) or None, **{name: stored[name] for name in _ARRAYS})


_ARRAYS = (
    "probability",
    "branch",
    "shortfall_unit_hours",
    "demand_unit_hours",
    "energy_kwh",
    "busy",
    "capacity",
    "usable_hours",
    "ownership",
    "breach",
)


def evaluate(
    plan: Plan,
    demand: Demand,
    executor: Executor,
    **how: Unpack[Dispatching],
) -> Evaluation:
    """Dispatch a plan's decisions on every future of `demand`: `evaluate_plans` with one plan and its own case."""
    return evaluate_plans(plan.case, [plan], demand, executor, **how)[0]


class Parts(Protocol):
    """Where finished tasks are kept, so that a crash repeats only the others."""

    def read(self, name: str) -> list[Dispatched] | None:
        """A finished task, if it was kept."""

    def write(self, name: str, part: list[Dispatched]) -> None:
        """Keep a finished task."""


class Dispatching(TypedDict, total=False):
    """group: (steps,) which steps of the day are taken together, see `merged_steps` and
    `planner.evaluate.dispatch.coarse`; None: every step by itself. parts: where finished tasks are kept. on_done: told
    (finished, all) periods of futures."""

    group: IntArray | None
    parts: Parts | None
    on_done: Callable[[int, int], None] | None
    stop: threading.Event | None


def evaluate_plans(
    case: Case,
    plans: Sequence[Plan],
    demand: Demand,
    executor: Executor,
    **how: Unpack[Dispatching],
) -> list[Evaluation]:
    """Dispatch the decisions of plans of one world on every future of `demand` (same typical days in every future).

    case: the world's; plans may differ from it in what rules ask of orders. A plan's evaluation does not depend on the
    plans beside it.
    """
    group, parts, on_done = how.get("group"), how.get("parts"), how.get("on_done")
    case = plan_world(case)
    decided = [decisions_of(plan) for plan in plans]
    branches = [nearest_branch(plan, demand) for plan in plans]
    F, T = len(demand), case.horizon.periods
    chunks = [np.arange(a, min(a + FUTURES_PER_TASK, F)) for a in range(0, F, FUTURES_PER_TASK)]
    found: dict[tuple[int, int], list[Dispatched]] = {}
    places = [(t, chunk) for t in range(T) for chunk in chunks]
    for t, chunk in places:
        kept = None if parts is None else parts.read(f"{t}-{chunk[0]}")
        if kept is not None:
            found[t, int(chunk[0])] = kept
    left = [(t, chunk) for t, chunk in places if (t, int(chunk[0])) not in found]
    finished = F * T - sum(len(chunk) for _, chunk in left)
    tasks = [
        (case, PeriodDemand.of(demand, t, chunk), group, decided, [branch[chunk] for branch in branches])
        for t, chunk in left
    ]
    for position, answer in fan_out(executor, dispatch_period, tasks, stop=how.get("stop")):
        t, chunk = left[position]
        found[t, int(chunk[0])] = answer
        if parts is not None:
            parts.write(f"{t}-{chunk[0]}", answer)
        finished += len(chunk)
        if on_done is not None:
            on_done(finished, F * T)
    return [
        _joined(plan, case, decided[i], demand, branches[i], group, {at: part[i] for at, part in found.items()})
        for i, plan in enumerate(plans)
    ]


def merging_error(
    plan: Plan, demand: Demand, group: IntArray, executor: Executor, periods: Sequence[int], total: FloatArray
) -> float:
    """How far merged steps are from every hour, as a part of the cost: (merged - exact) / exact of one future.

    demand: one future. periods: those that are dispatched both ways; every hour of one costs as much as merged days of
    a hundred. total: (T,) the future's cost on merged steps.
    """
    case = plan_world(plan.case)
    decided, branch = decisions_of(plan), nearest_branch(plan, demand)
    discount, tasks = case.horizon.discount(), []
    for t in periods:
        part = PeriodDemand.of(demand, t, np.zeros(1, int))
        tasks += [(case, part, how, [decided], [branch]) for how in (group, None)]
    costs = np.zeros(len(tasks))
    carbon = _carbon_price(case)
    for position, (found,) in fan_out(executor, dispatch_period, tasks):
        spent = found.energy + found.demand_charge + found.transfer + found.shortfall
        spent = spent + found.energy_kwh @ carbon[periods[position // 2]]
        costs[position] = spent[0] * discount[periods[position // 2]]
    merged, exact = costs[::2].sum(), costs[1::2].sum()
    return float((merged - exact) / (total[list(periods)].sum() - merged + exact))


def _carbon_price(case: Case) -> FloatArray:
    """(T, S) money for the emissions of a kWh."""
    market = case.policy.carbon_basis == "market"
    kg = np.array([s.market_carbon() if market else s.carbon_kg_per_kwh for s in case.sites])
    price = by_period(case.policy.carbon_price_per_tonne, case.horizon.periods, 0.0) / 1000
    return np.asarray(price[:, None] * kg, float)


def plan_world(case: Case) -> Case:
    """The case as a fixed plan meets it: nothing more is decided, so branches and the risk objective play no part."""
    horizon = case.horizon.model_copy(update={"commit_periods": None})
    risk = case.risk.model_copy(update={"objective": Expected()})
    policy = case.policy.model_copy(update={"resilience": None})
    return case.model_copy(update={"horizon": horizon, "risk": risk, "policy": policy})


def nearest_branch(plan: Plan, demand: Demand) -> IntArray:
    """(F,) the branch whose future looked most like each future in what was seen before the branches parted.

    Seen is what happened in periods before `commit_periods`; each workload's volume counts, in standard deviations over
    the plan's futures. With no period seen (all is decided with perfect information) the whole course counts.
    """
    if branches_of(plan) == 1:
        return np.zeros(len(demand), int)
    commit = plan.case.horizon.commit_periods or 0
    seen = commit if commit > 0 else plan.case.horizon.periods

    def features(d: Demand) -> FloatArray:
        hours = d.days.weight[:, :, None] * d.days.step_hours
        volume = np.einsum("fwrtdh,tdh->fwt", d.values, hours)[:, :, :seen].reshape(len(d), -1)
        peaks = peak_pflops(plan.case, d.values, d.days.weight, d.days.step_hours)[:, :seen]
        return np.concatenate([volume, peaks], axis=1)

    own, other = features(plan.demand), features(demand)
    spread = own.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    distance = (((other[:, None] - own[None]) / scale) ** 2).sum(axis=2)
    return np.asarray(distance.argmin(axis=1), int)


# Above so many flows in a period its hours are merged unless asked otherwise (docs/decisions/0060).
_FLOWS, _MERGED_STEPS = 20_000, 8


def fitting_steps(case: Case, demand: Demand) -> int | None:
    """Merged steps a day that suit a case's size: None (every hour) while one period is a small linear program."""
    inst = make_instance(case, demand.only([0]))
    days = int((demand.days.weight > 0).sum(axis=1).max())
    return _MERGED_STEPS if int(inst.allowed.sum()) * days * demand.days.steps > _FLOWS else None


def merged_steps(case: Case, demand: Demand, count: int | None) -> IntArray | None:
    """(steps,) group of each step of the day, at most `count` groups; None when nothing is merged.

    The step that is the busiest of most days is a group by itself: merged with others it would look as if less
    capacity would do.
    """
    if count is None or count >= demand.days.steps:
        return None
    inst = make_instance(case, demand.only([0]))
    online = np.array([w.kind is WorkloadKind.online for w in case.workloads])
    load = np.einsum("w,wrtdh->tdh", inst.pflops_per_unit * online, inst.demand[0])
    top = int(np.bincount(load[inst.weight > 0].argmax(axis=-1), minlength=demand.days.steps).argmax())
    rest = np.flatnonzero(np.arange(demand.days.steps) != top)
    days = replace(inst.days, step_hours=inst.step_hours[rest])
    others = replace(inst, days=days, demand=inst.demand[..., rest], price=inst.price[..., rest])
    group = np.zeros(demand.days.steps, int)
    if count > 1:
        group[rest] = 1 + step_groups(others, count - 1)
    # numbered by their first step, so that the same case always gives the same groups
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[number], int)


# --- putting the periods together ------------------------------------------------------------------------------------


def _joined(
    plan: Plan,
    case: Case,
    decided: Decisions,
    demand: Demand,
    branch: IntArray,
    group: IntArray | None,
    parts: Mapping[tuple[int, int], Dispatched],
) -> Evaluation:
    """All periods of a plan. parts: by period and the first of the futures that were dispatched together."""
    F, T, B = len(demand), case.horizon.periods, decided.branches
    S, K, W = len(case.sites), len(case.module_types), len(case.workloads)
    discount = case.horizon.discount()
    cost = {term: np.zeros((F, T)) for term in TERMS}
    short, energy, busy = np.zeros((F, W, T)), np.zeros((F, S, T)), np.zeros((F, S, K, T))
    breach = np.zeros(F)
    for t, first in sorted(parts):
        part, chunk = parts[t, first], slice(first, first + FUTURES_PER_TASK)
        for term in ("energy", "demand_charge", "transfer", "shortfall"):
            cost[term][chunk, t] = getattr(part, term) * discount[t]
        short[chunk, :, t], energy[chunk, :, t], busy[chunk, ..., t] = part.short_units, part.energy_kwh, part.busy
        breach[chunk] += part.breach
    cost["carbon"] = np.einsum("fst,ts,t->ft", energy, _carbon_price(case), discount)
    built = _fixed_costs(plan, B)
    for term, value in built.items():
        cost[term] = cost[term] + value[branch]
    value = np.array([c.value or 0.0 for c in case.campaigns])
    for c, campaign in enumerate(case.campaigns):
        due = min(campaign.due, T - 1)
        cost["shortfall"][:, due] += decided.values["campaign_unfinished"][branch, c] * value[c] * discount[due]
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    availability = np.array([k.availability for k in case.module_types])
    capacity = decided.values["stock"] + leased_modules(case, decided.values["lease_active"])
    return Evaluation(
        probability=demand.probability,
        branch=branch,
        cost=cost,
        shortfall_unit_hours=short,
        demand_unit_hours=np.einsum("fwrtdh,tdh->fwt", demand.values, hours),
        energy_kwh=energy,
        busy=busy,
        capacity=capacity,
        usable_hours=availability[:, None] * hours.sum(axis=(1, 2)),
        ownership=ownership(case, demand, decided),
        breach=breach,
        steps=None if group is None else int(group.max()) + 1,
    )


def _fixed_costs(plan: Plan, branches: int) -> dict[str, FloatArray]:
    """term -> (B, T) discounted cost of what is built and leased, from the plan's own table."""
    T = plan.case.horizon.periods
    table = plan.tables["costs"]
    out = {}
    for term in DECIDED_TERMS:
        rows = table[(table["term"] == term) & (table["future"] < branches)]
        value = np.zeros((branches, T))
        np.add.at(value, (rows["future"].to_numpy(int), rows["period"].to_numpy(int)), rows["discounted"].to_numpy())
        out[term] = value
    return out


def ownership(case: Case, demand: Demand, decided: Decisions) -> FloatArray:
    """(B, S, K, T) discounted cost of owning what stands: capex charged over the periods of use, opex, leases.

    An order's charge (docs/model.md §2) falls on the periods in which it stands in proportion to their discount
    factors, which is what an annuity is.
    """
    inst = make_instance(case, demand.only([0]))
    T = case.horizon.periods
    charge = inst.capex * inst.charge(inst.life)  # (K, T) by arrival
    spread = np.zeros((len(inst.life), T, T))
    for k, life in enumerate(inst.life):
        for tau in range(T):
            end = min(tau + int(life), T)
            spread[k, tau, tau:end] = inst.discount[tau:end] / inst.discount[tau:end].sum()
    v = decided.values
    left = 1 - inst.agreements.discount(v["orders"], v["agreement_signed"])
    out = np.einsum("bsku,bku,ku,kut->bskt", v["orders"], left, charge, spread)
    out = out + v["stock"] * (inst.opex * inst.discount)
    sites = {s.id: i for i, s in enumerate(case.sites)}
    types = {k.id: i for i, k in enumerate(case.module_types)}
    for i, lease in enumerate(case.leases):
        price = by_period(lease.price_per_module_period, T, 0.0) / inst.money_unit * inst.discount
        out[:, sites[lease.site], types[lease.module_type]] += v["lease_active"][:, i] * price
    return np.asarray(out * inst.money_unit, float)
