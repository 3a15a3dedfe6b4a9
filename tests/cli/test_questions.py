"""compare and what is asked of plans on a case that is solved by hand: six modules for 30 units, 1 M each."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from api.cli import app
from api.cli.exits import Exit

CASE: dict[str, Any] = {
    "meta": {"name": "One of each", "as_of": "2026-11-01"},
    "horizon": {"start": "2027-01-01", "periods": 2},
    "regions": [{"id": "east", "names": {"en": "East", "zh": "东部"}}],
    "sites": [{"id": "near", "names": {"en": "Near", "zh": "近"}, "power_mw": 2.0}],
    "module_types": [{"id": "m", "names": "m", "cards": 10, "peak_pflops": 0.5, "power_peak_kw": 50, "capex": 1000000}],
    "workloads": [{"id": "chat", "names": "Chat", "throughput": {"m": 0.5}, "shortfall_cost": 5000}],
    "demand": {
        "days": [{"id": "workday", "weight_days": 90}],
        "step_hours": [8, 8, 8],
        "futures": [{"series": [{"region": "east", "workload": "chat", "values": [10, 30, 20]}]}],
    },
}
SCENARIOS = [
    {"id": "jit", "names": {"en": "Just in time", "zh": "不超前"}, "rule": {"kind": "just_in_time"}},
    {"id": "ahead", "names": {"en": "Double </script><b>", "zh": "加倍"}, "rule": {"kind": "ratio", "ratio": 2.0}},
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"LC_ALL": "C.UTF-8"})


@pytest.fixture(scope="module")
def case_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("case") / "case.yaml"
    path.write_text(yaml.safe_dump(CASE, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def plan_folder(case_file: Path) -> Path:
    folder = case_file.parent / "plan"
    done = run("plan", case_file, "--out", folder, "--threads", 1, "--gap", 0, "--json")
    assert done.exit_code == Exit.ok, done.output
    return folder


def test_two_modules_more_cost_what_two_modules_cost(plan_folder: Path) -> None:
    before = json.loads((plan_folder / "plan.json").read_text("utf-8"))["summary"]
    done = run("why-not", plan_folder, "--site", "near", "--type", "m", "--modules", 8, "--gap", 0, "--json")
    assert done.exit_code == Exit.ok, done.output
    found = json.loads(done.stdout)
    # Six modules are needed; what each costs over the horizon is a sixth of the six.
    assert found["by_term"]["capex"] <= before["cost_by_term"]["capex"] / 3 * (1 + 1e-9)
    assert found["cost"] > 0
    assert found["least"] <= found["cost"] <= found["most"]
    spoken = run("why-not", plan_folder, "--modules", 5, "--at-most", "--gap", 0)
    assert spoken.exit_code == Exit.ok
    assert spoken.stdout.startswith("At most 5 modules of any type at any site, any period: that costs ")
    assert "shortfall" in spoken.stdout


def test_what_cannot_be_done_is_answered_with_the_limit_in_the_way(plan_folder: Path) -> None:
    done = run("why-not", plan_folder, "--modules", 41, "--json")  # 2 MW carry 40 modules of 50 kW
    assert done.exit_code == Exit.infeasible, done.output
    found = json.loads(done.stdout)
    assert found["possible"] is False
    assert found["impossible"]


@pytest.mark.parametrize(
    ("arguments", "place"),
    [(("--site", "mars"), "/site"), (("--type", "abacus"), "/module_type"), (("--period", "2040Q1"), "--period")],
)
def test_questions_about_what_is_not_there_are_refused(
    plan_folder: Path, arguments: tuple[str, ...], place: str
) -> None:
    done = run("why-not", plan_folder, *arguments, "--json")
    assert done.exit_code == Exit.bad_input
    assert [fault["where"] for fault in json.loads(done.stdout)["error"]["faults"]] == [place]


def test_a_replay_counts_every_hour(plan_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    # Six modules serve 30 units; 40 are asked for in ten hours, so 100 unit-hours are short.
    rows = [f"2027-01-05 {h:02d}:00,east,chat,{40 if h < 10 else 20}" for h in range(24)]
    path.write_text("timestamp,region,workload,value\n" + "\n".join(rows), encoding="utf-8")
    done = run("replay", plan_folder, path, "--out", tmp_path / "out", "--json")
    assert done.exit_code == Exit.ok, done.output
    found = json.loads(done.stdout)
    (chat,) = found["service"]
    assert chat["demand_unit_hours"] == pytest.approx(680)
    assert chat["shortfall_unit_hours"] == pytest.approx(100)
    assert found["cost_by_term"]["shortfall"] == pytest.approx(100 * 5000, rel=0.05)  # discounted
    assert (tmp_path / "out" / "hours.csv").read_text("utf-8").count("\n") == 25
    spoken = run("replay", plan_folder, path, "--language", "zh-CN")
    assert "缺口" in spoken.stdout


def test_a_demand_that_does_not_fit_is_refused_with_every_fault(plan_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("timestamp,region,workload,value\n2027-01-05 00:00,mars,chess,-3\n", encoding="utf-8")
    done = run("replay", plan_folder, path, "--json")
    assert done.exit_code == Exit.bad_input
    places = {fault["where"].split(",")[0] for fault in json.loads(done.stdout)["error"]["faults"]}
    assert places == {"region", "workload", "value"}
    assert run("replay", tmp_path, path, "--json").exit_code == Exit.bad_input


def test_every_order_is_explained(plan_folder: Path) -> None:
    done = run("explain", plan_folder, "--json")
    assert done.exit_code == Exit.ok, done.output
    found = json.loads(done.stdout)
    assert sum(row["modules"] for row in found["drivers"]) == 6
    assert found["drivers"][0]["workloads"] == "chat 100%"
    assert "filling" not in found
    spoken = run("explain", plan_folder)
    assert "What drives every order" in spoken.stdout


def test_scenarios_side_by_side(case_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "scenarios.yaml"
    path.write_text(yaml.safe_dump(SCENARIOS, allow_unicode=True), encoding="utf-8")
    folder = tmp_path / "out"
    options = ("--scenarios", path, "--out", folder, "--threads", 1, "--gap", 0)
    done = run("compare", case_file, *options)
    assert done.exit_code == Exit.ok, done.output
    sentences = [line for line in done.stdout.splitlines() if line.strip()]
    assert sentences[0].startswith("Of the 2 scenarios that can be compared, Just in time costs least")
    page = (folder / "report.html").read_text("utf-8")
    assert html.escape(sentences[0]) in page
    assert page.count("<figure>") >= 2
    assert "Double </script>" not in page  # a name can end no script and begin no tag
    again = run("compare", case_file, *options, "--json")  # all of it was kept
    assert again.exit_code == Exit.ok
    found = json.loads(again.stdout)
    assert found["summary"]["choices"]["best_mean"] == "jit"
    assert [row["scenario"] for row in found["scenarios"]] == ["jit", "ahead"]
    assert (folder / "tables" / "costs.csv").is_file()


def test_every_fault_of_the_scenarios_comes_at_once(case_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "scenarios.yaml"
    wrong = [{**SCENARIOS[0], "rule": {"kind": "ratio", "ratio": -1}}, {**SCENARIOS[1], "colour": "blue"}]
    path.write_text(yaml.safe_dump(wrong, allow_unicode=True), encoding="utf-8")
    done = run("compare", case_file, "--scenarios", path, "--json")
    assert done.exit_code == Exit.bad_input
    places = {fault["where"].split(" ")[0] for fault in json.loads(done.stdout)["error"]["faults"]}
    assert places == {"/scenarios/0/rule/ratio", "/scenarios/1/colour"}


def test_a_sweep_of_ratios_is_compared_and_its_knee_named(case_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    path = tmp_path / "none.yaml"
    path.write_text("sweep: {first: 0.5, last: 0.75, step: 0.25}\n", encoding="utf-8")
    done = run(
        "compare", case_file, "--scenarios", path, "--sweep", "0.5:1.5:0.5", "--out", folder, "--gap", 0, "--json"
    )
    assert done.exit_code == Exit.ok, done.output
    rows = {row["scenario"]: row for row in json.loads(done.stdout)["scenarios"]}
    assert set(rows) == {"ratio-0.5", "ratio-0.75", "ratio-1", "ratio-1.5"}
    # Floors below the need ask for nothing more than it; 1.5 x the peak stands idle for its part.
    assert rows["ratio-0.5"]["mean_cost"] == pytest.approx(rows["ratio-1"]["mean_cost"])
    assert rows["ratio-1.5"]["idle_cost"] > rows["ratio-1"]["idle_cost"]
    for text in ("2:1", "one", "0.1:9:0.01"):
        refused = run("compare", case_file, "--sweep", text, "--json")
        assert refused.exit_code == Exit.bad_input
        assert json.loads(refused.stdout)["error"]["faults"][0]["where"] == "--sweep"


def test_what_if_solves_another_world(plan_folder: Path, tmp_path: Path) -> None:
    """Half the demand needs three modules; module prices of nothing but double cost as much again."""
    before = json.loads((plan_folder / "plan.json").read_text("utf-8"))["summary"]
    done = run("what-if", plan_folder, "--demand", 0.5, "--gap", 0, "--json")
    assert done.exit_code == Exit.ok, done.output
    found = json.loads(done.stdout)
    assert [(row["before"], row["after"]) for row in found["orders"]] == [(6, 3)]
    assert found["cost"] == pytest.approx(-before["cost_by_term"]["capex"] / 2, rel=1e-6)
    dear = json.loads(run("what-if", plan_folder, "--lever", "hardware_price:factor=2", "--gap", 0, "--json").stdout)
    assert dear["cost"] == pytest.approx(before["cost_by_term"]["capex"], rel=1e-6)
    assert dear["question_zh"] == "假如：模块价格 × 2"
    patch = tmp_path / "patch.yaml"
    patch.write_text("sites: [{id: near, names: near, power_mw: 0.25}]\n", encoding="utf-8")
    small = json.loads(run("what-if", plan_folder, "--patch", patch, "--gap", 0, "--json").stdout)
    assert [(row["before"], row["after"]) for row in small["orders"]] == [(6, 5)]
    assert small["question"] == "What if: other values for /sites"


def test_a_changed_world_is_refused_with_every_fault(plan_folder: Path) -> None:
    done = run("what-if", plan_folder, "--lever", "tarif:factor=1", "--lever", "tariff:factor", "--json")
    assert done.exit_code == Exit.bad_input
    assert [f["where"] for f in json.loads(done.stdout)["error"]["faults"]] == ["--lever", "--lever"]
    assert run("what-if", plan_folder, "--json").exit_code == Exit.bad_input


def test_sensitivities_and_alternatives_of_a_plan(plan_folder: Path) -> None:
    before = json.loads((plan_folder / "plan.json").read_text("utf-8"))["summary"]
    options = ("--factor", "hardware_price", "--factor", "demand", "--gap", 0)
    done = run("sensitivity", plan_folder, *options, "--json")
    assert done.exit_code == Exit.ok, done.output
    rows = {(r["factor"], r["setting"]): r for r in json.loads(done.stdout)["rows"]}
    capex = before["cost_by_term"]["capex"]
    assert rows["hardware_price", "high"]["difference"] == pytest.approx(0.2 * capex, rel=1e-6)
    assert rows["hardware_price", "high"]["same_first_orders"] == 1
    assert rows["demand", "high"]["modules"] == 7  # 33 units need 6.6 modules of 5
    spoken = run("sensitivity", plan_folder, *options, "--language", "zh-CN")
    assert "模块价格 × 1.2" in spoken.stdout
    assert run("sensitivity", plan_folder, "--factor", "luck", "--json").exit_code == Exit.bad_input
    other = run("alternatives", plan_folder, "--quality", "fewest_sites", "--tries", 1, "--gap", 0, "--json")
    assert other.exit_code == Exit.ok, other.output
    (one,) = json.loads(other.stdout)["rows"]
    assert (one["before"], one["after"], one["extra_cost_share"]) == (1, 1, 0)


def test_the_report_says_what_filling_and_resilience_are_worth(plan_folder: Path) -> None:
    done = run("explain", plan_folder, "--filling", "--resilience", "--gap", 0, "--json")
    assert done.exit_code == Exit.ok, done.output
    found = json.loads(done.stdout)
    assert found["filling"]["modules_avoided"] == 0  # chat cannot wait
    assert found["resilience"]["cost"] is None  # the only site cannot be lost
    page = (plan_folder / "report.html").read_text("utf-8")
    assert "Filling the valleys avoids nothing here" in page
    assert "6 × m at Near, arriving 2027Q1" in page


def test_energy_is_handed_over_and_reconciled(plan_folder: Path, tmp_path: Path) -> None:
    told = json.loads(run("energy", plan_folder, "--json").stdout)
    (first, *_rest) = told["sites"]
    readings = tmp_path / "metered.csv"
    # Half of the period was metered, and it drew a tenth more than planned.
    kwh = 1.1 * first["facility_kwh"] * 45 / 90
    readings.write_text(f"site,start,end,facility_kwh\nnear,2027-01-01,2027-02-15,{kwh}\n", encoding="utf-8")
    folder = tmp_path / "package"
    options = ("--metered", readings, "--out", folder, "--created", "2026-12-01")
    done = run("energy", plan_folder, *options, "--json")
    assert done.exit_code == Exit.ok, done.output
    found = json.loads(done.stdout)
    (row,) = found["reconciliation"]
    assert row["metered_kwh"] == pytest.approx(1.1 * row["planned_kwh"])
    parts = ("volume_kwh", "efficiency_kwh", "pue_kwh")
    assert sum(row[p] for p in parts) == pytest.approx(row["metered_kwh"] - row["planned_kwh"])
    assert found["package"]["faults"] == []
    assert (folder / "datapackage.json").is_file()
    spoken = run("energy", plan_folder, *options, "--language", "zh-CN")
    assert "计划与计量对账" in spoken.stdout
    assert (
        run("energy", plan_folder, "--out", folder, "--classification", "secret", "--json").exit_code == Exit.bad_input
    )


def planned(tmp_path: Path, document: dict[str, Any]) -> tuple[Result, Path]:
    """The case planned to the last, and the folder of its plan."""
    path, folder = tmp_path / "case.yaml", tmp_path / "plan"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return run("plan", path, "--out", folder, "--threads", 1, "--gap", 1e-6, "--json"), folder


def test_a_carbon_cap_that_binds_has_its_price(tmp_path: Path) -> None:
    """Modules of 50 kW at .8 kg/kWh: a tonne is 1250 kWh, 25 module-hours, 125 unit-hours, at 40 each; hardware stands.

    All of it is cut off evenly, so that a tonne less costs the same.
    """
    document = {**CASE, "horizon": {**CASE["horizon"], "periods": 1, "discount_rate": 0.0}}
    document["sites"] = [{**CASE["sites"][0], "carbon_kg_per_kwh": 0.8}]
    document["workloads"] = [{**CASE["workloads"][0], "shortfall_cost": 40}]
    document["fleet"] = [{"site": "near", "module_type": "m", "modules": 6}]
    document["policy"] = {"carbon_cap_tonnes": 200}
    done, folder = planned(tmp_path, document)
    assert done.exit_code == Exit.ok, done.output
    found = json.loads(run("explain", folder, "--json").stdout)["prices"]
    (row,) = found["rows"]
    assert (row["pointer"], row["unit"], json.loads(row["written"])) == ("/policy/carbon_cap_tonnes", "t", 201)
    assert row["price"] == pytest.approx(5000, rel=1e-6)
    assert row["less"] == pytest.approx(5000, rel=1e-6)
    page = (folder / "report.html").read_text("utf-8")
    assert html.escape(row["sentence"]) in page
    spoken = run("explain", folder, "--language", "zh-CN")
    assert "碳排放上限（2027Q1）（/policy/carbon_cap_tonnes）：增加1 t，价值 5,000元" in " ".join(spoken.stdout.split())


def test_a_minimum_order_above_the_supply_is_told_in_both_fields(tmp_path: Path) -> None:
    document = {**CASE, "workloads": [{**CASE["workloads"][0], "minimum_service": 1.0}]}
    document["module_types"] = [{**CASE["module_types"][0], "min_order": 8, "supply": 6}]
    done, _ = planned(tmp_path, document)
    assert done.exit_code == Exit.infeasible, done.output
    told = {f["where"]: f for f in json.loads(done.stdout)["error"]["faults"]}
    assert "write [8, 6]" in told["/module_types/0/supply"]["allowed"]
    assert "2 modules more" in told["/module_types/0/supply"]["allowed"]
    assert told["/module_types/0/min_order"]["allowed"].endswith("write 6")
    assert {f["remedy"] for f in told.values()} == {"this alone is enough: a plan was found with it"}
    spoken = run("plan", tmp_path / "case.yaml", "--language", "zh-CN")
    assert "仅此一项即可" in spoken.output


def test_a_budget_of_nothing_is_worth_what_a_module_saves(tmp_path: Path) -> None:
    """No money, nothing served; a module serves its 5 units all day, 90 days, in both quarters."""
    document = {**CASE, "horizon": {**CASE["horizon"], "discount_rate": 0.0, "costing": "upfront"}}
    document["policy"] = {"budget": 0}
    done, folder = planned(tmp_path, document)
    assert done.exit_code == Exit.ok, done.output
    rows = json.loads(run("explain", folder, "--json").stdout)["prices"]["rows"]
    first = next(row for row in rows if row["period"] == "2027Q1")
    assert (first["pointer"], json.loads(first["written"])) == ("/policy/budget", [1000000, 0])
    assert first["price"] == pytest.approx(2 * 90 * 24 * 5 * 5000 - 1_000_000)
    assert first["less"] is None


def test_what_the_plan_does_already_is_answered_at_once(plan_folder: Path) -> None:
    found = json.loads(run("why-not", plan_folder, "--modules", 6, "--json").stdout)
    assert found["already"]
    assert (found["cost"], found["least"], found["most"], found["orders"]) == (0, 0, 0, [])
    assert "the plan does this already" in run("why-not", plan_folder, "--modules", 6).stdout


def test_alternatives_show_their_orders(plan_folder: Path) -> None:
    options = ("alternatives", plan_folder, "--quality", "fewest_sites", "--tries", 1, "--gap", 0)
    (found,) = json.loads(run(*options, "--json").stdout)["rows"]
    assert found["orders"][0]["modules"] == 6
    assert found["extra_least"] <= found["extra_cost_share"] <= found["extra_most"]
    assert "its orders" in run(*options).stdout
