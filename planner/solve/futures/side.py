"""What is known of one future while all are searched by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from planner.arrays import BoolArray, FloatArray
from planner.program.blocks import Arrays
from planner.solve.benders.merged import held_at
from planner.solve.futures.apart import Alone
from planner.solve.futures.tree import Campaigns, Grown, Leaf


@dataclass
class Side:
    """What is known of one future. arrays: at its part of all costs, for plans; priced: at the prices of what is
    shared, for bounds. plan: (columns of it alone and merged,) its best with its own early decisions; late: the same
    under those of the plan; refined: bound of each leaf by its campaigns. whole: (shared,) which of
    `alone.shared` are in whole numbers."""

    alone: Alone
    arrays: Arrays
    priced: Arrays
    campaigns: Campaigns
    token: str
    whole: BoolArray
    grown: Grown | None = None
    plan: FloatArray | None = None
    late: FloatArray | None = None
    refined: dict[bytes, float] = field(default_factory=dict)

    def price(self, shares: FloatArray) -> None:
        """shares: (F, columns of the whole master)."""
        cost = self.arrays.cost.copy()
        cost[: len(self.alone.columns)] = shares[self.alone.future, self.alone.columns]
        self.priced = replace(self.arrays, cost=cost)

    @property
    def bound(self) -> float:
        """Of what the future costs at the prices of what is shared, times its probability."""
        if self.grown is None:
            return -np.inf
        leaves = [max(leaf.bound, self.refined.get(leaf.great.tobytes(), -np.inf)) for leaf in self.grown.leaves]
        return min([self.grown.open_bound, *leaves])

    def leaf_to_refine(self) -> Leaf | None:
        """The leaf that holds the bound, if one does and it was not refined yet."""
        if self.grown is None:
            return None
        for leaf in self.grown.leaves:
            key = leaf.great.tobytes()
            if key not in self.refined and leaf.bound <= self.bound + 1e-9 * abs(self.bound):
                return leaf
        return None

    def under(self, arrays: Arrays, great: FloatArray, early: FloatArray | None) -> Arrays:
        """arrays with campaigns held at `great` (great columns,), and early decisions (shared,) if they are given."""
        arrays = held_at(arrays, self.campaigns.columns, great)
        if early is None:
            return arrays
        return held_at(arrays, self.alone.shared[self.whole], np.round(early[self.whole]))
