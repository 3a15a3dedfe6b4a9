"""size: what a model would need here, by card type, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import command
from api.cli.exits import UsageError
from api.cli.options import Screen
from api.cli.ranges import Within
from forecasts.fault import Fault

if TYPE_CHECKING:
    from planner.sizing.types import Load
    from planner.words.wording import Wording


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    app.command()(command(size))


@dataclass(frozen=True)
class Requests:
    """What is asked of the model."""

    input_tokens: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--input", help="Mean input tokens of a request.")
    ] = 2048
    output_tokens: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--output", help="Mean output tokens of a request.")
    ] = 512
    requests_per_s: Annotated[
        float, Within(0, 1000000000, above=True), typer.Option("--rate", help="Requests a second at the peak.")
    ] = 10
    cache_hit: Annotated[
        float, Within(0, 1, below=True), typer.Option(help="Share of the input found in the prefix cache.")
    ] = 0.0
    input_cv: Annotated[
        float, Within(0, 5), typer.Option(help="Spread of input lengths: standard deviation over mean.")
    ] = 0.0
    output_cv: Annotated[float, Within(0, 5), typer.Option(help="Spread of output lengths.")] = 0.0
    dispersion: Annotated[
        float, Within(1, 10), typer.Option(help="Variance over mean of arrivals within seconds; 1 is Poisson.")
    ] = 1.0

    @property
    def load(self) -> Load:
        """One request a second of them, as sizing takes it."""
        from planner.sizing.types import Load

        return Load(self.input_tokens, self.output_tokens, 1.0, self.input_cv, self.output_cv, self.cache_hit)


@dataclass(frozen=True)
class Promised:
    """Within which latency."""

    ttft_ms: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--ttft", help="Promised time to the first token, ms.")
    ] = 2000
    tpot_ms: Annotated[
        float, Within(0, 100000000, above=True), typer.Option("--tpot", help="Promised time a token after it, ms.")
    ] = 50
    percentile: Annotated[
        float,
        Within(50, 100, below=True),
        typer.Option(help="Share of requests that the promise is for, in percent."),
    ] = 99
    network_ms: Annotated[
        float, Within(0, 100000000), typer.Option(help="What the way to the site takes of the first token, ms.")
    ] = 0.0


@dataclass(frozen=True)
class Stack:
    """On what it may run."""

    cards: Annotated[
        list[str] | None, typer.Option("--card", help="A card type; several times; all of the library if left out.")
    ] = None
    precision: Annotated[str | None, typer.Option(help="bf16, fp8 or fp4; fp8 where the card has it if left out.")] = (
        None
    )
    engine: Annotated[str | None, typer.Option(help="trtllm, vllm or sglang; their mean if left out.")] = None


@dataclass(frozen=True)
class Own:
    """What the user knows better: points, models, prices."""

    anchors: Annotated[
        Path | None, typer.Option(help="Measured points, CSV (docs/sizing.md), that move the estimates.")
    ] = None
    library: Annotated[
        list[Path] | None, typer.Option("--library", help="A YAML file of models and cards of your own.")
    ] = None
    price: Annotated[
        list[str] | None, typer.Option("--price", help="CARD=MONEY a card and hour; may be given several times.")
    ] = None
    pue: Annotated[float | None, Within(1, 3), typer.Option(help="Counts cooling into the energy.")] = None


def size(
    model: Annotated[str, typer.Argument(help="A model of the library, by id or name (`tideplan size list`).")],
    screen: Screen,
    requests: Requests,
    promised: Promised,
    stack: Stack,
    own: Own,
) -> None:
    """What a model would need: cards by type that keep a promise on latency, cost, energy, and what binds.

    Estimates carry the error that such estimates have shown on measured points; what nobody has measured is not known.
    """
    from api.cli import console
    from planner.case.own_library import read_library
    from planner.sizing.need import Question, as_json, needs
    from planner.sizing.points import read_points
    from planner.sizing.types import ENGINES, Engine, Promise

    text = screen.words
    known = read_library(own.library or [])
    if model == "list":
        _show_library(known, text, screen.json)
        return
    if stack.engine is not None and stack.engine not in ENGINES:
        raise UsageError([Fault("--engine", stack.engine, ", ".join(ENGINES))])
    question = Question(
        known.model(model),
        requests.load,
        Promise(promised.ttft_ms, promised.tpot_ms, promised.percentile),
        requests.requests_per_s,
        stack.precision,  # type: ignore[arg-type]
        Engine(stack.engine),
        requests.dispersion,
        promised.network_ms,
        {known.card(name).id: money for name, money in map(_price, own.price or [])},
        own.pue,
    )
    points, left_aside = read_points(own.anchors, known) if own.anchors else ([], [])
    answer = as_json(question, needs(question, known, stack.cards or (), points), left_aside)
    if screen.json:
        console.show_json(answer)
    else:
        _show(answer, left_aside, text)


def _price(rule: str) -> tuple[str, float]:
    name, _, money = rule.partition("=")
    try:
        return name, float(money)
    except ValueError:
        raise UsageError([Fault("--price", rule, "CARD=MONEY, such as h200=20")]) from None


def _show(answer: dict[str, Any], left_aside: list[Fault], text: Wording) -> None:
    import pandas as pd

    from api.cli import console
    from api.cli.answers import show_table
    from planner.words.sizing import size_curve, size_needs, size_reasons, size_said

    console.out().print(size_said(answer, text), markup=False, style="bold")
    if answer["needs"]:
        best = answer["needs"][0]
        stack = f"{best['name']} {best['layout']} {best['precision']}"
        show_table(pd.DataFrame(size_needs(answer, text)), text("size.needs"), text)
        show_table(pd.DataFrame(size_curve(best, text)), text("size.curve", stack=stack), text)
    for one in answer["refused"]:
        reason = size_reasons([(r["key"], r["values"], r["layout"]) for r in one["reasons"]], text)
        console.say(text("size.refused", card=one["name"], reason=reason))
    for problem in left_aside:
        console.say(text("size.left_aside", where=problem.where, reason=problem.found))
    console.say(text("size.note"))


def _show_library(known: Any, text: Wording, json: bool) -> None:
    import pandas as pd

    from api.cli import console
    from api.cli.answers import show_table

    listed = known.as_json()
    models, cards = listed["models"], listed["cards"]
    if json:
        console.show_json(listed)
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
