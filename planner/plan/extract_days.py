"""A solution's typical days as tables: where work is served, what is busy, what falls short.

Origins (regions alike) are split into their regions again: online work in proportion to each step's demand; deferrable
work first in, first out, so that every region's work keeps its own window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from planner.arrays import FloatArray, IntArray
from planner.case import WorkloadKind
from planner.plan.tables import TABLES
from planner.program.blocks import Block, Program
from planner.program.instance import Instance
from planner.program.origins import Origins, find_origins
from planner.program.serving import Cells, find_cells
from planner.program.training import gang_sizes

TINY = 1e-9


@dataclass(frozen=True)
class Days:
    """Busy modules of every future, and the tables of typical days.

    busy: (F, T, D, S, K, H) modules busy with online, deferrable and preemptible work (held gangs not included).
    """

    placement: pd.DataFrame
    load: pd.DataFrame
    shortfall: pd.DataFrame
    busy: FloatArray


def fifo(arrivals: FloatArray, departures: FloatArray, backlog: float) -> FloatArray:
    """(H, H) work that leaves in step i and arrived in step j, on a day that repeats.

    arrivals, departures: (H,) work per step; backlog: work waiting when the day begins, all of it from the day before.
    """
    H = len(arrivals)
    arrived = np.cumsum(np.concatenate([arrivals, arrivals])) - arrivals.sum()
    left = np.cumsum(departures) - backlog
    before = np.concatenate([[-backlog], left[:-1]])
    start = np.concatenate([[-arrivals.sum()], arrived[:-1]])
    overlap = np.minimum(left[:, None], arrived) - np.maximum(before[:, None], start)
    overlap = np.maximum(overlap, 0.0)
    return np.asarray(overlap[:, :H] + overlap[:, H:], float)


class DayReader:
    """Reads blocks of one instance; the index lists are those the blocks were built with."""

    def __init__(self, inst: Instance) -> None:
        self.inst = inst
        self.origins: Origins = find_origins(inst)
        self.cells: Cells = find_cells(inst, self.origins)
        self.late = np.array([inst.workload(int(w)).kind is WorkloadKind.deferrable for w in self.origins.workload])
        self.single = self.origins.member.sum(axis=1) == 1

    def shares(self, block: Block, y: FloatArray, demand: FloatArray) -> FloatArray:
        """(O, R, H) part of each region in what leaves its origin in each step."""
        inst, origins = self.inst, self.origins
        key = block.key
        by_region = inst.demand[key.future, origins.workload, :, key.period, key.day] * origins.member[:, :, None]
        out = np.where(demand[:, None] > 0, by_region / np.where(demand > 0, demand, 1.0)[:, None], 0.0)
        hours = inst.step_hours
        flow, short = y[block.layout.columns["flow"]], y[block.layout.columns["shortfall"]]
        backlog = y[block.layout.columns["backlog"]]
        for position, o in enumerate(np.flatnonzero(self.late)):
            if self.single[o]:
                out[o] = origins.member[o][:, None]
                continue
            served = flow[origins.pair_origin == o].sum(axis=0) + short[o]
            first = float(backlog[position, -1]) if len(hours) > 1 else 0.0
            moved = fifo(demand[o] * hours, served * hours, first)
            leaving = moved.sum(axis=1, keepdims=True)
            total = by_region[o].sum(axis=0)
            origin_share = np.where(total > 0, by_region[o] / np.where(total > 0, total, 1.0), 0.0)
            out[o] = origin_share @ (moved / np.where(leaving > 0, leaving, 1.0)).T
        return out

    def served(self, flow: FloatArray, share: FloatArray) -> FloatArray:
        """(pairs, R, H) what each region has served at each site; regions of a pooled origin as cheaply as may be."""
        inst, origins = self.inst, self.origins
        out = flow[:, None] * share[origins.pair_origin]
        if not inst.pooled:
            return np.asarray(out)
        for o in np.flatnonzero(~self.single):
            pairs = np.flatnonzero(origins.pair_origin == o)
            members = np.flatnonzero(origins.member[o])
            price = inst.transfer[origins.workload[o]][np.ix_(members, origins.pair_site[pairs])]
            leaves = out[pairs][:, members].sum(axis=0)
            out[np.ix_(pairs, members)] = cheapest_split(flow[pairs], leaves, price)
        return np.asarray(out)


def cheapest_split(flow: FloatArray, leaves: FloatArray, price: FloatArray) -> FloatArray:
    """(S, R, H) who is served where, given what each site takes (S, H) and what each region sends (R, H) in each step.

    price: (R, S). Greedy, least excess over a site's cheapest region first: every unit finds a place because the sums
    agree, and no region pays more than it must for want of trying.
    """
    room, rest = flow.copy(), leaves.copy()
    out = np.zeros((flow.shape[0], leaves.shape[0], flow.shape[1]))
    excess = price - price.min(axis=0)
    for at in np.argsort(excess, axis=None, kind="stable"):
        r, s = np.unravel_index(at, excess.shape)
        moved = np.minimum(room[s], rest[r])
        out[s, r] = moved
        room[s] -= moved
        rest[r] -= moved
    return out


def day_tables(inst: Instance, program: Program, blocks: list[FloatArray], running: FloatArray) -> Days:
    """Tables of all day blocks. running: (F, J, S, K, T) gangs at work, listed in `load` where they may not yield."""
    reader = DayReader(inst)
    origins, cells = reader.origins, reader.cells
    S, K, H = len(inst.case.sites), len(inst.cards), inst.days.steps
    F, (T, D) = len(inst.probability), inst.weight.shape
    busy = np.zeros((F, T, D, S, K, H))
    placed: list[tuple[IntArray, ...]] = []
    short: list[tuple[IntArray, ...]] = []
    loads: list[tuple[IntArray, ...]] = []
    jobs = inst.of_kind(WorkloadKind.training)
    for block, y in zip(program.blocks, blocks, strict=True):
        if block.key.kind != "day":
            continue
        f, t, d = block.key.future, block.key.period, block.key.day
        y = np.maximum(y, 0.0)
        demand = origins.total(inst, f, t, d)
        share = reader.shares(block, y, demand)
        flow = y[block.layout.columns["flow"]]
        served = reader.served(flow, share)
        e, r, h = np.nonzero(served > TINY)
        unit = inst.unit_scale[origins.pair_workload[e]]
        placed.append(_rows(f, t, d, h, origins.pair_workload[e], r, origins.pair_site[e], served[e, r, h] * unit))
        missing = y[block.layout.columns["shortfall"]][:, None] * share
        o, r, h = np.nonzero(missing > TINY)
        unit = inst.unit_scale[origins.workload[o]]
        short.append(_rows(f, t, d, h, origins.workload[o], r, np.zeros_like(r), missing[o, r, h] * unit))
        load, active = y[block.layout.columns["load"]], y[block.layout.columns["active"]]
        np.add.at(busy[f, t, d], (cells.load[:, 1], cells.load[:, 2]), load)
        np.add.at(busy[f, t, d], (cells.active[:, 1], cells.active[:, 2]), active)
        i, h = np.nonzero(load > TINY)
        w, s, k = cells.load[i].T
        loads.append(_rows(f, t, d, h, w, s, k, load[i, h]))
        i, h = np.nonzero(active > TINY)
        j, s, k = cells.active[i].T
        loads.append(_rows(f, t, d, h, np.array(jobs, int)[j] if len(jobs) else j, s, k, active[i, h]))
        stays = [i for i, x in enumerate(jobs) if not inst.workload(x).preemptible]
        for n in stays:
            at_work = running[f, n, :, :, t] * gang_sizes(inst)[n]
            s, k = np.nonzero(at_work > TINY)
            step = np.tile(np.arange(H), len(s))
            s, k = np.repeat(s, H), np.repeat(k, H)
            loads.append(_rows(f, t, d, step, np.full(len(s), jobs[n]), s, k, at_work[s, k]))
    sites = np.array([x.id for x in inst.case.sites], object)
    regions = np.array([x.id for x in inst.case.regions], object)
    types = np.array([x.id for x in inst.case.module_types], object)
    names = np.array([x.id for x in inst.case.workloads], object)

    def joined(parts: list[tuple[IntArray, ...]]) -> list[np.ndarray]:
        if not parts:
            return [np.zeros(0, int)] * 7 + [np.zeros(0)]
        return [np.concatenate(p) for p in zip(*parts, strict=True)]

    def when(rows: list[np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(("future", "period", "day", "step"), rows[:4], strict=True))

    rows = joined(placed)
    place = {"workload": names[rows[4]], "region": regions[rows[5]], "site": sites[rows[6]], "served": rows[7]}
    placement = TABLES["placement"].frame({**when(rows), **place})
    rows = joined(short)
    missed = {"workload": names[rows[4]], "region": regions[rows[5]], "shortfall": rows[7]}
    shortfall = TABLES["shortfall"].frame({**when(rows), **missed})
    rows = joined(loads)
    work = {"site": sites[rows[5]], "module_type": types[rows[6]], "workload": names[rows[4]], "busy": rows[7]}
    load_table = TABLES["load"].frame({**when(rows), **work})
    return Days(placement, load_table, shortfall, busy)


def _rows(f: int, t: int, d: int, step: IntArray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    n = len(step)
    return (np.full(n, f), np.full(n, t), np.full(n, d), step, *columns)
