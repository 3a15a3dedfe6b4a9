"""How each build-ahead rule chooses its orders."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
import scipy.sparse as sp

from forecasts.fault import Fault
from forecasts.words.note import packed, unpacked
from planner.arrays import FloatArray
from planner.case import Case, CVaR, Quantile
from planner.case.errors import PlanError, StoppedError
from planner.demand import Demand
from planner.demand.horizon import for_objective
from planner.plan import Plan
from planner.plan.decisions import decided_about, decisions_of, fixed
from planner.planning import measured_plan, plan_demand, warm_start
from planner.planning.solving import Amend, ProgressCall, Solving
from planner.program.blocks import Program
from planner.program.build import build_program
from planner.program.decisions import completed, whole_decisions
from planner.rules.ahead import with_ratio
from planner.rules.bounds import relaxed_bound, shared_decisions
from planner.rules.neighbour import Values, held_plan, projected, whole_of, with_bound, with_recourse
from planner.rules.sketch import ranked, sketched
from planner.scenarios.scenario import (
    Averse,
    BringForward,
    JustInTime,
    MeanValue,
    QuantileOf,
    Ratio,
    Rule,
    Stochastic,
    WaitAndSee,
)
from planner.scenarios.worlds import World
from planner.solve import Limits, WarmStart, solve
from planner.words.wording import noted

# The search for the earliest orders looks at orders alone, without the hours: it is small.
_REACH = Limits(seconds=30.0, gap=1e-4, threads=1)

# The search has at least this part of the time, however long holding the neighbours took.
_SEARCH_PART = 0.3
# Where a case with campaigns has a sketched plan, the decomposition is not begun in less time than this: it would come
# to no better one. Without campaigns sketched plans are up to a fifth dearer than its own (docs/decisions/0186).
_LEAST_SEARCH_S = 60.0


@dataclass(frozen=True)
class Begin:
    """From what a rule's plan is looked for, and how.

    median: the just-in-time plan of this world, where there is one already; rules that begin from it make it otherwise.
    near: plans of this case made for other rules, or for this rule under other assumptions; those that decide about
    other things (further leases, other rows of the fleet that may leave) are left out. They are brought within
    this rule's limits and held: the search begins from the cheapest, and where it finds nothing cheaper in its time
    that one is the answer, with a note. late: for a two-stage rule, the plan that each future of the world follows in
    what may differ by future, tried with the early decisions of the first plan near by. known: (F,) proven bounds of
    the world's futures (`planner.rules.bounds`), where they are there already. search: False to hold the neighbours and
    no more. sketch: look for orders on few days and one step (`planner.rules.sketch`), as suits a large case.
    """

    median: Plan | None = None
    near: tuple[Plan, ...] = ()
    late: tuple[Plan, ...] = ()
    known: FloatArray | None = None
    search: bool = True
    sketch: bool = False


def plan_rule(
    rule: Rule,
    world: World,
    begin: Begin | None = None,
    **solving: Unpack[Solving],
) -> Plan:
    """The plan that a rule makes in a world; what the rule could not do fully stands in the plan's warnings.

    Raises what `planner.planning.plan_demand` raises, and PlanError for wait_and_see, which is no plan: it is
    evaluated future by future (`planner.compare.information.perfect_information`).
    """
    begin = begin or Begin()
    about = decided_about(world.case)
    begin = replace(begin, near=tuple(plan for plan in begin.near if decided_about(plan.case) == about))
    if rule.kind == "just_in_time" and begin.median is not None:
        return begin.median
    return measured_plan(
        _plan_rule(
            rule,
            world,
            _Searching(solving.get("limits") or Limits(), solving.get("on_progress"), solving.get("stop"), begin),
        )
    )


def _plan_rule(rule: Rule, world: World, searching: _Searching) -> Plan:
    begin, limits = searching.begin, searching.limits
    median = begin.median

    def planned(case: Case, demand: Demand, start: WarmStart | None = None) -> Plan:
        return searching.plan(case, demand, start=start)

    match rule:
        case JustInTime():
            return median or planned(world.case, world.median)
        case MeanValue():
            return planned(world.case, world.mean)
        case Stochastic():
            return planned(world.case, world.futures, searching.begun(world, world.case))
        case Averse(alpha=alpha, weight=weight):
            averse = with_risk(world.case, CVaR(kind="cvar", alpha=alpha, weight=weight))
            return planned(averse, world.futures, searching.begun(world, averse))
        case QuantileOf(q=q):
            risky = with_risk(world.case, Quantile(kind="quantile", q=q))
            return planned(risky, for_objective(risky, world.futures))
        case Ratio(ratio=ratio):
            base = whole_of(begin.near[0]) if begin.near else None
            floored, notes, values = with_ratio(world.case, world.median, ratio, limits, base)
            if begin.sketch and values is not None:  # the search for the floor was a search for the plan
                searching = replace(searching, begin=replace(begin, search=False))
            plan = searching.plan(floored, world.median, held=values)
            # what meets the floor is near enough where nothing cheaper is looked for, and says so
            return warned(plan, notes if begin.search or values is None else (*notes, noted("note.first_plan")))
        case BringForward(periods=periods):
            simple = median or planned(world.case, world.median)
            return brought_forward(simple, periods, searching)
        case WaitAndSee():
            raise PlanError([Fault("/rule", "wait_and_see as a plan", "a rule that an operator can follow")])


@dataclass(frozen=True)
class _Searching:
    """How one plan is looked for: within `limits`, from the decisions of plans that are near."""

    limits: Limits
    on_progress: ProgressCall | None
    stop: threading.Event | None
    begin: Begin

    def begun(self, world: World, case: Case) -> WarmStart | None:
        """What a two-stage plan begins from where no plan is near and none is sketched."""
        if self.begin.near or self.begin.sketch:
            return None
        return median_start(world, case, self.limits, self.stop, self.begin.median)

    def plan(
        self,
        case: Case,
        demand: Demand,
        *,
        start: WarmStart | None = None,
        amend: Amend | None = None,
        held: Values | None = None,
    ) -> Plan:
        """Search, and the cheapest of what was held where that finds nothing cheaper.

        amend: as `plan_demand` takes it. held: decisions that are held as they are, in place of those of the plans near
        by, which then are the last resort.
        """
        begun = time.monotonic()
        bound, drawn = -np.inf, [] if held is None else [held]
        if self.begin.sketch and self.begin.search and len(demand) == 1:
            near = whole_of(self.begin.near[0]) if self.begin.near else None
            sketch = sketched(case, demand, self.limits, self.limits.seconds, amend, near)
            drawn, bound = [*drawn, *sketch.decisions], sketch.bound
        plans = _held(case, demand, drawn)
        borrowed = False
        if not plans:
            plans = _held(case, demand, self._near(case, demand))
            borrowed = bool(plans)
        found = min(plans, key=lambda plan: float(plan.certificate["objective"]), default=None)
        late = StoppedError([Fault("limits", f"no plan within {self.limits.seconds:g} s", "a longer time limit")])
        room = self.limits.seconds - (time.monotonic() - begun)
        # where large gangs rule, a rest that is too short for the decomposition to come to anything is not begun
        worthwhile = not (self.begin.sketch and case.campaigns) or room >= _LEAST_SEARCH_S
        if self.begin.search and (found is None or worthwhile):
            try:
                plan = plan_demand(
                    case,
                    demand,
                    limits=replace(self.limits, seconds=max(room, _SEARCH_PART * self.limits.seconds)),
                    on_progress=self.on_progress,
                    stop=self.stop,
                    start=start if found is None else warm_start(found),
                    amend=amend,
                    measured=False,
                )[0]
            except StoppedError as error:
                late = error
            else:
                bound = max(bound, float(plan.certificate["bound"]))
                if found is None or plan.certificate["objective"] <= found.certificate["objective"]:
                    if not np.isfinite(bound):
                        bound = relaxed_bound(case, demand, self.begin.known)
                    return with_bound(plan, bound)
        if found is None:
            raise late
        if not np.isfinite(bound):
            bound = relaxed_bound(case, demand, self.begin.known)
        return warned(with_bound(found, bound), (noted("note.no_cheaper"),) if borrowed else ())

    def _near(self, case: Case, demand: Demand) -> list[Values]:
        # one future is held in seconds, several in many: the first is the nearest by the caller's measure
        few = self.begin.near if len(demand) == 1 else self.begin.near[:1]
        brought = [projected(case, demand, whole_of(plan)) for plan in few]
        if few and len(self.begin.late) == len(demand) > 1:
            shared = shared_decisions(case, demand)
            if not all(same.all() for same in shared.values()):
                brought.append(with_recourse(case, demand, few[0], self.begin.late, shared))
        return [values for values in brought if values is not None]


def _held(case: Case, demand: Demand, wanted: Sequence[Values]) -> list[Plan]:
    """Plans that hold what is wanted and can be kept to; of several for several futures the cheapest alone."""
    if len(demand) == 1:
        return [plan for plan in (held_plan(case, demand, values) for values in wanted) if plan is not None]
    for values in ranked(case, demand, wanted):
        plan = held_plan(case, demand, values)
        if plan is not None:
            return [plan]
    return []


def begins_from_median(rule: Rule) -> bool:
    """Whether a rule makes the just-in-time plan on its way."""
    return isinstance(rule, JustInTime | Stochastic | Averse | BringForward)


def median_start(
    world: World, case: Case, limits: Limits, stop: threading.Event | None, median: Plan | None = None
) -> WarmStart | None:
    """The P50 decisions for every future: a first two-stage plan where the search may find none in time."""
    try:
        simple = (
            median
            or plan_demand(
                world.case, world.median, limits=replace(limits, gap=max(limits.gap, 0.01)), stop=stop, measured=False
            )[0]
        )
    except PlanError:
        return None
    program = build_program(case, world.futures)
    return WarmStart(program.layout.point(whole_of(simple), whole_decisions(), program.master.columns))


def with_risk(case: Case, objective: CVaR | Quantile) -> Case:
    """The case under another risk objective."""
    return case.model_copy(update={"risk": case.risk.model_copy(update={"objective": objective})})


def warned(plan: Plan, notes: tuple[str, ...]) -> Plan:
    """The plan with what its rule could not do among its warnings, and by itself (`rule_notes`)."""
    if not notes:
        return plan
    own = packed((*rule_notes(plan), *notes))
    return replace(plan, warnings=(*plan.warnings, *notes), summary={**plan.summary, "rule_notes": own})


def rule_notes(plan: Plan) -> tuple[str, ...]:
    """What the rule that made the plan could not do."""
    return unpacked(plan.summary.get("rule_notes", ()))


# --- bring forward ---------------------------------------------------------------------------------------------------

_MOVED = ("orders", "order_on", "phases", "openings")


def brought_forward(plan: Plan, periods: int, searching: _Searching) -> Plan:
    """The same orders and phases, `periods` earlier, or as early as the limits on orders allow.

    Whole orders keep site and type. Of all ways to order them no earlier than asked, the one with the most
    PFLOPS-periods gained; leases, signatures, gangs and dispatch are then chosen anew for the same demand.
    """
    case, demand = plan.case, plan.demand
    program = build_program(case, demand)
    values = decisions_of(plan).values
    earlier = _earliest(program, values, periods)
    if earlier is None:
        return warned(plan, (noted("note.no_earlier"),))
    notes = _late_notes(values["orders"], earlier["orders"], periods)
    again = searching.plan(
        case,
        demand,
        amend=lambda built: fixed(built, earlier, earlier),
        held=completed(case, {**whole_of(plan), **earlier}),
    )
    return warned(again, notes)


def _shifted(values: FloatArray, periods: int) -> FloatArray:
    """(..., T) cumulative amounts, `periods` earlier; what would be before the horizon comes in its first period."""
    total = np.cumsum(values, axis=-1)
    T = total.shape[-1]
    return np.asarray(total[..., np.minimum(np.arange(T) + periods, T - 1)], float)


def _earliest(program: Program, values: Mapping[str, FloatArray], periods: int) -> dict[str, FloatArray] | None:
    """Orders, charges, phases and openings brought forward; None when no such plan is found."""
    master = program.master
    columns = program.layout.columns
    inst = program.inst
    cost = np.zeros(master.columns)
    parts, lower, upper = [], [], []
    rows = 0
    pflops = np.asarray(inst.pflops, float)
    for name in ("orders", "phases", "openings"):
        index = columns[name][0].reshape(-1, columns[name].shape[-1])
        target = _shifted(values[name][0], periods).reshape(index.shape)
        T = index.shape[-1]
        worth = np.ones(len(index))
        if name == "orders":
            worth = np.broadcast_to(np.maximum(pflops, 1e-9)[None], columns[name].shape[1:3]).ravel().copy()
        for i, t in zip(*np.nonzero(target > 0), strict=True):
            used = index[i, : t + 1]
            used = used[used >= 0]
            parts.append((np.full(len(used), rows), used))
            last = t == T - 1
            lower.append(target[i, t] if last else 0.0)
            upper.append(target[i, t])
            rows += 1
            cost[used] -= worth[i]
        real = index[(target[:, -1] == 0)[:, None] & (index >= 0)]
        parts.append((np.arange(rows, rows + len(real)), real))
        lower += [0.0] * len(real)
        upper += [0.0] * len(real)
        rows += len(real)
        # nothing before the shifted plan's first order
        early = index[(target == 0) & (target[:, -1:] > 0) & (index >= 0)]
        parts.append((np.arange(rows, rows + len(early)), early))
        lower += [0.0] * len(early)
        upper += [0.0] * len(early)
        rows += len(early)
    row = np.concatenate([p[0] for p in parts]).astype(int)
    column = np.concatenate([p[1] for p in parts]).astype(int)
    extra = sp.csr_matrix((np.ones(len(row)), (row, column)), shape=(rows, master.columns))
    arrays = master.with_rows(extra, lower, upper)
    arrays = replace(arrays, cost=cost / max(float(np.abs(cost).max(initial=0.0)), 1e-9))
    answer = solve(Program(arrays, program.layout, (), 1.0), _REACH)
    return program.layout.values(np.round(answer.x), _MOVED) if len(answer.x) else None


def _late_notes(before: FloatArray, after: FloatArray, periods: int) -> tuple[str, ...]:
    wanted, got = _shifted(before, periods).sum(), np.cumsum(after, axis=-1).sum()
    total = np.cumsum(before, axis=-1).sum()
    if wanted - got < 0.5:
        return ()
    share = (got - total) / max(wanted - total, 1e-9)
    return (noted("note.forward", periods=periods, share=f"{share:.0%}"),)
