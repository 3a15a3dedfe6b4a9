"""What a replica serves at a concurrency: time to first token, time a token, tokens and requests a second and card."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.sizing.errors import Reason, SizingError, refuse
from planner.sizing.facts import Facts, Fitted, fitted
from planner.sizing.memory import fits, most_requests, why_not
from planner.sizing.roofline import FIT, Scale, first_overhead, prefill_time, step_parts
from planner.sizing.types import Card, Engine, Layout, Load, Model, Precision, Promise
from planner.sizing.work import Number, Work, work_of

USUAL, NEWEST = Precision(), Engine()


@dataclass(frozen=True)
class Stack:
    """A model on a card: all that a replica is, but the load. `scale` is 1 unless anchors moved it."""

    model: Model
    card: Card
    layout: Layout
    precision: Precision = USUAL
    engine: Engine = NEWEST
    scale: Scale = FIT
    anchors: int = 0

    def work(self, load: Load) -> Work:
        """What a load asks of it."""
        return work_of(self.model, self.card, self.layout, self.precision, self.engine, load)

    def __str__(self) -> str:
        return f"{self.model.name} {self.precision.weights}, {self.layout.cards} × {self.card.name} ({self.layout})"


@dataclass(frozen=True)
class Served:
    """One point of the curve. Rates are per card; error is the median relative error of tokens/s, None: not known.

    binds: memory (more would not fit), bandwidth, compute, links or overhead: what the time of a token goes into.
    """

    concurrency: float
    ttft_ms: float
    tpot_ms: float
    output_tokens_per_s: float
    input_tokens_per_s: float
    requests_per_s: float
    binds: str
    error: float | None
    error_p90: float | None


def token_time(work: Work, facts: Facts, scale: Scale = FIT, accepted: float = 1.0) -> tuple[Number, Number]:
    """TPOT (ms) and the share of a rank's time that prefills take.

    TPOT = step ÷ accepted + (b ÷ output) · prefill ÷ ranks: in continuous batching every request's prefill falls
    between the others' steps.
    """
    step = step_parts(work, facts, scale).total / accepted
    mixed = work.requests / work.output_tokens * prefill_time(work, facts, scale) / work.ranks
    tpot = step + mixed
    return tpot, mixed / tpot


def benchmark_times(
    work: Work, wanted: Number, facts: Facts, scale: Scale = FIT, accepted: float = 1.0
) -> tuple[Number, Number]:
    """TTFT and TPOT of a closed benchmark that keeps `wanted` requests under way, ms.

    work: of min(wanted, room) requests, room being what the memory holds. The rest waits outside: in a closed loop of
    N for b places each request waits (N − b)/b service times. A benchmark starts all requests at once, so that
    prefills queue: `burst`; and later by the share of time that prefills take: `queue`.
    """
    tpot, _ = token_time(work, facts, scale, accepted)
    prefill = prefill_time(work, facts, scale) / work.ranks
    busy = np.minimum(1.0, work.requests * prefill / (work.output_tokens * tpot))
    own = prefill * work.ranks
    ttft = own + first_overhead(work, facts, scale) + (facts.queue * busy + facts.burst * work.requests) * prefill
    outside = np.maximum(np.asarray(wanted, dtype=float) - work.requests, 0.0) / work.requests
    return ttft + outside * (work.output_tokens * tpot + ttft), tpot


def steady_times(stack: Stack, load: Load, facts: Facts | None = None) -> tuple[float, float]:
    """Mean TTFT and TPOT where requests come one by one (Poisson) and keep `load.concurrency` under way, ms.

    The first token waits for the prefills ahead: ρ/(2(1 − ρ)) of a prefill and step, the mean wait of M/D/1 with ρ
    the share of the rank that prefills take (headroom.py has the whole distribution).
    """
    known = facts or fitted().facts
    work = stack.work(load)
    tpot, busy = token_time(work, known, stack.scale, stack.engine.accepted)
    step = float(step_parts(work, known, stack.scale).total)
    own = float(prefill_time(work, known, stack.scale)) + step
    share = min(float(busy), 0.999)
    wait = share / (2 * (1 - share)) * own
    return own + wait + float(first_overhead(work, known, stack.scale)), float(tpot)


def throughput(stack: Stack, load: Load) -> Served:
    """What one card serves at a concurrency a replica. Raises SizingError for what does not fit or is not known."""
    _require(stack, load)
    found = fitted()
    ttft, tpot = steady_times(stack, load, found.facts)
    each = ttft + tpot * max(load.output_tokens - 1.0, 0.0)
    requests = load.concurrency / each * 1000 / stack.layout.cards
    median, wide = error_of(stack, found)
    return Served(
        load.concurrency,
        ttft,
        tpot,
        requests * load.output_tokens,
        requests * load.input_tokens,
        requests,
        _binds(stack, load, found.facts),
        median,
        wide,
    )


def curve(stack: Stack, load: Load, points: int = 24) -> tuple[Served, ...]:
    """Load against latency: from one request to as many as the memory holds (at most 1,024 a replica)."""
    _require(stack, load.at(1))
    most = min(most_requests(stack.model, stack.card, stack.layout, stack.precision, load), 1024.0)
    steps = np.unique(np.round(np.geomspace(1, max(np.floor(most), 1), points)))
    return tuple(throughput(stack, load.at(float(b))) for b in steps)


def most_within(stack: Stack, load: Load, promise: Promise) -> Served | None:
    """The highest whole concurrency whose mean TTFT and TPOT are within the promise; None where even one is late.

    Means here; that a percentile holds is the matter of headroom.py.
    """
    _require(stack, load.at(1))
    most = int(min(most_requests(stack.model, stack.card, stack.layout, stack.precision, load), 1024))

    def good(b: int) -> bool:
        ttft, tpot = steady_times(stack, load.at(b))
        return ttft <= promise.ttft_ms and tpot <= promise.tpot_ms

    if not good(1):
        return None
    low, high = 1, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return throughput(stack, load.at(low))


def layouts(model: Model, card: Card) -> tuple[Layout, ...]:
    """Layouts of whole powers of two within the card's fast domain; data-parallel attention for expert models."""
    sizes = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= card.domain]
    out = [Layout(n) for n in sizes]
    if model.experts:
        out += [Layout(1, n) for n in sizes if n > 1]
    return tuple(out)


