"""Typical days are never trusted blindly: plan, dispatch every hour, add the day that was missed most, plan again.

docs/verification.md says how the replay works. The course that is dispatched is one of those that were planned for (the
likeliest future), so that the difference is the error of the typical days and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from forecasts.outlook import Futures, Outlook
from planner.case import Case, Quantile
from planner.case.errors import StoppedError
from planner.demand import quantile
from planner.demand.horizon import DayRules
from planner.plan import Plan
from planner.replay import HourlyDemand, TypicalDayError, UnfinishedError, from_outlook, typical_day_error
from planner.solve import Progress
from planner.words.wording import noted


@dataclass(frozen=True)
class HourlyCheck:
    """How far typical days may be off. tolerance: |replay - estimate| of the discounted cost, relative. rounds: how
    often the worst day may be added. seconds: for all replays together; what is left undone is said in the plan.
    """

    tolerance: float = 0.01
    rounds: int = 2
    seconds: float = 300.0


class _StoppedError(Exception):
    """Stopped by hand."""


def refined(
    case: Case,
    outlook: Outlook,
    check: HourlyCheck,
    make: Callable[[DayRules, Plan | None], Plan],
    threads: int = 2,
    on_progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Plan:
    """The plan of `make` on typical days that stand the test of every hour, or the best of the rounds.

    make(day rules, plan of the round before) solves once. The outcome stands in `summary["every_hour"]`, whose rounds
    are those with every day dispatched; the first one stands there with part of the days where it got no further.
    """
    spent = 0.0  # seconds of replays; solves have their own limit
    extra: dict[int, tuple[int, ...]] = {}
    rounds: list[dict[str, object]] = []
    best: tuple[float, Plan] | None = None
    plan: Plan | None = None
    for number in range(check.rounds + 1):
        if best is not None and ((stop is not None and stop.is_set()) or spent > check.seconds):
            break
        try:
            plan = make(DayRules(extra=extra), plan)
        except StoppedError:
            if best is None:
                raise
            break  # a round that was cut off takes nothing away from those before
        course = _course(case, outlook, plan)
        begun = time.monotonic()
        found = _replayed(plan, course, check.seconds - spent, threads, on_progress, stop)
        spent += time.monotonic() - begun
        whole = found is not None and found.result.days == course[0].days
        if best is not None and not whole:  # a round whose check was cut off says nothing of the plan that is kept
            return _noted(best[1], rounds, check, noted("note.check_set_aside"))
        if found is None:
            return _noted(plan, rounds, check, noted("note.check_late"))
        rounds.append(_round(number, found))
        if not whole:
            part = noted("note.check_part", done=found.result.days, days=course[0].days)
            return _noted(plan, rounds, check, part)
        if best is None or abs(found.cost) < best[0]:
            best = (abs(found.cost), plan)
        if found.within(check.tolerance):
            break
        # One missed day of every period at once: a day a round would need as many rounds as there are periods.
        new = {t: p for t, p in found.missed.items() if p not in extra.get(t, ())}
        if not new:
            break
        extra = extra | {t: (*extra.get(t, ()), p) for t, p in new.items()}
    assert best is not None
    return _noted(best[1], rounds, check, "")


def _course(case: Case, outlook: Outlook, plan: Plan) -> tuple[HourlyDemand, int | None]:
    """The hourly course of the likeliest future that was planned for, and its number in the plan."""
    rule = case.risk.objective
    if isinstance(rule, Quantile):
        part = outlook.futures
        level = quantile(part.level, part.probability, rule.q)
        peak = np.maximum(quantile(part.peak, part.probability, rule.q), level)
        return from_outlook(plan.case, outlook, Futures(np.ones(1), level[None], peak[None])), None
    likeliest = int(outlook.futures.probability.argmax())
    return from_outlook(plan.case, outlook, outlook.futures, likeliest), likeliest if len(plan.demand) > 1 else None


def _replayed(
    plan: Plan,
    course: tuple[HourlyDemand, int | None],
    seconds: float,
    threads: int,
    on_progress: Callable[[Progress], None] | None,
    stop: threading.Event | None,
) -> TypicalDayError | None:
    begun = time.monotonic()

    def told(done: int, total: int) -> None:
        if stop is not None and stop.is_set():
            raise _StoppedError
        if on_progress is not None:
            proof = plan.certificate
            phase = f"every hour: day {done} of {total}"
            on_progress(Progress(proof["objective"], proof["bound"], proof["gap"], phase, time.monotonic() - begun))

    try:
        return typical_day_error(plan, course[0], future=course[1], on_progress=told, threads=threads, seconds=seconds)
    except (_StoppedError, UnfinishedError):
        return None


def _round(number: int, found: TypicalDayError) -> dict[str, object]:
    return {
        "round": number,
        "cost_error": found.cost,
        "estimated_cost": found.estimated_cost,
        "replayed_cost": found.replayed_cost,
        "estimated_shortfall_pflops_hours": found.estimated_shortfall_pflops_hours,
        "replayed_shortfall_pflops_hours": found.replayed_shortfall_pflops_hours,
        "worst_date": None if found.worst_date is None else found.worst_date.isoformat(),
        "hours": found.result.days * 24,
        "seconds": found.result.seconds,
    }


def _noted(plan: Plan, rounds: list[dict[str, object]], check: HourlyCheck, note: str) -> Plan:
    """The plan with the outcome of the check in its summary and, where it fell short, among its warnings."""
    errors = [abs(float(str(r["cost_error"]))) for r in rounds]
    summary = {**plan.summary, "every_hour": {"tolerance": check.tolerance, "rounds": rounds, "note": note}}
    warnings = list(plan.warnings)
    if note:
        warnings.append(note)
    if errors and min(errors) > check.tolerance:
        warnings.append(
            noted("note.days_off", off=f"{min(errors):.1%}", tolerance=f"{check.tolerance:.1%}", rounds=len(rounds))
        )
    return replace(plan, summary=summary, warnings=tuple(warnings))
