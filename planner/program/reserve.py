"""The floor on the build-ahead ratio: what stands could serve so many times the P50 course, on every typical day.

One more set of day blocks, without cost and with compulsory service, in which gangs are chosen anew (`ahead_gangs`) and
campaigns keep what they hold. Demand in them is the P50 course times a master column `ahead`, which the floor bounds
from below, so that the floor is a row of its own with a unit that its owner knows. Docs: docs/model.md §8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import Case, Policy, WorkloadKind, by_period
from planner.demand import Demand
from planner.program.blocks import Block, BlockKey, Builder
from planner.program.capacity import capacity_columns
from planner.program.days import DayBlocks
from planner.program.instance import Instance, make_instance
from planner.program.master import Master
from planner.program.merge import merged_groups, step_groups
from planner.program.serving import hard_prices
from planner.program.training import campaign_sizes, gang_places, gang_sizes

KIND = "reserve"


def floors(inst: Instance) -> FloatArray:
    """(T,) the floor of each period; 0 where there is none or the P50 course asks for nothing."""
    least = by_period(inst.case.policy.build_ahead.minimum, inst.case.horizon.periods, 0.0)
    used = inst.course.days.weight > 0
    asked = (inst.course.values.any(axis=(0, 1, 4)) & used).any(axis=1)
    return np.where(asked, least, 0.0)


def add_build_ahead(master: Master) -> None:
    """The floor, and the gangs that the multiple would need.

    build_ahead_minimum: ahead_t >= minimum_t, ahead_t <= minimum_t
    ahead_training: sum_sk ahead_gangs_jskt gang_cards theta eta (1 - max_yield) H_t >= ahead_t volume_jt
    ahead_gangs_fit: sum_j G_jk ahead_gangs_jskt + sum_c G_ck on_cskt <= a_k cap_skt
    """
    inst = master.instance
    floor = floors(inst)
    T = inst.case.horizon.periods
    jobs = inst.of_kind(WorkloadKind.training)
    volume = p50_volume(inst)
    S, K, _ = inst.standing.shape
    size, places = gang_sizes(inst), gang_places(inst)
    cards = np.array([inst.workload(j).gang_cards or 1 for j in jobs], float).reshape(-1, 1)
    kept = np.array([1 - inst.workload(j).max_yield_share for j in jobs]).reshape(-1, 1)
    output = inst.throughput[jobs] * cards / inst.cards * kept  # (J, K) of one gang, a rate
    with np.errstate(divide="ignore", invalid="ignore"):
        enough = np.ceil((volume * floor)[:, None, :] / output[:, :, None] - 1e-9)
    most = np.where(places[:, :, :, None] & np.isfinite(enough)[:, None], np.nan_to_num(enough, posinf=0)[:, None], 0.0)
    asked = np.broadcast_to(floor > 0, most.shape)
    gangs = master.decide("ahead_gangs", (len(jobs), S, K, T), master.commit, upper=most, where=asked)
    if not (floor > 0).any():
        return
    ahead = master.state("ahead", (T,), upper=floor)
    row = master.row("build_ahead_minimum", (inst.branches, T), lower=np.where(floor > 0, floor, -np.inf))
    master.add(row, ahead, (floor > 0).astype(float))
    if not jobs:
        return
    row = master.row("ahead_training", (inst.branches, len(jobs), T), lower=0.0)
    _add(master, row[:, :, None, None], gangs, (output[:, None] * places)[..., None])
    master.add(row, ahead[:, None], -volume)
    row = master.row("ahead_gangs_fit", (inst.branches, S, K, T), upper=0.0)
    for j in range(len(jobs)):
        _add(master, row, gangs[:, j], size[j][:, None])
    for c, of_campaign in enumerate(campaign_sizes(inst)):
        master.add(row, master.columns["campaign_on"][:, c], of_campaign[:, None])
    for s, k, columns, _own in capacity_columns(master):
        master.add(row[:, s, k], columns, -inst.availability[k][:, None])


def _add(master: Master, row: IntArray, columns: IntArray, value: FloatArray) -> None:
    """Coefficients of the columns that exist."""
    row, columns, value = np.broadcast_arrays(row, columns, value)
    there = columns >= 0
    master.add(row[there], columns[there], value[there])


def p50_volume(inst: Instance) -> FloatArray:
    """(training workloads, T) the P50 course's work as a mean rate (scaled)."""
    course, jobs = inst.course, inst.of_kind(WorkloadKind.training)
    hours = course.days.weight[:, :, None] * course.days.step_hours
    volume = np.einsum("jrtdh,tdh->jt", course.values[jobs] / inst.unit_scale[jobs, None, None, None, None], hours)
    return np.asarray(volume / np.maximum(hours.sum(axis=(1, 2)), 1e-12), float)


class _View(Builder):
    """The master as day blocks see it: its gangs are those of the multiple, nothing is billed."""

    def __init__(self, master: Master, instance: Instance) -> None:
        super().__init__()
        self.instance = instance
        gangs = master.columns["ahead_gangs"]
        self.columns = {**master.columns, "gangs": gangs, "gangs_running": gangs}  # all that are counted on run
        self.column_count = master.column_count


