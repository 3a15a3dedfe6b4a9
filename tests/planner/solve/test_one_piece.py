"""The one-piece route and the linear solves: known answers, every ending, stop and determinism."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.program.blocks import Builder, Layout, Program, flatten
from planner.solve import Limits, solve, solve_lp
from planner.solve.native import scip_bound


def only_master(builder: Builder) -> Program:
    return Program(builder.arrays(), Layout(builder.columns, builder.rows), (), 1.0)


def test_wagner_whitin_costs_864(wagner_whitin: Program) -> None:
    answer = solve(wagner_whitin, Limits(seconds=20, gap=0.0, route="one_piece"))
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(864, abs=1e-6)
    assert answer.bound == pytest.approx(864, abs=1e-3)
    assert answer.bound <= answer.objective


def test_the_plan_meets_every_row_and_its_cost_adds_up(make_program: Callable[..., Program]) -> None:
    program = make_program(1)
    arrays = flatten(program)
    answer = solve(program, Limits(seconds=20, gap=1e-6, route="one_piece"))
    flat = np.concatenate([answer.x, *answer.blocks])
    value = arrays.matrix @ flat
    assert np.all(value >= arrays.row_lower - 1e-6)
    assert np.all(value <= arrays.row_upper + 1e-6)
    assert np.all(flat[arrays.integer] == np.round(flat[arrays.integer]))
    assert arrays.cost @ flat == pytest.approx(answer.objective)


def test_a_start_that_is_optimal_is_kept(make_program: Callable[..., Program]) -> None:
    program = make_program(2)
    first = solve(program, Limits(seconds=20, gap=1e-6, route="one_piece"))
    assert first.warm is not None
    again = solve(program, Limits(seconds=20, gap=1e-6, route="one_piece"), start=first.warm)
    assert again.trace[0].objective == pytest.approx(first.objective)


def test_infeasible_and_unbounded_are_told_apart() -> None:
    infeasible, unbounded = Builder(), Builder()
    whole = infeasible.column("orders", 2, upper=3, integer=True)
    infeasible.add(infeasible.row("too_much", 1, lower=10), whole, 1)
    column = unbounded.column("orders", 2, cost=-1, integer=True)
    difference = unbounded.row("difference", 1, lower=0, upper=0)
    unbounded.add(difference, column, [1, -1])
    assert solve(only_master(infeasible), Limits(seconds=5)).status == "infeasible"
    assert solve(only_master(unbounded), Limits(seconds=5)).status == "unbounded"


def test_linear_endings_are_told_apart() -> None:
    def linear(lower: float, upper: float, cost: float) -> Builder:
        b = Builder()
        b.add(b.row("r", 1, lower=lower, upper=upper), b.column("c", 2, cost=cost), [1, -1])
        return b

    assert solve_lp(linear(1, 1, 1).arrays()).objective == pytest.approx(1)
    assert solve_lp(linear(1, 1, -1).arrays()).status == "unbounded"
    impossible = linear(1, 1, 1)
    impossible.add(impossible.row("negative", 1, upper=-1), impossible.columns["c"], 1)
    assert solve_lp(impossible.arrays()).status == "infeasible"
    assert solve(only_master(impossible), Limits(seconds=5)).status == "infeasible"
    assert solve(only_master(linear(1, 1, -1)), Limits(seconds=5)).status == "unbounded"


def test_prices_lie_between_the_changes_of_the_objective(make_program: Callable[..., Program]) -> None:
    arrays = flatten(make_program(3))
    answer = solve_lp(arrays)

    def slope(row: int, step: float) -> float:
        lower, upper = arrays.row_lower.copy(), arrays.row_upper.copy()
        lower[row] += step
        upper[row] += step
        return (solve_lp(replace(arrays, row_lower=lower, row_upper=upper)).objective - answer.objective) / step

    for row in np.argsort(-np.abs(answer.duals))[:5]:
        # the optimum is convex in the right-hand side: at a kink any price between the two slopes is right
        assert slope(row, -1e-3) - 1e-5 <= answer.duals[row] <= slope(row, 1e-3) + 1e-5
    assert np.allclose(answer.reduced, arrays.cost - arrays.matrix.T @ answer.duals, atol=1e-6)


def test_a_tighter_limit_never_costs_less(make_program: Callable[..., Program]) -> None:
    program = make_program(4)
    costs = []
    for most in (20.0, 9.0, 4.0, 1.0):
        upper = program.master.upper.copy()
        upper[program.layout.columns["orders"].ravel()] = most
        tight = replace(program, master=replace(program.master, upper=upper))
        costs.append(solve(tight, Limits(seconds=20, gap=0.0)).objective)
    assert costs[0] < costs[-1]
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(costs))


def test_stop_gives_back_what_there_is(make_program: Callable[..., Program]) -> None:
    stop = threading.Event()
    stop.set()
    answer = solve(make_program(5, periods=8, days=4, steps=24), Limits(seconds=60, gap=0.0), stop=stop)
    assert answer.seconds < 10
    assert answer.status in ("feasible", "optimal", "stopped_without_plan")


def test_same_seed_same_plan(make_program: Callable[..., Program]) -> None:
    limits = Limits(seconds=20, gap=1e-4, seed=7)
    one, two = (solve(make_program(6), limits) for _ in range(2))
    assert one.objective == two.objective
    assert np.array_equal(one.x, two.x)


def test_progress_is_told_and_only_improves(make_program: Callable[..., Program]) -> None:
    told = []
    solve(make_program(7), Limits(seconds=20, gap=1e-6), on_progress=told.append)
    assert told
    assert all(b.objective <= a.objective and b.bound >= a.bound for a, b in itertools.pairwise(told))


def test_bounds_are_read_only_from_scips_table() -> None:
    row = "  0.9s|     1 |     0 |  9457 |     - |    45M |   0 |4938 |3026 |3048 |  22 |  1 |   0 |   0 "
    row += "| 1.00e+05 | 1.4e+05 |  44.27%| unknown"
    bound = scip_bound(row)
    assert bound is not None
    assert 0.99e5 < bound < 1.00e5
    assert scip_bound(row.replace("1.00e+05", "      --")) is None
    assert scip_bound("presolving:") is None


def test_limits_name_every_fault_at_once() -> None:
    with pytest.raises(ValueError, match=r"seconds is 0.*gap is 2.*threads is 0"):
        Limits(seconds=0, gap=2, threads=0)
