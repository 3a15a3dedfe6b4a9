"""What the answers to questions say on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from planner.explain.alternatives import Alternative
    from planner.explain.asking import Change
    from planner.explain.filling import Filling
    from planner.explain.prices import Prices
    from planner.explain.resilience import Surviving
    from planner.plan import Plan
    from planner.replay import ReplayResult
    from planner.words.wording import Wording


def show_table(table: pd.DataFrame, title: str, text: Wording) -> None:
    """Print a table with its title."""
    from api.cli import console
    from planner.report.grid import grid

    shown = grid(table, text)
    columns = [(str(c["name"]), bool(c["numeric"])) for c in shown.columns]
    console.out().print(console.table(title, columns, shown.rows))


def show_replay(plan: Plan, found: ReplayResult, text: Wording) -> None:
    """Print what a replay served, and what it cost."""
    from api.cli import console
    from api.work.replay import service_by_workload

    currency = plan.case.meta.currency
    said = text(
        "ask.replayed",
        days=found.days,
        cost=text.money(found.cost, currency),
        hourly=text.money(found.hourly_cost, currency),
    )
    console.out().print(said, markup=False, style="bold")
    show_table(with_headings(service_by_workload(plan, found), text), text("ask.service"), text)


def show_change(plan: Plan, found: Change, text: Wording) -> None:
    """Print an answer and the orders that differ."""
    import pandas as pd
    from rich.markup import escape

    from api.cli import console

    screen, currency = console.out(), plan.case.meta.currency
    screen.print(f"[bold]{escape(found.sentence(text, currency))}[/]")
    if found.plan is None:
        for problem in found.impossible:
            screen.print(f"  {problem.told(text.language)}", markup=False)
        return
    terms = {
        term: value for term, value in found.by_term.items() if abs(value) > 1e-6 * abs(found.plan.summary["cost"])
    }
    if terms:
        names = [text.either(f"term.{term}", term) for term in terms]
        rows = {text("term"): names, text("cost_change"): [text.money(value, currency) for value in terms.values()]}
        show_table(pd.DataFrame(rows), text("ask.by_term"), text)
    if len(found.orders):
        moved = found.orders.copy()
        moved["arrival_period"] = [plan.case.horizon.period_label(int(t)) for t in moved["arrival_period"]]
        alike = found.interchangeable
        show_table(with_headings(moved, text), text("ask.orders_alike" if alike else "ask.orders_moved"), text)
        if alike:
            screen.print(text("ask.interchangeable"), markup=False)
    if len(found.departures):
        moved = found.departures.copy()
        moved["period"] = [plan.case.horizon.period_label(int(t)) for t in moved["period"]]
        show_table(with_headings(moved, text), text("ask.leaving"), text)


def show_prices(prices: Prices, text: Wording) -> None:
    """Print what limits are worth."""
    from api.cli import console

    screen = console.out()
    screen.print(prices.heading(text), markup=False, style="bold")
    for sentence in prices.sentences(text):
        screen.print(f"  {sentence}", markup=False)
    screen.print()


def show_drivers(plan: Plan, drivers: pd.DataFrame, text: Wording) -> None:
    """Print what drives every order."""
    from api.cli import console
    from planner.explain.drivers import peak_hour, workloads_named

    if drivers.empty:
        console.out().print(text("answer.nothing"), markup=False)
        return
    shown = drivers[["site", "module_type", "modules"]].copy()
    shown["arrival_period"] = [plan.case.horizon.period_label(int(t)) for t in drivers["arrival_period"]]
    peaks = zip(drivers["peak_period"], drivers["peak_day"], drivers["peak_hour"], strict=True)
    shown["peak"] = [
        f"{period} {text.day(str(day))} {peak_hour(plan, int(step))}" if period else "–" for period, day, step in peaks
    ]
    shown["busy"] = [text.percent(busy, 0) for busy in drivers["busy"]]
    shown["workloads"] = [workloads_named(plan, str(used), text) for used in drivers["workloads"]]
    shown["limits"] = drivers["limits_zh" if text.chinese else "limits"]
    show_table(with_headings(shown, text), text("ask.drivers"), text)


def show_filling(plan: Plan, found: Filling, text: Wording) -> None:
    """Print what filling the valleys is worth."""
    from api.cli import console

    console.out().print(found.sentence(text, plan.case.meta.currency), markup=False, style="bold")


def with_headings(table: pd.DataFrame, text: Wording) -> pd.DataFrame:
    """The table with its columns named in the language."""
    return table.rename(columns={c: text.either(f"ask.column.{c}", text.either(c, c)) for c in table.columns})


def show_surviving(plan: Plan, found: Surviving | None, text: Wording) -> None:
    """Print what surviving a lost site costs."""
    from api.cli import console

    said = text("ask.resilience_none") if found is None else found.sentence(text, plan.case)
    console.out().print(said, markup=False, style="bold")


def show_alternatives(plan: Plan, found: Sequence[Alternative], epsilon: float, text: Wording) -> None:
    """Print near-optimal plans side by side."""
    import pandas as pd

    from api.cli import console

    def measured(one: Alternative, value: float) -> str:
        if one.quality == "most_domestic":
            return text.percent(value)
        return text.number(value) + (" t" if one.quality == "least_carbon" else "")

    rows = [
        {
            text("ask.column.quality"): text(f"quality.{one.quality}"),
            text("ask.column.before"): measured(one, one.before),
            text("ask.column.after"): measured(one, one.measure),
            text("ask.column.extra"): text.percent(one.extra, 2),
            text("ask.column.range"): f"{text.percent(one.least, 2)} … {text.percent(one.most, 2)}",
            text("ask.column.moved"): str(one.modules_moved),
        }
        for one in found
    ]
    show_table(pd.DataFrame(rows), text("ask.alternatives", epsilon=text.percent(epsilon, 1)), text)
    for one in found:
        quality, orders = text(f"quality.{one.quality}"), one.orders()
        if orders.empty:
            console.out().print(text("ask.alternative_none", quality=quality), markup=False)
            continue
        orders["arrival_period"] = [plan.case.horizon.period_label(int(t)) for t in orders["arrival_period"]]
        show_table(with_headings(orders, text), text("ask.alternative_orders", quality=quality), text)
        if one.interchangeable:
            console.out().print(text("ask.alternative_alike", quality=quality), markup=False)


def show_sensitivity(plan: Plan, table: pd.DataFrame, text: Wording) -> None:
    """Print what would change the answer."""
    import pandas as pd

    divisor, unit = text.money_unit(float(table["difference"].abs().max()), plan.case.meta.currency)
    rows = [
        {
            text("assumption"): row["change_zh" if text.chinese else "change"],
            text.labelled(text("cost_change"), unit): text.number(row["difference"] / divisor),
            text("ask.column.range"): f"{text.number(row['least'] / divisor)} … {text.number(row['most'] / divisor)}",
            text("modules"): str(row["modules"]),
            text("ask.column.first"): text("ask.same" if row["same_first_orders"] else "ask.other"),
        }
        for row in table.to_dict("records")
    ]
    show_table(pd.DataFrame(rows), text("ask.sensitivity"), text)
