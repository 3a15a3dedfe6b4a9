"""replay, why-not, what-if, alternatives, sensitivity and explain: what an operator asks about a plan."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import Use, command
from api.cli.exits import Exit, UsageError
from api.cli.options import TELL_EVERY_S, Effort, PlanFolder, Screen
from api.cli.output import output_folder, output_or_none
from forecasts.fault import Fault

if TYPE_CHECKING:
    from planner.case import Case
    from planner.plan import Plan
    from planner.words.wording import Wording

QUALITIES = ("fewest_sites", "most_domestic", "least_carbon")


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    for one in (replay, why_not, what_if, alternatives, sensitivity, explain, headroom):
        app.command(one.__name__.replace("_", "-"))(command(one))


def replay(
    plan_folder: PlanFolder,
    demand: Annotated[
        Path, typer.Argument(help="Hourly demand, CSV (also .gz) or Parquet: timestamp, region, workload, value.")
    ],
    screen: Screen,
    future: Annotated[
        int | None,
        typer.Option(
            help="Whose late orders to take, where the plan has some; the likeliest if left out.", min=0, max=9999
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables, hour by hour.", metavar="DIR")] = None,
) -> None:
    """Dispatch a demand hour by hour under a plan's orders: what is served, what not, what it costs."""
    from api.cli import console
    from api.cli.answers import show_replay
    from api.work.replay import read_table, replay_summary, replayed_future, save_tables
    from planner.plan import Plan
    from planner.replay import from_table
    from planner.replay import replay as run
    from planner.replay.accounts import REPLAY_TABLES

    text = screen.words
    names = [f"{table}.{kind}" for table in REPLAY_TABLES for kind in ("parquet", "csv")]
    with output_or_none(out, names, text) as output:
        plan = Plan.load(plan_folder)
        course = from_table(plan.case, read_table(demand))
        chosen = replayed_future(plan, future)
        found = run(plan.case, plan.tables, course, future=chosen, on_progress=_day_teller(text))
        if output is not None:
            output.fill(lambda draft: save_tables(found.tables, draft))
    if screen.json:
        console.show_json({**replay_summary(plan, found, chosen), "tables": out})
        return
    show_replay(plan, found, text)
    if out is not None:
        console.out().print(text("ask.tables", folder=out), markup=False)


@dataclass(frozen=True)
class Orders:
    """Which orders, and how many modules of them."""

    site: Annotated[str | None, typer.Option(help="Site of the orders; any if left out.")] = None
    type: Annotated[str | None, typer.Option(help="Module type of the orders; any if left out.")] = None
    modules: Annotated[int, typer.Option(help="How many modules.", min=0, max=10**7)] = 1
    period: Annotated[
        str | None, typer.Option(help="Period of arrival, such as 2027Q3 or 2 (the first is 0); any if left out.")
    ] = None
    at_most: Annotated[bool, typer.Option("--at-most", help="Ask for no more than so many, not for so many.")] = False
    leaving: Annotated[
        bool, typer.Option("--leaving", help="Ask about modules of the fleet that leave early, not about orders.")
    ] = False


def why_not(plan_folder: PlanFolder, orders: Orders, effort: Effort, screen: Screen) -> None:
    """Solve again with some orders, or modules that leave, forced (or held down) and say what that costs."""
    from planner.plan import Plan

    plan = Plan.load(plan_folder)
    asked = {
        "site": orders.site,
        "module_type": orders.type,
        "period": _period(plan.case, orders.period),
        "sense": "at_most" if orders.at_most else "at_least",
        "modules": orders.modules,
        "decision": "departures" if orders.leaving else "orders",
    }
    _answer(plan, "why_not", asked, effort, screen)


