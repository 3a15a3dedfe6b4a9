"""check, forecast and backtest: what a case and a history are worth, before anything is planned."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.command import Use, command
from api.cli.demand import Rules
from api.cli.exits import UsageError
from api.cli.options import Screen, Seed
from api.cli.output import of_history, output_file
from forecasts.fault import Fault


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    for one in (check, forecast, backtest):
        app.command()(command(one))


def check(case: Annotated[Path, typer.Argument(help="Case file, YAML or JSON.")], screen: Screen) -> None:
    """Check a case: every fault at once, and numbers that look wrong."""
    from rich.markup import escape

    from api.cli import console
    from planner.case.checks import warnings
    from planner.case.file import case_hash, read_case

    text = screen.words
    read = read_case(case)
    found = warnings(read)
    counts = {
        name: len(getattr(read, name))
        for name in ("regions", "sites", "module_types", "workloads", "campaigns", "leases", "tariffs")
    }
    if screen.json:
        odd = [{"where": w.pointer, "found": w.found, "usual": w.usual, "kind": w.kind} for w in found]
        console.show_json({"ok": True, "hash": case_hash(read), "counts": counts, "warnings": odd})
        return
    out = console.out()
    out.print(escape(text("cli.case_good", name=read.meta.name, hash=case_hash(read)[:16])))
    rows = [[text.either(f"count.{name}", name), str(number)] for name, number in counts.items() if number]
    rows.append(
        [
            text("cli.horizon"),
            f"{read.horizon.period_label(0)} – {read.horizon.period_label(read.horizon.periods - 1)}",
        ]
    )
    out.print(console.table("", [("", False), ("", True)], rows))
    if found:
        out.print(f"[yellow]{escape(text('cli.case_warnings', count=len(found)))}[/]")
    for warning in text.noted(one.message for one in found):
        out.print(escape(f"  {warning}"))


@dataclass(frozen=True)
class About:
    """What the forecast is for."""

    case: Annotated[Path | None, typer.Option(help="Cover this case's horizon, with its mapping and time zone.")] = None
    weeks: Annotated[int, typer.Option(help="Weeks ahead, where no case says so.", min=1, max=1040)] = 52
    timezone: Annotated[str, typer.Option(help="Time zone of the history, where no case says so.")] = "Asia/Shanghai"


def forecast(
    history: Annotated[Path, typer.Argument(help="Hourly demand, CSV (also .gz) or Parquet.")],
    given: Rules,
    screen: Screen,
    about: About,
    out: Annotated[Path, typer.Option(help="Where the outlook is written.")] = Path("out/outlook.zip"),
    seed: Seed = 1,
) -> None:
    """Forecast level, tide and futures of every series, and write the outlook."""
    from rich.markup import escape

    from api.cli import console
    from api.cli.growth import with_growth
    from forecasts.forecast import ForecastConfig

    text = screen.words
    config = with_growth(ForecastConfig(seed=seed), given.growth)
    if given.map and about.case is None:
        raise UsageError([Fault("--map", "rules without a case", "--map with --case")])
    with output_file(out) as fill:
        if about.case is not None:
            from api.cli.demand import outlook_of_file
            from planner.case.file import read_case

            outlook, quality = outlook_of_file(read_case(about.case), history, given, seed)
        else:
            from forecasts.forecast import make_outlook
            from forecasts.history.ceilings import name_ceilings

            read, quality = given.read(history, about.timezone)
            read = name_ceilings(read, given.named_ceilings())
            made, _report = make_outlook(read, weeks=about.weeks, config=config)
            outlook = replace(made, provenance={**made.provenance, **of_history(history)})
        fill(outlook.save)
    rows = _outlook_rows(outlook)
    if screen.json:
        console.show_json(
            {
                "outlook": out,
                "start": outlook.start.isoformat(),
                "weeks": outlook.weeks,
                "series": rows,
                "notes": list(outlook.notes),
                "quality": quality.to_json(),
                "provenance": dict(outlook.provenance),
            }
        )
        return
    shown = [
        [
            r["region"],
            r["workload"],
            text.number(r["level_first"]),
            text.number(r["level_last"]),
            text.number(r["peak_last"]),
            text.number(r["peak_last_low"]),
            text.number(r["peak_last_high"]),
            text.percent(r["growth_seen_per_year"]),
            text.percent(r["growth_used"]),
            r["unit"],
        ]
        for r in rows
    ]
    names = ["region", "workload", "level_first", "level_last", "peak_last", "peak_low", "peak_high"]
    names += ["growth_seen", "growth_used", "unit"]
    columns = [(text(f"cli.{name}"), name not in ("region", "workload", "unit")) for name in names]
    console.out().print(console.table(text("cli.outlook", weeks=outlook.weeks), columns, shown))
    # The outlook's notes begin with what was said of the history: it is said once.
    for sentence in text.noted(dict.fromkeys((*quality.sentences(), *outlook.notes))):
        console.say(f"· {sentence}")
    console.out().print(escape(text("cli.outlook_file", path=out)))


def _outlook_rows(outlook: Any) -> list[dict[str, Any]]:
    """One row a series: mean demand of the first and last week, the last week's peak with its range, and growth."""
    import numpy as np

    rows = []
    futures = outlook.futures
    growth = outlook.provenance.get("growth") or [{}] * len(outlook.series)
    for i, key in enumerate(outlook.series):
        last = futures.peak[:, i, -1]
        rows.append(
            {
                "region": key.region,
                "workload": key.workload,
                "unit": key.unit,
                "level_first": float(outlook.central.level[0, i, 0]),
                "level_last": float(outlook.central.level[0, i, -1]),
                "peak_last": float(outlook.central.peak[0, i, -1]),
                "peak_last_low": float(np.min(last)),
                "peak_last_high": float(np.max(last)),
                "growth_seen_per_year": growth[i].get("seen_per_year"),
                "growth_used": growth[i].get("next_year"),
                "growth_used_weeks": growth[i].get("weeks"),
                "growth_half_life_weeks": growth[i].get("half_life_weeks"),
            }
        )
    return rows


