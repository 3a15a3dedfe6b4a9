"""From requests and tokens to cards: what a model needs on a card, how fast it serves, and how much of it is safe.

types (what is asked about) → memory (does it fit) → work (bytes and arithmetic) → roofline (times, with the fitted
facts) → serving (the curve of a replica) → anchors (measured points of the owner's), headroom (promises on latency),
training. Models and cards come from library.
"""

from planner.sizing.library import Library, open_library
from planner.sizing.memory import fits, most_requests
from planner.sizing.roofline import prefill_ms, step_ms
from planner.sizing.serving import Served, Stack, best_layout, curve, throughput
from planner.sizing.types import Attention, Card, Engine, Layout, Load, Model, Precision, Promise

__all__ = [
    "Attention",
    "Card",
    "Engine",
    "Layout",
    "Library",
    "Load",
    "Model",
    "Precision",
    "Promise",
    "Served",
    "Stack",
    "best_layout",
    "curve",
    "fits",
    "most_requests",
    "open_library",
    "prefill_ms",
    "step_ms",
    "throughput",
]
