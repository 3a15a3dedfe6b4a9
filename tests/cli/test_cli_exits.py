"""Exit codes and words of every kind of failure; no traceback ever reaches a user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from api.cli import app
from api.cli.exits import Exit, told

ROOT = Path(__file__).parents[2]

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


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Done:
    """A command in this process: the imports are paid for once."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"LC_ALL": "C.UTF-8"})
    return Done(result.exit_code, result.stdout, result.stderr)


def spawn(*arguments: object) -> Done:
    """A command in a process of its own, as a user runs it."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "api.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=120, check=False, cwd=ROOT)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(CASE, allow_unicode=True), encoding="utf-8")
    return path


def changed(tmp_path: Path, **change: Any) -> Path:
    path = tmp_path / "changed.yaml"
    path.write_text(yaml.safe_dump({**CASE, **change}), encoding="utf-8")
    return path


def test_help_lists_every_command_and_the_exit_codes() -> None:
    done = spawn("--help")
    assert done.returncode == 0
    for word in ("demo", "check", "forecast", "backtest", "plan", "serve", "worker", "doctor", "db", "keys"):
        assert word in done.stdout
    assert "3 the case" in " ".join(done.stdout.split())


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv=['tideplan','--help']\nfrom api.cli import main\n"
        "try:\n main()\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy','pandas','ortools','plotly','fastapi','sqlalchemy','dbos') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_plan_is_written_and_told_as_json(case_file: Path, tmp_path: Path) -> None:
    done = spawn("plan", case_file, "--out", tmp_path / "out", "--threads", 1, "--time-limit", 30, "--json")
    assert done.returncode == Exit.ok, done.stderr
    said = json.loads(done.stdout)
    # 30 units need 30 / (0.5 x 10 x 1) = 6 modules at once; nothing is cheaper than ordering them in the first period.
    assert sum(row["modules"] for row in said["summary"]["order_first"]) == 6
    assert said["gap_reached"]
    assert said["checks"]["ok"]
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<html" in report
    assert (tmp_path / "out" / "plan.json").is_file()
    assert (tmp_path / "out" / "tables" / "orders.parquet").is_file()


def test_the_answer_comes_first_in_both_languages(case_file: Path, tmp_path: Path) -> None:
    for tag, first in (("en", "Order now, by 2027-01-01: 6 modules"), ("zh-CN", "现在（2027-01-01 前）下单：6 个模块")):
        done = run("plan", case_file, "--out", tmp_path / tag, "--threads", 1, "--language", tag)
        assert done.returncode == Exit.ok, done.stderr
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        assert lines[0].startswith(first)
        assert str(tmp_path / tag / "report.html") in done.stdout.replace("\n", "")


def test_every_fault_of_a_case_comes_at_once(tmp_path: Path) -> None:
    path = changed(tmp_path, sites=[{"id": "near", "names": "Near", "power_mw": -1}], colour="blue")
    done = run("check", path, "--json")
    assert done.returncode == Exit.bad_input
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "case"
    assert {fault["where"] for fault in error["faults"]} == {"/sites/0/power_mw", "/colour"}
    assert all(fault["found"] and fault["allowed"] for fault in error["faults"])
    spoken = run("check", path)
    assert spoken.returncode == Exit.bad_input
    assert "/colour" in spoken.stderr
    assert "Traceback" not in spoken.stderr


def test_a_request_that_cannot_be_met_names_the_smallest_change(tmp_path: Path) -> None:
    workload = {**CASE["workloads"][0], "minimum_service": 1.0}
    path = changed(tmp_path, workloads=[workload], sites=[{**CASE["sites"][0], "power_mw": 0.1}])
    done = run("plan", path, "--out", tmp_path / "out", "--threads", 1, "--json")
    assert done.returncode == Exit.infeasible, done.stdout + done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "infeasible"
    # Six modules draw 0.3 MW, 0.1 MW are there: more power helps, or less service has to do.
    assert any("power" in fault["where"] or "minimum_service" in fault["where"] for fault in error["faults"])
    assert all("write" in fault["allowed"] for fault in error["faults"])
    assert all("this alone is enough" in fault["remedy"] for fault in error["faults"])


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("plan", "no-such-case.yaml"), Exit.bad_input, "no-such-case"),
        (("plan",), Exit.bad_input, ""),
        (("nonsense",), Exit.bad_input, "nonsense"),
        (("demo", "--example", "moon"), Exit.bad_input, "national, tiny"),
        (("backtest", "no-such-history.csv"), Exit.bad_input, "no-such-history.csv"),
    ],
)
def test_bad_usage_is_exit_2_without_a_traceback(arguments: tuple[str, ...], code: Exit, word: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_mapping_rules_are_checked_all_at_once(case_file: Path, tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text("timestamp,series,value\n2026-10-01 00:00,a,1\n", encoding="utf-8")
    done = run("plan", case_file, "--history", history, "--map", "a=chat", "--map", "b=chat@east*-1", "--json")
    assert done.returncode == Exit.bad_input
    faults = json.loads(done.stdout)["error"]["faults"]
    assert [fault["found"] for fault in faults] == ["a=chat", "b=chat@east*-1"]


def test_an_unknown_error_is_internal_and_leaves_its_trace_in_a_file(tmp_path: Path) -> None:
    try:
        raise ZeroDivisionError("odd")
    except ZeroDivisionError as error:
        failure = told(error)
    assert failure.exit is Exit.internal
    trace = failure.message.rpartition("(")[2].rstrip(")")
    assert "ZeroDivisionError: odd" in Path(trace).read_text(encoding="utf-8")
    Path(trace).unlink()


def test_no_plan_in_time_is_exit_4() -> None:
    from forecasts.fault import Fault
    from planner.case.errors import StoppedError

    assert told(StoppedError([Fault("limits", "no plan within 1 s", "a longer time limit")])).exit is Exit.no_plan


def test_keys_and_database_from_an_empty_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = run("db", "upgrade", "--data", data, "--json")
    assert first.returncode == Exit.ok, first.stderr
    assert json.loads(first.stdout)["before"] is None
    key = run("keys", "create", "desk", "--role", "viewer", "--data", data, "--json")
    assert key.returncode == Exit.ok, key.stderr
    assert json.loads(key.stdout)["secret"].startswith("tp_")
    wrong = run("keys", "create", "desk", "--role", "king", "--data", data, "--json")
    assert wrong.returncode == Exit.bad_input
    assert json.loads(wrong.stdout)["error"]["faults"][0]["allowed"] == "viewer, planner, approver, admin"
    made = json.loads(key.stdout)["id"]
    listed = run("keys", "list", "--data", data, "--json")
    rows = json.loads(listed.stdout)["keys"]
    assert [(row["id"], row["name"], row["role"], row["revoked"]) for row in rows] == [(made, "desk", "viewer", None)]
    assert json.loads(key.stdout)["secret"] not in listed.stdout
    assert run("keys", "revoke", made, "--data", data).returncode == Exit.ok
    assert json.loads(run("keys", "list", "--data", data, "--json").stdout)["keys"][0]["revoked"] is not None
    again = run("keys", "revoke", made, "--data", data, "--json")  # no key is active any more
    assert again.returncode == Exit.bad_input
    assert json.loads(again.stdout)["error"]["faults"][0]["found"] == made
