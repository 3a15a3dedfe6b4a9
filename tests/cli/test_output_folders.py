"""What a run leaves in its folder: all of a result or none of it, and never another run's."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from api.cli import app
from planner.plan import Plan
from planner.plan.folders import OutputError, result_file, results_in

CASE: dict[str, Any] = {
    "meta": {"name": "One of each", "as_of": "2026-11-01"},
    "horizon": {"start": "2027-01-01", "periods": 2},
    "regions": [{"id": "east", "names": "East"}],
    "sites": [{"id": "near", "names": "Near", "power_mw": 2.0, "tariff": "flat"}],
    "module_types": [{"id": "m", "names": "m", "cards": 10, "peak_pflops": 0.5, "power_peak_kw": 50, "capex": 1000000}],
    "workloads": [{"id": "chat", "names": "Chat", "throughput": {"m": 0.5}, "shortfall_cost": 5000}],
    "tariffs": [{"id": "flat", "prices_per_kwh": {"flat": 0.5}}],
    "demand": {
        "days": [{"id": "workday", "weight_days": [90, 91]}],
        "step_hours": [8, 8, 8],
        "futures": [{"series": [{"region": "east", "workload": "chat", "values": [10, 30, 20]}]}],
    },
}


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"LC_ALL": "C.UTF-8"})
    return result.exit_code, result.stdout, result.stderr


def written(path: Path, **change: Any) -> Path:
    path.write_text(yaml.safe_dump({**CASE, **change}), encoding="utf-8")
    return path


@pytest.fixture
def case_file(tmp_path: Path) -> Path:
    return written(tmp_path / "case.yaml")


def test_a_plan_says_how_it_was_made(tmp_path: Path, case_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["plan", str(case_file), "--gap", "0.02", "--time-limit", "30", "--seed", "7", "--threads", "1"]
    asked += ["--out", str(tmp_path / "o")]
    monkeypatch.setattr(sys, "argv", ["tideplan", *asked])
    assert run(*asked)[0] == 0
    made = json.loads((tmp_path / "o" / "plan.json").read_text(encoding="utf-8"))["provenance"]
    asked_for = {"seconds": 30.0, "gap": 0.02, "seed": 7, "threads": 1, "route": "auto", "memory_gb": None}
    assert made["solve"] == asked_for
    assert made["command"] == " ".join(["tideplan", *asked])
    assert made["made"].endswith("Z")
    assert {"python", "tideplan", "ortools"} <= set(made["versions"])
    report = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    for word in (made["made"], "--seed 7", made["case"], made["demand"]):
        assert word in report
    again = Plan.load(tmp_path / "o")
    assert again.certificate["route"]
    assert again.provenance == made


def test_an_outlook_and_its_plan_name_their_history(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "tiny"
    out = tmp_path / "outlook.zip"
    case = example / "case.yaml"
    assert run("forecast", example / "history.csv", "--case", case, "--seed", "3", "--out", out)[0] == 0
    limits = ("--gap", "0.3", "--time-limit", "20", "--no-every-hour", "--quantile", "0.5")
    assert run("plan", case, "--outlook", out, "--out", tmp_path / "o", "--language", "zh-CN", *limits)[0] == 0
    made = json.loads((tmp_path / "o" / "plan.json").read_text(encoding="utf-8"))["provenance"]["outlook"]
    digest = hashlib.sha256((example / "history.csv").read_bytes()).hexdigest()
    assert made["history"] == {"name": "history.csv", "sha256": digest}
    assert made["seed"] == 3
    report = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    for word in ("历史数据 SHA-256", digest, "预测的随机种子"):
        assert word in report


def test_a_comparison_names_its_case_and_how_it_was_made(tmp_path: Path) -> None:
    meta = {**CASE["meta"], "currency": "EUR", "generated_demand": True}
    scenarios = tmp_path / "s.yaml"
    scenarios.write_text(yaml.safe_dump([{"id": "jit", "names": "Just in time", "rule": {"kind": "just_in_time"}}]))
    case = written(tmp_path / "case.yaml", meta=meta)
    out = tmp_path / "o"
    said = (
        "--scenarios",
        scenarios,
        "--out",
        out,
        "--seed",
        "5",
        "--gap",
        "0.02",
        "--time-limit",
        "20",
        "--threads",
        "1",
    )
    assert run("compare", case, *said)[0] == 0
    made = json.loads((out / "comparison.json").read_text(encoding="utf-8"))["summary"]["provenance"]
    told = {name: made[name] for name in ("name", "as_of", "currency", "generated_demand")}
    assert told == {"name": "One of each", "as_of": "2026-11-01", "currency": "EUR", "generated_demand": True}
    assert (made["solve"]["seed"], made["solve"]["gap"], made["solve"]["seconds"]) == (5, 0.02, 20)
    report = (out / "report.html").read_text(encoding="utf-8")
    for words in ("One of each, case of 2026-11-01, money in EUR", "is generated for demonstration", made["made"]):
        assert words in report
    assert run("compare", case, *said, "--language", "zh-CN")[0] == 0
    report = (out / "report.html").read_text(encoding="utf-8")
    for words in ("One of each，算例日期 2026-11-01，金额单位 EUR", "如何得出"):
        assert words in report
    assert not (out / "former").exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sites": []}, 2),
        ({"workloads": [{**CASE["workloads"][0], "minimum_service": 1.0}], "policy": {"budget": 0}}, 3),
    ],
)
def test_a_failed_run_leaves_no_plan_that_looks_like_its_own(
    tmp_path: Path, case_file: Path, change: dict[str, Any], code: int
) -> None:
    out = tmp_path / "o"
    assert run("plan", case_file, "--out", out)[0] == 0
    first = (out / "plan.json").read_bytes()
    (out / "notes.txt").write_text("mine")
    failed, _, said = run("plan", written(tmp_path / "other.yaml", **change), "--out", out, "--time-limit", "10")
    assert failed == code
    assert "set aside in" in said
    assert sorted(p.name for p in out.iterdir()) == ["former", "notes.txt"]
    assert (out / "former" / "plan.json").read_bytes() == first
    assert Plan.load(out / "former").provenance
    assert run("plan", case_file, "--out", out)[0] == 0  # what had been set aside before stays for its owner
    assert (out / "former" / "plan.json").read_bytes() == first
    assert run("plan", case_file, "--out", out)[0] == 0
    names = ["demand.npz", "former", "notes.txt", "plan.json", "plan.xlsx", "report.html", "tables"]
    assert sorted(p.name for p in out.iterdir()) == names


@pytest.mark.parametrize("command", ["plan", "compare", "forecast", "walk", "replay", "energy"])
def test_a_folder_that_cannot_be_written_is_said_before_any_work(tmp_path: Path, case_file: Path, command: str) -> None:
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "file" / "o"
    arguments: dict[str, tuple[object, ...]] = {
        "plan": (case_file,),
        "compare": (case_file,),
        "forecast": (tmp_path / "nowhere.csv",),
        "walk": (case_file, "--history", tmp_path / "nowhere.csv"),
        "replay": (tmp_path / "nowhere", tmp_path / "nowhere.csv"),
        "energy": (tmp_path / "nowhere",),
    }
    begun = time.monotonic()
    code, said, _ = run(command, *arguments[command], "--out", out, *(() if command == "walk" else ("--json",)))
    assert code == 2
    if command != "walk":
        (fault,) = json.loads(said)["error"]["faults"]
        assert str(tmp_path / "file") in fault["where"]
        assert fault["found"] in ("Not a directory", "a file stands there")
    assert time.monotonic() - begun < 30
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_plan_that_does_not_fit_is_kept_where_there_is_room(
    tmp_path: Path, case_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is the last that is written: the disk is full by then, in that folder alone."""
    import planner.report.report as report

    real = report.write_report
    out = tmp_path / "o"

    def full(plan: Plan, path: Path, *rest: Any, **more: Any) -> Path:
        if out in path.parents:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(plan, path, *rest, **more)

    monkeypatch.setattr(report, "write_report", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    code, said, _ = run("plan", case_file, "--out", out, "--json")
    (fault,) = json.loads(said)["error"]["faults"]
    assert code == 2
    assert fault["found"] == "No space left on device"
    kept = Path(fault["remedy"].removeprefix("the results are kept in "))
    assert kept.parent == tmp_path / "elsewhere"
    assert Plan.load(kept).checks
    assert (kept / "report.html").is_file()
    assert not out.exists()


def fails(times: int) -> Callable[[Path], None]:
    """A writer that writes a file and then, so many times, finds the disk full."""
    left = [times]

    def write(folder: Path) -> None:
        (folder / "plan.json").write_text("{}")
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return write


@pytest.fixture
def no_room_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.plan.folders.tempfile.mkdtemp", lambda **_: (_ for _ in ()).throw(OSError("full")))


def test_where_there_is_no_room_at_all_nothing_half_written_stays(tmp_path: Path, no_room_elsewhere: None) -> None:
    with pytest.raises(OutputError) as error, results_in(tmp_path / "a" / "b") as output:
        output.fill(fails(9))
    assert error.value.kept is None
    assert not (tmp_path / "a").exists()


def test_a_stop_while_writing_leaves_the_former_results_aside(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("old")

    def stopped(folder: Path) -> None:
        (folder / "plan.json").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), results_in(tmp_path, ("plan.json",)) as output:
        output.fill(stopped)
    assert [p.name for p in tmp_path.iterdir()] == ["former"]
    assert (tmp_path / "former" / "plan.json").read_text() == "old"


def test_a_single_file_is_replaced_in_whole(tmp_path: Path) -> None:
    path = tmp_path / "outlook.zip"
    path.write_text("old")
    with pytest.raises(ValueError, match="no"), result_file(path):
        raise ValueError("no")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["outlook.zip.former"]
    with result_file(path) as fill:
        fill(lambda draft: draft.write_text("new"))
    assert path.read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["outlook.zip"]
    with pytest.raises(OutputError, match="a folder stands there"), result_file(tmp_path):
        pass


def test_interrupting_before_the_first_plan_says_so(tmp_path: Path) -> None:
    """The first Ctrl-C stops the search: with a plan in hand it is kept, without one the message says who stopped."""
    case = str(written(tmp_path / "case.yaml"))
    code = (
        "import os, signal, sys\n"
        "import planner.planning.planning as planning\n"
        "real = planning.build_program\n"
        "def building(*a, **k):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(*a, **k)\n"
        "planning.build_program = building\n"
        "from planner.solve import Solution\n"
        "import planner.planning.planning as p\n"
        "solve = p.solve\n"
        "def none_yet(program, limits, **k):\n"
        "    found = solve(program, limits, **k)\n"
        "    import dataclasses, numpy as np\n"
        "    return dataclasses.replace(found, x=np.zeros(0), blocks=[], status='stopped')\n"
        "p.solve = none_yet\n"
        "from api.cli import main\n"
        f"sys.argv = ['tideplan', 'plan', {case!r}, '--out', {str(tmp_path / 'o')!r}, '--json']\n"
        "main()\n"
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 4, done.stderr
    (fault,) = json.loads(done.stdout)["error"]["faults"]
    assert "stopped by hand" in fault["found"]
    assert not (tmp_path / "o").exists()
