"""Branch and bound over where and when campaigns run, on the linear relaxation of one future.

Campaigns on thousands of cards are what a relaxation is most wrong about, and they are few. Which place a campaign has,
or none, is branched on first, all places at once; then whether it runs in a period. A node is solved by GLOP's dual
simplex from the basis of its parent: 1 s on the national example by hub, where HiGHS takes 20 to 50 s of CPU for the
same tree (docs/decisions/0121). The best bound comes first, so that what is left open bounds everything below it, and
whole leaves come in the order of their cost.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import Arrays, Program
from planner.solve.linear import attempts
from planner.solve.native import Incremental, Outcome

_WHOLE = 1e-6


@dataclass(frozen=True)
class Leaf:
    """Campaigns in whole numbers: `great` (great columns,), and the relaxation of all else under them."""

    bound: float
    great: FloatArray
    x: FloatArray


@dataclass(frozen=True)
class Grown:
    """What a tree came to. bound: of all plans; open_bound: of those outside the leaves, which are the cheapest first.

    relaxed: (columns,) the optimum at the root, None where the time did not suffice. nodes: how many were solved.
    """

    bound: float
    open_bound: float
    leaves: list[Leaf]
    relaxed: FloatArray | None
    nodes: int


@dataclass(frozen=True)
class Campaigns:
    """place: for each campaign, the columns of its places; on: (periods,) columns for each of these, by campaign."""

    place: list[IntArray]
    on: list[list[IntArray]]

    @classmethod
    def of(cls, program: Program) -> Campaigns:
        """Those of one future's program that are not ruled out."""
        columns, upper = program.layout.columns, program.master.upper
        place, on = columns.get("campaign_place"), columns.get("campaign_on")
        if place is None or on is None or not place.size:
            return cls([], [])
        places, runs = [], []
        for c in range(place.shape[1]):
            spots = np.argwhere(upper[place[0, c]] > 0)
            places.append(np.array([place[0, c, s, k] for s, k in spots], np.int64))
            runs.append([on[0, c, s, k][upper[on[0, c, s, k]] > 0] for s, k in spots])
        return cls(places, runs)

    @property
    def columns(self) -> IntArray:
        """(great columns,) all of them, places before periods."""
        return np.concatenate([*self.place, *itertools.chain(*self.on), np.zeros(0, np.int64)]).astype(np.int64)


Fixed = tuple[tuple[int, float], ...]


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    fixed: Fixed = field(compare=False)
    x: FloatArray = field(compare=False)
    basis: object = field(compare=False)


def grow(arrays: Arrays, campaigns: Campaigns, seconds: float, cutoff: float = np.inf, beyond: float = 0.01) -> Grown:
    """Branch until everything open costs at least `cutoff`, or `beyond` (relative) more than the best leaf.

    arrays: one future, without regard to whole numbers. Task of a worker process.
    """
    began = time.monotonic()
    great = campaigns.columns
    first = attempts(arrays, seconds)
    if first.status == "infeasible":
        return Grown(np.inf, np.inf, [], None, 1)
    if first.status != "optimal" or first.x is None:
        return Grown(-np.inf, -np.inf, [], None, 1)
    root = _Node(first.objective, 0, (), first.x, first.basis)
    if not len(great):
        return Grown(root.bound, np.inf, [Leaf(root.bound, np.zeros(0), first.x)], first.x, 1)
    solver = Incremental(arrays)
    heap, leaves, count = [root], [], 1
    while heap:
        node = heap[0]
        best = leaves[0].bound if leaves else np.inf
        if node.bound >= min(cutoff, best + beyond * abs(best)):
            break
        heapq.heappop(heap)
        children = list(_children(node, campaigns))
        if not children:
            leaves = sorted([*leaves, Leaf(node.bound, np.round(node.x[great]), node.x)], key=lambda leaf: leaf.bound)
            continue
        for fixed in children:
            left = seconds - (time.monotonic() - began)
            answer = None if left <= 0 else _solved(solver, arrays, great, fixed, node.basis, left)
            if answer is None:  # no time: the node stays open
                heapq.heappush(heap, node)
                return _grown(heap, leaves, first.x, count, cutoff)
            count += 1
            if answer.x is not None:
                bound = max(node.bound, answer.objective)
                heapq.heappush(heap, _Node(bound, count, fixed, answer.x, answer.basis))
    return _grown(heap, leaves, first.x, count, cutoff)


def _grown(heap: list[_Node], leaves: list[Leaf], relaxed: FloatArray, count: int, cutoff: float) -> Grown:
    open_bound = min(heap[0].bound if heap else np.inf, np.inf)
    bound = min(open_bound, leaves[0].bound if leaves else np.inf)
    return Grown(bound, open_bound, leaves, relaxed, count)


def _solved(
    solver: Incremental, arrays: Arrays, great: IntArray, fixed: Fixed, basis: object, seconds: float
) -> Outcome | None:
    """The relaxation under these bounds; x is None where there is no point; None without an answer in time."""
    lower, upper = arrays.lower.copy(), arrays.upper.copy()
    for column, value in fixed:
        lower[column] = upper[column] = value
    solver.bound(great, lower[great], upper[great])
    answer = solver.solve(basis=basis, seconds=seconds)
    if answer.status in ("optimal", "infeasible"):
        return answer
    return None


def _children(node: _Node, campaigns: Campaigns) -> Iterator[Fixed]:
    """Bounds that part what is below a node; none where it is whole.

    First by the place of the campaign whose place is least settled, each place (and none) a child; then by the period
    that is farthest from whole.
    """
    x, known = node.x, dict(node.fixed)
    off = [np.abs(x[p] - np.round(x[p])).max(initial=0.0) for p in campaigns.place]
    if max(off, default=0.0) > _WHOLE:
        c = int(np.argmax(off))
        places = [p for p in campaigns.place[c].tolist() if p not in known]
        settled = {p: v for p, v in known.items() if p in set(campaigns.place[c].tolist())}
        if any(v > 0.5 for v in settled.values()):
            raise AssertionError("a campaign in two places")
        for chosen in [*places, -1]:
            yield (*node.fixed, *((p, float(p == chosen)) for p in places))
        return
    periods = np.concatenate([*itertools.chain(*campaigns.on), np.zeros(0, np.int64)]).astype(np.int64)
    away = np.abs(x[periods] - np.round(x[periods]))
    if away.max(initial=0.0) > _WHOLE:
        column = int(periods[int(np.argmax(away))])
        for value in (0.0, 1.0):
            yield (*node.fixed, (column, value))
