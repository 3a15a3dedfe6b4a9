"""Plans that need no search: there before any search ends, and none where limits ask for orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.program.blocks import Layout, Program, flatten
from planner.solve import Limits, solve
from planner.solve.first_plan import first_plans


def with_axis(program: Program) -> Program:
    """Columns with an axis of branches, as a case's program has them."""
    columns = {name: index[None] for name, index in program.layout.columns.items()}
    return replace(program, layout=Layout(columns, program.layout.rows))


def test_nothing_ordered_and_the_orders_of_one_future_are_plans_of_all(make_program: Callable[..., Program]) -> None:
    program = with_axis(make_program(3, futures=3))
    found = dict(first_plans(program, 5.0, 1))
    orders = program.layout.columns["orders"]
    assert not found["nothing ordered"][orders].any()
    assert found["orders of one future in all"][orders].any()
    best = solve(program, Limits(seconds=60, gap=1e-4, route="one_piece"))
    told = [p.phase for p in best.trace if np.isfinite(p.objective)]
    assert told[0] == "nothing ordered"
    assert "orders of one future in all" in told
    first = next(p.objective for p in best.trace if np.isfinite(p.objective))
    assert best.objective < first


def test_a_plan_that_needs_orders_is_not_taken_on_trust(make_program: Callable[..., Program]) -> None:
    """One order at least: nothing ordered is no plan, what one future orders is."""
    program = with_axis(make_program(3, futures=2))
    master, orders = program.master, program.layout.columns["orders"][0]
    row = np.zeros((1, master.columns))
    row[0, orders.ravel()] = 1.0
    asked = replace(
        master,
        matrix=type(master.matrix)(np.vstack([master.matrix.toarray(), row])),
        row_lower=np.append(master.row_lower, 3.0),
        row_upper=np.append(master.row_upper, np.inf),
    )
    best = solve(replace(program, master=asked), Limits(seconds=60, gap=1e-4, route="one_piece"))
    assert best.x[orders].sum() >= 3 - 1e-6
    assert all(p.phase != "nothing ordered" for p in best.trace if np.isfinite(p.objective))
    flat = flatten(replace(program, master=asked))
    whole = np.concatenate([best.x, *best.blocks])
    assert best.objective == pytest.approx(float(flat.cost @ whole))
