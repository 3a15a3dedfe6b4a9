"""Replays with known answers, against one linear programme over all hours, and sums that must agree."""

from __future__ import annotations

import copy
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from planner.case import Case
from planner.case.errors import PlanError
from planner.demand import Demand
from planner.plan import Plan
from planner.plan.tables import TABLES
from planner.replay import HourlyDemand, from_table, replay, typical_day_error
from planner.solve.native import Incremental, Outcome

START = date(2026, 1, 1)
PRICE = np.where(np.arange(24) < 8, 0.2, 0.8)


def document(**more: Any) -> dict[str, Any]:
    """One site "near" and a cheaper one "far"; a card serves one unit; 10 kW when busy, 4 when idle."""
    base: dict[str, Any] = {
        "meta": {"name": "replay", "as_of": "2026-01-01"},
        "horizon": {"start": "2026-01-01", "periods": 1, "months_per_period": 1, "discount_rate": 0.0},
        "regions": [{"id": "r", "names": "r"}, {"id": "q", "names": "q"}],
        "sites": [
            {"id": "near", "names": "near", "power_mw": 9, "tariff": "night", "pue": 1.5},
            {"id": "far", "names": "far", "power_mw": 9, "tariff": "night", "pue": 1.1},
        ],
        "module_types": [
            {
                "id": "m", "names": "m", "cards": 1, "peak_pflops": 1, "power_idle_kw": 4, "power_peak_kw": 10,
                "capex": 100, "opex": 3,
            }
        ],
        "fleet": [
            {"site": "near", "module_type": "m", "modules": 6}, {"site": "far", "module_type": "m", "modules": 4}
        ],
        "workloads": [
            {"id": "chat", "names": "chat", "throughput": {"m": 1}, "shortfall_cost": 500, "latency_ms": 20},
            {
                "id": "batch", "names": "batch", "kind": "deferrable", "throughput": {"m": 1}, "window_hours": 6,
                "shortfall_cost": 100,
            },
            {
                "id": "train", "names": "train", "kind": "training", "throughput": {"m": 1}, "gang_cards": 2,
                "preemptible": True, "max_yield_share": 0.5, "shortfall_cost": 9,
            },
        ],
        "network": {
            "latency_ms": {"r": {"near": 5, "far": 50}, "q": {"near": 15, "far": 10}},
            "transfer_cost_per_gb": {"q": {"far": 0.5}},
        },
        "tariffs": [
            {
                "id": "night", "names": "night", "prices_per_kwh": {"flat": 0.8, "valley": 0.2},
                "windows": [{"band": "valley", "hours": [[0, 8]]}],
            }
        ],
    }  # fmt: skip
    out = copy.deepcopy(base)
    out.update(more)
    return out


