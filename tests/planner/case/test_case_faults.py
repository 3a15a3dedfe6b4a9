"""Bad cases: each gets every fault at once, with the place, what was found and what is allowed."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from forecasts.fault import Fault
from planner.case import Case
from planner.case.fault import faults_of
from planner.case.file import CaseError, case_from


def sound() -> dict[str, Any]:
    """A small sound case: two regions, two sites, two types, an online and a training workload, given demand."""
    return {
        "meta": {"name": "sound", "as_of": "2026-11-22"},
        "horizon": {"start": "2027-01-01", "periods": 2},
        "regions": [
            {"id": "bj", "names": "Beijing", "lat": 39.9042, "lon": 116.4074},
            {"id": "sh", "names": "Shanghai", "lat": 31.2304, "lon": 121.4737},
        ],
        "sites": [
            {"id": "zw", "names": "Zhongwei", "lat": 37.6368, "lon": 105.3468, "power_mw": 5, "pue": 1.15},
            {"id": "hl", "names": "Huailai", "lat": 40.3248, "lon": 115.8193, "power_mw": [5, 6], "pue": 1.2},
        ],
        "module_types": [
            {
                "id": "a",
                "names": "A",
                "vendor": "va",
                "cards": 64,
                "peak_pflops": 0.3,
                "power_peak_kw": 50,
                "capex": 6e6,
            },
            {"id": "b", "names": "B", "vendor": "vb", "cards": 64, "peak_pflops": 1, "power_peak_kw": 90, "capex": 2e7},
        ],
        "fleet": [{"site": "zw", "module_type": "a", "modules": 4}],
        "workloads": [
            {
                "id": "chat",
                "names": "Chat",
                "latency_ms": 30,
                "throughput": {"a": 0.1, "b": 0.3},
                "shortfall_cost": 500,
            },
            {
                "id": "train",
                "names": "Train",
                "kind": "training",
                "gang_cards": 128,
                "throughput": {"b": 0.4},
                "shortfall_cost": 40,
            },
        ],
        "demand": {
            "days": [{"id": "day", "weight_days": [90, 91]}],
            "futures": [
                {
                    "id": "base",
                    "series": [
                        {"region": "bj", "workload": "chat", "values": 5},
                        {"region": "sh", "workload": "chat", "values": [float(h) for h in range(24)]},
                        {"region": "bj", "workload": "train", "values": 2},
                    ],
                }
            ],
        },
    }


def faults(document: dict[str, Any]) -> list[str]:
    with pytest.raises(CaseError) as caught:
        case_from(document)
    return [str(fault) for fault in caught.value.faults]


def changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(sound())
    place: Any = document
    *parents, last = path.split("/")[1:]
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    if isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return document


def test_the_sound_case_is_sound() -> None:
    assert Case.model_validate(sound()).sites[1].power_mw == [5.0, 6.0]


CASES: list[tuple[str, str, Any, list[str]]] = [
    (
        "duplicate id",
        "/sites/1/id",
        "zw",
        [
            "/sites/1/id: found the id zw again (first at entry 0); allowed: every id once",
        ],
    ),
    (
        "unknown region",
        "/demand/futures/0/series/0/region",
        "gz",
        ["/demand/futures/0/series/0/region: found the unknown region gz; allowed: one of bj, sh"],
    ),
    (
        "unknown site of the fleet",
        "/fleet/0/site",
        "gy",
        ["/fleet/0/site: found the unknown site gy; allowed: one of hl, zw"],
    ),
    (
        "unknown type",
        "/workloads/0/throughput",
        {"a": 1.0, "c": 1.0},
        ["/workloads/0/throughput/c: found the unknown module type c; allowed: one of a, b"],
    ),
    (
        "unknown tariff",
        "/sites/0/tariff",
        "ningxia",
        ["/sites/0/tariff: found the unknown tariff ningxia; allowed: no tariffs is defined"],
    ),
    (
        "unknown vendor",
        "/policy/vendor_share_cap",
        {"vc": 0.5},
        ["/policy/vendor_share_cap/vc: found the unknown vendor vc; allowed: one of va, vb"],
    ),
    (
        "unknown residency",
        "/workloads/0/residency",
        {"gz": ["zw"], "bj": ["zw", "xx"]},
        [
            "/workloads/0/residency/gz: found the unknown region gz; allowed: one of bj, sh",
            "/workloads/0/residency/bj/1: found the unknown site xx; allowed: one of hl, zw",
        ],
    ),
    (
        "list of the wrong length",
        "/sites/1/power_mw",
        [5, 6, 7],
        [
            "/sites/1/power_mw: found 3 numbers for 2 periods; allowed: one number for all periods, or 2 numbers",
        ],
    ),
    (
        "lead time longer than the horizon",
        "/module_types/0/lead_periods",
        2,
        [
            "/module_types/0/lead_periods: found 2 periods, so that nothing ordered can arrive in the "
            "2 periods of the horizon; "
            "allowed: 0 to 1, or supply: 0 for a type that is not ordered"
        ],
    ),
    (
        "a workload that nothing can run",
        "/workloads/1/throughput",
        {},
        [
            "/workloads/1/throughput: found no module type that can run the workload train; "
            "allowed: at least one of the module types a, b"
        ],
    ),
    (
        "a region that no site reaches in time",
        "/workloads/0/latency_ms",
        16,
        [
            "/workloads/0/latency_ms: found no site that may serve chat within 16 ms in sh "
            "(nearest hl, 17 ms round trip); "
            "allowed: a latency limit, residency and allowed sites that leave every region with demand "
            "at least one site"
        ],
    ),
    (
        "missing coordinates",
        "/sites/0/lat",
        None,
        [
            "/sites/0/lat: found no lat for zw, whose latency is needed and not given; "
            "allowed: coordinates in degrees, or every latency of it in /network/latency_ms"
        ],
    ),
    (
        "no power for the fleet",
        "/sites/0/power_mw",
        [0.1, 0.3],
        [
            "/sites/0/power_mw: found 0.1 MW at zw with every phase that can have arrived, where the standing fleet "
            "takes 0.23 MW (period 0; 0.13 MW too little); allowed: at least 0.23 MW, a smaller fleet, or rows of it "
            "that may leave (may_retire, may_move_to)"
        ],
    ),
    (
        "fleet at a candidate",
        "/sites/0/status",
        "candidate",
        [
            "/sites/0/status: found candidate for zw, where modules of the fleet stand; "
            "allowed: existing, or no fleet there"
        ],
    ),
    (
        "probabilities",
        "/demand/futures/0/probability",
        0.4,
        [
            "/demand/futures: found probabilities 0.4 that add up to 0.4; allowed: probabilities that add up to 1",
        ],
    ),
    (
        "shape of given demand",
        "/demand/futures/0/series/1/values",
        [1.0, 2.0],
        [
            "/demand/futures/0/series/1/values: found 2 entries; allowed: 24 steps in the form [steps]",
        ],
    ),
    (
        "shape of given demand by period",
        "/demand/futures/0/series/1/values",
        [[[1.0] * 24], [[1.0] * 23]],
        [
            "/demand/futures/0/series/1/values/1/0: found 23 entries; "
            "allowed: 24 steps in the form [periods][days][steps]",
        ],
    ),
    (
        "negative demand",
        "/demand/futures/0/series/0/values",
        -1,
        [
            "/demand/futures/0/series/0/values: found -1; allowed: at least 0 or a list",
        ],
    ),
    (
        "not a number",
        "/demand/futures/0/series/0/values",
        float("nan"),
        [
            "/demand/futures/0/series/0/values: found nan; allowed: a finite number or a list",
        ],
    ),
    (
        "time zone",
        "/meta/timezone",
        "Asia/Beijing",
        [
            "/meta/timezone: found 'Asia/Beijing'; "
            "allowed: a name of the IANA time zone database, such as Asia/Shanghai",
        ],
    ),
    (
        "start inside a month",
        "/horizon/start",
        "2027-01-15",
        [
            "/horizon/start: found 2027-01-15; allowed: the first day of a month",
        ],
    ),
    (
        "resilience of training",
        "/policy/resilience",
        {"workloads": ["train"]},
        ["/policy/resilience/workloads/0: found train, which is training; allowed: online workloads: chat"],
    ),
    (
        "a share in per cent",
        "/policy/domestic_share_floor",
        50,
        [
            "/policy/domestic_share_floor: found 50; allowed: a share from 0 to 1 (not a percentage)",
        ],
    ),
    (
        "crossed range",
        "/policy/build_ahead",
        {"minimum": 1.5, "maximum": [2, 1.2]},
        [
            "/policy/build_ahead: found minimum 1.5 above maximum 1.2 in period 1; "
            "allowed: a minimum of at most the maximum",
        ],
    ),
    (
        "unknown field",
        "/sites/0/power_kw",
        5000,
        [
            "/sites/0/power_kw: found the unknown field power_kw; allowed: power_mw",
        ],
    ),
    (
        "text for a number",
        "/workloads/0/shortfall_cost",
        "500",
        [
            "/workloads/0/shortfall_cost: found '500'; allowed: a number "
            "(in decimal, such as 200, 0.5 or 2e7, and without quotes; this is text)",
        ],
    ),
    (
        "mapping",
        "/history_mapping",
        [{"series": "x", "workload": "chatt", "scale": 1}],
        [
            "/history_mapping/0/workload: found the unknown workload chatt; allowed: one of chat, train",
            "/history_mapping/0: found neither region nor share; allowed: exactly one of region and share",
        ],
    ),
]


@pytest.mark.parametrize(("what", "path", "value", "expected"), CASES, ids=[c[0] for c in CASES])
def test_one_fault_gives_one_complete_answer(what: str, path: str, value: Any, expected: list[str]) -> None:
    assert faults(changed(path, value)) == expected


def test_no_power_anywhere() -> None:
    document = sound()
    document["fleet"] = []
    for site in document["sites"]:
        site["power_mw"] = 0
    assert faults(document) == [
        "/sites: found no power in any period and no phase at any of the 2 sites; "
        "allowed: power_mw above 0, a phase, or a lease that brings its own power"
    ]
    for kind in document["module_types"]:
        kind["power_peak_kw"] = 0
    assert Case.model_validate(document)


def campaign(**fields: Any) -> dict[str, Any]:
    job = {"id": "c", "names": "C", "gang_cards": 128, "card_days": 1000, "due": 1, "speed": {"b": 1.0}, **fields}
    return sound() | {"campaigns": [job]}


def test_campaigns() -> None:
    assert Case.model_validate(campaign())
    assert faults(campaign(due=2)) == [
        "/campaigns/0/due: found period 2, after the last period 1; allowed: 0 to 1",
    ]
    assert faults(campaign(card_days=30000, earliest=1)) == [
        "/campaigns/0/card_days: found 30000, while 128 cards at speed 1 do 11648 in the 91 days from earliest to due; "
        "allowed: at most 11648, a larger gang, a faster type or more periods"
    ]
    for more in ({}, {"value": 1e6}):  # one that may stay unfinished never begins, either
        assert faults(campaign(gang_cards=10000, **more)) == [
            "/campaigns/0/gang_cards: found 10000 cards, while no site can hold more than 3520 of them: "
            "hl (6 MW with every phase, b); allowed: at most 3520 cards, or more power and space"
        ]


def test_no_site_at_all_is_no_list_of_sites() -> None:
    for name in ("module_types", "workloads", "campaigns"):
        document = campaign()
        document[name] = [{**document[name][0], "allowed_sites": []}, *document[name][1:]]
        assert f"/{name}/0/allowed_sites" in {one.partition(":")[0] for one in faults(document)}


def test_a_gang_may_stand_where_its_type_is_not_to_be_ordered_but_stands_moves_or_is_leased() -> None:
    document = copy.deepcopy(GANG)
    document["module_types"][0]["allowed_sites"] = ["small"]
    document["fleet"] = [{"site": "small", "module_type": "k", "modules": 25, "may_move_to": ["large"]}]
    lease = {"id": "x", "supplier": "X", "site": "large", "module_type": "k", "price_per_module_period": 1,
             "uses_site_power": True}  # fmt: skip
    document["leases"] = [lease | {"maximum_modules": 25}]
    assert Case.model_validate(document)
    document["leases"] = [lease | {"maximum_modules": 24}]
    assert "490 of them: large (49 modules that stand, move or are leased there" in faults(document)[0]


GANG = {
    "meta": {"name": "gang", "as_of": "2026-11-22"},
    "horizon": {"start": "2027-01-01", "periods": 2},
    "regions": [{"id": "r", "names": "R"}],
    "sites": [
        {"id": "small", "names": "S", "power_mw": 0.5},
        {"id": "large", "names": "L", "power_mw": [1, 2], "pue": 1.25, "space_racks": 100},
    ],
    "module_types": [
        {"id": "k", "names": "K", "cards": 10, "peak_pflops": 0.3, "power_peak_kw": 20, "capex": 1e6, "racks": 2}
    ],
    "workloads": [{"id": "w", "names": "W", "kind": "training", "gang_cards": 500, "throughput": {"k": 0.07}}],
}


@pytest.mark.parametrize(
    ("path", "value", "most"),
    [
        ("workloads/0/gang_cards", 500, None),  # 50 modules x 20 kW x 1.25 = 1.25 MW, in 100 racks
        ("workloads/0/gang_cards", 501, "500 of them: large (100 racks with every phase, k)"),
        ("sites/1/space_racks", None, None),
        ("sites/1/power_mw", 1, "400 of them: large (1 MW with every phase, k)"),
        ("workloads/0/allowed_sites", ["small"], "250 of them: small (0.5 MW with every phase, k)"),
        ("module_types/0/availability", 0.9, "450 of them: large (100 racks with every phase, k)"),
        ("module_types/0/allowed_sites", ["small"], "250 of them: small (0.5 MW with every phase, k)"),
    ],
)
def test_a_gang_must_fit_one_site(path: str, value: object, most: str | None) -> None:
    document = copy.deepcopy(GANG)
    *parents, last = path.split("/")
    place: Any = document
    for part in parents:
        place = place[int(part) if part.isdigit() else part]
    place[last] = value
    if most is None:
        assert Case.model_validate(document)
        return
    (found,) = faults(document)
    assert found.startswith("/workloads/0/gang_cards: ")
    assert f"while no site can hold more than {most}" in found


def test_what_cannot_be_held_may_be_rented() -> None:
    rent = {"id": "l", "site": "small", "module_type": "k", "price_per_module_period": 1, "maximum_modules": 30}
    document = GANG | {"leases": [rent], "workloads": [{**GANG["workloads"][0], "gang_cards": 550}]}
    assert Case.model_validate(document)
    (found,) = faults(document | {"leases": [rent | {"uses_site_power": True}]})
    assert "while no site can hold more than 500" in found


def test_given_latencies_stand_in_for_coordinates() -> None:
    document = sound()
    for site in document["sites"]:
        del site["lat"], site["lon"]
    assert [m.split(":")[0] for m in faults(document)] == ["/sites/0/lat", "/sites/1/lat"]
    latency = {"bj": {"zw": 12, "hl": 1}, "sh": {"zw": 25, "hl": 40}}
    assert Case.model_validate(document | {"network": {"latency_ms": latency}})


def test_a_region_without_demand_need_not_be_reached() -> None:
    document = changed("/workloads/0/latency_ms", 16)
    document["demand"]["futures"][0]["series"].pop(1)
    assert Case.model_validate(document)


def test_many_faults_of_all_kinds_come_at_once() -> None:
    document = sound()
    document["horizon"]["start"] = "2027-01-02"
    document["sites"][0] |= {"power_mw": "five", "tariff": "x"}
    document["module_types"][0] |= {"power_idle_kw": 60, "lead_periods": 9}
    document["module_types"][1]["id"] = "a"
    document["workloads"][1]["gang_cards"] = None
    document["demand"]["futures"][0]["probability"] = 0.5
    document["surprise"] = 1
    del document["meta"]["name"]
    places = [message.split(": found")[0] for message in faults(document)]
    assert sorted(places) == sorted(
        [
            "/meta/name",
            "/surprise",
            "/sites/0/power_mw",
            "/module_types/0",
            "/workloads/1",
            "/horizon/start",
            "/sites/0/tariff",
            "/module_types/0/lead_periods",
            "/module_types/1/id",
            "/workloads/0/throughput/b",
            "/workloads/1/throughput/b",
            "/workloads/1/throughput",
            "/demand/futures",
        ]
    )


def test_a_broken_site_causes_no_false_second_fault() -> None:
    document = changed("/sites/1/power_mw", "lots")
    document["workloads"][0]["latency_ms"] = 20
    assert [m.split(":")[0] for m in faults(document)] == ["/sites/1/power_mw"]


def test_faults_keep_their_place_inside_a_larger_document() -> None:
    class Request(BaseModel):
        case: Case

    body = {"case": changed("/fleet/0/site", "gy") | {"surprise": 1}}
    with pytest.raises(ValidationError) as caught:
        Request.model_validate(body)
    assert {f.where for f in faults_of(caught.value, body)} == {"/case/fleet/0/site", "/case/surprise"}


def test_json_and_objects_are_checked_alike() -> None:
    document = changed("/fleet/0/site", "gy")
    for attempt in (
        lambda: Case.model_validate(document),
        lambda: Case.model_validate_json(json.dumps(document)),
        lambda: Case(**document),
    ):
        with pytest.raises(ValidationError, match="unknown site gy"):
            attempt()


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4), st.lists), st.data())
def test_any_value_anywhere_is_taken_or_refused_but_never_crashes(value: Any, data: st.DataObject) -> None:
    document = sound()
    place: Any = document
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
        else:
            place[key] = value
            break
    told: list[Fault] | None = None
    try:
        Case.model_validate(document)
    except ValidationError as error:
        told = faults_of(error, document)
    assert told != []
