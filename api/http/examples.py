"""Small whole examples for the API's documents. The case is valid and plans in a second."""

from __future__ import annotations

from typing import Any

_DAY = [60, 50, 45, 40, 40, 45, 60, 90, 140, 180, 200, 210, 190, 200, 210, 215, 220, 230, 240, 250, 240, 200, 140, 90]

CASE: dict[str, Any] = {
    "meta": {"name": "Two sites, one workload", "as_of": "2026-11-01"},
    "horizon": {"start": "2027-01-01", "periods": 2},
    "regions": [{"id": "east", "names": {"en": "East", "zh": "东部"}}],
    "sites": [
        {"id": "near", "names": {"en": "Near", "zh": "近"}, "power_mw": 2.0, "pue": 1.25, "tariff": "city"},
        {"id": "far", "names": {"en": "Far", "zh": "远"}, "power_mw": 5.0, "pue": 1.15, "tariff": "hub"},
    ],
    "module_types": [
        {
            "id": "m128",
            "names": {"en": "128 cards", "zh": "128 卡"},
            "cards": 128,
            "peak_pflops": 0.8,
            "power_idle_kw": 30,
            "power_peak_kw": 110,
            "capex": 20000000,
            "opex": 200000,
            "lead_periods": 0,
            "life_periods": 20,
        }
    ],
    "workloads": [
        {
            "id": "chat",
            "names": {"en": "Chat", "zh": "对话"},
            "unit": "PFLOPS",
            "latency_ms": 30,
            "throughput": {"m128": 0.4},
            "shortfall_cost": 2000,
        }
    ],
    "network": {"latency_ms": {"east": {"near": 4, "far": 22}}},
    "tariffs": [
        {"id": "city", "prices_per_kwh": {"flat": 0.75}},
        {"id": "hub", "prices_per_kwh": {"flat": 0.38}},
    ],
    "demand": {
        "days": [{"id": "workday", "weight_days": 91}],
        "futures": [
            {
                "series": [
                    {
                        "region": "east",
                        "workload": "chat",
                        "values": _DAY,
                    }
                ]
            }
        ],
    },
}

CASE_ID = "case_19c0a1b2c3d8f3a61b2c4d5e6f7"
HISTORY_ID = "history_19c0a1b2c3d8f3a61b2c4d5e6f7"
PLAN_ID = "plan_19c0a1b2c3d8f3a61b2c4d5e6f7"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TIME = "2026-11-22T01:00:00.000Z"

HISTORY_CSV = """timestamp,region,workload,value
2026-11-01T00:00:00+08:00,east,chat,61.5
2026-11-01T01:00:00+08:00,east,chat,52.0
"""

METERED_CSV = """site,start,end,facility_kwh,it_kwh,cost
near,2027-01-01,2027-02-01,1820000,1490000,1010000
"""

PROGRESS = {"objective": 1.284e9, "bound": 1.279e9, "gap": 0.0039, "phase": "search", "seconds": 8.4}
