"""What surviving the loss of any one site costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

from planner.case import Case, Resilience, WorkloadKind
from planner.explain.asking import Change, Other, asked_again, proven_range
from planner.plan import Plan
from planner.planning.solving import Solving
from planner.words.wording import Wording, message


@dataclass(frozen=True)
class Surviving:
    """What surviving the loss of any one site costs; least, most: the range that both proofs leave for it.

    asked: whether the plan survives already (then the other plan need not), or the other one has to. workloads: that
    are still served. change: the other plan beside the plan; impossible where no plan survives.
    """

    asked: bool
    workloads: tuple[str, ...]
    cost: float
    least: float
    most: float
    change: Change

    def sentence(self, words: Wording, case: Case) -> str:
        """What surviving costs, with the range that the proofs leave."""
        if self.change.impossible:
            return words("ask.impossible", question=self.change.question.said(words))
        names = {w.id: words.name(w.names) for w in case.workloads}
        currency, served = case.meta.currency, words.joined([names[w] for w in self.workloads])
        left = proven_range(words, currency, self.least, self.most)
        if self.least <= 0:
            return words("ask.resilience_unclear", workloads=served, **left)
        return words("ask.resilience", workloads=served, cost=words.money(self.cost, currency), **left)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; null where no plan survives."""
        possible = not self.change.impossible
        money = {"cost": self.cost, "least": self.least, "most": self.most}
        return {
            "asked": self.asked,
            "workloads": list(self.workloads),
            **{name: value if possible else None for name, value in money.items()},
            "change": self.change.to_json(),
        }


def cost_of_resilience(
    plan: Plan,
    **solving: Unpack[Solving],
) -> Surviving | None:
    """The case with and without `policy.resilience`: as it stands there, or for all online workloads.

    None for a case without online work.
    """
    own = plan.case.policy.resilience
    online = [w.id for w in plan.case.workloads if w.kind is WorkloadKind.online]
    if own is None and not online:
        return None
    other = Resilience(workloads=online) if own is None else None
    policy = plan.case.policy.model_copy(update={"resilience": other})
    asked = message("question.resilience" if own is None else "question.no_resilience")
    case = plan.case.model_copy(update={"policy": policy})
    asking = Other(case, monotone=1 if own is None else -1)
    change = asked_again(plan, asked, asking, **solving)
    if own is None:
        return Surviving(False, tuple(online), change.cost, change.least, change.most, change)
    return Surviving(True, tuple(own.workloads), -change.cost, -change.most, -change.least, change)
