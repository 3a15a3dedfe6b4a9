"""diff: two plans side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.command import command
from api.cli.options import PlanFolder, Screen


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    app.command()(command(diff))


def diff(
    plan_folder: PlanFolder,
    other: Annotated[Path, typer.Argument(help="Folder of the plan to lay beside it.", metavar="OTHER_FOLDER")],
    screen: Screen,
) -> None:
    """Two plans side by side: orders, cost by term, service, and what differs in case and demand. Nothing is solved."""
    from api.cli import console
    from api.cli.answers import show_table
    from planner.plan import Plan
    from planner.report.side_by_side import TABLES, side_by_side

    text = screen.words
    found = side_by_side(Plan.load(plan_folder), Plan.load(other), text)
    if screen.json:
        shown = {name: getattr(found, name).to_dict("records") for name in TABLES}
        console.show_json({"sentences": found.sentences, **shown})
        return
    for line in found.sentences:
        console.out().print(line, markup=False, style="bold")
    for name in TABLES:
        table = getattr(found, name)
        if len(table):
            show_table(table, text(f"apart.title.{name}"), text)