def backtest(
    history: Annotated[Path, typer.Argument(help="Hourly demand, CSV (also .gz) or Parquet.")],
    given: Annotated[
        Rules,
        Use(
            without=(
                "map",
                "growth",
            )
        ),
    ],
    screen: Screen,
    hours: Annotated[int, typer.Option(help="Hours ahead that are scored.", min=24, max=8736)] = 168,
    windows: Annotated[int, typer.Option(help="Most origins to forecast from.", min=1, max=1000)] = 8,
    quarters: Annotated[int, typer.Option(help="Origins a quarter apart to order from (0: none).", min=0, max=80)] = 4,
    timezone: Annotated[str, typer.Option(help="Time zone of the history.")] = "Asia/Shanghai",
) -> None:
    """Forecast from past origins and score what came; below 1, `rel` beats last week's same hour."""
    from rich.markup import escape

    from api.cli import console
    from api.cli.answers import show_grid
    from api.work.lookback_content import sentences, series_table, tables_ahead
    from forecasts.history.ceilings import name_ceilings
    from forecasts.lookback.backtest import backtest as run
    from forecasts.lookback.quarters import backtest_quarters
    from forecasts.lookback.tables import by_workload

    text = screen.words
    read, quality = given.read(history, timezone)
    read = name_ceilings(read, given.named_ceilings())
    report = run(read, hours=hours, windows=windows, name=history.name)
    ahead = backtest_quarters(read, windows=quarters) if quarters else None
    if screen.json:
        machine = {"machine": platform.machine(), "system": platform.system(), "python": platform.python_version()}
        detail = report.to_json()
        console.show_json(
            {
                "benchmark": "backtest",
                "machine": machine,
                "rows": [report.row()],
                "by_series": detail["by_series"],
                "by_workload": by_workload(report.series),
                "by_day": detail["by_day"],
                "quarters": ahead.to_json() if ahead is not None else None,
                "notes": [*report.notes, *(ahead.sentences() if ahead is not None else ()), *quality.sentences()],
            }
        )
        return
    show_grid(series_table(report.to_json()["by_series"], text, text("cli.backtest", hours=hours)))
    row = report.row()
    total = text("cli.backtest_total", rel=text.number(row["rel"] or float("nan")), series=row["series"])
    console.out().print(escape(total))
    for shown in tables_ahead(ahead.to_json(), text) if ahead is not None else []:
        show_grid(shown)
    lacked = sentences(ahead.to_json(), text) if ahead is not None else []
    for sentence in (*text.noted(report.notes), *lacked, *text.noted(quality.sentences())):
        console.say(f"· {sentence}")
