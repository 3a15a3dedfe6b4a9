"""compare: build-ahead scenarios side by side."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import Use, command
from api.cli.demand import Source
from api.cli.exits import UsageError
from api.cli.options import TELL_EVERY_S, ByHub, Effort, Screen
from api.cli.output import command_line, output_folder
from forecasts.fault import Fault

if TYPE_CHECKING:
    from planner.compare.comparison import Comparison, Stage
    from planner.scenarios import Scenario
    from planner.words.wording import Wording


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    app.command()(command(compare))


@dataclass(frozen=True)
class Asked:
    """What is laid side by side, and judged on how much."""

    scenarios: Annotated[Path | None, typer.Option(help="Scenarios, YAML or JSON; the standard seven if left out.")] = (
        None
    )
    sweep: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST:LAST:STEP", help="Also compare a range of build-ahead ratios, such as 0.9:1.6:0.1."
        ),
    ] = None
    standard: Annotated[
        bool, typer.Option("--standard", help="The standard seven, also where the folder holds a scenarios.yaml.")
    ] = False
    futures: Annotated[
        int, typer.Option(help="Evaluation futures that all scenarios are judged on.", min=1, max=5000)
    ] = 100
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Time of plans, dispatch and values of information together, in place of --time-limit: the plans end "
            "after three quarters of it at the latest; the forecast adds to it.",
            min=0.05,
            max=1440.0,
        ),
    ] = None


def compare(
    case: Annotated[Path, typer.Argument(help="Case file, YAML or JSON, or a folder of an example.")],
    given: Annotated[Source, Use(without=("growth",))],
    effort: Effort,
    screen: Screen,
    asked: Asked,
    by_hub: ByHub = False,
    out: Annotated[Path | None, typer.Option(help="Folder for comparison.json, tables and report.html.")] = None,
) -> None:
    """Lay build-ahead scenarios side by side: what each costs, leaves unserved and leaves idle.

    The time limit holds for each plan, made side by side on one thread each. Finished work is kept in the folder: a
    comparison that was cut off goes on where it was. A folder stands for its case.yaml, with history.csv and
    scenarios.yaml beside it where they are.
    """
    from api.cli import console
    from api.cli.plans import grouped, outlook_given
    from api.cli.stopping import stopping
    from api.work.bundled import beside
    from planner.case.file import read_case
    from planner.compare.comparison import COMPARISON_FILES, Comparing
    from planner.compare.comparison import compare as run
    from planner.planning import settle_demand
    from planner.report.comparison import overview, write_comparison_report
    from planner.scenarios import pose, read_scenarios, standard_scenarios, with_sweep

    text = screen.words
    folder = out or Path("out") / f"{case.resolve().name if case.is_dir() else case.stem}-comparison"
    with output_folder(folder, COMPARISON_FILES, text) as output:
        found_at = beside(case, folder, history=given.history is None and given.outlook is None)
        read = read_case(found_at.case)
        if by_hub:
            read = grouped(read, text, quiet=screen.json)
        if asked.standard and asked.scenarios is not None:
            raise UsageError([Fault("--standard", "--scenarios, too", "one of the two")])
        listed = None if asked.standard else asked.scenarios or found_at.scenarios
        wanted = with_sweep(standard_scenarios() if listed is None else read_scenarios(listed), _sweep(asked.sweep))
        pose(read, wanted)  # every fault of the scenarios is said before a forecast is made
        source = replace(given, history=given.history or found_at.history)
        ahead = outlook_given(read, source, effort.seed, screen, evaluation=asked.futures)
        with stopping(text) as stop:
            found = run(
                read,
                ahead if ahead is not None else settle_demand(read)[1],
                wanted,
                Comparing(
                    limits=effort.limits,
                    evaluation_futures=asked.futures if ahead is not None else None,
                    folder=folder / "work",
                    budget_seconds=None if asked.budget is None else 60 * asked.budget,
                ),
                on_progress=_stage_teller(text),
                stop=stop,
            )
        found = found.with_origin({"command": command_line()})
        periods = [read.horizon.period_label(t) for t in range(read.horizon.periods)]

        def write(draft: Path) -> None:
            found.write(draft)
            write_comparison_report(found, draft / "report.html", periods, text)

        output.fill(write)
    report = folder / "report.html"
    if screen.json:
        files = {"folder": folder, "tables": folder / "tables", "report": report}
        rows = overview(found).to_dict("records")
        console.show_json({"summary": found.summary, "scenarios": rows, "files": files})
        return
    _show(found, wanted, text)
    console.out().print(text("compare.files", folder=folder), markup=False)
    console.out().print(text("cli.report", report=report), markup=False, style="bold")


def _show(found: Comparison, wanted: list[Scenario], text: Wording) -> None:
    """The verdict, the scenarios side by side, what the future is worth knowing, and what rules could not do."""
    from api.cli import console
    from api.cli.answers import show_table
    from planner.report.comparison import information_sentences, overview, overview_title

    screen = console.out()
    screen.print()
    for sentence in found.summary["verdict"][text.language]:
        screen.print(sentence, markup=False, style="bold")
    show_table(overview(found, text), overview_title(found, text), text)
    knee = found.summary["choices"].get("knee")
    if knee is not None:
        names = {one.id: text.name(one.names) for one in wanted}
        screen.print(text("compare.knee", scenario=names[knee]), markup=False)
    for sentence in information_sentences(found, text):
        screen.print(sentence, markup=False)
    for row in found.tables["scenarios"].to_dict("records"):
        if row["note"]:
            console.say(f"· {row['scenario']}: {row['note_zh' if text.chinese else 'note']}")


def _sweep(text: str | None) -> Any:
    from planner.scenarios import sweep_from

    if text is None:
        return None
    try:
        return sweep_from(text)
    except ValueError as error:
        raise UsageError([Fault("--sweep", text, str(error))]) from error


def _stage_teller(text: Wording) -> Any:
    from api.cli import console

    told: dict[str, tuple[float, int]] = {}

    def tell(stage: Stage) -> None:
        # scenarios that are dispatched together are one line, plans one each
        key, now = stage.phase if stage.phase == "evaluate" else f"{stage.phase} {stage.scenario}", time.monotonic()
        last, done = told.get(key, (-TELL_EVERY_S, -1))
        if stage.done != done and (stage.done == stage.total or now - last >= TELL_EVERY_S):
            told[key] = (now, stage.done)
            phase = text.either(f"compare.phase.{stage.phase}", stage.phase)
            who = text("compare.all_plans") if stage.phase == "evaluate" else stage.scenario
            console.say(f"{who}: {phase} {stage.done}/{stage.total}")

    return tell
