"""How fast the engine proves good plans, and what linopy with HiGHS makes of the same cases in the same time.

    python benchmarks/engine.py --sizes S,M,L --seeds 1,2,3 --limit 60 [--gap 0.005] [--no-peer] [--json]

Every solve runs in a process of its own, one after the other; the peer as well (see peer.py). Times are wall times on
this machine: compare rows of one run, and look at the load that is printed with them. One row a size and seed:
build_s, first_plan_s, seconds_to_gap, objective, bound, gap, verified, peak_mb, and the peer's seconds, objective and
status.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GAPS = (0.05, 0.02, 0.01, 0.005)


def measure(size: str, seed: int, limit: float, gap: float) -> dict[str, Any]:
    """Build, solve and verify one case in this process."""
    from benchmarks.cases import make_case
    from planner.case.errors import StoppedError
    from planner.demand.horizon import given_demand
    from planner.planning import plan_demand
    from planner.program.build import build_program
    from planner.solve import Limits

    case = make_case(size, seed)
    demand = given_demand(case)
    began = time.perf_counter()
    build_program(case, demand)
    build_s = round(time.perf_counter() - began, 3)
    row: dict[str, Any] = {"size": size, "seed": seed, "build_s": build_s}
    try:
        # As a planner would: with the rows and relaxations that planning adds; verify.py raises where a check fails.
        plan, solution = plan_demand(case, demand, limits=Limits(seconds=limit, gap=gap))
    except StoppedError:
        return row | {"status": "stopped_without_plan", "seconds": limit, "verified": None}
    reached: dict[str, float | None] = {f"{g:g}": None for g in GAPS}
    first = None
    for step in solution.trace:
        if first is None and step.objective < float("inf"):
            first = round(step.seconds, 2)
        for g in GAPS:
            if reached[f"{g:g}"] is None and step.gap <= g:
                reached[f"{g:g}"] = round(step.seconds, 2)
    certificate = plan.certificate
    return row | {
        "route": solution.route,
        "columns": certificate["columns"],
        "first_plan_s": first,
        "seconds_to_gap": reached,
        "seconds": round(solution.seconds, 2),
        "status": solution.status,
        "objective": certificate["objective"],
        "bound": certificate["bound"],
        "gap": certificate["gap"],
        "verified": bool(plan.checks) and all(check["ok"] for check in plan.checks),
        "peak_mb": round(solution.peak_mb, 1),
    }


def in_process(arguments: list[str], seconds: float) -> dict[str, Any]:
    """Run one of our scripts; its last line is JSON. Past its time it is killed and says so."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return {"status": f"killed after {seconds:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"status": f"failed ({done.returncode}): {done.stderr.strip().splitlines()[-1:]}"}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def peer(size: str, seed: int, limit: float, gap: float) -> dict[str, Any]:
    from benchmarks.cases import make_case

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(make_case(size, seed).model_dump_json(exclude_defaults=True))
        script = str(ROOT / "benchmarks" / "peer.py")
        return in_process([script, str(path), "--limit", str(limit), "--gap", str(gap)], limit * 1.5 + 120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="S,M")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=0.001)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", action="store_true", help="measure the first size and seed in this very process")
    arguments = parser.parse_args()
    sizes = arguments.sizes.split(",")
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.one:
        print(json.dumps(measure(sizes[0], seeds[0], arguments.limit, arguments.gap)))
        return
    rows = []
    for size in sizes:
        for seed in seeds:
            own = [__file__, "--one", "--sizes", size, "--seeds", str(seed)]
            own += ["--limit", str(arguments.limit), "--gap", str(arguments.gap)]
            load = os.getloadavg()[0]
            row = in_process(own, arguments.limit * 2 + 300)
            row = {"size": size, "seed": seed, **row, "load": round(load, 1)}
            if not arguments.no_peer:
                row["peer"] = peer(size, seed, arguments.limit, arguments.gap)
            rows.append(row)
            if not arguments.json:
                print(line(row), flush=True)
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()}
        print(json.dumps({"benchmark": "engine", "machine": machine, "rows": rows}))


def line(row: dict[str, Any]) -> str:
    if "seconds_to_gap" not in row:
        return f"{row['size']:>3} seed {row['seed']}: {row.get('status')}"
    times = "  ".join(f"{float(g):.1%} {t if t is not None else '-'}" for g, t in row["seconds_to_gap"].items())
    gap = "no plan" if row["gap"] is None else f"gap {row['gap']:.3%}"
    text = (
        f"{row['size']:>3} seed {row['seed']} {row['route']:<9} build {row['build_s']} s  first {row['first_plan_s']} s"
    )
    text += f"  {times}  {gap} at {row['seconds']} s  verified {row['verified']}  {row['peak_mb']:.0f} MB"
    if "peer" in row:
        text += f"  | linopy: {row['peer'].get('status')} {row['peer'].get('objective')} {row['peer'].get('seconds')} s"
        if row["objective"] and row["peer"].get("objective"):
            text += f", ours / theirs {row['objective'] / row['peer']['objective']:.5f}"
    return text + f"  (load {row['load']})"


if __name__ == "__main__":
    main()
