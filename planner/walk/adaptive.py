"""The adaptive walk: forecast, plan, commit only what must be committed, see what came, and again.

A rule judged on fixed orders is judged too hard: in truth nobody orders eight quarters at once. The walk goes through
the horizon period by period. At the start of each it asks for a forecast made from what had happened by then, lets the
rule plan the rest of the horizon from the fleet as it stands (what is on order included), and commits only what has to
be decided now: orders and phases whose lead time begins, sites opened, modules that leave, leases whose notice begins.
In the end all that was committed is dispatched on what really came.

Forecasts come from outside, because the planner knows no forecasting models: a callable that gives the outlook as it
was known at the start of a period.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.outlook import Outlook
from planner.arrays import FloatArray
from planner.case import Case
from planner.case.errors import PlanError
from planner.case.file import case_from, dump_case
from planner.demand import Demand
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed
from planner.planning import plan_demand
from planner.program.agreements import find_agreements
from planner.program.decisions import DECISIONS, completed, purchases
from planner.program.departures import find_departures
from planner.rules.rules import plan_rule
from planner.scenarios.scenario import Rule, WaitAndSee
from planner.scenarios.worlds import make_world
from planner.solve import Limits
from planner.walk.hindsight import cut_periods

Forecast = Callable[[int], Outlook | Demand]


@dataclass(frozen=True)
class Walk:
    """How a rule behaved.

    plan: all that was committed, dispatched on what came; its certificate's objective is the cost of the walk. steps:
    by period what the forecast said and what was committed then. replanned: the plans made on the way, by period.
    """

    rule: Rule
    plan: Plan
    steps: pd.DataFrame
    replanned: tuple[Plan, ...] = field(default=(), repr=False)

    @property
    def cost(self) -> float:
        """Discounted, money."""
        return float(self.plan.certificate["objective"])


def adaptive_walk(
    case: Case,
    forecast: Forecast,
    truth: Demand,
    rule: Rule,
    *,
    limits: Limits | None = None,
    on_step: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> Walk:
    """Follow a rule through the case's horizon.

    forecast(t): the outlook (or demand arrays for periods t to the end) known at the start of period t. truth: one
    future, the demand that came, over the whole horizon. wait_and_see plans once, knowing the truth: the reference.
    """
    limits = limits or Limits()
    if len(truth) != 1:
        raise PlanError([Fault("truth", f"{len(truth)} futures", "one: what came")])
    if isinstance(rule, WaitAndSee):
        known = plan_demand(case, truth, limits=limits, stop=stop)[0]
        return Walk(rule, known, _steps([], case, truth, known))
    T = case.horizon.periods
    made = _Committed.none(case)
    plans: list[Plan] = []
    rows: list[dict[str, Any]] = []
    for t in range(T):
        rolled = rolled_case(case, t, made)
        world = make_world(rolled, forecast(t), evaluation_futures=None)
        plan = plan_rule(rule, world, limits=limits, stop=stop)
        plans.append(plan)
        rows.append({"period": t, "forecast_p50_pflops": float(world.futures.p50_peak[0]), **made.take(plan, t)})
        if on_step is not None:
            on_step(t + 1, T)
    final = plan_demand(
        case,
        truth,
        limits=limits,
        stop=stop,
        amend=lambda built: fixed(built, made.values, (*purchases(), "departures", "lease_start")),
    )[0]
    return Walk(rule, final, _steps(rows, case, truth, final), tuple(plans))


def compare_walks(
    case: Case,
    forecast: Forecast,
    truth: Demand,
    rules: Mapping[str, Rule],
    *,
    limits: Limits | None = None,
    on_step: Callable[[str, int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> tuple[pd.DataFrame, dict[str, Walk]]:
    """Rules as they would really have behaved: one row a rule, cheapest first, and the walks themselves.

    on_step: told (rule, periods walked, all) after each period.
    """
    walks = {}
    for name, rule in rules.items():
        step = None if on_step is None else partial(on_step, name)
        walks[name] = adaptive_walk(case, forecast, truth, rule, limits=limits, on_step=step, stop=stop)
    rows = []
    for name, walk in walks.items():
        terms, capacity = walk.plan.summary["cost_by_term"], walk.plan.tables["capacity"]
        rows.append(
            {
                "rule": name,
                "cost": walk.cost,
                "shortfall_cost": terms["shortfall"],
                "capex": terms["capex"],
                "modules": int(walk.plan.tables["orders"]["modules"].sum()),
                "mean_busy": walk.plan.summary["mean_busy"],
                "build_ahead_ratio": float(np.nanmean(capacity["build_ahead_ratio"])),
            }
        )
    return pd.DataFrame(rows).sort_values(["cost", "rule"], ignore_index=True), walks


def _steps(rows: Sequence[Mapping[str, Any]], case: Case, truth: Demand, plan: Plan) -> pd.DataFrame:
    capacity = plan.tables["capacity"].set_index("period")
    table = pd.DataFrame(list(rows) or [{"period": t} for t in range(case.horizon.periods)])
    table["actual_peak_pflops"] = truth.p50_peak[table["period"]]
    table["usable_pflops"] = capacity["usable_pflops"].reindex(table["period"]).to_numpy()
    return table


# --- what is committed, and the case that is left --------------------------------------------------------------------


@dataclass
class _Committed:
    """Decisions of the whole horizon that were taken so far, as columns of the master (leading axis 1)."""

    case: Case
    values: dict[str, FloatArray]
    done: FloatArray  # (campaigns,) share of the work that the plans of the past ran

    @classmethod
    def none(cls, case: Case) -> _Committed:
        S, K, T = len(case.sites), len(case.module_types), case.horizon.periods
        P = sum(len(s.phases) for s in case.sites)
        shapes = {
            "orders": (S, K, T),
            "order_on": (S, K, T),
            "agreement_signed": (len(case.agreements),),
            "phases": (P, T),
            "openings": (S, T),
            "departures": (len(find_departures(case)), T),
            "lease_start": (len(case.leases), T),
        }
        return cls(case, {n: np.zeros((1, *shape)) for n, shape in shapes.items()}, np.zeros(len(case.campaigns)))

    def take(self, plan: Plan, period: int) -> dict[str, Any]:
        """Add what a plan from `period` on must decide in its first period; what that was, in figures."""
        own, T = decisions_of(plan).branch(0), self.case.horizon.periods
        new = np.zeros_like(self.values["orders"])
        for k, kind in enumerate(self.case.module_types):
            if period + kind.lead_periods < T:
                new[:, :, k, period + kind.lead_periods] = own["orders"][:, :, k, kind.lead_periods]
        self.values["orders"] += new
        ids = {x.id: a for a, x in enumerate(self.case.agreements)}
        for own_number, agreement in enumerate(plan.case.agreements):
            if agreement.first == 0:
                self.values["agreement_signed"][:, ids[agreement.id]] += own["agreement_signed"][:, own_number]
        self.values = completed(self.case, {n: v for n, v in self.values.items() if DECISIONS[n].source is not None})
        phases = [p for s in self.case.sites for p in s.phases]
        for i, at in enumerate(self.open_phases(period)):
            lead = phases[at].lead_periods
            self.values["phases"][:, at, period + lead] += own["phases"][:, i, lead]
        self.values["openings"][:, :, period] += own["openings"][:, :, 0]
        self.values["departures"][:, :, period] += own["departures"][:, :, 0]
        for i, lease in enumerate(self.case.leases):
            at = period + lease.notice_periods
            if at < T:
                self.values["lease_start"][:, i, at] += own["lease_start"][:, i, lease.notice_periods]
        self._work(plan, period)
        signed = plan.tables["orders"]
        paid = signed.loc[(signed["order_period"] == 0) & (signed["branch"] <= 0), "capex"]
        return {"ordered_modules": int(new.sum()), "ordered_capex": float(paid.sum())}

    def open_phases(self, period: int) -> list[int]:
        """Phases (numbered over all sites) of which one more can be ordered in `period` and arrive in the horizon."""
        phases = [p for s in self.case.sites for p in s.phases]
        built = self.values["phases"][0].sum(axis=1)
        T = self.case.horizon.periods
        return [i for i, p in enumerate(phases) if period + p.lead_periods < T and built[i] < p.max_count]

    def _work(self, plan: Plan, period: int) -> None:
        """Count the card-days that campaigns ran in the period just begun."""
        run = plan.tables["campaigns"]
        index = {c.id: i for i, c in enumerate(self.case.campaigns)}
        days = self.case.horizon.days(period)
        for row in run[(run["period"] == 0) & (run["branch"] <= 0)].to_dict("records"):
            i = index[str(row["campaign"])]
            job = self.case.campaigns[i]
            speed = job.speed.get(str(row["module_type"]), 0.0)
            self.done[i] += float(row["share"]) * days * job.gang_cards * speed / job.card_days


def rolled_case(case: Case, period: int, made: _Committed) -> Case:
    """The case as it stands at the start of a period: later horizon, fleet with all orders, sites as built."""
    horizon = case.horizon
    document = dump_case(case)
    left = horizon.periods - period
    document["demand"] = None
    for a, agreement in enumerate(document["agreements"]):
        agreement["signed"] |= bool(made.values["agreement_signed"][0, a] > 0.5)
        agreement["called_off"] += int(find_agreements(case).called_off(made.values["orders"])[0, a].sum())
    document["horizon"] |= {"start": horizon.period_start(period).isoformat(), "periods": left}
    if horizon.commit_periods is not None:
        document["horizon"]["commit_periods"] = min(horizon.commit_periods, left)
    cut_periods(document, period, left)
    _roll_sites(document, case, period, made)
    _roll_fleet(document, case, made)
    _roll_campaigns(document, period, made)
    return case_from(document)


def _roll_sites(document: dict[str, Any], case: Case, period: int, made: _Committed) -> None:
    T = case.horizon.periods
    still = made.open_phases(period)
    at = 0
    for s, site in enumerate(document["sites"]):
        power = np.broadcast_to(np.asarray(site["power_mw"], float), T - period).copy()
        racks = None
        if site["space_racks"] is not None:
            racks = np.broadcast_to(np.asarray(site["space_racks"], float), T - period).copy()
        left = []
        for phase in site["phases"]:
            built = made.values["phases"][0, at]
            for tau in np.flatnonzero(built):
                # What was ordered has its capex behind it; it gives power from its arrival to the end of its life.
                first, last = max(int(tau) - period, 0), int(tau) + phase["life_periods"] - period
                power[first : max(last, 0)] += built[tau] * phase["mw"]
                if racks is not None:
                    racks[first : max(last, 0)] += built[tau] * phase["space_racks"]
            if at in still:
                left.append(phase | {"max_count": phase["max_count"] - int(built.sum())})
            at += 1
        site["phases"] = left
        site["power_mw"] = [float(v) for v in power]
        site["space_racks"] = None if racks is None else [float(v) for v in racks]
        if made.values["openings"][0, s].any():
            site["status"] = "existing"


def _roll_fleet(document: dict[str, Any], case: Case, made: _Committed) -> None:
    """Rows of the fleet stay where they were in its list, less what left; what was moved, ordered or leased follows."""
    horizon = case.horizon

    def standing(site: str, kind: str, modules: float, first: int, retire: str | None) -> None:
        entry = {"site": site, "module_type": kind, "modules": round(modules)}
        document["fleet"].append({**entry, "online": horizon.period_start(first).isoformat(), "retire": retire})

    def ends(first: int, life: int) -> str | None:
        return horizon.period_start(first + life).isoformat() if first + life <= horizon.periods else None

    gone, leaving = find_departures(case), made.values["departures"][0]
    for e, t in zip(*np.nonzero(leaving), strict=True):
        row, kind = document["fleet"][int(gone.row[e])], case.module_types[int(gone.kind[e])]
        row["modules"] -= round(float(leaving[e, t]))
        if gone.to[e] >= 0:
            back = int(t) + kind.moving_periods
            standing(case.sites[int(gone.to[e])].id, kind.id, float(leaving[e, t]), back, row["retire"])

    orders = made.values["orders"][0]
    for s, k, t in zip(*np.nonzero(orders), strict=True):
        kind = case.module_types[int(k)]
        standing(case.sites[int(s)].id, kind.id, float(orders[s, k, t]), int(t), ends(int(t), kind.life_periods))
    starts = made.values["lease_start"][0]
    for i, t in zip(*np.nonzero(starts), strict=True):
        lease = case.leases[int(i)]
        end = ends(int(t), lease.minimum_term_periods)
        standing(lease.site, lease.module_type, float(starts[i, t]), int(t), end)


def _roll_campaigns(document: dict[str, Any], period: int, made: _Committed) -> None:
    kept = []
    for i, job in enumerate(document["campaigns"]):
        left = job["card_days"] * (1 - made.done[i])
        if job["due"] < period or left <= 1e-6 * job["card_days"]:
            continue
        kept.append(job | {"earliest": max(job["earliest"] - period, 0), "due": job["due"] - period, "card_days": left})
    document["campaigns"] = kept


def later_demand(demand: Demand, period: int) -> Demand:
    """Demand arrays from a period on, for forecasts that are demand arrays already."""
    days = demand.days
    left = replace(days, weight=days.weight[period:], calendar=days.calendar[period:])
    return replace(
        demand,
        values=demand.values[:, :, :, period:],
        days=left,
        p50_peak=demand.p50_peak[period:],
        p90_peak=demand.p90_peak[period:],
        course=demand.central.from_period(period),
    )
