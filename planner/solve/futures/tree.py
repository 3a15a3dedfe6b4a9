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
from dataclasses import dataclass, field, replace

import numpy as np

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import Arrays, Program
from planner.solve.linear import attempts
from planner.solve.native import Incremental, Outcome, Settings, run

_WHOLE = 1e-6
_HALF = 0.5


Fixed = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Leaf:
    """Campaigns in whole numbers: `great` (great columns,), and the relaxation of all else under them.

    fixed: what was branched on. Other campaigns may keep to it, too, and cost no less than `bound`.
    """

    bound: float
    great: FloatArray
    x: FloatArray
    fixed: Fixed


@dataclass(frozen=True)
class Grown:
    """What a tree came to. bound: of all plans; open_bound: of those outside the leaves, which are the cheapest first.

    relaxed: (columns,) the optimum at the root, None where the time did not suffice. nodes: how many were solved.
    done: it need not be grown on. nearest: the campaigns nearest to the root's, where a plan has them; no leaf of the
    tree, and at hand as soon as the root is.
    """

    bound: float
    open_bound: float
    leaves: list[Leaf]
    relaxed: FloatArray | None
    nodes: int
    done: bool = True
    nearest: Leaf | None = None


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


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    fixed: Fixed = field(compare=False)
    x: FloatArray = field(compare=False)
    basis: object = field(compare=False)


class Tree:
    """The tree of one future. arrays: its program, without regard to whole numbers.

    easier: (columns,) costs at which its relaxation is solved first. At the prices of what is shared HiGHS needs 15 s
    on the national example, at a future's own costs 3 s, and from there GLOP's primal simplex 1 to 4 s more.
    """

    def __init__(self, arrays: Arrays, campaigns: Campaigns, easier: FloatArray | None = None) -> None:
        self._arrays, self._campaigns, self._great = arrays, campaigns, campaigns.columns
        self._easier = easier
        self._solver: Incremental | None = None
        self._heap: list[_Node] = []
        self._leaves: list[Leaf] = []
        self._relaxed: FloatArray | None = None
        self._nearest: Leaf | None = None
        self._count = 0

    def grow(self, seconds: float, beyond: float, nodes: float = np.inf) -> Grown:
        """Branch until everything open costs at least `beyond` (relative) more than the best leaf, or for so many
        seconds or nodes."""
        until, most = time.monotonic() + seconds, self._count + nodes
        if self._relaxed is None:
            first = self._root(seconds)
            if first.status == "infeasible":
                return Grown(np.inf, np.inf, [], None, 1)
            if first.status != "optimal" or first.x is None:
                return Grown(-np.inf, -np.inf, [], None, 1)
            self._relaxed, self._count = first.x, 1
            self._heap = [_Node(first.objective, 0, (), first.x, first.basis)]
            self._nearest = self._rounded(first, until - time.monotonic())
        done = False
        while self._heap and not done and self._count < most:
            best = self._leaves[0].bound if self._leaves else np.inf
            done = self._heap[0].bound >= best + beyond * abs(best) or not self._branch(until)
        open_bound = self._heap[0].bound if self._heap else np.inf
        bound = min(open_bound, self._leaves[0].bound if self._leaves else np.inf)
        done = done or not self._heap
        return Grown(bound, open_bound, self._leaves, self._relaxed, self._count, done, self._nearest)

    def _rounded(self, root: Outcome, seconds: float) -> Leaf | None:
        """Every campaign at the place where most of it is, if half of it has a place, in the periods in which half of
        what is there runs."""
        assert root.x is not None
        fixed: dict[int, float] = dict.fromkeys(self._great.tolist(), 0.0)
        for spots, periods in zip(self._campaigns.place, self._campaigns.on, strict=True):
            share = root.x[spots]
            if len(spots) and share.sum() >= _HALF:
                at = int(share.argmax())
                fixed[int(spots[at])] = 1.0
                fixed |= {int(q): float(root.x[q] >= _HALF * share[at]) for q in periods[at]}
        found = self._solved(tuple(fixed.items()), root.basis, seconds) if seconds > 0 else None
        if found is None or found.x is None:
            return None
        self._count += 1
        return Leaf(found.objective, np.round(found.x[self._great]), found.x, tuple(fixed.items()))

    def _root(self, seconds: float) -> Outcome:
        if self._easier is not None:
            easy = attempts(replace(self._arrays, cost=self._easier), seconds)
            if easy.basis is not None:
                again = Settings("glop", seconds=seconds, basis=easy.basis, preprocessing=False, primal=True)
                found = run(self._arrays, again, relax=True)
                if found.status == "optimal" and found.x is not None:
                    return found
        return attempts(self._arrays, seconds)

    def _branch(self, until: float) -> bool:
        """Replace the best node by its children, or make it a leaf; False where there was no time for all of them."""
        node = self._heap[0]
        children = list(_children(node, self._campaigns))
        if not children:
            leaf = Leaf(node.bound, np.round(node.x[self._great]), node.x, node.fixed)
            self._leaves = sorted([*self._leaves, leaf], key=lambda leaf: leaf.bound)
            heapq.heappop(self._heap)
            return True
        below = []
        for fixed in children:
            left = until - time.monotonic()
            answer = self._solved(fixed, node.basis, left) if left > 0 else None
            if answer is None:
                return False
            self._count += 1
            if answer.x is not None:
                bound = max(node.bound, answer.objective)
                below.append(_Node(bound, self._count, fixed, answer.x, answer.basis))
        heapq.heappop(self._heap)
        for child in below:
            heapq.heappush(self._heap, child)
        return True

    def _solved(self, fixed: Fixed, basis: object, seconds: float) -> Outcome | None:
        """The relaxation under these bounds, x None where there is no point; None without an answer in time."""
        if self._solver is None:
            self._solver = Incremental(self._arrays)
        lower, upper, great = self._arrays.lower.copy(), self._arrays.upper.copy(), np.sort(self._great)
        for column, value in fixed:
            lower[column] = upper[column] = value
        self._solver.bound(great, lower[great], upper[great])
        answer = self._solver.solve(basis=basis, seconds=seconds)
        return answer if answer.status in ("optimal", "infeasible") else None


_TREES: dict[str, Tree] = {}


def grow(
    token: str, planted: tuple[Arrays, Campaigns, FloatArray | None] | None, seconds: float, beyond: float, nodes: float
) -> Grown | None:
    """Task of a worker process, which keeps its trees: `planted` is sent once; None where it is missing.

    The third of `planted`: (columns,) of an easier optimum.
    """
    if planted is not None:
        _TREES[token] = Tree(*planted)
    tree = _TREES.get(token)
    return None if tree is None else tree.grow(seconds, beyond, nodes)


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
        for chosen in [*places, -1]:
            yield (*node.fixed, *((p, float(p == chosen)) for p in places))
        return
    periods = np.concatenate([*itertools.chain(*campaigns.on), np.zeros(0, np.int64)]).astype(np.int64)
    away = np.abs(x[periods] - np.round(x[periods]))
    if away.max(initial=0.0) > _WHOLE:
        column = int(periods[int(np.argmax(away))])
        for value in (0.0, 1.0):
            yield (*node.fixed, (column, value))
