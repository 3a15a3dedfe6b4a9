"""The energy ledger: sums, reconciliation that leaves no rest, readings with faults, and a package that proves itself."""

# ruff: noqa: E501 (tables of rows read better unbroken)

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planner.case import Case
from planner.case.errors import PlanError
from planner.demand import Demand, TypicalDays
from planner.energy import (
    Edition,
    Ledger,
    check_package,
    plan_ledger,
    read_metered,
    reconcile,
    replay_ledger,
    write_package,
)
from planner.energy.reconcile import shapley
from planner.plan.tables import TABLES
from planner.replay import HourlyDemand, replay


def a_case() -> Case:
    return Case.model_validate(
        {
            "meta": {
                "name": "meters", "as_of": "2026-01-01", "currency": "CNY",
                "sources": [
                    {"path": "/sites", "mark": "F", "source": "meter sheet", "date": "2025-12"},
                    {"path": "/tariffs", "mark": "A", "source": "assumed"},
                    {"path": "/regions", "mark": "A", "source": "has nothing to do with energy"},
                ],
            },
            "horizon": {"start": "2026-01-01", "periods": 2, "months_per_period": 1},
            "regions": [{"id": "r", "names": "r"}],
            "sites": [
                {
                    "id": "A", "names": "A", "power_mw": 1, "pue": 1.25, "pue_limit": 1.2, "tariff": "two",
                    "carbon_kg_per_kwh": 0.6, "green_share": 0.5, "demand_charge_per_kw_month": 30,
                },
                {"id": "B", "names": "B", "power_mw": 1, "pue": 1.1, "carbon_kg_per_kwh": 0.2},
            ],
            "module_types": [
                {"id": "m", "names": "m", "cards": 4, "peak_pflops": 0.5, "power_idle_kw": 2, "power_peak_kw": 12, "capex": 0}
            ],
            "fleet": [{"site": "A", "module_type": "m", "modules": 3}],
            "workloads": [{"id": "w", "names": "w", "throughput": {"m": 1}, "shortfall_cost": 100, "allowed_sites": ["A"]}],
            "tariffs": [
                {
                    "id": "two", "names": "two", "prices_per_kwh": {"flat": 1.0, "valley": 0.5},
                    "windows": [{"band": "valley", "hours": [[0, 6]]}],
                }
            ],
            "network": {"latency_ms": {"r": {"A": 1, "B": 1}}},
        }
    )  # fmt: skip


def a_replay() -> tuple[Case, Ledger]:
    """Eight units all through January: two busy modules of three draw 3 x 2 + 2 x 10 = 26 kW, 32.5 with cooling."""
    case = a_case()
    empty = {n: t.frame({c.name: [] for c in t.columns}) for n, t in TABLES.items()}
    result = replay(case, empty, HourlyDemand(date(2026, 1, 1), np.full((1, 1, 31, 24), 8.0)))
    return case, replay_ledger(case, result)


def test_the_ledger_of_a_replay_is_what_the_formulas_say() -> None:
    _, ledger = a_replay()
    row = ledger.sites.set_index("site").loc["A"]
    hours = 31 * 24
    assert row["it_kwh"] == pytest.approx(26 * hours)
    assert row["facility_kwh"] == pytest.approx(32.5 * hours)
    assert row["pue"] == pytest.approx(1.25)
    assert row["energy_cost"] == pytest.approx(32.5 * 31 * (6 * 0.5 + 18 * 1.0))
    assert row["demand_charge"] == pytest.approx(32.5 * 30)
    assert row["total_cost"] == pytest.approx(row["energy_cost"] + row["demand_charge"])
    assert row["pflops_hours"] == pytest.approx(2 * 2.0 * hours)
    assert row["kwh_per_pflops_hour"] == pytest.approx(32.5 / 4)
    assert row["green_kwh"] == pytest.approx(0.5 * 32.5 * hours)
    assert row["location_tonnes"] == pytest.approx(0.6 * 32.5 * hours / 1000)
    assert row["market_tonnes"] == pytest.approx(0.3 * 32.5 * hours / 1000)
    bands = ledger.bands.set_index("band")
    assert bands.loc["valley", "facility_kwh"] == pytest.approx(32.5 * 31 * 6)
    assert bands.loc["valley", "price_per_kwh"] == pytest.approx(0.5)
    assert bands["facility_kwh"].sum() == pytest.approx(row["facility_kwh"])
    assert ledger.total()["pue"] == pytest.approx(1.25)
    assert ledger.covered == {0: 1.0}


