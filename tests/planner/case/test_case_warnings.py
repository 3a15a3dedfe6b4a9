"""Numbers that are allowed but look wrong, and where each number comes from."""

from __future__ import annotations

import re
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
            "phase_capex /sites/0/phases/0/capex: 200000 CNY a MW; usual: 2e+06 to 2e+08 CNY a MW",
        ),
        (
            {"tariffs": [{"id": "t", "prices_per_kwh": {"flat": 50}}]},
            "tariff_level /tariffs/0/prices_per_kwh/flat: 50 CNY/kWh: in hundredths (fen, cents)?; "
            "usual: 0.02 to 3 CNY a kWh",
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
            "fleet_gone /fleet/0/retire: 2026-06-01, before the horizon starts: 4 modules that never count; "
            "usual: after 2027-01-01",
        ),
        (
            {"meta": {"as_of": "2025-06-01"}},
            "stale_case /meta/as_of: 2025-06-01, 579 days before the horizon starts; usual: at most 365 days",
        ),
        (
            {"meta": {"sources": [{"path": "/sites", "mark": "R", "source": "x", "date": "2021-05"}]}},
            "stale_source /meta/sources: 1 of 1 source older than 36 months: /sites (2021-05); "
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
    made = case(**changes)
    assert told(made) == [expected]
    (warning,) = warnings(made)
    chinese = warning.message.chinese
    assert re.search("[\u4e00-\u9fff]", chinese)
    numbers = [sorted(re.findall(r"\d[\d.]*", text)) for text in (warning.message, chinese)]
    assert numbers[0] == numbers[1]


def kinds(case: Case) -> list[tuple[str, str]]:
    return [(w.kind, w.pointer) for w in warnings(case)]


DOLLARS = {"meta": {"currency": "USD"}, "tariffs": [{"id": "t", "prices_per_kwh": {"flat": 0.07}}]}
COINS = {"meta": {"currency": "XYZ"}, "tariffs": [{"id": "t", "prices_per_kwh": {"flat": 50}}]}


def test_money_is_judged_in_its_own_currency_and_by_proportions_where_it_is_not_known() -> None:
    assert kinds(case(**DOLLARS, kind={"capex": 1.5e6})) == []
    assert kinds(case(**DOLLARS, kind={"capex": 1e8})) == [("card_capex", "/module_types/0/capex")]
    cents = DOLLARS | {"tariffs": [{"id": "t", "prices_per_kwh": {"flat": 7}}]}
    assert kinds(case(**cents, kind={"capex": 1.5e6})) == [("tariff_level", "/tariffs/0/prices_per_kwh/flat")]
    assert kinds(case(**COINS, kind={"capex": 1.2e9}, work={"shortfall_cost": 5e4})) == []
    assert kinds(case(**COINS, kind={"capex": 1.2e6})) == [("proportion", "/module_types/0/capex")]


NEAR = {"id": "near", "names": "Near", "power_mw": 3, "pue": 1.15, "tariff": "t"}


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        ([SITE, NEAR], []),
        ([SITE | {"power_mw": 5000}], [("power", "/sites/0/power_mw")]),
        ([SITE, NEAR | {"power_mw": [3, 900]}], [("power", "/sites/1/power_mw")]),
        ([SITE, NEAR | {"power_mw": 0.001}], [("power", "/sites/1/power_mw")]),
        (
            [SITE, NEAR | {"phases": [{"mw": 800, "capex": 1.6e10, "lead_periods": 1}]}],
            [("power", "/sites/1/phases/0/mw")],
        ),
    ],
)
def test_power_in_another_unit_than_mw_is_seen_in_size_and_beside_its_neighbours(
    sites: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert kinds(case(sites=sites)) == expected


def test_free_and_negative_energy_are_said() -> None:
    sites = [SITE, NEAR | {"tariff": None}]
    assert told(case(sites=sites)) == [
        "no_tariff /sites/1/tariff: none at near: its energy is free; usual: a tariff at every site"
    ]
    nowhere = [SITE | {"tariff": None}, NEAR | {"tariff": None}]
    assert told(case(sites=nowhere, tariffs=[])) == [
        "no_tariff /sites: none at zw, near: their energy is free; usual: a tariff at every site"
    ]
    paid = [{"id": "t", "prices_per_kwh": {"flat": 0.5, "valley": -0.05}}]
    assert kinds(case(tariffs=paid)) == [("negative_price", "/tariffs/0/prices_per_kwh/valley")]


def test_costs_that_no_solver_can_weigh_against_each_other_are_named() -> None:
    (one,) = told(case(kind={"capex": 6e7}, work={"shortfall_cost": 0.5}))
    assert one.startswith("cost_span /: costs that span a factor of 1.2e+08: one module of k at 6e+07, one unit of w")


def with_demand(*futures: dict[str, Any], **more: Any) -> Case:
    days = [{"id": "a", "weight_days": [90, 91]}]
    changes: dict[str, Any] = {"demand": {"days": days, "futures": list(futures)}}
    regions = [{"id": "bj", "names": "Beijing"}, {"id": "tj", "names": "Tianjin"}]
    work = [WORK, WORK | {"id": "v", "names": "V"}, WORK | {"id": "b", "names": "B", "kind": "deferrable"}]
    return case(regions=regions, **changes | {"workloads": work} | more)


def series(*pairs: str) -> dict[str, Any]:
    return {"series": [{"workload": p[0], "region": p[2:], "values": 1} for p in pairs]}


@pytest.mark.parametrize(
    ("futures", "expected"),
    [
        ([series("w-bj", "w-tj", "v-bj", "v-tj", "b-bj")], []),
        (
            [series("w-bj", "v-bj", "b-bj")],
            ["no series of any workload in tj: demand there is 0"],
        ),
        ([series("w-bj", "w-tj", "b-tj")], ["no series of v: their demand is 0"]),
        ([series("w-bj", "w-tj", "v-bj", "b-bj")], ["no series of v in tj: its demand there is 0"]),
        (
            [
                series("w-bj", "w-tj", "v-bj", "v-tj", "b-bj") | {"id": "low", "probability": 0.5},
                series("w-bj", "w-tj", "v-bj", "b-bj") | {"id": "high", "probability": 0.5},
            ],
            ["no series of v in tj in the future high, while others have one: there the demand is 0"],
        ),
    ],
)
def test_demand_that_is_silently_zero_is_named(futures: list[dict[str, Any]], expected: list[str]) -> None:
    assert [w.found for w in warnings(with_demand(*futures))] == expected


TRAIN = {"kind": "training", "gang_cards": 64}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"site": {"opening_cost": 5e6}}, "/sites/0/opening_cost"),
        ({"sites": [SITE, NEAR | {"status": "candidate"}]}, "/sites/1/status"),
        ({"site": {"space_racks": 10}}, "/sites/0/space_racks"),
        ({"site": {"carbon_market_kg_per_kwh": 0.1, "green_share": 0.5}}, "/sites/0/green_share"),
        ({"kind": {"prepay_share": 0.3}}, "/module_types/0/prepay_share"),
        ({"module_types": [TYPE, TYPE | {"id": "l"}]}, "/module_types/1"),
        (
            {"module_types": [TYPE, TYPE | {"id": "l", "supply": 0}], "work": {"throughput": {"k": 0.07, "l": 0.07}}},
            "/module_types/1",
        ),
        ({"work": {"kind": "deferrable", "burst_factor": 1.2}}, "/workloads/0/burst_factor"),
        ({"work": {"window_hours": 8}}, "/workloads/0/window_hours"),
        (
            {"work": TRAIN | {"latency_ms": 20.0}, "network": {"latency_ms": {"bj": {"zw": 5}}}},
            "/workloads/0/latency_ms",
        ),
        ({"work": TRAIN | {"preemptible": True}}, "/workloads/0/preemptible"),
        ({"work": {"traffic_gb_per_unit_hour": 2}}, "/workloads/0/traffic_gb_per_unit_hour"),
        ({"work": {"minimum_service": 1}}, "/workloads/0/shortfall_cost"),
        ({"network": {"bandwidth_gbps": {"bj": {"zw": 5}}}}, "/network/bandwidth_gbps"),
        ({"tariffs": [*BASE["tariffs"], {"id": "u", "prices_per_kwh": {"flat": 0.5}}]}, "/tariffs/1"),
        (
            {"policy": {"carbon_price_per_tonne": 80}, "site": {"carbon_kg_per_kwh": 0}},
            "/policy/carbon_price_per_tonne",
        ),
        ({"policy": {"carbon_basis": "market"}}, "/policy/carbon_basis"),
        ({"policy": {"vendor_share_cap": {"v": 1}}, "kind": {"vendor": "v"}}, "/policy/vendor_share_cap/v"),
        ({"policy": {"resilience": {"workloads": []}}}, "/policy/resilience"),
        ({"horizon": {"commit_periods": 2}}, "/horizon/commit_periods"),
        (
            {"horizon": {"commit_periods": 1}, "risk": {"objective": {"kind": "quantile", "q": 0.8}}},
            "/horizon/commit_periods",
        ),
        ({"risk": {"objective": {"kind": "cvar", "alpha": 0.9, "weight": 0}}}, "/risk/objective"),
    ],
)
def test_a_field_that_changes_nothing_is_said(changes: dict[str, Any], pointer: str) -> None:
    assert kinds(case(**changes)) == [("no_effect", pointer)]


def test_windows_without_hours_of_a_day_are_said() -> None:
    tide = [
        {"id": "t", "prices_per_kwh": {"flat": 0.5, "valley": 0.3}, "windows": [{"band": "valley", "hours": [[0, 8]]}]}
    ]
    demand = {"days": [{"id": "a", "weight_days": [90, 91]}], "step_hours": [8, 8, 8], "futures": [series("w-bj")]}
    changes = {"demand": demand, "tariffs": tide, "work": {"kind": "deferrable", "window_hours": 8}}
    assert kinds(case(**changes)) == [
        ("no_effect", "/workloads/0/window_hours"),
        ("no_effect", "/tariffs/0/windows"),
    ]


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
