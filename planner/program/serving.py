"""One typical day: online demand served in its hour, deferrable work in its window, gangs that may yield.

The rows of a day have the same shape and coefficients for all days of a case, so that one sparse matrix serves every
block; only carbon and green-share rows depend on the day's PUE.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import CVaR, WorkloadKind, by_period
from planner.program.blocks import Builder, Layout
from planner.program.capacity import order_limits
from planner.program.instance import Instance
from planner.program.origins import Origins
from planner.program.training import gang_places


@dataclass(frozen=True)
class Cells:
    """Flat index lists behind a day's columns and rows.

    load: (cells, 3) workload, site, type. pooled: (n,) those of them that may be large pools. serve: (rows, 2)
    workload, site. place: (rows, 2) site, type that can have modules. active: (cells, 3) training workload (position
    among them), site, type. band: (rows, 2) region, site.
    """

    load: IntArray
    pooled: IntArray
    serve: IntArray
    place: IntArray
    active: IntArray
    band: IntArray


def possible_places(inst: Instance) -> BoolArray:
    """(S, K) whether any module of the type can ever stand at the site."""
    out = (inst.most_standing.max(axis=2) > 0) | (order_limits(inst).max(axis=2) > 0)
    sites = {s.id: i for i, s in enumerate(inst.case.sites)}
    types = {k.id: i for i, k in enumerate(inst.case.module_types)}
    for lease in inst.case.leases:
        out[sites[lease.site], types[lease.module_type]] = True
    return np.asarray(out)


def find_cells(inst: Instance, origins: Origins) -> Cells:
    """Where work may be placed: which workload on which type at which site."""
    places = possible_places(inst)
    serve = np.unique(np.stack([origins.pair_workload, origins.pair_site], axis=1), axis=0).reshape(-1, 2)
    runs = inst.throughput > 0
    able = runs[serve[:, 0]] & places[serve[:, 1]]
    row, k = np.nonzero(able)
    load = np.stack([serve[row, 0], serve[row, 1], k], axis=1)
    pooled = np.flatnonzero(inst.pool_factor[load[:, 0], load[:, 2]] > 0)
    jobs = inst.of_kind(WorkloadKind.training)
    yields = np.array([inst.workload(j).preemptible for j in jobs], bool)
    active = np.argwhere(gang_places(inst) & places & yields[:, None, None]) if jobs else np.zeros((0, 3), int)
    regions = {r.id: i for i, r in enumerate(inst.case.regions)}
    sites = {s.id: i for i, s in enumerate(inst.case.sites)}
    given = [(regions[r], sites[s]) for r, row_ in inst.case.network.bandwidth_gbps.items() for s in row_]
    return Cells(load, pooled, serve, np.argwhere(places), active, np.array(given, int).reshape(-1, 2))


def lookup(index: IntArray, shape: tuple[int, ...]) -> IntArray:
    """Dense table of positions in a flat index list; -1 where it has none. index: (entries,)."""
    out = np.full(shape, -1)
    out[tuple(index.T)] = np.arange(len(index))
    return out


def service_workloads(inst: Instance) -> IntArray:
    """(n,) online and deferrable workloads with a service level."""
    return np.array(
        [i for i, w in enumerate(inst.case.workloads) if w.minimum_service > 0 and w.kind is not WorkloadKind.training],
        int,
    )


def charged_sites(inst: Instance) -> IntArray:
    """(n,) sites with a demand charge."""
    return np.flatnonzero([s.demand_charge_per_kw_month > 0 for s in inst.case.sites])


def day_template(inst: Instance, origins: Origins, cells: Cells) -> Builder:
    """Columns and day-independent rows of a typical day.

    demand: sum_s flow_wrsh + shortfall_wrh = D_wrh
    deferral: backlog_h - backlog_{h-1} + delta_h (sum_s flow_sh + shortfall_h) = delta_h D_h, cyclic
    rate: sum_rs flow_wrsh <= max_rate_factor_w mean_h D_wh
    serving: g_w sum_r flow_wrsh = sum_k theta_wk n_k eta_w load_wskh (+ what large pools add, see `pools`)
    capacity: sum_w load_wskh + sum_j active_jskh (+ held gangs) <= a_k cap_sk
    yield_most, yield_work: active_jskh <= G running; sum_h delta_h active = (1 - max_yield) sum_h delta_h G running
    bandwidth: sum_w m_w flow_wrsh 8/3600 <= bandwidth_rs
    minimum_service: sum_rh delta_h shortfall_wrh <= (1 - minimum_service_w) sum_rh delta_h D_wrh + slack
    demand_charge: sum_k dynamic_kw_k busy_skh (+ idle and held) <= billed_kw_sm / PUE_s + over_billed_s, every month m
        of the day
    utilisation_part: N sum delta busy + slack >= alloc
    tariff_split, tariff_room: on merged steps only, see `add_slots`
    """
    H, hours = inst.days.steps, inst.step_hours
    h = np.arange(H)
    block = Builder()
    S, K, W = len(inst.case.sites), len(inst.cards), len(inst.case.workloads)
    flow = block.column("flow", (len(origins.pair_origin), H))
    load = block.column("load", (len(cells.load), H))
    short = block.column("shortfall", (len(origins.workload), H))
    kind = np.array([w.kind is WorkloadKind.deferrable for w in inst.case.workloads], bool)
    late = np.flatnonzero(kind[origins.workload])
    prompt = np.flatnonzero(~kind[origins.workload])
    backlog = block.column("backlog", (len(late), H))
    active = block.column("active", (len(cells.active), H))
    slack = block.column("slack_service", len(service_workloads(inst)))
    block.column("slack_limit", 3)  # carbon, green, utilisation

    row = block.row("demand", (len(prompt), H), lower=0.0, upper=0.0)
    at = np.full(len(origins.workload), -1)
    at[prompt] = np.arange(len(prompt))
    chosen = at[origins.pair_origin] >= 0
    block.add(row[at[origins.pair_origin[chosen]]], flow[chosen], 1.0)
    block.add(row, short[prompt], 1.0)

    row = block.row("deferral", (len(late), H), lower=0.0, upper=0.0)
    at = np.full(len(origins.workload), -1)
    at[late] = np.arange(len(late))
    chosen = at[origins.pair_origin] >= 0
    block.add(row[at[origins.pair_origin[chosen]]], flow[chosen], hours)
    block.add(row, short[late], hours)
    if H > 1:
        block.add(row, backlog, 1.0)
        block.add(row, backlog[:, (h - 1) % H], -1.0)

    capped = [i for i in np.unique(origins.workload[late]) if inst.workload(int(i)).max_rate_factor is not None]
    row = block.row("rate", (len(capped), H), upper=0.0)
    for i, w in enumerate(capped):
        block.add(row[i], flow[origins.pair_workload == w], 1.0)

    serve_at = lookup(cells.serve, (W, S))
    # An equality: busy is what the placed work needs. With room to spare, a floor on utilisation or a price of nothing
    # or less would keep modules busy without work.
    row = block.row("serving", (len(cells.serve), H), lower=0.0, upper=0.0)
    block.add(row[serve_at[origins.pair_workload, origins.pair_site]], flow, inst.burst[origins.pair_workload, None])
    w, s, k = cells.load.T
    block.add(row[serve_at[w, s]], load, -inst.throughput[w, k][:, None])
    add_large_pools(block, inst, cells, row[serve_at[w, s]][cells.pooled])

    place_at = lookup(cells.place, (S, K))
    row = block.row("capacity", (len(cells.place), H), upper=0.0)
    block.add(row[place_at[s, k]], load, 1.0)
    js, jk = cells.active[:, 1], cells.active[:, 2]
    block.add(row[place_at[js, jk]], active, 1.0)

    row = block.row("yield_most", active.shape, upper=0.0)
    block.add(row, active, 1.0)
    row = block.row("yield_work", len(cells.active), lower=0.0, upper=0.0)
    block.add(row[:, None], active, hours)

    row = block.row("bandwidth", (len(cells.band), H))
    band_at = lookup(cells.band, (len(inst.case.regions), S))
    region = origins.member.argmax(axis=1)[origins.pair_origin]
    limited = (band_at[region, origins.pair_site] >= 0) & (origins.member.sum(axis=1)[origins.pair_origin] == 1)
    traffic = np.array([x.traffic_gb_per_unit_hour for x in inst.case.workloads]) * inst.unit_scale * 8 / 3600
    block.add(
        row[band_at[region, origins.pair_site][limited]], flow[limited], traffic[origins.pair_workload[limited], None]
    )

    row = block.row("minimum_service", len(slack))
    for i, w_ in enumerate(service_workloads(inst)):
        block.add(row[i], short[origins.workload == w_], hours)
    block.add(row, slack, -1.0)

    charged = charged_sites(inst)
    charge_at = np.full(S, -1)
    charge_at[charged] = np.arange(len(charged))
    row = block.row("demand_charge", (len(charged), H), upper=0.0)
    # Every point of the master must have a dispatch: power above the billed one costs more than billing it.
    over = block.column("over_billed", len(charged))
    bills = inst.bill_months.shape[1]
    if bills == 1:
        block.add(row, over[:, None], -1.0)
    else:
        # the day's highest power meets every bill that the day belongs to
        drawn = block.column("highest_kw", len(charged))
        block.add(row, drawn[:, None], -1.0)
        bill = block.row("demand_charge", (len(charged), bills), name="demand_bill")
        block.add(bill, drawn[:, None], 1.0)
        block.add(bill, over[:, None], -1.0)
    for columns, site, kind_ in ((load, s, k), (active, js, jk)):
        metered = charge_at[site] >= 0
        block.add(row[charge_at[site[metered]]], columns[metered], inst.dynamic_kw[kind_[metered], None])
    if inst.slots is not None:
        add_slots(block, cells, place_at, inst.slots.count)
    return block


def add_large_pools(block: Builder, inst: Instance, cells: Cells, serving: IntArray) -> None:
    """What large pools add to the rows `serving`, (cells, H) those of the load cells that may be large.

    serving: ... - sum_k theta_wk n_k [(a_wk - eta_w) in_large_wskh - a_wk spare_wk large_pool_wskt]
    pool_part: in_large_wskh <= load_wskh
    pool_size: in_large_wskh <= M_wsk large_pool_wskt
    pool_whole: load_wskh - in_large_wskh <= M_wsk (1 - large_pool_wskt)
    """
    w, _, k = cells.load[cells.pooled].T
    in_large = block.column("in_large", serving.shape)
    block.add(serving, in_large, -(inst.throughput * (inst.pool_factor - 1))[w, k][:, None])
    row = block.row("pool_part", serving.shape, upper=0.0)
    block.add(row, in_large, 1.0)
    block.add(row, block.columns["load"][cells.pooled], -1.0)
    row = block.row("pool_size", serving.shape, upper=0.0)
    block.add(row, in_large, 1.0)
    row = block.row("pool_whole", serving.shape)
    block.add(row, block.columns["load"][cells.pooled], 1.0)
    block.add(row, in_large, -1.0)


def add_slots(block: Builder, cells: Cells, place_at: IntArray, slots: int) -> None:
    """Busy modules of a merged step by slots of like energy prices.

    tariff_split: sum_w load_wskg + sum_j active_jskg = sum_b in_slot_skgb
    tariff_room: in_slot_skgb <= share_gb (a_k cap_sk - held gangs) place_at: (sites, types), or -1.
    """
    load, active = block.columns["load"], block.columns["active"]
    H = load.shape[1]
    in_slot = block.column("in_slot", (len(cells.place), H, slots))
    row = block.row("tariff_split", (len(cells.place), H), lower=0.0, upper=0.0)
    block.add(row[place_at[cells.load[:, 1], cells.load[:, 2]]], load, 1.0)
    block.add(row[place_at[cells.active[:, 1], cells.active[:, 2]]], active, 1.0)
    block.add(row[:, :, None], in_slot, -1.0)
    row = block.row("tariff_room", in_slot.shape, upper=0.0)
    block.add(row, in_slot, 1.0)


def add_day_limits(block: Builder, inst: Instance, cells: Cells, period: int, day: int) -> None:
    """Rows of a day that take part in limits over a whole period.

    carbon_part: sum N delta chi_s kW / 1000 <= alloc + slack (t)
    green_part: sum N delta (green_share_s - floor_t) kW / 1000 + slack >= alloc (MWh)
    utilisation_part: sum N delta busy + slack >= alloc (module-hours)
    """
    policy, T = inst.case.policy, inst.case.horizon.periods
    slack = block.columns["slack_limit"]
    weighted = inst.weight[period, day] * inst.step_hours
    floor = by_period(policy.green_share_floor, T, 0.0)[period]
    green = np.array([s.green_share for s in inst.case.sites]) - floor
    pue = inst.pue[period, day] / 1000
    for i, (family, asked, per_kw, sign) in enumerate(
        (
            ("carbon_part", policy.carbon_cap_tonnes, inst.carbon * pue, -1.0),
            ("green_part", policy.green_share_floor, green * pue, 1.0),
            ("utilisation_part", policy.utilisation_floor, None, 1.0),
        )
    ):
        if asked is None:
            continue
        row = block.row(family, 1)
        for columns, s, k in (
            (block.columns["load"], cells.load[:, 1], cells.load[:, 2]),
            (block.columns["active"], cells.active[:, 1], cells.active[:, 2]),
        ):
            factor = np.ones(len(s)) if per_kw is None else per_kw[s] * inst.dynamic_kw[k]
            block.add(row[0], columns, factor[:, None] * weighted)
        block.add(row[0], slack[i], sign)


def day_costs(inst: Instance, layout: Layout, origins: Origins, cells: Cells, period: int, day: int) -> FloatArray:
    """(columns,) money of one such day, undiscounted: transfer, energy and carbon of busy modules, shortfall.

    Where nothing stands without an order, a busy module earns a negative price on its idle power, too
    (`Instance.period_busy_cost`).
    """
    hours = inst.step_hours
    pue = inst.pue[period, day][:, None]
    idle_kw = inst.idle_follows_work[:, :, period] * inst.idle_kw  # (S, K)
    count = max((int(i.max()) + 1 for i in layout.columns.values() if i.size), default=0)
    cost = np.zeros(count)
    cost[layout.columns["flow"]] = origins.transfer[:, None] * hours
    if inst.slots is not None:
        s, k = cells.place.T
        weighted = pue[:, :, None] * hours[:, None]  # (S, H, 1)
        per_slot = inst.slots.price[period, day] * weighted
        earned = np.minimum(inst.slots.tariff[period, day], 0.0) * weighted
        cost[layout.columns["in_slot"]] = (
            per_slot[s] * inst.dynamic_kw[k][:, None, None] + earned[s] * idle_kw[s, k][:, None, None]
        )
    else:
        per_kw = inst.energy_price()[period, day] * pue * hours  # (S, H)
        earned = np.minimum(inst.price[period, day], 0.0) * pue * hours
        for name, s, k in (
            ("load", cells.load[:, 1], cells.load[:, 2]),
            ("active", cells.active[:, 1], cells.active[:, 2]),
        ):
            cost[layout.columns[name]] = per_kw[s] * inst.dynamic_kw[k][:, None] + earned[s] * idle_kw[s, k][:, None]
    cost[layout.columns["shortfall"]] = inst.shortfall_cost[origins.workload][:, None] * hours
    charged = charged_sites(inst)
    charge = np.array([inst.case.sites[s].demand_charge_per_kw_month for s in charged]) / inst.money_unit
    months = inst.case.horizon.months_per_period
    rare = float(inst.probability.min()) * max(float(inst.weight[period, day]), 1e-9)
    rare *= least_weight(inst)
    cost[layout.columns["over_billed"]] = 1.05 * charge * months * inst.pue[period, day, charged] / rare
    service, limits = hard_prices(inst)
    cost[layout.columns["slack_service"]] = service[service_workloads(inst)] / least_weight(inst)
    cost[layout.columns["slack_limit"]] = limits / least_weight(inst)
    return cost


def least_weight(inst: Instance) -> float:
    """Least part of its probability with which a future's days enter the objective: with CVaR those of a cheap future
    count by the mean alone, and a price that no plan pays must be as high there."""
    rule = inst.case.risk.objective
    averse = isinstance(rule, CVaR) and len(inst.probability) > 1
    return max(1 - rule.weight, 0.05) if averse else 1.0  # type: ignore[union-attr]


def hard_prices(inst: Instance) -> tuple[FloatArray, FloatArray]:
    """Prices of slack on limits that must hold: (W,) per scaled unit-hour and (3,) for carbon, green, utilisation.

    Above what any plan could save by breaking the limit: ten times a whole new module of the dearest kind (and what one
    that leaves costs or brings) with its site, phases and years of service, spread over the least weight
    that a day can have in the objective.
    """
    case, T = inst.case, inst.case.horizon.periods
    phases = [p.capex for s in case.sites for p in s.phases]
    fixed = max([s.opening_cost for s in case.sites] + phases, default=0.0) / inst.money_unit
    # what costs more than all that orders can save is never bought, and would put everything else out of reach
    paid = np.where(inst.least_capex * inst.charge(inst.life) <= inst.worth, inst.capex, 0.0)
    leaving = float(np.abs(inst.departures.price).max(initial=0.0)) / inst.money_unit
    module = float(paid.max() + inst.opex.max() * T + inst.order_cost.max()) + leaving + fixed
    used = inst.weight[inst.weight > 0]
    least = float(inst.probability.min() * inst.discount.min() * min(used.min(initial=1.0), 1.0))
    with np.errstate(divide="ignore"):
        needed = np.where(inst.throughput > 0, 1 / inst.throughput, 0.0).max(axis=1)
    service = 10 * (inst.shortfall_cost + (module + 1.0) * np.maximum(needed, 1e-9) * inst.burst / least)
    value = float((inst.shortfall_cost[:, None] * inst.throughput).max(initial=0.0))
    per_mwh = (value / max(float(inst.dynamic_kw[inst.dynamic_kw > 0].min(initial=np.inf)), 1e-9)) * 1000
    carbon = per_mwh / max(float(inst.carbon[inst.carbon > 0].min(initial=np.inf)), 1e-9)
    limits = 10 * (np.array([carbon, per_mwh, value]) + module + 1.0)
    policy = case.policy
    asked = (policy.carbon_cap_tonnes, policy.green_share_floor, policy.utilisation_floor)
    return service, np.where([x is not None for x in asked], np.minimum(limits, 1e7), 0.0)
