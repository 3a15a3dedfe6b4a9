"""Work is work and money is real, through the command line: cases whose answers can be worked out by hand.

One site, one type of one card that serves one unit of `chat` (10 kW busy, 2 kW idle), paid when due, no interest.
"""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from api.cli import app
from planner.plan import Plan

HOURS = [1.0] * 24


def document(
    chat: Any, hours: list[float] = HOURS, days: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """The case; `chat` is demand as `values` takes it, keywords replace blocks or, as a__b__0, a value inside one."""
    out: dict[str, Any] = {
        "meta": {"name": "by hand", "as_of": "2026-11-28"},
        "horizon": {"start": "2027-01-01", "periods": 1, "discount_rate": 0.0, "costing": "upfront"},
        "regions": [{"id": "r", "names": "R"}],
        "sites": [{"id": "s", "names": "S", "power_mw": 5.0, "tariff": "t"}],
        "module_types": [
            {"id": "m", "names": "M", "cards": 1, "peak_pflops": 1.0, "power_idle_kw": 2.0, "power_peak_kw": 10.0,
             "capex": 300}
        ],
        "workloads": [{"id": "chat", "names": "Chat", "throughput": {"m": 1.0}, "shortfall_cost": 1000}],
        "tariffs": [{"id": "t", "prices_per_kwh": {"flat": 0.5}}],
        "demand": {
            "days": days or [{"id": "d", "weight_days": 90}],
            "step_hours": hours,
            "futures": [{"series": [{"region": "r", "workload": "chat", "values": chat}]}],
        },
    }  # fmt: skip
    for path, value in copy.deepcopy(more).items():
        target: Any = out
        *parents, last = path.split("__")
        for step in parents:
            target = target[int(step) if step.isdigit() else step]
        target[int(last) if last.isdigit() else last] = value
    return out


def fleet(modules: int) -> list[dict[str, Any]]:
    return [{"site": "s", "module_type": "m", "modules": modules}]


def run(case: dict[str, Any], folder: Path) -> tuple[int, str]:
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(case), encoding="utf-8")
    done = CliRunner().invoke(
        app, ["plan", str(path), "--gap", "1e-6", "--out", str(folder / "out")], env={"LC_ALL": "C.UTF-8"}
    )
    return done.exit_code, done.output


def planned(case: dict[str, Any], folder: Path) -> Plan:
    code, text = run(case, folder)
    assert code == 0, text
    return Plan.load(folder / "out")


def use(plan: Plan) -> float:
    return float(plan.summary["mean_busy"])


# --- work is work ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [0.0, 0.5, -0.2])
def test_a_floor_on_use_is_not_met_by_keeping_modules_busy(price: float, tmp_path: Path) -> None:
    """Eight stand, two have work: a quarter. A floor of 80 % has no plan whatever power costs."""
    case = document(2.0, fleet=fleet(8), policy={"utilisation_floor": 0.8}, tariffs__0__prices_per_kwh={"flat": price})
    code, text = run(case, tmp_path)
    assert code == 3, text
    assert "utilisation_floor" in text
    plan = planned(case | {"policy": {"utilisation_floor": 0.25}}, tmp_path)
    assert use(plan) == pytest.approx(0.25)


def test_a_floor_on_use_is_not_met_by_training_beyond_what_is_asked(tmp_path: Path) -> None:
    """A gang of four held for one unit an hour: a quarter of it is work, so that three of eight modules are busy."""
    case = document(2.0, fleet=fleet(8))
    case["workloads"].append(
        {"id": "train", "names": "T", "kind": "training", "gang_cards": 4, "throughput": {"m": 1.0},
         "shortfall_cost": 50}
    )  # fmt: skip
    case["demand"]["futures"][0]["series"].append({"region": "r", "workload": "train", "values": 1.0})
    for yields in ({}, {"preemptible": True, "max_yield_share": 0.5}):
        case["workloads"][1] |= yields
        for price in (0.5, 0.0, -0.1):
            case["tariffs"][0]["prices_per_kwh"] = {"flat": price}
            plan = planned(case, tmp_path)
            assert use(plan) == pytest.approx(3 / 8)
            assert plan.summary["energy_mwh"] == pytest.approx(90 * 24 * (8 * 2 + 3 * 8) / 1000)
            row = plan.tables["training"].iloc[0]
            gangs = int(plan.tables["gangs"]["gangs"].sum())
            assert row["held_module_hours"] == pytest.approx(gangs * 4 * 90 * 24)
            assert row["busy_module_hours"] == pytest.approx(90 * 24)
    code, text = run(case | {"policy": {"utilisation_floor": 0.5}}, tmp_path)
    assert code == 3, text


