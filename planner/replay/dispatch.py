"""Dispatch of one day after another with everything that was ordered held fixed.

Each day is the planner's own day (`planner.program.serving.day_template`: the same columns, rows and prices) with three
changes that make it a day among others instead of a typical one:

* the backlog of deferrable work comes in from the day before and goes out to the day after, where the typical day
  closes on itself; it never holds more than what arrived in the last window - 1 hours, yesterday's included;
* work that is left over at midnight is priced at what serving it costs at best, so that leaving it is no gain;
* facility power may pass the billed demand at the full price of billing more, which then holds for the rest of the
  period.

Limits over a whole period (carbon cap, green share, utilisation floor) and service levels bind plans; in a replay
they are outcomes, and are reported instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import BuildAhead, Case, Policy, WorkloadKind
from planner.demand import Demand
from planner.program.blocks import Layout
from planner.program.instance import Instance, make_instance
from planner.program.origins import find_origins
from planner.program.serving import charged_sites, day_costs, day_template, find_cells, lookup
from planner.program.training import gang_sizes
from planner.solve.native import Incremental, Outcome, Settings, run


@dataclass(frozen=True)
class Fixed:
    """What stands in every period, as modules: decided by the plan, untouched here.

    capacity: (S, K, T) owned and leased; kept: those of the fleet that stand where they stood; held: (S, K, T) by
    gangs that may not yield and campaigns that are on; running: (S, K, T) the part of them that is at work (energy);
    gangs: (J, S, K, T) modules of preemptible gangs at work, zero for the others; pools: (W, S, K, T) 1 where a pool is
    large; billed_kw: (S, T, 12) declared power by calendar month.
    """

    capacity: FloatArray
    kept: FloatArray
    held: FloatArray
    running: FloatArray
    gangs: FloatArray
    pools: FloatArray
    billed_kw: FloatArray


State = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True)
class Day:
    """One day's dispatch, in the workloads' own units, undiscounted money.

    served, shortfall, backlog: (W, 24), backlog in unit-hours at the end of each hour; busy: (S, K, 24) modules, held
    ones included (campaigns by the share they run); transfer: money; cost: money of all that the day decided (busy
    energy, carbon, transfer, shortfall, power beyond the bill); seconds, iterations: of the solver.
    """

    served: FloatArray
    shortfall: FloatArray
    backlog: FloatArray
    busy: FloatArray
    transfer: float
    cost: float
    seconds: float
    iterations: int


def dispatch_case(case: Case) -> Case:
    """The case without what binds plans only: limits over periods, service levels, the survival of a lost site.

    Nothing may leave any more: what did is no part of the capacity that is dispatched.
    """
    policy = Policy(
        carbon_price_per_tonne=case.policy.carbon_price_per_tonne,
        carbon_basis=case.policy.carbon_basis,
        build_ahead=BuildAhead(),
    )
    workloads = [w.model_copy(update={"minimum_service": 0.0}) for w in case.workloads]
    fleet = [row.staying() for row in case.fleet]
    return case.model_copy(update={"policy": policy, "workloads": workloads, "fleet": fleet})


def dispatch_instance(case: Case, demand: Demand, capacity: FloatArray) -> Instance:
    """The planner's arrays with only what stands: places and pairs without modules are left out, regions merge more.

    capacity: (sites, types, periods).
    """
    inst = make_instance(dispatch_case(case), demand)
    runs = np.einsum("wk,sk->ws", (inst.throughput > 0).astype(float), (capacity.max(axis=2) > 0).astype(float)) > 0
    return replace(
        inst,
        standing=capacity,
        supply=np.zeros_like(inst.supply),
        allowed=inst.allowed & runs[:, None, :],
    )


class Dispatcher:
    """Solves the days of one course in order; the models of days with the same prices are kept warm.

    Days of the same prices (month, day kind, carbon price) share one model in which only right-hand sides move, so that
    GLOP's dual simplex starts from the last such day's basis.
    """

    def __init__(self, inst: Instance, fixed: Fixed, keep: int = 6) -> None:
        self.inst, self.fixed, self._keep = inst, fixed, keep
        self.origins = find_origins(inst)
        self.cells = find_cells(inst, self.origins)
        self.late: BoolArray = np.array(
            [inst.workload(int(w)).kind is WorkloadKind.deferrable for w in self.origins.workload], bool
        ).reshape(len(self.origins.workload))
        self.charged = charged_sites(inst)
        self.billed_kw = fixed.billed_kw.copy()
        self._window = np.array([inst.workload(int(w)).window_hours for w in self.origins.workload[self.late]], int)
        self._backlog = np.zeros(int(self.late.sum()))
        self._yesterday = np.zeros((len(self._backlog), 24))
        self._models: dict[bytes, Incremental] = {}
        self._basis: Any = None
        # the months of days that each stand for one real day; day 0 where a place has none
        self._month = inst.days.calendar.sum(axis=3).argmax(axis=2)  # (T, D)
        self._build()

    @property
    def backlog(self) -> FloatArray:
        """(W,) unit-hours of deferrable work that wait at the end of the last day."""
        out = np.zeros(len(self.inst.case.workloads))
        workload = self.origins.workload[self.late]
        np.add.at(out, workload, self._backlog * self.inst.unit_scale[workload])
        return out

    def _build(self) -> None:
        inst = self.inst
        block = day_template(inst, self.origins, self.cells)
        excess = block.column("excess", len(self.charged))
        if len(self.charged):
            block.add(block.rows["demand_charge"].index, excess[:, None], -1.0)
        backlog = block.columns["backlog"]
        window = block.row("window", backlog.shape)
        block.add(window, backlog, 1.0)
        self.layout = Layout(block.columns, block.rows)
        arrays = block.arrays()
        matrix = arrays.matrix.tolil() if len(backlog) else arrays.matrix
        for i in range(len(backlog)):
            matrix[block.rows["deferral"].index[i, 0], backlog[i, -1]] = 0.0
        upper = arrays.upper.copy()
        flow = block.columns["flow"]
        for o in np.flatnonzero(self.late):
            spec = inst.workload(int(self.origins.workload[o]))
            if spec.allowed_hours:
                closed = np.ones(24, bool)
                for first, last in spec.allowed_hours:
                    closed[first:last] = False
                upper[flow[self.origins.pair_origin == o][:, closed]] = 0.0
        self._arrays = replace(arrays, matrix=sp.csr_matrix(matrix), upper=upper)

    def _costs(self, period: int, day: int, clear: bool) -> FloatArray:
        """Prices of one day, with that of work left over at midnight and of power beyond what is billed."""
        inst, layout = self.inst, self.layout
        cost = np.zeros(self._arrays.columns)
        plain = day_costs(inst, layout, self.origins, self.cells, period, day)
        cost[: len(plain)] = plain
        origins, cells = self.origins, self.cells
        w, s, k = cells.load.T
        per_unit = cost[layout.columns["load"]] / inst.throughput[w, k][:, None]
        cheapest = np.full((len(inst.case.workloads), len(inst.case.sites), 24), np.inf)
        np.minimum.at(cheapest, (w, s), per_unit)
        open_hours = self._arrays.upper[layout.columns["flow"]] > 0
        serve = cost[layout.columns["flow"]] + cheapest[origins.pair_workload, origins.pair_site]
        serve = np.where(open_hours, serve, np.inf)
        best = np.full(len(origins.workload), np.inf)
        np.minimum.at(best, origins.pair_origin, serve.min(axis=1))
        best = np.minimum(best, inst.shortfall_cost[origins.workload])
        if clear:
            best = inst.shortfall_cost[origins.workload]
        if self.late.any():
            cost[layout.columns["backlog"][:, -1]] = best[self.late]
        pue = inst.pue[period, day, self.charged]
        charge = np.array([inst.case.sites[s].demand_charge_per_kw_month for s in self.charged]) / inst.money_unit
        cost[layout.columns["excess"]] = charge * pue
        return cost

    def _sides(self, period: int, day: int) -> tuple[FloatArray, FloatArray]:
        inst, fixed, cells = self.inst, self.fixed, self.cells
        rows = {name: r.index for name, r in self.layout.rows.items()}
        lower, upper = np.full(self._arrays.rows, -np.inf), np.full(self._arrays.rows, np.inf)
        demand = self.origins.total(inst, 0, period, day)
        lower[rows["demand"]] = upper[rows["demand"]] = demand[~self.late]
        arriving = demand[self.late].copy()
        incoming = arriving.copy()
        if len(incoming):
            incoming[:, 0] += self._backlog
            lower[rows["deferral"]] = upper[rows["deferral"]] = incoming
            upper[rows["window"]] = self._windows(arriving)
        capped = [
            int(w)
            for w in np.unique(self.origins.workload[self.late])
            if inst.workload(int(w)).max_rate_factor is not None
        ]
        for i, w in enumerate(capped):
            mean = float(demand[self.origins.workload == w].sum() / 24)
            upper[rows["rate"][i]] = (inst.workload(w).max_rate_factor or 1.0) * mean
        lower[rows["serving"]] = upper[rows["serving"]] = 0.0
        upper[rows["pool_part"]] = 0.0
        w, s, k = cells.load[cells.pooled].T
        large = fixed.pools[w, s, k, period] > 0.5
        upper[rows["pool_size"]] = np.where(large, np.inf, 0.0)[:, None]
        upper[rows["pool_whole"]] = np.where(large, 0.0, np.inf)[:, None]
        kept = large * (inst.throughput * inst.pool_factor * inst.pool_spare)[w, k]
        at = rows["serving"][lookup(cells.serve, (len(inst.case.workloads), len(inst.case.sites)))[w, s]]
        for side in (lower, upper):
            np.subtract.at(side, at, kept[:, None])
        s, k = cells.place.T
        usable = inst.availability[k] * fixed.capacity[s, k, period] - fixed.held[s, k, period]
        upper[rows["capacity"]] = np.maximum(usable, 0.0)[:, None]
        j, s, k = cells.active.T
        modules = fixed.gangs[j, s, k, period] if len(j) else np.zeros(0)
        jobs = inst.of_kind(WorkloadKind.training)
        keeps = np.array([1 - inst.workload(x).max_yield_share for x in jobs])
        upper[rows["yield_most"]] = modules[:, None]
        day_work = modules * (keeps[j] if len(jobs) else 1.0) * 24
        lower[rows["yield_work"]] = upper[rows["yield_work"]] = day_work
        self._limit_bandwidth(rows["bandwidth"], upper, period)
        if len(self.charged):
            idle = np.einsum("sk,k->s", fixed.capacity[:, :, period], inst.idle_kw)
            held = np.einsum("sk,k->s", fixed.held[:, :, period], inst.dynamic_kw)
            billed = self.billed_kw[:, period, self._month[period, day]]
            room = billed / inst.pue[period, day] - idle - held
            upper[rows["demand_charge"]] = room[self.charged][:, None]
        return lower, upper

    def _limit_bandwidth(self, rows: IntArray, upper: FloatArray, period: int) -> None:
        given = self.inst.case.network.bandwidth_gbps
        limits = [value for by_site in given.values() for value in by_site.values()]
        for i, limit in enumerate(limits):
            upper[rows[i]] = limit[period] if isinstance(limit, list) else limit

    def _windows(self, arriving: FloatArray) -> FloatArray:
        """(late origins, 24) most backlog at the end of each hour: what arrived in the last window - 1 hours."""
        total = np.cumsum(np.concatenate([self._yesterday, arriving], axis=1), axis=1)
        total = np.concatenate([np.zeros((len(total), 1)), total], axis=1)
        end = np.arange(25, 49)
        start = end[None, :] - (self._window[:, None] - 1)
        return np.asarray(total[:, 25:49] - np.take_along_axis(total, start, axis=1), float)

    def _solve(self, period: int, day: int, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> Outcome:
        key = cost.tobytes()
        arrays = replace(self._arrays, cost=cost, row_lower=lower, row_upper=upper)
        model = self._models.pop(key, None)
        if model is None:
            model = Incremental(arrays)
            outcome = model.solve(basis=self._basis)
        else:
            model.move(np.arange(arrays.rows), lower, upper)
            outcome = model.solve()
        self._models[key] = model
        while len(self._models) > self._keep:
            self._models.pop(next(iter(self._models)))
        if outcome.status != "optimal":
            self._models.pop(key)
            outcome = run(arrays, Settings("highs"))
        if outcome.status != "optimal" or outcome.x is None:
            raise RuntimeError(f"dispatch of day {day} in period {period} ended {outcome.status}: {outcome.detail}")
        if outcome.basis is not None:
            self._basis = outcome.basis
        return outcome

    def state(self) -> State:
        """Where the course stands, to come back to with `restore`."""
        return self._backlog.copy(), self._yesterday.copy(), self.billed_kw.copy()

    def restore(self, state: State) -> None:
        """Go back to a state that was kept."""
        self._backlog, self._yesterday, self.billed_kw = (part.copy() for part in state)

    def follow(self, period: int, day: int) -> None:
        """Begin after this day with nothing left over."""
        self._yesterday = self.origins.total(self.inst, 0, period, day)[self.late]

    def day(self, period: int, day: int, *, clear: bool = False) -> Day:
        """Dispatch the next day; days must come in order. Raises RuntimeError when no solver settles it.

        clear: price what is left over at midnight as if it were lost, for a day before one that falls short.
        """
        inst, layout, origins, cells = self.inst, self.layout, self.origins, self.cells
        lower, upper = self._sides(period, day)
        cost = self._costs(period, day, clear)
        outcome = self._solve(period, day, cost, lower, upper)
        y = np.maximum(outcome.x if outcome.x is not None else np.zeros(0), 0.0)
        flow, short, left = (y[layout.columns[name]] for name in ("flow", "shortfall", "backlog"))
        W = len(inst.case.workloads)
        served, missing, waiting = np.zeros((W, 24)), np.zeros((W, 24)), np.zeros((W, 24))
        np.add.at(served, origins.pair_workload, flow)
        np.add.at(missing, origins.workload, short)
        np.add.at(waiting, origins.workload[self.late], left)
        busy = np.repeat(self.fixed.running[:, :, period, None], 24, axis=2)
        np.add.at(busy, (cells.load[:, 1], cells.load[:, 2]), y[layout.columns["load"]])
        np.add.at(busy, (cells.active[:, 1], cells.active[:, 2]), y[layout.columns["active"]])
        transfer = float((flow * origins.transfer[:, None]).sum()) * inst.money_unit
        money = float(cost @ y)
        if len(left):
            money -= float(cost[layout.columns["backlog"][:, -1]] @ left[:, -1])
            self._backlog = left[:, -1].copy()
            self._yesterday = origins.total(inst, 0, period, day)[self.late]
        excess = y[layout.columns["excess"]] * inst.pue[period, day, self.charged]
        month = self._month[period, day]
        self.billed_kw[self.charged, period, month] += np.where(excess > 1e-6, excess, 0.0)
        unit = inst.unit_scale[:, None]
        return Day(
            served=served * unit,
            shortfall=missing * unit,
            backlog=waiting * unit,
            busy=busy,
            transfer=transfer,
            cost=money * inst.money_unit,
            seconds=outcome.seconds,
            iterations=outcome.iterations,
        )


def gang_modules(inst: Instance, gangs: FloatArray) -> FloatArray:
    """(J, S, K, T) modules of preemptible gangs, zero for the others, from (J, S, K, T) gangs at work."""
    jobs = inst.of_kind(WorkloadKind.training)
    yields = np.array([inst.workload(j).preemptible for j in jobs], float)
    return np.asarray(np.einsum("jskt,jk,j->jskt", gangs, gang_sizes(inst), yields), float)
