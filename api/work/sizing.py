"""What a model would need, for the API and the page."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from api.jobs.task import Json, Task, Tell


def size(task: Task, out: Path, tell: Tell, stop: Event) -> Json:
    """The request is `api.http.schemas.SizingRequest`; the answer `planner.sizing.need.as_json`."""
    from planner.sizing import Engine, Load, Promise, open_library
    from planner.sizing.need import Question, as_json, needs

    asked, library = task.request, open_library()
    question = Question(
        library.model(asked["model"]),
        Load(
            asked["input_tokens"],
            asked["output_tokens"],
            1.0,
            asked["input_cv"],
            asked["output_cv"],
            asked["cache_hit"],
        ),
        Promise(asked["ttft_ms"], asked["tpot_ms"], asked["percentile"]),
        asked["requests_per_s"],
        asked["precision"],
        Engine(asked["engine"]),
        asked["dispersion"],
        asked["network_ms"],
        {library.card(name).id: money for name, money in asked["price_per_card_hour"].items()},
        asked["pue"],
    )
    return as_json(question, needs(question, library, asked["cards"]))


def library(task: Task, out: Path, tell: Tell, stop: Event) -> Json:
    """Models and cards that are known, each number of a card with its mark."""
    from planner.sizing import open_library

    return open_library().as_json()
