"""One replica under load: its places, its step, the work of a prefill; and the latencies of a pool of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.sizing.errors import Reason, refuse
from planner.sizing.facts import fitted
from planner.sizing.memory import most_requests
from planner.sizing.roofline import first_overhead, prefill_time, step_parts
from planner.sizing.serving import Stack, unknown
from planner.sizing.types import Load

MOST_PLACES = 512.0


@dataclass(frozen=True)
class Replica:
    """What one replica does at b requests under way, on a grid of b; times in ms.

    places: requests at once at most; prefill and overhead do not depend on b.
    """

    grid: FloatArray
    step_ms: FloatArray
    tpot_ms: FloatArray
    prefill_ms: float
    overhead_ms: float
    places: float
    ranks: int
    output_tokens: float
    input_cv: float
    output_cv: float

    def step(self, b: FloatArray | float) -> FloatArray:
        """Time of a step with `b` requests under way, ms. Of the shape (loads,) of b."""
        return np.asarray(np.interp(b, self.grid, self.step_ms), dtype=float)

    def tpot(self, b: FloatArray | float) -> FloatArray:
        """Time a token with `b` requests under way, ms. Of the shape (loads,) of b."""
        return np.asarray(np.interp(b, self.grid, self.tpot_ms), dtype=float)

    def life_s(self, b: FloatArray | float) -> FloatArray:
        """Seconds a request is under way with b on its replica. Of the shape (loads,) of b."""
        own = self.prefill_ms + self.step(b)
        return np.asarray((own + self.tpot(b) * max(self.output_tokens - 1, 0)) / 1000, dtype=float)

    @property
    def most_per_s(self) -> float:
        """Requests a second with every place taken."""
        return float(self.places / self.life_s(self.places))


@dataclass(frozen=True)
class Latency:
    """Percentiles of a pool at a load. tpot: of requests' mean time a token. busy: share of the most it can serve."""

    requests_per_s: float
    ttft_ms: float
    tpot_ms: float
    mean_tpot_ms: float
    requests_at_once: float
    busy: float


def replica_of(stack: Stack, load: Load, most_at_once: float | None = None) -> Replica:
    """A replica's times. most_at_once: places that the operator sets; memory bounds them anyway.

    Raises SizingError where not one request fits, or the card's numbers are not known.
    """
    if stack.card.missing():
        raise unknown(stack.card)
    room = min(most_requests(stack.model, stack.card, stack.layout, stack.precision, load), MOST_PLACES)
    places = float(np.floor(min(room, most_at_once or room)))
    if places < 1:
        raise refuse(str(stack), Reason("room"), "a layout that fits")
    facts = fitted().facts
    grid = np.unique(np.concatenate([np.linspace(0, min(places, 8), 9), np.geomspace(1, places, 40), [places]]))
    works = [stack.work(load.at(float(max(b, 1e-3)))) for b in grid]
    accepted = stack.engine.accepted
    step = np.array([float(step_parts(w, facts, stack.scale).total) / accepted for w in works])
    prefill = float(prefill_time(works[0], facts, stack.scale))
    mixed = grid / load.output_tokens * prefill / stack.layout.data
    return Replica(
        grid,
        step,
        step + mixed,
        prefill,
        float(first_overhead(works[0], facts, stack.scale)),
        places,
        stack.layout.data,
        load.output_tokens,
        load.input_cv,
        load.output_cv,
    )