def reserve_blocks(inst: Instance, master: Master, *, merge_steps: int | None = None) -> list[Block]:
    """A block for every branch, period with a floor and typical day of the P50 course that no other day outdoes.

    The rows of a typical day (see `serving.day_template`), with the demand D of the P50 course times ahead_t:
    sum_s flow + slack = ahead_t D. merge_steps: at most so many steps a day, the busiest one for itself: a relaxation.
    """
    floor = floors(inst)
    if "ahead" not in master.columns:
        return []
    bare = _bare(inst)
    prices = hard_prices(inst)[0] * bare.unit_scale / inst.unit_scale
    days = [(t, d) for t in np.flatnonzero(floor > 0) for d in binding_days(bare, int(t))]
    if merge_steps is not None and merge_steps < bare.days.steps:
        bare = replace(merged_groups(bare, _peak_apart(bare, merge_steps)), slots=None)
    made = DayBlocks(bare, _View(master, bare))  # type: ignore[arg-type]
    out = []
    for b in range(inst.branches):
        future = int(np.flatnonzero(inst.branch_of == b)[0])
        scale = float(inst.branch_probability[b])
        for t, d in days:
            block = made.block(b, int(t), int(d))
            out.append(
                _scaled(
                    replace(block, key=BlockKey(KIND, future, int(t), int(d)), scale=scale),
                    int(master.columns["ahead"][b, t]),
                    float(floor[t]),
                    (prices[made.origins.workload][:, None] * bare.step_hours) * scale,
                )
            )
    return out


def _bare(inst: Instance) -> Instance:
    """The P50 course with everything that stands and may be ordered, and nothing that costs or limits otherwise."""
    case = inst.case.model_copy(
        update={
            "policy": Policy(),
            "sites": [s.model_copy(update={"demand_charge_per_kw_month": 0.0}) for s in inst.case.sites],
            "workloads": [w.model_copy(update={"minimum_service": 0.0}) for w in inst.case.workloads],
        }
    )
    course = inst.course
    values = np.repeat(course.values[None], inst.branches, axis=0)
    share = np.full(inst.branches, 1 / inst.branches)
    peak = np.zeros(course.days.periods)
    made = make_instance(case, Demand(share, values, course.days, peak, peak))
    # no price tells regions with the same sites apart
    placed = _placed(inst.case, case)
    small = np.zeros_like(made.pool_factor)  # what could be served however the work is split: no pool counts as large
    return replace(made, branch_of=np.arange(inst.branches), pooled=True, case=placed, pool_factor=small)


def _placed(original: Case, bare: Case) -> Case:
    """The bare case where another case's order limits are found: places depend on what may be ordered."""
    return bare.model_copy(update={"policy": Policy(budget=original.policy.budget)})


def binding_days(inst: Instance, period: int) -> list[int]:
    """Typical days of a period without those of which every demand is at most that of another day.

    A plan for the larger day serves the smaller one in proportion, but for a highest rate, which follows the day's own
    mean: with such a limit every day counts.
    """
    days = [d for d in range(inst.days.days) if inst.weight[period, d] > 0]
    if any(w.max_rate_factor is not None for w in inst.case.workloads):
        return days
    asked = {d: inst.demand[0, :, :, period, d] for d in days}
    out: list[int] = []
    for d in sorted(days, key=lambda d: (-float(asked[d].sum()), d)):
        if not any(bool((asked[d] <= asked[o] + 1e-12).all()) for o in out):
            out.append(d)
    return sorted(out)


def _peak_apart(inst: Instance, count: int) -> IntArray:
    """(H,) group of each step: few groups of like steps, and the busiest step of any day for itself."""
    group = step_groups(inst, max(count, 2))
    need = np.einsum("w,wtdh->tdh", inst.pflops_per_unit, inst.demand[0].sum(axis=1))
    peak = int(need.max(axis=(0, 1)).argmax())
    group = group.copy()
    group[peak] = group.max() + 1
    _, first, out = np.unique(group, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[out])


def _scaled(block: Block, ahead: int, floor: float, price: FloatArray) -> Block:
    """The block with its demand times the master's column `ahead`, no cost but that of what it leaves out."""
    rows = block.layout.rows
    moved = np.concatenate([rows[name].index.ravel() for name in ("demand", "deferral", "rate") if name in rows])
    asked = block.row_upper[moved]
    link = sp.csr_matrix(
        (-asked, (moved, np.full(len(moved), ahead))), shape=(len(block.row_upper), block.coupling.shape[1])
    )
    lower, upper = block.row_lower.copy(), block.row_upper.copy()
    equal: BoolArray = np.isfinite(lower[moved])
    upper[moved] = 0.0
    lower[moved] = np.where(equal, 0.0, -np.inf)
    cost = np.zeros_like(block.cost)
    cost[block.layout.columns["shortfall"]] = price
    bounds = block.upper.copy()
    waits = block.layout.columns["backlog"].ravel()
    bounds[waits] = bounds[waits] * floor  # ahead is at most the floor
    return replace(
        block,
        coupling=sp.csr_matrix(block.coupling + link),
        cost=cost,
        upper=bounds,
        row_lower=lower,
        row_upper=upper,
    )
