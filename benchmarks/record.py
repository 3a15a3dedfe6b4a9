"""What the search comes to at fixed counts of evaluations, kept as a record that a later run is compared with.

    python benchmarks/record.py                             # print, compared with benchmarks/record.json
    python benchmarks/record.py --write                     # measure, and make it the record
    python benchmarks/record.py --cases tiny,S --tolerance 0.01

Seconds depend on the machine and on what else it does; counts of evaluations of blocks far less. They do still, since
plans and bounds are searched side by side: the plan of tiny after 200 evaluations differed by 5 % between two runs of
the same search. So a plan or a bound is judged at the end by the tolerance, at counts on the way by five times as much;
what is worse is named, and ends with exit code 1. So is a case that is not optimal any more, takes twice the
evaluations, or has no plan where it had one: most searches end at their gap, which is less than the tolerance, and a
slower one is seen by these alone. Times are written down, and not judged. Each case runs in a process of its own. A
row: objective (none before the first plan) and bound by evaluations, and at the end with the gap (shares of one),
rounds of the relaxation, evaluations, whether the plan is verified, CPU seconds of all its processes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "benchmarks" / "record.json"
COUNTS = (50, 200, 1_000, 5_000)
TOLERANCE = 0.02
_ON_THE_WAY, _MORE = 5.0, 2.0
CASES = ("tiny", "S", "S-three-futures", "M")
_SECONDS = 600.0

Json = dict[str, Any]


def measured(name: str) -> Json:
    """One case planned in this process. "tiny": the example by its history; others: `benchmarks.cases`, seed 1."""
    from benchmarks.cases import SIZES, make_case
    from forecasts.forecast import ForecastConfig
    from planner.case import Case
    from planner.case.file import read_case
    from planner.demand import Demand
    from planner.demand.horizon import given_demand
    from planner.planning import plan_demand, settle_demand
    from planner.solve import Limits

    def case_of() -> tuple[Case, Demand]:
        if name == "tiny":
            from api.cli.demand import Rules, outlook_of_file

            case = read_case(ROOT / "examples" / "tiny" / "case.yaml")
            history = ROOT / "examples" / "tiny" / "history.csv"
            return settle_demand(case, outlook=outlook_of_file(case, history, Rules(), ForecastConfig().seed)[0])
        if name == "S-three-futures":
            SIZES[name] = replace(SIZES["S"], futures=3)
        case = make_case(name if name in SIZES else "S")
        return case, given_demand(case)

    case, demand = case_of()
    limits = Limits(seconds=_SECONDS, gap=0.01 if name in ("tiny", "M") else 0.002)
    plan, solution = plan_demand(case, demand, limits=limits)
    unit = plan.certificate["objective"] / solution.objective
    at: dict[str, Json] = {}
    for count in COUNTS:
        reached = [step for step in solution.trace if step.evaluations <= count]
        if reached and math.isfinite(reached[-1].bound) and solution.trace[-1].evaluations > count:
            found = reached[-1].objective
            at[str(count)] = {
                "objective": found * unit if math.isfinite(found) else None, "bound": reached[-1].bound * unit
            }  # fmt: skip
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    last = solution.trace[-1]
    return {
        "case": name,
        "route": solution.route,
        **{part: plan.certificate[part] for part in ("columns", "objective", "bound", "gap", "status")},
        "verified": bool(plan.checks) and all(check["ok"] for check in plan.checks),
        "at": at,
        "rounds": last.rounds,
        "evaluations": last.evaluations,
        "cpu_s": round(sum(u.ru_utime + u.ru_stime for u in used), 1),
    }


def worse(before: Json, now: Json, tolerance: float = TOLERANCE) -> list[str]:
    """Where a record is worse than the one before, a line each; cases that only one of them has are left out."""
    known = {row["case"]: row for row in before["rows"]}
    out = []
    for row in now["rows"]:
        old = known.get(row["case"])
        if old is None:
            continue
        if "objective" not in row or not row["verified"]:
            out.append(f"{row['case']}: {row.get('status')}, verified {row.get('verified')}")
            continue
        if row["status"] != old["status"] == "optimal":
            out.append(f"{row['case']}: {row['status']}, optimal before")
        pairs = [("at the end", old, row)]
        nothing = {"objective": None, "bound": -math.inf}
        pairs += [
            (f"after {n} evaluations", at, row["at"].get(n, nothing))
            for n, at in old["at"].items()
            if row["evaluations"] > int(n)
        ]
        if row["evaluations"] > _MORE * max(old["evaluations"], COUNTS[0]):
            out.append(f"{row['case']}: {row['evaluations']} evaluations, {old['evaluations']} before")
        for when, a, b in pairs:
            most = tolerance * (1.0 if b is row else _ON_THE_WAY)
            dearer = math.inf if b["objective"] is None else b["objective"] / (a["objective"] or math.inf) - 1
            lower = 1 - b["bound"] / a["bound"]
            if a["objective"] is not None and dearer > most:
                told = f"the plan costs {dearer:.2%} more" if dearer < math.inf else "no plan yet"
                out.append(f"{row['case']} {when}: {told}")
            if lower > most:
                told = f"the bound is {lower:.2%} lower" if lower < math.inf else "no bound yet"
                out.append(f"{row['case']} {when}: {told}")
    return out


def record(cases: Sequence[str]) -> Json:
    """Measure, one process a case."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.engine import in_process

    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False)
    rows = []
    for name in cases:
        row = {"case": name, **in_process([__file__, "--one", name], 2 * _SECONDS)}
        rows.append(row)
        print(line(row), flush=True)
    machine = {"cpus": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
    date = datetime.now(UTC).date().isoformat()
    made = {"commit": commit, "changed": bool(changed.stdout.strip()), "date": date, "machine": machine}
    return {"benchmark": "record", **made, "load": round(os.getloadavg()[0], 1), "rows": rows}


def line(row: Json) -> str:
    """A case in a line."""
    if "objective" not in row:
        return f"{row['case']}: {row.get('status')}"
    took = f"{row['rounds']} rounds, {row['evaluations']} evaluations, {row['cpu_s']} CPU s"
    return f"{row['case']} {row['route']}: {row['objective']:.6g}, gap {row['gap']:.3%}; {took}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--write", action="store_true", help="make this run the record")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one)))
        return
    found = record(options.cases.split(","))
    lines = []
    if options.record.exists():
        before = json.loads(options.record.read_text(encoding="utf-8"))
        lines = worse(before, found, options.tolerance)
        print(f"Compared with {before['commit'][:7]} of {before['date']}:", *(lines or ["nothing is worse"]), sep="\n")
    if options.write:
        options.record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
