"""The answer of sizing (`planner.sizing.need.as_json`) in the reader's language, for the command line and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.words.wording import Wording


def size_said(answer: Mapping[str, Any], text: Wording) -> str:
    """What was asked, as a sentence."""
    load, promise = answer["load"], answer["promise"]
    return text(
        "size.asked",
        model=answer["model_name"],
        rate=text.number(answer["requests_per_s"]),
        input=text.number(load["input_tokens"]),
        output=text.number(load["output_tokens"]),
        percentile=text.number(promise["percentile"]),
        ttft=text.number(promise["ttft_ms"]),
        tpot=text.number(promise["tpot_ms"]),
    )


def size_needs(answer: Mapping[str, Any], text: Wording) -> list[dict[str, str]]:
    """A row a card type: replicas, cards with their span, latency, what binds, cost and energy."""
    return [_row(one, text) for one in answer["needs"]]


def size_curve(need: Mapping[str, Any], text: Wording) -> list[dict[str, str]]:
    """One replica's load against latency."""
    return [
        {
            text("size.at_once"): text.number(p["concurrency"]),
            "TTFT": f"{p['ttft_ms']:,.0f} ms",
            "TPOT": f"{p['tpot_ms']:,.1f} ms",
            text("size.per_card"): text.number(p["output_tokens_per_s"]),
            text("size.binds"): text(f"size.binds.{p['binds']}"),
        }
        for p in need["curve"]
    ]


def size_reasons(reasons: Sequence[tuple[str, Mapping[str, str], str]], text: Wording) -> str:
    """Why a card will not do: reasons as (key, values, layout), joined."""
    said = [(text(f"size.reason.{key}", **values), layout) for key, values, layout in reasons]
    colon, semicolon = ("：", "；") if text.chinese else (": ", "; ")
    return semicolon.join(f"{layout}{colon}{one}" if layout else one for one, layout in said)


def _row(one: Mapping[str, Any], text: Wording) -> dict[str, str]:
    low, high = one["cards_low"], one["cards_high"]
    span = f" ({text('size.unknown_error')})" if low is None else f" ({text.number(low)}–{text.number(high or 0)})"
    cost, energy = one["cost_per_million_output_tokens"], one["kwh_per_thousand_requests"]
    return {
        text("size.card"): f"{one['name']} {one['precision']}",
        text("size.layout"): f"{text.number(one['replicas'])} × {one['layout']}",
        text("size.cards"): text.number(one["cards"]) + span,
        text("size.safe"): text.percent(one["share_of_most"]),
        "TTFT": f"{one['latency']['ttft_ms']:,.0f} ms",
        "TPOT": f"{one['latency']['tpot_ms']:,.1f} ms",
        text("size.per_card"): text.number(one["served"]["output_tokens_per_s"]),
        text("size.binds"): text(f"size.binds.{one['binds']}"),
        text("size.short_of"): "TTFT" if one["short_of"] == "ttft" else "TPOT",
        text("size.cost"): "–" if cost is None else text.number(cost),
        text("size.energy"): "–" if energy is None else text.number(energy),
    }
