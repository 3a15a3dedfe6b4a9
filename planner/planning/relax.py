"""Requests that cannot be met: which fields of the case stand in the way, and the smallest change of them that helps.

Every field that limits a plan takes part (`planner.case.movable`), whole numbers included. First one kind of limit at a
time: its fields are loosened far, and where a plan exists then, as little as will do is looked for; that is an answer
by itself. Only when no single kind helps are all loosened together and set back one by one. What is told is written
into the case and solved again: "this alone is enough" stands only where a plan was found with it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

from forecasts.fault import Fault
from planner.arrays import FloatArray
from planner.case import Case
from planner.case.movable import LimitField, limit_fields, with_fields
from planner.case.network import latency_ms
from planner.demand import Demand
from planner.planning.elastic import any_plan, closed, elastic, least_excess, loosest, without_slack
from planner.program.blocks import Program
from planner.program.build import build_program
from planner.program.instance import Instance, make_instance
from planner.program.reserve import KIND as RESERVE
from planner.program.serving import service_workloads
from planner.solve import Limits, solve
from planner.words.limits import broken_problem, change_problem, place_problem, resilience_problem

__all__ = ["service_slack", "smallest_relaxation", "without_slack"]

Amend = Callable[[Program], Program]

# Up to so many columns whole numbers are searched in earnest; above, the relaxation with merged hours shows the way.
_WHOLE_COLUMNS = 30_000
_MERGED_STEPS = 6
_SHARE_STEP = 0.001
_BROKEN = 1e-5
# Of a kind with many fields, so many are tried by themselves, and so many of the answers are told.
_SINGLES, _TOLD = 24, 3
# Which kinds are set back first when several must move: what an owner gives up last.
_LAST_GIVEN_UP = (
    "minimum_service",
    "campaign_work",
    "campaign_due",
    "latency",
    "lead_periods",
    "moving_periods",
    "lease_notice",
    "utilisation",
    "green_share",
    "domestic_share",
    "vendor_share",
    "max_yield",
    "max_rate",
    "bandwidth",
    "capacity_target",
    "build_ahead_minimum",
    "build_ahead_maximum",
    "type_count",
    "min_order",
    "phase_count",
    "lease_maximum",
    "carbon_cap",
    "site_space",
    "supply",
    "budget",
    "site_power",
)

Move = tuple[LimitField, FloatArray]


@dataclass(frozen=True)
class _Answer:
    """Fields with new numbers; alone: one kind of limit is enough; proven: a plan was found with them."""

    moves: tuple[Move, ...]
    alone: bool
    proven: bool

    @property
    def size(self) -> float:
        """The largest relative change, for the order in which answers are told."""
        parts = [
            float(np.nanmax(np.abs(new - f.values) / np.maximum(np.abs(f.values), 1e-9), initial=0.0))
            for f, new in self.moves
        ]
        return max(parts, default=0.0)


def smallest_relaxation(
    case: Case, demand: Demand, *, seconds: float = 60.0, amend: Amend | None = None
) -> list[Fault]:
    """Problems that name the fields to change, each with its new numbers; empty when a plan exists.

    amend: what else is asked of plans (see `planner.planning.plan_demand`). After `seconds` no further kind is looked
    at.
    """
    search = _Search(case, demand, amend, time.monotonic() + seconds)
    if search.possible(case):
        return []
    fields = limit_fields(case)
    answers = search.alone(fields)
    told = sorted(answers, key=lambda one: (not one.alone, one.size))
    problems = [change_problem(case, move, alone=a.alone, proven=a.proven) for a in told for move in a.moves]
    lost = search.without_resilience()
    if lost is not None:
        problems.append(resilience_problem(case, lost, proven=search.whole))
    problems += search.without_places()
    if problems:
        return problems
    joint = search.together(fields)
    if joint is None:
        return []
    return [change_problem(case, move, alone=joint.alone, proven=joint.proven) for move in joint.moves]


@dataclass
class _Search:
    """Programs of changed cases and whether they have a plan."""

    case: Case
    demand: Demand
    amend: Amend | None
    deadline: float
    instance: Instance = field(init=False)
    whole: bool = field(init=False)

    def __post_init__(self) -> None:
        self.instance = make_instance(self.case, self.demand)
        program = build_program(self.case, self.demand, merge_steps=None)
        columns = program.master.columns + sum(len(b.cost) for b in program.blocks)
        self.whole = columns <= _WHOLE_COLUMNS

    def left(self, least: float = 2.0) -> float:
        return max(self.deadline - time.monotonic(), least)

    @property
    def over(self) -> bool:
        return time.monotonic() > self.deadline

    def program(self, case: Case) -> Program:
        made = build_program(case, self.demand, merge_steps=None if self.whole else _MERGED_STEPS)
        return made if self.amend is None else self.amend(made)

    def possible(self, case: Case) -> bool:
        """Whether some plan exists; of a large case, whether its relaxation has one. What is not known is no."""
        return any_plan(closed(self.program(case)), self.left(), whole=self.whole).x is not None

    def proven(self, moves: Sequence[Move]) -> bool:
        """Whether a plan in whole numbers and full hours was found with these numbers in the case."""
        case = with_fields(self.case, list(moves))
        if self.whole:
            return self.possible(case)
        if self.over:
            return False
        program = build_program(case, self.demand)
        program = program if self.amend is None else self.amend(program)
        found = solve(program, Limits(seconds=self.left(), gap=0.9))
        return len(found.x) > 0 and not service_slack(program, found.blocks)

    # ---- one kind of limit by itself
    def alone(self, fields: Sequence[LimitField]) -> list[_Answer]:
        """Answers that change one kind of limit."""
        kinds: dict[str, list[LimitField]] = {}
        for one in fields:
            kinds.setdefault(one.kind, []).append(one)
        out = []
        for members in kinds.values():
            if self.over:
                break
            out += self._of_kind(members)
        return out

    def _of_kind(self, members: list[LimitField]) -> list[_Answer]:
        loose = [(f, loosest(self.case, self.instance, f)) for f in members]
        if not self.possible(with_fields(self.case, loose)):
            return []
        singles = []
        for f, far in loose[:_SINGLES]:
            if len(loose) > 1 and (self.over or not self.possible(f.put(self.case, far))):
                continue
            found = self._excess([(f, far)], [])
            move = found[0] if found else (f, self._nearest(f, far, []))
            singles.append(_Answer((move,), True, self.proven([move])))
        if singles:
            return sorted(singles, key=attrgetter("size"))[:_TOLD]
        moves = self._excess(loose, []) or self._set_back(loose)
        return [_Answer(tuple(moves), len(moves) == 1, self.proven(moves))]

    def _excess(self, loose: Sequence[Move], others: Sequence[Move]) -> list[Move] | None:
        """The least excess over fields whose number stands alone in a row; None where it cannot be had that way.

        others: fields of other kinds that have been moved.
        """
        program = self.program(with_fields(self.case, [*loose, *others]))
        inst = program.inst
        given = [f for f, _ in loose if elastic(program, inst, f)]
        if len(given) < len(loose):
            # the rest keeps its numbers, and must do so for an answer of these alone
            stay = [(f, far) for f, far in loose if f in given]
            program = self.program(with_fields(self.case, [*stay, *others]))
            if not given or any_plan(closed(program), self.left(), whole=self.whole).x is None:
                return None
        amounts = least_excess(program, given, self.left(), whole=self.whole)
        if amounts is None:
            return None
        moves = [(f, _outward(f, amount)) for f, amount in zip(given, amounts, strict=True)]
        return [(f, new) for f, new in moves if not np.array_equal(new, f.values, equal_nan=True)]

    def _nearest(self, f: LimitField, far: FloatArray, others: Sequence[Move]) -> FloatArray:
        """The numbers of a field nearest to its own with which a plan exists; it does with `far`.

        Between the two all numbers of the field move by one amount; what a list need not change is set back after.
        """

        def possible(values: FloatArray) -> bool:
            return self.possible(with_fields(self.case, [*others, (f, values)]))

        ladder = _ladder(self.case, f, far)
        low, high = 0, len(ladder) - 1
        while high - low > 1 and not self.over:
            middle = (low + high) // 2
            low, high = (low, middle) if possible(ladder[middle]) else (middle, high)
        best = ladder[high]
        if len(set(f.values[f.limited])) > 1 or f.spread == "each":
            for t in np.flatnonzero(f.limited & (best != f.values)):
                kept = best.copy()
                kept[t] = f.values[t]
                if not self.over and not np.array_equal(kept, f.values, equal_nan=True) and possible(kept):
                    best = kept
        return best

    # ---- several together
    def together(self, fields: Sequence[LimitField]) -> _Answer | None:
        """Few fields of several kinds that help together; None where even all of them do not."""
        loose = [(f, loosest(self.case, self.instance, f)) for f in fields]
        if not loose or not self.possible(with_fields(self.case, loose)):
            return None
        moves = self._set_back(loose)
        return _Answer(tuple(moves), len(moves) == 1, self.proven(moves))

    def _set_back(self, loose: Sequence[Move]) -> list[Move]:
        """Fields that must stay loosened when as many as can be are set back one by one, then each set as near as can
        be.
        """
        rank = {kind: i for i, kind in enumerate(_LAST_GIVEN_UP)}
        kept = list(loose)
        for move in sorted(loose, key=lambda one: rank.get(one[0].kind, -1)):
            rest = [one for one in kept if one is not move]
            if rest and not self.over and self.possible(with_fields(self.case, rest)):
                kept = rest
        out: list[Move] = []
        while kept:
            f, far = kept.pop(0)
            others = [*out, *kept]
            found = self._excess([(f, far)], others)
            if found is not None and not found:
                continue  # the others are enough
            near = found[0][1] if found else self._nearest(f, far, others)
            if found and not self.possible(with_fields(self.case, [*others, (f, near)])):
                near = far
            out.append((f, near))
        return out

    # ---- what is no number
    def without_places(self) -> list[Fault]:
        """Each list of sites by itself without which a plan exists, as a problem."""
        every, one_by_one = self.case, []
        for name in ("module_types", "workloads", "campaigns"):
            for i, block in enumerate(getattr(self.case, name)):
                for listed in ("allowed_sites", "residency"):
                    given = getattr(block, listed, None)
                    if given:
                        free: dict[str, Any] = {listed: type(block).model_fields[listed].get_default()}
                        every = _with_block(every, name, i, free)
                        alone = _with_block(self.case, name, i, free)
                        one_by_one.append((f"/{name}/{i}/{listed}", block.names, given, alone))
        if not one_by_one or self.over or not self.possible(every):
            return []
        return [
            place_problem(self.case, pointer, names, given, proven=self.whole)
            for pointer, names, given, case in one_by_one
            if len(one_by_one) == 1 or (not self.over and self.possible(case))
        ]

    def without_resilience(self) -> list[str] | None:
        """Sites whose loss need not be survived for a plan to exist (all that are asked for: []); None if in vain."""
        rule = self.case.policy.resilience
        if rule is None or self.over:
            return None
        asked = rule.sites if rule.sites is not None else [s.id for s in self.case.sites]

        def possible(sites: list[str] | None) -> bool:
            kept = None if sites is None else rule.model_copy(update={"sites": sites})
            policy = self.case.policy.model_copy(update={"resilience": kept})
            return self.possible(self.case.model_copy(update={"policy": policy}))

        if not possible(None):
            return None
        for one in asked:
            if len(asked) > 1 and not self.over and possible([s for s in asked if s != one]):
                return [one]
        return []


def _with_block(case: Case, name: str, number: int, update: dict[str, Any]) -> Case:
    blocks = list(getattr(case, name))
    blocks[number] = blocks[number].model_copy(update=update)
    return case.model_copy(update={name: blocks})


def _outward(f: LimitField, amounts: FloatArray) -> FloatArray:
    """The field's numbers loosened by amounts that are rounded up to three figures, or to whole numbers."""
    up = np.array([0.0 if f.whole and a < 1e-6 else rounded_up(a, whole=f.whole) for a in amounts])
    return f.clipped(np.round(f.values + f.loosens * np.where(f.limited, up, 0.0), 9))


