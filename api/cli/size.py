"""size: what a model would need here, by card type, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.exits import UsageError, guarded
from api.cli.options import Json, Language
from api.cli.ranges import Within
from forecasts.fault import Fault

if TYPE_CHECKING:
    from forecasts.fault import Fault
    from planner.sizing.need import Need, Question, Refused
    from planner.sizing.serving import Served
    from planner.words.wording import Wording


def register(app: typer.Typer) -> None:
    app.command()(size)


def size(
    model: Annotated[str, typer.Argument(help="A model of the library, by id or name (`tideplan size list`).")],
    input_tokens: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--input", help="Mean input tokens of a request.")
    ] = 2048,
    output_tokens: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--output", help="Mean output tokens of a request.")
    ] = 512,
    requests_per_s: Annotated[
        float, Within(0, 1000000000, above=True), typer.Option("--rate", help="Requests a second at the peak.")
    ] = 10,
    ttft_ms: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--ttft", help="Promised time to the first token, ms.")
    ] = 2000,
    tpot_ms: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--tpot", help="Promised time a token after it, ms.")
    ] = 50,
    percentile: Annotated[
        float,
        Within(50, 100, below=True),
        typer.Option(help="Share of requests that the promise is for, in percent."),
    ] = 99,
    cards: Annotated[
        list[str] | None, typer.Option("--card", help="A card type; several times; all of the library if left out.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="bf16, fp8 or fp4; fp8 where the card has it if left out.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="trtllm, vllm or sglang; their mean if left out.")] = None,
    cache_hit: Annotated[
        float, Within(0, 1, below=True), typer.Option(help="Share of the input found in the prefix cache.")
    ] = 0.0,
    input_cv: Annotated[
        float, Within(0, 5), typer.Option(help="Spread of input lengths: standard deviation over mean.")
    ] = 0.0,
    output_cv: Annotated[float, Within(0, 5), typer.Option(help="Spread of output lengths.")] = 0.0,
    dispersion: Annotated[
        float, Within(1, 10), typer.Option(help="Variance over mean of arrivals within seconds; 1 is Poisson.")
    ] = 1.0,
    network_ms: Annotated[
        float, Within(0, 100000000), typer.Option(help="What the way to the site takes of the first token, ms.")
    ] = 0.0,
    anchors: Annotated[
        Path | None, typer.Option(help="Measured points, CSV (docs/sizing.md), that move the estimates.")
    ] = None,
    library: Annotated[
        list[Path] | None, typer.Option("--library", help="A YAML file of models and cards of your own.")
    ] = None,
    price: Annotated[
        list[str] | None, typer.Option("--price", help="CARD=MONEY a card and hour; may be given several times.")
    ] = None,
    pue: Annotated[float | None, Within(1, 3), typer.Option(help="Counts cooling into the energy.")] = None,
    language: Language = None,
    json: Json = False,
) -> None:
    """What a model would need: cards by type that keep a promise on latency, cost, energy, and what binds.

    Estimates carry the error that such estimates have shown on measured points; what nobody has measured is not known.
    """
    with guarded(as_json=json, language=language):
        from api.cli import console
        from planner.case.own_library import read_library
        from planner.sizing.need import Question, needs
        from planner.sizing.points import read_points
        from planner.sizing.types import ENGINES, Engine, Load, Promise

        text = console.words(language)
        known = read_library(library or [])
        if model == "list":
            _show_library(known, text, json)
            return
        if engine is not None and engine not in ENGINES:
            raise UsageError([Fault("--engine", engine, ", ".join(ENGINES))])
        question = Question(
            known.model(model),
            Load(input_tokens, output_tokens, 1.0, input_cv, output_cv, cache_hit),
            Promise(ttft_ms, tpot_ms, percentile),
            requests_per_s,
            precision,  # type: ignore[arg-type]
            Engine(engine),
            dispersion,
            network_ms,
            {known.card(name).id: money for name, money in map(_price, price or [])},
            pue,
        )
        points, left_aside = read_points(anchors, known) if anchors else ([], [])
        found = needs(question, known, cards or (), points)
        if json:
            console.show_json(_json(question, found, left_aside))
        else:
            _show(question, found, left_aside, text)


def _price(rule: str) -> tuple[str, float]:
    name, _, money = rule.partition("=")
    try:
        return name, float(money)
    except ValueError:
        raise UsageError([Fault("--price", rule, "CARD=MONEY, such as h200=20")]) from None


def _show(question: Question, found: list[Need | Refused], left_aside: list[Fault], text: Wording) -> None:
    import pandas as pd

    from api.cli import console
    from api.cli.answers import show_table
    from planner.sizing.need import Refused

    load, promise = question.load, question.promise
    said = text(
        "size.asked",
        model=question.model.name,
        rate=text.number(question.requests_per_s),
        input=text.number(load.input_tokens),
        output=text.number(load.output_tokens),
        percentile=text.number(promise.percentile),
        ttft=text.number(promise.ttft_ms),
        tpot=text.number(promise.tpot_ms),
    )
    console.out().print(said, markup=False, style="bold")
    rows = [_row(one, text) for one in found if not isinstance(one, Refused)]
    if rows:
        show_table(pd.DataFrame(rows), text("size.needs"), text)
        best = next(one for one in found if not isinstance(one, Refused))
        curve = [_point(p, text) for p in best.curve]
        show_table(pd.DataFrame(curve), text("size.curve", stack=str(best.stack)), text)
    for one in found:
        if isinstance(one, Refused):
            console.say(text("size.refused", card=one.card.name, reason=one.reason))
    for problem in left_aside:
        console.say(text("size.left_aside", where=problem.where, reason=problem.found))
    console.say(text("size.note"))


def _row(one: Need, text: Wording) -> dict[str, Any]:
    span = "" if one.cards_low is None else f" ({text.number(one.cards_low)}–{text.number(one.cards_high or 0)})"
    return {
        text("size.card"): f"{one.stack.card.name} {one.stack.precision.weights}",
        text("size.layout"): f"{text.number(one.replicas)} × {one.stack.layout}",
        text("size.cards"): text.number(one.cards) + (span or f" ({text('size.unknown_error')})"),
        text("size.safe"): text.percent(one.share),
        "TTFT": f"{one.latency.ttft_ms:,.0f} ms",
        "TPOT": f"{one.latency.tpot_ms:,.1f} ms",
        text("size.per_card"): text.number(one.served.output_tokens_per_s),
        text("size.binds"): text(f"size.binds.{one.binds}"),
        text("size.short_of"): "TTFT" if one.short_of == "ttft" else "TPOT",
        text("size.cost"): "–" if one.cost_per_million_tokens is None else text.number(one.cost_per_million_tokens),
        text("size.energy"): "–"
        if one.kwh_per_thousand_requests is None
        else text.number(one.kwh_per_thousand_requests),
    }


def _point(p: Served, text: Wording) -> dict[str, Any]:
    return {
        text("size.at_once"): text.number(p.concurrency),
        "TTFT": f"{p.ttft_ms:,.0f} ms",
        "TPOT": f"{p.tpot_ms:,.1f} ms",
        text("size.per_card"): text.number(p.output_tokens_per_s),
        text("size.binds"): text(f"size.binds.{p.binds}"),
    }


def _json(question: Question, found: list[Need | Refused], left_aside: list[Fault]) -> dict[str, Any]:
    from dataclasses import asdict

    from planner.sizing.facts import fitted
    from planner.sizing.need import Refused

    answers, refused = [], []
    for one in found:
        if isinstance(one, Refused):
            refused.append({"card": one.card.id, "reason": one.reason})
            continue
        stack = one.stack
        answers.append(
            {
                "card": stack.card.id,
                "precision": stack.precision.weights,
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
        "load": asdict(question.load),
        "promise": asdict(question.promise),
        "requests_per_s": question.requests_per_s,
        "needs": answers,
        "refused": refused,
        "points_left_aside": [str(p) for p in left_aside],
        "facts": {"source": facts.source, "date": facts.date, "mark": facts.mark},
    }


def _show_library(known: Any, text: Wording, json: bool) -> None:
    import pandas as pd

    from api.cli import console
    from api.cli.answers import show_table

    models = [
        {"id": m.id, "name": m.name, "billions": round(m.total_params, 1), "active": round(m.active_params, 1)}
        for m in known.models.values()
    ]
    cards = [
        {
            "id": c.id,
            "name": c.name,
            "memory_gib": c.memory_gib,
            "tb_per_s": c.tb_per_s,
            "pflops": c.pflops,
            "link_gb_per_s": c.link_gb_per_s,
            "power_w": c.power_w,
            "marks": known.marks(c.id),
        }
        for c in known.cards.values()
    ]
    if json:
        console.show_json({"models": models, "cards": cards})
        return
    show_table(pd.DataFrame(models), text("size.models"), text)
    told = [
        {
            "id": c["id"],
            "GiB": _mark(c, "memory_gib", text),
            "TB/s": _mark(c, "tb_per_s", text),
            "PFLOPS": ", ".join(f"{k} {v:g}" for k, v in c["pflops"].items()),
            "GB/s": _mark(c, "link_gb_per_s", text),
            "W": _mark(c, "power_w", text),
        }
        for c in cards
    ]
    show_table(pd.DataFrame(told), text("size.library"), text)


def _mark(card: dict[str, Any], name: str, text: Wording) -> str:
    return text("size.unknown") if card[name] is None else f"{card[name]:g} [{card['marks'][name]}]"
