"""Master columns that the search treats by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import Program


@dataclass(frozen=True)
class Names:
    """orders, on: (pairs,) an order and its switch; gangs: (n,); group: (pairs,) number of the pair's type, arrival and
    branch; least: (pairs,) the smallest order, at least one module.
    """

    orders: IntArray
    on: IntArray
    gangs: IntArray
    group: IntArray
    least: FloatArray


def find_names(program: Program) -> Names:
    """The numbers of the columns that the search looks at by name."""
    columns = program.layout.columns
    none = np.zeros(0, np.int64)
    gangs = np.unique(columns["gangs"][columns["gangs"] >= 0]) if "gangs" in columns else none
    if "orders" not in columns or "order_on" not in columns:
        return Names(none, none, gangs, none, np.zeros(0))
    orders, on = columns["orders"], columns["order_on"]
    group = np.zeros(orders.shape, np.int64)
    if orders.ndim == 4:  # (branches, sites, types, periods): sites share a group
        branches, _, types, periods = orders.shape
        group[:] = np.arange(branches * types * periods).reshape(branches, 1, types, periods)
    else:
        group[:] = np.arange(orders.shape[-1])
    chosen = (on >= 0) & (orders >= 0)
    pairs, first = np.unique(on[chosen], return_index=True)  # later branches repeat shared columns
    order_of = orders[chosen][first]
    return Names(order_of, pairs, gangs, group[chosen][first], _smallest_order(program, pairs))


def _smallest_order(program: Program, pairs: IntArray) -> FloatArray:
    """(pairs,) what the rows order >= minimum x switch say."""
    least = np.ones(len(pairs))
    rows = program.layout.rows.get("order_minimum")
    if rows is not None:
        matrix = program.master.matrix[rows.index.ravel()].tocoo()
        place = {int(column): i for i, column in enumerate(pairs)}
        for column, value in zip(matrix.col, matrix.data, strict=True):
            at = place.get(int(column))
            if at is not None and value < 0:
                least[at] = max(least[at], -value)
    return least
