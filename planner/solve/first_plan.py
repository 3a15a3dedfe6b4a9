"""Plans that are there in seconds, for searches that may take long to find one.

Ordering nothing is a plan wherever no limit asks for orders. Where there are several futures, what is ordered for one
of them alone is a plan for all wherever it keeps to their limits, and seldom a bad one: each dispatches as it can.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planner.arrays import FloatArray
from planner.program.blocks import Program, flatten
from planner.solve.futures.apart import Apart
from planner.solve.native import Settings, run
from planner.solve.tuning import TUNING


def first_plans(program: Program, seconds: float, seed: int) -> Iterator[tuple[str, FloatArray]]:
    """(what it is, master columns) of plans to try, whole columns only; in at most about so many seconds each."""
    master = program.master
    yield "nothing ordered", np.where(np.isfinite(master.lower), master.lower, 0.0)
    if not program.blocks:
        return  # decisions alone, such as the earliest orders: no futures to tell apart
    try:
        apart = Apart(program)
    except ValueError:
        return
    if apart.count > 1:
        star = apart.at_quantile()
        alone = apart.alone(program, star)
        settings = Settings("highs", seconds=seconds, gap=TUNING.root_gap, seed=seed, node_limit=TUNING.root_nodes)
        found = run(flatten(alone.program), settings)
        if found.x is not None:
            yield "orders of one future in all", apart.carried(program, alone, found.x)
