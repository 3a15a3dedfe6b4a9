"""The adaptive walk on histories made by hand: what is committed when, and what it costs in the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from forecasts.outlook import SeriesKey
from planner.case import Case
from planner.case.errors import PlanError
from planner.case.file import case_from, dump_case
from planner.demand import Demand
from planner.demand.horizon import given_demand, outlook_demand
from planner.scenarios import JustInTime, Ratio, WaitAndSee
from planner.solve import Limits
from planner.walk.adaptive import adaptive_walk, compare_walks, later_demand
from planner.walk.hindsight import hours_that_came, measured, passed_start, set_back

EXACT = Limits(seconds=60, gap=1e-6, threads=1)
CAME = (10.0, 20.0, 30.0, 30.0)


def case() -> Case:
    """Four periods of one hour, one module type with a lead of one period; a phase of power that comes after one, too.

    Without the phase there is power for 25 modules.
    """
    return Case.model_validate(
        {
            "meta": {"name": "walk", "as_of": "2026-01-01", "timezone": "UTC"},
            "horizon": {"start": "2027-01-01", "periods": 4, "discount_rate": 0.0, "costing": "upfront"},
            "regions": [{"id": "r", "names": "r"}],
            "sites": [
                {
                    "id": "s",
                    "names": "s",
                    "power_mw": 0.025,
                    "phases": [{"mw": 0.1, "capex": 50.0, "lead_periods": 1, "max_count": 1}],
                }
            ],
            "module_types": [
                {
                    "id": "k",
                    "names": "k",
                    "cards": 1,
                    "peak_pflops": 1.0,
                    "power_idle_kw": 0.0,
                    "power_peak_kw": 1.0,
                    "capex": [10.0, 10.0, 9.0, 8.0],
                    "lead_periods": 1,
                }
            ],
            "fleet": [{"site": "s", "module_type": "k", "modules": 10}],
            "workloads": [{"id": "w", "names": "w", "throughput": {"k": 1.0}, "shortfall_cost": 100.0}],
            "network": {"latency_ms": {"r": {"s": 0.0}}},
            "demand": {
                "days": [{"id": "d", "weight_days": 1.0}],
                "step_hours": [1.0],
                "futures": [{"series": [{"region": "r", "workload": "w", "values": [[[v]] for v in CAME]}]}],
            },
        }
    )


def scaled(demand: Demand, factor: float) -> Demand:
    return replace(
        demand, values=demand.values * factor, p50_peak=demand.p50_peak * factor, p90_peak=demand.p90_peak * factor
    )


def test_a_forecaster_who_knows_walks_like_perfect_information() -> None:
    """10 more for 20, then the phase and 10 more at 9: 100 + 50 + 90."""
    truth = given_demand(case())
    walk = adaptive_walk(case(), lambda t: later_demand(truth, t), truth, JustInTime(), limits=EXACT)
    perfect = adaptive_walk(case(), lambda t: truth, truth, WaitAndSee(kind="wait_and_see"), limits=EXACT)
    assert walk.cost == pytest.approx(240.0)
    assert perfect.cost == pytest.approx(240.0)
    assert walk.steps["ordered_modules"].tolist() == [10, 10, 0, 0]
    assert walk.steps["ordered_capex"].tolist() == pytest.approx([100.0, 90.0, 0.0, 0.0])


def test_a_forecaster_who_sees_no_growth_is_always_late() -> None:
    """Each forecast is what stands today: orders come one period after the need, 20 - 10 and 30 - 20 unserved."""
    truth = given_demand(case())

    def flat(t: int) -> Demand:
        left = later_demand(truth, t)
        values = np.broadcast_to(left.values[:, :, :, :1], left.values.shape).copy()
        # the course follows what is forecast, not the truth that it was cut from
        return replace(
            left, course=None, values=values, p50_peak=np.full(4 - t, CAME[t]), p90_peak=np.full(4 - t, CAME[t])
        )

    table, walks = compare_walks(
        case(), flat, truth, {"jit": JustInTime(), "ahead": Ratio(kind="ratio", ratio=2.0)}, limits=EXACT
    )
    late = walks["jit"]
    assert late.steps["ordered_modules"].tolist() == [0, 10, 10, 0]
    # 10 unserved at 100 in periods 1 and 2; 10 modules at 9 and 10 at 8, and the phase
    assert late.cost == pytest.approx(2 * 10 * 100 + 90 + 80 + 50)
    # twice today's need each time: 20 in period 1, 40 in 2, 60 in 3: all served
    assert walks["ahead"].steps["ordered_modules"].tolist() == [10, 20, 20, 0]
    assert walks["ahead"].cost == pytest.approx(100 + 180 + 160 + 50)
    assert table["rule"].tolist() == ["ahead", "jit"]
    assert table["shortfall_cost"].tolist() == pytest.approx([0.0, 2000.0])


def test_a_forecaster_who_sees_too_much_pays_for_idle_modules() -> None:
    truth = given_demand(case())
    walk = adaptive_walk(case(), lambda t: scaled(later_demand(truth, t), 1.2), truth, JustInTime(), limits=EXACT)
    assert walk.cost > 240.0
    assert walk.plan.summary["cost_by_term"]["shortfall"] == 0.0


def test_measured_demand_keeps_volume_and_peak() -> None:
    hours = np.abs(np.random.default_rng(3).normal(10, 3, size=(1, 53 * 168)))
    base = case()
    wide = base.model_copy(update={"demand": None})
    outlook = measured([SeriesKey("r", "w")], hours, datetime(2026, 12, 28), "UTC")
    demand = outlook_demand(wide, outlook)
    kept = (demand.values * demand.days.weight[:, :, None]).sum()
    assert kept == pytest.approx(hours[0, 4 * 24 : (4 + 365) * 24].sum(), rel=1e-9)
    assert demand.values.max() == pytest.approx(hours[0, 4 * 24 : (4 + 365) * 24].max())


def test_a_case_set_back_keeps_its_own_periods_and_moves_its_fleet() -> None:
    base = dump_case(case())
    base["fleet"].append(
        {"site": "s", "module_type": "k", "modules": 3, "online": "2027-04-01", "retire": "2028-01-01"}
    )
    back = set_back(case_from(base), date(2025, 10, 1), 3)
    assert (back.horizon.start, back.horizon.end, back.horizon.periods) == (date(2025, 10, 1), date(2026, 7, 1), 3)
    assert back.module_types[0].capex == [10.0, 10.0, 9.0]
    assert [(f.online, f.retire) for f in back.fleet][1] == (date(2026, 1, 1), date(2026, 10, 1))
    with pytest.raises(PlanError) as caught:
        set_back(case(), date(2027, 2, 15), 9)
    assert {p.where for p in caught.value.faults} == {"periods", "start"}


def test_a_commitment_beyond_the_periods_set_back_to_asks_nothing_of_them() -> None:
    """What is signed keeps its prices there; what is not signed would be for nothing, and is left out."""
    base = dump_case(case())
    terms = {
        "module_types": ["k"],
        "commitment": 9,
        "shortfall_price": 5,
        "breaks": [{"from_modules": 2, "discount": 0.1}],
    }
    for signed, last, kept in ((True, None, [(0, 2)]), (False, None, []), (True, 1, [(9, 1)])):
        base["agreements"] = [{"id": "f", **terms, "signed": signed, "last": last}]
        back = set_back(case_from(base), date(2025, 10, 1), 3)
        assert [(one.commitment, one.last) for one in back.agreements] == kept


def test_the_last_whole_periods_of_a_history() -> None:
    assert passed_start(case(), date(2026, 9, 30), 2) == date(2026, 4, 1)
    assert passed_start(case(), date(2026, 10, 30), 2) == date(2026, 4, 1)  # October is under way


def test_hours_that_came_are_filled_with_their_hour_of_the_week() -> None:
    own = set_back(case(), date(2026, 1, 1), 1)
    index = pd.date_range("2025-12-01", "2026-03-31 23:00", freq="h")
    values = (10.0 + index.hour.to_numpy() + 100.0 * (index.dayofweek.to_numpy() == 2))[None]
    gap = int(np.flatnonzero(index == pd.Timestamp("2026-01-14 05:00"))[0])  # a Wednesday
    broken = values.copy()
    broken[0, gap] = np.nan
    hours, monday, filled = hours_that_came(own, index, broken)
    assert filled == 1
    assert monday == datetime(2025, 12, 29)
    assert hours.shape[1] % 168 == 0
    at = int((pd.Timestamp("2026-01-14 05:00") - pd.Timestamp(monday)) / pd.Timedelta(hours=1))
    assert hours[0, at] == pytest.approx(115.0)
    with pytest.raises(PlanError, match="history"):
        hours_that_came(own, index[:-24], values[:, :-24])
