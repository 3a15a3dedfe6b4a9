"""Regions grouped by hub: everybody has a group, sites and policies stay, and what is given by region is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.case.file import read_case
from planner.case.grouping import grouped_by_hub

NATIONAL = Path(__file__).parents[3] / "examples" / "national" / "case.yaml"


def test_the_national_case_has_one_region_a_hub() -> None:
    case = read_case(NATIONAL)
    grouped, group = grouped_by_hub(case)
    assert set(group) == {r.id for r in case.regions}
    assert {r.id for r in grouped.regions} == set(group.values())
    assert len(grouped.regions) == 8
    assert grouped.sites == case.sites
    assert grouped.module_types == case.module_types
    assert group["guangdong"] == "粤港澳"
    assert group["shanghai"] == "长三角"
    assert all(-90 <= r.lat <= 90 for r in grouped.regions if r.lat is not None)


def test_what_is_given_by_region_is_refused() -> None:
    case = read_case(NATIONAL)
    network = case.network.model_copy(update={"latency_ms": {"beijing": {"guian": 9.0}}})
    with pytest.raises(ValueError, match="by region"):
        grouped_by_hub(case.model_copy(update={"network": network}))
