"""Decisions found for a floor on the build-ahead ratio are held with it, the gangs that it counts on among them."""

from __future__ import annotations

import numpy as np
import pytest

from forecasts.words.note import Note, run_on
from planner.case import Case
from planner.demand.horizon import given_demand
from planner.rules import ahead
from planner.rules.neighbour import held_plan
from planner.solve import Limits
from tests.planner.compare.test_comparison import small_case
from tests.planner.random.cases import random_case

# Random cases: in the first the search's own gangs do not fit all days; in the next, modules leave.
SEEDS = (98, 11, 23, 57, 7)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_search_on_few_days_found_is_held_on_all(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    document = random_case(seed)
    document.get("policy", {}).pop("utilisation_floor", None)
    case = Case.model_validate(document)
    demand = given_demand(case).only([0])
    monkeypatch.setattr(ahead, "_EXACT_COLUMNS", 0)
    floored, _, values = ahead.with_ratio(case, demand, 1.3, Limits(seconds=5, threads=1))
    if values is None:
        pytest.skip("no plan on few days")
    floor = np.array(floored.policy.build_ahead.minimum, float)
    plan = held_plan(floored, demand, values)
    free = held_plan(ahead.with_floor(floored, np.zeros_like(floor)), demand, values)
    assert (plan is None) == (free is None), "the floor alone stands in the way of the decisions that it was taken from"


def lowered(monkeypatch: pytest.MonkeyPatch, peak: float, supply: float = 99.0, budget: float = 1e6) -> list[str]:
    """Notes of a floor of 1.2 with modules of 1 and 1.5 PFLOPS: none is worth it for less than half of the smaller."""
    unit = {"id": "unit", "peak_pflops": 1.0, "capex": 60.0, "power_peak_kw": 0.0, "supply": supply}
    large = unit | {"id": "large", "peak_pflops": 1.5, "capex": 90.0, "supply": 0 if supply < 99 else supply}
    case = small_case([unit, large], (1.0,), [(1.0, (peak,))], 150.0, {"budget": budget})
    monkeypatch.setattr(ahead, "_EXACT_COLUMNS", 0)
    return list(ahead.with_ratio(case, given_demand(case), 1.2, Limits(seconds=5, threads=1))[1])


def test_a_lowered_floor_says_only_what_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    within_half_a_percent = lowered(monkeypatch, 10.02)  # 12 of 12.024
    assert len(within_half_a_percent) == 1
    assert "held to 1.198" in within_half_a_percent[0]
    assert "whether another plan reaches 1.2 is not known" in within_half_a_percent[0]
    assert "proven" not in within_half_a_percent[0]
    bounded = lowered(monkeypatch, 10.0, supply=11)
    assert "held to 1.1: it is proven that" in bounded[0]
    between = lowered(monkeypatch, 10.0, budget=11.4 * 60)  # as a linear program has it
    assert "held to 1.1:" in between[0]
    assert "no plan reaches more than 1.14" in between[0]


def test_notes_of_a_scenario_are_sentences_one_after_the_other() -> None:
    sentence, remark = Note("This is so.", "如此。"), Note("that", "那个")
    told = run_on([sentence, remark, sentence])
    assert (told, told.chinese) == ("This is so. that; This is so.", "如此。那个；如此。")
