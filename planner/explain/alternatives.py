"""Near-optimal plans that differ most: fewest sites, most domestic, least carbon, within a stated extra cost.

Modelling to generate alternatives (Brill, Chang and Hopkins 1982) by weights: the wanted quality gets a growing reward
or floor, and the last plan whose true cost stays within (1 + epsilon) of the best is kept.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Case, by_period
from planner.case.errors import PlanError
from planner.explain.asking import orders_apart
from planner.plan import Plan
from planner.planning import plan_demand
from planner.program.blocks import Program
from planner.program.decisions import DECISIONS, purchases
from planner.solve import Limits, relative_gap
from planner.verify import verify

Quality = Literal["fewest_sites", "most_domestic", "least_carbon"]
QUALITIES: tuple[Quality, ...] = ("fewest_sites", "most_domestic", "least_carbon")


@dataclass(frozen=True)
class Alternative:
    """A plan within epsilon of the best. extra: its true cost over that of the plan at hand, as a share; least, most:
    over that of the best plan there can be, which the proof leaves open. measure: sites with orders, domestic share of
    ordered PFLOPS, or tonnes of carbon; before: the same of the plan at hand. modules_moved: ordered in one of the two
    plans and not in the other. interchangeable: it costs no more over the plan at hand than that plan's proof leaves
    open.
    """

    quality: Quality
    plan: Plan
    extra: float
    measure: float
    before: float
    modules_moved: int = 0
    least: float = 0.0
    most: float = 0.0
    interchangeable: bool = False

    def orders(self) -> pd.DataFrame:
        """What the plan orders: site, module_type, arrival_period, modules."""
        return self.plan.tables["orders"].groupby(_KEY)[["modules"]].sum().reset_index()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "quality": self.quality,
            "before": self.before,
            "after": self.measure,
            "extra_cost_share": self.extra,
            "extra_least": self.least,
            "extra_most": self.most,
            "modules_moved": self.modules_moved,
            "interchangeable": self.interchangeable,
            "orders": self.orders().to_dict("records"),
        }


_KEY = ["site", "module_type", "arrival_period"]


def measure(plan: Plan, quality: Quality) -> float:
    """How much of a quality a plan has: sites, share of domestic PFLOPS, tonnes."""
    orders = plan.tables["orders"]
    if quality == "fewest_sites":
        return float(orders["site"].nunique())
    if quality == "most_domestic":
        domestic = {k.id for k in plan.case.module_types if k.domestic}
        total = float(orders["pflops"].sum())
        return float(orders[orders["module_type"].isin(domestic)]["pflops"].sum()) / total if total else 0.0
    return float(plan.summary["carbon_location_tonnes"])


def true_cost(plan: Plan, case: Case) -> float:
    """The objective of a plan's tables at the prices of `case`, recomputed: it may have been made for other ones."""
    return verify(case, plan.demand, plan.tables).objective


def near_optimal(
    plan: Plan,
    quality: Quality,
    *,
    epsilon: float = 0.02,
    limits: Limits | None = None,
    tries: int = 4,
    stop: threading.Event | None = None,
) -> Alternative:
    """The plan that is best in `quality` among those tried whose cost is within epsilon of the plan's.

    limits: of each try's solve. After `stop` no further plan is tried.
    """
    objective, bound = float(plan.certificate["objective"]), float(plan.certificate["bound"])
    own = measure(plan, quality)
    best = Alternative(quality, plan, 0.0, own, own, most=_over(objective, bound))
    allowed = objective + epsilon * abs(objective)
    low, high = 0.0, 1.0
    for _ in range(tries):
        if stop is not None and stop.is_set():
            break
        weight = high if low == 0.0 else float(np.sqrt(low * high))
        found = _weighted(plan, quality, weight, limits, stop)
        cost = np.inf if found is None else true_cost(found, plan.case)
        if found is None or cost > allowed:
            high = weight
            low = low or weight / 100
            continue
        low = weight
        high = max(high, weight) if high > weight else weight * 8
        value = measure(found, quality)
        better = value > best.measure if quality == "most_domestic" else value < best.measure
        if better:
            certificate = {**found.certificate, "objective": cost, "bound": bound, "gap": relative_gap(cost, bound)}
            one = replace(found, case=plan.case, certificate=certificate)
            apart = orders_apart(plan, one)
            best = Alternative(
                quality,
                one,
                _over(cost, objective),
                value,
                own,
                modules_moved=int((apart["after"] - apart["before"]).abs().sum()),
                least=max(_over(cost, objective), 0.0),
                most=_over(cost, bound),
                interchangeable=cost - objective <= objective - bound,
            )
    return best


def _over(cost: float, other: float) -> float:
    """How much a cost lies above another, as a share of that."""
    return (cost - other) / max(abs(other), 1e-9)


def _weighted(
    plan: Plan, quality: Quality, weight: float, limits: Limits | None, stop: threading.Event | None
) -> Plan | None:
    """A plan made with a reward for the quality; weight 1 is worth about as much as the hardware it moves."""
    case = plan.case
    if quality == "least_carbon":
        scale = plan.certificate["objective"] / max(plan.summary["carbon_location_tonnes"], 1e-9)
        price = by_period(case.policy.carbon_price_per_tonne, case.horizon.periods, 0.0) + weight * scale
        policy = case.policy.model_copy(update={"carbon_price_per_tonne": price.tolist()})
        changed = case.model_copy(update={"policy": policy})
        try:
            return plan_demand(changed, plan.demand, limits=limits, stop=stop)[0]
        except PlanError:
            return None
    if quality == "most_domestic":
        # A floor on the domestic share, from the plan's own share towards all of it.
        own = measure(plan, quality)
        floor = min(own + (1 - own) * min(weight, 1.0), 1.0)
        policy = case.policy.model_copy(update={"domestic_share_floor": floor})
        try:
            return plan_demand(case.model_copy(update={"policy": policy}), plan.demand, limits=limits, stop=stop)[0]
        except PlanError:
            return None
    keep = _busiest_sites(plan, max(round(measure(plan, quality) * (1 - min(weight, 1.0))), 1))

    def amend(program: Program) -> Program:
        return only_sites(program, keep)

    try:
        return plan_demand(case, plan.demand, limits=limits, stop=stop, amend=amend)[0]
    except PlanError:
        return None


def _busiest_sites(plan: Plan, count: int) -> FloatArray:
    """(S,) 1 for the sites with the largest orders."""
    total = plan.tables["orders"].groupby("site")["pflops"].sum()
    keep = set(total.sort_values(ascending=False).index[:count])
    return np.array([1.0 if s.id in keep else 0.0 for s in plan.case.sites])


def only_sites(program: Program, keep: FloatArray) -> Program:
    """The program with orders only at the kept sites. keep: (sites,), 0 where not kept."""
    inst = program.inst
    upper = program.master.upper.copy()
    for s in range(len(inst.case.sites)):
        if not keep[s]:
            for name in (n for n in purchases() if DECISIONS[n].index[:2] == ("site", "module_type")):
                columns = program.layout.columns[name][:, s]
                upper[columns[columns >= 0]] = 0.0
    return replace(program, master=replace(program.master, upper=upper))
