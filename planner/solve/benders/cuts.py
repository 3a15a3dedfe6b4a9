"""The growing pool of proven lower bounds on block values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray, IntArray


class CutPool:
    """Cuts theta[owner] >= constant + slope x. Cuts are only ever added."""

    def __init__(self, blocks: int, master_columns: int) -> None:
        self.blocks = blocks
        self.owner: IntArray = np.zeros(0, np.int64)
        self.constant: FloatArray = np.zeros(0)
        self._parts: list[sp.csr_matrix] = [sp.csr_matrix((0, master_columns))]

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def slope(self) -> sp.csr_matrix:
        """(cuts, master columns)"""
        if len(self._parts) > 1:
            self._parts = [sp.csr_matrix(sp.vstack(self._parts))]
        return self._parts[0]

    def add(self, owner: IntArray, constant: FloatArray, slope: sp.csr_matrix) -> None:
        """Add cuts: owner (cuts,), constant (cuts,), slope (cuts, master columns)."""
        self._parts.append(slope)
        self.owner = np.concatenate([self.owner, owner])
        self.constant = np.concatenate([self.constant, constant])

    def of(self, blocks: IntArray, columns: IntArray) -> CutPool:
        """The cuts of some blocks, numbered as given here, over the columns that they see.

        blocks, columns: (chosen,) their numbers.
        """
        number = np.full(self.blocks, -1)
        number[blocks] = np.arange(len(blocks))
        which = np.flatnonzero(number[self.owner] >= 0)
        out = CutPool(len(blocks), len(columns))
        out.add(number[self.owner[which]], self.constant[which], self.slope[which][:, columns])
        return out

    def values(self, x: FloatArray) -> FloatArray:
        """(cuts,) what every cut says at x."""
        return np.asarray(self.constant + self.slope @ x, float)

    def lower(self, x: FloatArray, values: FloatArray | None = None) -> FloatArray:
        """(blocks,) the best lower bound of every block's value at x, -inf without a cut."""
        out = np.full(self.blocks, -np.inf)
        np.maximum.at(out, self.owner, self.values(x) if values is None else values)
        return out

    def best(self, x: FloatArray) -> IntArray:
        """(blocks,) the cut that says most of every block at x, -1 without one."""
        out = np.full(self.blocks, -1)
        order = np.argsort(self.values(x), kind="stable")
        out[self.owner[order]] = order  # the last one written is the highest
        return out

    def tight(self, points: Sequence[FloatArray], tolerance: float = 1e-4) -> BoolArray:
        """(cuts,) cuts that are within `tolerance` of the best of their block at one of the points, relative to the
        block's value there or to the mean of all, if that is more."""
        keep = np.zeros(len(self), bool)
        for x in points:
            values = self.values(x)
            lower = self.lower(x, values)
            known = np.abs(lower[np.isfinite(lower)])
            best = lower[self.owner]
            keep |= values >= best - tolerance * np.maximum(known.mean() if len(known) else 1.0, np.abs(best))
        return keep
