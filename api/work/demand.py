"""From a task's inputs to what the planner takes: the case, and an outlook from a file or a history."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from api.jobs.task import Json, Task, Tell
from api.work.unpacked import refuse_large

if TYPE_CHECKING:
    from forecasts.forecast import ForecastConfig
    from forecasts.history.ceilings import Ceiling
    from forecasts.outlook import Outlook
    from planner.case import Case


def case_and_outlook(task: Task, tell: Tell) -> tuple[Case, Outlook | None]:
    """The case, and its outlook unless it brings its own demand.

    Raises CaseError, HistoryError or ForecastError with every fault.
    """
    from planner.case.file import case_from

    case = case_from(json.loads(task.inputs["case"].read_bytes()))
    if "outlook" in task.inputs:
        from forecasts.outlook import Outlook

        return case, Outlook.load(task.inputs["outlook"])
    if "history" not in task.inputs:
        return case, None
    from api.work.intake import outlook_for

    tell({"phase": "forecast", "seconds": 0.0})
    options = task.request["forecast"]
    outlook, _report = outlook_for(
        case, history_of(task)[0], ceilings=ceilings_of(options), config=forecast_config(options)
    )
    return case, told_from(task, outlook)


def told_from(task: Task, outlook: Outlook) -> Outlook:
    """The outlook with the name and the hash of the history that it was made from."""
    with task.inputs["history"].open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    history = {"name": task.request.get("history_name", ""), "sha256": digest}
    return replace(outlook, provenance={**outlook.provenance, "history": history})


def history_of(task: Task) -> tuple[Any, Any]:
    """The uploaded history and the judgement on it. Raises HistoryError, or WorkError when it is too large."""
    from forecasts.history import SeriesMapping, read_history
    from forecasts.history.asked import reading_of_texts
    from forecasts.history.source import MOST_BYTES

    refuse_large(task.inputs["history"], MOST_BYTES)

    given = task.request.get("mapping") or {}
    mapping = {name: SeriesMapping(**rule) for name, rule in given.items()} or None
    return read_history(
        task.inputs["history"],
        timezone=task.request["timezone"],
        mapping=mapping,
        asked=reading_of_texts(task.request.get("read") or ()),
        max_rows=task.request.get("max_rows"),
    )


def forecast_config(options: Json) -> ForecastConfig:
    """The options of a request; what it leaves out takes the forecast's own default."""
    from forecasts.forecast import ForecastConfig

    plain = {name: options[name] for name in ("seed", "futures", "evaluation") if name in options}
    config = ForecastConfig(**plain)
    growth = replace(config.growth, **_given(options.get("growth")))
    of = {name: replace(growth, **_given(one)) for name, one in (options.get("growth_of") or {}).items()}
    return replace(config, growth=growth, growth_of=of)


def ceilings_of(options: Json) -> list[Ceiling]:
    """The ceilings that a request names."""
    from forecasts.history.ceilings import Ceiling

    return [Ceiling(**one) for one in options.get("ceilings") or ()]


def _given(growth: Json | None) -> Json:
    return {name: value for name, value in (growth or {}).items() if value is not None}
