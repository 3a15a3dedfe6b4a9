"""The master's builder: columns that know which branches share them, and what they cost in which future."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import Builder
from planner.program.decisions import DECISIONS
from planner.program.instance import Instance


class Master(Builder):
    """A `Builder` whose decisions have a leading branch axis.

    A decision of a period before `commit_periods` is one column in every branch; a later one has a column for each
    branch. Costs are given once, undiminished; `weights()` and `future_cost()` turn them into objectives.
    """

    def __init__(self, instance: Instance) -> None:
        super().__init__()
        self.instance = instance
        commit = instance.case.horizon.commit_periods
        self.commit = instance.case.horizon.periods if commit is None or instance.branches == 1 else commit
        self._raw: list[FloatArray] = []
        self._share: list[FloatArray] = []  # (columns, branches): 1 where the branch pays for the column
        self._future_share: list[FloatArray] = []

    def decide(
        self,
        name: str,
        shape: tuple[int, ...],
        decided: ArrayLike,
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
        cost: ArrayLike = 0.0,
        where: ArrayLike = True,
    ) -> IntArray:
        """(branches, *shape) column numbers; -1 where `where` is false. `decided`: period in which each is decided.

        Whole where its record in `DECISIONS` says so; columns without a record are continuous.
        """
        inst, branches = self.instance, self.instance.branches
        decided = np.broadcast_to(np.asarray(decided), shape)
        where = np.broadcast_to(np.asarray(where, bool), shape)
        index = np.full((branches, *shape), -1)
        own = np.zeros((branches, *shape), bool)
        own[0] = where
        own[1:] = where & (decided >= self.commit)
        count = int(own.sum())
        index[own] = np.arange(self.column_count, self.column_count + count)
        index[1:] = np.where(own[1:], index[1:], index[0])
        branch = np.nonzero(own)[0]
        shared = np.broadcast_to(decided < self.commit, own.shape)[own] | (branches == 1)
        share = np.zeros((count, branches))
        share[np.arange(count), branch] = 1
        share[shared] = 1

        def picked(value: ArrayLike) -> FloatArray:
            return np.asarray(np.broadcast_to(np.asarray(value, float), (branches, *shape))[own], float)

        self._append(
            name,
            index,
            picked(lower),
            picked(upper),
            picked(cost),
            np.full(count, name in DECISIONS and DECISIONS[name].whole),
        )
        self._share.append(share)
        self._future_share.append(share[:, inst.branch_of])
        return index

    def state(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
        cost: ArrayLike = 0.0,
    ) -> IntArray:
        """(branches, *shape) continuous columns, one for each branch."""
        return self.decide(name, shape, self.commit, lower=lower, upper=upper, cost=cost)

    def per_future(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
        cost: ArrayLike = 0.0,
    ) -> IntArray:
        """(futures, *shape) continuous columns, one for each future."""
        futures = len(self.instance.probability)
        full = (futures, *shape)
        count = int(np.prod(full, dtype=int))
        index = np.arange(self.column_count, self.column_count + count).reshape(full)

        def spread(value: ArrayLike) -> FloatArray:
            return np.asarray(np.broadcast_to(np.asarray(value, float), full).ravel(), float)

        self._append(name, index, spread(lower), spread(upper), spread(cost), np.zeros(count, bool))
        future = np.repeat(np.eye(futures), int(np.prod(shape, dtype=int)), axis=0)
        self._future_share.append(future)
        share = np.zeros((count, self.instance.branches))
        self._share.append(share)
        return index

    def _append(
        self, name: str, index: IntArray, lower: FloatArray, upper: FloatArray, cost: FloatArray, integer: np.ndarray
    ) -> None:
        if name in self.columns:
            raise ValueError(f"columns {name!r} stand already")
        self.columns[name] = index
        self._lower.append(lower)
        self._upper.append(upper)
        self._cost.append(np.zeros_like(cost))
        self._raw.append(cost)
        self._integer.append(integer)
        self.column_count += len(cost)

    def raw_cost(self) -> FloatArray:
        """(columns,) undiminished cost of one unit of each column, in the futures that pay for it."""
        return np.concatenate(self._raw)

    def future_share(self) -> FloatArray:
        """(columns, futures): 1 where the future pays for the column."""
        return np.concatenate(self._future_share)

    def expected_cost(self) -> FloatArray:
        """(columns,) cost weighted by the probability of the futures that pay."""
        return np.asarray(self.raw_cost() * (self.future_share() @ self.instance.probability), float)
