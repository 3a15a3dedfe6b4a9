"""demo and plan: from a case and its demand to a verified plan on disk."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.demand import Given
from api.cli.exits import UsageError, guarded
from api.cli.options import (
    ByHub,
    Ceilings,
    EveryHour,
    Gap,
    Growth,
    History,
    Json,
    Key,
    Language,
    Maps,
    Out,
    OutlookFile,
    Quantile,
    Reads,
    Seed,
    Server,
    Threads,
    TimeLimit,
    solve_limits,
)
from api.cli.output import command, output_folder
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
    app.command()(demo)
    app.command()(plan)


def demo(
    example: Annotated[str, typer.Option(help=f"Which bundled example: {' or '.join(EXAMPLES)}.")] = "national",
    history: History = None,
    map: Maps = None,
    reads: Reads = None,
    ceiling: Ceilings = None,
    out: Out = None,
    gap: Gap = 0.01,
    time_limit: TimeLimit = 180.0,
    quantile: Quantile = 0.8,
    seed: Seed = 1,
    threads: Threads = None,
    every_hour: EveryHour = True,
    by_hub: ByHub = False,
    language: Language = None,
    json: Json = False,
) -> None:
    """Plan a bundled example and say what to order first.

    It plans for one future, the 80 % quantile of every demand, so that it ends in minutes on two cores.
    """
    with guarded(as_json=json, language=language):
        from api.cli import console
        from api.work.bundled import example_history
        from planner.plan.plan import PLAN_FILES

        text = console.words(language)
        case = example_case(example, quantile)
        folder = out or Path("out") / "demo" / example
        with output_folder(folder, PLAN_FILES, text) as output:
            if by_hub:
                case = grouped(case, text, quiet=json)
            if history is None:
                history = example_history(example, folder)
                if not json:
                    console.say(text("cli.generated_history", path=history))
            outlook = _forecast(case, history, Given.of(map, reads, ceiling), seed, text, quiet=json)
            limits = solve_limits(time_limit, gap, seed, threads)
            _plan(case, outlook, output, limits, text, as_json=json, every_hour=every_hour)


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
    history: History = None,
    outlook: OutlookFile = None,
    map: Maps = None,
    reads: Reads = None,
    ceiling: Ceilings = None,
    growth: Growth = None,
    out: Out = None,
    gap: Gap = 0.01,
    time_limit: TimeLimit = 180.0,
    quantile: Quantile = None,
    seed: Seed = 1,
    threads: Threads = None,
    every_hour: EveryHour = True,
    server: Server = None,
    key: Key = None,
    language: Language = None,
    json: Json = False,
) -> None:
    """Plan a case from a history, an outlook or the demand that the case states, here or on a service (--server).

    Ctrl-C stops the search and keeps the best plan found so far; pressed twice, it gives up.
    """
    with guarded(as_json=json, language=language):
        from api.cli import console
        from planner.case.file import read_case
        from planner.plan.plan import PLAN_FILES

        text = console.words(language)
        with output_folder(out or Path("out") / case.stem, PLAN_FILES, text) as output:
            read = _for_quantile(read_case(case), quantile)
            if server is not None:
                from api.cli.remote import Asked, plan_there, refuse_what_stays_here

                asked = Asked(
                    read, history, tuple(reads or ()), solve_limits(time_limit, gap, seed, threads), every_hour
                )
                refuse_what_stays_here(outlook=outlook, map=map, ceiling=ceiling, growth=growth, threads=threads)
                said(plan_there(server, key, asked, output, text), output.folder, asked.limits, text, as_json=json)
                return
            ahead = outlook_given(read, history, outlook, Given.of(map, reads, ceiling, growth), seed, text, quiet=json)
            limits = solve_limits(time_limit, gap, seed, threads)
            _plan(read, ahead, output, limits, text, as_json=json, every_hour=every_hour)


def _for_quantile(case: Case, q: float | None) -> Case:
    """The case as it is, or planned for one future: the q-quantile of every demand."""
    if q is None:
        return case
    from planner.case import Quantile as OneFuture
    from planner.case import Risk

    return case.model_copy(update={"risk": Risk(objective=OneFuture(kind="quantile", q=q))})


def outlook_given(
    case: Case,
    history: Path | None,
    outlook: Path | None,
    given: Given,
    seed: int,
    text: Wording,
    *,
    quiet: bool,
    evaluation: int | None = None,
) -> Outlook | None:
    """The outlook of --history or --outlook; None when the case's own demand is meant.

    evaluation: how many futures to judge on are drawn from a history. Raises UsageError for options that do not fit.
    """
    if history is not None and outlook is not None:
        raise UsageError([Fault("--outlook", "a history, too", "one of --history, --outlook")])
    if given and history is None:
        found, allowed = "rules without a history", "--map, --read, --ceiling and --growth with --history"
        raise UsageError([Fault("--map", found, allowed)])
    if history is not None:
        return _forecast(case, history, given, seed, text, quiet=quiet, evaluation=evaluation)
    if outlook is None:
        return None
    from forecasts.outlook import Outlook

    return Outlook.load(outlook)


def _forecast(
    case: Case,
    path: Path,
    given: Given,
    seed: int,
    text: Wording,
    *,
    quiet: bool,
    evaluation: int | None = None,
) -> Outlook:
    from api.cli import console
    from api.cli.demand import outlook_of_file

    if not quiet:
        console.say(text("cli.forecasting", path=path))
    outlook, quality = outlook_of_file(case, path, given, seed, evaluation)
    if not quiet:
        sentences = text.noted(quality.sentences())
        for sentence in sentences[:MOST_REMARKS]:
            console.say(f"· {sentence}")
        if len(sentences) > MOST_REMARKS:
            console.say(text("cli.more_remarks", count=len(sentences) - MOST_REMARKS, path=path))
    return outlook


def _plan(
    case: Case,
    outlook: Outlook | None,
    output: Output,
    limits: Limits,
    text: Wording,
    *,
    as_json: bool,
    every_hour: bool,
) -> None:
    from api.cli import console
    from planner.plan.provenance import with_origin
    from planner.planning import make_plan
    from planner.planning.refine import HourlyCheck
    from planner.report.report import write_report
    from planner.report.workbook import workbook

    with stopping(text) as stop, console.Solving(text, case.meta.currency, limits.seconds).shown() as on_progress:
        check = HourlyCheck(seconds=HOURLY_CHECK_S) if every_hour else None
        found = make_plan(case, outlook=outlook, limits=limits, on_progress=on_progress, stop=stop, every_hour=check)
    found = with_origin(found, {"command": command()})

    def write(draft: Path) -> None:
        found.write(draft)
        write_report(found, draft / "report.html", text.language)
        (draft / "plan.xlsx").write_bytes(workbook(found, text.language))

    output.fill(write)
    said(found, output.folder, limits, text, as_json=as_json)


def said(found: Plan, folder: Path, limits: Limits, text: Wording, *, as_json: bool) -> None:
    """Tell of a plan that has been written into a folder."""
    from api.cli import console

    report = folder / "report.html"
    open_gap = bool(found.certificate["gap"] > limits.gap)
    if as_json:
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
        console.show_plan(found, str(folder), str(report), text, short_of_gap=open_gap)


@contextmanager
def stopping(text: Wording) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one interrupts for good."""
    from api.cli import console

    stop = threading.Event()

    def on_interrupt(_number: int, _frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        console.say(text("cli.stopping"))

    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, on_interrupt)
    except ValueError:  # not in the main thread: whoever called us handles interrupts
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
