"""Small random cases for prices and relaxations, stated in the public form: seconds for many of them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np


def random_case(seed: int) -> dict[str, Any]:
    """Two or three sites (one may be a candidate), two types with lead times, minimum orders and supply, two periods of
    one day in three steps, online and deferrable work; now and then a carbon cap, a budget or a domestic floor binds.
    """
    draw = np.random.default_rng(seed)

    def number(low: float, high: float, digits: int = 2) -> float:
        return round(float(draw.uniform(low, high)), digits)

    sites: list[dict[str, Any]] = [
        {"id": f"s{i}", "names": f"Site {i}", "power_mw": number(0.2, 2.4), "pue": number(1.1, 1.4), "tariff": "t",
         "carbon_kg_per_kwh": number(0.3, 0.8), "green_share": number(0.1, 0.9)}
        for i in range(int(draw.integers(2, 4)))
    ]  # fmt: skip
    if draw.random() < 0.5:
        sites[-1] |= {"status": "candidate", "opening_cost": number(1e5, 5e6, 0)}
    types = [
        {"id": k, "names": k.upper(), "cards": 64, "peak_pflops": pflops, "power_idle_kw": 20, "power_peak_kw": kw,
         "capex": number(1e6, 6e6, 0), "opex": 1e4, "lead_periods": lead, "supply": int(draw.integers(2, 9)),
         "domestic": k == "a", "vendor": k, "min_order": int(draw.integers(1, 4))}
        for k, pflops, kw, lead in (("a", 0.3, 60, 0), ("b", 0.9, 110, 1))
    ]  # fmt: skip

    def series(workload: str) -> dict[str, Any]:
        values = [[[number(0, 70) for _ in range(3)]] for _ in range(2)]
        return {"region": "r", "workload": workload, "values": values}

    policy: dict[str, Any] = {}
    if draw.random() < 0.5:
        policy["budget"] = number(3e6, 2.5e7, 0)
    if draw.random() < 0.4:
        policy["carbon_cap_tonnes"] = number(50, 400, 0)
    if draw.random() < 0.4:
        policy["domestic_share_floor"] = number(0.2, 0.8)
    return {
        "meta": {"name": f"random {seed}", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": 2, "discount_rate": 0.05},
        "regions": [{"id": "r", "names": "R"}],
        "sites": sites,
        "module_types": types,
        "fleet": [{"site": "s0", "module_type": "a", "modules": int(draw.integers(0, 3))}],
        "workloads": [
            {"id": "on", "names": "Online", "throughput": {"a": 0.3, "b": 0.8}, "shortfall_cost": number(20, 400)},
            {"id": "batch", "names": "Batch", "kind": "deferrable", "throughput": {"b": 0.8}, "shortfall_cost": 50},
        ],
        "tariffs": [{"id": "t", "prices_per_kwh": {"flat": number(0.2, 1.0)}}],
        "policy": policy,
        "demand": {
            "days": [{"id": "d", "weight_days": 90}],
            "step_hours": [8, 8, 8],
            "futures": [{"series": [series("on"), series("batch")]}],
        },
    }


def written(document: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    """The document with another value at a JSON Pointer."""
    out = copy.deepcopy(document)
    *parents, last = pointer[1:].split("/")
    target: Any = out
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
    target[int(last) if isinstance(target, list) else last] = value
    return out


def at(document: dict[str, Any], pointer: str) -> Any:
    """What stands at a JSON Pointer."""
    target: Any = document
    for part in pointer[1:].split("/"):
        target = target[int(part)] if isinstance(target, list) else target[part]
    return target
