"""The plan as a workbook in the reader's language: orders, cash, capacity, service, assumptions.

Dates are dates, money is whole currency in a number format, units stand in the headings, and what adds up has a total.
Every text is written as text, which no spreadsheet evaluates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pandas as pd
import xlsxwriter

from planner.plan import Plan
from planner.report.departures import departures_table
from planner.report.figures.capacity import capacity_by_period
from planner.report.figures.chart import View
from planner.report.figures.orders import order_list
from planner.report.made_how import made_how
from planner.report.order_list import running_total
from planner.words.standing import stands

Kind = Literal["text", "date", "money", "count", "number", "share"]
_FORMATS: dict[Kind, str] = {
    "text": "@", "date": "yyyy-mm-dd", "money": "#,##0", "count": "#,##0", "number": "#,##0.00", "share": "0.00%",
}  # fmt: skip
_MONEY = ("prepaid", "on_arrival", "order_charges", "phases", "openings", "due", "leases", "departures", "commitments")


@dataclass(frozen=True)
class Column:
    heading: str
    kind: Kind
    values: Sequence[Any]


@dataclass(frozen=True)
class Sheet:
    """totals: rows below the columns, a label for the first cell and a value for each column that has one."""

    name: str
    columns: list[Column]
    totals: list[tuple[str, dict[int, float]]]


def workbook(plan: Plan, language: str | None = None, standing: Mapping[str, str] | None = None) -> bytes:
    """The bytes of an XLSX file. standing: as in `planner.report.report.report_html`."""
    view = View.of(plan, language)
    said, mark = stands(standing, view.words)
    out = BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    # the same plan gives the same bytes
    book.set_properties({"title": plan.case.meta.name, "created": pd.Timestamp("2000-01-01").to_pydatetime()})
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
    plain = {kind: book.add_format({"num_format": code}) for kind, code in _FORMATS.items()}
    strong = {kind: book.add_format({"num_format": code, "bold": True, "top": 1}) for kind, code in _FORMATS.items()}
    sheets = [_orders(view), _cash(view), _capacity(view), _service(view), _assumptions(plan, view, said)]
    sheets[1:1] = [_departures(view)] if len(view.tables["departures"]) else []
    for one in sheets:
        sheet = book.add_worksheet(one.name)
        sheet.set_header(f"&C&B{mark.replace('&', '&&')}")
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        for c, column in enumerate(one.columns):
            sheet.write_string(0, c, column.heading, head)
            sheet.set_column(c, c, _width(column))
            for r, value in enumerate(column.values, 1):
                _write(sheet, r, c, value, plain[column.kind])
        below = 1 + max((len(column.values) for column in one.columns), default=0)
        for r, (label, values) in enumerate(one.totals, below):
            sheet.write_string(r, 0, label, strong["text"])
            for c, value in values.items():
                _write(sheet, r, c, value, strong[one.columns[c].kind])
    book.close()
    return out.getvalue()


def _write(sheet: Any, row: int, column: int, value: Any, form: Any) -> None:
    """A cell; what is not known stays empty."""
    if isinstance(value, date):
        sheet.write_datetime(row, column, pd.Timestamp(value).to_pydatetime(), form)
    elif isinstance(value, str):
        sheet.write_string(row, column, value[:32_767], form)
    elif value is not None and np.isfinite(value):
        sheet.write_number(row, column, float(value), form)


def _width(column: Column) -> float:
    """Characters; CJK counts twice. Money and dates are never shown as ####."""
    least = {"money": 16, "date": 11}.get(column.kind, 9)
    texts = [v for v in column.values if isinstance(v, str)][:500]
    longest = max((sum(2 if ord(c) > 0x2E7F else 1 for c in text) for text in texts), default=0)
    return float(min(max(least, longest + 2, len(column.heading) / 2 + 3), 70))


def _orders(view: View) -> Sheet:
    words, orders = view.words, order_list(view)
    money = words.money_unit(0.0, view.currency)[1]
    by_future = bool((orders["branch"] >= 0).any())
    price = orders["capex"].to_numpy(float)
    columns = [
        Column(words("order_date"), "date", list(orders["order_date"])),
        Column(words("in_service"), "date", list(orders["arrival_date"])),
        Column(words("site"), "text", list(orders["site"])),
        Column(words("what"), "text", list(orders["what"])),
        Column(words("book.count"), "count", list(orders["modules"])),
        Column(words("book.cards"), "count", list(orders["cards"])),
        Column(words.labelled(words("compute"), "PFLOPS"), "number", list(orders["pflops"])),
        Column(words.labelled(words("book.power"), "MW"), "number", list(orders["mw"])),
        Column(words.labelled(words("capex"), money), "money", list(price)),
        Column(words.labelled(words("running_total"), money), "money", list(running_total(orders))),
    ]
    branch = orders["branch"].to_numpy(int)
    if by_future:
        names = [words("all_futures") if b < 0 else str(b + 1) for b in branch]
        columns.append(Column(words("future"), "text", names))
    added = [i for i, c in enumerate(columns[:-1]) if c.kind in ("count", "number", "money") and i != 9]

    def total(rows: Any) -> dict[int, float]:
        return {i: float(np.asarray(columns[i].values, float)[rows].sum()) for i in added}

    if not by_future:
        return Sheet(words("book.orders"), columns, [(words("book.total"), total(branch < 0))])
    totals = [(words("book.total_shared"), total(branch < 0))]
    totals += [
        (words("book.total_future", number=b + 1), total((branch < 0) | (branch == b)))
        for b in range(len(view.probability))
    ]
    return Sheet(words("book.orders"), columns, totals)


