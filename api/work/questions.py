"""Questions to a finished plan, as command line and service answer them: in plain JSON, said in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.jobs.childwork import json_ready
from api.jobs.task import Json

if TYPE_CHECKING:
    from threading import Event

    from planner.explain.asking import Change
    from planner.plan import Plan
    from planner.planning import ProgressCall
    from planner.solve.limits import Limits
    from planner.words.wording import Wording


@dataclass(frozen=True)
class How:
    """How answers are solved for. limits: of each solve; on_solved: told (what is solved next or was, solved, all)."""

    limits: Limits
    stop: Event
    on_progress: ProgressCall | None = None
    on_solved: Callable[[str, int, int], None] | None = None

    def told(self, what: str, done: int, total: int) -> None:
        """Tell of one solve of several."""
        if self.on_solved is not None:
            self.on_solved(what, done, total)

    @property
    def solving(self) -> Any:
        """What one solve takes."""
        return {"limits": self.limits, "stop": self.stop, "on_progress": self.on_progress}


def answered(plan: Plan, kind: str, asked: Json, how: How) -> Json:
    """kind: "why_not" (asked: fields of `planner.explain.why_not.Question`), or one of `QuestionRequest` (its fields).

    Raises what planning raises.
    """
    return dict(json_ready(_ANSWERS[kind](plan, asked, how)))


def _said(say: Callable[[Wording], list[str]]) -> Json:
    """What an answer says, in both languages."""
    from planner.words.wording import wording

    return {"sentences": say(wording("en")), "sentences_zh": say(wording("zh-CN"))}


def _changed(plan: Plan, found: Change) -> Json:
    def say(words: Wording) -> list[str]:
        alike = [words("ask.interchangeable")] if found.interchangeable else []
        return [found.sentence(words, plan.case.meta.currency), *alike]

    return found.to_json() | _said(say)


def _why_not(plan: Plan, asked: Json, how: How) -> Json:
    from planner.explain.why_not import Question, why_not

    return _changed(plan, why_not(plan, Question(**asked), **how.solving))


def _what_if(plan: Plan, asked: Json, how: How) -> Json:
    from planner.explain.what_if import what_if
    from planner.scenarios.levers import levers_from
    from planner.scenarios.scenario import DemandChange

    levers, demand = levers_from(asked["levers"]), DemandChange(**asked["demand"])
    return _changed(plan, what_if(plan, asked["overrides"], levers=levers, demand=demand, **how.solving))


def _alternatives(plan: Plan, asked: Json, how: How) -> Json:
    from planner.explain.alternatives import near_optimal

    found = []
    for done, quality in enumerate(asked["qualities"]):
        how.told(quality, done, len(asked["qualities"]))
        one = near_optimal(
            plan, quality, epsilon=asked["epsilon"], tries=asked["tries"], limits=how.limits, stop=how.stop
        )
        found.append(one.to_json())

    def say(words: Wording) -> list[str]:
        keys = [(one, "none" if not one["orders"] else "alike" if one["interchangeable"] else "") for one in found]
        named = [(words(f"quality.{one['quality']}"), key) for one, key in keys if key]
        return [words(f"ask.alternative_{key}", quality=quality) for quality, key in named]

    return {"epsilon": asked["epsilon"], "rows": found} | _said(say)


def _sensitivity(plan: Plan, asked: Json, how: How) -> Json:
    from planner.explain.sensitivity import sensitivity, usual_variations

    def on_done(done: int, total: int) -> None:
        how.told("sensitivity", done, total)

    factors = asked["factors"]
    chosen = [one for one in usual_variations(plan) if factors is None or one.factor in factors]
    table = sensitivity(plan, chosen, limits=how.limits, on_done=on_done, stop=how.stop)
    return {"objective": plan.certificate["objective"], "rows": table.to_dict("records")}


def _filling(plan: Plan, _asked: Json, how: How) -> Json:
    from planner.explain.filling import value_of_filling

    found = value_of_filling(plan, **how.solving)
    return found.to_json() | _said(lambda words: [found.sentence(words, plan.case.meta.currency)])


def _resilience(plan: Plan, _asked: Json, how: How) -> Json:
    from planner.explain.resilience import cost_of_resilience

    found = cost_of_resilience(plan, **how.solving)
    if found is None:
        return {"asked": False, "workloads": []} | _said(lambda words: [words("ask.resilience_none")])
    return found.to_json() | _said(lambda words: [found.sentence(words, plan.case)])


def _headroom(plan: Plan, _asked: Json, how: How) -> Json:
    from planner.explain.headroom import headroom

    found = headroom(plan, limits=how.limits, stop=how.stop)
    return found.to_json() | _said(found.sentences)


_ANSWERS: dict[str, Callable[[Plan, Json, How], Json]] = {
    "why_not": _why_not,
    "what_if": _what_if,
    "alternatives": _alternatives,
    "sensitivity": _sensitivity,
    "filling": _filling,
    "resilience": _resilience,
    "headroom": _headroom,
}
