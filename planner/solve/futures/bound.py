"""The bound of all futures by themselves: their trees grown and leaves refined, in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Arrays
from planner.solve.benders.evaluation import HaltedError
from planner.solve.benders.merged import columns_of, held_at, with_exact_cuts
from planner.solve.benders.search import Search
from planner.solve.control import Control
from planner.solve.futures import tree
from planner.solve.futures.apart import Apart
from planner.solve.futures.side import Side
from planner.solve.futures.tree import Grown, Leaf
from planner.solve.native import Settings
from planner.solve.tuning import TUNING
from planner.solve.workers import Worker

_T = TypeVar("_T")

_POLL_S = 0.1


class Bound:
    """Work on the futures' trees. points: (columns,) of the whole master each, the last plans found: exact cuts are
    taken where they are."""

    def __init__(self, search: Search, control: Control, apart: Apart, sides: Sequence[Side]) -> None:
        self._search, self._control, self._apart, self._sides = search, control, apart, sides
        self.workers = [Worker() for _ in range(max(control.limits.threads, 1))]
        self.waiting = ThreadPoolExecutor(len(sides), thread_name_prefix="tideplan-future")
        self.points: list[FloatArray] = []

    def close(self) -> None:
        """End the processes."""
        for worker in self.workers:
            worker.shutdown(wait=False, cancel_futures=True)
        self.waiting.shutdown(wait=False, cancel_futures=True)

    def grow(self, worker: Worker, side: Side, beyond: float, nodes: float = np.inf) -> None:
        """Grow a future's tree, a few nodes at a time, so that what it proves on the way is told."""
        while not self._control.done:
            part = min(nodes, TUNING.nodes)
            found = self._task(worker, tree.grow, side.token, None, self._control.left(), beyond, part)
            if found is None:  # not planted in this process yet
                arrays = replace(side.priced, integer=np.zeros_like(side.priced.integer))
                planted = (arrays, side.campaigns, None if side.priced is side.arrays else side.arrays.cost)
                found = self._task(worker, tree.grow, side.token, planted, self._control.left(), beyond, part)
            if found is None:
                return
            side.grown = found
            self._tell_bound()
            nodes -= part
            if found.done or nodes <= 0:
                return

    def _refine(self, worker: Worker, side: Side, leaf: Leaf) -> None:
        """All but the orders whole in a leaf, with what exact blocks are known to be worth near plans.

        Held is what was branched on, no more: other campaigns than the leaf's own may be left in it.
        """
        held = np.array(leaf.fixed, float).reshape(-1, 2)
        arrays = held_at(side.priced, held[:, 0].astype(int), held[:, 1])
        orders = columns_of(side.alone.program.layout.columns, ("orders",))
        integer = arrays.integer.copy()
        integer[orders] = False
        arrays = replace(arrays, integer=integer)
        with self._search.state.lock:
            points = self.points[-TUNING.refined_points :]
            if points:
                arrays = self._with_exact(arrays, side, points)
        seconds = max(TUNING.refined_share * self._control.left(), TUNING.refined_seconds)
        outcome = worker.native(
            arrays, Settings("highs", seconds=min(seconds, self._control.left()), gap=TUNING.refined_gap), self._control
        )
        if outcome is None:
            return
        bound = np.inf if outcome.status == "infeasible" else outcome.bound
        side.refined[leaf.great.tobytes()] = max(leaf.bound, bound)
        self._tell_bound()

    def _with_exact(self, arrays: Arrays, side: Side, points: list[FloatArray]) -> Arrays:
        pool = self._search.master.pool.of(side.alone.blocks, side.alone.columns)
        return with_exact_cuts(arrays, side.alone.program, pool, [x[side.alone.columns] for x in points])

    def until_end(self, grown: dict[int, Future[None]]) -> None:
        """The bound until the end: where least was done a tree's leaf is refined, or the tree grown on. grown: trees
        that are being grown, by future."""
        turns = [1] * len(self._sides)
        busy = dict(grown)
        try:
            while not self._control.done:
                for f in [f for f, task in busy.items() if task.done()]:
                    self.wait(busy.pop(f))
                for f in sorted(range(len(self._sides)), key=lambda f: len(self._sides[f].refined)):
                    if f in busy or len(busy) >= len(self.workers):
                        continue
                    side = self._sides[f]
                    leaf = side.leaf_to_refine()
                    if leaf is not None:
                        busy[f] = self.begin(side, self._refine, leaf)
                    elif turns[f] < len(TUNING.beyond):
                        busy[f] = self.begin(side, self.grow, TUNING.beyond[turns[f]])
                        turns[f] += 1
                if self._control.wait(_POLL_S) or not busy:
                    return
        except HaltedError:
            return

    def _tell_bound(self) -> None:
        known = np.array([side.bound for side in self._sides])
        if np.isfinite(known).all():
            self._control.raise_bound(self._apart.measure(known / self._apart.probability))

    def begin(self, side: Side, work: Callable[..., None], *arguments: object) -> Future[None]:
        """In the process of the future, which keeps its tree: one task after the other there."""

        def begun() -> None:
            if not self._control.halted:
                work(self.workers[side.alone.future % len(self.workers)], side, *arguments)

        return self.waiting.submit(begun)

    def _task(self, worker: Worker, function: Callable[..., Grown | None], *arguments: object) -> Grown | None:
        task = worker.submit(function, *arguments)
        try:
            found: Grown | None = self.wait(task)
        except (BrokenExecutor, CancelledError):
            return None
        return found

    def wait(self, task: Future[_T]) -> _T:
        """What a task came to. Raises HaltedError once the search is halted."""
        while True:
            try:
                return task.result(timeout=_POLL_S)
            except TimeoutError:
                if self._control.halted:
                    raise HaltedError from None
