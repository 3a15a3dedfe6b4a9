"""walk: build-ahead rules as they would really have behaved, on a history that has passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import Use, command
from api.cli.demand import Rules
from api.cli.exits import UsageError
from api.cli.options import ByHub, Effort, Screen
from api.cli.output import output_or_none
from forecasts.fault import Fault

if TYPE_CHECKING:
    import pandas as pd

    from planner.case import Case
    from planner.scenarios import Rule
    from planner.walk.adaptive import Walk
    from planner.words.wording import Wording

WALK_FILES = ("walks.parquet", "walks.csv", "steps.parquet", "steps.csv")
USUAL = ("just_in_time", "ratio:1.2", "stochastic", "wait_and_see")


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    app.command()(command(walk))


@dataclass(frozen=True)
class Walked:
    """Which rules walk, through what."""

    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="RULE",
            help="just_in_time, ratio:1.2, quantile:0.9, bring_forward:1, stochastic, cvar:0.9 or wait_and_see (who "
            f"knew what came); may be given several times. If left out: {', '.join(USUAL)}.",
        ),
    ] = None
    periods: Annotated[
        int | None, typer.Option(help="Periods to walk; as many as the case has if left out.", min=1, max=80)
    ] = None
    start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="First day of the horizon in the history; if left out, the last whole periods of the history.",
        ),
    ] = None
    by_hub: ByHub = False


def walk(
    case: Annotated[Path, typer.Argument(help="Case file, YAML or JSON.")],
    history: Annotated[
        Path, typer.Option(help="Hourly demand that covers the horizon, and time before it to learn from.")
    ],
    given: Annotated[Rules, Use(without=("growth",))],
    effort: Annotated[Effort, Use(time_limit=30.0)],
    screen: Screen,
    walked: Walked,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables.", metavar="DIR")] = None,
) -> None:
    """Walk through a horizon that has passed: forecast, plan, commit only what must be, see what came, and again.

    The case's horizon is set back into the history. At the start of every period the forecast is made from what had
    happened by then. The time limit holds for each plan; there is one a period and rule.
    """
    from api.cli import console
    from api.cli.course import Course
    from api.cli.plans import grouped
    from api.cli.stopping import stopping
    from planner.case.file import read_case
    from planner.walk.adaptive import compare_walks

    text = screen.words
    rules = _rules(walked.rule or list(USUAL))
    read = read_case(case)
    if walked.by_hub:
        read = grouped(read, text, quiet=screen.json)
    with output_or_none(out, WALK_FILES, text) as output:
        course = Course.of(
            read, history, given, walked.start.date() if walked.start else None, walked.periods, effort.seed
        )
        own = course.case
        if not screen.json:
            last = own.horizon.period_label(own.horizon.periods - 1)
            console.say(text("walk.course", first=own.horizon.period_label(0), last=last, filled=course.filled))

        def told(name: str, done: int, total: int) -> None:
            console.say(text("walk.step", rule=name, done=done, total=total))

        with stopping(text) as stop:
            table, walks = compare_walks(
                own,
                course.forecast,
                course.truth,
                rules,
                limits=effort.limits,
                on_step=None if screen.json else told,
                stop=stop,
            )
        if output is not None:
            output.fill(lambda draft: _save(table, walks, draft))
    if screen.json:
        steps = {name: one.steps.to_dict("records") for name, one in walks.items()}
        told_json = {"start": own.horizon.start, "periods": own.horizon.periods, "filled_hours": course.filled}
        rows = table.to_dict("records")
        console.show_json(told_json | {"currency": own.meta.currency, "rules": rows, "steps": steps, "tables": out})
        return
    _show(own, table, walks, text)
    if out is not None:
        console.out().print(text("cli.tables", folder=out), markup=False)


def _rules(lines: list[str]) -> dict[str, Rule]:
    from planner.scenarios import rule_from

    out: dict[str, Rule] = {}
    faults = []
    for line in lines:
        try:
            out[line] = rule_from(line)
        except ValueError as error:
            faults.append(Fault("--rule", line, str(error).partition("; ")[2]))
    if faults:
        raise UsageError(faults)
    return out


def _save(table: pd.DataFrame, walks: dict[str, Walk], folder: Path) -> None:
    import pandas as pd

    from api.work.replay import save_tables

    steps = pd.concat([one.steps.assign(rule=name) for name, one in walks.items()], ignore_index=True)
    save_tables({"walks": table, "steps": steps}, folder)


def _show(case: Case, table: pd.DataFrame, walks: dict[str, Walk], text: Wording) -> None:
    """Rules side by side, cheapest first, and the cheapest rule's steps."""
    import pandas as pd

    from api.cli import console
    from api.cli.answers import show_table

    currency = case.meta.currency
    divisor, unit = text.money_unit(float(table["cost"].abs().max()), currency)
    followed = table[table["rule"] != "wait_and_see"]
    if len(followed):
        best = str(followed["rule"].iloc[0])
        cost = text.money(float(followed["cost"].iloc[0]), currency)
        console.out().print(text("walk.best", rule=best, cost=cost), markup=False, style="bold")
    rows: list[dict[str, Any]] = [
        {
            text("walk.rule"): row["rule"],
            text.labelled(text("discounted_cost"), unit): text.number(row["cost"] / divisor),
            text.labelled(text("shortfall_cost"), unit): text.number(row["shortfall_cost"] / divisor),
            text("modules"): str(row["modules"]),
            text("ask.column.busy"): text.percent(row["mean_busy"]),
            text("build_ahead_ratio"): f"{row['build_ahead_ratio']:.2f}",
        }
        for row in table.to_dict("records")
    ]
    show_table(pd.DataFrame(rows), text("walk.table"), text)
    for name in followed["rule"].head(1):
        steps = walks[str(name)].steps
        shown = pd.DataFrame(
            {
                text("period"): [case.horizon.period_label(int(t)) for t in steps["period"]],
                text("walk.forecast"): [text.pflops(v) for v in steps["forecast_p50_pflops"]],
                text("walk.came"): [text.pflops(v) for v in steps["actual_peak_pflops"]],
                text("usable"): [text.pflops(v) for v in steps["usable_pflops"]],
                text("walk.ordered"): [str(int(v)) for v in steps["ordered_modules"]],
            }
        )
        show_table(shown, text("walk.steps", rule=name), text)