def _departures(view: View) -> Sheet:
    """What leaves early, as the report has it, with money in whole currency."""
    words, table = view.words, view.tables["departures"].sort_values(["period", "branch"], kind="stable")
    shown = departures_table(view)
    kinds: dict[str, Kind] = {words("leave.date"): "date", words("modules"): "count"}
    columns = [Column(str(name), kinds.get(str(name), "text"), list(shown[name])) for name in shown]
    columns[0] = Column(columns[0].heading, "date", list(table["date"]))
    columns[5] = Column(columns[5].heading, "number", list(table["freed_mw"]))
    money = words.labelled(words("leave.price"), words.money_unit(0.0, view.currency)[1])
    columns[6] = Column(money, "money", list(table["price"]))
    return Sheet(words("book.departures"), columns, [])


def _cash(view: View) -> Sheet:
    """What falls due by period, mean over branches, the most of any branch, the budget."""
    words, table = view.words, view.tables["cash"]
    money = words.money_unit(0.0, view.currency)[1]
    mean = table[list(_MONEY)].mul(np.asarray(view.weight(table)), axis=0).groupby(table["period"].to_numpy()).sum()
    most, budget = table.groupby("period")["due"].max(), table.groupby("period")["budget"].first()
    columns = [
        Column(words("period"), "text", [view.periods[t] for t in mean.index]),
        Column(words("book.start"), "date", [view.case.horizon.period_start(int(t)) for t in mean.index]),
        *(Column(words.labelled(words(f"cash.{name}"), money), "money", list(mean[name])) for name in _MONEY),
        Column(words.labelled(words("cash.most"), money), "money", list(most)),
        Column(words.labelled(words("cash.budget"), money), "money", list(budget)),
    ]
    sums = {i + 2: float(mean[name].sum()) for i, name in enumerate(_MONEY)}
    return Sheet(words("book.cash"), columns, [(words("book.total"), sums)])


def _capacity(view: View) -> Sheet:
    words, data = view.words, capacity_by_period(view)
    columns = [
        Column(words("period"), "text", [view.periods[t] for t in data["period"]]),
        Column(words("book.start"), "date", [view.case.horizon.period_start(int(t)) for t in data["period"]]),
        *(
            Column(words.labelled(words(name.removesuffix("_pflops")), "PFLOPS"), "number", list(data[name]))
            for name in ("installed_pflops", "usable_pflops", "p50_peak_pflops", "p90_peak_pflops")
        ),
        Column(words("build_ahead_ratio"), "number", list(data["build_ahead_ratio"])),
        Column(words.labelled(words("months_ahead"), words("months")), "number", list(data["months_ahead"])),
    ]
    return Sheet(words("book.capacity"), columns, [])


def _service(view: View) -> Sheet:
    """By workload and period, expected over futures."""
    words, table = view.words, view.tables["unserved"]
    units = {w.id: w.unit for w in view.case.workloads}
    asked, left, early = (table[f"{name}_unit_hours"].to_numpy(float) for name in ("asked", "unserved", "unavoidable"))
    columns = [
        Column(words("workload"), "text", [view.name("workload", w) for w in table["workload"]]),
        Column(words("period"), "text", [view.periods[t] for t in table["period"]]),
        Column(words("book.unit"), "text", [f"{units[w]}·h" for w in table["workload"]]),
        Column(words("book.asked"), "number", list(asked)),
        Column(words("book.unserved"), "number", list(left)),
        Column(words("book.unavoidable"), "number", list(early)),
        Column(words("book.served"), "share", list(1 - left / asked)),
    ]
    totals = []
    for workload in dict.fromkeys(table["workload"]):
        own = (table["workload"] == workload).to_numpy()
        a, u, e = float(asked[own].sum()), float(left[own].sum()), float(early[own].sum())
        label = f"{words('book.total')} · {view.name('workload', workload)}"
        totals.append((label, {3: a, 4: u, 5: e, 6: 1 - u / a}))
    return Sheet(words("book.service"), columns, totals)


def _assumptions(plan: Plan, view: View, standing: str) -> Sheet:
    """What the plan rests on: the case, how it was made, warnings, notes, and the source of what has one."""
    words, meta = view.words, plan.case.meta
    warnings = [text for text in plan.warnings if text not in plan.demand.notes]
    rows: list[tuple[str, str, str, str]] = [
        *([(words("book.standing"), standing, "", "")] if standing else []),
        (words("book.case"), meta.name, meta.description, ""),
        (words("book.as_of"), meta.as_of.isoformat(), "", ""),
        *((label, value, "", "") for label, value in made_how(plan.provenance, words)),
        *((words("book.warning"), text, "", "") for text in words.noted(warnings)),
        *((words("book.note"), text, "", "") for text in words.noted(plan.demand.notes)),
        *((words(f"mark.{s.mark}"), s.source, s.path, str(s.date or "")) for s in meta.sources),
    ]
    headings = ("report.mark", "report.source", "report.field", "report.date")
    columns = [
        Column(words(heading), "text", list(values))
        for heading, values in zip(headings, zip(*rows, strict=True), strict=True)
    ]
    return Sheet(words("book.assumptions"), columns, [])