@dataclass(frozen=True)
class APlan:
    case: Case
    demand: Demand
    tables: dict[str, pd.DataFrame]


def test_the_ledger_of_a_plan_takes_means_over_futures() -> None:
    """Two futures with .25 and .75; 4 owned modules busy half of 720 hours: 4 x .5 x 720 x 2 PFLOPS = 2,880."""
    case = a_case()
    days = TypicalDays(("d",), np.full((2, 1), 30.0), np.ones(24), np.zeros((2, 1, 12, 3)), True)
    demand = Demand(np.array([0.25, 0.75]), np.zeros((2, 1, 1, 2, 1, 24)), days, np.ones(2), np.ones(2))
    tables = {
        "energy": TABLES["energy"].frame(
            {"period": [1, 1], "site": ["A", "A"], "band": ["valley", "flat"], "it_mwh": [1.0, 3.0], "facility_mwh": [1.2, 3.6], "cost": [600.0, 3600.0]}
        ),
        "billed": TABLES["billed"].frame(
            {"branch": [0, 1], "period": [1, 1], "site": ["A", "A"], "month": [2, 2], "billed_kw": [10.0, 20.0], "cost": [300.0, 600.0]}
        ),
        "utilisation": TABLES["utilisation"].frame(
            {"period": [1], "site": ["A"], "module_type": ["m"], "owned": [4.0], "rack_occupancy": [0.0], "mean_busy": [0.5], "mean_held": [0.5], "peak_busy": [1.0]}
        ),
    }  # fmt: skip
    ledger = plan_ledger(APlan(case, demand, tables))
    row = ledger.sites.iloc[0]
    assert (row["period"], row["site"], row["label"]) == (1, "A", "2026-02")
    assert row["demand_charge"] == pytest.approx(0.25 * 300 + 0.75 * 600)
    assert row["pflops_hours"] == pytest.approx(2880)
    assert row["facility_kwh"] == pytest.approx(4800)
    assert row["kwh_per_pflops_hour"] == pytest.approx(4800 / 2880)


def metered_like(ledger: Ledger, **factor: float) -> pd.DataFrame:
    """One reading for January at A: the ledger's figures times a factor each."""
    row = ledger.sites.iloc[0]
    work, it, facility, cost = row["pflops_hours"], row["it_kwh"], row["facility_kwh"], row["energy_cost"]
    work *= factor.get("volume", 1)
    it *= factor.get("volume", 1) * factor.get("efficiency", 1)
    facility *= factor.get("volume", 1) * factor.get("efficiency", 1) * factor.get("pue", 1)
    cost *= np.prod(list(factor.values()))
    return pd.DataFrame(
        {
            "site": ["A"], "start": ["2026-01-01"], "end": ["2026-02-01"], "facility_kwh": [facility], "it_kwh": [it],
            "cost": [cost], "pflops_hours": [work],
        }
    )  # fmt: skip


@pytest.mark.parametrize("name", ["volume", "efficiency", "pue", "price"])
def test_a_single_cause_takes_the_whole_difference(name: str) -> None:
    case, ledger = a_replay()
    row = reconcile(ledger, read_metered(case, metered_like(ledger, **{name: 1.2}))).table.iloc[0]
    assert row["metered_cost"] - row["planned_cost"] == pytest.approx(0.2 * row["planned_cost"])
    for other in ("volume", "efficiency", "pue", "price"):
        expected = 0.2 * row["planned_cost"] if other == name else 0.0
        assert row[f"{other}_cost"] == pytest.approx(expected, abs=1e-6)
    energy = 0.0 if name == "price" else 0.2 * row["planned_kwh"]
    assert row[["volume_kwh", "efficiency_kwh", "pue_kwh"]].sum() == pytest.approx(energy, abs=1e-6)


def test_two_causes_share_their_product_equally() -> None:
    """V doubles and p doubles: 1 -> 4; each alone would add 1, the joint 1 is halved: 1.5 each."""
    parts = shapley(np.array([[1.0, 1.0, 1.0, 1.0]]), np.array([[2.0, 1.0, 1.0, 2.0]]))
    assert parts[0] == pytest.approx([1.5, 0.0, 0.0, 1.5])


positive = st.one_of(st.just(0.0), st.floats(1e-3, 1e6))


