"""The smallest change of a request that cannot be met: written into the case as it is told, and planned."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import yaml

from forecasts.fault import Fault
from planner.case import Case
from planner.case.errors import InfeasibleError
from planner.planning import make_plan
from planner.solve import Limits
from tests.planner.explain.random_cases import at, random_case, written

EXACT = Limits(seconds=60, gap=1e-4)


def possible(document: dict[str, Any]) -> bool:
    try:
        make_plan(Case.model_validate(document), limits=EXACT)
    except InfeasibleError:
        return False
    return True


def changes(document: dict[str, Any]) -> dict[str, Fault]:
    """By pointer, what is told of a case that cannot be met."""
    with pytest.raises(InfeasibleError) as caught:
        make_plan(Case.model_validate(document), limits=EXACT)
    return {p.where: p for p in caught.value.faults}


def to_write(problem: Fault) -> Any:
    """The value that a change tells to write, read as a user would."""
    return yaml.safe_load(problem.allowed.partition("; write ")[2])


def alone(problem: Fault) -> bool:
    return problem.remedy == "this alone is enough: a plan was found with it"


def one_place(**policy: Any) -> dict[str, Any]:
    """One site, one type, ten units asked for in each of two periods, one module for a unit."""
    return {
        "meta": {"name": "one place", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": 2, "discount_rate": 0.0, "costing": "upfront"},
        "regions": [{"id": "r", "names": "R"}],
        "sites": [{"id": "s", "names": {"en": "South", "zh": "南"}, "power_mw": 5.0, "pue": 1.25,
                   "carbon_kg_per_kwh": 0.5, "green_share": 0.3}],
        "module_types": [{"id": "k", "names": "K", "vendor": "v", "cards": 1, "peak_pflops": 1.0, "power_peak_kw": 40.0,
                          "capex": 100}],
        "workloads": [{"id": "w", "names": "Work", "throughput": {"k": 1.0}, "shortfall_cost": 1000,
                       "minimum_service": 1.0}],
        "policy": policy,
        "demand": {"days": [{"id": "d", "weight_days": 90}], "step_hours": [24],
                   "futures": [{"series": [{"region": "r", "workload": "w", "values": 10}]}]},
    }  # fmt: skip


def test_a_minimum_order_above_the_supply_is_answered_in_both_fields() -> None:
    """Ten are needed at once; orders are of 14 at least and 9 can be had: 5 more, or orders of 9 and one unit less."""
    document = one_place()
    document["module_types"][0] |= {"min_order": 14, "supply": 9}
    document["demand"]["futures"][0]["series"][0]["values"] = 9
    told = changes(document)
    assert to_write(told["/module_types/0/supply"]) == [14, 9]
    assert "5 modules more" in told["/module_types/0/supply"].allowed
    assert to_write(told["/module_types/0/min_order"]) == 9
    assert all(alone(p) for p in told.values())
    zh = told["/module_types/0/supply"].told("zh-CN")
    assert zh.found == "K的供应量为9个模块（2027Q1）"
    assert "增加5个模块" in zh.allowed
    for pointer, problem in told.items():
        assert possible(written(document, pointer, to_write(problem))), problem


@pytest.mark.parametrize(
    ("policy", "site", "pointer", "value"),
    [
        # 10 modules of 40 kW at PUE 1.25 are 0.5 MW
        ({}, {"power_mw": 0.3}, "/sites/0/power_mw", 0.5),
        ({}, {"space_racks": 12}, "/sites/0/space_racks", 20),
        ({"budget": [700, 700]}, {}, "/policy/budget", [1000, 700]),
        # 0.5 MW for 90 days of 24 h at .5 t/MWh: 540 t
        ({"carbon_cap_tonnes": 400}, {}, "/policy/carbon_cap_tonnes", 540),
        ({"green_share_floor": 0.5}, {}, "/policy/green_share_floor", 0.3),
        ({"vendor_share_cap": {"v": 0.4}}, {}, "/policy/vendor_share_cap/v", 1),
        ({"domestic_share_floor": 0.2}, {}, "/policy/domestic_share_floor", 0),
    ],
)
def test_each_limit_is_told_in_its_own_field(
    policy: dict[str, Any], site: dict[str, Any], pointer: str, value: Any
) -> None:
    document = one_place(**policy)
    document["sites"][0] |= site
    document["module_types"][0]["racks"] = 2
    told = changes(document)
    assert to_write(told[pointer]) == pytest.approx(value)
    assert alone(told[pointer])
    for where, problem in told.items():
        assert possible(written(document, where, to_write(problem))), problem
        assert not {"scaled", "future", "alloc"} & set(problem.allowed.replace(";", " ").split())


def test_a_service_level_is_told_as_a_service_level() -> None:
    """Seven of ten can be served."""
    document = one_place()
    document["module_types"][0]["supply"] = 0
    document["fleet"] = [{"site": "s", "module_type": "k", "modules": 7}]
    told = changes(document)
    problem = told["/workloads/0/minimum_service"]
    assert to_write(problem) == pytest.approx(0.7)
    assert "30 percentage points less" in problem.allowed
    assert problem.told("zh").allowed.startswith("70%（降低 30 个百分点）")
    assert to_write(told["/module_types/0/supply"]) == [3, 0]


def test_a_floor_on_utilisation_is_told_as_what_the_work_can_keep_busy() -> None:
    """Twenty stand, ten are needed, .8 is asked for: half of them can be busy."""
    document = one_place(utilisation_floor=0.8)
    document["fleet"] = [{"site": "s", "module_type": "k", "modules": 20}]
    told = changes(document)
    assert to_write(told["/policy/utilisation_floor"]) == pytest.approx(0.5)
    assert alone(told["/policy/utilisation_floor"])


def test_a_lost_site_that_cannot_be_survived_is_named() -> None:
    document = one_place(resilience={"workloads": ["w"]})
    other = document["sites"][0] | {"id": "n", "names": {"en": "North", "zh": "北"}, "power_mw": 0.2}
    document["sites"].append(other)
    told = changes(document)
    assert "/policy/resilience/sites" in told
    assert to_write(told["/policy/resilience/sites"]) == ["n"]
    assert to_write(told["/sites/1/power_mw"]) == pytest.approx(0.5)
    assert "失去南" in told["/policy/resilience/sites"].told("zh").allowed


def test_sites_that_a_type_or_its_work_is_kept_to_are_named() -> None:
    """The only site with power is one that the type may not be ordered for, and that the work may not run at."""
    document = one_place()
    other = document["sites"][0] | {"id": "n", "names": {"en": "North", "zh": "北"}, "power_mw": 0}
    document["sites"].append(other)
    document["module_types"][0]["allowed_sites"] = ["n"]
    told = changes(document)["/module_types/0/allowed_sites"]
    assert alone(told)
    assert to_write(told) is None
    assert (told.found, told.told("zh").found) == ("K only at North", "K仅限北")
    for residency, pointer, value in (({}, "allowed_sites", None), ({"r": ["n"]}, "residency", {})):
        del document["module_types"][0]["allowed_sites"]
        work = document["workloads"][0]
        document["workloads"] = [work | {"residency": residency, "allowed_sites": None if residency else ["n"]}]
        told = changes(document)[f"/workloads/0/{pointer}"]
        assert alone(told)
        assert to_write(told) == value
        document["module_types"][0]["allowed_sites"] = ["s", "n"]


def test_two_kinds_that_are_both_in_the_way_are_told_together() -> None:
    """Neither power nor supply alone is enough; service is a contract that cannot move, nor can the rest."""
    document = one_place()
    document["sites"][0]["power_mw"] = 0.3
    document["module_types"][0]["supply"] = 8
    told = changes(document)
    alone_enough = {p for p, problem in told.items() if alone(problem)}
    assert "/sites/0/power_mw" not in alone_enough
    assert "/module_types/0/supply" not in alone_enough
    for pointer in alone_enough:
        assert possible(written(document, pointer, to_write(told[pointer])))


def test_a_target_with_several_limits_in_the_way_is_met_with_all_changes_together() -> None:
    """Without a service level, 12 PFLOPS are a must; power carries 6 and supply gives 8 in time."""
    document = one_place()
    del document["workloads"][0]["minimum_service"]
    document["policy"] = {"capacity_targets_eflops": [None, 0.02]}
    document["sites"][0]["power_mw"] = 0.3
    document["module_types"][0]["supply"] = 4
    told = changes(document)
    assert alone(told["/policy/capacity_targets_eflops"])
    assert to_write(told["/policy/capacity_targets_eflops"]) == [None, pytest.approx(0.006)]
    assert not any(alone(told[p]) for p in told if p != "/policy/capacity_targets_eflops")


def test_a_limit_that_can_be_kept_is_kept_however_cheap_its_slack_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack that costs next to nothing would leave the carbon cap and the service level broken; a plan keeps both."""
    from planner.program import serving

    def cheap(inst: Any) -> tuple[Any, Any]:
        return np.full(len(inst.case.workloads), 1e-9), np.full(3, 1e-9)

    document = one_place(carbon_cap_tonnes=540)
    document["module_types"][0]["capex"] = 1_000_000
    honest = make_plan(Case.model_validate(document), limits=EXACT)
    monkeypatch.setattr(serving, "hard_prices", cheap)
    plan = make_plan(Case.model_validate(document), limits=EXACT)
    assert plan.certificate["objective"] == pytest.approx(honest.certificate["objective"])
    assert not plan.summary["shortfall_any"]


