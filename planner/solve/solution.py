"""What a solve gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.program.blocks import BlockKey

from .progress import Progress

SolutionStatus = Literal["optimal", "feasible", "infeasible", "unbounded", "stopped_without_plan"]


@dataclass(frozen=True)
class CutStore:
    """Lower bounds on block values: value of block `keys[owner[i]]` >= constant[i] + slope[i] x for every x.

    fingerprints: of the blocks' data; a cut stays a proven one only while its block is the same to the last bit.
    """

    keys: tuple[BlockKey, ...]
    fingerprints: tuple[bytes, ...]
    owner: IntArray
    constant: FloatArray
    slope: sp.csr_matrix


@dataclass(frozen=True)
class WarmStart:
    """What a later solve of the same or a changed program may start from: master columns and cuts.

    Nothing in it is trusted: the plan is evaluated again, and cuts of blocks that have changed are dropped.
    """

    x: FloatArray
    cuts: CutStore | None = None


@dataclass(frozen=True)
class Solution:
    """The best plan found and what is proven about it.

    x: (master columns,) and blocks: one (columns,) array a block, empty when there is no plan. objective: cost of the
    plan; bound: no plan costs less (up to the solvers' tolerances), both in the program's money unit. status: "optimal"
    when the asked-for gap is proven, else "feasible". trace: every improvement of objective or bound.
    """

    x: FloatArray
    blocks: list[FloatArray]
    objective: float
    bound: float
    gap: float
    status: SolutionStatus
    seconds: float
    route: str
    trace: list[Progress] = field(default_factory=list)
    peak_mb: float = 0.0
    warm: WarmStart | None = None
    detail: str = ""