@settings(max_examples=100, deadline=None)
@given(arrays(float, (3, 4), elements=positive), arrays(float, (3, 4), elements=positive))
def test_parts_always_add_up(before: Any, after: Any) -> None:
    parts = shapley(before, after)
    difference = after.prod(axis=1) - before.prod(axis=1)
    assert parts.sum(axis=1) == pytest.approx(difference, rel=1e-9, abs=1e-9 * max(after.max(), before.max(), 1) ** 4)
    assert shapley(after, before) == pytest.approx(-parts, rel=1e-9, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 1e7), min_size=4, max_size=4), st.sets(st.sampled_from(["it_kwh", "cost", "pflops_hours"]))
)
def test_reconciliation_leaves_no_rest_whatever_was_read(values: list[float], lacking: set[str]) -> None:
    case, ledger = LEDGER
    facility, it, cost, work = values
    table = metered_like(ledger).assign(facility_kwh=facility, it_kwh=min(it, facility), cost=cost, pflops_hours=work)
    row = reconcile(ledger, read_metered(case, table.drop(columns=list(lacking)))).table.iloc[0]
    scale = max(row["metered_cost"], row["planned_cost"], 1.0)
    money = row[["volume_cost", "efficiency_cost", "pue_cost", "price_cost"]].astype(float)
    rounding = 1e-14 * money.abs().max()  # parts that nearly cancel
    rest = row["metered_cost"] - row["planned_cost"]
    assert money.sum() == pytest.approx(rest, abs=1e-5 + 1e-7 * scale + rounding)
    energy = row[["volume_kwh", "efficiency_kwh", "pue_kwh"]].astype(float)
    rounding = 1e-14 * energy.abs().max()
    rest = row["metered_kwh"] - row["planned_kwh"]
    assert energy.sum() == pytest.approx(rest, abs=1e-7 * max(facility, 3e4) + rounding)
    assert np.isfinite(money).all()
    if "pflops_hours" in lacking and facility > 0 and min(it, facility) > 0:
        assert money["volume_cost"] == pytest.approx(0.0, abs=1e-5 + 1e-7 * scale)
    if "cost" in lacking and facility > 0 and min(it, facility) > 0:
        assert money["price_cost"] == pytest.approx(0.0, abs=1e-5 + 1e-7 * scale)
    words = {"pflops_hours": "work", "it_kwh": "PUE", "cost": "price"}
    assert set(row["assumed"].split("; ")) - {""} == {words[c] for c in lacking}


LEDGER = a_replay()


def test_half_a_month_of_readings_meets_half_the_plan() -> None:
    case, ledger = a_replay()
    row = ledger.sites.iloc[0]
    table = pd.DataFrame(
        {
            "site": "A", "start": pd.date_range("2026-01-01", periods=15 * 24, freq="h"),
            "end": pd.date_range("2026-01-01 01:00", periods=15 * 24, freq="h"), "facility_kwh": 32.5,
        }
    ).drop(index=range(24, 48))  # fmt: skip
    read = read_metered(case, table)
    assert read.gaps == {"A": 24.0}
    assert read.sites["covered"].iloc[0] == pytest.approx(14 / 31)
    found = reconcile(ledger, read).table.iloc[0]
    assert found["planned_kwh"] == pytest.approx(row["facility_kwh"] * 14 / 31)
    assert found["metered_kwh"] == pytest.approx(32.5 * 14 * 24)
    assert found[["volume_kwh", "efficiency_kwh", "pue_kwh"]].abs().max() == pytest.approx(0.0, abs=1e-6)


def test_readings_without_a_plan_and_plans_without_readings_are_named() -> None:
    case, ledger = a_replay()
    table = metered_like(ledger).assign(site="B")
    found = reconcile(ledger, read_metered(case, table))
    assert found.table.empty
    assert set(found.unmatched) == {("2026-01", "B", "metered, not planned"), ("2026-01", "A", "planned, not metered")}


GOOD = "site,start,end,facility_kwh,it_kwh\nA,2026-01-01,2026-01-02,100,80\nA,2026-01-02,2026-01-03,100,\n"