def test_at_most_so_many_types_is_a_limit_like_others() -> None:
    """Work A runs on the one type, work B on the other; one type may stand at the only site."""
    document = one_place(max_module_types={"s": 1})
    document["module_types"].append(document["module_types"][0] | {"id": "m", "names": "M"})
    document["workloads"].append(document["workloads"][0] | {"id": "v", "names": "V", "throughput": {"m": 1.0}})
    series = document["demand"]["futures"][0]["series"]
    series.append(series[0] | {"workload": "v"})
    told = changes(document)
    assert to_write(told["/policy/max_module_types/s"]) == 2
    assert alone(told["/policy/max_module_types/s"])


@pytest.mark.parametrize("seed", range(100, 112))
def test_changes_of_random_cases_help_and_smaller_ones_do_not(seed: int) -> None:
    """A case with compulsory service is cut down until it cannot be met; every change told alone mends it, and four
    fifths of it do not."""
    document = random_case(seed)
    document["workloads"][0]["minimum_service"] = 0.9
    document["policy"]["budget"] = 4e6
    for site in document["sites"]:
        site["power_mw"] = round(site["power_mw"] / 4, 3)
    if possible(document):
        pytest.skip("can be met")
    for pointer, problem in changes(document).items():
        if not alone(problem):
            continue
        new = to_write(problem)
        assert possible(written(document, pointer, new)), problem
        old = at(document, pointer)
        listed = new if isinstance(new, list) else [new]
        before = old if isinstance(old, list) else [old] * len(listed)
        whole = all(isinstance(v, int) for v in [*listed, *before])
        less = [b + 0.8 * (n - b) for b, n in zip(before, listed, strict=True)]
        if whole:
            less = [int(n - np.sign(n - b)) for b, n in zip(before, listed, strict=True)]
        value: Any = less if isinstance(new, list) else less[0]
        assert not possible(written(document, pointer, json.loads(json.dumps(value)))), (problem, value)
