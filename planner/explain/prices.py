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

from planner.explain.words import row_place
from planner.plan import Plan
from planner.program.blocks import Arrays, Program, flatten
from planner.program.build import build_program
from planner.program.instance import Instance
from planner.program.registry import FAMILIES
from planner.scenarios.decisions import decisions_of, fixed
from planner.solve import Linear, solve_lp

_FIXED = ("order_on", "gangs", "campaign_place", "campaign_on", "openings")
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
    held = fixed(program, values, [n for n in _FIXED if n in program.layout.columns])
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
                    "sentence": _sentence(record.id, place, record.unit, worth, inst.case.meta.currency, "en"),
                    "sentence_zh": _sentence(record.id, place, record.unit, worth, inst.case.meta.currency, "zh"),
                    "steps": inst.days.steps if priced.steps is None else priced.steps,
                }
            )
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return table.sort_values(["family", "price"], ascending=[True, False], ignore_index=True)


_COLUMNS = ["family", "site", "module_type", "period", "where", "unit", "price", "sentence", "sentence_zh", "steps"]
_THINGS = {
    "site_power": ("1 MW more", "增加 1 MW 供电"),
    "site_space": ("1 rack more", "增加 1 个机架位"),
    "supply": ("1 module more of supply", "增加 1 个模块的供应"),
    "phase_count": ("1 phase more", "增加 1 期供电与土建"),
    "carbon_cap": ("1 t more under the carbon cap", "碳排放上限增加 1 吨"),
    "green_share": ("1 MWh less of green power required", "绿电要求减少 1 MWh"),
    "utilisation": ("1 module-hour less of use required", "利用率要求减少 1 模块小时"),
    "capacity_target": ("1 PFLOPS less of target", "目标降低 1 PFLOPS"),
    "build_ahead_minimum": ("1 PFLOPS less of build-ahead", "超前度下限降低 1 PFLOPS"),
    "build_ahead_maximum": ("1 PFLOPS more of build-ahead", "超前度上限提高 1 PFLOPS"),
    "vendor_share": ("1 PFLOPS more for the vendor", "供应商份额增加 1 PFLOPS"),
    "domestic_share": ("1 PFLOPS less of domestic share", "国产份额减少 1 PFLOPS"),
    "training_service": ("1 unit less of training service", "训练服务水平降低 1 单位"),
}


def _sentence(family: str, place: dict[str, str], unit: str, worth: float, currency: str, language: str) -> str:
    where = " ".join(place.values())
    if family == "budget":
        if language == "zh":
            return f"{where} 预算每增加 1 {currency}，可节省 {worth:.3f} {currency}。"
        return f"1 {currency} more of budget in {where} saves {worth:.3f} {currency}."
    english, chinese = _THINGS.get(family, (f"1 {unit} more", f"放宽 1 {unit}"))
    if language == "zh":
        return f"{where}：{chinese}，价值 {worth / 1e4:,.2f} 万 {currency}。"
    return f"{english} at {where} is worth {worth / 1e6:,.3f} M {currency}."
