"""history: read what people have, say what it is worth, and write it as a clean long table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import Use, command
from api.cli.demand import Rules
from api.cli.exits import UsageError
from api.cli.options import Screen
from forecasts.fault import Fault

if TYPE_CHECKING:
    import pandas as pd

    from forecasts.history import History
    from forecasts.history.quality import QualityReport
    from planner.words.wording import Wording

MOST_SHOWN = 40
"""Series in the table on the screen; --json and --out have every one."""


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    app.command()(command(history))


def history(
    file: Annotated[
        Path, typer.Argument(help="A history in any format that docs/histories.md names; told apart by content.")
    ],
    given: Annotated[Rules, Use(without=("growth",))],
    screen: Screen,
    out: Annotated[
        Path | None, typer.Option(help="Where the clean long table is written: .csv, .csv.gz or .parquet.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw every series into this SVG file.", metavar="SVG")] = None,
    case: Annotated[Path | None, typer.Option(help="Lay the series onto this case's regions and workloads.")] = None,
    timezone: Annotated[str, typer.Option(help="Time zone of the history, where no case says so.")] = "Asia/Shanghai",
) -> None:
    """Read a history, say what it is worth, and write it as a clean long table."""
    from rich.markup import escape

    from api.cli import console

    text = screen.words
    _check(out, picture, given, case)
    read, quality, notes = _read(file, case, given, timezone)
    if out is not None:
        _write(long_table(read), out)
    if picture is not None:
        from api.cli.history_picture import draw

        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(draw(read, text), encoding="utf-8")
    rows = summary(read)
    if screen.json:
        files = {"table": out, "picture": picture}
        console.show_json({"series": rows, "quality": quality.to_json(), "notes": notes, "files": files})
        return
    names = ("region", "workload", "unit", "first", "last", "hours", "mean", "highest")
    shown = [[_cell(row[name], text) for name in names] for row in rows[:MOST_SHOWN]]
    columns = [(text(f"cli.history_{name}"), name in ("hours", "mean", "highest")) for name in names]
    title = text("cli.history_title", file=file.name, series=len(rows))
    console.out().print(console.table(title, columns, shown))
    for sentence in text.noted(notes):
        console.say(f"· {sentence}")
    for path in (out, picture):
        if path is not None:
            console.out().print(escape(text("cli.history_written", path=path)))


def _check(out: Path | None, picture: Path | None, given: Rules, case: Path | None) -> None:
    faults = []
    if out is not None and not str(out).endswith((".csv", ".csv.gz", ".parquet")):
        faults.append(Fault("--out", str(out), "a name that ends in .csv, .csv.gz or .parquet"))
    if picture is not None and picture.suffix != ".svg":
        faults.append(Fault("--picture", str(picture), "a name that ends in .svg"))
    if given.map and case is None:
        faults.append(Fault("--map", "rules without a case", "--map with --case"))
    if faults:
        raise UsageError(faults)


def _read(file: Path, case: Path | None, given: Rules, timezone: str) -> tuple[History, QualityReport, list[str]]:
    """The history, what it is worth, and the sentences on both."""
    from forecasts.history.ceilings import name_ceilings

    if case is None:
        read, quality = given.read(file, timezone)
        final = name_ceilings(read, given.named_ceilings())
    else:
        from api.work.intake import mapped
        from planner.case.file import read_case

        about = read_case(case)
        rules, ceilings = given.rules(), given.named_ceilings()
        read, quality = given.read(file, about.meta.timezone, about)
        final = mapped(about, read, rules=rules, ceilings=ceilings)
    said = set(read.notes)
    return final, quality, [*quality.sentences(), *(note for note in final.notes if note not in said)]


def summary(read: History) -> list[dict[str, Any]]:
    """One row a series: what it is, first and last measured hour, how many, their mean and highest, cut-off hours."""
    import numpy as np

    rows = []
    for i, key in enumerate(read.series):
        known = np.flatnonzero(np.isfinite(read.values[i]))
        values = read.values[i][known]
        rows.append(
            {
                "region": key.region,
                "workload": key.workload,
                "unit": key.unit,
                "first": str(read.index[known[0]]) if known.size else None,
                "last": str(read.index[known[-1]]) if known.size else None,
                "hours": int(known.size),
                "mean": float(values.mean()) if known.size else None,
                "highest": float(values.max()) if known.size else None,
                "cut_off": int(read.censored[i].sum()),
            }
        )
    return rows


def long_table(read: History) -> pd.DataFrame:
    """Measured hours: timestamp (local), region and workload (or series, where no region is named), value, unit."""
    import numpy as np
    import pandas as pd

    row, hour = np.nonzero(np.isfinite(read.values))
    regions = np.array([key.region for key in read.series], dtype=object)
    workloads = np.array([key.workload for key in read.series], dtype=object)
    units = np.array([key.unit for key in read.series], dtype=object)
    named = (
        {"series": workloads[row]} if set(regions) == {"all"} else {"region": regions[row], "workload": workloads[row]}
    )
    table = {"timestamp": read.index[hour], **named, "value": read.values[row, hour]}
    if any(units):
        table["unit"] = units[row]
    return pd.DataFrame(table)


def _write(table: pd.DataFrame, out: Path) -> None:
    """Whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    try:
        if out.suffix == ".parquet":
            table.to_parquet(partial, index=False)
        else:
            table.to_csv(partial, index=False, compression="gzip" if out.suffix == ".gz" else None)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _cell(value: Any, text: Wording) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value[:16]
    return text.number(value) if isinstance(value, float) else f"{value:,}"
