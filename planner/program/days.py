"""The blocks of all typical days: the shared template, each day's right-hand sides and its ties to the master."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.case import WorkloadKind, by_period
from planner.program.blocks import Block, BlockKey, Builder, Layout
from planner.program.capacity import capacity_columns
from planner.program.instance import Instance
from planner.program.master import Master
from planner.program.origins import Origins, find_origins
from planner.program.pools import most_pooled
from planner.program.power import most_site_mw
from planner.program.serving import (
    Cells,
    add_day_limits,
    charged_sites,
    day_costs,
    day_template,
    find_cells,
    lookup,
    service_workloads,
)
from planner.program.training import gang_sizes, held_modules, working_modules


class Coupling:
    """Coefficients of master columns in a block's rows, collected in bulk."""

    def __init__(self) -> None:
        self._parts: list[tuple[IntArray, IntArray, FloatArray]] = []

    def add(self, row: IntArray, column: IntArray, value: FloatArray | float) -> None:
        """Add entries; zeros and columns that are not there (-1) are left out.

        row, column, value broadcast to one shape, (entries,).
        """
        row, column, amount = np.broadcast_arrays(row, column, np.asarray(value, float))
        keep = (amount != 0) & (column >= 0) & (row >= 0)
        self._parts.append((row[keep], column[keep], amount[keep]))

    def matrix(self, rows: int, columns: int) -> sp.csr_matrix:
        """(rows, columns) all entries added up."""
        if not self._parts:
            return sp.csr_matrix((rows, columns))
        r, c, v = (np.concatenate(p) for p in zip(*self._parts, strict=True))
        return sp.csr_matrix((v, (r, c)), shape=(rows, columns))


