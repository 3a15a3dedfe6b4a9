"""Why every order is there: the workloads that use it, the hour that needs it, and the limits around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from planner.case import by_period
from planner.plan import Plan

_FULL = 0.985


def order_drivers(plan: Plan) -> pd.DataFrame:
    """One row for every order: period, typical day and hour in which its site and type are busiest from its arrival on,
    how busy, the workloads at work then with their shares, and the limits that are full at its arrival.
    """
    case, tables = plan.case, plan.tables
    orders, load, stock = tables["orders"], tables["load"], tables["stock"]
    probability = plan.demand.probability
    weighted = load.assign(busy=load["busy"] * probability[load["future"].to_numpy(int)])
    key = ["site", "module_type", "period", "day", "step"]
    total = weighted.groupby(key, as_index=False)["busy"].sum()
    stands = stock.assign(n=stock["owned"] + stock["leased"]).groupby(["site", "module_type", "period"])["n"].mean()
    held = _campaigns(plan)
    rows = []
    for order in orders.to_dict("records"):
        site, kind, arrival = str(order["site"]), str(order["module_type"]), int(order["arrival_period"])
        row: dict[str, Any] = {name: order[name] for name in ("order_date", "site", "module_type", "arrival_period")}
        row["modules"] = order["modules"]
        own = total[(total["site"] == site) & (total["module_type"] == kind) & (total["period"] >= arrival)]
        if len(own):
            capacity = np.array([stands.get((site, kind, int(t)), np.inf) for t in own["period"]])
            share = own["busy"].to_numpy(float) / np.maximum(capacity, 1e-9)
            top = own.iloc[int(share.argmax())]
            work = weighted[(weighted[key] == top[key]).all(axis=1)]
            by_workload = work.groupby("workload")["busy"].sum().sort_values(ascending=False)
            parts = by_workload / by_workload.sum()
            row |= {
                "peak_period": case.horizon.period_label(int(top["period"])),
                "peak_day": plan.demand.days.labels[int(top["day"])],
                "peak_hour": int(top["step"]),
                "busy": float(share.max()),
                "workloads": ", ".join(f"{w} {p:.0%}" for w, p in parts.items() if p >= 0.01),
            }
        else:
            row |= {"peak_period": "", "peak_day": "", "peak_hour": -1, "busy": 0.0, "workloads": ""}
        jobs = held.get((site, kind), "")
        row["workloads"] = ", ".join(x for x in (row["workloads"], jobs) if x)
        row["limits"] = "; ".join(_limits(plan, site, kind, arrival))
        rows.append(row)
    names = ["order_date", "site", "module_type", "arrival_period", "modules", "peak_period", "peak_day", "peak_hour",
             "busy", "workloads", "limits"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _campaigns(plan: Plan) -> dict[tuple[str, str], str]:
    """Campaigns that hold modules at a site and type."""
    out: dict[tuple[str, str], list[str]] = {}
    table = plan.tables["campaigns"]
    for row in table.drop_duplicates(["campaign", "site", "module_type"]).to_dict("records"):
        out.setdefault((str(row["site"]), str(row["module_type"])), []).append(f"campaign {row['campaign']}")
    return {place: ", ".join(names) for place, names in out.items()}


def _limits(plan: Plan, site: str, kind: str, period: int) -> list[str]:
    """Limits that are full at the order's arrival, with their use."""
    case, periods = plan.case, plan.case.horizon.periods
    out = []
    spec = next(s for s in case.sites if s.id == site)
    stock = plan.tables["stock"]
    drawn = float(stock[(stock["site"] == site) & (stock["period"] == period)]["power_mw"].sum())
    phases = plan.tables["phases"]
    built = phases[(phases["site"] == site) & (phases["arrival_period"] <= period)]["mw"].sum()
    limit = float(by_period(spec.power_mw, periods, np.inf)[period] + built)
    if limit > 0 and drawn >= _FULL * limit:
        out.append(f"site power {drawn:,.1f} of {limit:,.1f} MW")
    module = next(k for k in case.module_types if k.id == kind)
    supply = float(by_period(module.supply, periods, np.inf)[period])
    orders = plan.tables["orders"]
    arrived = orders[(orders["module_type"] == kind) & (orders["arrival_period"] == period)]["modules"].sum()
    if np.isfinite(supply) and arrived >= _FULL * supply:
        out.append(f"supply {arrived:g} of {supply:g} modules")
    budget = float(by_period(case.policy.budget, periods, np.inf)[period])
    if np.isfinite(budget):
        paid = orders[orders["arrival_period"] == period][["capex", "order_cost"]].sum().sum()
        if paid >= _FULL * budget:
            out.append(f"budget {paid:,.0f} of {budget:,.0f} {case.meta.currency}")
    return out
