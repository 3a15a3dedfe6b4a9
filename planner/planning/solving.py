"""How a solve is carried out: the keyword arguments that every function takes that ends in a solve."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypedDict

from planner.program.blocks import Program
from planner.solve import Limits, Progress

ProgressCall = Callable[[Progress], None]
Amend = Callable[[Program], Program]
"""Changes a program before it is solved: bounds of decisions, never what a plan must keep to."""


class Solving(TypedDict, total=False):
    """limits: seconds, gap, seed, threads, route (None: the usual ones). on_progress: told in the case's currency.
    stop: set by who wants no more than the best so far."""

    limits: Limits | None
    on_progress: ProgressCall | None
    stop: threading.Event | None
