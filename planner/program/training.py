"""Training in whole gangs: standing workloads and dated campaigns."""

from __future__ import annotations

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import WorkloadKind
from planner.program.capacity import capacity_columns
from planner.program.instance import Instance
from planner.program.master import Master


def gang_sizes(inst: Instance) -> FloatArray:
    """(training workloads, K) modules of one gang."""
    cards = [inst.workload(j).gang_cards or 1 for j in inst.of_kind(WorkloadKind.training)]
    return np.array([inst.gang_modules(c) for c in cards], float).reshape(len(cards), len(inst.cards))


def gang_places(inst: Instance) -> np.ndarray:
    """(training workloads, S, K) where a gang may stand: the type can run it and the site is allowed."""
    jobs = inst.of_kind(WorkloadKind.training)
    sites = [s.id for s in inst.case.sites]
    allowed = np.array(
        [[a is None or s in a for s in sites] for a in (inst.workload(j).allowed_sites for j in jobs)], bool
    ).reshape(len(jobs), len(sites))
    return np.asarray(allowed[:, :, None] & (inst.throughput[jobs] > 0)[:, None, :])


def training_volume(inst: Instance) -> FloatArray:
    """(F, training workloads, T) work asked as a mean rate (scaled): sum_{r,d,h} N_td delta_h D / H_t."""
    jobs = inst.of_kind(WorkloadKind.training)
    volume = np.einsum("fjrtdh,td,h->fjt", inst.demand[:, jobs], inst.weight, inst.step_hours)
    return np.asarray(volume / inst.period_hours, float)


def gang_output(inst: Instance) -> FloatArray:
    """(training workloads, K) scaled unit-hours that a gang at work delivers in an hour, what it yields taken off.

    gang_cards_j theta_jk eta_j (1 - max_yield_j): throughput is per module, a gang works with its own number of cards.
    """
    jobs = inst.of_kind(WorkloadKind.training)
    cards = np.array([inst.workload(j).gang_cards or 1 for j in jobs], float).reshape(len(jobs), 1)
    keeps = np.array([1 - inst.workload(j).max_yield_share for j in jobs]).reshape(len(jobs), 1)
    return np.asarray(inst.throughput[jobs] * cards / inst.cards * keeps, float)


def stays_put(inst: Instance) -> BoolArray:
    """(training workloads,) whether its gangs may not yield: they hold their modules through every hour."""
    return np.array([not inst.workload(j).preemptible for j in inst.of_kind(WorkloadKind.training)], bool)


