"""Two plans side by side: what is ordered, what it costs by term, what is served, and what differs in case and demand.

Every figure is read from the two plans; nothing is solved. Differences are of the second against the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from planner.arrays import FloatArray
from planner.case.errors import PlanError
from planner.case.file import dump_case
from planner.plan import Plan
from planner.plan.plan import demand_hash
from planner.program.registry import TERMS
from planner.report.figures.chart import View
from planner.report.figures.orders import order_list
from planner.words.wording import Wording

TABLES = ("orders", "departures", "costs", "measures", "case", "demand")
"""Names of the tables, in the order in which they are read."""
MOST_FIELDS = 200
"""Fields of the case that are listed."""


@dataclass(frozen=True)
class SideBySide:
    """Tables in the reader's language, each empty where the plans agree. sentences: what each comes to.

    orders: by site, what and arrival, counts or MW of both. departures: by date, site, type and where to. costs:
    discounted, by term, whose changes add up to that of the cost. measures: service, energy, carbon, ratio. case:
    fields by path. demand: by workload and period.
    """

    sentences: list[str]
    orders: pd.DataFrame
    departures: pd.DataFrame
    costs: pd.DataFrame
    measures: pd.DataFrame
    case: pd.DataFrame
    demand: pd.DataFrame


def side_by_side(first: Plan, second: Plan, words: Wording) -> SideBySide:
    """Raises PlanError for plans in different currencies: no difference of theirs means anything."""
    if first.case.meta.currency != second.case.meta.currency:
        found = f"{first.case.meta.currency}, {second.case.meta.currency}"
        raise PlanError([Fault("currency", found, "the same currency in both plans")])
    orders, costs = _orders(first, second, words), _costs(first, second, words)
    case, demand = _case(first, second, words), _demand(first, second, words)
    return SideBySide(
        _sentences(
            first, second, words, len(orders), len(case), demand_hash(first.demand) != demand_hash(second.demand)
        ),
        orders,
        _departures(first, second, words),
        costs,
        _measures(first, second, words),
        case,
        demand,
    )


def _sentences(first: Plan, second: Plan, words: Wording, orders: int, fields: int, demand: bool) -> list[str]:
    currency = first.case.meta.currency
    before, after = (float(p.summary["cost"]) for p in (first, second))
    values = {"before": words.money(before, currency), "after": words.money(after, currency)}
    apart = abs(after - before)
    # the best one there is in the dearer plan's case may cost as little as the cheaper plan, if its proof reaches there
    dearer = (second if after > before else first).certificate
    least = dearer["objective"] - dearer["bound"]
    if apart <= 1e-9 * max(abs(before), 1.0):
        cost = words("apart.same_cost", before=values["before"])
    else:
        key = "apart.dearer" if after > before else "apart.cheaper"
        cost = words(key, change=words.money(apart, currency), **values)
        if not np.isfinite(least):
            cost += words("apart.nothing_proven")
        elif apart <= least:
            cost += words("apart.within_proofs", gap=words.money(least, currency, rounded="up"))
    world = words("apart.case", fields=fields) if fields else words("apart.same_case")
    return [
        cost,
        words("apart.orders", orders=orders) if orders else words("apart.same_orders"),
        f"{world} {words('apart.demand' if demand else 'apart.same_demand')}",
    ]


def _orders(first: Plan, second: Plan, words: Wording) -> pd.DataFrame:
    """Lines of the order lists that differ; those of some futures only are marked with the future's number."""
    keys = ["arrival_date", "site", "what", "branch"]
    sides = []
    for plan in (first, second):
        rows = order_list(View.of(plan, words.language))
        amount = rows["modules"].where(rows["kind"] == "module", rows["mw"].where(rows["kind"] == "phase", 1))
        rows = rows.assign(size=amount.astype(float))
        sides.append(
            rows.groupby(keys)[["size", "capex"]].sum() if len(rows) else pd.DataFrame(columns=["size", "capex"])
        )
    if not len(sides[0]) and not len(sides[1]):
        return pd.DataFrame()
    both = pd.concat(sides, axis=1, keys=["a", "b"]).astype(float).fillna(0.0).sort_index(kind="stable")
    apart = (both["a"].to_numpy(float) != both["b"].to_numpy(float)).any(axis=1)
    both = both.loc[apart].reset_index(names=keys)
    if both.empty:
        return pd.DataFrame()
    largest = float(np.abs(both[[("a", "capex"), ("b", "capex")]].to_numpy(float)).max())
    divisor, unit = words.money_unit(largest, first.case.meta.currency)
    table = pd.DataFrame(
        {
            words("in_service"): [str(d)[:10] for d in both["arrival_date"]],
            words("site"): both["site"],
            words("what"): both["what"],
            words("apart.first"): both["a", "size"],
            words("apart.second"): both["b", "size"],
            words.labelled(words("apart.change"), unit): (both["b", "capex"] - both["a", "capex"]) / divisor,
        }
    )
    branch = both["branch"].to_numpy(int)
    if (branch >= 0).any():
        table[words("future")] = [words("all_futures") if b < 0 else str(b + 1) for b in branch]
    return table