def test_a_floor_on_use_is_not_met_by_a_campaign_done_twice(tmp_path: Path) -> None:
    """A campaign of 4 cards and 180 card-days runs half of the 90 days; with chat on two, four of eight are at work."""
    case = document(2.0, fleet=fleet(8))
    case["campaigns"] = [
        {"id": "c", "names": "C", "gang_cards": 4, "card_days": 180, "due": 0, "speed": {"m": 1.0}, "value": 1e6}
    ]
    case["tariffs"][0]["prices_per_kwh"] = {"flat": -0.1}
    plan = planned(case, tmp_path)
    assert use(plan) == pytest.approx(4 / 8)
    assert plan.tables["campaigns"]["share"].tolist() == pytest.approx([0.5])
    held = plan.tables["utilisation"]["mean_held"].tolist()
    assert held == pytest.approx([6 / 8])
    code, text = run(case | {"policy": {"utilisation_floor": 0.6}}, tmp_path)
    assert code == 3, text


def test_a_negative_price_buys_and_burns_nothing(tmp_path: Path) -> None:
    """Three units at -.05 earn 3 x 10 x 2160 x .05 and pay for three modules; a fourth, idle, would earn nothing."""
    plan = planned(document(3.0, tariffs__0__prices_per_kwh={"flat": -0.05}, module_types__0__capex=150), tmp_path)
    assert plan.tables["orders"]["modules"].tolist() == [3]
    assert plan.certificate["objective"] == pytest.approx(3 * 150 - 3 * 10 * 2160 * 0.05)
    assert plan.summary["energy_mwh"] == pytest.approx(3 * 10 * 2.16)
    # what stands already does earn with what it draws
    plan = planned(document(3.0, tariffs__0__prices_per_kwh={"flat": -0.05}, fleet=fleet(7)), tmp_path)
    assert plan.tables["orders"].empty
    assert plan.certificate["objective"] == pytest.approx(-(7 * 2 + 3 * 8) * 2160 * 0.05)


def test_negative_prices_move_work_that_can_wait(tmp_path: Path) -> None:
    """Batch of one unit an hour moves into the six hours that earn, as far as four modules go, and is done once."""
    case = document(0.0, fleet=fleet(4))
    case["workloads"][0] |= {"kind": "deferrable"}
    case["demand"]["futures"][0]["series"][0]["values"] = 1.0
    case["tariffs"][0] = {
        "id": "t", "prices_per_kwh": {"flat": 0.5, "deep_valley": -0.3},
        "windows": [{"band": "deep_valley", "hours": [[10, 16]]}],
    }  # fmt: skip
    plan = planned(case, tmp_path)
    load_table = plan.tables["load"]
    assert load_table["busy"].sum() == pytest.approx(24)
    assert load_table[load_table["step"].between(10, 15)]["busy"].sum() == pytest.approx(24)
    energy = 4 * 2 * (18 * 0.5 - 6 * 0.3) - 24 * 8 * 0.3
    assert plan.certificate["objective"] == pytest.approx(90 * energy)


@pytest.mark.parametrize("tariff", ["free valley", "no tariff"])
def test_free_power_is_not_burnt(tariff: str, tmp_path: Path) -> None:
    """Thirty stand, six have work: 30 x 2 + 6 x 8 kW, a fifth in use, whatever the hour costs."""
    case = document(6.0, fleet=fleet(30), sites__0__carbon_kg_per_kwh=0.5)
    if tariff == "free valley":
        case["tariffs"][0] = {
            "id": "t", "prices_per_kwh": {"flat": 0.6, "deep_valley": 0.0},
            "windows": [{"band": "deep_valley", "hours": [[11, 14]]}],
        }  # fmt: skip
    else:
        case |= {"tariffs": []}
        del case["sites"][0]["tariff"]
    plan = planned(case, tmp_path)
    assert plan.summary["energy_mwh"] == pytest.approx(108 * 2.16)
    assert plan.summary["carbon_location_tonnes"] == pytest.approx(108 * 2.16 * 0.5)
    assert use(plan) == pytest.approx(0.2)


