"""Random cases against a program written from docs/model.md alone: the same optimum, and no bound above it."""

from __future__ import annotations

import math

import pytest

from planner.case import Case
from planner.case.errors import InfeasibleError
from planner.demand.horizon import given_demand
from planner.planning.planning import plan_demand
from planner.solve import Limits
from tests.planner.random.cases import random_case
from tests.planner.random.reference import reference

# What both solvers leave open: each is asked for 1e-6, and the tables are rounded to the verifier's tolerance.
CLOSE = 3e-6
FAST = 12


@pytest.mark.parametrize("seed", [pytest.param(s, marks=[pytest.mark.slow] if s >= FAST else []) for s in range(200)])
def test_the_plan_costs_what_the_page_of_the_model_says(seed: int) -> None:
    document = random_case(seed)
    case = Case.model_validate(document)
    status, optimum, below = reference(document, gap=1e-7)
    if status == "infeasible":
        with pytest.raises(InfeasibleError):
            plan_demand(case, given_demand(case), limits=Limits(seconds=120, gap=1e-6))
        return
    assert status == "optimal"
    plan, _ = plan_demand(case, given_demand(case), limits=Limits(seconds=120, gap=1e-6))
    found, bound = plan.certificate["objective"], plan.certificate["bound"]
    room = CLOSE * max(abs(optimum), 1.0)
    assert math.isfinite(found)
    assert bound <= optimum + room
    assert found >= below - room
    assert found <= optimum + max(plan.certificate["gap"] * abs(found), room)


def test_the_cases_hold_what_they_are_meant_to_try() -> None:
    """Every kind of decision and limit is in some of the two hundred cases."""
    documents = [random_case(seed) for seed in range(200)]

    def some(look: object, least: int = 10) -> bool:
        return sum(bool(look(d)) for d in documents) >= least  # type: ignore[operator]

    assert some(lambda d: d["leases"])
    assert some(lambda d: d["campaigns"])
    assert some(lambda d: any(w.get("kind") == "training" for w in d["workloads"]))
    assert some(lambda d: any(w.get("preemptible") for w in d["workloads"]))
    assert some(lambda d: any("phases" in s for s in d["sites"]))
    assert some(lambda d: any(s.get("status") == "candidate" for s in d["sites"]))
    assert some(lambda d: any(t["prices_per_kwh"]["flat"] < 0 for t in d["tariffs"]))
    assert some(lambda d: any(k["order_cost"] for k in d["module_types"]))
    assert some(lambda d: any(k["min_order"] > 1 for k in d["module_types"]))
    assert some(lambda d: any(row.get("may_retire") for row in d["fleet"]))
    assert some(lambda d: any(row.get("may_move_to") for row in d["fleet"]))
    assert some(lambda d: any(len(x["breaks"]) > 1 for x in d.get("agreements", [])))
    assert some(lambda d: any(x.get("commitment") and not x["signed"] for x in d.get("agreements", [])))
    assert some(lambda d: any(x.get("commitment") and x["signed"] for x in d.get("agreements", [])))
    assert some(lambda d: "opex_at" in d["module_types"][0] or "allowed_sites" in d["module_types"][1])
    assert some(lambda d: len(d["demand"]["futures"]) > 1)
    assert some(lambda d: "commit_periods" in d["horizon"])
    assert some(lambda d: d.get("risk", {}).get("objective", {}).get("kind") == "cvar")
    for limit in ("budget", "utilisation_floor", "green_share_floor", "carbon_cap_tonnes", "capacity_targets_eflops"):
        assert some(lambda d, limit=limit: limit in d["policy"]), limit
