"""A plan of record against what became of it: what was to be ordered, delivered, powered by when, and what to do now.

Only what is the same in every future of the plan is held against what happened: a late decision is not due before its
future is known. Demand is held against the plan's own futures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.plan import Plan
from planner.report.figures.chart import View
from planner.report.grid import Grid, grid
from planner.words.wording import Wording

_KINDS = ("ordered", "delivered", "power_ready")
_LEAST = 1e-9


@dataclass(frozen=True)
class Against:
    """now: what is to be done, the most urgent first. tables: cumulative amounts by period; demand by period."""

    now: list[str]
    tables: list[Grid]


def against(plan: Plan, actuals: Sequence[Mapping[str, Any]], today: date, words: Wording) -> Against:
    """actuals: kind, place, what, day (YYYY-MM-DD) and amount each, in the order in which they were entered."""
    view = View.of(plan, words.language)
    planned, came = _planned(plan), _came(plan, actuals)
    demand = _demand(plan, actuals, view)
    now = [*_due(planned, came, today, view), *demand.now]
    if not now:
        due = (planned["day"] <= today.isoformat()).any()
        now = [words("against.done" if due else "against.nothing_due", day=today.isoformat())]
    return Against([*now, *_next(planned, today, view)], [_by_period(planned, came, view), *demand.tables])


def _planned(plan: Plan) -> pd.DataFrame:
    """kind, place, what, day, amount of everything that the plan signs whatever comes."""
    rows = plan.tables["purchases"]
    rows = rows[rows["branch"] < 0]
    modules, phases = rows[rows["kind"] == "module"], rows[rows["kind"] == "phase"]

    def part(kind: str, of: pd.DataFrame, day: str, amount: str, what: bool) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "kind": kind,
                "place": of["site"].astype(str),
                "what": of["item"].astype(str) if what else "",
                "day": [str(d)[:10] for d in of[day]],
                "amount": of[amount].astype(float),
            }
        )

    return pd.concat(
        [
            part("ordered", modules, "order_date", "count", True),
            part("delivered", modules, "arrival_date", "count", True),
            part("power_ready", phases, "arrival_date", "mw", False),
        ],
        ignore_index=True,
    )


def _came(plan: Plan, actuals: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Orders, deliveries and power; what came before the case's own date belongs to an earlier plan and to the case."""
    names = ["kind", "place", "what", "day", "amount"]
    since = min(plan.case.meta.as_of, plan.case.horizon.start).isoformat()
    rows = [[one[name] for name in names] for one in actuals if one["kind"] in _KINDS and one["day"] >= since]
    return pd.DataFrame(rows, columns=names)


def _sum(rows: pd.DataFrame, kind: str, by: str, place: str | None = None, what: str | None = None) -> float:
    """What stands there up to a day, that day included."""
    of = (rows["kind"] == kind) & (rows["day"] <= by)
    if place is not None:
        of &= (rows["place"] == place) & (rows["what"] == what)
    return float(rows.loc[of, "amount"].sum())


def _by_period(planned: pd.DataFrame, came: pd.DataFrame, view: View) -> Grid:
    """Cumulative, up to the end of each period."""
    horizon, words = view.case.horizon, view.words
    rows = []
    for t in range(horizon.periods):
        last = date.fromordinal(horizon.period_start(t + 1).toordinal() - 1).isoformat()
        amounts = [_sum(of, kind, last) for kind in _KINDS for of in (planned, came)]
        rows.append([view.periods[t], *amounts])
    headings = [words("period")]
    headings += [words(f"against.{kind}.{side}") for kind in _KINDS for side in ("planned", "actual")]
    return grid(pd.DataFrame(rows, columns=headings), words, words("against.by_period"), words("against.cumulative"))