def rounded_up(amount: float, *, whole: bool, figures: int = 3) -> float:
    """An amount at its next larger number of three figures (or whole); what a solver's tolerance adds is left out."""
    if not math.isfinite(amount) or amount <= 1e-9:
        return 0.0
    unit = 1.0 if whole else 10.0 ** (math.floor(math.log10(amount)) - figures + 1)
    return round(math.ceil(amount / unit - 1e-4) * unit, 12)


def _ladder(case: Case, f: LimitField, far: FloatArray) -> list[FloatArray]:
    """Numbers of a field from its own to `far`, each asking for less than the one before."""
    if f.kind == "latency":
        own = float(f.values[0])
        rungs = np.unique(np.ceil(latency_ms(case)[np.isfinite(latency_ms(case))] * 1000) / 1000)
        return [f.values, *(np.array([x]) for x in rungs if x > own)] if (rungs > own).any() else [f.values, far]
    reach = float(np.nanmax(np.abs(far - f.values), initial=0.0))
    if f.whole:
        steps = np.arange(math.ceil(reach - 1e-9) + 1, dtype=float)
    elif f.unit == "share":
        steps = np.round(np.arange(math.ceil(reach / _SHARE_STEP - 1e-9) + 1) * _SHARE_STEP, 6)
    else:
        steps = _three_figures(reach)
    return [_between(f, far, step) for step in steps]


