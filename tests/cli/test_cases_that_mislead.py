"""Cases that say something else than their author meant, through the command line: refused, or said."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app

# Two ports and a hall by the sea; every test changes one line of it.
HARBOUR = """
meta: {name: Harbour, as_of: 2026-10-01, currency: EUR, timezone: Europe/Lisbon}
horizon: {start: 2027-01-01, periods: 2}
regions:
  - {id: quay, names: Quay, lat: 38.7, lon: -9.1}
  - {id: isle, names: Isle, lat: 38.5, lon: -28.6}
sites:
  - {id: hall, names: Hall, lat: 38.7, lon: -9.2, power_mw: 1.5, pue: 1.2, tariff: day}
  - {id: dock, names: Dock, lat: 41.1, lon: -8.6, power_mw: 2, pue: 1.3, tariff: day}
module_types:
  - {id: rack8, names: Rack of 8, cards: 8, peak_pflops: 0.9, power_idle_kw: 2, power_peak_kw: 8, capex: 250000}
fleet:
  - {site: hall, module_type: rack8, modules: 4}
workloads:
  - {id: ask, names: Ask, throughput: {rack8: 0.3}, shortfall_cost: 40}
  - {id: learn, names: Learn, kind: training, gang_cards: 32, throughput: {rack8: 0.4}, shortfall_cost: 20}
tariffs:
  - {id: day, prices_per_kwh: {flat: 0.2, valley: 0.1}, windows: [{band: valley, hours: [[0, 6]]}]}
demand:
  days: [{id: any, weight_days: [90, 91]}]
  futures:
    - series:
        - {region: quay, workload: ask, values: 4}
        - {region: isle, workload: ask, values: 1}
        - {region: quay, workload: learn, values: 2}
"""


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"], env={"LC_ALL": "C.UTF-8"})
    return result.exit_code, json.loads(result.stdout)


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in HARBOUR
    path = tmp_path / "harbour.yaml"
    path.write_text(HARBOUR.replace(old, new), encoding="utf-8")
    return path


def test_the_harbour_itself_is_quiet(tmp_path: Path) -> None:
    code, told = run("check", changed(tmp_path, "Harbour", "Harbour"))
    assert code == 0
    assert told["warnings"] == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("        - {region: isle, workload: ask, values: 1}\n", "", "no series of any workload in isle"),
        ("        - {region: quay, workload: learn, values: 2}\n", "", "no series of learn: their demand is 0"),
        ("isle, workload: ask, values: 1", "isle, workload: learn, values: 1", "no series of ask in isle"),
        ("power_mw: 1.5", "power_mw: 1500", "1500 MW at hall: in kW?"),
        ("power_mw: 2,", "power_mw: [400, 400],", "267 times the median of all other sites and phases: in kW?"),
        ("pue: 1.3, tariff: day", "pue: 1.3", "none at dock: its energy is free"),
        ("valley: 0.1}", "valley: -0.1}", "whoever takes energy then is paid for it"),
        ("capex: 250000", "capex: 25000000", "3.125e+06 EUR a card"),
        ("flat: 0.2, valley: 0.1", "flat: 20, valley: 10", "20 EUR/kWh: in hundredths"),
        ("capex: 250000", "capex: 8e9, supply: 1", "costs that span a factor of 4e+08"),
        ("gang_cards: 32", "gang_cards: 32, latency_ms: 10", "given for learn: gangs stand wherever"),
        ("periods: 2}", "periods: 2, commit_periods: 1}", "while this case brings one future"),
    ],
)  # fmt: skip
def test_what_looks_wrong_is_said_and_stands_in_the_plan(tmp_path: Path, old: str, new: str, words: str) -> None:
    code, told = run("check", changed(tmp_path, old, new))
    assert code == 0
    assert any(words in w["found"] for w in told["warnings"]), told["warnings"]


@pytest.mark.parametrize(
    ("old", "new", "place", "found"),
    [
        ("gang_cards: 32", "gang_cards: 2000", "/workloads/1/gang_cards", "can hold more than 1536 of them: dock"),
        ("power_mw: 2,", "power_mw: 2:00,", "/sites/1/power_mw", "'2:00'"),
        ("modules: 4", "modules: 04", "/fleet/0/modules", "'04'"),
        ("cards: 8,", "cards: 0o10,", "/module_types/0/cards", "'0o10'"),
        ("capex: 250000", "capex: 250_000", "/module_types/0/capex", "'250_000'"),
        ("pue: 1.2", "pue: .inf", "/sites/0/pue", "inf"),
        ("values: 4", "values: [.nan]", "/demand/futures/0/series/0/values/0", "nan"),
        ("periods: 2}", "periods: yes}", "/horizon/periods", "'yes'"),
        ("cards: 8,", "cards: 8, domestic: no,", "/module_types/0/domestic", "'no'"),
        ("start: 2027-01-01", "start: 20270101", "/horizon/start", "20270101"),
        ("horizon:", "horizon: {}\nhorizon:", "/horizon (harbour.yaml line 4)", "the key horizon again"),
        ("meta: {", "meta: !!map {", "", ""),
        ("meta: {", "meta: !!python/tuple {", "/meta (harbour.yaml line 2)", "the tag !!python/tuple"),
        ("meta: {", "x: &x [*x]\nmeta: {", "/x/0 (harbour.yaml line 2)", "*x inside what it stands for"),
        ("meta: {", "---\na: 1\n---\nmeta: {", "/ (harbour.yaml line 4)", "a second document"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, found: str
) -> None:
    code, told = run("check", changed(tmp_path, old, new))
    if not place:
        assert code == 0
        return
    assert code == 2
    faults = {fault["where"]: fault for fault in told["error"]["faults"]}
    assert found in faults[place]["found"]
    assert faults[place]["allowed"]


def test_powers_of_ten_are_numbers(tmp_path: Path) -> None:
    code, told = run(
        "plan", changed(tmp_path, "capex: 250000", "capex: 2.5e5"), "--out", tmp_path / "o", "--gap", "0.01"
    )
    assert code == 0
    case = json.loads((tmp_path / "o" / "plan.json").read_text(encoding="utf-8"))["case"]
    assert case["module_types"][0]["capex"] == 250000
    assert told["checks"]["ok"]


def test_aliases_that_would_fill_the_memory_are_refused_at_once(tmp_path: Path) -> None:
    for levels in (6, 9, 60):
        path = tmp_path / "many.yaml"
        lines = ["l0: &l0 [y,y,y,y,y,y,y,y,y,y]"]
        lines += [f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, levels)]
        path.write_text("\n".join(lines), encoding="utf-8")
        begun = time.process_time()
        code, told = run("check", path)
        assert time.process_time() - begun < 2
        assert code == 2
        assert "aliases that stand for" in told["error"]["faults"][0]["found"]