# --- leases in whole modules -----------------------------------------------------------------------------------------

LEASE = {"id": "l", "site": "s", "module_type": "m", "price_per_module_period": 90, "maximum_modules": 9}


def test_leases_are_whole_modules(tmp_path: Path) -> None:
    """2, 1.3, 0.2 and 0 are asked for: two, two, one and no leased modules, at 90 each."""
    chat = [[[2.0]], [[1.3]], [[0.2]], [[0.0]]]
    case = document(chat, [24.0], horizon__periods=4, leases=[LEASE], module_types__0__supply=0)
    case["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    plan = planned(case, tmp_path)
    assert plan.tables["leases"]["active"].tolist() == [2, 2, 1]
    assert plan.certificate["objective"] == pytest.approx(5 * 90)


def test_leases_before_the_futures_part_are_the_same_in_all(tmp_path: Path) -> None:
    """One of four units or of none in both periods: period 0 leases for both at once, period 1 as each needs."""
    case = document(
        0.0, [24.0], horizon__periods=2, horizon__commit_periods=1, leases=[LEASE], module_types__0__supply=0
    )
    case["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    case["demand"]["futures"] = [
        {"id": name, "probability": 0.5, "series": [{"region": "r", "workload": "chat", "values": value}]}
        for name, value in (("much", 4.0), ("none", 0.0))
    ]
    plan = planned(case, tmp_path)
    active = plan.tables["leases"].pivot_table(index="branch", columns="period", values="active", fill_value=0)
    assert active[0].tolist() == [4, 4]
    assert active[1].tolist() == [4, 0]
    assert plan.certificate["objective"] == pytest.approx(4 * 90 + 0.5 * 4 * 90)


# --- money that is real ----------------------------------------------------------------------------------------------


def test_power_is_billed_by_month(tmp_path: Path) -> None:
    """Peaks of 80, 20 and 30 kW in April, May and June at 25 a kW and month: 3,250, not three times the highest."""
    days = [{"id": name, "weight_days": 30, "month": month} for name, month in (("a", 4), ("m", 5), ("j", 6))]
    more = {"horizon__start": "2027-04-01", "module_types__0__power_idle_kw": 0.0, "fleet": fleet(8)}
    case = document([[8.0], [2.0], [3.0]], [24.0], days, sites__0__demand_charge_per_kw_month=25, **more)
    case["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    plan = planned(case, tmp_path)
    billed = plan.tables["billed"].set_index("month")
    assert billed["billed_kw"].to_dict() == pytest.approx({4: 80, 5: 20, 6: 30})
    assert billed["cost"].to_dict() == pytest.approx({4: 2000, 5: 500, 6: 750})
    assert plan.certificate["objective"] == pytest.approx(3250)
    # a day that stands for the whole quarter is billed in all of its months
    whole = document([[8.0]], [24.0], [{"id": "q", "weight_days": 90}], sites__0__demand_charge_per_kw_month=25, **more)
    whole["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    assert planned(whole, tmp_path).certificate["objective"] == pytest.approx(3 * 2000)


def test_work_that_can_wait_keeps_out_of_the_month_that_is_billed(tmp_path: Path) -> None:
    """Two days of April and May, batch within the day: spread until each month bills least."""
    days = [{"id": name, "weight_days": 30, "month": month} for name, month in (("a", 4), ("m", 5))]
    chat = [[0.0] * 20 + [6.0] * 4, [0.0] * 24]
    case = document([0.0], HOURS, days, sites__0__demand_charge_per_kw_month=25, fleet=fleet(20))
    case["module_types"][0]["power_idle_kw"] = 0.0
    case["horizon"] |= {"start": "2027-04-01", "months_per_period": 2}
    case["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    case["workloads"].append(
        {"id": "batch", "names": "B", "kind": "deferrable", "throughput": {"m": 1.0}, "shortfall_cost": 1000}
    )
    case["demand"]["futures"][0]["series"] = [
        {"region": "r", "workload": "chat", "values": chat},
        {"region": "r", "workload": "batch", "values": 3.0},
    ]
    plan = planned(case, tmp_path)
    # April: 72 of batch in the 20 hours without chat need 3.6, beside a chat of 6; May: 3 in every hour
    assert plan.tables["billed"].set_index("month")["billed_kw"].to_dict() == pytest.approx({4: 60, 5: 30})


@pytest.mark.parametrize("costing", ["upfront", "annuity"])
def test_what_a_lease_still_owes_counts_or_is_said(costing: str, tmp_path: Path) -> None:
    """One module for the last of three quarters: leased for 60, with 60 x 4 owed, or bought for 200 (life of 20)."""
    lease = LEASE | {"price_per_module_period": 60, "minimum_term_periods": 5}
    case = document([[[0.0]], [[0.0]], [[1.0]]], [24.0], horizon__periods=3, leases=[lease])
    case["horizon"]["costing"] = costing
    case["module_types"][0]["capex"] = [900, 900, 200]
    case["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    plan = planned(case, tmp_path)
    owed = plan.tables["owed"]
    assert plan.tables["leases"].empty
    if costing == "upfront":
        assert plan.certificate["objective"] == pytest.approx(200)
        assert owed.empty
        case["module_types"][0]["capex"] = 900
        plan = planned(case, tmp_path)
        row = plan.tables["owed"].iloc[0]
        assert (row["kind"], row["counted"]) == ("lease", 1)
        assert plan.summary["cost_by_term"]["leases_owed"] == pytest.approx(row["undiscounted"])
        assert plan.certificate["objective"] == pytest.approx(60 * 5)
    else:
        assert plan.certificate["objective"] == pytest.approx(200 / 20)
        assert owed[["kind", "periods_left", "counted"]].to_numpy().tolist() == [["order", 19, 0]]
        assert owed["undiscounted"].tolist() == pytest.approx([190])
    done = CliRunner().invoke(app, ["plan", str(tmp_path / "case.yaml"), "--out", str(tmp_path / "again")])
    assert ("remain to be paid for" if costing == "upfront" else "annuities of what is bought") in done.output


def test_an_opening_ends_with_its_life_or_is_paid_for_again(tmp_path: Path) -> None:
    """A site opened for two of five periods at 500: work in all of them pays for three openings, at 500 each."""
    case = document([[[1.0]]] * 5, [24.0], horizon__periods=5)
    case["sites"][0] |= {"status": "candidate", "opening_cost": 500, "opening_life_periods": 2}
    case["module_types"][0] |= {"capex": 10, "life_periods": 1}
    case["workloads"][0]["shortfall_cost"] = 1e4
    case["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    plan = planned(case, tmp_path)
    assert plan.certificate["objective"] == pytest.approx(3 * 500 + 5 * 10)
    opened = sorted(plan.tables["openings"]["period"])
    assert len(opened) == 3
    assert all(b - a >= 2 for a, b in itertools.pairwise(opened))


@pytest.mark.parametrize("averse", [False, True])
def test_a_price_out_of_all_proportion_hides_nothing(averse: bool, tmp_path: Path) -> None:
    """Six stand free of charge, eight or ten units are asked for at 2 an hour; another type costs 4e10."""
    case = document(8.0, [24.0], [{"id": "d", "weight_days": 1}], fleet=fleet(6))
    case["tariffs"][0]["prices_per_kwh"] = {"flat": 0.0}
    case["module_types"].append(case["module_types"][0] | {"id": "big", "cards": 9000, "capex": 4e10})
    case["workloads"][0] |= {"throughput": {"m": 1.0, "big": 1.0}, "shortfall_cost": 2.0}
    objective = 24 * 2 * 2
    if averse:
        case["risk"] = {"objective": {"kind": "cvar", "alpha": 0.5, "weight": 0.5}}
        case["demand"]["futures"] = [
            {"id": str(n), "probability": 0.5, "series": [{"region": "r", "workload": "chat", "values": n}]}
            for n in (8.0, 10.0)
        ]
        objective = 0.5 * (24 * 2 * 3) + 0.5 * (24 * 2 * 4)
    plan = planned(case, tmp_path)
    assert plan.certificate["objective"] == pytest.approx(objective)
    assert plan.certificate["gap"] <= 1e-6
    assert plan.tables["orders"].empty
    told = CliRunner().invoke(app, ["check", str(tmp_path / "case.yaml")]).output
    assert "between any two decisions" in told.replace("\n", " ")
