"""Bounds of single futures, kept in the comparison's store once they are found."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol

import numpy as np

from planner.arrays import FloatArray
from planner.case import Case
from planner.case.file import case_hash
from planner.compare.store import Store, demand_key, key_of
from planner.demand import Demand
from planner.evaluate.evaluation import plan_world
from planner.program.decisions import whole_decisions
from planner.rules.bounds import lone_bound, shared_decisions
from planner.rules.neighbour import Values
from planner.solve.fanout import fan_out


class Shop(Protocol):
    """Where tasks run and what they find is kept."""

    @property
    def executor(self) -> Executor:
        """Runs tasks."""

    @property
    def store(self) -> Store:
        """Keeps what they found."""

    @property
    def stop(self) -> threading.Event | None:
        """Set when no more is wanted."""


def lone_bounds(
    case: Case,
    demand: Demand,
    shop: Shop,
    *,
    held: Values | None = None,
    seconds: float | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """(F,) `lone_bound` of every future, kept in the store where it was found.

    held: decisions of which those that are the same in every future (placed before `commit_periods`) are kept.
    """
    F = len(demand)
    shared = None if held is None else shared_decisions(case, demand)
    what = None if held is None else {name: np.asarray(held[name]).tolist() for name in whole_decisions()}
    key = key_of(case_hash(plan_world(case)), case.horizon.commit_periods, demand_key(demand), "lone bounds", what)
    kept = shop.store.value(key)
    if kept is not None:
        return np.array(kept, float)
    bounds = np.zeros(F)
    tasks = [(case, demand.only([f]), held, shared, seconds) for f in range(F)]
    for done, (f, bound) in enumerate(fan_out(shop.executor, lone_bound, tasks, stop=shop.stop), start=1):
        bounds[f] = bound
        if on_done is not None:
            on_done(done, F)
    if np.isfinite(bounds).all():
        shop.store.keep_value(key, bounds.tolist())
    return bounds
