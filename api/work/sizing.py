"""What a model would need, for the API and the page."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from api.jobs.task import Json, Task, Tell


def size(task: Task, _out: Path, _tell: Tell, _stop: Event) -> Json:
    """Asked as `SizingRequest`, answered as `planner.sizing.need.as_json`; told in a `language`."""
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
    answer = as_json(question, needs(question, library, asked["cards"]))
    return answer | ({"told": _told(answer, asked["language"])} if "language" in asked else {})


def _told(answer: Json, language: str) -> Json:
    """The answer as a page shows it."""
    from planner.words.sizing import size_curve, size_needs, size_reasons, size_said
    from planner.words.wording import wording

    text = wording(language)
    best = answer["needs"][0] if answer["needs"] else None
    return {
        "said": size_said(answer, text),
        "needs": size_needs(answer, text),
        "curve": [] if best is None else size_curve(best, text),
        "refused": [
            (one["name"], size_reasons([(r["key"], r["values"], r["layout"]) for r in one["reasons"]], text))
            for one in answer["refused"]
        ],
    }


def library(_task: Task, _out: Path, _tell: Tell, _stop: Event) -> Json:
    """Models and cards that are known, each number of a card with its mark."""
    from planner.sizing import open_library

    return open_library().as_json()
