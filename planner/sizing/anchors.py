"""Anchors: measured points of the owner's own stack move the curve, each part as far as the point speaks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.optimize import least_squares

from planner.arrays import FloatArray
from planner.sizing.facts import Facts, fitted
from planner.sizing.memory import most_requests
from planner.sizing.points import Point
from planner.sizing.roofline import Scale
from planner.sizing.serving import Stack, benchmark_times
from planner.sizing.work import Work, stacked

PARTS = tuple(f.name for f in fields(Scale))
TPOT_NOISE, TTFT_NOISE, TOKENS_NOISE = 0.04, 0.15, 0.05
"""Standard deviation of the log of a measurement that is repeated: TPOT, TTFT and tokens/s."""


@dataclass(frozen=True)
class Anchored:
    """A stack moved by its anchors. left: |estimate ÷ measured − 1| of tokens/s at the anchors themselves, by anchor;
    error, error_p90: what was left on other points of the same stack, over all stacks measured."""

    stack: Stack
    left: tuple[float, ...]
    error: float
    error_p90: float


def calibrated(points: Sequence[Point], facts: Facts, spread: Mapping[str, float]) -> Scale:
    """Multipliers of the six parts of a time that the points speak for.

    The most probable log multipliers z: minimise Σ (log estimate − log measured)²/noise² + Σ (z/spread)², spread
    being how much each part differs from stack to stack. So a point at low load moves mostly the overheads, one at
    high load what binds there; a part that no point shows stays where the fit has it.
    """
    prior = np.array([spread[name] for name in PARTS])
    timed = [p for p in points if p.tpot_ms is not None and p.ttft_ms is not None and p.load.concurrency > 0]
    counted = [p for p in points if p not in timed]
    work, wanted = _timed(timed) if timed else (None, None)
    ttft = np.log([p.ttft_ms or 1.0 for p in timed])
    tpot = np.log([p.tpot_ms or 1.0 for p in timed])

    def residuals(z: FloatArray) -> FloatArray:
        scale = Scale(*np.exp(z))
        out = [z / prior]
        if work is not None:
            late, slow = benchmark_times(work, wanted, facts, scale)  # type: ignore[arg-type]
            out += [(np.log(slow) - tpot) / TPOT_NOISE, (np.log(late) - ttft) / TTFT_NOISE]
        out += [np.array([np.log(_tokens(p, facts, scale) / p.tokens) / TOKENS_NOISE]) for p in counted]
        return np.concatenate(out)

    found = least_squares(residuals, np.zeros(len(PARTS)), loss="soft_l1", f_scale=3.0)
    return Scale(**dict(zip(PARTS, map(float, np.exp(found.x)), strict=True)))


def anchor(stack: Stack, points: Sequence[Point]) -> Anchored:
    """A stack moved by the points of its model, card, precision and engine; other points say nothing about it.

    Raises ValueError when no point is of the stack.
    """
    own = [p for p in points if same_stack(p.stack, stack)]
    if not own:
        raise ValueError(f"no measured point of {stack}")
    known = fitted()
    scale = calibrated(own, known.facts, known.spread)
    moved = replace(stack, scale=scale, anchors=len(own))
    left = tuple(abs(_tokens(p, known.facts, scale) / p.tokens - 1.0) for p in own)
    return Anchored(moved, left, known.errors.anchored, known.errors.anchored_p90)


def same_stack(one: Stack, other: Stack) -> bool:
    """Whether a point of the one speaks for the other: same model, card, weights and, where stated, engine."""
    engines = {one.engine.name, other.engine.name} - {None}
    return (
        one.model.id == other.model.id
        and one.card.id == other.card.id
        and one.precision.weights == other.precision.weights
        and len(engines) <= 1
    )


def _timed(points: Sequence[Point]) -> tuple[Work, FloatArray]:
    room = np.array([_room(p) for p in points])
    wanted = np.array([p.load.concurrency for p in points])
    works = [p.stack.work(p.load.at(min(w, r))) for p, w, r in zip(points, wanted, room, strict=True)]
    return stacked(works), wanted


def _room(point: Point) -> float:
    s = point.stack
    return max(most_requests(s.model, s.card, s.layout, s.precision, point.load), 1.0)


def _tokens(point: Point, facts: Facts, scale: Scale) -> float:
    """Estimated output tokens a second and card of a point; without a concurrency, the most that memory allows."""
    room = _room(point)
    wanted = point.load.concurrency or room
    work = point.stack.work(point.load.at(min(wanted, room)))
    ttft, tpot = benchmark_times(work, wanted, facts, scale)
    each = float(tpot) + float(ttft) / point.load.output_tokens
    return wanted / each / point.stack.layout.cards * 1000
