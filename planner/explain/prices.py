"""Shadow prices after a whole-number plan: what one unit more of a limit is worth.

With every whole number fixed, limits on orders have no price left, and with none fixed the prices belong to another
plan. So gangs, campaigns, openings and "an order is placed here" stay as planned, while the sizes of orders, phases and
leases are free; bounds that only tighten the model are opened. The prices are the duals of that linear program
(docs/engine.md), and hold for small changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from planner.case import Case
from planner.plan import Plan
from planner.plan.decisions import decisions_of, fixed
from planner.program.blocks import Arrays, Program, flatten
from planner.program.build import build_program
from planner.program.decisions import held_for_prices
from planner.program.instance import Instance
from planner.program.places import row_place
from planner.program.registry import FAMILIES
from planner.solve import Linear, solve_lp
from planner.words.wording import Wording, wording

_MOST_COLUMNS = 250_000
_PRICED = (
    "site_power",
    "site_space",
    "supply",
    "budget",
    "vendor_share",
    "domestic_share",
    "capacity_target",
    "build_ahead_minimum",
    "build_ahead_maximum",
    "phase_count",
    "carbon_cap",
    "green_share",
    "utilisation",
    "training_service",
)


@dataclass(frozen=True)
class Priced:
    """The linear program behind the prices, for checks: its arrays, its solution, and hours kept a day."""

    program: Program
    arrays: Arrays
    linear: Linear
    steps: int | None


def priced_program(program: Program, plan: Plan) -> Program:
    """The program with yes-or-no decisions as planned and the sizes of orders free of tightening bounds."""
    values = decisions_of(plan).values
    held = fixed(program, values, held_for_prices())
    master = held.master
    upper, row_upper = master.upper.copy(), master.row_upper.copy()
    orders, on = program.layout.columns["orders"], program.layout.columns["order_on"]
    placed = np.broadcast_to(values["order_on"], on.shape) > 0.5
    upper[orders] = np.where(upper[orders] > 0, np.inf, 0.0)
    closed = (on >= 0) & ~placed
    upper[orders[closed]] = 0.0
    for group in program.layout.rows.values():
        if group.family == "order_charge":
            row_upper[group.index] = np.inf
    return replace(held, master=replace(master, upper=upper, row_upper=row_upper))


def solve_prices(plan: Plan, *, most_columns: int = _MOST_COLUMNS) -> Priced:
    """The linear program and its duals; large cases are priced with merged hours (a relaxation, said in the table)."""
    for steps in (None, 12, 6, 3, 1):
        program = build_program(plan.case, plan.demand, merge_steps=steps)
        if sum(len(b.cost) for b in program.blocks) + program.master.columns <= most_columns:
            break
    program = priced_program(program, plan)
    arrays = flatten(program)
    return Priced(program, arrays, solve_lp(arrays), steps)


def shadow_prices(plan: Plan, *, most_columns: int = _MOST_COLUMNS) -> pd.DataFrame:
    """One row for every limit with a price: family, where, unit, price, and the sentence in English and Chinese.

    price: by how much the plan's cost falls when the limit is loosened by one unit (currency of the case, at least 0
    unless loosening costs). Sorted by family and price. `steps`: hours kept a day (24 unless the case is large).
    """
    priced = solve_prices(plan, most_columns=most_columns)
    inst: Instance = priced.program.facts["instance"]
    rows = []
    if priced.linear.status != "optimal":
        return pd.DataFrame(columns=_COLUMNS)
    master, unit_of_money = priced.program.master, priced.program.money_unit
    for name, group in priced.program.layout.rows.items():
        if group.family not in _PRICED:
            continue
        record = FAMILIES[group.family]
        for position, row in np.ndenumerate(group.index):
            dual = float(priced.linear.duals[row]) * unit_of_money
            # Loosening means raising an upper limit or lowering a lower one; either lowers the cost.
            worth = -dual if np.isfinite(master.row_upper[row]) else dual
            if record.unit == "currency":
                worth /= unit_of_money
            if abs(worth) <= 1e-6 * max(1.0, unit_of_money * 1e-3) and record.unit != "currency":
                continue
            if abs(worth) <= 1e-9:
                continue
            place = row_place(inst, group.family, name, position)
            rows.append(
                {
                    "family": group.family,
                    "site": place.get("site", ""),
                    "module_type": place.get("module_type", ""),
                    "period": place.get("period", ""),
                    "where": " ".join(place.values()),
                    "unit": record.unit,
                    "price": worth,
                    "sentence": _sentence(inst.case, record.id, place, record.unit, worth, wording("en")),
                    "sentence_zh": _sentence(inst.case, record.id, place, record.unit, worth, wording("zh-CN")),
                    "steps": inst.days.steps if priced.steps is None else priced.steps,
                }
            )
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.sort_values(["family", "price"], ascending=[True, False], ignore_index=True)


_COLUMNS = ["family", "site", "module_type", "period", "where", "unit", "price", "sentence", "sentence_zh", "steps"]


def _sentence(case: Case, family: str, place: dict[str, str], unit: str, worth: float, words: Wording) -> str:
    """The price in words, with names in the reader's language."""
    names = {
        **{("site", s.id): words.name(s.names) for s in case.sites},
        **{("module_type", k.id): words.name(k.names) for k in case.module_types},
        **{("workload", w.id): words.name(w.names) for w in case.workloads},
    }
    spots = [names.get((axis, value), value) for axis, value in place.items() if axis not in ("period", "future")]
    where = words.joined(spots)
    if "period" in place:
        where = words("place.in_period", place=where, period=place["period"]) if where else place["period"]
    if "future" in place:
        where = words("place.in_future", place=where, future=place["future"])
    key = f"price.{family}" if f"price.{family}" in words.messages else "price.other"
    if family == "budget":
        return words(key, where=where, currency=case.meta.currency, worth=words.number(worth))
    return words(key, where=where, unit=unit, worth=words.money(worth, case.meta.currency))