def _three_figures(reach: float) -> FloatArray:
    """0 and every number of three figures up to `reach`, over six decades."""
    top = math.floor(math.log10(max(reach, 1e-12)))
    rungs = [np.arange(100, 1000) * 10.0 ** (decade - 2) for decade in range(top - 5, top + 1)]
    steps = np.concatenate([np.zeros(1), *rungs])
    steps = np.round(steps, 12)
    return np.append(steps[steps < reach], reach)


def _between(f: LimitField, far: FloatArray, step: float) -> FloatArray:
    moved = f.clipped(np.round(f.values + f.loosens * step, 9))
    return np.minimum(moved, far) if f.loosens > 0 else np.maximum(moved, far)


# --- what a solution breaks inside its typical days ------------------------------------------------------------------
def service_slack(program: Program, blocks: list[FloatArray]) -> list[Fault]:
    """Fields whose limit a solution breaks inside its typical days, with the periods; empty when none is.

    Service levels, carbon, green share, utilisation, resilience and the build-ahead floor carry a priced slack in their
    blocks, so that every plan of orders can be evaluated. A plan that uses it is refused. By how much it does says
    nothing about how far the field would have to move: `smallest_relaxation` does. blocks: (columns,) each.
    """
    inst = program.inst
    named = service_workloads(inst)
    broken: dict[str, set[int]] = {}
    for block, y in zip(program.blocks, blocks, strict=True):
        if block.key.kind == RESERVE:
            if float(y[block.layout.columns["shortfall"]].sum()) > _BROKEN:
                broken.setdefault("/policy/build_ahead/minimum", set()).add(block.key.period)
            continue
        service = y[block.layout.columns["slack_service"]]
        pointers = [f"/workloads/{w}/minimum_service" for w in named]
        amounts = list(service)
        if block.key.kind == "outage":
            pointers, amounts = ["/policy/resilience"], [float(service.sum())]
        elif "slack_limit" in block.layout.columns:
            amounts += list(y[block.layout.columns["slack_limit"]])
            pointers += [f"/policy/{name}" for name in ("carbon_cap_tonnes", "green_share_floor", "utilisation_floor")]
        for pointer, amount in zip(pointers, amounts, strict=True):
            if amount > _BROKEN:
                broken.setdefault(pointer, set()).add(block.key.period)
    return [broken_problem(inst.case, pointer, sorted(periods)) for pointer, periods in broken.items()]
