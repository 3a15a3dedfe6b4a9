"""What the answers to questions say on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from planner.explain.prices import Prices
    from planner.plan import Plan
    from planner.replay import ReplayResult
    from planner.report.grid import Grid
    from planner.words.wording import Wording


def show_table(table: pd.DataFrame, title: str, text: Wording) -> None:
    """Print a table with its title."""
    from planner.report.grid import grid

    show_grid(grid(table, text, title))


def show_grid(shown: Grid) -> None:
    """Print a table of a report or a page."""
    from api.cli import console

    columns = [(str(c["name"]), bool(c["numeric"])) for c in shown.columns]
    console.out().print(console.table(shown.title, columns, shown.rows))


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


def show_answer(kind: str, answer: dict[str, Any], plan: Plan, text: Wording) -> None:
    """Print the answer to a question (`api.work.questions`): what it says, what stands in the way, its tables."""
    from api.cli import console
    from planner.report.questions import answer_tables

    own = "_zh" if text.chinese else ""
    for sentence in answer.get(f"sentences{own}", []):
        console.out().print(sentence, markup=False, style="bold")
    for reason in answer.get(f"impossible{own}", []):
        console.out().print(f"  {reason}", markup=False)
    for shown in answer_tables(kind, answer, plan.case, text):
        show_grid(shown)


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


def with_headings(table: pd.DataFrame, text: Wording) -> pd.DataFrame:
    """The table with its columns named in the language."""
    return table.rename(columns={c: text.either(f"ask.column.{c}", text.either(c, c)) for c in table.columns})
