"""A small plan with everything a chart can show, made once by the planner itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from planner.case.file import case_from
from planner.plan import Plan
from planner.planning import make_plan
from planner.report.figures import View
from planner.solve.limits import Limits

LEVELS = (16, 12)
"""Units of chat on a workday and on a weekend."""

NASTY = "</script><script>alert(1)</script>&\"'<b>"

CASE: dict[str, Any] = {
    "meta": {
        "name": f"Charts {NASTY}", "description": NASTY, "as_of": "2026-11-01", "generated_demand": True,
        "sources": [
            {"path": "/sites", "mark": "A", "source": f"guess {NASTY}", "date": "2026"},
            {"path": "/module_types", "mark": "F", "source": "vendor's sheet"},
        ],
    },
    "horizon": {"start": "2027-01-01", "periods": 3},
    "regions": [{"id": "east", "names": {"en": "East", "zh": "东部"}, "lat": 31.0, "lon": 121.0}],
    "sites": [
        {
            "id": "near", "names": {"en": f"Near {NASTY}", "zh": "近"}, "lat": 31.1, "lon": 121.2, "power_mw": 0.3,
            "pue": 1.2, "tariff": "city", "carbon_kg_per_kwh": 0.6, "green_share": 0.5,
            "phases": [{"mw": 0.4, "capex": 100000, "lead_periods": 1}],
        },
        {
            "id": "far", "names": {"en": "Far", "zh": "远"}, "lat": 37.6, "lon": 105.3, "power_mw": 2.0, "pue": 1.1,
            "tariff": "hub", "carbon_kg_per_kwh": 0.5,
        },
    ],
    "module_types": [
        {
            "id": "m", "names": {"en": "M x 10", "zh": "M × 10 卡"}, "cards": 10, "peak_pflops": 0.5,
            "power_idle_kw": 10, "power_peak_kw": 50, "capex": 1000000, "opex": 1000, "lead_periods": 1, "supply": 20,
        },
    ],
    "fleet": [{"site": "near", "module_type": "m", "modules": 4}],
    "workloads": [
        {
            "id": "chat", "names": {"en": "Chat", "zh": "对话"}, "latency_ms": 10, "throughput": {"m": 0.5},
            "shortfall_cost": 300,
        },
        {
            "id": "batch", "names": {"en": "Batch", "zh": "批量"}, "kind": "deferrable", "throughput": {"m": 0.5},
            "shortfall_cost": 200,
        },
    ],
    "network": {"latency_ms": {"east": {"near": 2, "far": 30}}},
    "tariffs": [
        {
            "id": "city", "prices_per_kwh": {"peak": 1.2, "flat": 0.7, "valley": 0.3},
            "windows": [{"band": "peak", "hours": [[10, 20]]}, {"band": "valley", "hours": [[0, 8]]}],
        },
        {"id": "hub", "prices_per_kwh": {"flat": 0.35}},
    ],
    "policy": {"build_ahead": {"minimum": 0.5}},
    "demand": {
        "days": [{"id": "workday", "weight_days": 65}, {"id": "weekend", "weight_days": 26}],
        "futures": [
            {
                "id": name, "probability": share,
                "series": [
                    {
                        "region": "east", "workload": "chat",
                        "values": [
                            [[level * growth**t * (1.5 if 9 <= h < 21 else 0.5) for h in range(24)] for level in LEVELS]
                            for t in range(3)
                        ],
                    },
                    {"region": "east", "workload": "batch", "values": 6},
                ],
            }
            for name, share, growth in (("low", 0.75, 1.1), ("high", 0.25, 1.5))
        ],
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def charted() -> Plan:
    case = case_from(copy.deepcopy(CASE))
    return make_plan(case, limits=Limits(seconds=60, gap=0.02, threads=1, route="one_piece"))


@pytest.fixture(params=["en", "zh-CN"])
def view(request: pytest.FixtureRequest, charted: Plan) -> View:
    return View.of(charted, request.param)
