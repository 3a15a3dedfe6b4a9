"""Relax-and-fix: plans close to the optimum, and a bound that is never above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.program.blocks import Program
from planner.solve import Limits, solve
from planner.solve.periods import period_of_columns


def test_columns_know_their_period(make_program: Callable[..., Program]) -> None:
    program = make_program(1, periods=4)
    period = period_of_columns(program)
    assert np.array_equal(period[program.layout.columns["orders"]], np.tile(np.arange(4), (3, 1)))
    assert (period >= 0).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bound_and_plan_bracket_the_optimum(make_program: Callable[..., Program], seed: int) -> None:
    program = make_program(seed, periods=4)
    best = solve(program, Limits(seconds=20, gap=0.0, route="one_piece"))
    plan = solve(program, Limits(seconds=20, gap=0.0, route="relax_and_fix"))
    assert plan.bound <= best.objective + 1e-6
    assert best.bound <= plan.objective + 1e-6
    assert plan.objective <= 1.05 * best.objective


def test_wagner_whitin_is_bracketed(wagner_whitin: Program) -> None:
    plan = solve(wagner_whitin, Limits(seconds=20, gap=0.0, route="relax_and_fix"))
    assert plan.bound <= 864 + 1e-6
    assert 864 - 1e-6 <= plan.objective <= 864 * 1.2


def test_infeasible_is_told(make_program: Callable[..., Program]) -> None:
    program = make_program(1)
    lower = program.master.lower.copy()
    lower[program.layout.columns["orders"].ravel()] = 1.0
    upper = program.master.upper.copy()
    upper[program.layout.columns["order_on"].ravel()] = 0.0
    broken = replace(program, master=replace(program.master, lower=lower, upper=upper))
    assert solve(broken, Limits(seconds=10, route="relax_and_fix")).status == "infeasible"
