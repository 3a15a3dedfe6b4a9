"""Why every order is there: the workloads that use it, the hour that needs it, and the limits around it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from planner.case import by_period
from planner.plan import Plan
from planner.plan.busy import at_work
from planner.plan.decisions import branches_of
from planner.words.wording import Message, Wording, message, wording

_FULL = 0.985


def order_drivers(plan: Plan) -> pd.DataFrame:
    """One row for every order: period, typical day and hour in which its site and type are busiest while it stands,
    how busy, the workloads at work then with their shares, and the limits that are full at its arrival.

    Mean over futures; of an order that only one future needs, in that future.
    """
    case, stock = plan.case, plan.tables["stock"]
    key = ["site", "module_type", "period", "day", "step"]
    lives = {k.id: k.life_periods for k in case.module_types}

    @cache
    def seen(branch: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
        """Modules at work by workload and in all, and what stands."""
        probability = plan.demand.probability if branch < 0 else np.eye(len(plan.demand))[branch]
        work = at_work(plan.tables, plan.demand.days, probability)
        of = stock["branch"].to_numpy(int)
        modules = (stock["owned"] + stock["leased"]) * np.where(of < 0, 1.0, probability[np.maximum(of, 0)])
        stands = modules.groupby([stock[c] for c in ("site", "module_type", "period")]).sum()
        return work, work[[*key, "busy"]].groupby(key, as_index=False).sum(), stands

    rows = []
    for order in plan.tables["orders"].to_dict("records"):
        weighted, total, stands = seen(int(order["branch"]))
        site, kind, arrival = str(order["site"]), str(order["module_type"]), int(order["arrival_period"])
        row: dict[str, Any] = {name: order[name] for name in ("order_date", "site", "module_type", "arrival_period")}
        row["modules"] = order["modules"]
        # while it stands, and no longer
        own = total[(total["site"] == site) & (total["module_type"] == kind)]
        own = own[(own["period"] >= arrival) & (own["period"] < arrival + lives[kind])]
        if len(own):
            capacity = np.array([stands.get((site, kind, int(t)), np.inf) for t in own["period"]])
            share = own["busy"].to_numpy(float) / np.maximum(capacity, 1e-9)
            top = own.iloc[int((share >= share.max() - 1e-9).argmax())]  # the first of those that are alike
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
        jobs = "" if len(own) else _campaigns(plan, site, kind, range(arrival, arrival + lives[kind]))
        row["workloads"] = row["workloads"] or jobs
        full = _limits(plan, order)
        row["limits"] = "; ".join(one.said(wording("en")) for one in full)
        row["limits_zh"] = "；".join(one.said(wording("zh-CN")) for one in full)
        for column, language in (("sentence", "en"), ("sentence_zh", "zh-CN")):
            row[column] = _sentence(plan, row, full, wording(language))
        rows.append(row)
    names = ["order_date", "site", "module_type", "arrival_period", "modules", "peak_period", "peak_day", "peak_hour",
             "busy", "workloads", "limits", "limits_zh", "sentence", "sentence_zh"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def peak_hour(plan: Plan, step: int) -> str:
    """The time of day at which a step begins; a step may be longer than an hour."""
    return plan.demand.days.clock(step)


def workloads_named(plan: Plan, text: str, words: Wording) -> str:
    """A row's `workloads` ("chat 57%, campaign llm") with names in the reader's language."""
    campaigns = {c.id: words.name(c.names) for c in plan.case.campaigns}
    known = campaigns | {w.id: words.name(w.names) for w in plan.case.workloads}
    parts = []
    for part in filter(None, text.split(", ")):
        if part.startswith("campaign "):
            parts.append(words("driver.campaign", name=campaigns[part.removeprefix("campaign ")]))
        else:
            id, _, share = part.rpartition(" ")
            parts.append(f"{known.get(id, id)} {share}")
    return words.joined(parts)


def _sentence(plan: Plan, row: dict[str, Any], full: list[Message], words: Wording) -> str:
    """Why the order is there, in one sentence."""
    site = next(s for s in plan.case.sites if s.id == row["site"])
    kind = next(k for k in plan.case.module_types if k.id == row["module_type"])
    what = {"modules": int(row["modules"]), "type": words.name(kind.names), "site": words.name(site.names)}
    limits = words("driver.limits", limits=words.joined([one.said(words) for one in full])) if full else ""
    used = workloads_named(plan, str(row["workloads"]), words)
    arrival = plan.case.horizon.period_label(int(row["arrival_period"]))
    if not row["peak_period"]:
        return words("driver.held" if used else "driver.unused", **what, arrival=arrival, workloads=used, limits=limits)
    peak = words(
        "driver.peak",
        period=row["peak_period"],
        day=words.day(str(row["peak_day"])),
        hour=peak_hour(plan, int(row["peak_hour"])),
    )
    busy = words.percent(float(row["busy"]), 0)
    return words("driver.order", **what, arrival=arrival, peak=peak, busy=busy, workloads=used, limits=limits)


def _campaigns(plan: Plan, site: str, kind: str, periods: range) -> str:
    """Campaigns that hold modules of a type at a site in some of these periods."""
    table = plan.tables["campaigns"]
    own = table[(table["site"] == site) & (table["module_type"] == kind) & table["period"].isin(periods)]
    return ", ".join(f"campaign {name}" for name in dict.fromkeys(own["campaign"]))


def _limits(plan: Plan, order: Mapping[Any, Any]) -> list[Message]:
    """Limits that are full where the order draws on them, as the model states them, in a branch that has the order.

    Power when it arrives; supply of its type in its arrival period; the budget in the periods in which it is paid for,
    which with a prepayment are two (docs/model.md, budget).
    """
    case, periods = plan.case, plan.case.horizon.periods
    site, kind, period = str(order["site"]), str(order["module_type"]), int(order["arrival_period"])
    own = int(order["branch"])
    branches = range(branches_of(plan)) if own < 0 else [own]
    out: list[Message] = []

    def most(table: pd.DataFrame, mask: pd.Series, column: str) -> float:
        """The largest sum of a column in any of the branches."""
        shown = table[mask]
        return max(float(shown.loc[shown["branch"].isin((-1, b)), column].sum()) for b in branches)

    spec = next(s for s in case.sites if s.id == site)
    stock, phases, orders = plan.tables["stock"], plan.tables["phases"], plan.tables["orders"]
    power = by_period(spec.power_mw, periods, np.inf)[period]
    for b in branches:
        at = stock[(stock["site"] == site) & (stock["period"] == period) & stock["branch"].isin((-1, b))]
        built = phases[(phases["site"] == site) & phases["branch"].isin((-1, b))]
        life = np.array([spec.phases[int(p)].life_periods for p in built["phase"]], int)
        arrival = built["arrival_period"].to_numpy(int)
        stands = (arrival <= period) & (period < arrival + life)
        drawn, limit = float(at["power_mw"].sum()), float(power + built["mw"].to_numpy(float)[stands].sum())
        if limit > 0 and drawn >= _FULL * limit:
            out.append(message("driver.site_power", used=f"{drawn:,.2f}", limit=f"{limit:,.2f}"))
            break
    module = next(k for k in case.module_types if k.id == kind)
    supply = float(np.floor(by_period(module.supply, periods, np.inf)[period]))
    arrived = most(orders, (orders["module_type"] == kind) & (orders["arrival_period"] == period), "modules")
    if np.isfinite(supply) and supply > 0 and arrived >= _FULL * supply:
        out.append(message("driver.supply", used=f"{arrived:g}", limit=f"{supply:g}"))
    cash, placed = plan.tables["cash"], int(order["order_period"])
    paid_in = [period] if module.prepay_share == 0 else [placed] if module.prepay_share == 1 else [placed, period]
    for at_period in dict.fromkeys(paid_in):
        budget = float(by_period(case.policy.budget, periods, np.inf)[at_period])
        due = most(cash, cash["period"] == at_period, "due")
        if np.isfinite(budget) and due >= _FULL * budget:
            label, currency = case.horizon.period_label(at_period), case.meta.currency
            values = {"used": f"{due:,.0f}", "limit": f"{budget:,.0f}", "currency": currency, "period": label}
            out.append(message("driver.budget", **values))
    return out