def _due(planned: pd.DataFrame, came: pd.DataFrame, today: date, view: View) -> list[str]:
    """Sentences on what was due by today and is not there, and on what was never planned."""
    words, by, out = view.words, today.isoformat(), []
    for kind in _KINDS:
        due_by_now = (of[(of["kind"] == kind) & (of["day"] <= by)] for of in (planned, came))
        keys = dict.fromkeys(key for of in due_by_now for key in zip(of["place"], of["what"], strict=True))
        for place, what in keys:
            due, there = (_sum(of, kind, by, place, what) for of in (planned, came))
            values = {
                "site": view.name("site", place),
                "type": view.name("module_type", what),
                "due": words.number(due),
                "there": words.number(there),
                "day": by,
            }
            if due - there > _LEAST:
                out.append(words(f"against.{kind}.short", missing=words.number(due - there), **values))
            elif there - due > _LEAST:
                out.append(words(f"against.{kind}.more", more=words.number(there - due), **values))
    return out


def _next(planned: pd.DataFrame, today: date, view: View) -> list[str]:
    """The modules that are to be ordered next after today."""
    later = planned[(planned["kind"] == "ordered") & (planned["day"] > today.isoformat())]
    if later.empty:
        return []
    day = str(later["day"].min())
    words = view.words
    due = later[later["day"] == day].groupby(["place", "what"], sort=False)["amount"].sum().reset_index()
    parts = [
        f"{words.number(float(n))} × {view.name('module_type', what)} → {view.name('site', place)}"
        for place, what, n in due.itertuples(index=False)
    ]
    return [words("against.next", day=day, orders=words.joined(parts))]


@dataclass(frozen=True)
class _Told:
    now: list[str]
    tables: list[Grid]


def _demand(plan: Plan, actuals: Sequence[Mapping[str, Any]], view: View) -> _Told:
    """Demand as it came beside the plan's futures; of two entries for the same, the newer one holds."""
    case, horizon, words = plan.case, plan.case.horizon, view.words
    at = {w.id: i for i, w in enumerate(case.workloads)}
    region = {r.id: i for i, r in enumerate(case.regions)}
    mean = _mean_demand(plan)
    entered = {
        (one["what"], one["place"], horizon.period_of(date.fromisoformat(one["day"]))): float(one["amount"])
        for one in actuals
        if one["kind"] == "demand"
    }
    rows, now = [], []
    for (workload, place, t), amount in sorted(entered.items(), key=lambda one: (one[0][2], one[0][:2])):
        if not 0 <= t < horizon.periods or workload not in at:
            continue
        own = mean[:, at[workload], :, t] if not place else mean[:, at[workload], region[place], t][:, None]
        futures = own.sum(axis=1)
        low, high = float(futures.min()), float(futures.max())
        middle = float(plan.demand.probability @ futures)
        where = view.name("region", place) if place else words("headroom.everywhere")
        unit = case.workloads[at[workload]].unit
        shown = [words.number(v) for v in (middle, low, high, amount)]
        change = words.percent(amount / middle - 1) if middle > 0 else "–"
        rows.append(
            [
                view.periods[t],
                f"{view.name('workload', workload)} ({unit})",
                where,
                *shown[:1],
                " – ".join(shown[1:3]),
                shown[3],
                change,
            ]
        )
        side = "above" if amount > high * (1 + 1e-6) else "below" if amount < low * (1 - 1e-6) else ""
        if side:
            values = {"workload": view.name("workload", workload), "period": view.periods[t], "amount": shown[3]}
            now.append(words(f"against.demand.{side}", most=shown[2], least=shown[1], unit=unit, **values))
    if not rows:
        return _Told([], [])
    keys = ("period", "workload", "headroom.region")
    headings = [*map(words, keys), *(words(f"against.demand.{k}") for k in ("middle", "range", "came", "change"))]
    return _Told(now, [grid(pd.DataFrame(rows, columns=headings), words, words("against.demand.title"))])


def _mean_demand(plan: Plan) -> FloatArray:
    """(futures, workloads, regions, periods) mean rate over a period."""
    hours = plan.demand.days.weight[:, :, None] * plan.demand.days.step_hours
    total: FloatArray = np.einsum("fwrtdh,tdh->fwrt", plan.demand.values, hours) / hours.sum(axis=(1, 2))
    return total