def what_if(
    plan_folder: PlanFolder,
    effort: Effort,
    screen: Screen,
    lever: Annotated[
        list[str] | None,
        typer.Option(
            "--lever",
            metavar="LEVER",
            help="A changed assumption: 'tariff:factor=1.2', 'vendor_cut_off:vendor=V,start=2027Q3', "
            "'lead_time:periods=1,module_types=A+B', '21 EFLOPS by 2028Q4' …; may be given several times.",
        ),
    ] = None,
    patch: Annotated[
        Path | None, typer.Option(help="A JSON merge patch on the case, YAML or JSON, for everything else.")
    ] = None,
    demand: Annotated[float, typer.Option(help="All demand times this factor.", min=0.0, max=100.0)] = 1.0,
    growth: Annotated[float, typer.Option(help="Demand's growth times this factor.", min=-2.0, max=5.0)] = 1.0,
) -> None:
    """Make the plan again in a changed world, on its own demand, and say what that changes."""
    from planner.plan import Plan

    plan = Plan.load(plan_folder)
    asked = {
        "levers": _levers(lever),
        "overrides": {} if patch is None else _patch(patch),
        "demand": {"multiplier": demand, "growth": growth},
    }
    if not asked["levers"] and not asked["overrides"] and demand == growth == 1.0:
        allowed = "--lever, --patch, --demand or --growth"
        raise UsageError([Fault("what-if", "nothing that differs", allowed)])
    _answer(plan, "what_if", asked, effort, screen)


def alternatives(
    plan_folder: PlanFolder,
    effort: Effort,
    screen: Screen,
    quality: Annotated[
        list[str] | None,
        typer.Option("--quality", help=f"Which to look for, of {', '.join(QUALITIES)}; all if left out."),
    ] = None,
    epsilon: Annotated[float, typer.Option(help="How much dearer they may be (0.02 is 2 %).", min=0.0, max=1.0)] = 0.02,
    tries: Annotated[int, typer.Option(help="Plans tried for each quality.", min=1, max=20)] = 3,
) -> None:
    """Plans that cost nearly as little and differ most: fewest sites, most domestic, least carbon.

    The time limit holds for each plan that is tried.
    """
    from planner.plan import Plan

    plan = Plan.load(plan_folder)
    asked = {"qualities": _known("--quality", quality, QUALITIES), "epsilon": epsilon, "tries": tries}
    _answer(plan, "alternatives", asked, effort, screen)


def sensitivity(
    plan_folder: PlanFolder,
    effort: Annotated[Effort, Use(time_limit=30.0)],
    screen: Screen,
    factor: Annotated[
        list[str] | None,
        typer.Option("--factor", help="Only this assumption, such as demand or lead_time; may be given several times."),
    ] = None,
) -> None:
    """What would change the answer: one assumption at a time, the plan made again, the first orders set beside.

    The time limit holds for each solve.
    """
    from planner.explain.sensitivity import usual_variations
    from planner.plan import Plan

    plan = Plan.load(plan_folder)
    known = tuple(dict.fromkeys(one.factor for one in usual_variations(plan)))
    _answer(plan, "sensitivity", {"factors": _known("--factor", factor, known)}, effort, screen)


def headroom(plan_folder: PlanFolder, effort: Effort, screen: Screen) -> None:
    """Until when what stands lasts without any order: by workload and region, in the plan's futures."""
    from planner.plan import Plan

    _answer(Plan.load(plan_folder), "headroom", {}, effort, screen)


def explain(
    plan_folder: PlanFolder,
    effort: Effort,
    screen: Screen,
    filling: Annotated[
        bool, typer.Option("--filling", help="Also solve again without filling valleys: modules avoided.")
    ] = False,
    resilience: Annotated[
        bool, typer.Option("--resilience", help="Also solve again with (or without) surviving a lost site: its cost.")
    ] = False,
) -> None:
    """Say what a plan's limits are worth and what drives every order."""
    from api.cli import answers, console
    from api.cli.stopping import stopping
    from planner.explain.explanation import explained
    from planner.plan import Plan
    from planner.report.report import write_report

    plan, text = Plan.load(plan_folder), screen.words
    with stopping(text) as stop:
        found = explained(plan, filling=filling, resilience=resilience, limits=effort.limits, stop=stop)
    with output_folder(plan_folder, (), text) as output:
        output.fill(lambda draft: write_report(plan, draft / "report.html", text.language, explanation=found))
    report = plan_folder / "report.html"
    if screen.json:
        console.show_json(found.to_json() | {"report": report})
        return
    if found.prices is not None:
        answers.show_prices(found.prices, text)
    answers.show_drivers(plan, found.drivers, text)
    for sentence in found.departures["sentence_zh" if text.chinese else "sentence"]:
        console.out().print(sentence, markup=False)
    solved = [] if found.filling is None else [found.filling.sentence(text, plan.case.meta.currency)]
    if resilience:
        lost = found.resilience
        solved.append(text("ask.resilience_none") if lost is None else lost.sentence(text, plan.case))
    for sentence in solved:
        console.out().print(sentence, markup=False, style="bold")
    console.out().print(text("cli.report", report=report), markup=False, style="bold")