def add_gangs(master: Master) -> None:
    """Whole gangs that hold modules, the part of them that is at work, and its energy when they cannot yield.

    The rows `training` stand divided by H_t, so that their coefficients are those of rates.
    training: sum_sk running_fjskt gang_cards_j theta_jk eta_j (1 - max_yield_j) H_t + training_shortfall_fjt = volume
    gang_running: running_fjskt <= gangs_jskt
    training_service: training_shortfall_jt <= (1 - minimum_service_j) volume_jt
    """
    inst = master.instance
    jobs = inst.of_kind(WorkloadKind.training)
    S, K, T = inst.standing.shape
    J = len(jobs)
    places, size = gang_places(inst), gang_sizes(inst)
    busy_cost = inst.period_busy_cost() * size[:, None, :, None]
    volume = training_volume(inst)
    delivered = np.repeat(gang_output(inst)[:, :, None], T, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        enough = np.ceil(volume.max(axis=0)[:, None, :] / delivered - 1e-9)
    most = np.where(places[:, :, :, None] & np.isfinite(enough)[:, None], np.nan_to_num(enough, posinf=0)[:, None], 0.0)
    gangs = master.decide("gangs", (J, S, K, T), np.arange(T), upper=most)
    running = master.per_future(
        "gangs_running", (J, S, K, T), upper=most, cost=busy_cost * stays_put(inst).reshape(J, 1, 1, 1)
    )
    short = master.per_future(
        "training_shortfall",
        (J, T),
        cost=inst.shortfall_cost[jobs].reshape(J, 1) * inst.discount * inst.period_hours,
    )
    if not J:
        return
    row = master.row("training", short.shape, lower=volume, upper=volume)
    master.add(row, short, 1.0)
    master.add(row[:, :, None, None], running, delivered[:, None] * places[:, :, :, None])
    j, s, k = np.nonzero(most.max(axis=3) > 0)
    row = master.row("gang_running", (len(inst.probability), len(j), T), upper=0.0)
    master.add(row, running[:, j, s, k], 1.0)
    master.add(row, gangs[inst.branch_of][:, j, s, k], -1.0)
    floor = np.array([inst.workload(j).minimum_service for j in jobs]).reshape(J, 1)
    row = master.row("training_service", short.shape, upper=np.where(floor > 0, (1 - floor) * volume, np.inf))
    master.add(row, short, np.broadcast_to(floor > 0, volume.shape).astype(float))


def campaign_sizes(inst: Instance) -> FloatArray:
    """(campaigns, K) modules of a campaign's gang."""
    sizes = [inst.gang_modules(c.gang_cards) for c in inst.case.campaigns]
    return np.array(sizes, float).reshape(len(sizes), len(inst.cards))


def add_campaigns(master: Master) -> None:
    """Dated jobs at one site on one type.

    campaign_place: sum_sk place_csk <= 1
    campaign_run: share_cskt <= on_cskt <= place_csk, zero outside [earliest, due]
    campaign_work: sum share_cskt days_t gang_cards speed + unfinished card_days = card_days
    """
    inst = master.instance
    jobs = inst.case.campaigns
    S, K, T = inst.standing.shape
    C = len(jobs)
    types = [k.id for k in inst.case.module_types]
    sites = [s.id for s in inst.case.sites]
    speed = np.array([[c.speed.get(k, 0.0) for k in types] for c in jobs]).reshape(C, K)
    sited = np.array([[c.allowed_sites is None or s in c.allowed_sites for s in sites] for c in jobs], bool).reshape(
        C, S
    )
    t = np.arange(T)
    open_ = np.array([(t >= c.earliest) & (t <= c.due) for c in jobs], bool).reshape(C, 1, 1, T)
    first = np.array([c.earliest for c in jobs], int).reshape(C, 1, 1)
    may = (sited[:, :, None] & (speed > 0)[:, None, :])[:, :, :, None]
    size = campaign_sizes(inst)
    energy = inst.period_busy_cost() * size[:, None, :, None]
    place = master.decide("campaign_place", (C, S, K), first, upper=may[..., 0].astype(float))
    on = master.decide("campaign_on", (C, S, K, T), t, upper=(may & open_).astype(float))
    share = master.state("campaign_share", (C, S, K, T), upper=(may & open_).astype(float), cost=energy)
    value = np.array([(c.value or 0.0) * inst.discount[min(c.due, T - 1)] for c in jobs]).reshape(C)
    optional = np.array([c.value is not None for c in jobs], float).reshape(C)
    unfinished = master.state("campaign_unfinished", (C,), upper=optional, cost=value / inst.money_unit)
    if not C:
        return
    row = master.row("campaign_place", (inst.branches, C), upper=1.0)
    master.add(row[:, :, None, None], place, 1.0)
    for name, small, large in (("on", on, place[..., None]), ("share", share, on)):
        row = master.row("campaign_run", on.shape, upper=0.0, name=f"campaign_run_{name}")
        master.add(row, small, 1.0)
        master.add(row, large, -1.0)
    days = inst.weight.sum(axis=1)
    card_days = np.array([c.card_days for c in jobs])
    cards = np.array([c.gang_cards for c in jobs], float)
    row = master.row("campaign_work", unfinished.shape, lower=1.0, upper=1.0)
    done = (cards / card_days)[:, None, None, None] * speed[:, None, :, None] * days
    master.add(row[:, :, None, None, None], share, done)
    master.add(row, unfinished, 1.0)


def held_modules(master: Master) -> list[tuple[IntArray, IntArray, IntArray, FloatArray]]:
    """Who holds modules through a whole period: (s, k, columns (B, cells, T), modules (cells,)).

    First the gangs of every training workload in order, then the campaigns' `on` columns.
    """
    inst = master.instance
    S, K, T = inst.standing.shape
    out = []
    for columns, sizes in (
        (master.columns["gangs"], gang_sizes(inst)),
        (master.columns["campaign_on"], campaign_sizes(inst)),
    ):
        for i, size in enumerate(sizes):
            s, k = (a.ravel() for a in np.meshgrid(np.arange(S), np.arange(K), indexing="ij"))
            out.append((s, k, columns[:, i].reshape(inst.branches, S * K, T), size[k]))
    return out


def working_modules(master: Master, future: int) -> list[tuple[IntArray, IntArray, IntArray, FloatArray]]:
    """Who is at work in a future, in the order of `held_modules`: (s, k, columns (cells, T), modules (cells,)).

    What is held may stand still: a gang draws power for the part of it that runs, a campaign for its share of a period.
    """
    inst = master.instance
    branch = int(inst.branch_of[future])
    out = []
    for columns, sizes in (
        (master.columns["gangs_running"][future], gang_sizes(inst)),
        (master.columns["campaign_share"][branch], campaign_sizes(inst)),
    ):
        for i, size in enumerate(sizes):
            s, k, cells = _every_place(columns[i])
            out.append((s, k, cells, size[k]))
    return out


def _every_place(columns: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """(S, K, T) columns as flat sites, types and (cells, T) columns."""
    S, K, T = columns.shape
    s, k = (a.ravel() for a in np.meshgrid(np.arange(S), np.arange(K), indexing="ij"))
    return s, k, columns.reshape(S * K, T)


def add_gangs_fit(master: Master) -> None:
    """gangs_fit: sum_j G_jk gangs_jskt + sum_c G_ck on_cskt + sum_w spare_wk large_pool_wskt <= a_k cap_skt."""
    inst = master.instance
    S, K, T = inst.standing.shape
    held = held_modules(master)
    pools = master.columns["large_pool"]
    b, w, ps, pk, t = np.nonzero(pools >= 0)
    if not held and not len(b):
        return
    row = master.row("gangs_fit", (inst.branches, S, K, T), upper=0.0)
    for s, k, columns, modules in held:
        master.add(row[:, s, k], columns, modules[:, None])
    master.add(row[b, ps, pk, t], pools[b, w, ps, pk, t], inst.pool_spare[w, pk])
    for s, k, columns, _own in capacity_columns(master):
        master.add(row[:, s, k], columns, -inst.availability[k][:, None])
