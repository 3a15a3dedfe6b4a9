"""Engines behind one function: program in, plan with a proven bound out."""

from .engine import solve
from .limits import Limits
from .linear import Linear, solve_lp
from .progress import Progress, relative_gap
from .solution import CutStore, Solution, WarmStart

__all__ = [
    "CutStore",
    "Limits",
    "Linear",
    "Progress",
    "Solution",
    "WarmStart",
    "relative_gap",
    "solve",
    "solve_lp",
]
