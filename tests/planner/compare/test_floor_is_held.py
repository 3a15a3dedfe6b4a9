"""Decisions found for a floor on the build-ahead ratio are held with it, the gangs that it counts on among them."""

from __future__ import annotations

import numpy as np
import pytest

from planner.case import Case
from planner.demand.horizon import given_demand
from planner.rules import ahead
from planner.rules.neighbour import held_plan
from planner.solve import Limits
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
