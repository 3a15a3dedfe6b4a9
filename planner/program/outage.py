"""Survival of the loss of any one site, at the peak hour of the named online workloads."""

from __future__ import annotations

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Block, BlockKey, Builder, Layout
from planner.program.capacity import capacity_columns
from planner.program.days import Coupling
from planner.program.instance import Instance
from planner.program.master import Master
from planner.program.origins import find_origins
from planner.program.serving import find_cells, hard_prices, lookup


def peak_steps(inst: Instance, workloads: list[int]) -> np.ndarray:
    """(F, T, 2) typical day and step with the largest installed-PFLOPS equivalent of the workloads."""
    need = np.einsum("w,fwtdh->ftdh", inst.pflops_per_unit[workloads], inst.demand[:, workloads].sum(axis=2))
    need = np.where(inst.weight[None, :, :, None] > 0, need, -1.0)
    best = need.reshape(*need.shape[:2], -1).argmax(axis=2)
    return np.stack(np.divmod(best, need.shape[3]), axis=-1)


def outage_blocks(inst: Instance, master: Master) -> list[Block]:
    """One small block for every future, period and lost site z.

    resilience_demand: sum_{s != z} flow_wrs + slack_wr = D_wr at the peak step, other work yielding:
    g_w sum_r flow = sum_k theta n eta load_wsk; sum_w load_wsk <= a_k cap_sk for s != z, 0 at z.
    """
    rule = inst.case.policy.resilience
    if rule is None:
        return []
    ids = {w.id: i for i, w in enumerate(inst.case.workloads)}
    workloads = [ids[w] for w in rule.workloads]
    origins = find_origins(inst, workloads)
    cells = find_cells(inst, origins)
    sites = [s.id for s in inst.case.sites]
    lost = list(range(len(sites))) if rule.sites is None else [sites.index(z) for z in rule.sites]
    block = Builder()
    flow = block.column("flow", len(origins.pair_origin))
    load = block.column("load", len(cells.load))
    slack = block.column("slack_service", len(origins.workload))
    row = block.row("resilience_demand", len(origins.workload))
    block.add(row[origins.pair_origin], flow, 1.0)
    block.add(row, slack, 1.0)
    S, K = len(sites), len(inst.cards)
    serve_at = lookup(cells.serve, (len(inst.case.workloads), S))
    serving = block.row("serving", len(cells.serve))
    block.add(serving[serve_at[origins.pair_workload, origins.pair_site]], flow, inst.burst[origins.pair_workload])
    w, s, k = cells.load.T
    block.add(serving[serve_at[w, s]], load, -inst.throughput[w, k])
    place_at = lookup(cells.place, (S, K))
    capacity = block.row("capacity", len(cells.place))
    block.add(capacity[place_at[s, k]], load, 1.0)
    arrays = block.arrays()
    layout = Layout(block.columns, block.rows)
    service, _ = hard_prices(inst)
    cost = np.zeros(arrays.columns)
    cost[slack] = service[origins.workload]
    peaks = peak_steps(inst, workloads)
    out = []
    for t in range(inst.case.horizon.periods):
        for branch in range(inst.branches):
            for z in lost:
                coupling = Coupling()
                for cs, ck, columns, _own in capacity_columns(master):
                    stands = (cs != z) & (place_at[cs, ck] >= 0)
                    rows = capacity[place_at[cs, ck][stands]]
                    coupling.add(rows, columns[branch, stands, t], -inst.availability[ck[stands]])
                matrix = coupling.matrix(arrays.rows, master.column_count)
                for f in np.flatnonzero(inst.branch_of == branch):
                    day, step = peaks[f, t]
                    rhs: FloatArray = np.einsum(
                        "or,or->o", origins.member, inst.demand[f, :, :, t, day, step][origins.workload]
                    )
                    low = np.concatenate([rhs, np.zeros(len(serving)), np.full(len(capacity), -np.inf)])
                    high = np.concatenate([rhs, np.zeros(arrays.rows - len(rhs))])
                    scale = float(inst.probability[f])
                    out.append(
                        Block(
                            BlockKey("outage", int(f), t, z),
                            layout,
                            arrays.matrix,
                            matrix,
                            cost * scale,
                            arrays.lower,
                            arrays.upper,
                            low,
                            high,
                            scale,
                        )
                    )
    return out
