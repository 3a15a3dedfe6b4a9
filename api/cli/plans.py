"""demo and plan: from a case and its demand to a verified plan on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.command import Use, command
from api.cli.demand import Rules, Source
from api.cli.exits import UsageError
from api.cli.options import ByHub, Effort, EveryHour, Out, Quantile, Remote, Screen
from api.cli.output import command_line, output_folder
from forecasts.fault import Fault

if TYPE_CHECKING:
    from forecasts.outlook import Outlook
    from planner.case import Case
    from planner.plan import Plan
    from planner.plan.folders import Output
    from planner.solve.limits import Limits
    from planner.words.wording import Wording

MOST_REMARKS = 6
"""Remarks on a history that are shown; `tideplan forecast` shows all."""

HOURLY_CHECK_S = 60.0
"""What the replays of the check of every hour may take beside the solves, which have their own limit."""

EXAMPLES = ("national", "tiny")


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    app.command()(command(demo))
    app.command()(command(plan))


@dataclass(frozen=True)
class How:
    """What kind of plan it is to be."""

    quantile: Quantile = None
    every_hour: EveryHour = True


def demo(
    given: Annotated[Source, Use(without=("outlook", "growth"))],
    how: Annotated[How, Use(quantile=0.8)],
    effort: Annotated[Effort, Use(time_limit=180.0)],
    screen: Screen,
    example: Annotated[str, typer.Option(help=f"Which bundled example: {' or '.join(EXAMPLES)}.")] = "national",
    out: Out = None,
    by_hub: ByHub = False,
) -> None:
    """Plan a bundled example and say what to order first.

    It plans for one future, the 80 % quantile of every demand, so that it ends in minutes on two cores.
    """
    from api.cli import console
    from api.work.bundled import example_history
    from planner.plan.plan import PLAN_FILES

    text = screen.words
    case = example_case(example, how.quantile)
    folder = out or Path("out") / "demo" / example
    with output_folder(folder, PLAN_FILES, text) as output:
        if by_hub:
            case = grouped(case, text, quiet=screen.json)
        if given.history is None:
            given = replace(given, history=example_history(example, folder))
            if not screen.json:
                console.say(text("cli.generated_history", path=given.history))
        outlook = outlook_given(case, given, effort.seed, screen)
        _plan(case, outlook, output, effort.limits, screen, every_hour=how.every_hour)


def example_case(name: str, quantile: float | None) -> Case:
    """A bundled example's case, for one future where a quantile is given. Raises UsageError for other names."""
    from api.work.bundled import example_folder
    from planner.case.file import read_case

    if name not in EXAMPLES:
        raise UsageError([Fault("--example", name, ", ".join(EXAMPLES))])
    return _for_quantile(read_case(example_folder(name) / "case.yaml"), quantile)


def grouped(case: Case, text: Wording, *, quiet: bool) -> Case:
    """The national case with its regions taken together by hub, and a line that says so."""
    from api.cli import console
    from planner.case.grouping import grouped_by_hub

    smaller, group = grouped_by_hub(case)
    if not quiet:
        console.say(text("cli.grouped", regions=len(group), groups=len(smaller.regions)))
    return smaller


def plan(
    case: Annotated[Path, typer.Argument(help="Case file, YAML or JSON.")],
    given: Source,
    how: How,
    effort: Annotated[Effort, Use(time_limit=180.0)],
    remote: Remote,
    screen: Screen,
    out: Out = None,
) -> None:
    """Plan a case from a history, an outlook or the demand that the case states, here or on a service (--server).

    Ctrl-C stops the search and keeps the best plan found so far; pressed twice, it gives up.
    """
    from planner.case.file import read_case
    from planner.plan.plan import PLAN_FILES

    with output_folder(out or Path("out") / case.stem, PLAN_FILES, screen.words) as output:
        read = _for_quantile(read_case(case), how.quantile)
        if remote.server is not None:
            from api.cli.remote import Asked, plan_there, refuse_what_stays_here

            asked = Asked(read, given.history, tuple(given.reads or ()), effort.limits, how.every_hour)
            here = {name: getattr(given, name) for name in ("outlook", "map", "ceiling", "growth")}
            refuse_what_stays_here(**here, threads=effort.threads)
            there = plan_there(remote.server, remote.key, asked, output, screen.words)
            said(there, output.folder, asked.limits, screen)
            return
        ahead = outlook_given(read, given, effort.seed, screen)
        _plan(read, ahead, output, effort.limits, screen, every_hour=how.every_hour)


