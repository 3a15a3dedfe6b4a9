"""Fixed decisions dispatched in one period of some futures: the work of one process (see `evaluation.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.case import Case, WorkloadKind
from planner.demand import Demand, TypicalDays
from planner.plan.decisions import Decisions, leased_modules
from planner.program.blocks import Arrays, Block, Layout
from planner.program.build import build_master
from planner.program.days import DayBlocks
from planner.program.instance import Instance, make_instance
from planner.program.master import Master
from planner.program.training import campaign_sizes, gang_sizes, stays_put
from planner.solve.linear import attempts
from planner.solve.native import Incremental, Outcome

_LIMITS = {"carbon_cap": "alloc_carbon", "green_share": "alloc_green", "utilisation": "alloc_utilisation"}


def coarse(inst: Instance, group: IntArray) -> Instance:
    """The instance with steps taken together (mean demand, mean price) and regions with the same choice of sites, too.

    Regions of a class pay the mean transfer price of their class, weighted by demand, so that they are one origin. Not
    a bound, unlike `planner.program.merge`: an estimate, whose error `planner.compare.comparison` measures.
    """
    groups = int(group.max()) + 1
    hours = np.bincount(group, weights=inst.step_hours, minlength=groups).astype(float)
    mean = np.zeros((len(group), groups))
    mean[np.arange(len(group)), group] = inst.step_hours / hours[group]
    days = TypicalDays(inst.days.labels, inst.days.weight, hours, inst.days.calendar, hourly=False)
    transfer = inst.transfer.copy()
    volume = inst.demand.sum(axis=(0, 3, 4, 5))
    free = np.array([r.id not in inst.case.network.bandwidth_gbps for r in inst.case.regions])
    for w in range(len(transfer)):
        _, kind = np.unique(inst.allowed[w], axis=0, return_inverse=True)
        for k in np.unique(kind):
            members = np.flatnonzero((kind == k) & free)
            share = volume[w, members]
            if len(members) and share.sum() > 0:
                transfer[w, members] = share @ transfer[w, members] / share.sum()
    demand, price = inst.demand @ mean, inst.price @ mean
    return replace(inst, days=days, demand=demand, price=price, transfer=transfer, windows=False)


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
        """Demand of one period in some futures. futures: (chosen,) their numbers."""
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
class Dispatched:
    """Sums over one period, undiscounted, in the case's currency and units; first axis futures."""

    energy_kwh: FloatArray  # (F, S)
    energy: FloatArray  # (F,)
    billed: FloatArray  # (F, bills) kW of each site's power bills beyond what was paid for already
    billed_price: FloatArray  # (bills,) of a kW
    transfer: FloatArray
    shortfall: FloatArray
    short_units: FloatArray  # (F, W)
    busy: FloatArray  # (F, S, K)
    breach: FloatArray

    @property
    def demand_charge(self) -> FloatArray:
        """(futures,) money for billed demand."""
        return np.asarray(self.billed @ self.billed_price, float)

    def joined(self, others: Sequence[Dispatched]) -> Dispatched:
        """This day and others of the period; of what they need beyond this day's billed demand, the most counts."""
        summed = {
            name: getattr(self, name) + sum(getattr(o, name) for o in others)
            for name in ("energy_kwh", "energy", "transfer", "shortfall", "short_units", "busy", "breach")
        }
        beyond = np.max([o.billed for o in others], axis=0) if others else np.zeros_like(self.billed)
        return Dispatched(billed=self.billed + beyond, billed_price=self.billed_price, **summed)


def dispatch_period(
    case: Case, part: PeriodDemand, group: IntArray | None, plans: Sequence[Decisions], branches: Sequence[IntArray]
) -> list[Dispatched]:
    """Task of a worker process: dispatch the fixed decisions of some plans in one period of some futures.

    branches: by plan, (F,) the branch that each future follows. All plans share one linear program, of which they move
    the right-hand sides. Every hour by itself: all days of the period in one linear program. With `group`: days one
    after the other, the one with most work first; the billed demand that it sets is free for the others, who pay for
    what they need beyond it; how many gangs are at work is then each day's own choice.
    """
    inst = make_instance(case, part.whole())
    inner = inst if group is None else coarse(inst, group)
    master = build_master(inst)
    days = [d for t, d in inner.days.used() if t == part.period]
    together = group is None or any(name in master.rows for name in _LIMITS) or len(days) == 1
    if together:
        whole = PeriodDispatch(inner, master, part.period, days)
        return [whole.dispatch(decided, branch) for decided, branch in zip(plans, branches, strict=True)]
    load = np.einsum("fwrdh,w->d", part.values, inst.pflops_per_unit / inst.unit_scale)
    busiest, *order = [days[i] for i in np.argsort([-load[d] for d in days], kind="stable")]
    day = PeriodDispatch(inner, master, part.period, [busiest])
    first = [day.dispatch(decided, branch) for decided, branch in zip(plans, branches, strict=True)]
    rest: list[list[Dispatched]] = [[] for _ in plans]
    for d in order:
        day = PeriodDispatch(inner, master, part.period, [d])
        for i, (decided, branch) in enumerate(zip(plans, branches, strict=True)):
            rest[i].append(day.dispatch(decided, branch, first[i].billed))
    return [one.joined(others) for one, others in zip(first, rest, strict=True)]


