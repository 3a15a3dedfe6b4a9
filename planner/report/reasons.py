"""Why the plan looks as it does, in sentences whose every number stands in a table of the plan."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.report.figures import View
from planner.report.figures.capacity import capacity_by_period


def headline(view: View, now: pd.DataFrame) -> str:
    """What to order now, in one sentence. `now`: `order_list(view, first_only=True)`."""
    words = view.words
    if now.empty:
        return words("answer.nothing")
    modules = now[now["kind"] == "module"]
    parts = []
    if len(modules):
        parts.append(
            words(
                "answer.modules",
                modules=f"{int(modules['modules'].sum()):,}",
                cards=f"{int(modules['cards'].sum()):,}",
                compute=words.pflops(float(modules["pflops"].sum())),
                sites=_sites_named(view, list(dict.fromkeys(modules["site"]))),
            )
        )
    if (now["mw"] > 0).any():
        parts.append(words("answer.power", mw=words.number(float(now["mw"].sum()))))
    when = str(now["order_date"].iloc[0])[:10]
    total = words.money(float(now["capex"].sum()), view.currency)
    key = "answer.now" if int(now["order_period"].iloc[0]) == 0 else "answer.later"
    return words(key, date=when, orders=words("and").join(parts), total=total)


def _sites_named(view: View, names: list[str]) -> str:
    few = len(names) <= 3
    return view.words.joined(names) if few else view.words("answer.sites", count=len(names))


def reasons(view: View, short: float) -> list[str]:
    """Three to six sentences: what demand does, what would happen without orders, who uses it, what is short.

    short: largest expected share of a workload that is not served.
    """
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
    ratios = data["build_ahead_ratio"].dropna()
    if len(ratios):
        low, ratio = int(ratios.index[int(ratios.to_numpy().argmin())]), float(ratios.min())
        key = "reason.behind" if ratio < 1 else "reason.ahead"
        out.append(words(key, period=view.periods[low], ratio=words.number(ratio), short=words.percent(short, 2)))
    return out


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
    """How long what stands today would carry the P50 peak."""
    words, case = view.words, view.case
    orders = view.tables["orders"]
    n = case.horizon.periods
    arrived = np.zeros(n)
    types = {k.id: k for k in case.module_types}
    weight = view.weight(orders)
    for row, w in zip(orders.to_dict("records"), weight, strict=True):
        kind, at = types[row["module_type"]], int(row["arrival_period"])
        arrived[at : at + kind.life_periods] += w * row["pflops"] * kind.availability
    standing = data["usable_pflops"].to_numpy(float) - arrived[data.index.to_numpy()]
    short = np.flatnonzero(standing < data["p50_peak_pflops"].to_numpy(float) - 1e-9)
    if not len(orders):
        return [words("reason.no_orders")]
    if not len(short):
        return [words("reason.enough")]
    at = int(short[0])
    last = len(standing) - 1
    peak = data["p50_peak_pflops"].to_numpy(float)
    return [
        words(
            "reason.without_orders",
            period=view.periods[int(data.index[at])],
            last=view.periods[int(data.index[last])],
            share=words.percent(standing[last] / peak[last] if peak[last] > 0 else np.inf, 0),
        )
    ]


def _users(view: View, period: int) -> list[str]:
    """Which workloads keep the compute of a period busy (share of busy PFLOPS-hours over its typical days)."""
    words, load = view.words, view.tables["load"]
    load = load[load["period"] == period]
    if load.empty:
        return []
    days = view.days
    hours = days.weight[period, load["day"].to_numpy(np.int64)] * days.step_hours[load["step"].to_numpy(np.int64)]
    busy = load["busy"].to_numpy() * load["module_type"].map(view.module_pflops).to_numpy(float)
    work = pd.Series(busy * hours * view.weight(load)).groupby(load["workload"].to_numpy()).sum()
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
