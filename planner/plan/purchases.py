"""What is to be signed, what falls due when, and what stays unserved: the plan's answer as tables.

Everything is read from the tables of decisions and hours, so that these figures cannot differ from them. Money is
undiscounted; what the plan costs over the horizon, discounted and by annuities, is another figure (table costs).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Case, by_period
from planner.demand import Demand
from planner.plan.tables import TABLES

Tables = Mapping[str, pd.DataFrame]


def purchases_table(case: Case, tables: Tables) -> pd.DataFrame:
    """Orders, phases and openings in one list, by order period, kind and site."""
    orders, phases, openings = tables["orders"], tables["phases"], tables["openings"]
    starts = np.array([case.horizon.period_start(t) for t in range(case.horizon.periods)], object)
    same = ("branch", "order_period", "arrival_period", "order_date", "arrival_date", "site")
    parts: list[dict[str, Any]] = [
        {
            **{c: orders[c].to_numpy() for c in same},
            "kind": "module",
            "item": orders["module_type"].to_numpy(),
            "count": orders["modules"].to_numpy(),
            "cards": orders["cards"].to_numpy(),
            "pflops": orders["pflops"].to_numpy(),
            "mw": 0.0,
            "price": (orders["capex"] + orders["order_cost"]).to_numpy(),
        },
        {
            **{c: phases[c].to_numpy() for c in same},
            "kind": "phase",
            "item": phases["phase"].astype(str).to_numpy(),
            "count": phases["count"].to_numpy(),
            "cards": 0,
            "pflops": 0.0,
            "mw": phases["mw"].to_numpy(),
            "price": phases["capex"].to_numpy(),
        },
        {
            "branch": openings["branch"].to_numpy(),
            "order_period": openings["period"].to_numpy(),
            "arrival_period": openings["period"].to_numpy(),
            "order_date": starts[openings["period"].to_numpy(int)],
            "arrival_date": starts[openings["period"].to_numpy(int)],
            "site": openings["site"].to_numpy(),
            "kind": "opening",
            "item": "",
            "count": 1,
            "cards": 0,
            "pflops": 0.0,
            "mw": 0.0,
            "price": openings["cost"].to_numpy(),
        },
    ]
    columns = [c.name for c in TABLES["purchases"].columns]
    frames = [pd.DataFrame(part, columns=columns) for part in parts if len(part["branch"])]
    if not frames:
        return TABLES["purchases"].frame({c: [] for c in columns})
    rank = {"opening": 0, "phase": 1, "module": 2}
    joined = pd.concat(frames, ignore_index=True)
    order = joined.assign(rank=joined["kind"].map(rank)).sort_values(
        ["order_period", "rank", "price"], ascending=[True, True, False], kind="stable"
    )
    return TABLES["purchases"].frame({c: order[c].to_numpy() for c in columns})


def cash_table(case: Case, branches: int, tables: Tables) -> pd.DataFrame:
    """What falls due by branch and period (docs/model.md, budget), beside the budget, rent and the like."""
    T = case.horizon.periods
    prepay = {k.id: k.prepay_share for k in case.module_types}
    orders = tables["orders"]
    share = orders["module_type"].map(prepay).to_numpy(float)
    parts = {
        "prepaid": _summed(orders, "order_period", orders["capex"].to_numpy(float) * share, branches, T),
        "on_arrival": _summed(orders, "arrival_period", orders["capex"].to_numpy(float) * (1 - share), branches, T),
        "order_charges": _summed(orders, "arrival_period", orders["order_cost"].to_numpy(float), branches, T),
        "phases": _summed(tables["phases"], "arrival_period", tables["phases"]["capex"].to_numpy(float), branches, T),
        "openings": _summed(tables["openings"], "period", tables["openings"]["cost"].to_numpy(float), branches, T),
    }
    due = np.sum(list(parts.values()), axis=0)
    rent = _summed(tables["leases"], "period", tables["leases"]["cost"].to_numpy(float), branches, T)
    gone = _summed(tables["departures"], "period", tables["departures"]["price"].to_numpy(float), branches, T)
    short = _summed(tables["agreements"], "period", tables["agreements"]["paid"].to_numpy(float), branches, T)
    b, t = (a.ravel() for a in np.indices((branches, T)))
    budget = by_period(case.policy.budget, T, np.nan)
    return TABLES["cash"].frame(
        {
            "branch": np.where(branches == 1, -1, b),
            "period": t,
            **{name: values[b, t] for name, values in parts.items()},
            "due": due[b, t],
            "budget": budget[t],
            "leases": rent[b, t],
            "departures": gone[b, t],
            "commitments": short[b, t],
        }
    )


def _summed(table: pd.DataFrame, period: str, amount: FloatArray, branches: int, periods: int) -> FloatArray:
    """(branches, periods) amounts of a table's rows; a row of branch -1 counts in every branch."""
    out = np.zeros((branches, periods))
    branch, at = table["branch"].to_numpy(int), table[period].to_numpy(int)
    inside = at >= 0
    for b in range(branches):
        mine = inside & ((branch == b) | (branch < 0))
        np.add.at(out[b], at[mine], amount[mine])
    return out


def first_arrival(case: Case) -> int:
    """The first period in which anything ordered or leased may stand: lead times, supply and notice alone decide it."""
    T = case.horizon.periods
    first = [T]
    for kind in case.module_types:
        supplied = by_period(kind.supply, T, np.inf) >= 1
        first += [t for t in range(kind.lead_periods, T) if supplied[t]][:1]
    for lease in case.leases:
        offered = by_period(lease.maximum_modules, T, np.inf) > 0
        first += [t for t in range(lease.notice_periods, T) if offered[t]][:1]
    return min(first)


def unserved_table(case: Case, demand: Demand, tables: Tables) -> pd.DataFrame:
    """By period and workload, expected over futures; unavoidable is what falls before anything new may stand."""
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    asked = np.einsum("f,fwrtdh,tdh->wt", demand.probability, demand.values, hours)
    missing = np.zeros_like(asked)
    at = {w.id: i for i, w in enumerate(case.workloads)}
    short, training = tables["shortfall"], tables["training"]
    t, d, h = (short[c].to_numpy(int) for c in ("period", "day", "step"))
    weight = demand.probability[short["future"].to_numpy(int)] * hours[t, d, h]
    np.add.at(missing, (short["workload"].map(at).to_numpy(int), t), short["shortfall"].to_numpy(float) * weight)
    late = training["shortfall_unit_hours"].to_numpy(float) * demand.probability[training["future"].to_numpy(int)]
    np.add.at(missing, (training["workload"].map(at).to_numpy(int), training["period"].to_numpy(int)), late)
    # what a solver leaves at its tolerance is no work that anybody misses
    missing = np.where(missing > 1e-9 * np.maximum(asked, 1.0), missing, 0.0)
    w, period = np.nonzero(asked > 0)
    early = period < first_arrival(case)
    return TABLES["unserved"].frame(
        {
            "period": period,
            "workload": np.array([x.id for x in case.workloads], object)[w],
            "asked_unit_hours": asked[w, period],
            "unserved_unit_hours": missing[w, period],
            "unavoidable_unit_hours": np.where(early, missing[w, period], 0.0),
        }
    )
