"""What filling the valleys is worth: the case again with work that cannot wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from planner.case import Case, WorkloadKind
from planner.explain.asking import Change, Other, asked_again, proven_range
from planner.plan import Plan
from planner.planning.solving import Solving
from planner.words.wording import Wording, message


def without_filling(case: Case) -> Case:
    """The case in which nothing fills the valleys: deferrable work is done at once, gangs never yield."""

    def stiff(workload: Any) -> Any:
        if workload.kind is WorkloadKind.deferrable:
            return workload.model_copy(update={"window_hours": 1, "allowed_hours": None, "max_rate_factor": None})
        if workload.kind is WorkloadKind.training and workload.preemptible:
            return workload.model_copy(update={"preemptible": False, "max_yield_share": 0.0})
        return workload

    return case.model_copy(update={"workloads": [stiff(w) for w in case.workloads]})


@dataclass(frozen=True)
class Filling:
    """What filling the valleys is worth: modules not ordered and money not spent because work can wait or yield.

    least, most: the range that both proofs leave for the money. Of the modules it is known only what the two plans at
    hand order: where the range reaches 0, the proofs cannot tell whether any are avoided.
    """

    modules_avoided: int
    pflops_avoided: float
    cost_avoided: float
    change: Change

    @property
    def least(self) -> float:
        """Least that filling is worth, money."""
        return self.change.least

    @property
    def most(self) -> float:
        """Most that filling is worth, money."""
        return self.change.most

    def sentence(self, words: Wording, currency: str) -> str:
        """The answer in one sentence, with the range that the proofs leave."""
        if self.change.plan is None:
            return words("ask.impossible", question=self.change.question.said(words))
        nothing = max(abs(self.cost_avoided), self.most) <= 1e-6 * abs(self.change.plan.certificate["objective"])
        if nothing:
            return words("ask.filling_none")
        cost, left = words.money(self.cost_avoided, currency), proven_range(words, currency, self.least, self.most)
        if self.least <= 0:
            without = self.change.plan
            modules, after = int(without.tables["orders"]["modules"].sum()), float(without.certificate["objective"])
            counts = {"modules": modules, "own": modules - self.modules_avoided}
            before = words.money(after - self.cost_avoided, currency)
            return words("ask.filling_unclear", **counts, after=words.money(after, currency), before=before, **left)
        if self.modules_avoided <= 0 or self.pflops_avoided <= 0:
            return words("ask.filling_money", cost=cost, **left)
        compute = words.pflops(self.pflops_avoided)
        return words("ask.filling", modules=self.modules_avoided, compute=compute, cost=cost, **left)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; null where no other plan exists."""
        possible = self.change.plan is not None
        money = {"cost_avoided": self.cost_avoided, "least": self.least, "most": self.most}
        return {
            "modules_avoided": self.modules_avoided if possible else None,
            "pflops_avoided": self.pflops_avoided if possible else None,
            **{name: value if possible else None for name, value in money.items()},
            "change": self.change.to_json(),
        }


def value_of_filling(
    plan: Plan,
    **solving: Unpack[Solving],
) -> Filling:
    """Tide accounting (docs/model.md): a second solve with filling forbidden."""
    asked = message("question.no_filling")
    other = Other(without_filling(plan.case), monotone=1)
    change = asked_again(plan, asked, other, **solving)
    if change.plan is None:
        return Filling(0, 0.0, np.inf, change)
    before, after = plan.tables["orders"], change.plan.tables["orders"]
    return Filling(
        int(after["modules"].sum() - before["modules"].sum()),
        float(after["pflops"].sum() - before["pflops"].sum()),
        change.cost,
        change,
    )
