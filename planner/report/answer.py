"""The answer in words and tables: what to sign, what stays unserved and why, what falls due when.

Command line, report and page say what stands here and nothing else. Every figure is a cell of the tables purchases,
cash, unserved, leases and costs, or of the plan's own re-solves (`planner.planning.unserved`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from planner.plan import Plan
from planner.plan.purchases import first_arrival
from planner.planning.unserved import NOTHING
from planner.report.agreements import agreements_lines
from planner.report.departures import departures_lines
from planner.report.figures.chart import View
from planner.report.figures.orders import order_list, orders_table
from planner.report.order_list import next_date
from planner.words.wording import Rounded

_MOST_NAMED = 3
# Less than this part more unserved hour by hour is not worth a sentence.
_SAME = 0.01
# What falls due outside of the budget.
_BESIDE = ("leases", "departures", "commitments")


@dataclass(frozen=True)
class Answer:
    """headline: what to order first and what stays unserved, with the reason. lines: what belongs beside it. now: the
    first orders; cash: what falls due by period, None where nothing does.
    """

    headline: str
    lines: list[str]
    now: pd.DataFrame
    cash: pd.DataFrame | None


def answer(plan: Plan, language: str | None = None) -> Answer:
    """The answer of a plan in a language."""
    view = View.of(plan, language)
    now = order_list(view, first_only=True)
    short = _unserved(view)
    why = plan.summary.get("unserved_why") or {}
    hourly = _hourly(plan)
    left = (_left(view, short), _unfinished(view), _short_hourly(view, hourly))
    said = (_orders(view, now, short), *left, _why(plan, view, why))
    headline = " ".join(part for part in said if part)
    held = [*departures_lines(view), *agreements_lines(view), *_leases(view)]
    lines = [*_by_workload(view, short), *_cost_hourly(view, hourly), *held, *_to_sign(plan, view)]
    return Answer(headline, lines, orders_table(view, now), _cash(view))


def _unserved(view: View) -> pd.DataFrame:
    """By workload that is not served in full, the largest share first: asked, unserved, unavoidable, share."""
    table = view.tables["unserved"]
    sums = table.groupby("workload", sort=False)[
        ["asked_unit_hours", "unserved_unit_hours", "unavoidable_unit_hours"]
    ].sum()
    sums = sums[sums["unserved_unit_hours"] > 1e-6 * sums["asked_unit_hours"]]
    sums["share"] = sums["unserved_unit_hours"] / sums["asked_unit_hours"]
    return sums.sort_values("share", ascending=False, kind="stable")


def _orders(view: View, now: pd.DataFrame, short: pd.DataFrame) -> str:
    """What is bought first; where nothing is, that nothing is."""
    words = view.words
    if now.empty:
        late = len(view.tables["purchases"]) > 0
        leased = (view.tables["leases"]["started"] > 0).any() if len(view.tables["leases"]) else False
        key = "late" if late else "leased" if leased else "none"
        undone = len(short) > 0 or len(view.tables["unfinished"]) > 0
        return words(f"answer.nothing.{key}") if undone or key != "none" else words("answer.nothing")
    modules = now[now["kind"] == "module"]
    parts = []
    if (now["kind"] == "opening").any():
        names = list(dict.fromkeys(now.loc[now["kind"] == "opening", "site"]))
        parts.append(words("answer.opening", sites=_named(view, names)))
    if len(modules):
        parts.append(
            words(
                "answer.modules",
                modules=f"{int(modules['modules'].sum()):,}",
                cards=f"{int(modules['cards'].sum()):,}",
                compute=words.pflops(float(modules["pflops"].sum())),
                sites=_named(view, list(dict.fromkeys(modules["site"]))),
            )
        )
    if (now["mw"] > 0).any():
        parts.append(words("answer.power", mw=words.number(float(now["mw"].sum()))))
    when = str(now["order_date"].iloc[0])[:10]
    total = words.money(float(now["capex"].sum()), view.currency)
    key = "answer.now" if int(now["order_period"].iloc[0]) == 0 else "answer.later"
    return words(key, date=when, orders=words("and").join(parts), total=total)


def _named(view: View, names: list[str]) -> str:
    few = len(names) <= _MOST_NAMED
    return view.words.joined(names) if few else view.words("answer.sites", count=len(names))


def _share(view: View, value: float, rounded: Rounded = "near") -> str:
    """A share that is not nothing is never said to be 0, and one that is not all never 100 %."""
    whole = abs(100 * value - round(100 * value)) < 1e-9 and value > 5e-3
    digits = 0 if whole else next((d for d in (1, 2, 3) if 10 ** -(d + 2) <= min(value, 1 - value)), 4)
    return view.words.percent(value, digits, rounded)


def _left(view: View, short: pd.DataFrame) -> str:
    """What stays unserved, by workload."""
    if not len(short):
        return ""
    words = view.words
    parts = [
        words("answer.left.part", share=_share(view, float(row["share"])), workload=view.name("workload", str(w)))
        for w, row in short.head(_MOST_NAMED).iterrows()
    ]
    more = len(short) - len(parts)
    if more:
        parts.append(words("answer.left.more", count=more))
    return words("answer.left", parts=words.joined(parts))


def _undone(view: View) -> dict[str, float]:
    """Campaign -> share of its work that is not done, mean over futures."""
    table = view.tables["unfinished"]
    share = pd.Series((table["share"].to_numpy(float) * view.weight(table)) if len(table) else np.zeros(0))
    return {str(c): float(one) for c, one in share.groupby(table["campaign"].to_numpy(), sort=False).sum().items()}


def _unfinished(view: View) -> str:
    """Which campaigns are not finished."""
    words = view.words
    parts = [
        words("answer.left.part", share=_share(view, share), workload=view.name("workload", campaign))
        for campaign, share in _undone(view).items()
    ]
    return words("answer.left.unfinished", parts=words.joined(parts)) if parts else ""


def _hourly(plan: Plan) -> Mapping[str, Any]:
    """What the dispatch of every hour found of the plan that is kept (`planner.planning.refine`); empty without one."""
    rounds = (plan.summary.get("every_hour") or {}).get("rounds", [])
    return dict(min(rounds, key=lambda one: abs(one["cost_error"]), default={}))


def _short_hourly(view: View, hourly: Mapping[str, Any]) -> str:
    """What stays unserved hour by hour, where it is more than the typical days say."""
    if not hourly:
        return ""
    estimated, replayed = (float(hourly[f"{name}_shortfall_pflops_hours"]) for name in ("estimated", "replayed"))
    if replayed <= estimated * (1 + _SAME) + _SAME:
        return ""
    told = {"replayed": view.words.number(replayed, rounded="up"), "estimated": view.words.number(estimated)}
    return view.words("answer.hourly.short", where=_where_hourly(view), **told)


def _where_hourly(view: View) -> str:
    """Of several futures the likeliest is dispatched."""
    return view.words("answer.hourly.likeliest") if len(view.probability) > 1 else ""


def _cost_hourly(view: View, hourly: Mapping[str, Any]) -> list[str]:
    """By how much the same orders cost more, or less, hour by hour."""
    if not hourly:
        return []
    off = float(hourly["cost_error"])
    key = "answer.hourly.more" if off > 0 else "answer.hourly.less"
    told = {"hours": f"{hourly['hours']:,}", "off": view.words.percent(abs(off), 2, "up")}
    return [view.words(key, where=_where_hourly(view), **told)]


def _why(plan: Plan, view: View, why: Mapping[str, Any]) -> str:
    """Why, as far as solving again has told; else how much the proof leaves open."""
    words = view.words
    if not why:
        return ""
    said: list[str] = []
    least, left = float(why["least"] or 0.0), float(why["left"])
    some = least > NOTHING
    if some:
        all_of_it = least >= (1 - NOTHING) * left
        part = words("why.all") if all_of_it else words("why.part", share=_share(view, least / left, "down"))
        names = words.joined([_limit(view, one) for one in why["limits"] or why["opened"]])
        if why["limits"]:
            said.append(words("why.limits" if why["whole"] else "why.limits_relaxed", part=part, limits=names))
        elif why["together"]:
            said.append(words("why.together" if why["whole"] else "why.not_told", part=part))
        elif why["timing"] is not None:
            said.append(words("why.timing", part=part, limits=names))
        else:
            said.append(words("why.not_told", part=part))
    if least < (1 - NOTHING) * left:
        if why["more_cost"] is not None:
            money = words.money(float(why["more_cost"]), view.currency, rounded="down")
            said.append(words("why.price_rest" if some else "why.price", more=money))
        else:
            counted = words.money(float(plan.summary["cost_by_term"]["shortfall"]), view.currency)
            left_open = max(plan.certificate["objective"] - plan.certificate["bound"], 0.0)
            money = words.money(left_open, view.currency, rounded="up")
            key = "why.unknown_rest" if some else "why.unknown"
            known = np.isfinite(left_open)
            said.append(words(key, counted=counted, open=money) if known else words("why.unknown_all"))
    return " ".join(said)


def _limit(view: View, family: str) -> str:
    words, n = view.words, view.case.horizon.periods
    if family == "budget":
        budget = view.tables["cash"]["budget"].dropna()
        total = float(budget.iloc[:n].sum()) if len(budget) else float("nan")
        return words("why.limit.budget", budget=words.money(total, view.currency))
    return words(f"why.limit.{family}")


def _by_workload(view: View, short: pd.DataFrame) -> list[str]:
    """For every workload that is short: how much, when most, and what of it nothing ordered could have avoided."""
    words, table = view.words, view.tables["unserved"]
    units = {w.id: w.unit for w in view.case.workloads}
    out = []
    for workload, row in short.iterrows():
        own = table[table["workload"] == workload].set_index("period")["unserved_unit_hours"]
        worst = int(own.idxmax())
        unit = units[str(workload)]
        out.append(
            words(
                "answer.short",
                workload=view.name("workload", str(workload)),
                amount=words.number(float(row["unserved_unit_hours"])),
                unit=unit,
                share=_share(view, float(row["share"])),
                period=view.periods[worst],
                most=words.number(float(own[worst])),
            )
        )
        early = float(row["unavoidable_unit_hours"])
        if early > 0:
            first = first_arrival(view.case)
            key = "answer.short.early" if first < len(view.periods) else "answer.short.never"
            start = view.case.horizon.period_start(first).isoformat()
            out[-1] += words(key, amount=words.number(early), unit=unit, date=start)
    for campaign, share in _undone(view).items():
        out.append(words("answer.unfinished", campaign=view.name("workload", campaign), share=_share(view, share)))
    return out


def _leases(view: View) -> list[str]:
    table = view.tables["leases"]
    if table.empty:
        return []
    weight = view.weight(table)
    started = float((table["started"].to_numpy(float) * weight).sum())
    cost = float((table["cost"].to_numpy(float) * weight).sum())
    late = sorted(set(table["branch"]) - {-1})
    top = 0.0
    for branch in late or [-1]:
        own = table[table["branch"].isin((-1, branch))]
        top = max(top, float(own.groupby("period")["active"].sum().max()))
    number, money = view.words.number, view.words.money(cost, view.currency)
    key = "answer.leases.by_future" if late else "answer.leases"
    return [view.words(key, started=number(started), most=number(top), cost=money)]


def _to_sign(plan: Plan, view: View) -> list[str]:
    """To sign, due in the horizon, and the discounted cost: three figures, told apart."""
    words, table = view.words, view.tables["purchases"]
    cost = words.money(float(plan.summary["cost"]), view.currency)
    costing = words(f"costing.{view.case.horizon.costing.value}")
    told = words("answer.discounted", cost=cost, costing=costing)
    if table.empty:
        return [told]
    weight = view.weight(table)
    price = table["price"].to_numpy(float)
    values: dict[str, object] = {"total": words.money(float((price * weight).sum()), view.currency)}
    late = table["branch"].to_numpy(int) >= 0
    if late.any():
        shared = float(price[~late].sum())
        by_branch = [
            shared + float(price[table["branch"].to_numpy(int) == b].sum()) for b in range(len(view.probability))
        ]
        values |= {
            "least": words.money(min(by_branch), view.currency),
            "most": words.money(max(by_branch), view.currency),
        }
    cash = view.tables["cash"]
    in_horizon = float((cash["due"].to_numpy(float) * view.weight(cash)).sum())
    sign = words("answer.to_sign.by_future" if late.any() else "answer.to_sign", **values)
    due = words("answer.due", due=words.money(in_horizon, view.currency))
    return [line for line in (next_date(view), sign, due, told) if line]


def _cash(view: View) -> pd.DataFrame | None:
    """What falls due by period, mean over branches, with the largest of any branch beside the budget."""
    words, table = view.words, view.tables["cash"]
    if not (table[["due", *_BESIDE]].to_numpy(float) != 0).any():
        return None
    columns = ["prepaid", "on_arrival", "order_charges", "phases", "openings", "due", *_BESIDE]
    weighted = table[columns].mul(np.asarray(view.weight(table)), axis=0).groupby(table["period"].to_numpy()).sum()
    most = table.groupby("period")["due"].max()
    budget = table.groupby("period")["budget"].first()
    divisor, unit = words.money_unit(
        float(np.nanmax([*most, *weighted[[*_BESIDE]].abs().to_numpy().ravel()])), view.currency
    )
    out = pd.DataFrame({words("period"): [view.periods[t] for t in weighted.index]})
    for column in columns[: -len(_BESIDE)]:
        if column == "due" or weighted[column].any():
            out[words.labelled(words(f"cash.{column}"), unit)] = weighted[column].to_numpy() / divisor
    if len(set(table["branch"])) > 1:
        out[words.labelled(words("cash.most"), unit)] = most.to_numpy() / divisor
    if budget.notna().any():
        out[words.labelled(words("cash.budget"), unit)] = budget.to_numpy() / divisor
    for column in _BESIDE:
        if weighted[column].any():
            out[words.labelled(words(f"cash.{column}"), unit)] = weighted[column].to_numpy() / divisor
    return out
