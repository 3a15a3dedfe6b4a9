"""Small programs with known answers, built by hand with the shared Builder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from planner.program.blocks import Block, BlockKey, Builder, Layout, Program


def lot_sizing(demand: list[float], setup: list[float], holding: float) -> Program:
    """Wagner and Whitin's lot sizes as master (orders, order_on, stock) without blocks' costs.

    The stock carried over is a master column; each period has one block that must serve its demand from what is issued.
    """
    n = len(demand)
    total = float(sum(demand))
    master = Builder()
    orders = master.column("orders", n, upper=total)
    on = master.column("order_on", n, upper=1, cost=setup, integer=True)
    stock = master.column("stock", n, cost=holding)
    issue = master.column("issue", n, upper=total)
    balance = master.row("balance", n, lower=0, upper=0)
    master.add(balance, orders, 1)
    master.add(balance, issue, -1)
    master.add(balance, stock, -1)
    master.add(balance[1:], stock[:-1], 1)
    limit = master.row("order_size", n, upper=0)
    master.add(limit, orders, 1)
    master.add(limit, on, -total)
    blocks = []
    for t in range(n):
        own = Builder()
        short = own.column("short", 1, cost=1e3)
        served = own.row("served", 1, lower=demand[t])
        own.add(served, short, 1)
        own.couple(served, issue[t], 1)
        a = own.arrays()
        blocks.append(
            Block(
                BlockKey("day", 0, t, 0),
                Layout(own.columns, own.rows),
                a.matrix,
                own.coupling(master.column_count),
                a.cost,
                a.lower,
                a.upper,
                a.row_lower,
                a.row_upper,
                1.0,
            )
        )
    return Program(master.arrays(), Layout(master.columns, master.rows), tuple(blocks), 1.0)


def random_program(seed: int, periods: int = 3, days: int = 2, steps: int = 4, futures: int = 1) -> Program:
    """Whole modules in `periods`, ordered with a charge; blocks serve a random load from them or fall short."""
    rng = np.random.default_rng(seed)
    sites = 3
    master = Builder()
    orders = master.column("orders", (sites, periods), upper=20, integer=True, cost=rng.uniform(5, 9, (sites, periods)))
    on = master.column("order_on", (sites, periods), upper=1, integer=True, cost=rng.uniform(2, 12, (sites, periods)))
    stock = master.column("stock", (sites, periods))
    balance = master.row("balance", (sites, periods), lower=0, upper=0)
    master.add(balance, stock, 1)
    master.add(balance, orders, -1)
    master.add(balance[:, 1:], stock[:, :-1], -1)
    charge = master.row("order_charge", (sites, periods), upper=0)
    master.add(charge, orders, 1)
    master.add(charge, on, -20)
    template = Builder()
    load = template.column("load", (sites, steps))
    short = template.column("short", steps)
    demand = template.row("demand", steps, lower=0, upper=0)
    template.add(demand, load, 1)
    template.add(demand, short, 1)
    capacity = template.row("capacity", (sites, steps), upper=0)
    template.add(capacity, load, 1)
    a = template.arrays()
    energy = rng.uniform(0.1, 0.5, (sites, steps))
    blocks = []
    for f in range(futures):
        for t in range(periods):
            own = Builder()
            own.row("capacity", (sites, steps))
            own.couple(own.rows["capacity"].index + steps, stock[:, t, None], -1)
            coupling = own._csr(own._couplings, (a.rows, master.column_count))
            for d in range(days):
                level = rng.uniform(4, 10, steps) * (1 + t) * rng.uniform(0.8, 1.2)
                cost = np.concatenate([energy.ravel(), np.full(steps, 4.0)]) / futures
                low, up = a.row_lower.copy(), a.row_upper.copy()
                low[:steps] = up[:steps] = level
                blocks.append(
                    Block(
                        BlockKey("day", f, t, d),
                        Layout(template.columns, template.rows),
                        a.matrix,
                        coupling,
                        cost,
                        a.lower,
                        a.upper,
                        low,
                        up,
                        1.0 / futures,
                    )
                )
    return Program(master.arrays(), Layout(master.columns, master.rows), tuple(blocks), 1.0)


@pytest.fixture
def wagner_whitin() -> Program:
    demand = [69, 29, 36, 61, 61, 26, 34, 67, 45, 67, 79, 56]
    setup = [85, 102, 102, 101, 98, 114, 105, 86, 119, 110, 98, 114]
    return lot_sizing([float(d) for d in demand], [float(s) for s in setup], 1.0)


@pytest.fixture
def make_program() -> Callable[..., Program]:
    return random_program
