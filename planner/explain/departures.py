"""What every departure is for: the power that it frees and what arrives in its place, what it costs or brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Case, by_period
from planner.plan import Plan
from planner.plan.decisions import branches_of
from planner.words.wording import Message, Wording, message, wording

_ROUNDING = 1e-9


def departure_drivers(plan: Plan) -> pd.DataFrame:
    """One row for every departure, in the order of the table: where, when, how many, to where, and a sentence of what
    it frees and what that serves, in both languages."""
    rows = []
    for row in plan.tables["departures"].to_dict("records"):
        told = {name: row[name] for name in ("date", "site", "module_type", "modules", "to_site", "freed_mw", "price")}
        sentences = {
            column: _sentence(plan, row, wording(language))
            for column, language in (("sentence", "en"), ("sentence_zh", "zh-CN"))
        }
        rows.append(told | sentences)
    names = ["date", "site", "module_type", "modules", "to_site", "freed_mw", "price", "sentence", "sentence_zh"]
    return pd.DataFrame(rows, columns=names)


def missing_modules(case: Case, row: Mapping[Any, Any]) -> FloatArray:
    """(T,) modules less than without the departure, at both sites together: to the end of the row's own life."""
    T, item = case.horizon.periods, case.fleet[int(row["fleet_row"])]
    stands = [item.retire is None or case.horizon.period_start(t) < item.retire for t in range(T)]
    t = np.arange(T)
    back = int(row["in_service_period"]) if row["to_site"] else T
    return np.asarray(row["modules"] * np.array(stands, float) * ((t >= int(row["period"])) & (t < back)), float)


def _sentence(plan: Plan, row: Mapping[Any, Any], words: Wording) -> str:
    case = plan.case
    kind = next(k for k in case.module_types if k.id == row["module_type"])
    places = {s.id: words.name(s.names) for s in case.sites}
    period, count = int(row["period"]), int(row["modules"])
    values: dict[str, object] = {
        "modules": f"{count:,}",
        "type": words.name(kind.names),
        "site": places[str(row["site"])],
        "period": case.horizon.period_label(period),
        "mw": words.number(float(row["freed_mw"])),
        "enough": _said(_enough(plan, row), words),
        "full": _said(_full(plan, row), words),
    }
    moved = bool(row["to_site"])
    if moved:
        back = case.horizon.period_label(int(row["in_service_period"]))
        values |= {"to": places[str(row["to_site"])], "back": back}
    parts = [words("leave.moved" if moved else "leave.retired", **values)]
    price = float(row["price"])
    if price != 0:
        key = "moving" if moved else "received" if price < 0 else "removal"
        parts.append(words(f"leave.{key}", amount=words.money(abs(price), case.meta.currency)))
    if not moved:
        opex = float(missing_modules(case, row) @ by_period(kind.opex_of(str(row["site"])), case.horizon.periods, 0.0))
        parts += [words("leave.upkeep", amount=words.money(opex, case.meta.currency))] if opex > 0 else []
    text = "".join(parts) if words.chinese else " ".join(parts)
    return text if int(row["branch"]) < 0 else words("leave.future", number=int(row["branch"]) + 1, text=text)


def _said(part: Message | None, words: Wording) -> str:
    return "" if part is None else part.said(words)


def _mine(table: pd.DataFrame, row: Mapping[Any, Any]) -> pd.DataFrame:
    """The table's rows in the first branch that has the departure."""
    branch = max(int(row["branch"]), 0)
    return table[table["branch"].isin((-1, branch))]


def _enough(plan: Plan, row: Mapping[Any, Any]) -> Message | None:
    """How many of the modules that arrive there next draw as much, where the same branch orders any while those that
    left would still stand."""
    case = plan.case
    if int(row["branch"]) < 0 and branches_of(plan) > 1:
        return None  # what arrives may differ by future
    orders = _mine(plan.tables["orders"], row)
    later = orders[(orders["site"] == row["site"]) & (orders["arrival_period"] >= row["period"])]
    if later.empty:
        return None
    arrival, end = int(later["arrival_period"].min()), case.fleet[int(row["fleet_row"])].retire
    if end is not None and end <= case.horizon.period_start(arrival):
        return None
    power = {k.id: k.power_peak_kw for k in case.module_types}
    counts = later[later["arrival_period"] == arrival].groupby("module_type", sort=False)["modules"].sum()
    kind = max(counts.index, key=lambda k: counts[k] * power[str(k)])
    if power[str(kind)] <= 0:
        return None
    fit = int(row["modules"] * power[str(row["module_type"])] / power[str(kind)] + _ROUNDING)
    arriving = int(counts[kind])
    if fit == 0:
        return None
    name = next(k.names for k in case.module_types if k.id == kind)
    values = {"arriving": f"{arriving:,}", "type": name, "period": case.horizon.period_label(arrival)}
    if fit >= arriving:
        return message("leave.enough_all", **values)
    return message("leave.enough", count=f"{fit:,}", **values)


def _full(plan: Plan, row: Mapping[Any, Any]) -> Message | None:
    """What the site would draw with them, where it has no power for that in the period in which they leave."""
    case, period, site = plan.case, int(row["period"]), str(row["site"])
    spec = next(s for s in case.sites if s.id == site)
    stock, phases = _mine(plan.tables["stock"], row), _mine(plan.tables["phases"], row)
    if int(row["branch"]) < 0 and branches_of(plan) > 1:
        return None
    used = float(stock.loc[(stock["site"] == site) & (stock["period"] == period), "power_mw"].sum())
    limit = float(by_period(spec.power_mw, case.horizon.periods, np.inf)[period])
    for built in phases[phases["site"] == site].to_dict("records"):
        arrival = int(built["arrival_period"])
        if arrival <= period < arrival + spec.phases[int(built["phase"])].life_periods:
            limit += float(built["mw"])
    drawn = used + float(row["freed_mw"])
    if drawn <= limit * (1 + 1e-6):
        return None
    return message("leave.full", drawn=f"{drawn:,.2f}", limit=f"{limit:,.2f}", site=spec.names)
