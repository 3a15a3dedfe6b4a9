"""Seeded cases of stated size in the public case format: S, M, L, XL (L with ten futures) and XXL (with fifty).

    python benchmarks/cases.py M --seed 1 > case.json

Hubs with regions and sites around them and remote sites with cheap power; online workloads that follow the day,
deferrable work of a fifth of their volume, training in gangs of which one workload yields by day; module types that
differ in speed, power and price, with supply limits, order charges, minimum orders and lead times; power and space that
bind. All magnitudes are invented: the cases measure the engine, nothing else.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.case import Case

FloatArray = NDArray[np.float64]

HOURS = 24
MONEY = 7e6  # one million dollars in yuan


@dataclass(frozen=True)
class Size:
    """Counts of sites, regions, workloads by kind, module types, periods, typical days and futures; peak in EFLOPS."""

    sites: int
    regions: int
    online: int
    deferrable: int
    training: int
    types: int
    periods: int
    days: int
    futures: int
    peak_eflops: float

    @property
    def workloads(self) -> int:
        return self.online + self.deferrable + self.training

    @property
    def lead(self) -> int:
        return 1 if self.periods <= 4 else 2


_L = (20, 31, 4, 2, 2, 4, 12, 4)
SIZES = {
    "S": Size(5, 5, 2, 1, 1, 2, 4, 2, 1, 30.0),
    "M": Size(10, 12, 3, 2, 1, 3, 8, 4, 1, 110.0),
    "L": Size(*_L, 1, 260.0),
    "XL": Size(*_L, 10, 260.0),
    "XXL": Size(*_L, 50, 260.0),
}

# Module types: cards, effective PFLOPS a card, capex M$ and kW a module, idle share, racks, minimum order
CARDS = np.array([128, 128, 1024, 512])
PFLOPS = np.array([0.40, 0.95, 0.28, 2.1])
CAPEX = np.array([0.020, 0.040, 0.011, 0.085]) * CARDS
POWER_KW = np.array([0.75, 1.15, 0.50, 1.9]) * CARDS
IDLE = np.array([0.35, 0.30, 0.40, 0.30])
RACKS = np.array([4.0, 4.0, 24.0, 16.0])
MIN_ORDER = np.array([4, 4, 1, 1])
DAY_WEIGHTS = {2: [60.0, 31.0], 4: [56.0, 26.0, 3.0, 6.0]}
DAY_FACTOR = np.array([1.0, 0.72, 1.25, 0.9])
LATENCY_MS = np.array([8.0, 14.0, 14.0, 24.0])
# Valley, flat and peak hours of three provincial tariffs
BANDS = (
    {"valley": [(0, 8)], "peak": [(10, 14), (17, 22)]},
    {"valley": [(0, 7)], "peak": [(10, 12), (17, 21)]},
    {"valley": [(0, 6)], "peak": [(18, 22)]},
)
BAND_PRICE = {"valley": 0.55, "flat": 1.0, "peak": 1.55}


@dataclass(frozen=True)
class Places:
    """Where regions and sites lie (km), which sites are remote, and what lies between."""

    region_km: FloatArray
    remote: NDArray[np.bool_]
    latency_ms: FloatArray  # (regions, sites)
    transfer: FloatArray  # (regions, sites) M$ per EFLOPS-hour


def _places(size: Size, rng: np.random.Generator) -> Places:
    hubs = rng.uniform([0, 0], [3000, 2500], (max(3, size.regions // 3), 2))
    region = hubs[rng.integers(0, len(hubs), size.regions)] + rng.normal(0, 120, (size.regions, 2))
    remote = rng.random(size.sites) < 0.4
    near_hub = hubs[rng.integers(0, len(hubs), size.sites)] + rng.normal(0, 80, (size.sites, 2))
    far_off = rng.uniform([-600, 0], [1500, 2500], (size.sites, 2))
    site = np.where(remote[:, None], far_off, near_hub)
    km = np.linalg.norm(region[:, None] - site[None], axis=2)
    latency = np.round(2 + km * 0.013)
    transfer = np.array([0, 0.2, 0.5, 1.0, 2.0])[np.digitize(latency, [4, 8, 14, 22])] * 3e-5
    # every region can reach its two nearest sites with every workload
    nearest = np.argsort(latency, axis=1, kind="stable")[:, :2]
    rows = np.arange(size.regions)[:, None]
    latency[rows, nearest] = np.minimum(latency[rows, nearest], LATENCY_MS[0])
    return Places(region, remote, latency, transfer)


def _tide(peak: float, width: float, floor: float) -> FloatArray:
    distance = (np.arange(HOURS) - peak + 12) % 24 - 12
    return np.asarray(floor + (1 - floor) * np.exp(-0.5 * (distance / width) ** 2), float)


def _online(size: Size, places: Places, rng: np.random.Generator) -> FloatArray:
    """(online workloads, regions, periods, days, hours) EFLOPS"""
    weight = (1 / np.arange(1, size.regions + 1)) ** 0.7
    weight = rng.permutation(weight / weight.sum())
    share = rng.dirichlet(np.full(size.online, 4.0))
    growth = 1 + rng.uniform(0.10, 0.20, size.online)
    shift = np.round((places.region_km[:, 0] - 1500) / 1500).astype(int)
    out = np.zeros((size.online, size.regions, size.periods, size.days, HOURS))
    level = growth[:, None] ** (np.arange(size.periods) - size.periods)
    for w in range(size.online):
        shape = np.maximum(_tide(11, 3.0, 0.2), _tide(15 + 2 * w, 3.2, 0.15))
        for r in range(size.regions):
            noise = np.exp(rng.normal(0, 0.04, (size.periods, size.days, HOURS)))
            day = DAY_FACTOR[: size.days, None] * np.roll(shape, -shift[r])
            out[w, r] = size.peak_eflops * share[w] * weight[r] * level[w][:, None, None] * day * noise
    return out


@dataclass(frozen=True)
class Futures:
    """Factors on online demand (futures, online, regions, periods) and on deferrable volume (futures, periods)."""

    online: FloatArray
    deferrable: FloatArray


def _futures(size: Size, seed: int) -> Futures:
    shape = (size.online, size.regions, size.periods)
    if size.futures == 1:
        return Futures(np.ones((1, *shape)), np.ones((1, size.periods)))
    rng = np.random.default_rng(seed + 1000)
    time = (np.arange(size.periods) + 1) / size.periods
    online, deferrable = [], []
    for _ in range(size.futures):
        growth = np.exp(rng.normal(0, 0.12, size.online))[:, None] ** time
        walk = np.exp(np.cumsum(rng.normal(0, 0.03, (size.online, size.periods)), axis=1))
        region = np.exp(rng.normal(0, 0.08, (size.online, size.regions)))
        online.append((growth * walk)[:, None, :] * region[:, :, None])
        deferrable.append(np.exp(rng.normal(0, 0.15)) ** time)
    return Futures(np.stack(online), np.stack(deferrable))


def _listed(values: FloatArray, digits: int = 9) -> Any:
    """Nested lists, rounded so that the file does not carry noise."""
    return np.round(values, digits).tolist()


def make_case(name: str, seed: int = 1) -> Case:
    """The case of size `name` ("S", "M", "L", "XL", "XXL"); same seed, same case."""
    size = SIZES[name]
    rng = np.random.default_rng(seed)
    places = _places(size, rng)
    K, T, S = size.types, size.periods, size.sites
    speed = rng.uniform(0.75, 1.25, (size.workloads, K)) * PFLOPS[:K]  # PFLOPS a card
    runs = rng.random((size.workloads, K)) < 0.75
    runs[:, 1] = True
    runs[size.online + size.deferrable :, 0] = False
    module_eflops = speed * CARDS[:K] / 1000
    pue = np.where(places.remote, 1.15, 1.28) + rng.uniform(0, 0.05, S)
    tariff_kind = rng.integers(0, len(BANDS), S)
    base_price = (np.where(places.remote, 45, 78) + rng.uniform(-6, 6, S)) * 1e-6 * MONEY / 1000  # yuan a kWh
    carbon = np.where(places.remote, 0.35, 0.6) + rng.uniform(-0.1, 0.1, S)
    online = _online(size, places, rng)
    volume = online.sum(axis=(0, 1, 4))  # (periods, days) EFLOPS-hours
    deferred = np.stack(
        [volume * part * rng.uniform(0.9, 1.1, volume.shape) for part in (0.22, 0.13)[: size.deferrable]]
    )
    growing = 1.05 ** (np.arange(T) - T)
    training = np.array([0.10, 0.06][: size.training])[:, None] * size.peak_eflops * 0.8 * growing

    # The fleet that stands covers the demand until the first order can arrive, with a little to spare.
    need = online.sum(axis=1).max(axis=(2, 3)).sum(axis=0) + training.sum(axis=0)
    mean_eflops = module_eflops[: size.online].mean(axis=0)
    cover = need[min(size.lead, T - 1)] * 1.15
    spread = rng.dirichlet(np.full(S, 3.0))
    standing = np.round(spread[:, None] * np.array([0.5, 0.5, 0, 0])[:K] * cover / mean_eflops + 0.5)
    growth = need[-1] / cover
    mw = (standing * POWER_KW[:K]).sum(axis=1) / 1000 * pue
    power = np.repeat((mw * rng.uniform(1.1, 2.6, S) * growth * 0.95 + 6)[:, None], T, axis=1)
    power[rng.random(S) < 0.4, T // 2 :] *= 1.3
    racks = (standing * RACKS[:K]).sum(axis=1) * rng.uniform(1.6, 3.4, S) * growth * 0.9 + 60
    new_modules = (need[-1] - need[0]) / mean_eflops
    placed = np.linspace(0.7, 1.3, T)
    supply = np.ceil(np.outer(np.array([0.3, 0.45, 0.30, 0.35])[:K] * new_modules * 2.2 / (T - size.lead), placed))
    supply[K - 1, : T // 4] = 0
    supply = np.concatenate([np.zeros((K, size.lead)), supply[:, : T - size.lead]], axis=1)  # by arrival
    budget = (need[-1] - need[0]) * CAPEX[1] / mean_eflops[1] * 1.95 / T * 1.25
    price_decline = 0.97 ** np.maximum(np.arange(T) - size.lead, 0)

    start = date(2027, 1, 1)
    tranches = _retirements(standing[:, 0], T, start)
    names = [f"type{k + 1}" for k in range(K)]
    futures = _futures(size, seed)
    document: dict[str, Any] = {
        "meta": {"name": f"benchmark {name}, seed {seed}", "as_of": "2026-11-01", "generated_demand": True},
        "horizon": {"start": start.isoformat(), "periods": T, "discount_rate": 0.08},
        "regions": [{"id": f"r{r + 1}", "names": f"region {r + 1}"} for r in range(size.regions)],
        "sites": [
            {
                "id": f"s{s + 1}",
                "names": f"site {s + 1}",
                "power_mw": _listed(power[s], 4),
                "space_racks": round(float(racks[s])),
                "pue": round(float(pue[s]), 4),
                "tariff": f"s{s + 1}",
                "carbon_kg_per_kwh": round(float(carbon[s]), 4),
            }
            for s in range(S)
        ],
        "module_types": [
            {
                "id": names[k],
                "names": names[k],
                "vendor": f"vendor{k % 2 + 1}",
                "cards": int(CARDS[k]),
                "peak_pflops": float(PFLOPS[k]),
                "power_idle_kw": round(float(POWER_KW[k] * IDLE[k]), 4),
                "power_peak_kw": round(float(POWER_KW[k]), 4),
                "racks": float(RACKS[k]),
                "capex": _listed(CAPEX[k] * MONEY * price_decline, 0),
                "opex": round(float(CAPEX[k] * MONEY * 0.005)),
                "lead_periods": size.lead,
                "life_periods": 20,
                "supply": _listed(supply[k], 0),
                "min_order": int(MIN_ORDER[k]),
                "order_cost": round(float((0.2 * CAPEX[k] + 0.3) * MONEY)),
            }
            for k in range(K)
        ],
        "fleet": [
            {"site": f"s{s + 1}", "module_type": names[1], "modules": int(standing[s, 1])}
            for s in range(S)
            if standing[s, 1]
        ]
        + [
            {"site": f"s{s + 1}", "module_type": names[0], "modules": count, "retire": until}
            for s, count, until in tranches
        ],
        "workloads": _workloads(size, speed, runs, names),
        "network": {
            "latency_basis": "one_way",
            "latency_ms": _matrix(places.latency_ms),
            "transfer_cost_per_gb": _matrix(np.round(places.transfer * MONEY / 1000, 6)),
        },
        "tariffs": [
            {
                "id": f"s{s + 1}",
                "prices_per_kwh": {b: round(float(p * base_price[s]), 5) for b, p in BAND_PRICE.items()},
                "windows": [{"band": b, "hours": h} for b, h in BANDS[tariff_kind[s]].items()],
            }
            for s in range(S)
        ],
        "policy": {"budget": round(float(budget * MONEY)), "carbon_price_per_tonne": 105.0},
        "demand": _demand(size, online, deferred, training, futures),
    }
    return Case.model_validate(document)


def _matrix(values: FloatArray) -> dict[str, dict[str, float]]:
    return {f"r{r + 1}": {f"s{s + 1}": float(v) for s, v in enumerate(row)} for r, row in enumerate(values)}


def _retirements(count: FloatArray, periods: int, start: date) -> list[tuple[int, int, str | None]]:
    """(site, modules, retirement): the oldest type retires step by step in the second half of the horizon."""
    late = np.maximum(0, np.arange(periods) - periods // 2) / periods
    left = np.floor(count[:, None] * (1 - 0.6 * late)).astype(int)
    out: list[tuple[int, int, str | None]] = []
    for s, row in enumerate(left):
        for t in range(1, periods):
            if row[t] < row[t - 1]:
                month = start.month - 1 + 3 * t
                out.append((s, int(row[t - 1] - row[t]), date(start.year + month // 12, month % 12 + 1, 1).isoformat()))
        if row[-1] > 0:
            out.append((s, int(row[-1]), None))
    return out


def _workloads(size: Size, speed: FloatArray, runs: NDArray[np.bool_], names: list[str]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    penalty = 6e-3 * np.linspace(1.5, 1, size.online) * MONEY / 1000  # yuan a PFLOPS-hour
    for w in range(size.workloads):
        item: dict[str, Any] = {
            "throughput": {n: round(float(v), 5) for n, v, r in zip(names, speed[w], runs[w], strict=True) if r},
        }
        if w < size.online:
            item |= {"id": f"online{w + 1}", "latency_ms": float(LATENCY_MS[w])}
            item |= {"shortfall_cost": round(float(penalty[w]), 4), "traffic_gb_per_unit_hour": 1.0}
        elif w < size.online + size.deferrable:
            i = w - size.online
            item |= {"id": f"batch{i + 1}", "kind": "deferrable", "max_rate_factor": [3.0, 2.0][i]}
            item |= {"shortfall_cost": round(2.5e-3 * MONEY / 1000, 4)}
        else:
            i = w - size.online - size.deferrable
            item |= {"id": f"training{i + 1}", "kind": "training", "gang_cards": [2048, 1024][i]}
            item |= {"shortfall_cost": round(3e-3 * MONEY / 1000, 4)}
            if i == 0:
                item |= {"preemptible": True, "max_yield_share": 0.25}
        out.append({**item, "names": item["id"]})
    return out


def _demand(
    size: Size, online: FloatArray, deferred: FloatArray, training: FloatArray, futures: Futures
) -> dict[str, Any]:
    listed = []
    for f in range(size.futures):
        series: list[dict[str, Any]] = []
        for w in range(size.online):
            for r in range(size.regions):
                values = online[w, r] * futures.online[f, w, r][:, None, None] * 1000
                series.append({"region": f"r{r + 1}", "workload": f"online{w + 1}", "values": _listed(values, 4)})
        # work without a latency limit may run anywhere; it is booked in one region
        for i in range(size.deferrable):
            values = deferred[i] * futures.deferrable[f][:, None] / HOURS * 1000
            spread = np.broadcast_to(values[:, :, None], (*values.shape, HOURS))
            series.append({"region": "r1", "workload": f"batch{i + 1}", "values": _listed(spread, 4)})
        for i in range(size.training):
            spread = np.broadcast_to(training[i][:, None, None] * 1000, (size.periods, size.days, HOURS))
            series.append({"region": "r1", "workload": f"training{i + 1}", "values": _listed(spread, 4)})
        listed.append({"id": f"f{f + 1}", "probability": 1 / size.futures, "series": series})
    return {
        "days": [{"id": f"day{d + 1}", "weight_days": w} for d, w in enumerate(DAY_WEIGHTS[size.days])],
        "futures": listed,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(make_case(arguments.size, arguments.seed).model_dump_json(exclude_defaults=True))