class DayBlocks:
    """Builds the day blocks of an instance against a finished master."""

    def __init__(self, inst: Instance, master: Master) -> None:
        self.inst, self.master = inst, master
        self.origins: Origins = find_origins(inst)
        self.cells: Cells = find_cells(inst, self.origins)
        self.most_pooled = most_pooled(master.instance)  # the master's, which may be on more steps
        policy = inst.case.policy
        self.varies = policy.carbon_cap_tonnes is not None or policy.green_share_floor is not None
        self.limited = self.varies or policy.utilisation_floor is not None
        self._templates: dict[tuple[int, int], tuple[Layout, sp.csr_matrix]] = {}
        self._couplings: dict[tuple[int, int, int], sp.csr_matrix] = {}
        self._costs: dict[tuple[int, int], FloatArray] = {}

    def _template(self, period: int, day: int) -> tuple[Layout, sp.csr_matrix]:
        key = (period, day) if self.limited else (0, 0)
        if key not in self._templates:
            block: Builder = day_template(self.inst, self.origins, self.cells)
            if self.limited:
                add_day_limits(block, self.inst, self.cells, period, day)
            self._templates[key] = (Layout(block.columns, block.rows), block.arrays().matrix)
        return self._templates[key]

    def _coupling(self, layout: Layout, branch: int, future: int, period: int, day: int) -> sp.csr_matrix:
        """Rows of one day against stock, leases, gangs, campaigns, billed power and parts of limits."""
        inst, master, cells = self.inst, self.master, self.cells
        per_future = self.limited or len(cells.active) > 0
        per_day = self.limited or len(charged_sites(inst)) > 0 or inst.slots is not None
        key = (future if per_future else branch, period, day if per_day else 0)
        if key in self._couplings:
            return self._couplings[key]
        S, K = len(inst.case.sites), len(inst.cards)
        H = inst.days.steps
        out = Coupling()
        place_at = lookup(cells.place, (S, K))
        capacity = layout.rows["capacity"].index
        charged = charged_sites(inst)
        charge_at = np.full(S, -1)
        charge_at[charged] = np.arange(len(charged))
        billed = layout.rows["demand_charge"].index

        def at(rows: IntArray, position: IntArray) -> IntArray:
            """(cells, H) rows of positions, -1 where there is none."""
            if not len(rows):
                return np.full((len(position), H), -1)
            return np.where(position[:, None] >= 0, rows[position], -1)

        jobs = inst.of_kind(WorkloadKind.training)
        stays = [not inst.workload(j).preemptible for j in jobs] + [True] * len(inst.case.campaigns)
        holds = [h for h, stay in zip(held_modules(master), stays, strict=True) if stay]
        for s, k, columns, _own in capacity_columns(master):
            column = columns[branch, :, period, None]
            out.add(at(capacity, place_at[s, k]), column, -inst.availability[k][:, None])
            out.add(at(billed, charge_at[s]), column, inst.idle_kw[k][:, None])
        for s, k, columns, modules in holds:
            column = columns[branch, :, period, None]
            out.add(at(capacity, place_at[s, k]), column, modules[:, None])
            out.add(at(billed, charge_at[s]), column, (modules * inst.dynamic_kw[k])[:, None])
        self._couple_pools(out, layout, branch, period)
        if inst.slots is not None:
            room = layout.rows["tariff_room"].index
            share = inst.slots.share[period, day]
            for s, k, columns, amount in (
                *((s, k, c, -inst.availability[k]) for s, k, c, _own in capacity_columns(master)),
                *holds,
            ):
                known = place_at[s, k] >= 0
                column = columns[branch, known, period, None, None]
                out.add(room[place_at[s, k][known]], column, share[s[known]] * amount[known, None, None])
        if len(charged):
            per_kw = -1 / inst.pue[period, day, charged][:, None]
            columns = master.columns["billed_kw"][branch, charged, period]  # (charged, bills)
            if "demand_bill" in layout.rows:
                mine = np.where(inst.bill_days[period, day], columns, -1)
                out.add(layout.rows["demand_bill"].index, mine, per_kw)
            else:
                out.add(billed, columns, per_kw)
        j, s, k = cells.active.T
        size = gang_sizes(inst)
        running = master.columns["gangs_running"][future, j, s, k, period] if len(jobs) else np.zeros(0, int)
        modules = size[j, k] if len(jobs) else np.zeros(0)
        out.add(layout.rows["yield_most"].index, running[:, None], -modules[:, None])
        share = np.array([1 - inst.workload(x).max_yield_share for x in jobs])
        need = modules * (share[j] if len(jobs) else 1.0) * inst.step_hours.sum()
        out.add(layout.rows["yield_work"].index, running, -need)
        if self.limited:
            self._couple_limits(out, layout, branch, future, period, day, stays)
        self._couplings[key] = out.matrix(_count(layout.rows), master.column_count)
        return self._couplings[key]

    def _couple_pools(self, out: Coupling, layout: Layout, branch: int, period: int) -> None:
        """Which pools are large: what they keep spare, and what they may hold."""
        inst, cells = self.inst, self.cells
        w, s, k = cells.load[cells.pooled].T
        large = self.master.columns["large_pool"][branch, w, s, k, period][:, None]
        at = lookup(cells.serve, (len(inst.case.workloads), len(inst.case.sites)))[w, s]
        spare = (inst.throughput * inst.pool_factor * inst.pool_spare)[w, k][:, None]
        out.add(layout.rows["serving"].index[at], large, spare)
        most = self.most_pooled[w, s, k][:, None]
        out.add(layout.rows["pool_size"].index, large, -most)
        out.add(layout.rows["pool_whole"].index, large, most)

    def _couple_limits(
        self, out: Coupling, layout: Layout, branch: int, future: int, period: int, day: int, stays: list[bool]
    ) -> None:
        """Idle power, held modules and the day's own part in the limits over a period."""
        inst, master, policy = self.inst, self.master, self.inst.case.policy
        hours = float(inst.weight[period, day] * inst.step_hours.sum())
        pue = inst.pue[period, day] / 1000
        floor = by_period(policy.green_share_floor, inst.case.horizon.periods, 0.0)[period]
        green = np.array([s.green_share for s in inst.case.sites]) - floor
        at_work = [w for w, stay in zip(working_modules(master, future), stays, strict=True) if stay]
        for family, per_kw in (
            ("carbon_part", inst.carbon * pue),
            ("green_part", green * pue),
            ("utilisation_part", None),
        ):
            if family not in layout.rows:
                continue
            row = layout.rows[family].index
            if per_kw is not None:
                for s, k, columns, _own in capacity_columns(master):
                    out.add(row, columns[branch, :, period], per_kw[s] * inst.idle_kw[k] * hours)
            for s, k, columns, modules in at_work:
                factor = np.ones(len(k)) if per_kw is None else per_kw[s] * inst.dynamic_kw[k]
                out.add(row, columns[:, period], factor * modules * hours)
            name = "alloc_" + family.removesuffix("_part")
            out.add(row, master.columns[name][future, period, day, None], -1.0)

    def block(self, future: int, period: int, day: int) -> Block:
        """One day block with its costs, bounds and right-hand sides."""
        inst = self.inst
        layout, matrix = self._template(period, day)
        scale = float(inst.probability[future] * inst.discount[period] * inst.weight[period, day])
        if (period, day) not in self._costs:
            self._costs[period, day] = day_costs(inst, layout, self.origins, self.cells, period, day)
        cost = self._costs[period, day]
        lower = np.zeros(len(cost))
        upper = np.full(len(cost), np.inf)
        policy = inst.case.policy
        limited = (policy.carbon_cap_tonnes, policy.green_share_floor, policy.utilisation_floor)
        upper[layout.columns["slack_limit"][[x is None for x in limited]]] = 0.0
        row_lower = np.full(_count(layout.rows), -np.inf)
        row_upper = np.full(_count(layout.rows), np.inf)
        self._right_hand_sides(layout, row_lower, row_upper, upper, future, period, day)
        branch = int(inst.branch_of[future])
        coupling = self._coupling(layout, branch, future, period, day)
        key = BlockKey("day", future, period, day)
        return Block(key, layout, matrix, coupling, cost * scale, lower, upper, row_lower, row_upper, scale)

    def _right_hand_sides(
        self,
        layout: Layout,
        row_lower: FloatArray,
        row_upper: FloatArray,
        upper: FloatArray,
        future: int,
        period: int,
        day: int,
    ) -> None:
        inst, origins = self.inst, self.origins
        hours, H = inst.step_hours, inst.days.steps
        demand = origins.total(inst, future, period, day)
        deferrable = np.array([w.kind is WorkloadKind.deferrable for w in inst.case.workloads], bool)
        late = deferrable[origins.workload]
        rows = {name: r.index for name, r in layout.rows.items()}
        row_lower[rows["demand"]] = row_upper[rows["demand"]] = demand[~late]
        row_lower[rows["deferral"]] = row_upper[rows["deferral"]] = demand[late] * hours
        row_lower[rows["serving"]] = row_upper[rows["serving"]] = 0.0
        row_upper[rows["capacity"]] = 0.0
        w, s, k = self.cells.load[self.cells.pooled].T
        row_upper[rows["pool_part"]] = row_upper[rows["pool_size"]] = 0.0
        row_upper[rows["pool_whole"]] = self.most_pooled[w, s, k][:, None]
        row_upper[rows["yield_most"]] = 0.0
        row_lower[rows["yield_work"]] = row_upper[rows["yield_work"]] = 0.0
        row_upper[rows["demand_charge"]] = 0.0
        if "demand_bill" in rows:
            row_upper[rows["demand_bill"]] = np.where(inst.bill_days[period, day], 0.0, np.inf)
        if inst.slots is not None:
            row_lower[rows["tariff_split"]] = row_upper[rows["tariff_split"]] = 0.0
            row_upper[rows["tariff_room"]] = 0.0
        by_workload = np.zeros((len(inst.case.workloads), H))
        np.add.at(by_workload, origins.workload, demand)
        capped = [i for i in np.unique(origins.workload[late]) if inst.workload(int(i)).max_rate_factor is not None]
        for i, w in enumerate(capped):
            mean = float(by_workload[w] @ hours / hours.sum())
            row_upper[rows["rate"][i]] = (inst.workload(int(w)).max_rate_factor or 1.0) * mean
        for i, w in enumerate(service_workloads(inst)):
            volume = float(by_workload[w] @ hours)
            row_upper[rows["minimum_service"][i]] = (1 - inst.workload(int(w)).minimum_service) * volume
        limits = [
            by_period(inst.case.network.bandwidth_gbps[r][s], inst.case.horizon.periods, np.inf)[period]
            for r, row in inst.case.network.bandwidth_gbps.items()
            for s in row
        ]
        for i, limit in enumerate(limits):
            row_upper[rows["bandwidth"][i]] = limit
        for family, side in (("carbon_part", "upper"), ("green_part", "lower"), ("utilisation_part", "lower")):
            if family in rows:
                (row_upper if side == "upper" else row_lower)[rows[family]] = 0.0
        if inst.windows:
            self._windows(layout, upper, demand, late)

    def _windows(self, layout: Layout, upper: FloatArray, demand: FloatArray, late: np.ndarray) -> None:
        """Backlog no older than the window, and no work outside the allowed hours (bounds, not rows)."""
        inst, origins = self.inst, self.origins
        H = inst.days.steps
        backlog, flow = layout.columns["backlog"], layout.columns["flow"]
        for i, o in enumerate(np.flatnonzero(late)):
            spec = inst.workload(int(origins.workload[o]))
            arrivals = demand[o] * inst.step_hours
            bound = np.zeros(H)
            for back in range(spec.window_hours - 1):
                bound += np.roll(arrivals, back)
            upper[backlog[i]] = bound
            if spec.allowed_hours:
                closed = np.ones(H, bool)
                for first, last in spec.allowed_hours:
                    closed[first:last] = False
                upper[flow[origins.pair_origin == o][:, closed]] = 0.0


