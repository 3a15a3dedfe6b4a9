"""Plans near the best one, until the time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray
from planner.program.decisions import placed_decisions
from planner.solve.benders.bounds import BoundSearch
from planner.solve.benders.master import MasterModel

if TYPE_CHECKING:
    from planner.solve.benders.search import Search

# Order switches that may differ from the best plan's, at first and after nothing was found in `_PATIENCE` tries.
DISTANCE, FAR = 6, 24
_PATIENCE = 4
# Whole columns with a site, a type and a period, in this order of axes; and how much of them is free at first.
_PLACED = placed_decisions()
_SHARE = 0.25
# A search that found nothing is given up to so many times its seconds.
LONGEST = 4.0


def look_around(search: Search, bounds: BoundSearch) -> None:
    """Better plans near the best one, and what the bound search finds, until gap, time or halt end it."""
    step = _step(search)
    while not search.control.done:
        _polish_found(search, bounds.take())
        if search.control.x is None:
            search.settle(lambda _model: None)
            if search.control.x is None and search.control.wait(0.2):
                return
            continue
        step.once(search.control.x)


def _step(search: Search) -> _Parts | _Patterns | _Windows:
    orders = search.program.layout.columns.get("orders")
    if not len(search.names.on):
        return _Windows(search)
    return _Parts(search) if orders is not None and orders.ndim == 4 else _Patterns(search)


def _polish_found(search: Search, x: FloatArray | None) -> None:
    """Cuts belong where the bound is made, and a point with whole choices is worth being made a plan."""
    if x is None:
        return
    search.control.phase = "points of the bound search"
    search.value(x)
    choices = x[search.choices]
    if np.abs(choices - np.round(choices)).max(initial=0.0) < 1e-4:
        search.polish(x)


class _Patterns:
    """Other sets of order switches near the best plan's (Fischetti and Lodi 2003), each tried once.

    Which switches are on is most of what there is to decide. The whole numbers of the orders cost every pattern about
    the same, so patterns are compared without them: on the cut master, only choices whole. The best one is polished.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._distance, self._misses = DISTANCE, 0
        self._stretch = 1.0

    def once(self, plan: FloatArray) -> None:
        search, control = self._search, self._search.control
        before = control.objective
        search.refresh_base()
        on = np.round(plan[search.names.on]) > 0.5
        model = search.pruned(16)
        model.integer[search.choices] = True
        for pattern in (*search.tried, on):  # sum_on (1 - s) + sum_off s >= 1
            model.add_rows(self._row(model, pattern), 1.0 - pattern.sum(), np.inf)
        model.add_rows(self._row(model, on), -np.inf, float(self._distance - on.sum()))
        control.phase = "patterns nearby"
        outcome = search.solve(model, self._stretch * search.effort.branch_seconds, 2e-3)
        if outcome.status == "no_solution" and outcome.bound < before and self._stretch < LONGEST:
            self._stretch *= 2.0  # nothing found in this time says nothing
            return
        if outcome.x is None or outcome.objective > before:
            none_here = outcome.status == "infeasible" or outcome.bound > before
            self._distance = 2 * self._distance if none_here else max(self._distance // 2, 2)
            self._misses += 1
            if self._misses > _PATIENCE:
                # every pattern that looks good has been tried once: now with nothing held, as the cuts have grown since
                search.settle(lambda _model: None)
                self._distance, self._misses = FAR, 0
            return
        search.polish(outcome.x[: search.columns])
        if control.objective < before * (1 - 1e-5):
            self._distance, self._misses = DISTANCE, 0
            return
        self._misses += 1
        if self._misses % 3 == 0:
            self._distance = min(self._distance + 4, len(on))

    def _row(self, model: MasterModel, on: BoolArray) -> sp.csr_matrix:
        """Switches off that are on here, less switches on: + number on = how far from this pattern."""
        count = len(on)
        where = (np.zeros(count, int), self._search.names.on)
        return sp.csr_matrix((np.where(on, -1.0, 1.0), where), shape=(1, len(model.cost)))


class _Parts:
    """Whole numbers anew in one part of the plan at a time, all else as the best plan has it (a large neighbourhood
    search, Shaw 1998): some periods, some sites, or one type of module for a time.

    A part is small enough to be solved outright in seconds where HiGHS finds nothing at all in the whole. Parts grow
    while they are solved quickly and shrink where they are not.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        columns = search.program.layout.columns
        _, self._sites, self._types, self._periods = columns["orders"].shape
        at = np.indices((self._sites, self._types, self._periods))
        index, labels = [], []
        for name in (n for n in _PLACED if n in columns):
            group = columns[name]
            real = group >= 0
            index.append(group[real])
            labels.append(np.stack([np.broadcast_to(axis, group.shape)[real] for axis in at]))
        self._columns = np.concatenate(index)
        self._site, self._type, self._period = np.concatenate(labels, axis=1)
        self._chance = np.random.default_rng(search.control.limits.seed)
        self._share = dict.fromkeys(("sites", "type", "periods"), _SHARE)
        self._turn, self._misses = 0, 0
        self._patterns = _Patterns(search)  # where parts by themselves say nothing new

    def once(self, plan: FloatArray) -> None:
        search, control = self._search, self._search.control
        kind = tuple(self._share)[self._turn % len(self._share)]
        free = self._part(kind)
        held = self._columns[~free]

        def edit(model: MasterModel) -> None:
            model.lower[held] = model.upper[held] = np.round(plan[held])

        control.phase = "parts of the plan"
        begun, before = control.seconds, control.objective
        search.settle(edit, rounds=4)
        quick = control.seconds - begun < search.effort.branch_seconds
        self._share[kind] = float(np.clip(self._share[kind] * (1.2 if quick else 0.8), 0.02, 1.0))
        if control.objective < before * (1 - 1e-5):  # the same kind again
            self._misses = 0
            return
        self._turn, self._misses = self._turn + 1, self._misses + 1
        if self._misses >= _PATIENCE * len(self._share) and not control.done:
            assert control.x is not None
            self._patterns.once(control.x)
            self._misses = 0

    def _part(self, kind: str) -> BoolArray:
        """(placed columns,) what is free."""
        share = self._share[kind]
        if kind == "periods":
            width = int(np.clip(round(share * self._periods), 1, self._periods))
            first = self._chance.integers(0, self._periods - width + 1)
            return np.asarray((self._period >= first) & (self._period < first + width))
        if kind == "sites":
            width = int(np.clip(round(share * self._sites), 1, self._sites))
            return np.isin(self._site, self._chance.permutation(self._sites)[:width])
        width = int(np.clip(round(share * self._types * self._periods), 1, self._periods))
        first = self._chance.integers(0, self._periods - width + 1)
        one = self._chance.integers(0, self._types)
        return np.asarray((self._type == one) & (self._period >= first) & (self._period < first + width))


class _Windows:
    """Whole numbers within a window around the best plan's, where no order has a switch."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._width, self._misses, self._gap = 2, 0, 1e-3

    def once(self, plan: FloatArray) -> None:
        search, control = self._search, self._search.control
        before = control.objective
        search.refresh_base()
        model = search.whole_numbers(search.pruned(16))
        near = search.whole
        model.lower[near] = np.maximum(model.lower[near], plan[near] - self._width)
        model.upper[near] = np.minimum(model.upper[near], plan[near] + self._width)
        control.phase = "plans nearby"
        outcome = search.solve(model, search.effort.branch_seconds, self._gap, search.hint(plan))
        found = None if outcome.x is None else search.rounded(outcome.x[: search.columns])
        if found is not None:
            cost = search.offer(found)
            search.seeds.append(found)
            self._gap = float(np.clip(0.2 * (cost - outcome.objective) / abs(cost), 3e-4, 5e-3))
            if cost < before * (1 - 1e-5):
                self._misses = 0
                return
        self._misses += 1
        if self._misses > _PATIENCE or outcome.bound > before * (1 - 5e-4):  # nothing left so near: look further
            self._width, self._misses = self._width + 2, 0
