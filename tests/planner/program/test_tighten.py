"""Rows and relaxations that only the solver sees: they cost no plan, and each raises or keeps the bound as it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.case import Case
from planner.demand.horizon import given_demand
from planner.plan.extract_days import cheapest_split
from planner.planning import plan_demand
from planner.program.blocks import Program, flatten
from planner.program.build import build_program
from planner.program.instance import Instance, make_instance
from planner.program.merge import price_slots
from planner.program.origins import find_origins, pooling_error, pooling_share
from planner.program.tighten import gang_step, tightened
from planner.solve import Limits, solve, solve_lp
from planner.solve.tuning import TUNING

Document = Callable[..., dict[str, Any]]

CAMPAIGNS: dict[str, dict[str, Any]] = {
    "lacks modules": {"gang_cards": 5000, "card_days": 300000, "value": 4e9},
    "lacks power": {"gang_cards": 10500, "card_days": 500000, "value": 9e9},
    "too dear": {"gang_cards": 5000, "card_days": 300000, "value": 1e7},
}


def case_of(document: dict[str, Any]) -> Case:
    return Case.model_validate(document)


def program_of(case: Case, steps: int | None = None, pooled: bool = False) -> Program:
    return build_program(case, given_demand(case), merge_steps=steps, pooled=pooled)


def relaxed(program: Program) -> float:
    found = solve_lp(flatten(program))
    assert found.status == "optimal"
    return found.objective


def campaign(**of: Any) -> dict[str, Any]:
    return {"id": "c", "names": "C", "earliest": 1, "due": 2, "speed": {"a": 1, "b": 3}} | of


@pytest.mark.parametrize("which", sorted(CAMPAIGNS))
def test_no_plan_is_lost_and_no_bound_falls(which: str, small: Document) -> None:
    case = case_of(small(campaigns=[campaign(**CAMPAIGNS[which])], sites__0__power_mw=6))
    plain = program_of(case)
    tight = tightened(plain)
    limits = Limits(seconds=60, gap=1e-6, route="one_piece")
    assert solve(tight, limits).objective == pytest.approx(solve(plain, limits).objective, rel=2e-6)
    assert relaxed(tight) >= relaxed(plain) * (1 - 1e-9)


@pytest.mark.parametrize("family", ["campaign_gang", "campaign_periods", "gang_steps", "training_rounding"])
def test_each_family_raises_the_bound(family: str, small: Document) -> None:
    wants = campaign(**CAMPAIGNS["lacks modules"])
    more = {"workloads__2__shortfall_cost": 9000}
    if family == "training_rounding":
        # whole gangs cost what they hold, so rounding tells where room is scarce: here every module is bought for them
        more |= {"fleet": [], "workloads__2__max_yield_share": 0.0, "workloads__2__preemptible": False}
    case = case_of(small(campaigns=[wants], **more))
    tight = tightened(program_of(case))
    rows = tight.layout.rows[family].index
    lower, upper = tight.master.row_lower.copy(), tight.master.row_upper.copy()
    lower[rows], upper[rows] = -np.inf, np.inf
    loose = replace(tight, master=replace(tight.master, row_lower=lower, row_upper=upper))
    assert relaxed(tight) > relaxed(loose) * (1 + 1e-5)


@settings(deadline=None)
@given(
    standing=st.integers(0, 60),
    size=st.integers(1, 90),
    available=st.floats(0.5, 1.0),
    more=st.integers(0, 200),
)
def test_a_step_never_cuts_off_a_gang(standing: int, size: int, available: float, more: int) -> None:
    step = size / available
    already, width = gang_step(standing, step)
    gangs = np.floor((standing + more) / step - 1e-9)
    assert gangs <= already + more / width + 1e-6
    assert already == np.floor(standing / step + 1e-9)


def test_a_case_without_gangs_is_left_alone(small: Document) -> None:
    document = small()
    document["workloads"] = document["workloads"][:2]
    future = document["demand"]["futures"][0]
    future["series"] = [s for s in future["series"] if s["workload"] != "train"]
    program = program_of(case_of(document))
    assert tightened(program).master.rows == program.master.rows


def test_slots_keep_the_tariff_that_merging_would_lose(small: Document) -> None:
    case = case_of(small())
    with_slots, exact = relaxed(program_of(case, 1)), relaxed(program_of(case))
    opened = program_of(case, 1)
    blocks = []
    for block in opened.blocks:
        upper = block.row_upper.copy()
        upper[block.layout.rows["tariff_room"].index] = np.inf
        blocks.append(replace(block, row_upper=upper))
    cheapest_hour = relaxed(replace(opened, blocks=tuple(blocks)))
    assert cheapest_hour * (1 + 1e-6) < with_slots <= exact * (1 + 1e-9)


def test_slots_of_prices() -> None:
    share, least = price_slots(np.array([0.3, 0.8, 0.3, 1.2, 0.8, 0.8]))
    assert share.tolist() == pytest.approx([2 / 6, 3 / 6, 1 / 6])
    assert least.tolist() == [0.3, 0.8, 1.2]
    share, least = price_slots(np.array([0.5]))
    assert share.sum() == 1
    assert (share * least).sum() == 0.5


def test_work_of_pooled_regions_is_split_in_full_and_cheaply() -> None:
    draw = np.random.default_rng(3)
    leaves = draw.random((4, 6))
    price = draw.random((4, 3))
    shares = draw.dirichlet(np.ones(3), 6).T
    flow = shares * leaves.sum(axis=0)
    split = cheapest_split(flow, leaves, price)
    assert split.min() >= 0
    assert split.sum(axis=1) == pytest.approx(flow)
    assert split.sum(axis=0) == pytest.approx(leaves)
    even = flow[:, None] * (leaves / leaves.sum(axis=0))
    assert (split * price.T[:, :, None]).sum() < (even * price.T[:, :, None]).sum()


@pytest.fixture
def many_regions(small: Document) -> Case:
    """Five regions that reach both sites, each at a price of its own."""
    document = small(workloads__0__latency_ms=60)
    places = [("east", 31.2, 121.5), ("south", 23.1, 113.3), ("r2", 30, 114), ("r3", 28, 112), ("r4", 34, 108)]
    document["regions"] = [{"id": i, "names": i, "lat": a, "lon": b} for i, a, b in places]
    document["network"] = {
        "transfer_bands": [{"up_to_ms": 8, "cost_per_gb": 0.0003}, {"up_to_ms": 14, "cost_per_gb": 0.0004},
                           {"cost_per_gb": 0.0006}]
    }  # fmt: skip
    series = document["demand"]["futures"][0]["series"]
    first = [s for s in series if s["region"] == "east" and s["workload"] != "train"]
    series += [{**s, "region": i} for i, _, _ in places[2:] for s in first]
    return case_of(document)


def test_pooling_is_off_by_no_more_than_it_says(many_regions: Case) -> None:
    inst: Instance = make_instance(many_regions, given_demand(many_regions))
    apart, pooled = find_origins(inst), find_origins(replace(inst, pooled=True))
    assert len(pooled.workload) < len(apart.workload)
    exact, below = relaxed(program_of(many_regions)), relaxed(program_of(many_regions, pooled=True))
    assert 0 < exact - below <= pooling_error(inst) * (1 + 1e-9)


def test_a_pooled_plan_is_a_plan_of_the_case(many_regions: Case) -> None:
    demand = given_demand(many_regions)
    inst = make_instance(many_regions, demand)
    gap = 0.02
    assert 0 < pooling_share(inst) <= gap / 2
    pooled, _ = plan_demand(many_regions, demand, limits=Limits(seconds=60, gap=gap))
    apart, _ = plan_demand(many_regions, demand, limits=Limits(seconds=8, gap=1e-4))
    assert pooled.certificate["bound"] <= apart.certificate["objective"] * (1 + 1e-6)
    assert pooled.certificate["objective"] >= apart.certificate["bound"] * (1 - 1e-6)
    assert pooled.certificate["gap"] <= gap
    served = pooled.tables["placement"].groupby("region")["served"].sum()
    assert set(served.index) == {r.id for r in many_regions.regions}


def test_merged_steps_in_whole_numbers_end_at_the_same_plan(small: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, tuned in (("start", {"start_columns": 600}), ("route", {"faithful": 0.5})):
        monkeypatch.setattr(f"planner.solve.benders.{module}.TUNING", replace(TUNING, **tuned))  # type: ignore[arg-type]
    case = case_of(small(campaigns=[campaign(**CAMPAIGNS["lacks modules"])]))
    program = tightened(program_of(case))
    whole = solve(program, Limits(seconds=60, gap=1e-4, route="one_piece"))
    split = solve(
        program,
        Limits(seconds=60, gap=2e-3, route="benders"),
        coarse=lambda steps, mean_day=False: tightened(program_of(case, steps)),
    )
    assert any("neighbourhood" in p.phase or "merged steps in whole" in p.phase for p in split.trace)
    assert split.bound <= whole.objective * (1 + 1e-6)
    assert whole.bound <= split.objective * (1 + 1e-6)
    assert split.gap <= 2e-3 + 1e-6


def test_a_mean_day_holds_the_work_of_all_days(small: Document) -> None:
    demand = given_demand(case_of(small()))
    mean = demand.mean_day()
    hours = demand.days.step_hours
    assert mean.days.days == 1
    assert mean.days.weight.sum(axis=1) == pytest.approx(demand.days.weight.sum(axis=1))
    whole = np.einsum("fwrtdh,td,h->fwrt", demand.values, demand.days.weight, hours)
    assert np.einsum("fwrtdh,td,h->fwrt", mean.values, mean.days.weight, hours) == pytest.approx(whole)
    assert mean.days.calendar.sum(axis=(1, 2, 3)) == pytest.approx(1.0)