def _for_quantile(case: Case, q: float | None) -> Case:
    """The case as it is, or planned for one future: the q-quantile of every demand."""
    if q is None:
        return case
    from planner.case import Quantile as OneFuture
    from planner.case import Risk

    return case.model_copy(update={"risk": Risk(objective=OneFuture(kind="quantile", q=q))})


def outlook_given(
    case: Case, given: Source, seed: int, screen: Screen, *, evaluation: int | None = None
) -> Outlook | None:
    """The outlook of --history or --outlook; None when the case's own demand is meant.

    evaluation: how many futures to judge on are drawn from a history. Raises UsageError for options that do not fit.
    """
    if given.history is not None and given.outlook is not None:
        raise UsageError([Fault("--outlook", "a history, too", "one of --history, --outlook")])
    if given.any and given.history is None:
        found, allowed = "rules without a history", "--map, --read, --ceiling and --growth with --history"
        raise UsageError([Fault("--map", found, allowed)])
    if given.history is not None:
        return _forecast(case, given.history, given, seed, screen, evaluation)
    if given.outlook is None:
        return None
    from forecasts.outlook import Outlook

    return Outlook.load(given.outlook)


def _forecast(case: Case, path: Path, given: Rules, seed: int, screen: Screen, evaluation: int | None) -> Outlook:
    from api.cli import console
    from api.cli.demand import outlook_of_file

    text = screen.words
    if not screen.json:
        console.say(text("cli.forecasting", path=path))
    outlook, quality = outlook_of_file(case, path, given, seed, evaluation)
    if not screen.json:
        sentences = text.noted(quality.sentences())
        for sentence in sentences[:MOST_REMARKS]:
            console.say(f"· {sentence}")
        if len(sentences) > MOST_REMARKS:
            console.say(text("cli.more_remarks", count=len(sentences) - MOST_REMARKS, path=path))
    return outlook


def _plan(
    case: Case, outlook: Outlook | None, output: Output, limits: Limits, screen: Screen, *, every_hour: bool
) -> None:
    from api.cli import console
    from api.cli.stopping import stopping
    from planner.plan.provenance import with_origin
    from planner.planning import make_plan
    from planner.planning.refine import HourlyCheck
    from planner.report.report import write_report
    from planner.report.workbook import workbook

    text = screen.words
    with stopping(text) as stop, console.Solving(text, case.meta.currency, limits.seconds).shown() as on_progress:
        check = HourlyCheck(seconds=HOURLY_CHECK_S) if every_hour else None
        found = make_plan(case, outlook=outlook, limits=limits, on_progress=on_progress, stop=stop, every_hour=check)
    found = with_origin(found, {"command": command_line()})

    def write(draft: Path) -> None:
        found.write(draft)
        write_report(found, draft / "report.html", text.language)
        (draft / "plan.xlsx").write_bytes(workbook(found, text.language))

    output.fill(write)
    said(found, output.folder, limits, screen)


def said(found: Plan, folder: Path, limits: Limits, screen: Screen) -> None:
    """Tell of a plan that has been written into a folder."""
    from api.cli import console

    report = folder / "report.html"
    open_gap = bool(found.certificate["gap"] > limits.gap)
    if screen.json:
        console.show_json(
            {
                "summary": found.summary,
                "certificate": found.certificate,
                "gap_reached": not open_gap,
                "checks": {"count": len(found.checks), "ok": all(check["ok"] for check in found.checks)},
                "warnings": list(found.warnings),
                "files": {
                    "folder": folder,
                    "report": report,
                    "workbook": folder / "plan.xlsx",
                    "plan": folder / "plan.json",
                    "tables": folder / "tables",
                },
            }
        )
    else:
        console.show_plan(found, str(folder), str(report), screen.words, short_of_gap=open_gap)
