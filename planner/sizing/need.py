"""What a model would need: cards by type, replicas, cost and energy, and why; or why a type will not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from forecasts.fault import Fault
from planner.sizing.anchors import anchor, same_stack
from planner.sizing.errors import Reason, SizingError, refuse
from planner.sizing.facts import fitted
from planner.sizing.headroom import LONG_TAIL, Headroom, headroom, latency
from planner.sizing.library import Library
from planner.sizing.memory import fits, why_not
from planner.sizing.points import Point
from planner.sizing.replica import Latency, Replica, replica_of
from planner.sizing.serving import (
    NEWEST,
    Served,
    Stack,
    alone,
    curve,
    error_of,
    layouts,
    steady_times,
    throughput,
    unknown,
)
from planner.sizing.types import BYTES, Card, Engine, Load, Model, Precision, PrecisionName, Promise

MOST_REPLICAS = 4096


@dataclass(frozen=True)
class Question:
    """What is asked. requests_per_s: the demand at its peak; dispersion: variance over mean of arrivals in seconds.

    price_per_card_hour: by card id, money of the owner's. pue: None counts the cards' own energy alone.
    network_ms: of the promise on the first token, what the way to the site and back takes.
    """

    model: Model
    load: Load
    promise: Promise
    requests_per_s: float
    precision: PrecisionName | None = None
    engine: Engine = NEWEST
    dispersion: float = 1.0
    network_ms: float = 0.0
    price_per_card_hour: Mapping[str, float] | None = None
    pue: float | None = None

    @property
    def within(self) -> Promise:
        """The promise less the network's share of the first token."""
        return replace(self.promise, ttft_ms=self.promise.ttft_ms - self.network_ms)


@dataclass(frozen=True)
class Need:
    """The cards of one type. error: median relative error of tokens/s that such estimates have shown, None: not known.

    cards_low, cards_high: cards with the throughput better or worse by that error. cost_per_million_tokens: of output,
    None without a price. kwh_per_thousand_requests: at the cards' rated power, None where that is not known.
    binds: what most of a token's time goes into at that load. short_of: what gives first when the load grows.
    """

    stack: Stack
    replicas: int
    cards: int
    latency: Latency
    share: float
    served: Served
    binds: str
    short_of: str
    error: float | None
    error_p90: float | None
    cards_low: int | None
    cards_high: int | None
    cost_per_million_tokens: float | None
    kwh_per_thousand_requests: float | None
    curve: tuple[Served, ...]


@dataclass(frozen=True)
class Refused:
    """A card that will not do, or of which too little is known, and why."""

    card: Card
    reasons: tuple[Reason, ...]

    @property
    def reason(self) -> str:
        """All reasons in one line."""
        return "; ".join(str(r) for r in self.reasons)


def needs(
    question: Question, library: Library, cards: Sequence[str] = (), points: Sequence[Point] = ()
) -> list[Need | Refused]:
    """An answer for each card (all of the library if none is named), fewest cards first, refusals last.

    Raises SizingError with every fault of the question.
    """
    _sound(question)
    chosen = [library.card(c) for c in cards] or list(library.cards.values())
    found: list[Need] = []
    refused: list[Refused] = []
    for card in chosen:
        try:
            found.append(need(question, card, points))
        except SizingError as error:
            refused.append(Refused(card, error.reasons))
    return [*sorted(found, key=lambda n: (n.cards, n.stack.card.id)), *refused]


def need(question: Question, card: Card, points: Sequence[Point] = ()) -> Need:
    """The layout and the fewest cards of a type that keep the promise. Raises SizingError where none do."""
    if card.missing():
        raise unknown(card)
    precision = Precision.of(question.precision or usual_precision(question.model, card))
    best: tuple[int, Stack, Replica, int] | None = None
    reasons = []
    for layout in layouts(question.model, card):
        stack = Stack(question.model, card, layout, precision, question.engine)
        if any(same_stack(p.stack, stack) for p in points):
            stack = anchor(stack, points).stack
        if not fits(question.model, card, layout, precision, question.load.at(1)):
            reasons.append(why_not(question.model, card, layout, precision, question.load.at(1)))
            continue
        single = steady_times(stack, question.load.at(1))
        if single[0] > question.within.ttft_ms or single[1] > question.within.tpot_ms:
            reasons.append(alone(layout, *single))
            continue
        replica = replica_of(stack, question.load)
        count = fewest(replica, question)
        if count is None:
            percentile = f"{question.promise.percentile:g}"
            reasons.append(Reason("replicas", {"most": str(MOST_REPLICAS), "percentile": percentile}, str(layout)))
        elif best is None or count * layout.cards < best[0]:
            best = (count * layout.cards, stack, replica, count)
    if best is None:
        raise refuse(f"{question.model.name} on {card.name}", reasons, "a layout that keeps the promise")
    return _told(question, *best)


def usual_precision(model: Model, card: Card) -> PrecisionName:
    """fp4 for models that are published so, fp8 where the card has units for it, else bf16."""
    if model.fp4_activations != "fp4":
        return "fp4"
    return "fp8" if card.pflops.get("fp8") else "bf16"


