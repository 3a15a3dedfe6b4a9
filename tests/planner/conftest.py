"""A small case with every kind of workload, for the planner's tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

TIDE = [6 + 4 * math.sin((h - 8) / 24 * 2 * math.pi) for h in range(24)]


def small(**changes: Any) -> dict[str, Any]:
    """Two sites, two regions, two types, three periods of one typical day; every kind of workload."""

    def series(region: str, workload: str, size: float) -> dict[str, Any]:
        return {
            "region": region,
            "workload": workload,
            "values": [[[size * 1.3**t * x for x in TIDE]] for t in range(3)],
        }

    kind = {"cards": 128, "availability": 0.95, "racks": 4, "life_periods": 12}
    document: dict[str, Any] = {
        "meta": {"name": "small", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": 3, "discount_rate": 0.08},
        "regions": [
            {"id": "east", "names": "East", "lat": 31.2, "lon": 121.5},
            {"id": "south", "names": "South", "lat": 23.1, "lon": 113.3},
        ],
        "sites": [
            {"id": "sh", "names": "Shanghai", "lat": 31.1, "lon": 121, "power_mw": 9, "pue": 1.25, "tariff": "e",
             "carbon_kg_per_kwh": 0.58, "phases": [{"mw": 2, "capex": 3e6, "lead_periods": 1, "max_count": 2}]},
            {"id": "zw", "names": "Zhongwei", "lat": 37.6, "lon": 105.3, "power_mw": 9, "pue": 1.15, "tariff": "w",
             "carbon_kg_per_kwh": 0.64, "green_share": 0.6},
        ],
        "module_types": [
            {"id": "a", "names": "A", "vendor": "X", "domestic": True, "peak_pflops": 0.31, "power_idle_kw": 30,
             "power_peak_kw": 90, "capex": 2.4e7, "opex": 1e5, **kind},
            {"id": "b", "names": "B", "vendor": "Y", "peak_pflops": 0.99, "power_idle_kw": 60, "power_peak_kw": 160,
             "capex": 4.0e7, "opex": 2e5, "lead_periods": 1, **kind},
        ],
        "fleet": [{"site": "sh", "module_type": "a", "modules": 12}, {"site": "zw", "module_type": "a", "modules": 10}],
        "workloads": [
            {"id": "chat", "names": "Chat", "latency_ms": 20, "throughput": {"a": 0.12, "b": 0.4},
             "max_utilisation": 0.8, "burst_factor": 1.1, "shortfall_cost": 5000, "traffic_gb_per_unit_hour": 50},
            {"id": "batch", "names": "Batch", "kind": "deferrable", "throughput": {"a": 0.12, "b": 0.4},
             "window_hours": 12, "shortfall_cost": 2000},
            {"id": "train", "names": "Train", "kind": "training", "throughput": {"a": 0.12, "b": 0.4},
             "gang_cards": 512, "preemptible": True, "max_yield_share": 0.25, "shortfall_cost": 900},
        ],
        "network": {"transfer_bands": [{"cost_per_gb": 0.01}]},
        "tariffs": [
            {"id": "e", "prices_per_kwh": {"peak": 1.2, "flat": 0.75, "valley": 0.35},
             "windows": [{"band": "peak", "hours": [[10, 15], [18, 21]]}, {"band": "valley", "hours": [[0, 8]]}]},
            {"id": "w", "prices_per_kwh": {"flat": 0.4, "valley": 0.2},
             "windows": [{"band": "valley", "hours": [[9, 17]]}]},
        ],
        "demand": {
            "days": [{"id": "d", "weight_days": 90}],
            "futures": [
                {"series": [series("east", "chat", 18), series("south", "chat", 12), series("east", "batch", 15),
                            series("south", "batch", 6), series("east", "train", 24)]}
            ],
        },
    }  # fmt: skip
    for path, value in changes.items():
        target: Any = document
        *parents, last = path.split("__")
        for step in parents:
            target = target[int(step) if step.isdigit() else step]
        target[int(last) if last.isdigit() else last] = value
    return document


@pytest.fixture(name="small")
def small_document() -> Callable[..., dict[str, Any]]:
    """Makes the small case's document; keyword `a__b__0` changes the value at a, b, 0."""
    return small
