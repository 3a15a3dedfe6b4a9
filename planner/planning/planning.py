"""From case and demand to a verified plan: the planner's front door."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any, Unpack

import numpy as np

from forecasts.fault import Fault
from forecasts.outlook import Outlook
from planner.case import Case, WorkloadKind
from planner.case.checks import warnings as case_warnings
from planner.case.errors import InfeasibleError, PlanError, StoppedError
from planner.demand import Demand
from planner.demand.horizon import DayRules, given_demand, outlook_demand
from planner.evaluate.capacity import capacity_tables
from planner.plan import Plan, summarise
from planner.plan.decisions import decisions_of
from planner.plan.extract import decision_tables, master_values, with_starts_that_grow, without_idle_campaigns
from planner.plan.extract_days import day_tables
from planner.plan.measures import (
    billed_power,
    carbon_table,
    cost_table,
    energy_table,
    read_meter,
    utilisation_table,
)
from planner.plan.provenance import as_json, provenance, with_origin
from planner.plan.purchases import cash_table, purchases_table, unserved_table
from planner.plan.tables import TABLES
from planner.planning.refine import HourlyCheck, refined
from planner.planning.relax import service_slack, smallest_relaxation, without_slack
from planner.planning.solving import Amend, ProgressCall, Solving
from planner.planning.unserved import why_unserved
from planner.program.blocks import Program
from planner.program.build import build_program
from planner.program.decisions import DECISIONS
from planner.program.instance import make_instance
from planner.program.origins import pooling_error, pooling_share
from planner.program.tighten import affordable, tightened
from planner.solve import Limits, Progress, Solution, WarmStart, relative_gap, solve
from planner.solve.limits import RouteName
from planner.solve.probing import ruled_out, without
from planner.verify import Verification, verify

_ROUNDING = 2e-6
# Regions are pooled where that takes up no more than this part of the gap that is asked for.
_POOLED_PART = 0.9
# Without slack not every point of the master has a dispatch, which decomposition needs.
_IN_EARNEST: RouteName = "one_piece"


def make_plan(
    case: Case,
    *,
    outlook: Outlook | None = None,
    demand: Demand | None = None,
    every_hour: HourlyCheck | None = None,
    **solving: Unpack[Solving],
) -> Plan:
    """The best plan within the limits, with its bound, tables and checks.

    Demand comes from `demand`, else from `outlook`, else from the case itself.
    every_hour: with an outlook, dispatch every hour under the plan's orders and add the days that typical days missed
    (see `refine.py`); None leaves the check out. Raises InfeasibleError with the smallest relaxation when no plan
    exists, StoppedError when time ran out before the first plan, PlanError for input that does not fit together,
    VerificationError when a result breaks its own limits.
    """
    on_progress = solving.get("on_progress")
    if on_progress is not None:
        on_progress = solving["on_progress"] = _one_clock(on_progress)
    origin: dict[str, Any] | None = None
    if outlook is not None and demand is None:
        checked = None if every_hour is None else as_json(every_hour)
        origin = {"outlook": dict(outlook.provenance), "every_hour": checked}

    def once(rules: DayRules | None, before: Plan | None) -> Plan:
        settled, hours = settle_demand(case, outlook=outlook, demand=demand, days=rules)
        first = None if before is None else warm_start(before, hours)
        made = plan_demand(settled, hours, start=first, measured=False, **solving)[0]
        return made if origin is None else with_origin(made, origin | {"days": as_json(rules or DayRules())})

    if outlook is None or demand is not None or every_hour is None:
        made = once(None, None)
    else:
        threads = (solving.get("limits") or Limits()).threads
        made = refined(case, outlook, every_hour, once, threads, on_progress, solving.get("stop"))
    if on_progress is not None:
        proof = made.certificate
        on_progress(Progress(proof["objective"], proof["bound"], proof["gap"], "what the plan comes to", 0.0))
    with ThreadPoolExecutor(1) as beside:  # both wait for solvers, which run outside of Python's lock
        why = beside.submit(why_unserved, made)
        measured = measured_plan(made)
        return replace(measured, summary={**measured.summary, "unserved_why": why.result()})


def _one_clock(tell: ProgressCall) -> ProgressCall:
    """Progress whose seconds run on from one phase to the next."""
    begun = time.monotonic()
    return lambda progress: tell(replace(progress, seconds=time.monotonic() - begun))


def warm_start(plan: Plan, demand: Demand | None = None) -> WarmStart:
    """A plan's decisions as a start for another solve of its case, on other typical days if `demand` is given."""
    program = build_program(plan.case, demand or plan.demand, merge_steps=1)
    return WarmStart(program.layout.point(decisions_of(plan).values, DECISIONS, program.master.columns))


