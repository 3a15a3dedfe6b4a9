"""Numbers that are allowed but look wrong, and where each number comes from."""

from __future__ import annotations

from typing import Any

import pytest

from planner.case import Case, Source
from planner.case.checks import warnings
from planner.case.file import merge_patch
from planner.case.sources import leads_somewhere, number_pointers, source_of

BASE: dict[str, Any] = {
    "meta": {"name": "plausible", "as_of": "2026-11-22"},
    "horizon": {"start": "2027-01-01", "periods": 2},
    "regions": [{"id": "bj", "names": "Beijing"}],
    "tariffs": [{"id": "t", "prices_per_kwh": {"flat": 0.5}, "valid_to": "2027-12-31"}],
}
SITE = {"id": "zw", "names": "Zhongwei", "power_mw": 5, "pue": 1.15, "tariff": "t", "carbon_kg_per_kwh": 0.6}
TYPE = {
    "id": "k",
    "names": "K",
    "accelerator": "Ascend 910B",
    "cards": 64,
    "peak_pflops": 0.313,
    "power_peak_kw": 50,
    "capex": 12e6,
}
FLEET = {"site": "zw", "module_type": "k", "modules": 4}
WORK = {"id": "w", "names": "W", "throughput": {"k": 0.07}, "shortfall_cost": 500}


def case(
    *,
    site: dict[str, Any] | None = None,
    kind: dict[str, Any] | None = None,
    work: dict[str, Any] | None = None,
    **top: Any,
) -> Case:
    lists: dict[str, Any] = {"fleet": [FLEET]}
    for name, block, changes in (("sites", SITE, site), ("module_types", TYPE, kind), ("workloads", WORK, work)):
        lists[name] = [merge_patch(block, changes or {})]
    return Case.model_validate(merge_patch(BASE | lists, top))


def told(case: Case) -> list[str]:
    return [f"{w.kind} {w.message}" for w in warnings(case)]


def test_a_plausible_case_is_quiet() -> None:
    assert told(case()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"site": {"pue": 3}}, "pue /sites/0/pue: 3 at zw; usual: 1.05 to 1.8"),
        (
            {"site": {"pue": 1.3, "pue_limit": 1.2}},
            "pue_limit /sites/0/pue: a mean of 1.3 at zw, above its pue_limit; usual: at most 1.2",
        ),
        (
            {"site": {"carbon_kg_per_kwh": 536}},
            "carbon /sites/0/carbon_kg_per_kwh: 536; usual: 0.01 to 1.3 kg/kWh",
        ),
        (
            {"site": {"phases": [{"mw": 5, "capex": 1e6, "lead_periods": 1}]}},
            "phase_capex /sites/0/phases/0/capex: 2e+05 CNY per MW; usual: 2 to 200 million CNY per MW",
        ),
        (
            {"tariffs": [{"id": "t", "prices_per_kwh": {"flat": 50}}]},
            "tariff_level /tariffs/0/prices_per_kwh/flat: 50 CNY/kWh: in fen?; usual: 0.05 to 2.5 CNY/kWh",
        ),
        (
            {"tariffs": [{"id": "t", "prices_per_kwh": {"flat": 0.5, "peak": 0.4}}]},
            "tariff_order /tariffs/0/prices_per_kwh: flat 0.5, peak 0.4; "
            "usual: deep_valley <= valley <= flat <= peak <= super_peak",
        ),
        (
            {"tariffs": [{"id": "t", "prices_per_kwh": {"flat": 0.5}, "valid_to": "2026-12-31"}]},
            "tariff_ended /tariffs: prices that end inside or before the horizon: t (2026-12-31); "
            "the plan goes on with them until 2027-06-30; usual: valid_to 2027-06-30 or later, or nothing",
        ),
        (
            {
                "kind": {"accelerator": "H100", "peak_pflops": 1.979, "power_peak_kw": 80},
                "work": {"throughput": {"k": 0.3}},
            },
            "peak_pflops /module_types/0/peak_pflops: 1.979 PFLOPS a card for H100: a sparse or FP8 figure?; "
            "usual: 0.989 dense FP16",
        ),
        (
            {"kind": {"capex": 180}},
            "card_capex /module_types/0/capex: 2.8125 CNY a card; usual: 5000 to 1e+06 CNY a card",
        ),
        (
            {"work": {"throughput": {"k": 0.5}}},
            "throughput /workloads/0/throughput/k: 0.5 PFLOPS a card, 160 % of its peak; usual: 1 to 100 % of the peak",
        ),
        (
            {"work": {"throughput": {"k": 1e-4}}},
            "throughput /workloads/0/throughput/k: 0.0001 PFLOPS a card, 0.0319 % of its peak; "
            "usual: 1 to 100 % of the peak",
        ),
        (
            {"work": {"shortfall_cost": 0}},
            "free_shortfall /workloads/0/shortfall_cost: 0 for w, with minimum_service 0: "
            "leaving it unserved costs nothing; "
            "usual: a price, or a minimum_service",
        ),
        (
            {"fleet": [], "kind": {"lead_periods": 1}},
            "late_start /workloads/0/throughput: nothing standing or leased runs w before 2027Q2; "
            "usual: a fleet or a lease for the first periods",
        ),
        (
            {"fleet": [FLEET | {"retire": "2026-06-01"}]},
            "fleet_gone /fleet/0/retire: 2026-06-01, before the horizon starts: these 4 modules never count; "
            "usual: after 2027-01-01",
        ),
        (
            {"meta": {"as_of": "2025-06-01"}},
            "stale_case /meta/as_of: 2025-06-01, 579 days before the horizon starts; usual: at most 365 days",
        ),
        (
            {"meta": {"sources": [{"path": "/sites", "mark": "R", "source": "x", "date": "2021-05"}]}},
            "stale_source /meta/sources: 1 of 1 sources older than 36 months: /sites (2021-05); "
            "usual: sources of the last 36 months",
        ),
        (
            {"meta": {"sources": [{"path": "/sites/*/space", "mark": "A", "source": "x"}]}},
            "lost_source /meta/sources/0/path: /sites/*/space, which leads nowhere in this case; "
            "usual: a JSON Pointer into the case",
        ),
        (
            {
                "demand": {
                    "days": [{"id": "d", "weight_days": 80}],
                    "futures": [{"series": [{"region": "bj", "workload": "w", "values": 1}]}],
                }
            },
            "weights /demand/days: 80 days of 24 hours in 2027Q1; usual: 2160 hours (90 days of 24)",
        ),
    ],
)
def test_what_looks_wrong_is_said_once(changes: dict[str, Any], expected: str) -> None:
    assert told(case(**changes)) == [expected]


