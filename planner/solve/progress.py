"""What is told while a solve runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Progress:
    """Where a solve stands. objective: of the best plan so far (inf before the first); bound: proven lower bound (-inf
    before the first), both in the program's money unit; gap: see `relative_gap`; seconds since the start. What it took,
    whatever the machine: rounds of the relaxation, and evaluations of blocks (one a block and point)."""

    objective: float
    bound: float
    gap: float
    phase: str
    seconds: float
    rounds: int = 0
    evaluations: int = 0


def relative_gap(objective: float, bound: float) -> float:
    """(objective - bound) / |objective|: 0 when they meet, inf while either is missing."""
    if not (np.isfinite(objective) and np.isfinite(bound)):
        return float("inf")
    difference = max(objective - bound, 0.0)
    if difference <= 1e-9:
        return 0.0
    return float(difference / max(abs(objective), 1e-9))
