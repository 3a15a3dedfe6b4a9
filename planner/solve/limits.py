"""How long, how close and on what a solve may run."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal

RouteName = Literal["auto", "one_piece", "relax_and_fix", "benders"]


@dataclass(frozen=True)
class Limits:
    """Limits of one solve.

    seconds: wall time; the best plan so far is returned when it is over. Where there is none yet, a first one that is
    being evaluated has up to a minute more (`Control.making`). gap: (objective - bound) / |objective| at
    which the search ends. threads: solver threads and worker processes together on this machine.
    memory_gb: the search ends with its best plan when this process and its workers hold more. executor: where blocks
    are evaluated (for example Dask's `Client.get_executor()`); None: worker processes of our own.
    """

    seconds: float = 180.0
    gap: float = 0.01
    seed: int = 1
    threads: int = 2
    route: RouteName = "auto"
    memory_gb: float | None = None
    executor: Executor | None = None

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.seconds < math.inf:
            faults.append(f"seconds is {self.seconds}; allowed: above 0, and finite")
        if not 0 <= self.seed < 2**31:
            faults.append(f"seed is {self.seed}; allowed: 0 to {2**31 - 1}")
        if not 0 <= self.gap < 1:
            faults.append(f"gap is {self.gap}; allowed: 0 <= gap < 1")
        if self.threads < 1:
            faults.append(f"threads is {self.threads}; allowed: 1 or more")
        if self.route not in ("auto", "one_piece", "relax_and_fix", "benders"):
            faults.append(f"route is {self.route!r}; allowed: auto, one_piece, relax_and_fix, benders")
        if self.memory_gb is not None and not 0 < self.memory_gb < math.inf:
            faults.append(f"memory_gb is {self.memory_gb}; allowed: above 0 or None")
        if faults:
            raise ValueError("; ".join(faults))

    def as_json(self) -> dict[str, Any]:
        """What was asked for, to be written beside a result."""
        names = ("seconds", "gap", "seed", "threads", "route", "memory_gb")
        return {name: getattr(self, name) for name in names}