def _count(rows: object) -> int:
    return max((int(r.index.max()) + 1 for r in rows.values() if r.index.size), default=0)  # type: ignore[attr-defined]


def day_blocks(inst: Instance, master: Master) -> list[Block]:
    """Blocks of every future and every typical day with a weight, in the order future, period, day."""
    made = DayBlocks(inst, master)
    return [made.block(f, t, d) for f in range(len(inst.probability)) for t, d in inst.days.used()]


def add_period_limits(master: Master) -> None:
    """Limits over a whole period, as parts handed out to its typical days.

    carbon_cap: sum_d alloc_td <= cap_t; green_share: sum_d alloc_td >= 0;
    utilisation: sum_d alloc_td >= floor_t H_t sum_sk cap_skt
    """
    inst = master.instance
    policy, T, D = inst.case.policy, inst.case.horizon.periods, inst.days.days
    F = len(inst.probability)
    used = inst.weight > 0
    if policy.carbon_cap_tonnes is not None:
        cap = by_period(policy.carbon_cap_tonnes, T, np.inf)
        alloc = master.per_future("alloc_carbon", (T, D), upper=np.where(used, cap[:, None], 0.0))
        row = master.row("carbon_cap", (F, T), upper=cap)
        master.add(row[:, :, None], alloc, np.isfinite(cap)[:, None].astype(float))
    if policy.green_share_floor is not None:
        floor = by_period(policy.green_share_floor, T, np.nan)
        most = most_site_mw(inst).max(axis=1).sum()
        reach = used * inst.weight * inst.step_hours.sum() * most
        asked = np.isfinite(floor)[:, None]
        # A period without a floor gives its days a part that any mix of power reaches.
        alloc = master.per_future("alloc_green", (T, D), lower=-reach, upper=np.where(asked, reach, -reach))
        row = master.row("green_share", (F, T), lower=np.where(asked[:, 0], 0.0, -np.inf))
        master.add(row[:, :, None], alloc, asked.astype(float))
    if policy.utilisation_floor is not None:
        floor = by_period(policy.utilisation_floor, T, 0.0)
        alloc = master.per_future("alloc_utilisation", (T, D), upper=np.where(used, np.inf, 0.0))
        row = master.row("utilisation", (F, T), lower=0.0)
        master.add(row[:, :, None], alloc, 1.0)
        for _s, _k, columns, _own in capacity_columns(master):
            for f in range(F):
                master.add(row[f, None], columns[inst.branch_of[f]], -floor * inst.period_hours)
