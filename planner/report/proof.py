"""What is proven of a plan, in a sentence and in figures, each rounded to the side on which it promises less."""

from __future__ import annotations

import math

from planner.case import CVaR
from planner.plan import Plan
from planner.words.wording import Wording


def averse(plan: Plan) -> bool:
    """Whether the objective weighs CVaR, so that it is another figure than the mean cost."""
    return isinstance(plan.case.risk.objective, CVaR) and len(plan.demand) > 1


def proof(plan: Plan, words: Wording) -> str:
    """How far the plan can be above the best one."""
    currency, c = plan.case.meta.currency, plan.certificate
    if not math.isfinite(c["bound"]):
        return words("report.proof.none", objective=words.money(c["objective"], currency))
    return words(
        "report.proof.risk" if averse(plan) else "report.proof",
        objective=words.money(c["objective"], currency),
        bound=words.money(c["bound"], currency, rounded="down"),
        gap=words.gap(c["gap"]),
        difference=words.money(max(c["objective"] - c["bound"], 0.0), currency, rounded="up"),
    )


def checks_ok(plan: Plan) -> bool:
    """Whether there are checks and all hold."""
    return bool(plan.checks) and all(check["ok"] for check in plan.checks)


def verdict(plan: Plan, words: Wording) -> str:
    """Whether all checks hold."""
    return words("report.checks_good" if checks_ok(plan) else "report.checks_bad", count=len(plan.checks))


def certificate(plan: Plan, words: Wording) -> list[tuple[str, str]]:
    """(label, value) of the proof and how it was found."""
    currency, c = plan.case.meta.currency, plan.certificate
    largest = max((float(check["relative"]) for check in plan.checks), default=0.0)
    return [
        (words("certificate.objective"), words.money(c["objective"], currency)),
        (words("certificate.bound"), words.money(c["bound"], currency, rounded="down")),
        (words("certificate.gap"), words.gap(c["gap"])),
        (words("certificate.seconds"), f"{words.number(c['seconds'])} s"),
        *((words(f"certificate.{k}"), words.either(f"{k}.{c[k]}", str(c[k]))) for k in ("route", "status") if k in c),
        (words("certificate.largest"), f"{largest:.1e}"),
    ]