def _cold(arrays: Arrays, period: int) -> Outcome:
    outcome = attempts(arrays, None)
    if outcome.status != "optimal" or outcome.x is None:
        raise ArithmeticError(f"the dispatch of period {period} ended as {outcome.status}")
    return outcome


class PeriodDispatch:
    """The linear program of days of one period, whose right-hand sides are those of a future and of fixed decisions."""

    def __init__(self, inner: Instance, master: Master, period: int, days: Sequence[int]) -> None:
        self.period, self.days = period, list(days)
        self.inst = self.inner = inner
        self.master = master
        self.made = DayBlocks(inner, master)
        F = len(inner.probability)
        self.blocks: list[list[Block]] = [[self.made.block(f, period, d) for d in self.days] for f in range(F)]
        self.volume = np.array(
            [sum(float(np.abs(b.row_lower[np.isfinite(b.row_lower)]).sum()) for b in bs) for bs in self.blocks]
        )
        self.hours = inner.weight[period, self.days][:, None] * inner.step_hours  # (days, H)
        self._basis: Any = None
        self._solver: Incremental | None = None
        self._free_columns()
        self._assemble()
        self._meters()

    def _free_columns(self) -> None:
        """Master columns that are left to the dispatch: billed demand, gangs at work and training that falls short,
        and the days' parts in limits over the period."""
        columns, t = self.master.columns, self.period
        billed = columns["billed_kw"][0, :, t]  # (S, bills)
        self.billed: IntArray = billed[billed >= 0]
        running = columns["gangs_running"][0, ..., t]
        self.running_at = np.nonzero(self.master.arrays().upper[running] > 0)  # workload, site, type
        self.running: IntArray = running[self.running_at]
        self.late: IntArray = columns["training_shortfall"][0, :, t]
        limits = [columns[name][0, t, self.days] for name in _LIMITS.values() if name in columns]
        self.free: IntArray = np.concatenate([self.billed, self.running, self.late, *limits])

    def _assemble(self) -> None:
        inst, t = self.inst, self.period
        first = self.blocks[0]
        own = self.master.arrays()
        rows = self._master_rows(0)
        self.limit_rows = own.matrix[rows]
        by_future = [self._master_rows(f) for f in range(len(self.blocks))]
        self.limit_lower = np.stack([own.row_lower[r] for r in by_future])
        self.limit_upper = np.stack([own.row_upper[r] for r in by_future])
        n_free = len(self.free)
        self.start = n_free + np.concatenate([[0], np.cumsum([len(b.cost) for b in first])]).astype(int)
        grid: list[list[Any]] = [[self.limit_rows[:, self.free], *[None] * len(first)]]
        for i, block in enumerate(first):
            grid.append([block.coupling[:, self.free], *[block.matrix if j == i else None for j in range(len(first))]])
        stacked: Any = sp.bmat(grid if len(rows) else grid[1:], format="csr")
        raw = self.master.raw_cost()[self.free] / inst.discount[t]
        begin, end = len(self.billed), len(self.billed) + len(self.running)
        raw[begin:end] = self._running_cost()
        raw[end : end + len(self.late)] *= self.hours.sum() / inst.period_hours[t]
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

    def _master_rows(self, future: int) -> IntArray:
        """Rows of the master that take part: limits over the period, training, and gangs at work against those held."""
        rows, t = self.master.rows, self.period
        parts = [rows[n].index[future, [t]] for n in _LIMITS if n in rows]
        parts += [rows[n].index[future, :, t] for n in ("training", "gang_running") if n in rows]
        return np.concatenate([*parts, np.zeros(0, np.int64)]).astype(np.int64)

    def _running_cost(self) -> FloatArray:
        """(running,) money of a gang at work on these days, undiscounted; those that may yield pay by the hour."""
        inst, t = self.inst, self.period
        only = np.zeros_like(inst.weight)
        only[t, self.days] = inst.weight[t, self.days]
        those = replace(inst, days=replace(inst.days, weight=only))
        per_module = those.period_busy_cost()[:, :, t] / inst.discount[t]
        j, s, k = self.running_at
        return np.asarray(gang_sizes(inst)[j, k] * stays_put(inst)[j] * per_module[s, k], float)

    def _sides(self, future: int, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Row bounds of one future at fixed master columns x (zero in the free ones)."""
        held = self.limit_rows @ x
        lower, upper = [self.limit_lower[future] - held], [self.limit_upper[future] - held]
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
        sizes = {
            "kwh": S,
            "energy": 1,
            "billed": len(self.billed),
            "transfer": 1,
            "shortfall": 1,
            "short": W,
            "busy": S * K,
        }
        sizes["breach"] = 1
        at: dict[str, int] = {}
        total = 0
        for name, size in sizes.items():
            at[name], total = total, total + size
        entries: list[tuple[Any, Any, Any]] = []

        def read(row: Any, column: Any, value: Any) -> None:
            r, c, v = np.broadcast_arrays(np.asarray(row), np.asarray(column), np.asarray(value, float))
            entries.append((r.ravel(), c.ravel(), v.ravel()))

        read(at["billed"] + np.arange(len(self.billed)), np.arange(len(self.billed)), 1.0)
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
                earned = inst.pue[t, d, s][:, None] * hours * np.minimum(inst.price[t, d, s], 0.0)
                earned = earned * (inst.idle_follows_work[s, k, t] * inst.idle_kw[k])[:, None]
                read(at["energy"], columns[name] + start, kwh * inst.price[t, d, s] + earned)
                read((at["busy"] + s * K + k)[:, None], columns[name] + start, hours)
            read(at["transfer"], columns["flow"] + start, origins.transfer[:, None] * hours)
            w = origins.workload
            read(at["shortfall"], columns["shortfall"] + start, inst.shortfall_cost[w][:, None] * hours)
            read((at["short"] + w)[:, None], columns["shortfall"] + start, inst.unit_scale[w][:, None] * hours)
            for name in ("slack_service", "slack_limit"):
                read(at["breach"], columns[name] + start, inst.weight[t, d])
        running = np.arange(len(self.running)) + len(self.billed)
        j, s, k = self.running_at
        modules = gang_sizes(inst)[j, k] * stays_put(inst)[j]
        kwh, energy = self._busy_meter()
        read(at["kwh"] + s, running, modules * kwh[s, k])
        read(at["energy"], running, modules * energy[s, k])
        read(at["busy"] + s * K + k, running, modules * self.hours.sum())
        late = np.arange(len(self.late)) + len(self.billed) + len(self.running)
        w = np.array(inst.of_kind(WorkloadKind.training), int)
        read(at["shortfall"], late, inst.shortfall_cost[w] * self.hours.sum())
        read(at["short"] + w, late, inst.unit_scale[w] * self.hours.sum())
        row, column, value = (np.concatenate(p) for p in zip(*entries, strict=True))
        shape = (total, self.arrays.columns)
        self.meter = sp.csr_matrix((value, (row.astype(int), column.astype(int))), shape=shape)
        self.reads = {name: slice(at[name], at[name] + size) for name, size in sizes.items()}

    def _busy_meter(self) -> tuple[FloatArray, FloatArray]:
        """(S, K) kWh and energy money of a module busy through these days, beside its idle power."""
        inst, t = self.inst, self.period
        pue_hours, priced, earned = self._site_hours()
        follows = inst.idle_follows_work[:, :, t] * inst.idle_kw
        kwh = pue_hours[:, None] * inst.dynamic_kw
        return kwh, priced[:, None] * inst.dynamic_kw + earned[:, None] * follows

    def _site_hours(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(S,) of one kW of IT load through these days: kWh at the meter, its price, the negative part of that."""
        inst, t, days = self.inst, self.period, self.days
        pue, price = inst.pue[t, days], inst.price[t, days]
        return (
            np.einsum("dh,ds->s", self.hours, pue),
            np.einsum("dh,ds,dsh->s", self.hours, pue, price),
            np.einsum("dh,ds,dsh->s", self.hours, pue, np.minimum(price, 0.0)),
        )

    def fixed_columns(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """(master columns,) with the decisions of one branch (leading axis 1) and zero elsewhere."""
        names = ("stock", "lease_active", "gangs", "campaign_on", "campaign_share", "large_pool")
        return Layout(self.master.columns, {}).point(values, names, self.master.column_count)

    def dispatch(self, decided: Decisions, branch: IntArray, paid: FloatArray | None = None) -> Dispatched:
        """Dispatch every future under the decisions of its branch. paid: (F, bills) kW that are paid for already.

        The first solve of a plan goes on from the basis of `_reference` and the others from the one before, so that a
        plan's answer does not depend on which other plans are dispatched beside it.
        """
        F = len(self.blocks)
        readings = np.zeros((F, self.meter.shape[0]))
        columns = {b: self.fixed_columns(decided.branch(int(b))) for b in np.unique(branch)}
        basis = self._reference()
        # neighbours in volume and branch share the most of a basis
        for f in np.lexsort((self.volume, branch)):
            x = columns[branch[f]]
            if paid is not None:
                x = x.copy()
                x[self.billed] = paid[f]
            readings[f] = self.meter @ self._solved(int(f), x, basis)
            basis = None
        return self._read(readings, decided, branch)

    def _reference(self) -> Any:
        """A basis to begin from: that of the first future with nothing but what stands already."""
        if self._basis is None:
            x = np.zeros(self.master.column_count)
            stock = self.master.columns["stock"]
            x[stock] = np.broadcast_to(self.master.instance.standing, stock.shape)
            self._basis = _cold(self._program(0, x), self.period).basis
        return self._basis

    def _program(self, future: int, x: FloatArray) -> Arrays:
        lower, upper = self._sides(future, x)
        return replace(self.arrays, row_lower=lower, row_upper=upper)

    def _solved(self, future: int, x: FloatArray, basis: Any) -> FloatArray:
        """(columns,) one future dispatched at master columns x; basis: where to begin, None: where the last ended."""
        if self._solver is None:
            self._solver = Incremental(self.arrays)
        lower, upper = self._sides(future, x)
        self._solver.move(np.arange(self.arrays.rows), lower, upper)
        outcome = self._solver.solve(basis=basis)
        if outcome.status != "optimal" or outcome.x is None:
            self._solver = None
            outcome = _cold(self._program(future, x), self.period)
        assert outcome.x is not None
        return outcome.x

    def _read(self, readings: FloatArray, decided: Decisions, branch: IntArray) -> Dispatched:
        """Readings plus what the fixed decisions draw by themselves: idle power, campaigns."""
        inst, t = self.inner, self.period
        case, money = inst.case, inst.money_unit
        S, K = len(case.sites), len(inst.cards)
        v = decided.values
        capacity = (v["stock"] + leased_modules(case, v["lease_active"]))[..., t]
        campaigns = np.einsum("bcsk,ck->bsk", v["campaign_share"][..., t], campaign_sizes(inst))
        pue_hours, priced, earned = self._site_hours()
        busy_kwh, busy_money = self._busy_meter()
        kept = (inst.standing - inst.departures.left(v["departures"]))[..., t]
        kwh = np.einsum("bsk,k,s->bs", capacity, inst.idle_kw, pue_hours)
        kwh = kwh + np.einsum("bsk,sk->bs", campaigns, busy_kwh)
        # a negative price earns nothing on the idle power of what was ordered, leased or moved
        spent = np.einsum("bsk,k,s->b", capacity, inst.idle_kw, priced)
        spent = spent - np.einsum("bsk,k,s->b", capacity - kept, inst.idle_kw, earned)
        spent = spent + np.einsum("bsk,sk->b", campaigns, busy_money)
        at = self.reads
        return Dispatched(
            energy_kwh=readings[:, at["kwh"]] + kwh[branch],
            energy=(readings[:, at["energy"]][:, 0] + spent[branch]) * money,
            billed=readings[:, at["billed"]],
            billed_price=self._billed_price() * money,
            transfer=readings[:, at["transfer"]][:, 0] * money,
            shortfall=readings[:, at["shortfall"]][:, 0] * money,
            short_units=readings[:, at["short"]],
            busy=readings[:, at["busy"]].reshape(-1, S, K) + (campaigns * self.hours.sum())[branch],
            breach=readings[:, at["breach"]][:, 0],
        )

    def _billed_price(self) -> FloatArray:
        """(bills,) money for one billed kW, undiscounted."""
        return np.asarray(self.master.raw_cost()[self.billed] / self.inst.discount[self.period], float)
