"""Why the plan looks as it does, in sentences whose every number stands in a table of the plan."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.explain.departures import missing_modules
from planner.plan.busy import at_work
from planner.plan.purchases import first_arrival
from planner.report.figures import View
from planner.report.figures.capacity import capacity_by_period

_MOST_SITES = 4


def reasons(view: View) -> list[str]:
    """Three to six sentences: what demand does, what would happen without orders, who uses it, how far ahead it is."""
    words = view.words
    data = capacity_by_period(view).set_index("period")
    first, last = data.index.min(), data.index.max()
    out = []
    p50 = data["p50_peak_pflops"]
    if p50[first] > 0 and last > first:
        out.append(
            words(
                "reason.growth",
                first=view.periods[first],
                last=view.periods[last],
                start=words.pflops(p50[first]),
                end=words.pflops(p50[last]),
                change=words.percent(p50[last] / p50[first] - 1, 0),
            )
        )
    out += _without_orders(view, data)
    out += _users(view, last)
    out += _sites(view)
    out += owed(view)
    return out + _ahead(view)


def _ahead(view: View) -> list[str]:
    """The least build-ahead ratio, and below 1 what binds and why."""
    words, table = view.words, view.tables["capacity"].dropna(subset=["build_ahead_ratio"])
    if table.empty:
        return []
    row = table.iloc[int(table["build_ahead_ratio"].to_numpy().argmin())]
    period, ratio = int(row["period"]), float(row["build_ahead_ratio"])
    said = words.number(ratio, rounded="down")
    if ratio >= 1 - 1e-6:
        return [words("reason.ahead", ratio=words.number(max(ratio, 1.0), rounded="down"), period=view.periods[period])]
    names = [view.name("workload", w) for w in str(row["binding_workloads"]).split(", ") if w]
    day = words.day(str(row["binding_day"]))
    binds = ""
    if names and row["binding_hour"]:
        binds = words("reason.binds_at", workloads=words.joined(names), day=day, hour=row["binding_hour"])
    elif names:
        binds = words("reason.binds", workloads=words.joined(names), day=day)
    sites = [view.name("site", s) for s in str(row["binding_sites"]).split(", ") if s]
    if sites and len(sites) <= _MOST_SITES:
        binds += words("reason.full", sites=words.joined(sites))
    unserved = view.tables["unserved"]
    first = first_arrival(view.case)
    if period < first:
        why = words("reason.below.early", date=view.case.horizon.period_start(first).isoformat())
    elif float(unserved.loc[unserved["period"] == period, "unserved_unit_hours"].sum()) > 0:
        why = words("reason.below.short")
    else:
        why = words("reason.below.less")
    return [words("reason.behind", period=view.periods[period], ratio=said, binds=binds, why=why)]


def owed(view: View) -> list[str]:
    """What remains to be paid after the last period, in the mean over the futures, and whether the cost holds it."""
    words, table = view.words, view.tables["owed"]
    if not len(table):
        return []
    branch = table["branch"].to_numpy(int)
    weight = np.where(branch < 0, 1.0, view.probability[np.maximum(branch, 0)])
    total = float((table["undiscounted"] * weight).sum())
    kinds = [k for k in ("lease", "order", "order charge", "phase", "opening") if (table["kind"] == k).any()]
    what = words.joined([words("owed." + k.replace(" ", "_")) for k in kinds])
    key = "reason.owed_counted" if bool(table["counted"].all()) else "reason.owed"
    return [words(key, amount=words.money(total, view.currency), what=what)]


def _without_orders(view: View, data: pd.DataFrame) -> list[str]:
    """Capacity against the P50 peak at the horizon's end without what is ordered, and with it."""
    words, case = view.words, view.case
    orders = view.tables["orders"]
    n = case.horizon.periods
    arrived = np.zeros(n)
    types = {k.id: k for k in case.module_types}
    weight = view.weight(orders)
    for row, w in zip(orders.to_dict("records"), weight, strict=True):
        kind, at = types[row["module_type"]], int(row["arrival_period"])
        arrived[at : at + kind.life_periods] += w * row["pflops"] * kind.availability
    if not len(orders):
        return [words("reason.no_orders")]
    leaving = view.tables["departures"]
    for row, w in zip(leaving.to_dict("records"), view.weight(leaving), strict=True):
        kind = types[row["module_type"]]
        arrived -= w * missing_modules(case, row) * kind.module_pflops * kind.availability
    last = len(arrived) - 1
    usable, peak = float(data["usable_pflops"].iloc[-1]), float(data["p50_peak_pflops"].iloc[-1])
    if peak <= 0:
        return []
    return [
        words(
            "reason.without_orders_leaving" if len(leaving) else "reason.without_orders",
            last=view.periods[last],
            share=words.percent((usable - arrived[last]) / peak, 0),
            with_them=words.percent(usable / peak, 0),
        )
    ]


def _users(view: View, period: int) -> list[str]:
    """Which workloads and campaigns keep a period's compute busy (share of busy PFLOPS-hours, typical days)."""
    words, load = view.words, at_work(view.tables, view.days, view.probability)
    load = load[load["period"] == period]
    if load.empty:
        return []
    days = view.days
    hours = days.weight[period, load["day"].to_numpy(np.int64)] * days.step_hours[load["step"].to_numpy(np.int64)]
    busy = load["busy"].to_numpy() * load["module_type"].map(view.module_pflops).to_numpy(float)
    work = pd.Series(busy * hours).groupby(load["workload"].to_numpy()).sum()
    work = (work / work.sum()).sort_values(ascending=False).head(3)
    parts = [f"{view.name('workload', str(w))} {words.percent(v, 0)}" for w, v in work.items()]
    return [words("reason.users", period=view.periods[period], users=words.joined(parts))]


def _sites(view: View) -> list[str]:
    """Where most of the ordered compute goes, with what the place is cheap or dear in."""
    words, orders = view.words, view.tables["orders"]
    if orders.empty:
        return []
    size = (orders["pflops"] * view.weight(orders)).groupby(orders["site"]).sum()
    size = (size / size.sum()).sort_values(ascending=False).head(3) if size.sum() > 0 else size.head(0)
    prices = _prices(view)
    parts = []
    for site, share in size.items():
        spec = next(s for s in view.case.sites if s.id == site)
        price = prices.get(spec.tariff or "")
        text = f"{view.name('site', str(site))} {words.percent(share, 0)}"
        pue = words.number(float(spec.pue_by_month().mean()))
        if price is not None:
            text += words("reason.site_detail", price=words.number(price), currency=view.currency, pue=pue)
        parts.append(text)
    return [words("reason.sites", sites=words.joined(parts))] if parts else []


def _prices(view: View) -> dict[str, float]:
    """Plain mean price per kWh of every tariff."""
    return {tariff.id: float(np.nanmean(tariff.prices())) for tariff in view.case.tariffs}
