"""Options that several commands share, and those that go together as one parameter (see `api.cli.command`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.ranges import Within

if TYPE_CHECKING:
    from planner.solve.limits import Limits
    from planner.words.wording import Wording

LONGEST_S = 7 * 86400.0
"""A week: the longest that anything may be asked to solve, here and over the API."""

TELL_EVERY_S = 5.0
"""How often a long step says how far it is."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Language = Annotated[
    str | None, typer.Option(help="en or zh-CN; else TIDEPLAN_LANGUAGE, LC_ALL, LC_MESSAGES or LANG.", metavar="TAG")
]
Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="RULE",
        help="How a series becomes demand: 'SERIES=WORKLOAD@REGION*SCALE'. SERIES may hold * and ?; SCALE is the "
        "workload's units per unit of the series (*1 when they are one). Several regions with shares that add up to 1: "
        "'@east:0.6,west:0.4'; with weights, which are scaled to add up to 1: '@~east:3,west:2'. Replaces the case's "
        "history_mapping; may be given several times.",
    ),
]
Growth = Annotated[
    list[str] | None,
    typer.Option(
        "--growth",
        metavar="RULE",
        help="What is believed about growth: '0.3' is +30 % a year (median), with ',sigma=0.3' for its spread, "
        "',half-life=1' (years) for how fast growth that only the history shows fades and ',doubt=0.05' for the spread "
        "that no history takes away. 'WORKLOAD=0.3,...' holds for one workload; may be given several times.",
    ),
]
Reads = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="KEY=VALUE",
        help="What the history's file leaves open: no-row=zero, same-moment=sum|mean, rate|amount|gauge=SERIES, "
        "decimal=,|., began=DATE, sheet=NAME, timestamp|value|series|region|workload|unit=COLUMN, suspect=keep; may be "
        "given several times.",
    ),
]
Ceilings = Annotated[
    list[str] | None,
    typer.Option(
        "--ceiling",
        metavar="RULE",
        help="Where a series shows what was served and demand was cut off: 'SERIES=NUMBER', 'SERIES=capacity:OTHER' or "
        "'SERIES=unserved:OTHER' (rejected or queued work); may be given several times.",
    ),
]
Seed = Annotated[int, Within(0, 2**31 - 1), typer.Option(help="Seed of every random draw.")]
Gap = Annotated[
    float,
    Within(0, 1, below=True),
    typer.Option(help="Stop when the plan is proven this close to the best (0.01 is 1 %)."),
]
TimeLimit = Annotated[
    float,
    Within(0, LONGEST_S, above=True),
    typer.Option(help="Stop after so many seconds of solving with the best plan so far."),
]
Threads = Annotated[
    int | None,
    Within(1, 1024),
    typer.Option(help="Solver threads and worker processes together; all cores if left out."),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for plan.json, tables, report.html and plan.xlsx.", metavar="DIR")
]
Quantile = Annotated[
    float | None,
    typer.Option(
        help="Plan for one future, this quantile of every demand, in place of the case's risk objective (0.5 to 0.99).",
        min=0.5,
        max=0.99,
    ),
]
History = Annotated[
    Path | None, typer.Option(help="Hourly demand, CSV (also .gz) or Parquet: timestamp, region, workload, value.")
]
OutlookFile = Annotated[
    Path | None, typer.Option("--outlook", help="An outlook that `tideplan forecast` wrote.", metavar="FILE")
]
EveryHour = Annotated[
    bool,
    typer.Option(
        help="With an outlook: dispatch every hour under the plan's orders, and add days that typical days missed."
    ),
]
ByHub = Annotated[
    bool, typer.Option("--by-hub", help="Take regions together by the nearest hub: a smaller case, solved sooner.")
]
Server = Annotated[
    str | None,
    typer.Option(help="Let this service do it (TIDEPLAN_SERVER).", metavar="URL", envvar="TIDEPLAN_SERVER"),
]
Key = Annotated[
    str | None, typer.Option(help="API key for --server (TIDEPLAN_KEY).", metavar="KEY", envvar="TIDEPLAN_KEY")
]
PlanFolder = Annotated[Path, typer.Argument(help="Folder that `tideplan plan --out` wrote.", metavar="PLAN_FOLDER")]


@dataclass(frozen=True)
class Effort:
    """How long, how close and on what to solve."""

    gap: Gap = 0.01
    time_limit: TimeLimit = 60.0
    seed: Seed = 1
    threads: Threads = None

    @property
    def limits(self) -> Limits:
        """The same as the solver takes it."""
        from planner.solve.limits import Limits

        return Limits(
            seconds=self.time_limit, gap=self.gap, seed=self.seed, threads=self.threads or os.cpu_count() or 1
        )


@dataclass(frozen=True)
class Screen:
    """How a command speaks: in which language, and whether to people or as one JSON object."""

    language: Language = None
    json: Json = False

    @property
    def words(self) -> Wording:
        """The words of that language."""
        from api.cli import console

        return console.words(self.language)


@dataclass(frozen=True)
class Remote:
    """A service that does the work in place of this machine."""

    server: Server = None
    key: Key = None
