"""A plan's orders held fixed and dispatched on futures that it was not made for.

For fixed orders, phases, openings, leases and gangs, a future's cost falls apart by period: the typical days of one
period meet only in the billed demand and in limits over the period. So every (future, period) is one linear program,
and those of one period have the same matrix in all futures: only right-hand sides move, and GLOP goes on from the basis
of the future before (docs/model.md §4, §5; decision 0060).

Against the model's own dispatch two things differ on purpose: the billed demand of a site is measured in each future
instead of being declared for all of them, and limits that a future breaks are reported as such, not priced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from planner.case import Case, Expected, WorkloadKind, by_period
from planner.demand import Demand, FloatArray, TypicalDays
from planner.fanout import fan_out
from planner.horizon import peak_pflops
from planner.plan import Plan
from planner.program.blocks import Arrays, Block, IntArray, flatten
from planner.program.build import build_master, build_program
from planner.program.days import DayBlocks
from planner.program.instance import Instance, make_instance
from planner.program.master import Master
from planner.program.merge import step_groups
from planner.program.registry import TERMS
from planner.program.training import campaign_sizes, gang_sizes, training_volume
from planner.scenarios.decisions import Decisions, decisions_of, leased_modules
from planner.solve import Limits, solve, solve_lp
from planner.solve.linear import attempts
from planner.solve.native import Incremental

FIXED_TERMS = ("capex", "order_charges", "phases", "openings", "opex", "leases")
_LIMITS = {"carbon_cap": "alloc_carbon", "green_share": "alloc_green", "utilisation": "alloc_utilisation"}
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
    *,
    group: IntArray | None = None,
    on_done: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Evaluation:
    """Dispatch a plan's decisions on every future of `demand` (same typical days in every future).

    group: (steps,) which steps of the day are taken together, see `merged_steps`; None: every step by itself.
    on_done: told (finished, all) dispatches of a future and period.
    """
    case = plan_world(plan.case)
    decided = decisions_of(plan)
    branch = nearest_branch(plan, demand)
    F, T = len(demand), case.horizon.periods
    chunks = [np.arange(a, min(a + FUTURES_PER_TASK, F)) for a in range(0, F, FUTURES_PER_TASK)]
    tasks, places = [], []
    for t in range(T):
        for chunk in chunks:
            part = PeriodDemand.of(demand, t, chunk)
            tasks.append((case, part, group, decided, branch[chunk]))
            places.append((t, chunk))
    parts: dict[tuple[int, int], _Dispatched] = {}
    finished = 0
    for position, answer in fan_out(executor, dispatch_period, tasks, stop=stop):
        t, chunk = places[position]
        parts[t, int(chunk[0])] = answer
        finished += len(chunk)
        if on_done is not None:
            on_done(finished, F * T)
    return _joined(plan, case, decided, demand, branch, group, parts, chunks)


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
    branches = decisions_branches(plan)
    if branches == 1:
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


def decisions_branches(plan: Plan) -> int:
    commit = plan.case.horizon.commit_periods
    return len(plan.demand) if commit is not None and commit < plan.case.horizon.periods and len(plan.demand) > 1 else 1


def merged_steps(case: Case, demand: Demand, count: int | None) -> IntArray | None:
    """(steps,) group of each step of the day, at most `count` groups; None when nothing is merged."""
    if count is None or count >= demand.days.steps:
        return None
    return step_groups(make_instance(case, demand.only([0])), count)


def on_groups(inst: Instance, group: IntArray) -> Instance:
    """The instance with steps taken together: mean demand, mean price. Windows inside the day are dropped.

    Not a bound, unlike `planner.program.merge`: an estimate, whose error `planner.comparison` measures.
    """
    groups = int(group.max()) + 1
    hours = np.bincount(group, weights=inst.step_hours, minlength=groups).astype(float)
    mean = np.zeros((len(group), groups))
    mean[np.arange(len(group)), group] = inst.step_hours / hours[group]
    days = TypicalDays(inst.days.labels, inst.days.weight, hours, inst.days.calendar, hourly=False)
    return replace(inst, days=days, demand=inst.demand @ mean, price=inst.price @ mean, windows=False)


# --- one period, in a worker process ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class PeriodDemand:
    """Demand of one period in some futures. values: (F, W, R, D, H)."""

    period: int
    probability: FloatArray
    values: FloatArray
    days: TypicalDays
    p50_peak: FloatArray
    p90_peak: FloatArray

    @classmethod
    def of(cls, demand: Demand, period: int, futures: IntArray) -> PeriodDemand:
        share = demand.probability[futures]
        values = np.ascontiguousarray(demand.values[futures, :, :, period])
        return cls(period, share / share.sum(), values, demand.days, demand.p50_peak, demand.p90_peak)

    def whole(self) -> Demand:
        """A demand over all periods that is zero outside this one."""
        F, W, R, D, H = self.values.shape
        values = np.zeros((F, W, R, self.days.periods, D, H))
        values[:, :, :, self.period] = self.values
        return Demand(self.probability, values, self.days, self.p50_peak, self.p90_peak)


@dataclass(frozen=True)
class _Dispatched:
    """Sums over one period, undiscounted, in the case's currency and units; first axis futures."""

    energy_kwh: FloatArray  # (F, S)
    energy: FloatArray  # (F,)
    demand_charge: FloatArray
    transfer: FloatArray
    shortfall: FloatArray
    short_units: FloatArray  # (F, W)
    busy: FloatArray  # (F, S, K)
    breach: FloatArray