def settle_demand(
    case: Case, *, outlook: Outlook | None = None, demand: Demand | None = None, days: DayRules | None = None
) -> tuple[Case, Demand]:
    """The case as it is planned (defaults taken from the outlook written in) and its demand arrays."""
    if demand is not None:
        return case, demand
    if outlook is not None:
        case = with_measured_burst(case, outlook)
        return case, outlook_demand(case, outlook, days)
    if case.demand is None:
        raise PlanError([Fault("/demand", "no demand", "an outlook or history, or a demand block in the case")])
    return case, given_demand(case)


def with_measured_burst(case: Case, outlook: Outlook) -> Case:
    """Burst factors measured in the history, where the case leaves them at 1."""
    found: dict[str, float] = {}
    for key, burst in zip(outlook.series, outlook.burst, strict=True):
        found[key.workload] = max(found.get(key.workload, 1.0), float(burst))
    workloads = [
        w.model_copy(update={"burst_factor": found[w.id]})
        if w.kind is WorkloadKind.online and w.burst_factor == 1 and found.get(w.id, 1.0) > 1
        else w
        for w in case.workloads
    ]
    return case.model_copy(update={"workloads": workloads})


def plan_demand(
    case: Case,
    demand: Demand,
    *,
    start: WarmStart | None = None,
    amend: Amend | None = None,
    measured: bool = True,
    **solving: Unpack[Solving],
) -> tuple[Plan, Solution]:
    """One solve on fixed typical days: the plan, and the solution behind it for warm starts.

    amend: changes the program before it is solved (bounds of decisions; never what a plan must keep to). measured:
    False leaves out the build-ahead ratio, for plans on the way to another (see `measured_plan`).
    """
    limits, on_progress, stop = solving.get("limits") or Limits(), solving.get("on_progress"), solving.get("stop")
    said = {"solve": limits.as_json()}
    asked, pooling = limits.gap, pooling_share(make_instance(case, demand))
    pooled = pooling <= _POOLED_PART * asked
    if pooled:
        limits = replace(limits, gap=asked - pooling)

    def built(steps: int | None = None, mean_day: bool = False, loose: bool = False) -> Program:
        asked_for = demand.mean_day() if mean_day else demand
        made = tightened(build_program(case, asked_for, merge_steps=steps, pooled=pooled or loose))
        made = without(made, closed) if len(closed) else made
        return affordable(made) if amend is None else amend(made)

    closed = np.zeros(0, np.int64)
    if case.campaigns:
        closed = ruled_out(built(steps=1))
    program = built()

    def told(progress: Progress) -> None:
        if on_progress is not None:
            unit = program.money_unit
            on_progress(replace(progress, objective=progress.objective * unit, bound=progress.bound * unit))

    solution = solve(program, limits, on_progress=told, stop=stop, start=start, coarse=built)
    if solution.status == "infeasible":
        raise InfeasibleError(smallest_relaxation(case, demand, amend=amend) or [_unexplained()])
    if solution.status == "unbounded" or not len(solution.x):
        raise _no_plan(solution, limits, by_hand=stop is not None and stop.is_set())
    broken = service_slack(program, solution.blocks)
    if broken:
        changes = smallest_relaxation(case, demand, amend=amend)
        if changes:
            raise InfeasibleError(changes)
        # A plan exists that breaks nothing: the price of the slack did not tell it from one that does.
        solution = solve(without_slack(program), replace(limits, route=_IN_EARNEST), on_progress=told, stop=stop)
        if not len(solution.x) or service_slack(program, solution.blocks):
            raise StoppedError(broken)
    if solution.gap <= asked:
        solution = replace(solution, status="optimal")
    return with_origin(finish(case, demand, program, solution, measured=measured), said), solution


def _no_plan(solution: Solution, limits: Limits, *, by_hand: bool) -> PlanError:
    """Why a solve that could have had a plan ended without one."""
    if solution.status == "unbounded":
        return PlanError([Fault("/", "a cost that falls without end", "prices of at least 0")])
    if by_hand:
        found = f"stopped by hand after {solution.seconds:.0f} s, before there was a first plan"
        return StoppedError([Fault("limits", found, "to let it run until a first plan is found")])
    return StoppedError([Fault("limits", f"no plan within {limits.seconds:g} s", "a longer time limit")])


