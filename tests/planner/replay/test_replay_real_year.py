"""A real year, hour by hour: the error of typical days is stated, and shrinks when the days they missed join them."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from planner.arrays import FloatArray
from planner.case import Case
from planner.demand import Demand, TypicalDays
from planner.demand.horizon import day_kind
from planner.planning import make_plan
from planner.replay import HourlyDemand, TypicalDayError, typical_day_error
from planner.solve import Limits

DATA = Path(os.environ.get("TIDEPLAN_DATA", Path(__file__).parents[4] / "shared" / "data")) / "akl_ped_a.csv.gz"


def a_case() -> Case:
    """Four quarters of 2024; two sites; people counted at three places stand for three regions' requests."""
    regions = ["a", "b", "c"]
    return Case.model_validate(
        {
            "meta": {"name": "real year", "as_of": "2024-01-01", "timezone": "Pacific/Auckland"},
            "horizon": {"start": "2024-01-01", "periods": 4},
            "regions": [{"id": r, "names": r} for r in regions],
            "sites": [
                {"id": "city", "names": "city", "power_mw": 5, "tariff": "t", "pue": 1.4},
                {"id": "south", "names": "south", "power_mw": 5, "tariff": "t", "pue": 1.2},
            ],
            "module_types": [
                {
                    "id": "m", "names": "m", "cards": 8, "peak_pflops": 1, "power_idle_kw": 3, "power_peak_kw": 9,
                    "capex": 3e4, "life_periods": 16, "opex": 100,
                }
            ],
            "workloads": [
                {
                    "id": "web", "names": "web", "throughput": {"m": 12}, "shortfall_cost": 0.6, "latency_ms": 10,
                    "traffic_gb_per_unit_hour": 0.01,
                },
                {"id": "index", "names": "index", "kind": "deferrable", "throughput": {"m": 12}, "shortfall_cost": 0.5},
            ],
            "network": {
                "latency_ms": {r: {"city": 2, "south": 20 if r == "a" else 8} for r in regions},
                "transfer_cost_per_gb": {"b": {"south": 0.5}},
            },
            "tariffs": [
                {
                    "id": "t", "names": "t", "prices_per_kwh": {"flat": 0.7, "valley": 0.3},
                    "windows": [{"band": "valley", "hours": [[0, 7]]}],
                }
            ],
        }
    )  # fmt: skip


def the_year() -> HourlyDemand:
    table = pd.read_csv(DATA, parse_dates=["timestamp"])
    table = table[table["timestamp"].dt.year == 2024]
    wide = table.pivot_table(index="timestamp", columns="series", values="value")
    wide = wide.reindex(pd.date_range("2024-01-01", "2024-12-31 23:00", freq="h")).interpolate(limit_direction="both")
    best = wide.sum().nlargest(3).index
    values = np.zeros((2, 3, 366, 24))
    values[0] = wide[best].to_numpy().T.reshape(3, 366, 24)
    values[1] = 0.2 * values[0]
    return HourlyDemand(date(2024, 1, 1), values)


def typical_days(case: Case, year: HourlyDemand, alone: tuple[tuple[int, int], ...]) -> Demand:
    """A mean workday and a mean weekend day for each quarter, and the days of `alone` as themselves."""
    T, D = 4, 2 + len(alone)
    values = np.zeros((1, 2, 3, T, D, 24))
    weight, calendar = np.zeros((T, D)), np.zeros((T, D, 12, 3))
    for t in range(T):
        first = case.horizon.period_start(t)
        groups: dict[int, list[int]] = {}
        for i in range(case.horizon.days(t)):
            own = [n for n, place in enumerate(alone) if place == (t, i)]
            day = first + timedelta(days=i)
            slot = 2 + own[0] if own else int(day.weekday() >= 5)
            groups.setdefault(slot, []).append((day - year.start).days)
            calendar[t, slot, day.month - 1, day_kind(day, case.meta.timezone)] += 1
        for slot, members in groups.items():
            values[0, :, :, t, slot] = year.values[:, :, members].mean(axis=2)
            weight[t, slot] = len(members)
    calendar /= np.maximum(weight, 1)[:, :, None, None]
    peak: FloatArray = values.sum(axis=(1, 2)).max(axis=(0, 2, 3))
    return Demand(np.ones(1), values, TypicalDays(("workday", "weekend", *map(str, alone)), weight, np.ones(24), calendar, True), peak, peak)  # fmt: skip # noqa: E501


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the open histories are not here")
def test_a_real_year_states_the_error_of_typical_days_and_the_missed_day_mends_it() -> None:
    case, year = a_case(), the_year()

    def round_with(alone: tuple[tuple[int, int], ...]) -> TypicalDayError:
        plan = make_plan(case, demand=typical_days(case, year, alone), limits=Limits(seconds=20))
        return typical_day_error(plan, year)

    first = round_with(())
    assert first.result.days == 366
    assert first.replayed_shortfall_pflops_hours > first.estimated_shortfall_pflops_hours
    assert first.cost > 0.01
    hours, service = first.result.tables["hours"], first.result.tables["service"]
    for ours, theirs in (("demand", "demand_unit_hours"), ("served", "served_unit_hours"), ("shortfall", "shortfall_unit_hours")):  # fmt: skip # noqa: E501
        assert hours[ours].sum() == pytest.approx(service[theirs].sum(), rel=1e-9)
    assert hours["demand"].sum() == pytest.approx(year.values.sum(), rel=1e-12)
    assert first.worst is not None
    errors, alone = [first.cost], list(first.missed.items())
    for _ in range(3):
        found = round_with(tuple(alone))
        errors.append(found.cost)
        assert not set(found.missed.items()) & set(alone)
        alone += found.missed.items()
    assert abs(errors[-1]) < 0.9 * abs(first.cost)
