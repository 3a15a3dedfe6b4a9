"""The engine on the benchmark cases: seeded, agreeing with linopy + HiGHS, merged steps below exact ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from planner.demand.horizon import given_demand
from planner.program.blocks import Program, flatten
from planner.program.build import build_program
from planner.solve import Limits, solve, solve_lp

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import SIZES, make_case  # noqa: E402


def program(steps: int | None = None, seed: int = 1) -> Program:
    case = make_case("S", seed)
    return build_program(case, given_demand(case), merge_steps=steps)


def test_same_seed_same_case_and_other_seed_another() -> None:
    assert make_case("S", 1) == make_case("S", 1)
    assert make_case("S", 1) != make_case("S", 2)


def test_sizes_are_as_stated() -> None:
    for name in ("S", "M"):
        case, size = make_case(name), SIZES[name]
        assert (len(case.sites), len(case.regions), len(case.module_types)) == (size.sites, size.regions, size.types)
        assert len(case.workloads) == size.workloads
        assert case.horizon.periods == size.periods
        assert case.demand is not None
        assert len(case.demand.days) == size.days
        # order charges and minimum orders are part of what is measured
        assert all(kind.order_cost for kind in case.module_types)
        assert any(kind.min_order > 1 for kind in case.module_types)


def test_merged_steps_never_cost_more() -> None:
    exact = solve_lp(flatten(program())).objective
    values = [solve_lp(flatten(program(n))).objective for n in (1, 3, 6, 12)]
    assert all(value <= exact * (1 + 1e-9) for value in values)
    assert values[-1] > 0.8 * exact


@pytest.mark.slow
def test_decomposition_and_one_piece_agree_within_their_gaps() -> None:
    exact = program()
    two = solve(exact, Limits(seconds=120, gap=2e-3, route="benders"), coarse=lambda n, mean_day=False: program(n))
    one = solve(exact, Limits(seconds=120, gap=2e-3, route="one_piece"))
    assert two.gap <= 2e-3
    assert one.bound <= two.objective * (1 + 1e-9)
    assert two.bound <= one.objective * (1 + 1e-9)
    arrays = flatten(exact)
    flat = np.concatenate([two.x, *two.blocks])
    assert np.all(arrays.matrix @ flat >= arrays.row_lower - 1e-5 * np.maximum(1, np.abs(arrays.row_lower)))
    assert arrays.cost @ flat == pytest.approx(two.objective, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["S", "M"])
def test_relaxation_agrees_with_linopy_and_highs(size: str, tmp_path: Path) -> None:
    case = make_case(size)
    path = tmp_path / "case.json"
    path.write_text(case.model_dump_json(exclude_defaults=True))
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "peer.py"), str(path), "--relax", "--limit", "300"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    peer = json.loads(done.stdout.splitlines()[-1])
    ours = build_program(case, given_demand(case))
    assert peer["objective"] == pytest.approx(solve_lp(flatten(ours)).objective * ours.money_unit, rel=1e-6)
