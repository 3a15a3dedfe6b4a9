"""A limit of the case is lost in no room: each test goes by a register, `planner.case.movable` or the program's rows.

"At most N module types at a site" was lost without a word when it was first tried (decision 0150); it is followed from
the case to the documents here, and what holds for it by name holds for every limit by the register.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.case.movable import LimitField, limit_fields
from planner.demand.horizon import given_demand
from planner.evaluate.evaluation import evaluate
from planner.explain.what_if import what_if
from planner.plan import Plan
from planner.planning import make_plan, unserved
from planner.planning.elastic import loosest
from planner.planning.relax import _LAST_GIVEN_UP
from planner.program.build import build_program
from planner.program.instance import make_instance
from planner.program.registry import FAMILIES
from planner.solve import Limits
from planner.verify.catalogue import FORMULA_OF

Document = Callable[..., dict[str, Any]]
EXACT = Limits(seconds=60, gap=1e-6, threads=1)
ROOT = Path(__file__).parents[3]
ONE_TYPE = {"max_module_types": {"sh": 1}}
EVERY: dict[str, Any] = {
    "budget": 1e9, "carbon_cap_tonnes": 1e6, "green_share_floor": 0.01, "domestic_share_floor": 0.01,
    "vendor_share_cap": {"X": 0.99}, "build_ahead": {"minimum": 0.01, "maximum": 90}, "capacity_targets_eflops": 0.001,
    "utilisation_floor": 0.001, "max_module_types": {"sh": 1},
}  # fmt: skip


@pytest.fixture(name="case")
def limited(small: Document) -> Case:
    """A case with every limit that the policy knows, and those of sites, types, work and leases."""
    return Case.model_validate(
        small(
            policy=EVERY,
            sites__0__space_racks=500,
            sites__0__phases=[{"mw": 1, "capex": 1e6, "lead_periods": 1}],
            module_types__0__supply=500,
            module_types__0__min_order=2,
            fleet__0__may_move_to=["zw"],
            module_types__0__lead_periods=1,
            workloads__0__minimum_service=0.5,
            workloads__1__max_rate_factor=3,
            network__bandwidth_gbps={"east": {"sh": 1000.0}},
            leases=[{"id": "l", "site": "sh", "module_type": "b", "price_per_module_period": 1e5,
                     "maximum_modules": 2, "notice_periods": 1}],
            campaigns=[{"id": "c", "names": "C", "gang_cards": 100, "card_days": 500, "due": 1, "speed": {"a": 1}}],
        )
    )  # fmt: skip


@pytest.fixture(name="kinds")
def by_kind(case: Case) -> dict[str, LimitField]:
    return {field.kind: field for field in limit_fields(case)}


def test_every_kind_of_limit_is_set_back_in_an_order(kinds: dict[str, LimitField]) -> None:
    assert set(kinds) == set(_LAST_GIVEN_UP)


def test_every_kind_of_limit_can_be_loosened_to_the_end(case: Case, kinds: dict[str, LimitField]) -> None:
    inst = make_instance(case, given_demand(case))
    for kind, field in kinds.items():
        free, now = loosest(case, inst, field), np.asarray(field.values, float)
        moved = np.where(np.isnan(free), np.inf * field.loosens, free) - now
        assert (moved * field.loosens > 0).any(), kind


def test_every_kind_of_limit_has_a_name_in_both_languages(kinds: dict[str, LimitField]) -> None:
    for language in ("en", "zh-CN"):
        words = json.loads((ROOT / "planner" / "words" / "i18n" / f"{language}.json").read_text(encoding="utf-8"))
        assert [kind for kind in kinds if f"limit.{kind}" not in words] == []


def test_every_limit_of_the_policy_is_asked_whether_it_stands_in_the_way(case: Case) -> None:
    """A floor of the policy can only add capacity; everything that caps must be opened when service falls short."""
    caps = {f.kind for f in limit_fields(case) if f.pointer.startswith("/policy/") and f.loosens > 0}
    assert caps <= set(unserved._limits(case))
    for kind in unserved._limits(case):
        assert unserved._opened(case, given_demand(case), [kind]) != case, kind


def test_merged_steps_keep_every_row_of_the_master(case: Case) -> None:
    whole, merged = (build_program(case, given_demand(case), merge_steps=steps) for steps in (None, 2))
    assert whole.layout.rows.keys() == merged.layout.rows.keys()
    families = [{g.family for b in program.blocks for g in b.layout.rows.values()} for program in (whole, merged)]
    assert {f for f in families[0] - families[1] if not FAMILIES[f].solver_only} == set()


# --- at most one type at a site, room by room ------------------------------------------------------------------------


def types_at(plan: Plan) -> int:
    stock = plan.tables["stock"]
    here = stock[(stock["site"] == "sh") & (stock["owned"] + stock["leased"] > 0)]
    return int(here.groupby("period")["module_type"].nunique().max())


@pytest.fixture(name="free", scope="module")
def plan_without() -> list[Plan]:
    return []


@pytest.fixture(name="plans")
def both(small: Document, free: list[Plan]) -> tuple[Plan, Plan]:
    """Without and with the limit; made once."""
    if not free:
        for policy in ({}, ONE_TYPE):
            case = Case.model_validate(small(sites__0__power_mw=1.6, policy=policy))
            free.append(make_plan(case, demand=given_demand(case), limits=EXACT))
    return free[0], free[1]


def test_what_if_plans_with_it(plans: tuple[Plan, Plan]) -> None:
    without, limited = plans
    assert types_at(without) == 2
    change = what_if(without, {"policy": ONE_TYPE}, limits=EXACT)
    assert change.plan is not None
    assert types_at(change.plan) == 1
    assert change.plan.certificate["objective"] == pytest.approx(limited.certificate["objective"], rel=1e-6)
    assert change.cost > 0


def test_a_plan_under_it_costs_the_same_when_its_orders_are_dispatched_again(plans: tuple[Plan, Plan]) -> None:
    """Evaluation holds the decisions of the tables: one that they lose would let the other type stand."""
    _, limited = plans
    with ThreadPoolExecutor(1) as pool:
        found = evaluate(limited, limited.demand, pool)
    assert found.total == pytest.approx([limited.certificate["objective"]], rel=1e-6)
    assert (found.capacity[0, 0].sum(axis=-1) > 0).sum() == 1


def test_the_documents_have_it() -> None:
    for page in ("case.md", "model.md"):
        assert "max_module_types" in (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert "type_count" in set(FORMULA_OF.values()) & {family.name for family in FAMILIES.values()}