def test_ranges_in_money_are_for_cny() -> None:
    dollars = {"meta": {"currency": "USD"}, "tariffs": [{"id": "t", "prices_per_kwh": {"flat": 50}}]}
    assert told(case(**dollars)) == []


def test_the_most_exact_source_speaks() -> None:
    sources = [
        Source(path="/sites", mark="A", source="all"),
        Source(path="/sites/*/pue", mark="E", source="column"),
        Source(path="/sites/1/pue", mark="F", source="one"),
        Source(path="/sites/1/pue", mark="C", source="one, again"),
    ]
    assert [s.source if (s := source_of(sources, p)) else None for p in ("/sites/0/lat", "/sites/0/pue/3")] == [
        "all",
        "column",
    ]
    last = source_of(sources, "/sites/1/pue")
    assert last is not None
    assert last.source == "one, again"
    assert source_of(sources, "/sites2") is None


def test_numbers_and_paths_of_a_document() -> None:
    document = {"meta": {"x": 1}, "a": [{"b/c": 2, "d": True, "e": [1.5, None, "3"]}]}
    assert list(number_pointers(document)) == ["/a/0/b~1c", "/a/0/e/0"]
    assert leads_somewhere("/a/*/b~1c", document)
    assert not leads_somewhere("/a/1/b~1c", document)


def test_costs_that_lie_too_far_apart() -> None:
    """One site opened for 3e12 beside modules of some 1e6: no solver can weigh the one against the other."""
    far = case(sites=[{"id": "s", "names": "s", "power_mw": 1, "status": "candidate", "opening_cost": 3e12}], fleet=[])
    found = [w for w in warnings(far) if w.kind == "cost_span"]
    assert [w.pointer for w in found] == ["/sites/0/opening_cost"]
    near = case(sites=[{"id": "s", "names": "s", "power_mw": 1, "status": "candidate", "opening_cost": 3e9}], fleet=[])
    assert not [w for w in warnings(near) if w.kind == "cost_span"]