# --- small steps -----------------------------------------------------------------------------------------------------


def _answer(plan: Plan, kind: str, asked: dict[str, Any], effort: Effort, screen: Screen) -> None:
    """Solve again and say what changes; exit code 3 where no such plan exists."""
    from api.cli import console
    from api.cli.answers import show_answer
    from api.cli.stopping import stopping
    from api.work.questions import How, answered

    text = screen.words

    def solved(_what: str, done: int, total: int) -> None:
        if done and not screen.json:
            console.say(text("ask.solved", done=done, total=total))

    progress = console.Solving(text, plan.case.meta.currency, effort.time_limit)
    one_solve = kind in ("why_not", "what_if")
    with stopping(text) as stop, progress.shown() if one_solve else nullcontext() as on_progress:
        found = answered(plan, kind, asked, How(effort.limits, stop, on_progress, solved))
    if screen.json:
        console.show_json(found)
    else:
        show_answer(kind, found, plan, text)
    if not found.get("possible", True):
        raise typer.Exit(int(Exit.infeasible))


def _known(option: str, given: list[str] | None, known: tuple[str, ...]) -> list[str]:
    """What was asked for, or all that is known. Raises UsageError with everything else."""
    odd = [one for one in given or () if one not in known]
    if odd:
        raise UsageError([Fault(option, one, ", ".join(known)) for one in odd])
    return given or list(known)


def _levers(lines: list[str] | None) -> list[dict[str, Any]]:
    """The levers of `--lever`, as documents. Raises UsageError with every fault."""
    from planner.scenarios.levers import lever_from

    out: list[dict[str, Any]] = []
    faults = []
    for line in lines or ():
        try:
            out.append(lever_from(line).model_dump(mode="json"))
        except ValueError as error:
            found, _, allowed = str(error).removeprefix("found ").partition("; ")
            faults.append(Fault("--lever", found, allowed.removeprefix("allowed: ")))
    if faults:
        raise UsageError(faults)
    return out


def _patch(path: Path) -> dict[str, Any]:
    from planner.case.document import DocumentError, read_document

    try:
        found = read_document(path)
    except DocumentError as error:
        raise UsageError([Fault("--patch", f.found, f.allowed) for f in error.faults]) from error
    if not isinstance(found, dict):
        raise UsageError([Fault("--patch", str(found)[:200], "a YAML or JSON mapping")])
    return found


def _period(case: Case, asked: str | None) -> int | None:
    """The number of a period given by label or number. Raises UsageError for one that the horizon does not have."""
    if asked is None:
        return None
    labels = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    numbers = {label.lower(): t for t, label in enumerate(labels)} | {str(t): t for t in range(len(labels))}
    if asked.lower() not in numbers:
        allowed = f"{labels[0]} to {labels[-1]}, or 0 to {len(labels) - 1}"
        raise UsageError([Fault("--period", asked, allowed)])
    return numbers[asked.lower()]


def _day_teller(text: Wording) -> Any:
    from api.cli import console

    last = [time.monotonic()]

    def tell(done: int, total: int) -> None:
        if time.monotonic() - last[0] >= TELL_EVERY_S:
            last[0] = time.monotonic()
            console.say(text("ask.day", done=done, total=total))

    return tell