def fewest(replica: Replica, question: Question) -> int | None:
    """The fewest replicas whose percentiles at the demand keep the promise; None beyond MOST_REPLICAS."""
    promise = question.within

    def good(count: int) -> bool:
        found = _latency(replica, count, question)
        return found is not None and found.ttft_ms <= promise.ttft_ms and found.tpot_ms <= promise.tpot_ms

    low, high = 0, max(1, int(question.requests_per_s / replica.most_per_s))
    while not good(high):
        low, high = high, 2 * high
        if high > MOST_REPLICAS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def _latency(replica: Replica, count: int, question: Question) -> Latency | None:
    rate, percentile = question.requests_per_s, question.promise.percentile
    if replica.input_cv > LONG_TAIL:
        from planner.sizing.simulation import simulate  # here, because only long tails need it

        return simulate(replica, count, rate, percentile, question.dispersion)
    return latency(replica, count, rate, percentile, question.dispersion)


def _told(question: Question, cards: int, stack: Stack, replica: Replica, count: int) -> Need:
    found = _latency(replica, count, question)
    if found is None:
        raise refuse(str(stack), Reason("pile_up"), "a pool that keeps up")
    b = min(max(found.requests_at_once / count, 1.0), replica.places)
    served = throughput(stack, question.load.at(b))
    error, error_p90 = error_of(stack, fitted())
    price = (question.price_per_card_hour or {}).get(stack.card.id)
    tokens_per_hour = question.requests_per_s * question.load.output_tokens * 3600
    power = stack.card.power_w
    kwh = None if power is None else power / 1000 * cards * (question.pue or 1.0) / (question.requests_per_s * 3.6)
    return Need(
        stack,
        count,
        cards,
        found,
        found.busy,
        served,
        served.binds,
        _short_of(found, question.within),
        error,
        error_p90,
        None if error is None else max(stack.layout.cards, round(cards / (1 + error))),
        None if error is None else round(cards / (1 - error)),
        None if price is None else price * cards / tokens_per_hour * 1e6,
        kwh,
        curve(stack, question.load, 12),
    )


def as_json(question: Question, found: Sequence[Need | Refused], left_aside: Sequence[Fault] = ()) -> dict[str, Any]:
    """The answers as plain values: what the command's --json, the API and the page show."""
    answers, refused = [], []
    for one in found:
        if isinstance(one, Refused):
            reasons = [{"key": r.key, "layout": r.layout, "values": dict(r.values)} for r in one.reasons]
            told = {"card": one.card.id, "name": one.card.name, "reason": one.reason, "reasons": reasons}
            refused.append(told)
            continue
        stack = one.stack
        answers.append(
            {
                "card": stack.card.id,
                "name": stack.card.name,
                "precision": stack.precision.weights,
                "layout": str(stack.layout),
                "tensor": stack.layout.tensor,
                "data": stack.layout.data,
                "replicas": one.replicas,
                "cards": one.cards,
                "cards_low": one.cards_low,
                "cards_high": one.cards_high,
                "error": one.error,
                "error_p90": one.error_p90,
                "anchors": stack.anchors,
                "share_of_most": one.share,
                "latency": asdict(one.latency),
                "served": asdict(one.served),
                "binds": one.binds,
                "short_of": one.short_of,
                "cost_per_million_output_tokens": one.cost_per_million_tokens,
                "kwh_per_thousand_requests": one.kwh_per_thousand_requests,
                "curve": [asdict(p) for p in one.curve],
            }
        )
    facts = fitted()
    return {
        "model": question.model.id,
        "model_name": question.model.name,
        "load": asdict(question.load),
        "promise": asdict(question.promise),
        "requests_per_s": question.requests_per_s,
        "needs": answers,
        "refused": refused,
        "points_left_aside": [str(p) for p in left_aside],
        "facts": {"source": facts.source, "date": facts.date, "mark": facts.mark},
    }


def safe_load(question: Question, stack: Stack, replicas: int) -> Headroom:
    """The highest safe load of a pool of `replicas` replicas of a stack, for the question's promise and burstiness."""
    return headroom(replica_of(stack, question.load), replicas, question.within, question.dispersion)


def _short_of(found: Latency, promise: Promise) -> str:
    return "ttft" if found.ttft_ms / promise.ttft_ms > found.tpot_ms / promise.tpot_ms else "tpot"


def _sound(question: Question) -> None:
    wrong = []
    load, promise = question.load, question.promise
    for where, value in (
        ("input_tokens", load.input_tokens),
        ("output_tokens", load.output_tokens),
        ("ttft_ms", promise.ttft_ms),
        ("tpot_ms", promise.tpot_ms),
        ("requests_per_s", question.requests_per_s),
    ):
        if not 0 < value < float("inf"):
            wrong.append((where, f"{value:g}", "above 0"))
    if not 0 <= load.cache_hit < 1:
        wrong.append(("cache_hit", f"{load.cache_hit:g}", "at least 0, below 1"))
    if not 50 <= promise.percentile < 100:
        wrong.append(("percentile", f"{promise.percentile:g}", "50 to below 100"))
    if not 1 <= question.dispersion <= 10:
        wrong.append(("dispersion", f"{question.dispersion:g}", "1 (Poisson) to 10"))
    if question.pue is not None and not 1 <= question.pue <= 3:
        wrong.append(("pue", f"{question.pue:g}", "1 to 3"))
    if question.precision is not None and question.precision not in BYTES:
        wrong.append(("precision", question.precision, "bf16, fp8 or fp4"))
    if not 0 <= question.network_ms < promise.ttft_ms:
        wrong.append(("network_ms", f"{question.network_ms:g}", f"below the promise of {promise.ttft_ms:g} ms"))
    if min(load.input_cv, load.output_cv) < 0 or max(load.input_cv, load.output_cv) > 5:
        wrong.append(("cv", f"{load.input_cv:g}, {load.output_cv:g}", "0 to 5"))
    if wrong:
        raise SizingError([p for one in wrong for p in refuse(*one).faults])