def test_readings_come_from_csv_text_and_file(tmp_path: Path) -> None:
    case = a_case()
    path = tmp_path / "meter.csv"
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    for read in (read_metered(case, GOOD), read_metered(case, path)):
        row = read.sites.iloc[0]
        assert (row["facility_kwh"], row["readings"]) == (200.0, 2)
        assert np.isnan(row["it_kwh"])  # one reading lacks it, so the sum is not known


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("site,start,end\nA,2026-01-01,2026-01-02\n", {"columns"}),
        (GOOD.replace("it_kwh", "guess"), {"columns"}),
        ("site,start,end,facility_kwh\n", {"rows"}),
        (GOOD.replace("A,2026-01-02", "Z,2026-01-02"), {"site, row 1"}),
        (GOOD.replace(",100,80", ",-5,80"), {"facility_kwh, row 0", "it_kwh, row 0"}),
        (GOOD.replace(",100,80", ",x,80"), {"facility_kwh, row 0"}),
        (GOOD.replace(",100,80", ",100,120"), {"it_kwh, row 0"}),
        (GOOD.replace("2026-01-01,2026-01-02", "soon,2026-01-02"), {"start, row 0"}),
        (GOOD.replace("2026-01-02,2026-01-03", "2026-01-03,2026-01-02"), {"end, row 1"}),
        (GOOD.replace("2026-01-02,2026-01-03", "2026-01-20,2026-02-03"), {"end, row 1"}),
        (GOOD.replace("2026-01-02,2026-01-03", "2027-01-20,2027-01-21"), {"start, row 1"}),
        (GOOD.replace("2026-01-02,2026-01-03", "2026-01-01,2026-01-03"), {"start, row 1"}),
        (GOOD.replace("A,2026-01-01,2026-01-02,100,80", "Z,x,2026-01-02,-1,80"), {"site, row 0", "start, row 0", "facility_kwh, row 0", "it_kwh, row 0"}),
    ],
)  # fmt: skip
def test_every_fault_of_readings_is_told(text: str, where: set[str]) -> None:
    with pytest.raises(PlanError) as error:
        read_metered(a_case(), text)
    assert {p.where for p in error.value.faults} == where


def written(folder: Path) -> dict[str, Any]:
    case, ledger = a_replay()
    metered = read_metered(case, metered_like(ledger, pue=1.1))
    return write_package(
        folder,
        ledger,
        Edition("1.0.0", date(2026, 3, 1), "internal", {"course": "test"}),
        metered=metered,
        reconciliation=reconcile(ledger, metered),
    )


def test_a_package_describes_classifies_and_hashes_itself(tmp_path: Path) -> None:
    made = written(tmp_path / "a")
    stored = json.loads((tmp_path / "a" / "datapackage.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(made))
    assert check_package(tmp_path / "a") == []
    names = [r["name"] for r in stored["resources"]]
    assert names == ["energy_by_band", "energy_by_site", "energy_reconciliation"]
    fields = {f["name"]: f for f in stored["resources"][1]["schema"]["fields"]}
    assert fields["energy_cost"]["unit"] == "CNY"
    assert all(f["description"] and f["type"] in ("integer", "number", "string", "date") for f in fields.values())
    assert stored["classification"]["label"] == "internal"
    assert [s["covers"] for s in stored["sources"]] == ["/sites", "/tariffs"]
    table = pd.read_csv(tmp_path / "a" / "energy_by_site.csv")
    assert list(table.columns) == list(fields)
    rules = {r["rule"]: r for r in stored["quality"]["rules"]}
    assert {name for name, r in rules.items() if not r["ok"]} == {"pue_limit", "sourced"}
    assert rules["pue_limit"]["detail"] == "A in 2026-01"
    assert stored["quality"]["ok"] is False


def test_the_same_ledger_gives_the_same_bytes_and_another_gives_another_id(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a"), written(tmp_path / "b")
    assert first["id"] == second["id"]
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_changed_package_is_found_out(tmp_path: Path) -> None:
    written(tmp_path)
    site = tmp_path / "energy_by_site.csv"
    whole = site.read_bytes()
    site.write_bytes(whole.replace(b"A", b"B", 1))
    assert any(f.startswith("energy_by_site:") for f in check_package(tmp_path))
    site.write_bytes(whole)
    assert check_package(tmp_path) == []
    (tmp_path / "energy_by_band.csv").unlink()
    assert check_package(tmp_path) == ["energy_by_band: energy_by_band.csv is not there"]
    head = tmp_path / "datapackage.json"
    text = head.read_text(encoding="utf-8")
    head.write_text(text.replace('"path": "energy_by_band.csv"', '"path": "../energy_by_band.csv"'), encoding="utf-8")
    assert "is not there" in check_package(tmp_path)[0]
    head.write_text("{}", encoding="utf-8")
    assert "cannot be read" in check_package(tmp_path)[0]


def test_a_wrong_version_and_an_unknown_class_are_told_together(tmp_path: Path) -> None:
    _, ledger = a_replay()
    with pytest.raises(ValueError, match=r"version: found 'v1'.*classification: found 'secret'"):
        write_package(tmp_path, ledger, Edition("v1", date(2026, 3, 1), "secret", {}))
