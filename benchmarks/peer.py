"""The benchmark cases stated a second time, by hand, in linopy with HiGHS: what a user would write instead.

    python benchmarks/peer.py CASE.json --limit 60 [--gap 0.01] [--relax]

Prints one JSON object: status, objective (in the case's currency), bound, build and solve seconds, peak memory. It
shares nothing with `planner.program`; it reads the case's public fields and knows the parts of the model that the
benchmark cases use (docs/model.md §4 and §5). It must run in a process of its own: highspy and ortools exclude each
other.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import linopy
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from planner.case import Case, WorkloadKind, by_period

FloatArray = NDArray[np.float64]
HOURS = 24


@dataclass(frozen=True)
class Data:
    """The case as labelled arrays. Money in `unit` of the case's currency."""

    case: Case
    unit: float
    discount: FloatArray  # (T,)
    charge: FloatArray  # (K, T)
    weight: FloatArray  # (T, D)
    probability: FloatArray  # (F,)
    demand: FloatArray  # (F, W, R, T, D, H)
    allowed: NDArray[np.bool_]  # (W, R, S)
    transfer: FloatArray  # (R, S)
    energy: FloatArray  # (S, H) money per kWh of IT load, PUE and carbon price in it
    standing: FloatArray  # (S, K, T)
    speed: FloatArray  # (W, K) units a busy module


def _annuity(case: Case, discount: FloatArray) -> FloatArray:
    """(K, T) discounted charge of one unit of money: the payments that lie inside the horizon."""
    rate = (1 + case.horizon.discount_rate) ** (case.horizon.months_per_period / 12) - 1
    T = case.horizon.periods
    out = np.zeros((len(case.module_types), T))
    for k, kind in enumerate(case.module_types):
        life = kind.life_periods
        payment = 1 / life if rate == 0 else rate / ((1 - (1 + rate) ** -life) * (1 + rate))
        for t in range(T):
            out[k, t] = payment * discount[t : min(t + life, T)].sum()
    return out


def read(case: Case) -> Data:
    assert case.demand is not None
    T, D = case.horizon.periods, len(case.demand.days)
    regions = {r.id: i for i, r in enumerate(case.regions)}
    workloads = {w.id: i for i, w in enumerate(case.workloads)}
    demand = np.zeros((len(case.demand.futures), len(workloads), len(regions), T, D, HOURS))
    for f, future in enumerate(case.demand.futures):
        for item in future.series:
            values = np.broadcast_to(np.asarray(item.values, float), (T, D, HOURS))
            demand[f, workloads[item.workload], regions[item.region]] += values
    latency = np.array([[case.network.latency_ms[r.id][s.id] for s in case.sites] for r in case.regions])
    limit = np.array([np.inf if w.latency_ms is None else w.latency_ms for w in case.workloads])
    tariffs = {t.id: t for t in case.tariffs}
    unit = 1e6
    carbon_price = float(by_period(case.policy.carbon_price_per_tonne, T, 0.0)[0]) / 1000
    energy = np.zeros((len(case.sites), HOURS))
    standing = np.zeros((len(case.sites), len(case.module_types), T))
    sites = {s.id: i for i, s in enumerate(case.sites)}
    kinds = {k.id: i for i, k in enumerate(case.module_types)}
    for s, site in enumerate(case.sites):
        assert site.tariff is not None
        price = tariffs[site.tariff].prices()[0, 0]
        energy[s] = site.pue_by_month()[0] * (price + carbon_price * site.carbon_kg_per_kwh) / unit
    for item in case.fleet:
        for t in range(T):
            start = case.horizon.period_start(t)
            if (item.online is None or item.online <= start) and (item.retire is None or item.retire > start):
                standing[sites[item.site], kinds[item.module_type], t] += item.modules
    speed = np.array([[w.throughput.get(k.id, 0.0) * k.cards for k in case.module_types] for w in case.workloads])
    discount = case.horizon.discount()
    transfer = np.array([[case.network.transfer_cost_per_gb[r.id][s.id] for s in case.sites] for r in case.regions])
    return Data(
        case,
        unit,
        discount,
        _annuity(case, discount),
        np.stack([by_period(day.weight_days, T, 0.0) for day in case.demand.days], axis=1),
        np.array([f.probability for f in case.demand.futures]),
        demand,
        latency[None] <= limit[:, None, None] + 1e-9,
        transfer / unit,
        energy,
        standing,
        speed,
    )