def _departures(first: Plan, second: Plan, words: Wording) -> pd.DataFrame:
    """What leaves early in one plan and not, or in other numbers, in the other; of late decisions, by future."""
    keys = ["date", "site", "module_type", "to_site", "branch"]
    sides = [plan.tables["departures"].groupby(keys)["modules"].sum() for plan in (first, second)]
    both = pd.concat(sides, axis=1, keys=["a", "b"]).fillna(0).astype(int).sort_index(kind="stable")
    both = both[both["a"] != both["b"]].reset_index()
    view = View.of(first, words.language)
    table = pd.DataFrame(
        {
            words("leave.date"): [str(d)[:10] for d in both["date"]],
            words("site"): [view.name("site", s) for s in both["site"]],
            words("module_type"): [view.name("module_type", k) for k in both["module_type"]],
            words("leave.to"): [view.name("site", s) if s else words("leave.fate.retired") for s in both["to_site"]],
            words("apart.first"): both["a"],
            words("apart.second"): both["b"],
        }
    )
    if (both["branch"] >= 0).any():
        table[words("future")] = [words("all_futures") if b < 0 else str(b + 1) for b in both["branch"]]
    return table


def _costs(first: Plan, second: Plan, words: Wording) -> pd.DataFrame:
    a, b = (np.array([float(p.summary["cost_by_term"][t]) for t in TERMS]) for p in (first, second))
    some = (np.abs(a) + np.abs(b)) > 0
    a, b = a[some], b[some]
    names = [words.either(f"term.{t}", t) for t, there in zip(TERMS, some, strict=True) if there]
    divisor, unit = words.money_unit(float(np.abs([a.sum(), b.sum()]).max()), first.case.meta.currency)
    return pd.DataFrame(
        {
            words("term"): [*names, words("book.total")],
            **{
                words.labelled(words(f"apart.{name}"), unit): np.append(values, values.sum()) / divisor
                for name, values in (("first", a), ("second", b), ("change", b - a))
            },
        }
    )


def _measures(first: Plan, second: Plan, words: Wording) -> pd.DataFrame:
    rows: list[tuple[str, str, str]] = []

    def row(label: str, read: Any) -> None:
        before, after = (str(read(p)) for p in (first, second))
        rows.append((label, before, after))

    workloads = {w.id: words.name(w.names) for p in (first, second) for w in p.case.workloads}
    for id, name in workloads.items():

        def share(plan: Plan, id: str = id) -> str:
            known = plan.summary["shortfall_unit_hours"].get(id)
            return "–" if known is None else words.percent(float(known["share"]), 3)

        row(words("apart.unserved", workload=name), share)
    row(words("apart.energy"), lambda p: words.number(float(p.summary["energy_mwh"]), 4))
    row(words("apart.carbon"), lambda p: words.number(float(p.summary["carbon_location_tonnes"]), 4))
    row(words("mean_busy"), lambda p: words.percent(float(p.summary["mean_busy"])))
    row(words("build_ahead_ratio"), lambda p: _ratios(p, words))
    row(words("certificate.gap"), lambda p: words.gap(float(p.certificate["gap"])))
    return pd.DataFrame(rows, columns=[words("apart.measure"), words("apart.first"), words("apart.second")])


def _ratios(plan: Plan, words: Wording) -> str:
    known = [r for r in plan.summary["build_ahead_ratio"] if r is not None]
    return f"{words.ratio(min(known))} – {words.ratio(max(known))}" if known else "–"


def _case(first: Plan, second: Plan, words: Wording) -> pd.DataFrame:
    """Fields by path; things with an id are followed by it, wherever they stand in their list."""
    a, b = (dict(_fields(dump_case(p.case), "")) for p in (first, second))
    inner = {path[:end] for path in (*a, *b) for end, c in enumerate(path) if c == "/"}  # told by what is in them
    changed = [path for path in dict.fromkeys([*a, *b]) if path not in inner and a.get(path) != b.get(path)]
    table = {
        words("report.field"): changed,
        words("apart.first"): [_value(a.get(path)) for path in changed],
        words("apart.second"): [_value(b.get(path)) for path in changed],
    }
    return pd.DataFrame(table).head(MOST_FIELDS)


def _fields(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _fields(inner, f"{path}/{name}")
    elif isinstance(value, list) and value and all(isinstance(one, dict) and "id" in one for one in value):
        for one in value:
            yield from _fields({k: v for k, v in one.items() if k != "id"}, f"{path}/{one['id']}")
    else:
        yield path, value


def _value(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _demand(first: Plan, second: Plan, words: Wording) -> pd.DataFrame:
    """Mean demand by workload and period, expected over futures, where it differs by more than a thousandth."""
    a, b = _mean_demand(first), _mean_demand(second)
    names = {w.id: f"{words.name(w.names)} ({w.unit})" for p in (first, second) for w in p.case.workloads}
    labels = {t: p.case.horizon.period_label(t) for p in (second, first) for t in range(p.case.horizon.periods)}
    rows = [
        (names[w], labels[t], before, after, words.percent(after / before - 1) if before else "–")
        for (w, t) in dict.fromkeys([*a, *b])
        for before, after in [(a.get((w, t), 0.0), b.get((w, t), 0.0))]
        if abs(after - before) > 1e-3 * max(before, after)
    ]
    columns = [words(k) for k in ("workload", "period", "apart.first", "apart.second", "apart.change")]
    return pd.DataFrame(rows, columns=columns)


def _mean_demand(plan: Plan) -> dict[tuple[str, int], float]:
    demand = plan.demand
    hours: FloatArray = demand.days.weight[:, :, None] * demand.days.step_hours
    total = np.einsum("f,fwrtdh,tdh->wt", demand.probability, demand.values, hours) / hours.sum(axis=(1, 2))
    return {(w.id, t): float(total[i, t]) for i, w in enumerate(plan.case.workloads) for t in range(total.shape[1])}