def best_layout(
    model: Model,
    card: Card,
    promise: Promise,
    load: Load,
    precision: Precision,
    engine: Engine = NEWEST,
) -> tuple[Stack, Served]:
    """The layout with the most requests a second and card whose mean latencies keep the promise.

    Among layouts within 3 % of the best the smallest is taken: what the estimate cannot tell apart, fewer cards a
    replica decide. Raises SizingError with the reason of every layout when none will do.
    """
    found: list[tuple[Stack, Served]] = []
    reasons = []
    for layout in layouts(model, card):
        stack = Stack(model, card, layout, precision, engine)
        if card.missing():
            raise unknown(card)
        if not fits(model, card, layout, precision, load.at(1)):
            reasons.append(why_not(model, card, layout, precision, load.at(1)))
            continue
        best = most_within(stack, load, promise)
        if best is None:
            ttft, tpot = steady_times(stack, load.at(1))
            reasons.append(alone(layout, ttft, tpot))
            continue
        found.append((stack, best))
    if not found:
        raise refuse(
            f"{model.name} on {card.name}",
            reasons,
            f"a layout that fits and keeps TTFT {promise.ttft_ms:g} ms and TPOT {promise.tpot_ms:g} ms",
        )
    top = max(served.requests_per_s for _, served in found)
    near = [one for one in found if one[1].requests_per_s >= 0.97 * top]
    return min(near, key=lambda one: (one[0].layout.cards, -one[1].requests_per_s))


def alone(layout: Layout, ttft: float, tpot: float) -> Reason:
    """A layout on which even a single request is too slow."""
    return Reason("alone", {"ttft": f"{ttft:.0f}", "tpot": f"{tpot:.1f}"}, str(layout))


def error_of(stack: Stack, found: Fitted) -> tuple[float | None, float | None]:
    """Median and 90 % error of tokens/s and card that estimates of this kind have shown; None where nothing was
    measured: efficiencies come from NVIDIA cards, and what they are worth on others nobody has measured here."""
    errors = found.errors
    if stack.anchors:
        return errors.anchored, errors.anchored_p90
    if stack.card.measured:
        return errors.tokens, errors.tokens_p90
    if stack.card.vendor == "NVIDIA":
        return errors.other_card, errors.other_card_p90
    return None, None


def _binds(stack: Stack, load: Load, facts: Facts) -> str:
    """Memory where one request more would not fit, else what most of a token's time goes into."""
    room = most_requests(stack.model, stack.card, stack.layout, stack.precision, load)
    if load.concurrency + 1 > room:
        return "memory"
    work = stack.work(load)
    parts = step_parts(work, facts, stack.scale)
    prefill = work.requests / work.output_tokens * prefill_time(work, facts, stack.scale) / work.ranks
    accepted = stack.engine.accepted
    spent = {
        "bandwidth": float(parts.weights + parts.kv - parts.compute) / accepted,
        "compute": float(parts.compute) / accepted + float(prefill),
        "links": float(parts.links) / accepted,
        "overhead": float(parts.overhead) / accepted,
    }
    return max(spent, key=lambda name: spent[name])


def _require(stack: Stack, load: Load) -> None:
    if stack.card.missing():
        raise unknown(stack.card)
    if not fits(stack.model, stack.card, stack.layout, stack.precision, load):
        raise refuse(
            str(stack), why_not(stack.model, stack.card, stack.layout, stack.precision, load), "a layout that fits"
        )


def unknown(card: Card) -> SizingError:
    """A card of which too little is known."""
    missing = Reason("unknown", {"what": ", ".join(card.missing())})
    return refuse(f"card {card.id}", missing, "a number with its source, in a card file of your own")
