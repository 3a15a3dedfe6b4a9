"""Small random cases with everything that a case may hold."""

# ruff: noqa: E501 (a block of the case a line)

from __future__ import annotations

from typing import Any

import numpy as np


def random_case(seed: int) -> dict[str, Any]:
    """Two sites, two types, two or three periods, one or two typical days of two to four steps, up to two futures."""
    draw = np.random.default_rng(seed)

    def number(low: float, high: float, digits: int = 2) -> float:
        return round(float(draw.uniform(low, high)), digits)

    def chance(share: float) -> bool:
        return bool(draw.random() < share)

    T, D, H = int(draw.integers(1, 4)), int(draw.integers(1, 3)), int(draw.integers(2, 5))
    futures = int(draw.integers(1, 3))
    horizon: dict[str, Any] = {
        "start": "2027-01-01", "periods": T, "discount_rate": number(0, 0.1), "months_per_period": 3,
        "costing": "upfront" if chance(0.5) else "annuity",
    }  # fmt: skip
    if futures > 1 and chance(0.7):
        horizon["commit_periods"] = int(draw.integers(0, T))
    sites: list[dict[str, Any]] = []
    for i in range(2):
        site: dict[str, Any] = {
            "id": f"s{i}", "names": f"S{i}", "power_mw": number(0.2, 0.6), "pue": number(1.0, 1.4), "tariff": f"t{i}",
            "carbon_kg_per_kwh": number(0.2, 0.8), "green_share": number(0, 1),
        }  # fmt: skip
        if chance(0.4):
            site["demand_charge_per_kw_month"] = number(1, 20)
        if chance(0.5):
            site["phases"] = [
                {"mw": number(0.05, 0.3), "capex": number(100, 3000, 0), "lead_periods": int(draw.integers(0, min(T, 2))),
                 "max_count": 2, "life_periods": int(draw.integers(1, 5))}
            ]  # fmt: skip
        sites.append(site)
    if chance(0.5):
        sites[1] |= {
            "status": "candidate", "opening_cost": number(100, 4000, 0), "opening_life_periods": int(draw.integers(1, 5)),
        }  # fmt: skip
    kinds = [
        {
            "id": k, "names": k, "vendor": k, "domestic": k == "a", "cards": cards, "peak_pflops": number(0.2, 1),
            "power_idle_kw": number(1, 6), "power_peak_kw": number(6, 20),
            "capex": [number(200, 3000, 0) for _ in range(T)], "opex": number(0, 60, 0),
            "lead_periods": int(draw.integers(0, min(T, 2))), "life_periods": int(draw.integers(1, 5)),
            "supply": int(draw.integers(2, 9)), "min_order": int(draw.integers(1, 4)) if chance(0.5) else 1,
            "order_cost": number(50, 900, 0) if chance(0.4) else 0, "prepay_share": number(0, 1) if chance(0.3) else 0,
            "availability": number(0.7, 1) if chance(0.5) else 1.0,
        }
        for k, cards in (("a", 4), ("b", 8))
    ]  # fmt: skip
    workloads: list[dict[str, Any]] = [
        {"id": "on", "names": "On", "throughput": {"a": number(0.5, 2), "b": number(0.5, 2)},
         "max_utilisation": number(0.6, 1), "burst_factor": number(1, 1.4), "shortfall_cost": number(0.2, 4),
         "traffic_gb_per_unit_hour": number(0, 2)},
        {"id": "late", "names": "Late", "kind": "deferrable", "throughput": {"b": number(0.5, 2)},
         "shortfall_cost": number(0.1, 2), "max_rate_factor": number(1, 3) if chance(0.5) else None},
    ]  # fmt: skip
    if chance(0.7):
        train: dict[str, Any] = {
            "id": "train", "names": "Train", "kind": "training", "gang_cards": int(draw.choice([4, 6, 8, 12])),
            "throughput": {"a": number(0.5, 2)} | ({"b": number(0.5, 2)} if chance(0.5) else {}),
            "shortfall_cost": number(0.1, 3),
        }  # fmt: skip
        if chance(0.5):
            train |= {"preemptible": True, "max_yield_share": number(0, 0.6)}
        workloads.append(train)
    campaigns = []
    if chance(0.5):
        due, cards = int(draw.integers(0, T)), int(draw.choice([4, 8, 16]))
        campaigns.append(
            {"id": "c", "names": "C", "gang_cards": cards, "card_days": cards * number(5, 60, 0),
             "earliest": int(draw.integers(0, due + 1)), "due": due, "speed": {"a": 1.0, "b": number(0.5, 2)},
             "value": number(100, 9000, 0)}
        )  # fmt: skip
    leases = []
    if chance(0.5):
        leases.append(
            {"id": "l", "site": f"s{int(draw.integers(0, 2))}", "module_type": "ab"[int(draw.integers(0, 2))],
             "price_per_module_period": [number(50, 900, 0) for _ in range(T)], "maximum_modules": number(1, 6, 1),
             "minimum_term_periods": int(draw.integers(1, 4)), "notice_periods": int(draw.integers(0, min(T, 2))),
             "uses_site_power": chance(0.3)}
        )  # fmt: skip
    tariffs = []
    for i in range(2):
        low = -0.2 if chance(0.4) else 0.05
        tariffs.append({"id": f"t{i}", "prices_per_kwh": {"flat": number(low, 1.0)}})
    policy: dict[str, Any] = {"carbon_price_per_tonne": number(0, 200, 0)}
    if chance(0.3):
        policy["budget"] = number(1000, 9000, 0)
    if chance(0.2):
        policy["domestic_share_floor"] = number(0.1, 0.6)
    if chance(0.2):
        policy["vendor_share_cap"] = {"b": number(0.4, 1)}
    if chance(0.2):
        policy["utilisation_floor"] = number(0.02, 0.2)
    if chance(0.2):
        policy["green_share_floor"] = number(0.05, 0.4)
    if chance(0.2):
        policy["carbon_cap_tonnes"] = number(60, 300, 0)
    if chance(0.2):
        policy["capacity_targets_eflops"] = number(0.0, 0.006, 4)

    def series(workload: str, region: str, size: float) -> dict[str, Any]:
        values = [[[number(0, size) for _ in range(H)] for _ in range(D)] for _ in range(T)]
        return {"region": region, "workload": workload, "values": values}

    pi = number(0.2, 0.8)
    names = [w["id"] for w in workloads]
    demand = {
        "days": [
            {"id": f"d{d}", "weight_days": number(10, 60, 0)} | ({"month": [1, 2][d]} if D > 1 and T == 1 else {})
            for d in range(D)
        ],
        "step_hours": [24 / H] * H,
        "futures": [
            {"id": str(f), "probability": share,
             "series": [series(w, r, 12 if w == "on" else 8) for w in names for r in ("r0", "r1")]}
            for f, share in enumerate([1.0] if futures == 1 else [pi, 1 - pi])
        ],
    }  # fmt: skip
    out: dict[str, Any] = {
        "meta": {"name": f"random {seed}", "as_of": "2026-11-01"},
        "horizon": horizon,
        "regions": [{"id": "r0", "names": "R0"}, {"id": "r1", "names": "R1"}],
        "sites": sites,
        "module_types": kinds,
        "fleet": [
            {"site": "s0", "module_type": k, "modules": int(draw.integers(0, 4))}
            | ({"retire": "2027-04-01"} if chance(0.3) else {})
            for k in "ab"
        ],
        "leases": leases,
        "workloads": workloads,
        "campaigns": campaigns,
        "network": {
            "latency_ms": {"r0": {"s0": 5, "s1": 25}, "r1": {"s0": 25, "s1": 5}},
            "transfer_cost_per_gb": {"r0": {"s0": 0.0, "s1": 0.02}, "r1": {"s0": 0.03, "s1": 0.01}},
        },
        "tariffs": tariffs,
        "policy": policy,
        "demand": demand,
    }  # fmt: skip
    if futures > 1 and chance(0.5):
        out["risk"] = {"objective": {"kind": "cvar", "alpha": number(0, 0.8), "weight": number(0.1, 1)}}
    own = np.random.default_rng([seed, 17])  # a stream of its own: the other cases stay what they were
    if own.random() < 0.4:
        chat = workloads[0]
        chat["max_utilisation"] = least = round(float(own.uniform(0.4, 0.7)), 2)
        chat["shortfall_cost"] *= 8
        chat["large_pools"] = {
            k: {"utilisation": round(float(own.uniform(least + 0.1, 1)), 2), "spare_cards": round(float(own.uniform(0.1, 5)), 2)}
            for k in ("a", "b")[: 1 + int(own.integers(0, 2))]
        }  # fmt: skip
    own = np.random.default_rng([seed, 23])
    if own.random() < 0.5:
        for row in out["fleet"]:
            row |= {"may_retire": bool(own.random() < 0.7), "may_move_to": ["s1"] if own.random() < 0.7 else []}
        for kind in kinds:
            kind |= {
                "resale_price": [round(float(own.uniform(-300, 500)), 0) for _ in range(T)],
                "moving_cost": round(float(own.uniform(0, 300)), 0), "moving_periods": int(own.integers(0, 3)),
            }  # fmt: skip
    own = np.random.default_rng([seed, 31])
    if own.random() < 0.5:
        one = {"id": "x", "module_types": [["a"], ["b"], ["a", "b"]][int(own.integers(0, 3))],
               "first": int(own.integers(0, T)), "called_off": int(own.integers(0, 3))}  # fmt: skip
        one["last"] = None if own.random() < 0.5 else int(own.integers(one["first"], T))
        steps, shares = np.cumsum(own.integers(1, 4, 2)) - 1, np.cumsum(own.uniform(0.05, 0.3, 2)).round(2)
        one["breaks"] = [
            {"from_modules": int(n), "discount": float(d)} for n, d in zip(steps, shares, strict=True)
        ][: 1 + int(own.integers(0, 2))]  # fmt: skip
        if own.random() < 0.6:
            one |= {"commitment": int(own.integers(1, 8)), "shortfall_price": round(float(own.uniform(0, 1500)), 0),
                    "signed": bool(own.random() < 0.4)}  # fmt: skip
        out["agreements"] = [one]
    if own.random() < 0.2:
        kinds[0]["opex_at"] = {"s1": round(float(own.uniform(0, 200)), 0)}
    if own.random() < 0.2:
        kinds[1]["allowed_sites"] = ["s0"]
    return out