def tables(**rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Plan tables with only these rows; columns that a row leaves out are 0 or empty."""
    out = {}
    for name, table in TABLES.items():
        records = rows.get(name, [])
        empty = {c.name: 0 if c.kind in ("integer", "number") else "" for c in table.columns}
        data = {column: [x.get(column, value) for x in records] for column, value in empty.items()}
        out[name] = table.frame(data)
    return out


def course(days: int, **by_pair: Any) -> HourlyDemand:
    """Demand by "workload_region": anything that broadcasts to (days, 24)."""
    names = {"chat": 0, "batch": 1, "train": 2}
    values = np.zeros((3, 2, days, 24))
    for pair, value in by_pair.items():
        workload, region = pair.split("_")
        values[names[workload], "rq".index(region)] = value
    return HourlyDemand(START, values)


GANG = {"branch": -1, "period": 0, "workload": "train", "site": "near", "module_type": "m", "gangs": 1, "modules": 2}


def everything_at_once(hourly: HourlyDemand, gang: int, capacity: tuple[float, float] = (6, 4)) -> float:
    """Least cost of energy for busy modules and of shortfall over all hours in one piece, on the formulas alone.

    Columns of an hour: chat of r at near, chat of q at near and far, batch of either region together at near and far,
    gang at near, shortfall of chat and of batch, backlog. Busy modules draw 6 kW above idle. Window of six hours: the
    backlog never exceeds the last five hours' arrivals, and is empty in the end.
    """
    days = hourly.days
    n, width = 24 * days, 9
    flat = hourly.values.reshape(3, 2, n)
    price = np.tile(PRICE, days)
    near, far = 6 * 1.5 * price, 6 * 1.1 * price
    cost = np.stack([near, near, far, near, far, near, np.full(n, 500.0), np.full(n, 100.0), np.zeros(n)], axis=1)
    a_eq, b_eq, a_ub, b_ub = [], [], [], []
    batch = flat[1].sum(axis=0)

    def row(*entries: tuple[int, int, float]) -> np.ndarray:
        out = np.zeros(n * width)
        for hour, column, value in entries:
            out[hour * width + column] = value
        return out

    short_q = []
    for h in range(n):
        # the shortfall of chat is shared by the regions: r may only go near, q anywhere
        a_eq.append(row((h, 0, 1), (h, 1, 1), (h, 2, 1), (h, 6, 1)))
        b_eq.append(flat[0, :, h].sum())
        a_ub.append(row((h, 0, 1)))
        b_ub.append(flat[0, 0, h])
        a_ub.append(row((h, 1, 1), (h, 2, 1)))
        b_ub.append(flat[0, 1, h])
        before = ((h - 1, 8, -1.0),) if h else ()
        a_eq.append(row((h, 8, 1), *before, (h, 3, 1), (h, 4, 1), (h, 7, 1)))
        b_eq.append(batch[h])
        a_ub.append(row((h, 8, 1)))
        b_ub.append(batch[max(h - 4, 0) : h + 1].sum() if h < n - 1 else 0.0)
        a_ub.append(row((h, 0, 1), (h, 1, 1), (h, 3, 1), (h, 5, 1)))
        b_ub.append(capacity[0])
        a_ub.append(row((h, 2, 1), (h, 4, 1)))
        b_ub.append(capacity[1])
        a_ub.append(row((h, 5, 1)))
        b_ub.append(2.0 * gang)
        short_q.append(h)
    for d in range(days):
        a_ub.append(-row(*[(24 * d + h, 5, 1.0) for h in range(24)]))
        b_ub.append(-0.5 * 48.0 * gang)
    found = linprog(cost.ravel(), np.array(a_ub), b_ub, np.array(a_eq), b_eq, method="highs")
    assert found.status == 0
    return float(found.fun)


def busy_cost(result: Any, standing: tuple[float, float] = (6, 4)) -> float:
    """Energy above idle and shortfall of a replay, to compare with `everything_at_once`."""
    days = result.days
    idle = 4 * (standing[0] * 1.5 + standing[1] * 1.1) * PRICE.sum() * days
    day = result.tables["days"]
    return float(day["energy_cost"].sum() - idle + day["shortfall_cost"].sum())


def test_online_work_and_gangs_are_dispatched_at_least_cost() -> None:
    """Days meet nowhere when nothing waits: the replay must equal one linear programme over all hours."""
    rng = np.random.default_rng(5)
    hourly = course(4, chat_r=rng.uniform(1, 5, (4, 24)), chat_q=rng.uniform(1, 7, (4, 24)), train_r=1.0)
    case = Case.model_validate(document())
    result = replay(case, tables(gangs=[GANG]), hourly)
    assert busy_cost(result) == pytest.approx(everything_at_once(hourly, 1), rel=1e-9)
    assert result.shortfall["chat"] > 0


@pytest.mark.parametrize("seed", range(6))
def test_rolling_days_lose_little_against_all_hours_at_once(seed: int) -> None:
    """Day by day can never be cheaper than all hours at once; on tight days it is dearer by less than 1.5 %."""
    rng = np.random.default_rng(seed)
    hourly = course(
        5,
        chat_r=rng.uniform(0, 6.5, (5, 24)),
        chat_q=rng.uniform(0, 4, (5, 24)),
        batch_r=rng.uniform(0, 3.5, (5, 24)),
        batch_q=rng.uniform(0, 1, (5, 24)),
        train_r=1.0,
    )
    hourly.values[1, :, -1, -6:] = 0  # nothing waits in the end, so that both do the same work
    case = Case.model_validate(document())
    result = replay(case, tables(gangs=[GANG]), hourly)
    least = everything_at_once(hourly, 1)
    waiting = result.tables["service"].set_index("workload").loc["batch", "waiting_unit_hours"]
    assert waiting <= 1e-6
    assert result.shortfall["chat"] > 1
    assert least * (1 - 1e-9) <= busy_cost(result) <= least * 1.015


def test_backlog_crosses_midnight_inside_its_window() -> None:
    """Chat fills every module from 18 to 24 h; the batch of 22 and 23 h is done after midnight."""
    hour = np.arange(24)
    chat = np.where(hour >= 18, 6.0, 0.0)
    batch = np.zeros((2, 24))
    batch[0, [12, 22, 23]] = 1.0
    case = Case.model_validate(document(fleet=[{"site": "near", "module_type": "m", "modules": 6}]))
    result = replay(case, tables(), course(2, chat_r=chat, batch_r=batch))
    assert result.shortfall == pytest.approx({"chat": 0.0, "batch": 0.0, "train": 0.0})
    hours = result.tables["hours"].query("workload == 'batch'").reset_index(drop=True)
    assert hours["served"][12:18].sum() == pytest.approx(1.0)
    assert hours["served"][24:27].sum() == pytest.approx(2.0)
    assert hours["backlog_unit_hours"][23] == pytest.approx(2.0)
    tight = document(fleet=[{"site": "near", "module_type": "m", "modules": 6}])
    tight["workloads"][1]["window_hours"] = 1
    result = replay(Case.model_validate(tight), tables(), course(2, chat_r=chat, batch_r=batch))
    assert result.shortfall["batch"] == pytest.approx(2.0)


def test_a_gang_yields_in_the_peak_and_no_more_than_it_may() -> None:
    """A gang of two in six modules beside five of chat for 14 hours: it gives up one module then.

    Half of 48 module-hours must remain. With six of chat it would keep 20, so 4 of chat fail.
    """
    hour = np.arange(24)
    case = Case.model_validate(document(fleet=[{"site": "near", "module_type": "m", "modules": 6}]))
    result = replay(case, tables(gangs=[GANG]), course(1, chat_r=np.where(hour < 14, 5.0, 0.0), train_r=1.0))
    assert result.shortfall["chat"] == pytest.approx(0.0)
    result = replay(case, tables(gangs=[GANG]), course(1, chat_r=np.where(hour < 14, 6.0, 0.0), train_r=1.0))
    assert result.shortfall["chat"] == pytest.approx(4.0)


def test_a_gang_works_no_more_than_the_course_asks_for() -> None:
    """A gang of two delivers one unit, yielding half of its hours; half a unit keeps two modules busy 12 hours a day.

    At -.1 a kWh every busy hour earns, and still none is busy without work.
    """
    more = document()
    more["tariffs"][0]["prices_per_kwh"] = {"flat": -0.1, "valley": 0.2}
    for preemptible in (True, False):
        more["workloads"][2] |= {"preemptible": preemptible, "max_yield_share": 0.5 if preemptible else 0.0}
        result = replay(Case.model_validate(more), tables(gangs=[GANG]), course(2, train_r=0.5))
        idle = result.tables["idle"].set_index(["site", "module_type"])
        # without yielding the gang could deliver two units, so that a quarter of its 48 module-hours are work
        assert idle.loc[("near", "m"), "busy_module_hours"] == pytest.approx(2 * 12)


def test_training_is_what_whole_gangs_deliver() -> None:
    """One gang of 2 cards at half yield delivers 1 unit for 24 hours a day; asked are 1.5."""
    case = Case.model_validate(document())
    result = replay(case, tables(gangs=[GANG]), course(3, train_r=1.5))
    row = result.tables["service"].set_index("workload").loc["train"]
    assert row["served_unit_hours"] == pytest.approx(72.0)
    assert row["shortfall_unit_hours"] == pytest.approx(36.0)
    assert row["shortfall_cost"] == pytest.approx(36.0 * 9)


def test_power_beyond_the_bill_is_billed_once_and_keeps() -> None:
    """Five modules at near draw 1.5 x (24 + 5 x 6) = 81 kW; 60 are declared at 10 a kW and month; 50 kW hold idle."""
    more = document()
    more["sites"][0]["demand_charge_per_kw_month"] = 10
    case = Case.model_validate(more)
    declared = tables(billed=[{"branch": -1, "period": 0, "site": "near", "month": 1, "billed_kw": 60}])
    result = replay(case, declared, course(31, chat_r=5.0))
    billed = result.tables["billed"].iloc[0]
    assert (billed["peak_kw"], billed["billed_kw"]) == pytest.approx((81.0, 81.0))
    assert billed["cost"] == pytest.approx(810.0)
    low = replay(case, declared, course(31, chat_r=1.0)).tables["billed"].iloc[0]
    assert low["cost"] == pytest.approx(600.0)
    assert low["peak_kw"] == pytest.approx(1.5 * 30)


def test_a_day_on_which_glop_goes_round_in_circles_is_dispatched_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    hourly = course(6, chat_r=rng.uniform(1, 7, (6, 24)), chat_q=rng.uniform(0, 4, (6, 24)), batch_q=1.5)
    case, orders = Case.model_validate(document()), [{"branch": -1, "site": "far", "module_type": "m", "modules": 2}]
    plain = replay(case, tables(gangs=[GANG], orders=orders), hourly)
    solve, ended = Incremental.solve, []

    def in_circles(model: Incremental, **how: Any) -> Outcome:
        model.most_iterations = 1
        outcome = solve(model, **how)
        ended.append(outcome.status)
        return outcome

    monkeypatch.setattr(Incremental, "solve", in_circles)
    again = replay(case, tables(gangs=[GANG], orders=orders), hourly)
    assert ended
    assert "optimal" not in ended
    assert again.cost == pytest.approx(plain.cost)


def test_sums_agree_in_every_table() -> None:
    rng = np.random.default_rng(1)
    more = document()
    more["sites"][0] |= {"carbon_kg_per_kwh": 0.5, "green_share": 0.2}
    more["policy"] = {"carbon_price_per_tonne": 80, "carbon_cap_tonnes": 1, "utilisation_floor": 0.9}
    case = Case.model_validate(more)
    hourly = course(31, chat_r=rng.uniform(1, 7, (31, 24)), chat_q=rng.uniform(0, 4, (31, 24)), batch_q=1.5)
    orders = [{"branch": -1, "site": "far", "module_type": "m", "modules": 2}]
    result = replay(case, tables(gangs=[GANG], orders=orders), hourly)
    t = result.tables
    hours = t["hours"].groupby("workload")[["demand", "served", "shortfall"]].sum()
    service = t["service"].set_index("workload")
    for ours, theirs in (("demand", "demand"), ("served", "served"), ("shortfall", "shortfall")):
        expected = service[f"{theirs}_unit_hours"].loc[hours.index].to_numpy()
        assert hours[ours].to_numpy() == pytest.approx(expected, rel=1e-9)
    for name, rows in t["hours"].groupby("workload"):
        left = np.cumsum(rows["demand"] - rows["served"] - rows["shortfall"])
        wanted = rows["backlog_unit_hours"] if name == "batch" else 0.0
        assert np.abs(left - wanted).max() < 1e-6
    mwh = t["sites"].groupby("site")["facility_kw"].sum() / 1000
    assert t["energy"].groupby("site")["facility_mwh"].sum().to_dict() == pytest.approx(mwh.to_dict())
    assert t["carbon"].set_index("site")["facility_mwh"].to_dict() == pytest.approx(mwh.to_dict())
    assert t["carbon"]["location_tonnes"].sum() == pytest.approx(0.5 * mwh["near"])
    costs = t["costs"].groupby("term")["undiscounted"].sum()
    assert costs["energy"] == pytest.approx(t["days"]["energy_cost"].sum())
    assert costs["energy"] == pytest.approx(t["energy"]["cost"].sum())
    assert costs["carbon"] == pytest.approx(t["days"]["carbon_cost"].sum())
    assert costs["shortfall"] == pytest.approx(t["days"]["shortfall_cost"].sum())
    assert costs["opex"] == pytest.approx(3 * 12)
    assert costs["capex"] == pytest.approx(200.0)
    assert t["costs"]["discounted"].sum() == pytest.approx(result.cost)
    idle = t["idle"].set_index("site")
    assert idle["usable_module_hours"].to_dict() == pytest.approx({"near": 6 * 744, "far": 6 * 744})
    assert (idle["usable_module_hours"] - idle["busy_module_hours"]).to_numpy() == pytest.approx(
        idle["idle_module_hours"].to_numpy()
    )
    assert idle.loc["far", "holding_cost"] == pytest.approx(2 * 100 / 20 + 6 * 3)
    again = replay(case, tables(gangs=[GANG], orders=orders), hourly)
    for name, frame in t.items():
        columns = [c for c in frame.columns if c != "seconds"]
        pd.testing.assert_frame_equal(frame[columns], again.tables[name][columns])


@pytest.mark.parametrize(("costing", "capex", "departures", "owed"), [("upfront", 200, 31, 20), ("annuity", 50, 12, 0)])
def test_what_is_ordered_leased_retired_and_moved_stands_together(
    costing: str, capex: float, departures: float, owed: float
) -> None:
    """January: six m at near, and at far two of four (two are on their way to near) and a leased one. February: three
    of near are retired, the two have come, and two n of 2 units and 12 kW each arrive, where none ever stood.

    Asked are 7 units at near, then 5 + 4 = 9; and 3 at far. All is busy, and one unit is short all January. Annuities:
    n live four months, of which one counts; near's row ends with April, three months after February begins, of which
    one counts; the moved ones' life of four, of which two count.
    """
    more = document(
        horizon={"start": "2026-01-01", "periods": 2, "months_per_period": 1, "discount_rate": 0.0, "costing": costing},
        leases=[{"id": "l", "site": "far", "module_type": "m", "price_per_module_period": 20,
                 "minimum_term_periods": 3, "maximum_modules": 1}],
    )  # fmt: skip
    kind = more["module_types"][0]
    kind |= {"resale_price": -7, "moving_cost": 5, "life_periods": 4}
    more["module_types"] = [kind, kind | {"id": "n", "names": "n", "power_idle_kw": 5, "power_peak_kw": 12}]
    more["fleet"][0] |= {"may_retire": True, "retire": "2026-05-01"}
    more["fleet"][1]["may_move_to"] = ["near"]
    more["workloads"][0]["throughput"]["n"] = 2
    leaves = {"branch": -1, "module_type": "m"}
    lease = {"branch": -1, "lease": "l", "site": "far", "module_type": "m", "active": 1}
    decided = tables(
        orders=[{"branch": -1, "site": "near", "module_type": "n", "modules": 2, "arrival_period": 1}],
        departures=[
            leaves | {"fleet_row": 0, "site": "near", "period": 1, "modules": 3, "in_service_period": -1},
            leaves | {"fleet_row": 1, "site": "far", "to_site": "near", "modules": 2, "in_service_period": 1},
        ],
        leases=[lease | {"started": 1}, lease | {"period": 1}],
    )
    asked = np.repeat([7.0, 9.0], [31, 28])[:, None]
    result = replay(Case.model_validate(more), decided, course(59, chat_r=asked, chat_q=3.0))
    assert result.shortfall["chat"] == pytest.approx(31 * 24)
    costs = result.tables["costs"].groupby("term")["discounted"].sum().to_dict()
    january, february = 60 * 1.5 + 30 * 1.1, (50 + 24) * 1.5 + 30 * 1.1
    wanted = {"energy": PRICE.sum() * (31 * january + 28 * february), "shortfall": 31 * 24 * 500.0, "leases": 40.0,
              "opex": 3.0 * (6 + 2) + 3.0 * (5 + 2 + 2), "capex": capex, "departures": departures}  # fmt: skip
    assert costs == pytest.approx(wanted | ({"leases_owed": owed} if owed else {}))
    assert result.cost == pytest.approx(sum(wanted.values()) + owed)
    plain = result.tables["costs"].query("term == 'departures'").set_index(["period", "site"])["undiscounted"]
    assert plain.to_dict() == pytest.approx({(0, "far"): 10.0, (1, "near"): 21.0})


def test_what_agreements_take_off_and_ask_for_is_in_the_replay() -> None:
    """Two of five modules committed to, at three quarters of their 100: 150, and 33 for the three that are missing."""
    deal = {"id": "f", "module_types": ["m"], "signed": True, "commitment": 5, "shortfall_price": 11,
            "breaks": [{"from_modules": 0, "discount": 0.25}]}  # fmt: skip
    more = document(agreements=[deal])
    more["horizon"]["costing"] = "upfront"
    decided = tables(orders=[{"branch": -1, "site": "near", "module_type": "m", "modules": 2}])
    costs = replay(Case.model_validate(more), decided, course(31, chat_r=1.0)).tables["costs"]
    told = costs.set_index(["term", "period", "site"])[["discounted", "undiscounted"]]
    assert told.loc["commitments", 0, ""].tolist() == [33, 33]
    assert told.loc["capex", 0, "near"].tolist() == [150, 150]


def test_the_backlog_never_holds_work_older_than_its_window() -> None:
    rng = np.random.default_rng(2)
    hourly = course(6, chat_r=rng.uniform(3, 6.5, (6, 24)), batch_r=rng.uniform(0, 4, (6, 24)))
    case = Case.model_validate(document(fleet=[{"site": "near", "module_type": "m", "modules": 7}]))
    rows = replay(case, tables(), hourly).tables["hours"].query("workload == 'batch'")
    arrived = np.concatenate([np.zeros(5), np.cumsum(rows["demand"])])
    window = arrived[5:] - arrived[:-5]
    assert (rows["backlog_unit_hours"].to_numpy() <= window + 1e-6).all()
    assert rows["shortfall"].sum() > 0


def given(case_document: dict[str, Any], days: list[dict[str, Any]], series: list[dict[str, Any]]) -> Case:
    demand = {"days": days, "futures": [{"series": series}]}
    return Case.model_validate(case_document | {"demand": demand})


def planned_by_hand(case: Case) -> tuple[Plan, Demand]:
    """The cheapest use of fixed modules on a case's own typical days, by the planner itself."""
    from planner.planning import make_plan
    from planner.solve import Limits

    plan = make_plan(case, limits=Limits(seconds=20))
    return plan, plan.demand


def test_typical_days_that_are_the_real_days_have_no_error_and_a_day_that_differs_is_found() -> None:
    more = document()
    more["module_types"][0]["capex"] = 1e6
    more["module_types"][0]["supply"] = 0
    tide = (3 + 2 * np.sin(np.arange(24) / 24 * 2 * np.pi)).tolist()
    days = [{"id": "only", "weight_days": 31}]
    series = [{"region": "r", "workload": "chat", "values": tide}, {"region": "q", "workload": "batch", "values": 1.0}]
    plan, _ = planned_by_hand(given(more, days, series))
    hourly = course(31, chat_r=np.array(tide), batch_q=1.0)
    same = typical_day_error(plan, hourly)
    assert abs(same.cost) < 2e-3  # the first day begins without a backlog, a typical day with its own
    assert same.shortfall_pflops_hours == pytest.approx(0.0, abs=1e-6)
    assert same.within(0.01)
    hourly.values[0, 0, 17, 10:14] += 4.0
    other = typical_day_error(plan, hourly)
    assert other.worst == (0, 17)
    assert other.worst_date == date(2026, 1, 18)
    assert other.shortfall_pflops_hours == pytest.approx(other.result.shortfall["chat"])
    assert other.shortfall_pflops_hours > 1
    assert other.by_term["shortfall"] == pytest.approx(other.result.shortfall["chat"] * 500)
    assert other.cost > same.cost
    assert not other.within(0.01)


def test_a_table_of_hours_is_read_and_every_fault_is_told() -> None:
    case = Case.model_validate(document())
    stamps = [datetime(2026, 1, 3) + timedelta(hours=i) for i in range(48)]
    table = pd.DataFrame({"timestamp": stamps, "region": "r", "workload": "chat", "value": np.arange(48.0)})
    read = from_table(case, table)
    assert read.start == date(2026, 1, 3)
    assert read.values[0, 0].ravel() == pytest.approx(np.arange(48.0))
    assert read.values.sum() == pytest.approx(np.arange(48).sum())
    with pytest.raises(PlanError) as error:
        from_table(case, table.assign(region="x", value=[-1.0] + [0.0] * 47))
    assert {p.where for p in error.value.faults} == {"region", "value, row 0"}
    with pytest.raises(PlanError, match="3 hours missing, first 2026-01-03 05:00"):
        from_table(case, table.drop(index=[5, 6, 7]))
    with pytest.raises(PlanError, match="1 hours listed twice"):
        from_table(case, pd.concat([table, table.iloc[[9]]]))
    with pytest.raises(PlanError, match="up to before 2026-02-01"):
        from_table(case, table.assign(timestamp=[x + timedelta(days=40) for x in stamps]))
    with pytest.raises(PlanError, match="whole hour"):
        from_table(case, table.assign(timestamp=[x + timedelta(minutes=1) for x in stamps]))
    with pytest.raises(PlanError, match="no value"):
        from_table(case, table.drop(columns="value"))
    with pytest.raises(PlanError, match="none"):
        from_table(case, table.iloc[:0])


def test_a_course_or_plan_that_does_not_fit_is_refused() -> None:
    case = Case.model_validate(document())
    with pytest.raises(ValueError, match="not this case's"):
        replay(case, tables(), HourlyDemand(START, np.zeros((1, 2, 1, 24))))
    with pytest.raises(PlanError, match="2026-02-01"):
        replay(case, tables(), HourlyDemand(date(2026, 1, 31), np.zeros((3, 2, 2, 24))))
    with pytest.raises(ValueError, match="at least 0"):
        HourlyDemand(START, np.full((3, 2, 1, 24), -1.0))
    late = [{"branch": b, "site": "far", "module_type": "m", "modules": b + 1} for b in (0, 1)]
    with pytest.raises(ValueError, match="say whose"):
        replay(case, tables(orders=late), course(1))
    with pytest.raises(ValueError, match="one of near, far"):
        replay(case, tables(orders=[{"branch": -1, "site": "Z", "module_type": "m", "modules": 1}]), course(1))
    for branch in (0, 1):
        idle = replay(case, tables(orders=late), course(1), future=branch).tables["idle"].set_index("site")
        assert idle.loc["far", "usable_module_hours"] == pytest.approx(24 * (4 + branch + 1))