def largest_orders(data: Data) -> FloatArray:
    """(S, K, T) most modules an order can hold beside what stands: power, space, supply, budget."""
    case = data.case
    T = case.horizon.periods
    out = np.zeros(data.standing.shape)
    kw = np.array([k.power_peak_kw for k in case.module_types])
    racks = np.array([k.racks for k in case.module_types])
    budget = by_period(case.policy.budget, T, np.inf)
    for s, site in enumerate(case.sites):
        pue = site.pue_by_month()[0]
        mw = by_period(site.power_mw, T, np.inf) - kw @ data.standing[s] * pue / 1000
        space = by_period(site.space_racks, T, np.inf) - racks @ data.standing[s]
        for k, kind in enumerate(case.module_types):
            room = np.minimum(np.maximum(mw, 0) * 1000 / (kw[k] * pue), np.maximum(space, 0) / racks[k])
            supply = by_period(kind.supply, T, np.inf)
            for t in range(kind.lead_periods, T):
                fits = room[t : t + kind.life_periods].min()
                fits = min(fits, budget[t] / by_period(kind.capex, T, 0.0)[t], supply[t])
                fits = np.floor(fits + 1e-9)
                out[s, k, t] = fits if fits >= kind.min_order else 0.0
    return out


def build(data: Data, relax: bool) -> linopy.Model:
    """The model as a user of linopy would state it: one labelled variable and one constraint a family."""
    case = data.case
    types, sites = case.module_types, case.sites
    T, D, F = case.horizon.periods, data.weight.shape[1], len(data.probability)
    S, K, W = len(sites), len(types), len(case.workloads)
    s_, k_, t_ = pd.RangeIndex(S, name="s"), pd.RangeIndex(K, name="k"), pd.RangeIndex(T, name="t")
    step = [pd.RangeIndex(F, name="f"), t_, pd.RangeIndex(D, name="d"), pd.RangeIndex(HOURS, name="h")]

    def over(values: Any, *dims: str) -> xr.DataArray:
        return xr.DataArray(np.asarray(values, float), dims=dims)

    def per_type(name: str) -> FloatArray:
        return np.stack([by_period(getattr(x, name), T, np.inf if name == "supply" else 0.0) for x in types])

    model = linopy.Model()
    most = largest_orders(data)
    capex, opex, order_cost = (per_type(n) / data.unit for n in ("capex", "opex", "order_cost"))
    idle, peak = (np.array([getattr(x, n) for x in types]) for n in ("power_idle_kw", "power_peak_kw"))
    racks = np.array([x.racks for x in types])
    least = np.array([x.min_order for x in types], float)
    pue = np.array([x.pue_by_month()[0] for x in sites])
    whole = {} if relax else {"integer": True}
    orders = model.add_variables(0, over(most, "s", "k", "t"), [s_, k_, t_], name="orders", **whole)
    switch = model.add_variables(
        0, over(most > 0, "s", "k", "t"), [s_, k_, t_], name="switch", **({} if relax else {"integer": True})
    )
    stock = model.add_variables(0, np.inf, [s_, k_, t_], name="stock")
    alive = np.zeros((K, T, T))  # (k, arrival, period)
    for k, kind in enumerate(types):
        for tau in range(T):
            alive[k, tau, tau : tau + kind.life_periods] = 1
    arrived = (orders.rename({"t": "tau"}) * over(alive, "k", "tau", "t")).sum("tau")
    model.add_constraints(stock - arrived == over(data.standing, "s", "k", "t"), name="stock")
    model.add_constraints(orders - switch * over(most, "s", "k", "t") <= 0, name="largest")
    model.add_constraints(orders - switch * over(least, "k") >= 0, name="smallest")
    supply = per_type("supply")
    model.add_constraints(orders.sum("s") <= over(np.where(np.isfinite(supply), supply, 1e9), "k", "t"), name="supply")
    power = np.stack([by_period(x.power_mw, T, 1e9) for x in sites])
    space = np.stack([by_period(x.space_racks, T, 1e9) for x in sites])
    model.add_constraints(
        (stock * over(np.outer(pue, peak) / 1000, "s", "k")).sum("k") <= over(power, "s", "t"), name="power"
    )
    model.add_constraints((stock * over(racks, "k")).sum("k") <= over(space, "s", "t"), name="space")
    budget = by_period(case.policy.budget, T, np.inf) / data.unit
    if np.isfinite(budget).all():
        spent = (orders * over(capex, "k", "t") + switch * over(order_cost, "k", "t")).sum(["s", "k"])
        model.add_constraints(spent <= over(budget, "t"), name="budget")

    hours = data.weight * data.discount[:, None]  # (T, D) discounted days
    day = over(data.probability[:, None, None] * hours, "f", "t", "d")
    idle_cost = np.einsum("s,k,t->skt", data.energy.sum(axis=1), idle, hours.sum(axis=1))
    cost = (stock * over(opex * data.discount + idle_cost, "s", "k", "t")).sum()
    cost += (orders * over(capex * data.charge, "k", "t")).sum()
    cost += (switch * over(order_cost * data.charge, "k", "t")).sum()

    # ---- training
    jobs = [w for w, x in enumerate(case.workloads) if x.kind is WorkloadKind.training]
    cards = np.array([x.cards for x in types], float)
    held: dict[tuple[int, int], list[Any]] = {}
    actives = []
    for w in jobs:
        job = case.workloads[w]
        size = np.ceil(job.gang_cards / cards)
        can = data.speed[w] > 0
        output = data.speed[w] / cards * job.gang_cards * (1 - job.max_yield_share)
        gangs = model.add_variables(
            0, over(np.where(can, 1e4, 0.0), "k"), [s_, k_, t_], name=f"gangs {job.id}", **whole
        )
        period_hours = data.weight.sum(axis=1) * HOURS
        short = model.add_variables(0, np.inf, [step[0], t_], name=f"training short {job.id}")
        asked = np.einsum("frtdh,td->ft", data.demand[:, w], data.weight)
        running = model.add_variables(0, np.inf, [step[0], s_, k_, t_], name=f"running {job.id}")
        model.add_constraints(running - gangs <= 0, name=f"gang running {job.id}")
        done = (running * over(np.outer(output, period_hours), "k", "t")).sum(["s", "k"])
        model.add_constraints(done + short == over(asked, "f", "t"), name=f"training {job.id}")
        price = job.shortfall_cost / data.unit
        cost += (short * over(price * np.outer(data.probability, data.discount), "f", "t")).sum()
        held.setdefault((0, 0), []).append(gangs * over(size, "k"))
        busy = size * (peak - idle)
        if job.preemptible:
            active = model.add_variables(0, np.inf, [s_, k_, *step], name=f"active {job.id}")
            model.add_constraints(active - running * over(size, "k") <= 0, name=f"yield most {job.id}")
            due = (1 - job.max_yield_share) * HOURS
            model.add_constraints(active.sum("h") - running * over(size * due, "k") == 0, name=f"yield work {job.id}")
            cost += (active * day * over(np.einsum("sh,k->skh", data.energy, peak - idle), "s", "k", "h")).sum()
            actives.append(active)
        else:
            drawn = np.einsum("f,s,k,t->fskt", data.probability, data.energy.sum(axis=1), busy, hours.sum(axis=1))
            cost += (running * over(drawn, "f", "s", "k", "t")).sum()
            actives.append(gangs * over(size, "k"))
    if jobs:
        model.add_constraints(sum(held[0, 0]) - stock <= 0, name="gangs fit")

    # ---- days
    served = [w for w in range(W) if w not in jobs]
    w, r, s = np.nonzero(data.allowed & (data.demand.sum(axis=(0, 3, 4, 5)) > 0)[:, :, None])
    mine = np.isin(w, served)
    w, r, s = w[mine], r[mine], s[mine]
    flow = model.add_variables(0, np.inf, [pd.RangeIndex(len(w), name="pair"), *step], name="flow")
    cells = [(a, b, c) for a in served for b in range(S) for c in range(K) if data.speed[a, c] > 0]
    lw, ls, lk = np.array(cells).T
    load = model.add_variables(0, np.inf, [pd.RangeIndex(len(cells), name="cell"), *step], name="load")
    origins = sorted({(a, b) for a, b in zip(w.tolist(), r.tolist(), strict=True)})
    ow, oregion = np.array(origins).T
    short = model.add_variables(0, np.inf, [pd.RangeIndex(len(origins), name="o"), *step], name="short")
    place = {o: i for i, o in enumerate(origins)}
    of_pair = np.array([place[a, b] for a, b in zip(w.tolist(), r.tolist(), strict=True)])
    sent = flow.groupby(xr.DataArray(of_pair, dims="pair", name="o")).sum()
    asked = data.demand[:, ow, oregion].transpose(1, 0, 2, 3, 4)  # (o, F, T, D, H)
    deferrable = np.array([case.workloads[a].kind is WorkloadKind.deferrable for a in ow])
    prompt, late = np.flatnonzero(~deferrable), np.flatnonzero(deferrable)
    axes = ("o", "f", "t", "d", "h")
    model.add_constraints(
        sent.isel(o=prompt) + short.isel(o=prompt) == over(asked[prompt], *axes).assign_coords(o=prompt), name="demand"
    )
    if len(late):
        bound = np.zeros(asked[late].shape)
        for i, o in enumerate(late):
            for back in range(case.workloads[ow[o]].window_hours - 1):
                bound[i] += np.roll(asked[o], back, axis=-1)
        backlog = model.add_variables(
            0, over(bound, *axes).assign_coords(o=late), [pd.Index(late, name="o"), *step], name="backlog"
        )
        done = sent.isel(o=late) + short.isel(o=late)
        model.add_constraints(
            backlog - backlog.roll(h=1) + done == over(asked[late], *axes).assign_coords(o=late), name="deferral"
        )
        for o in late:
            factor = case.workloads[ow[o]].max_rate_factor
            if factor is not None:
                limit = factor * asked[o].mean(axis=-1)
                model.add_constraints(sent.sel(o=o) <= over(limit, "f", "t", "d"), name=f"rate {o}")
    serve = {(a, b): i for i, (a, b) in enumerate(sorted({(a, b) for a, b in zip(lw, ls, strict=True)}))}
    pair_serve = np.array([serve[a, b] for a, b in zip(w, s, strict=True)])
    load_serve = np.array([serve[a, b] for a, b in zip(lw, ls, strict=True)])
    out = flow.groupby(xr.DataArray(pair_serve, dims="pair", name="q")).sum()
    able = (load * over(data.speed[lw, lk], "cell")).groupby(xr.DataArray(load_serve, dims="cell", name="q")).sum()
    used = sorted(set(pair_serve.tolist()))
    idle_here = sorted(set(load_serve.tolist()) - set(used))
    model.add_constraints(out.sel(q=used) - able.sel(q=used) == 0, name="serving")
    if idle_here:
        model.add_constraints(able.sel(q=idle_here) == 0, name="serving nothing")
    flat = load.groupby(xr.DataArray(ls * K + lk, dims="cell", name="z")).sum()
    for site in range(S):
        for kind in range(K):
            here = [x.sel(s=site, k=kind, drop=True) for x in actives]
            busy_here = flat.sel(z=site * K + kind, drop=True) if site * K + kind in set(ls * K + lk) else None
            left = sum(here) if busy_here is None else sum([busy_here, *here][1:], busy_here)
            if not isinstance(left, int):
                model.add_constraints(left - stock.sel(s=site, k=kind, drop=True) <= 0, name=f"capacity {site} {kind}")
    traffic = np.array([x.traffic_gb_per_unit_hour for x in case.workloads])
    cost += (flow * day * over(data.transfer[r, s] * traffic[w], "pair")).sum()
    cost += (load * day * over(data.energy[ls] * (peak - idle)[lk][:, None], "cell", "h")).sum()
    price = np.array([x.shortfall_cost for x in case.workloads])[ow] / data.unit
    cost += (short * day * over(price, "o")).sum()
    model.add_objective(cost)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=0.01)
    parser.add_argument("--relax", action="store_true")
    arguments = parser.parse_args()
    data = read(Case.model_validate_json(arguments.case.read_text()))
    began = time.perf_counter()
    model = build(data, arguments.relax)
    built = time.perf_counter()
    options: dict[str, Any] = {"time_limit": max(arguments.limit - (built - began), 1.0), "output_flag": False}
    if not arguments.relax:
        options["mip_rel_gap"] = arguments.gap
    status, condition = model.solve(solver_name="highs", io_api="direct", progress=False, **options)
    solved = time.perf_counter()
    value = model.objective.value
    found = value is not None and np.isfinite(value)
    print(
        json.dumps(
            {
                "status": f"{status}: {condition}",
                "objective": float(value) * data.unit if found else None,
                "build_s": round(built - began, 3),
                "seconds": round(solved - began, 3),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