def dispatch_period(
    case: Case, part: PeriodDemand, group: IntArray | None, decided: Decisions, branch: IntArray
) -> _Dispatched:
    """Task of a worker process: dispatch fixed decisions in one period of some futures."""
    return PeriodDispatch(case, part, group).dispatch(decided, branch)


class PeriodDispatch:
    """The linear program of one period, whose right-hand sides are those of a future and of fixed decisions."""

    def __init__(self, case: Case, part: PeriodDemand, group: IntArray | None) -> None:
        self.period = part.period
        self.inst = make_instance(case, part.whole())
        self.master: Master = build_master(self.inst)
        self.inner = self.inst if group is None else on_groups(self.inst, group)
        self.made = DayBlocks(self.inner, self.master)
        t, F = self.period, len(part.probability)
        self.days = [d for s, d in self.inner.days.used() if s == t]
        self.blocks: list[list[Block]] = [[self.made.block(f, t, d) for d in self.days] for f in range(F)]
        self._free_columns()
        self._assemble()
        self._meters()

    def _free_columns(self) -> None:
        """Master columns that are left to the dispatch: billed demand and the days' parts in limits over the period."""
        columns, t = self.master.columns, self.period
        parts = [columns["billed_kw"][0, :, t]]
        parts += [columns[name][0, t, self.days] for name in _LIMITS.values() if name in columns]
        free = np.concatenate(parts)
        self.free: IntArray = free[free >= 0]

    def _assemble(self) -> None:
        inst, t = self.inst, self.period
        first = self.blocks[0]
        own = self.master.arrays()
        rows = [int(self.master.rows[n].index[0, t]) for n in _LIMITS if n in self.master.rows]
        self.limit_rows = own.matrix[rows]
        self.limit_lower, self.limit_upper = own.row_lower[rows], own.row_upper[rows]
        n_free = len(self.free)
        self.start = n_free + np.concatenate([[0], np.cumsum([len(b.cost) for b in first])]).astype(int)
        grid: list[list[Any]] = [[self.limit_rows[:, self.free], *[None] * len(first)]]
        for i, block in enumerate(first):
            grid.append([block.coupling[:, self.free], *[block.matrix if j == i else None for j in range(len(first))]])
        stacked: Any = sp.bmat(grid if rows else grid[1:], format="csr")
        raw = self.master.raw_cost()[self.free] / inst.discount[t]
        cost = np.concatenate([raw, *[b.cost / (inst.probability[0] * inst.discount[t]) for b in first]])
        lower = np.concatenate([own.lower[self.free], *[b.lower for b in first]])
        self.upper = np.stack(
            [np.concatenate([own.upper[self.free], *[b.upper for b in blocks]]) for blocks in self.blocks]
        )
        # Upper bounds that differ by future (how old a backlog may be) become rows, whose sides can be moved.
        self.moving = np.flatnonzero((self.upper != self.upper[:1]).any(axis=0))
        upper = self.upper[0].copy()
        upper[self.moving] = np.inf
        if len(self.moving):
            unit = sp.csr_matrix(
                (np.ones(len(self.moving)), (np.arange(len(self.moving)), self.moving)),
                shape=(len(self.moving), len(cost)),
            )
            stacked = sp.vstack([stacked, unit])
        matrix = sp.csr_matrix(stacked)
        count = int(matrix.shape[0])
        self.arrays = Arrays(matrix, cost, lower, upper, np.zeros(count), np.zeros(count), np.zeros(len(cost), bool))

    def _sides(self, future: int, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Row bounds of one future at fixed master columns x (zero in the free ones)."""
        held = self.limit_rows @ x
        lower, upper = [self.limit_lower - held], [self.limit_upper - held]
        for block, pattern in zip(self.blocks[future], self.blocks[0], strict=True):
            shift = pattern.coupling @ x
            lower.append(block.row_lower - shift)
            upper.append(block.row_upper - shift)
        bound = self.upper[future, self.moving]
        return (
            np.concatenate([*lower, np.full(len(bound), -np.inf)]),
            np.concatenate([*upper, np.where(np.isfinite(bound), bound, np.inf)]),
        )

    def _meters(self) -> None:
        """What is read off a dispatch, as a matrix on its columns: rows named in `self.reads`."""
        inst, t = self.inner, self.period
        S, K, W = len(inst.case.sites), len(inst.cards), len(inst.case.workloads)
        sizes = {"kwh": S, "energy": 1, "charge": 1, "transfer": 1, "shortfall": 1, "short": W, "busy": S * K}
        sizes["breach"] = 1
        at: dict[str, int] = {}
        total = 0
        for name, size in sizes.items():
            at[name], total = total, total + size
        entries: list[tuple[Any, Any, Any]] = []

        def read(row: Any, column: Any, value: Any) -> None:
            r, c, v = np.broadcast_arrays(np.asarray(row), np.asarray(column), np.asarray(value, float))
            entries.append((r.ravel(), c.ravel(), v.ravel()))

        raw = self.master.raw_cost()[self.free] / inst.discount[t]
        read(at["charge"], np.arange(len(self.free)), raw)
        origins, cells = self.made.origins, self.made.cells
        for i, d in enumerate(self.days):
            columns, start = self.blocks[0][i].layout.columns, int(self.start[i])
            hours = inst.weight[t, d] * inst.step_hours
            for name, s, k in (
                ("load", cells.load[:, 1], cells.load[:, 2]),
                ("active", cells.active[:, 1], cells.active[:, 2]),
            ):
                kwh = inst.pue[t, d, s][:, None] * inst.dynamic_kw[k][:, None] * hours
                read((at["kwh"] + s)[:, None], columns[name] + start, kwh)
                read(at["energy"], columns[name] + start, kwh * inst.price[t, d, s])
                read((at["busy"] + s * K + k)[:, None], columns[name] + start, hours)
            read(at["transfer"], columns["flow"] + start, origins.transfer[:, None] * hours)
            w = origins.workload
            read(at["shortfall"], columns["shortfall"] + start, inst.shortfall_cost[w][:, None] * hours)
            read((at["short"] + w)[:, None], columns["shortfall"] + start, inst.unit_scale[w][:, None] * hours)
            for name in ("slack_service", "slack_limit"):
                read(at["breach"], columns[name] + start, inst.weight[t, d])
        row, column, value = (np.concatenate(p) for p in zip(*entries, strict=True))
        shape = (total, self.arrays.columns)
        self.meter = sp.csr_matrix((value, (row.astype(int), column.astype(int))), shape=shape)
        self.reads = {name: slice(at[name], at[name] + size) for name, size in sizes.items()}

    def fixed_columns(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """(master columns,) with the decisions of one branch (leading axis 1) and zero elsewhere."""
        x = np.zeros(self.master.column_count)
        for name in ("stock", "lease_active", "gangs", "campaign_on", "campaign_share"):
            index = self.master.columns[name]
            real = index >= 0
            x[index[real]] = np.broadcast_to(values[name], index.shape)[real]
        return x

    def dispatch(self, decided: Decisions, branch: IntArray) -> _Dispatched:
        """Dispatch every future under the decisions of its branch."""
        F = len(self.blocks)
        readings = np.zeros((F, self.meter.shape[0]))
        columns = {b: self.fixed_columns(decided.branch(int(b))) for b in np.unique(branch)}
        volume = np.array(
            [sum(float(np.abs(b.row_lower[np.isfinite(b.row_lower)]).sum()) for b in bs) for bs in self.blocks]
        )
        solver: Incremental | None = None
        rows = np.arange(self.arrays.rows)
        # neighbours in volume and branch share the most of a basis
        for f in np.lexsort((volume, branch)):
            lower, upper = self._sides(int(f), columns[branch[f]])
            arrays = replace(self.arrays, row_lower=lower, row_upper=upper)
            y: FloatArray | None = None
            if solver is not None:
                solver.move(rows, lower, upper)
                outcome = solver.solve()
                y = outcome.x if outcome.status == "optimal" else None
            if y is None:
                outcome = attempts(arrays, None)
                if outcome.status != "optimal" or outcome.x is None:
                    raise ArithmeticError(f"the dispatch of period {self.period} ended as {outcome.status}")
                y = outcome.x
                if len(self.blocks) > 1:
                    solver = Incremental(arrays)
                    solver.solve(basis=outcome.basis)
            readings[f] = self.meter @ y
        return self._read(readings, decided, branch)

    def _read(self, readings: FloatArray, decided: Decisions, branch: IntArray) -> _Dispatched:
        """Readings plus what the fixed decisions draw by themselves: idle power, held gangs, training not done."""
        inst, t = self.inner, self.period
        case, money = inst.case, inst.money_unit
        S, K = len(case.sites), len(inst.cards)
        v = decided.values
        stays = np.array([not inst.workload(j).preemptible for j in inst.of_kind_training()], float)
        capacity = (v["stock"] + leased_modules(case, v["lease_active"]))[..., t]
        held = np.einsum("bjsk,jk,j->bsk", v["gangs"][..., t], gang_sizes(inst), stays)
        held = held + np.einsum("bcsk,ck->bsk", v["campaign_share"][..., t], campaign_sizes(inst))
        kw = np.einsum("bsk,k->bs", capacity, inst.idle_kw) + np.einsum("bsk,k->bs", held, inst.dynamic_kw)
        hours = inst.weight[t][:, None] * inst.step_hours  # (D, H)
        pue_hours = np.einsum("dh,ds->s", hours, inst.pue[t])
        priced = np.einsum("dh,ds,dsh->s", hours, inst.pue[t], inst.price[t])
        at = self.reads
        short, late = readings[:, at["short"]].copy(), readings[:, at["shortfall"]][:, 0].copy()
        jobs = inst.of_kind(WorkloadKind.training)
        if jobs:
            cards = np.array([inst.workload(j).gang_cards or 1 for j in jobs], float)[:, None]
            share = np.array([1 - inst.workload(j).max_yield_share for j in jobs])[:, None]
            output = inst.throughput[jobs] * cards / inst.cards * share
            done = np.einsum("bjsk,jk->bj", v["gangs"][..., t], output)[branch]
            missing = np.maximum(training_volume(inst)[:, :, t] - done, 0.0) * inst.period_hours[t]
            short[:, jobs] += missing * inst.unit_scale[jobs]
            late += missing @ inst.shortfall_cost[jobs]
        return _Dispatched(
            energy_kwh=readings[:, at["kwh"]] + (kw * pue_hours)[branch],
            energy=(readings[:, at["energy"]][:, 0] + (kw @ priced)[branch]) * money,
            demand_charge=readings[:, at["charge"]][:, 0] * money,
            transfer=readings[:, at["transfer"]][:, 0] * money,
            shortfall=late * money,
            short_units=short,
            busy=readings[:, at["busy"]].reshape(-1, S, K) + (held * inst.period_hours[t])[branch],
            breach=readings[:, at["breach"]][:, 0],
        )


# --- putting the periods together ------------------------------------------------------------------------------------


def _joined(
    plan: Plan,
    case: Case,
    decided: Decisions,
    demand: Demand,
    branch: IntArray,
    group: IntArray | None,
    parts: Mapping[tuple[int, int], _Dispatched],
    chunks: list[IntArray],
) -> Evaluation:
    F, T, B = len(demand), case.horizon.periods, decided.branches
    S, K, W = len(case.sites), len(case.module_types), len(case.workloads)
    discount = case.horizon.discount()
    cost = {term: np.zeros((F, T)) for term in TERMS}
    short, energy, busy = np.zeros((F, W, T)), np.zeros((F, S, T)), np.zeros((F, S, K, T))
    breach = np.zeros(F)
    for t in range(T):
        for chunk in chunks:
            part = parts[t, int(chunk[0])]
            for term in ("energy", "demand_charge", "transfer", "shortfall"):
                cost[term][chunk, t] = getattr(part, term) * discount[t]
            short[chunk, :, t], energy[chunk, :, t], busy[chunk, ..., t] = part.short_units, part.energy_kwh, part.busy
            breach[chunk] += part.breach
    market = case.policy.carbon_basis == "market"
    kg = np.array([s.market_carbon() if market else s.carbon_kg_per_kwh for s in case.sites])
    price = by_period(case.policy.carbon_price_per_tonne, T, 0.0) / 1000
    cost["carbon"] = np.einsum("fst,s,t->ft", energy, kg, price * discount)
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
    for term in FIXED_TERMS:
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
    out = np.einsum("bsku,ku,kut->bskt", v["orders"], charge, spread)
    out = out + v["stock"] * (inst.opex * inst.discount)
    sites = {s.id: i for i, s in enumerate(case.sites)}
    types = {k.id: i for i, k in enumerate(case.module_types)}
    for i, lease in enumerate(case.leases):
        price = by_period(lease.price_per_module_period, T, 0.0) / inst.money_unit * inst.discount
        out[:, sites[lease.site], types[lease.module_type]] += v["lease_active"][:, i] * price
    return np.asarray(out * inst.money_unit, float)


# --- perfect information ---------------------------------------------------------------------------------------------

# Up to this many columns a future is planned to the asked-for gap; beyond, its linear relaxation is the bound.
_EXACT_COLUMNS = 20_000
_BOUND_STEPS = 6


def wait_and_see(case: Case, demand: Demand, limits: Limits) -> tuple[FloatArray, FloatArray]:
    """Task of a worker process: cost of planning each future with perfect information, and a proven bound of it.

    Returns (F,) costs and (F,) bounds. Where a future is too large to be planned in passing, both are the optimum of
    the linear relaxation on merged steps, which no plan for it can beat.
    """
    case = plan_world(case)
    cost, bound = np.zeros(len(demand)), np.zeros(len(demand))
    for f in range(len(demand)):
        one = demand.only([f])
        program = build_program(case, one)
        if program.master.columns + sum(len(b.cost) for b in program.blocks) <= _EXACT_COLUMNS:
            answer = solve(program, limits)
            if len(answer.x):
                cost[f], bound[f] = answer.objective * program.money_unit, answer.bound * program.money_unit
                continue
        program = build_program(case, one, merge_steps=_BOUND_STEPS)
        relaxed = solve_lp(flatten(program))
        if relaxed.status != "optimal":
            raise ArithmeticError(f"the relaxation of future {f} ended as {relaxed.status}")
        cost[f] = bound[f] = relaxed.objective * program.money_unit
    return cost, bound