def _unexplained() -> Fault:
    return Fault("/", "limits that no plan meets together; which of them to change was not found", "looser limits")


def finish(case: Case, demand: Demand, program: Program, solution: Solution, *, measured: bool = True) -> Plan:
    """Tables, measures, checks and summary of a solution.

    measured: False leaves out the build-ahead ratio, for plans on the way to another (`measured_plan` brings it in).
    """
    inst = program.inst
    values = with_starts_that_grow(without_idle_campaigns(program, master_values(program, solution.x)))
    days = day_tables(inst, program, solution.blocks, values["gangs_running"])
    # Decomposition may leave billed power a little off what the days then draw; what they draw is what is billed.
    values["billed_kw"] = billed_power(inst, values, days)
    tables = decision_tables(inst, program, values)
    meter = read_meter(inst, values, days)
    tables |= {
        "placement": days.placement,
        "load": days.load,
        "shortfall": days.shortfall,
        **capacity_tables(inst, demand, tables, measured=measured, counted=values["ahead_gangs"]),
        "utilisation": utilisation_table(inst, values, meter),
        "energy": energy_table(inst, values, meter, inst.probability),
        "carbon": carbon_table(inst, meter, inst.probability),
        "costs": cost_table(inst, values, days, meter),
    }
    tables |= {
        "purchases": purchases_table(case, tables),
        "cash": cash_table(case, inst.branches, tables),
        "unserved": unserved_table(case, demand, tables),
    }
    tables = {name: tables[name] for name in TABLES}
    verification = verify(case, demand, tables, ratio=measured)
    verification.require()
    objective, bound = verification.objective, solution.bound * program.money_unit
    pooling = pooling_error(inst) * program.money_unit if inst.pooled else 0.0
    _agree(objective, bound, solution.objective * program.money_unit, pooling)
    certificate: dict[str, Any] = {
        "objective": objective,
        "bound": min(bound, objective),
        "gap": relative_gap(objective, min(bound, objective)),
        "status": solution.status,
        "seconds": solution.seconds,
        "route": solution.route,
        "peak_mb": solution.peak_mb,
        "columns": program.master.columns + sum(len(b.cost) for b in program.blocks),
        "rows": program.master.rows + sum(len(b.row_lower) for b in program.blocks),
        "integers": int(program.master.integer.sum()),
        "coefficients": coefficient_range(program),
        "currency": case.meta.currency,
    }
    notes = [w.message for w in case_warnings(case)] + list(demand.notes)
    return Plan(
        case,
        demand,
        tables,
        summarise(case, demand, tables),
        certificate,
        _checks(verification),
        tuple(notes),
        provenance(case, demand),
    )


def measured_plan(plan: Plan) -> Plan:
    """A plan that was made without its build-ahead ratio, with it; verified again as a whole."""
    inst = make_instance(plan.case, plan.demand)
    tables = {**plan.tables, **capacity_tables(inst, plan.demand, plan.tables)}
    checks = verify(plan.case, plan.demand, tables).require()
    summary = {**plan.summary, **summarise(plan.case, plan.demand, tables)}
    return replace(plan, tables=tables, summary=summary, checks=_checks(checks))


def _agree(objective: float, bound: float, claimed: float, pooling: float) -> None:
    """The recomputed cost must be what the engine claimed and not below its bound.

    It may be less by billed power, and more by what regions that were pooled pay for transfer above the least of them.

    Raises ArithmeticError: a bound above a plan's cost would mean a proof that proves nothing.
    """
    room = _ROUNDING * max(abs(objective), 1.0)
    if objective > claimed + pooling + room:
        raise ArithmeticError(f"the engine claimed a cost of {claimed:,.2f}, the plan's tables cost {objective:,.2f}")
    if bound > objective + 10 * room:
        raise ArithmeticError(f"the engine's bound {bound:,.2f} lies above the cost {objective:,.2f} of its own plan")


def coefficient_range(program: Program) -> dict[str, float]:
    """Least and largest absolute matrix coefficient; the solvers' tolerances want 1e-3 to 1e6."""
    parts = [program.master.matrix.data] + [m.data for b in program.blocks for m in (b.matrix, b.coupling)]
    data = np.abs(np.concatenate([p for p in parts if p.size] or [np.ones(1)]))
    return {"least": float(data.min()), "largest": float(data.max())}


def _checks(verification: Verification) -> tuple[dict[str, Any], ...]:
    return tuple(asdict(check) for check in verification.checks)
