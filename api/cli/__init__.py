"""tideplan on the command line. Every command imports what it needs when it runs, so that help answers at once."""

from __future__ import annotations

import sys

import typer

from api.cli import compare, data, diff, energy, history, plans, questions, service, size, walk
from api.cli.exits import EXIT_HELP
from api.cli.ranges import check_every_command

app = typer.Typer(
    name="tideplan",
    help="Forecasts tidal demand for AI computing, sizes and places accelerator clusters, proves how good the plan is.",
    epilog=EXIT_HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: loading rich for it would take longer than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
plans.register(app)
compare.register(app)
diff.register(app)
walk.register(app)
questions.register(app)
energy.register(app)
size.register(app)
data.register(app)
history.register(app)
service.register(app)
check_every_command(app)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        from api.store.version import VERSION

        typer.echo(f"tideplan {VERSION}")
        raise typer.Exit


def main() -> None:
    """The entry point."""
    if hasattr(sys.stdout, "reconfigure"):
        # A pipe under LANG=C must not choke on Chinese names.
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    app()
