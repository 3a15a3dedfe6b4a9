"""Prices against plans made again by hand: a number of the case changed by one unit, the case planned anew."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planner.case import Case
from planner.case.errors import InfeasibleError
from planner.explain.prices import Prices, shadow_prices
from planner.plan import Plan
from planner.planning import make_plan
from planner.solve import Limits
from planner.words.wording import wording
from tests.planner.explain.random_cases import at, random_case, written

EXACT = Limits(seconds=60, gap=1e-6)


def planned(document: dict[str, Any]) -> Plan:
    return make_plan(Case.model_validate(document), limits=EXACT)


def cost(document: dict[str, Any]) -> float:
    """Cost of the best plan; infinite where there is none."""
    try:
        return float(planned(document).certificate["objective"])
    except InfeasibleError:
        return math.inf


def listed(value: Any, periods: int) -> list[float]:
    return list(value) if isinstance(value, list) else [value] * periods


@pytest.mark.parametrize("seed", range(20))
def test_every_price_is_what_a_case_with_one_unit_more_costs_less(seed: int) -> None:
    document = random_case(seed)
    plan = planned(document)
    base = float(plan.certificate["objective"])
    slack = 2e-5 * base
    prices = shadow_prices(plan, seconds=120)
    assert prices.way == "whole"
    assert prices.untried == 0
    for row in prices.rows.to_dict("records"):
        more = written(document, row["pointer"], json.loads(row["written"]))
        if row["with_pointer"]:
            assert cost(more) == pytest.approx(base, abs=slack), "neither is worth anything by itself"
            more = written(more, row["with_pointer"], json.loads(row["with_written"]))
        assert base - cost(more) == pytest.approx(row["price"], abs=slack), row["sentence"]
        assert row["price"] > 0
        assert row["least"] - slack <= row["price"] <= row["most"] + slack
        if math.isnan(row["less"]):
            continue
        before, after = at(document, row["pointer"]), json.loads(row["written"])
        before = before if isinstance(after, list) == isinstance(before, list) else listed(before, 2)
        tighter = (2 * np.array(before) - np.array(after)).tolist()
        assert cost(written(document, row["pointer"], tighter)) - base == pytest.approx(row["less"], abs=slack)


@pytest.mark.parametrize("seed", range(20, 26))
def test_what_is_not_shown_is_worth_nothing(seed: int) -> None:
    """One unit more of any power, supply or budget that has no price saves nothing."""
    document = random_case(seed)
    plan = planned(document)
    base = float(plan.certificate["objective"])
    prices = shadow_prices(plan, seconds=120)
    assert prices.untried == 0
    shown = set(prices.rows["pointer"]) | set(prices.rows["with_pointer"])
    opened = set(plan.tables["openings"]["site"])
    fields = [(f"/sites/{i}/power_mw", 1.0) for i, s in enumerate(document["sites"])
              if s.get("status") != "candidate" or s["id"] in opened]  # fmt: skip
    fields += [(f"/module_types/{k}/supply", 1) for k in range(2)]
    if "budget" in document["policy"]:
        fields.append(("/policy/budget", 0.01 * document["policy"]["budget"]))
    for pointer, step in fields:
        if pointer not in shown:
            for t in range(2):
                values = listed(at(document, pointer), 2)
                values[t] += step
                assert base - cost(written(document, pointer, values)) <= 4e-5 * base, (pointer, t)


def test_a_binding_carbon_cap_has_the_price_of_the_work_it_stops() -> None:
    """One module of 50 kW at PUE 1.2 and .4 kg/kWh emits 24 kg an hour; a unit-hour unserved costs 3: 125 a tonne."""
    document = one_module()
    document["policy"] = {"carbon_cap_tonnes": 30.0}
    prices = shadow_prices(planned(document))
    assert list(prices.rows["family"]) == ["carbon_cap"]
    (row,) = prices.rows.to_dict("records")
    assert row["price"] == pytest.approx(125, rel=1e-6)
    assert row["less"] == pytest.approx(125, rel=1e-6)
    assert row["sentence"] == (
        "carbon cap in 2027Q1 (/policy/carbon_cap_tonnes): 1 t more is worth 125 CNY; 1 t less costs as much."
    )
    assert "碳排放上限（2027Q1）（/policy/carbon_cap_tonnes）" in row["sentence_zh"]


def one_module(**site: Any) -> dict[str, Any]:
    """One site for one module, one unit of work all day, all in one step of a day that stands for sixty."""
    return {
        "meta": {"name": "one", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": 1, "discount_rate": 0.0, "costing": "upfront"},
        "regions": [{"id": "r", "names": "R"}],
        "sites": [{"id": "s", "names": {"en": "South", "zh": "南"}, "power_mw": 0.06, "pue": 1.2,
                   "carbon_kg_per_kwh": 0.4, **site}],
        "module_types": [{"id": "k", "names": "K", "cards": 1, "peak_pflops": 1, "power_peak_kw": 50, "capex": 1}],
        "workloads": [{"id": "w", "names": "W", "throughput": {"k": 1.0}, "shortfall_cost": 3}],
        "demand": {"days": [{"id": "d", "weight_days": 60}], "step_hours": [24],
                   "futures": [{"series": [{"region": "r", "workload": "w", "values": 1}]}]},
    }  # fmt: skip


def test_limits_that_bind_together_are_named_together() -> None:
    """Forty units are asked for; power and supply stop at one module each: neither helps without the other."""
    document = one_module()
    document["module_types"][0]["supply"] = 1
    document["demand"]["futures"][0]["series"][0]["values"] = 2
    prices = shadow_prices(planned(document))
    (row,) = prices.rows.to_dict("records")
    assert {row["pointer"], row["with_pointer"]} == {"/sites/0/power_mw", "/module_types/0/supply"}
    assert row["price"] == pytest.approx(60 * 24 * 3 - 1)
    assert "bind together" in row["sentence"]
    assert "共同约束" in row["sentence_zh"]


def test_a_site_that_is_not_opened_has_no_price() -> None:
    """Opening would cost more than all the work is worth; a megawatt there is worth nothing that could be had."""
    document = one_module()
    far = {"id": "far", "names": "Far", "status": "candidate", "opening_cost": 1e6, "power_mw": 0.5, "pue": 1.1}
    document["sites"].append(far)
    document["demand"]["futures"][0]["series"][0]["values"] = 2
    prices = shadow_prices(planned(document))
    assert set(prices.rows["site"]) == {"s"}
    linear = shadow_prices(planned(document), whole=False)
    assert "far" not in set(linear.rows["site"])


def test_where_nothing_binds_that_is_said_and_no_number(small: Callable[..., dict[str, Any]]) -> None:
    document = one_module(power_mw=5.0)
    prices = shadow_prices(planned(document))
    assert prices.rows.empty
    assert prices.heading(wording("en")).startswith("No limit is worth anything")
    assert prices.heading(wording("zh")).startswith("没有约束具有价值")


def test_without_time_nothing_is_claimed() -> None:
    """No time at all: what was not tried is counted, and no number is shown."""
    plan = planned(random_case(0))
    prices: Prices = shadow_prices(plan, seconds=1e-3, whole=False)
    assert prices.rows.empty
    assert prices.untried > 0
    assert str(prices.untried) in prices.heading(wording("en"))
    assert "not settled" in prices.heading(wording("en"))


@pytest.mark.parametrize("seed", [1, 4, 9])
def test_prices_of_a_linear_program_are_changes_of_its_optimum_through_the_case(seed: int) -> None:
    from planner.explain.worth import Fractional

    document = random_case(seed)
    plan = planned(document)
    prices = shadow_prices(plan, whole=False, seconds=60)
    assert prices.way == "fractions"
    way = Fractional(plan, time.monotonic() + 600)
    for row in prices.rows.to_dict("records"):
        more = written(document, row["pointer"], json.loads(row["written"]))
        if row["with_pointer"]:
            more = written(more, row["with_pointer"], json.loads(row["with_written"]))
        value = way.value(Case.model_validate(more))
        assert way.base.cost - value.cost == pytest.approx(row["price"], rel=1e-6, abs=1e-6 * way.base.cost)
