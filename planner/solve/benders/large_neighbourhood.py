"""Large neighbourhood search: one part of the plan anew at a time."""

from __future__ import annotations

import numpy as np

from planner.arrays import BoolArray, FloatArray
from planner.program.decisions import placed_decisions
from planner.solve.benders.fix_and_solve import FixAndSolve
from planner.solve.benders.local_branching import LocalBranching
from planner.solve.benders.master import MasterModel
from planner.solve.benders.search import Search
from planner.solve.tuning import TUNING

# Whole columns with a site, a type and a period, in this order of axes.
_PLACED = placed_decisions()


class LargeNeighbourhood:
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
        self._share = dict.fromkeys(("sites", "type", "periods"), TUNING.part_share)
        self._turn, self._misses = 0, 0
        self._fix = FixAndSolve(search)
        self._patterns = LocalBranching(search)  # where parts by themselves say nothing new

    def once(self, plan: FloatArray) -> None:
        """See `Strategy`. plan: (columns,) of the master."""
        search, control = self._search, self._search.control
        kind = tuple(self._share)[self._turn % len(self._share)]
        free = self._part(kind)
        held = self._columns[~free]

        def edit(model: MasterModel) -> None:
            model.lower[held] = model.upper[held] = np.round(plan[held])

        control.phase = "parts of the plan"
        begun, before = control.seconds, control.objective
        self._fix.settle(edit, rounds=4)
        quick = control.seconds - begun < search.effort.branch_seconds
        self._share[kind] = float(np.clip(self._share[kind] * (1.2 if quick else 0.8), 0.02, 1.0))
        if control.objective < before * (1 - 1e-5):  # the same kind again
            self._misses = 0
            return
        self._turn, self._misses = self._turn + 1, self._misses + 1
        if self._misses >= TUNING.patience * len(self._share) and not control.done:
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
