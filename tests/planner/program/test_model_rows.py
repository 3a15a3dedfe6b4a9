"""Every family of rows in the model binds somewhere: without it the same case would cost less, or break a limit.

Each entry names a change to a small case that makes one family bind. The relaxation is solved with and without the
family's rows; the difference shows that the rows are there and that their right-hand sides bite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.case.file import merge_patch
from planner.demand.horizon import given_demand
from planner.program.blocks import Arrays, Program, flatten
from planner.program.build import build_program
from planner.program.registry import FAMILIES
from planner.solve import solve_lp

Document = Callable[..., dict[str, Any]]
TIDE = [6 + 4 * math.sin((h - 8) / 24 * 2 * math.pi) for h in range(24)]


def program_of(document: dict[str, Any]) -> Program:
    case = Case.model_validate(document)
    return build_program(case, given_demand(case))


def unbounded(program: Program) -> Program:
    """The program without upper bounds on orders, phases and parts of the carbon cap, which only repeat the rows."""
    upper = program.master.upper.copy()
    for name in ("orders", "phases", "alloc_carbon"):
        columns = program.layout.columns.get(name, np.zeros(0, int))
        upper[columns] = np.where(upper[columns] > 0, np.inf, 0.0)
    return replace(program, master=replace(program.master, upper=upper))


def without(program: Program, family: str) -> Program:
    """The program with the rows of one family taken off (bounds opened)."""

    def opened(rows: Any, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = lower.copy(), upper.copy()
        for group in rows.values():
            if group.family == family:
                lower[group.index], upper[group.index] = -np.inf, np.inf
        return lower, upper

    low, high = opened(program.layout.rows, program.master.row_lower, program.master.row_upper)
    blocks = []
    for block in program.blocks:
        least, most = opened(block.layout.rows, block.row_lower, block.row_upper)
        blocks.append(replace(block, row_lower=least, row_upper=most))
    return replace(program, master=replace(program.master, row_lower=low, row_upper=high), blocks=tuple(blocks))


def value(arrays: Arrays) -> float:
    found = solve_lp(arrays)
    return found.objective if found.status == "optimal" else (-math.inf if found.status == "unbounded" else math.inf)


CAMPAIGN = {"id": "c", "names": "C", "gang_cards": 500, "card_days": 40000, "earliest": 1, "due": 2,
            "speed": {"a": 1, "b": 3}, "value": 9e7}  # fmt: skip
LEASE = {"id": "l", "site": "sh", "module_type": "b", "price_per_module_period": [1e5, 9e7, 1e5], "maximum_modules": 6,
         "minimum_term_periods": 2}  # fmt: skip
DEAL = {"id": "f", "module_types": ["a", "b"], "breaks": [{"from_modules": 900, "discount": 0.9}], "commitment": 400,
        "shortfall_price": 9e8}  # fmt: skip
CANDIDATE = {"sites__0__status": "candidate", "sites__0__opening_cost": 4e8, "fleet": []}
LARGE_POOLS = {"workloads__0__large_pools": {k: {"utilisation": 0.97, "spare_cards": 90} for k in "ab"}}
TWO = [
    {"id": n, "probability": p, "series": [
        {"region": "east", "workload": "chat", "values": [s * x for x in TIDE]}]}
    for n, p, s in (("low", 0.7, 4.0), ("high", 0.3, 14.0))
]  # fmt: skip

BINDING: dict[str, dict[str, Any]] = {
    "stock": {},
    "site_power": {"sites__0__power_mw": 2.0, "sites__1__power_mw": 2.0},
    "site_space": {"sites__0__space_racks": 55, "sites__1__space_racks": 45},
    "phase_count": {
        "sites__0__power_mw": 1.6,
        "sites__0__phases": [{"mw": 0.1, "capex": 1e5, "lead_periods": 1}],
        "sites__1__power_mw": 1.3,
    },
    "site_open": CANDIDATE | {f"module_types__{k}__power_{x}_kw": 0 for k in (0, 1) for x in ("idle", "peak")},
    "supply": {"module_types__0__supply": [0, 1, 1], "module_types__1__supply": [0, 1, 0]},
    "order_charge": {"module_types__0__order_cost": 5e7, "module_types__1__order_cost": 5e7},
    "lease_growth": {"leases": [LEASE]},
    "commitment": {"agreements": [DEAL | {"signed": True}]},
    "agreement_signed": {"agreements": [DEAL | {"breaks": [{"from_modules": 1, "discount": 0.9}]}]},
    "break_volume": {"agreements": [DEAL | {"commitment": 0}]},
    "break_orders": {"agreements": [DEAL | {"commitment": 0}]},
    "break_held": {"agreements": [DEAL | {"commitment": 0}]},
    "lease_term": {"leases": [LEASE]},
    "type_present": {"policy": {"max_module_types": {"sh": 0}}, "fleet": []},
    "type_count": {"policy": {"max_module_types": {"sh": 0}}, "fleet": []},
    "budget": {"policy": {"budget": 6e7}},
    "vendor_share": {"policy": {"vendor_share_cap": {"Y": 0.3}}},
    "domestic_share": {"policy": {"domestic_share_floor": 0.7}},
    "capacity_target": {"policy": {"capacity_targets_eflops": [None, None, 8]}},
    "build_ahead_minimum": {"policy": {"build_ahead": {"minimum": [None, 2.5, 2.5]}}},
    "ahead_training": {"policy": {"build_ahead": {"minimum": [None, None, 3]}}},
    "ahead_gangs_fit": {
        "policy": {"build_ahead": {"minimum": [None, None, 1.5]}},
        "workloads__2__max_yield_share": 0.9,
    },
    "build_ahead_maximum": {"policy": {"build_ahead": {"maximum": 0.5}}},
    "gangs_fit": {"workloads__2__max_yield_share": 0.9, "workloads__2__shortfall_cost": 9000},
    "training": {},
    "gang_running": {},
    "training_service": {"workloads__2__minimum_service": 1.0, "workloads__2__shortfall_cost": 1},
    "campaign_place": {"campaigns": [CAMPAIGN | {"card_days": 200000}]},
    "campaign_run": {"campaigns": [CAMPAIGN]},
    "campaign_work": {"campaigns": [CAMPAIGN]},
    "demand": {},
    "deferral": {},
    "rate": {"workloads__1__max_rate_factor": 1.05},
    "serving": {},
    "pool_part": LARGE_POOLS,
    "pool_size": LARGE_POOLS,
    "capacity": {},
    "yield_most": {},
    "yield_work": {"workloads__2__shortfall_cost": 9000},
    "bandwidth": {"network__bandwidth_gbps": {"east": {"sh": 2.0, "zw": 0.5}}},
    "minimum_service": {"workloads__0__minimum_service": 0.99, "workloads__0__shortfall_cost": 1},
    "demand_charge": {"sites__0__demand_charge_per_kw_month": 900, "sites__1__demand_charge_per_kw_month": 900},
    "carbon_cap": {"policy": {"carbon_cap_tonnes": 5000}},
    "carbon_part": {"policy": {"carbon_cap_tonnes": 5000}},
    "green_share": {"policy": {"green_share_floor": 0.5}},
    "green_part": {"policy": {"green_share_floor": 0.5}},
    "utilisation": {"policy": {"utilisation_floor": 0.95}},
    "utilisation_part": {"policy": {"utilisation_floor": 0.95}},
    "resilience_demand": {"policy": {"resilience": {"workloads": ["chat"]}}, "workloads__0__latency_ms": 60},
    "departures": {
        "fleet": [
            {"site": "zw", "module_type": "a", "modules": 6},
            {"site": "zw", "module_type": "a", "modules": 3, "may_retire": True},
        ],
        "module_types__0__resale_price": 3e8,
    },
    "risk_excess": {"demand__futures": TWO, "risk": {"objective": {"kind": "cvar", "alpha": 0.5, "weight": 0.6}}},
}
# In the relaxation an order charge can be paid in parts, so these two show only in whole numbers (known answers).
WHOLE_ONLY = {"order_minimum", "open_once", "pool_whole"}
# Rows of relaxations: what they are for is tested in test_tighten.py.
RELAXATIONS = {
    "tariff_split",
    "tariff_room",
    "campaign_gang",
    "campaign_periods",
    "gang_steps",
    "training_rounding",
}


def test_every_family_of_rows_is_tried() -> None:
    assert set(BINDING) | WHOLE_ONLY | RELAXATIONS == set(FAMILIES)


@pytest.mark.parametrize("family", sorted(BINDING))
def test_a_case_costs_less_without_the_rows(family: str, small: Document) -> None:
    program = program_of(small(**BINDING[family]))
    assert any(g.family == family for b in (program, *program.blocks) for g in b.layout.rows.values()), "no such rows"
    free = unbounded(program)
    full, less = value(flatten(free)), value(flatten(without(free, family)))
    assert math.isfinite(full)
    # Bounds of whole orders are rounded down, so the relaxation with them may only cost more.
    assert value(flatten(program)) >= full - 1e-9 * abs(full)
    assert less < full - 1e-6 * abs(full)


def test_every_row_and_limit_of_a_rich_case_has_a_record(small: Document) -> None:
    everything: dict[str, Any] = {}
    for changes in BINDING.values():
        everything = merge_patch(everything, {k: v for k, v in changes.items() if k != "policy"})
    policy: dict[str, Any] = {}
    for changes in BINDING.values():
        policy = merge_patch(policy, changes.get("policy", {}))
    policy["build_ahead"] = {"minimum": 0.1, "maximum": 9}
    program = program_of(small(**everything, policy=policy))
    found = {g.family for b in (program, *program.blocks) for g in b.layout.rows.values()}
    assert found <= set(FAMILIES)
    assert set(FAMILIES) - found == RELAXATIONS


def test_the_model_page_names_every_family() -> None:
    page = (Path(__file__).parents[3] / "docs" / "model.md").read_text(encoding="utf-8")
    for family in FAMILIES.values():
        assert f"**{family.name}**" in page or f"*{family.name}" in page, family.id
