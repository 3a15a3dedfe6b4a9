"""compare, replay, why-not and explain: what an operator asks before and after a plan."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.exits import Exit, UsageError, guarded
from api.cli.options import Gap, History, Json, Language, Maps, OutlookFile, Seed, Threads, TimeLimit

if TYPE_CHECKING:
    import pandas as pd

    from planner.case import Case
    from planner.comparison import Stage
    from planner.explain.what_if import Change, Filling
    from planner.plan import Plan
    from planner.replay import ReplayResult
    from planner.solve.limits import Limits
    from planner.wording import Wording

PlanFolder = Annotated[Path, typer.Argument(help="Folder that `tideplan plan --out` wrote.", metavar="PLAN_FOLDER")]
_TELL_EVERY_S = 5.0


def register(app: typer.Typer) -> None:
    app.command()(compare)
    app.command()(replay)
    app.command(name="why-not")(why_not)
    app.command()(explain)


def compare(
    case: Annotated[Path, typer.Argument(help="Case file, YAML or JSON.")],
    history: History = None,
    outlook: OutlookFile = None,
    map: Maps = None,
    scenarios: Annotated[
        Path | None, typer.Option(help="Scenarios, YAML or JSON; the standard seven if left out.")
    ] = None,
    futures: Annotated[int, typer.Option(help="Evaluation futures that all scenarios are judged on.", min=1)] = 100,
    out: Annotated[Path | None, typer.Option(help="Folder for comparison.json, tables and report.html.")] = None,
    gap: Gap = 0.01,
    time_limit: TimeLimit = 60.0,
    seed: Seed = 1,
    threads: Threads = None,
    language: Language = None,
    json: Json = False,
) -> None:
    """Lay build-ahead scenarios side by side: what each costs, leaves unserved and leaves idle.

    The time limit holds for each plan. Finished work is kept in the folder: a comparison that was cut off goes on
    where it was.
    """
    with guarded(as_json=json, language=language):
        from api import console
        from api.cli.plans import outlook_given, stopping
        from api.comparison_report import overview, overview_title, write_comparison_report
        from planner.casefile import read_case
        from planner.comparison import compare as run
        from planner.planning import settle_demand
        from planner.scenarios import pose, read_scenarios, standard_scenarios

        text = console.words(language)
        read = read_case(case)
        wanted = standard_scenarios() if scenarios is None else read_scenarios(scenarios)
        pose(read, wanted)  # every fault of the scenarios is said before a forecast is made
        ahead = outlook_given(read, history, outlook, map, seed, text, quiet=json, evaluation=futures)
        folder = out or Path("out") / f"{case.stem}-comparison"
        with stopping(text) as stop:
            found = run(
                read,
                ahead if ahead is not None else settle_demand(read)[1],
                wanted,
                limits=_limits(time_limit, gap, seed, threads),
                evaluation_futures=futures if ahead is not None else None,
                folder=folder / "work",
                on_progress=_stage_teller(text),
                stop=stop,
            )
        found.save(folder)
        periods = [read.horizon.period_label(t) for t in range(read.horizon.periods)]
        report = write_comparison_report(found, folder / "report.html", periods, text)
        if json:
            files = {"folder": folder, "tables": folder / "tables", "report": report}
            rows = overview(found).to_dict("records")
            console.show_json({"summary": found.summary, "scenarios": rows, "files": files})
            return
        screen = console.out()
        screen.print()
        for sentence in found.summary["verdict"][text.language]:
            screen.print(sentence, markup=False, style="bold")
        _show(overview(found, text), overview_title(found, text), text)
        for row in found.tables["scenarios"].to_dict("records"):
            if row["note"]:
                console.say(f"· {row['scenario']}: {row['note']}")
        screen.print(text("compare.files", folder=folder), markup=False)
        screen.print(text("cli.report", report=report), markup=False, style="bold")


def replay(
    plan_folder: PlanFolder,
    demand: Annotated[
        Path, typer.Argument(help="Hourly demand, CSV (also .gz) or Parquet: timestamp, region, workload, value.")
    ],
    future: Annotated[
        int | None, typer.Option(help="Whose late orders to take, where the plan has some; the likeliest if left out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables, hour by hour.", metavar="DIR")] = None,
    language: Language = None,
    json: Json = False,
) -> None:
    """Dispatch a demand hour by hour under a plan's orders: what is served, what not, what it costs."""
    with guarded(as_json=json, language=language):
        from api import console
        from api.replaying import read_table, replay_summary, replayed_future, save_tables
        from planner.plan import Plan
        from planner.replay import from_table
        from planner.replay import replay as run

        text = console.words(language)
        plan = Plan.load(plan_folder)
        course = from_table(plan.case, read_table(demand))
        chosen = replayed_future(plan, future)
        found = run(plan.case, plan.tables, course, future=chosen, on_progress=_day_teller(text))
        if out is not None:
            save_tables(found.tables, out)
        if json:
            console.show_json({**replay_summary(plan, found, chosen), "tables": out})
            return
        _show_replay(plan, found, text)
        if out is not None:
            console.out().print(text("ask.tables", folder=out), markup=False)


def why_not(
    plan_folder: PlanFolder,
    site: Annotated[str | None, typer.Option(help="Site of the orders; any if left out.")] = None,
    type: Annotated[str | None, typer.Option(help="Module type of the orders; any if left out.")] = None,
    modules: Annotated[int, typer.Option(help="How many modules.", min=0)] = 1,
    period: Annotated[
        str | None, typer.Option(help="Period of arrival, such as 2027Q3 or 2 (the first is 0); any if left out.")
    ] = None,
    at_most: Annotated[bool, typer.Option("--at-most", help="Ask for no more than so many, not for so many.")] = False,
    gap: Gap = 0.01,
    time_limit: TimeLimit = 60.0,
    seed: Seed = 1,
    threads: Threads = None,
    language: Language = None,
    json: Json = False,
) -> None:
    """Solve again with some orders forced (or held down) and say what that costs."""
    with guarded(as_json=json, language=language):
        from api import console
        from api.cli.plans import stopping
        from planner.explain.what_if import Question
        from planner.explain.what_if import why_not as ask
        from planner.plan import Plan

        text = console.words(language)
        plan = Plan.load(plan_folder)
        question = Question(
            site=site,
            module_type=type,
            period=_period(plan.case, period),
            sense="at_most" if at_most else "at_least",
            modules=modules,
        )
        limits = _limits(time_limit, gap, seed, threads)
        progress = console.Solving(text, plan.case.meta.currency, time_limit)
        with stopping(text) as stop, progress.shown() as on_progress:
            found = ask(plan, question, limits=limits, on_progress=on_progress, stop=stop)
        if json:
            console.show_json(found.to_json())
        else:
            _show_change(plan, found, text)
    if found.impossible:
        raise typer.Exit(int(Exit.infeasible))


def explain(
    plan_folder: PlanFolder,
    filling: Annotated[
        bool, typer.Option("--filling", help="Also solve again without filling valleys: modules avoided.")
    ] = False,
    gap: Gap = 0.01,
    time_limit: TimeLimit = 60.0,
    seed: Seed = 1,
    threads: Threads = None,
    language: Language = None,
    json: Json = False,
) -> None:
    """Say what a plan's limits are worth and what drives every order."""
    with guarded(as_json=json, language=language):
        from api import console
        from planner.explain.drivers import order_drivers
        from planner.explain.prices import shadow_prices
        from planner.explain.what_if import value_of_filling
        from planner.plan import Plan

        text = console.words(language)
        plan = Plan.load(plan_folder)
        prices, drivers = shadow_prices(plan), order_drivers(plan)
        filled = value_of_filling(plan, limits=_limits(time_limit, gap, seed, threads)) if filling else None
        if json:
            found: dict[str, Any] = {"prices": prices.to_dict("records"), "drivers": drivers.to_dict("records")}
            if filled is not None:
                found["filling"] = {
                    "modules_avoided": filled.modules_avoided,
                    "pflops_avoided": filled.pflops_avoided,
                    "cost_avoided": filled.cost_avoided,
                    "change": filled.change.to_json(),
                }
            console.show_json(found)
            return
        _show_prices(prices, text)
        _show_drivers(plan, drivers, text)
        if filled is not None:
            _show_filling(plan, filled, text)


# --- what the answers say --------------------------------------------------------------------------------------------


def _show(table: pd.DataFrame, title: str, text: Wording) -> None:
    from api import console
    from planner.report import grid

    shown = grid(table, text)
    columns = [(str(c["name"]), bool(c["numeric"])) for c in shown.columns]
    console.out().print(console.table(title, columns, shown.rows))


def _show_replay(plan: Plan, found: ReplayResult, text: Wording) -> None:
    from api import console
    from api.replaying import service_by_workload

    currency = plan.case.meta.currency
    said = text(
        "ask.replayed",
        days=found.days,
        cost=text.money(found.cost, currency),
        hourly=text.money(found.hourly_cost, currency),
    )
    console.out().print(said, markup=False, style="bold")
    _show(_named(service_by_workload(plan, found), text), text("ask.service"), text)


def _show_change(plan: Plan, found: Change, text: Wording) -> None:
    import pandas as pd
    from rich.markup import escape

    from api import console

    screen, currency = console.out(), plan.case.meta.currency
    if found.plan is None:
        screen.print(f"[bold]{escape(text('ask.impossible', question=found.question))}[/]")
        for problem in found.impossible:
            screen.print(f"  {problem}", markup=False)
        return
    kind = "ask.dearer" if found.least > 0 else "ask.cheaper" if found.most < 0 else "ask.unclear"
    said = text(
        kind,
        question=found.question,
        cost=text.money(abs(found.cost), currency),
        least=text.money(found.least, currency),
        most=text.money(found.most, currency),
    )
    screen.print(said, markup=False, style="bold")
    terms = {
        term: value for term, value in found.by_term.items() if abs(value) > 1e-6 * abs(found.plan.summary["cost"])
    }
    if terms:
        names = [text.either(f"term.{term}", term) for term in terms]
        rows = {text("term"): names, text("cost_change"): [text.money(value, currency) for value in terms.values()]}
        _show(pd.DataFrame(rows), text("ask.by_term"), text)
    if len(found.orders):
        moved = found.orders.copy()
        moved["arrival_period"] = [plan.case.horizon.period_label(int(t)) for t in moved["arrival_period"]]
        _show(_named(moved, text), text("ask.orders_moved"), text)


def _show_prices(prices: pd.DataFrame, text: Wording) -> None:
    from api import console

    screen = console.out()
    screen.print(text("ask.prices" if len(prices) else "ask.no_prices"), markup=False, style="bold")
    for sentence in prices["sentence_zh" if text.chinese else "sentence"]:
        screen.print(f"  {sentence}", markup=False)
    screen.print()


def _show_drivers(plan: Plan, drivers: pd.DataFrame, text: Wording) -> None:
    from api import console

    if drivers.empty:
        console.out().print(text("answer.nothing"), markup=False)
        return
    shown = drivers[["site", "module_type", "modules"]].copy()
    shown["arrival_period"] = [plan.case.horizon.period_label(int(t)) for t in drivers["arrival_period"]]
    starts = [0.0, *plan.demand.days.step_hours.cumsum()]  # a step may be longer than an hour
    peaks = zip(drivers["peak_period"], drivers["peak_day"], drivers["peak_hour"], strict=True)
    shown["peak"] = [
        f"{period} {text.either(f'day.{day}', day)} {int(starts[step]):02d}:00" if period else "–"
        for period, day, step in peaks
    ]
    shown["busy"] = [text.percent(busy, 0) for busy in drivers["busy"]]
    shown["workloads"], shown["limits"] = drivers["workloads"], drivers["limits"]
    _show(_named(shown, text), text("ask.drivers"), text)


def _show_filling(plan: Plan, found: Filling, text: Wording) -> None:
    from api import console

    said = text(
        "ask.filling",
        modules=found.modules_avoided,
        compute=text.pflops(found.pflops_avoided),
        cost=text.money(found.cost_avoided, plan.case.meta.currency),
    )
    console.out().print(said, markup=False, style="bold")


def _named(table: pd.DataFrame, text: Wording) -> pd.DataFrame:
    return table.rename(columns={c: text.either(f"ask.column.{c}", text.either(c, c)) for c in table.columns})


# --- small steps -----------------------------------------------------------------------------------------------------


def _limits(seconds: float, gap: float, seed: int, threads: int | None) -> Limits:
    from planner.solve.limits import Limits

    return Limits(seconds=seconds, gap=gap, seed=seed, threads=threads or os.cpu_count() or 1)


def _period(case: Case, asked: str | None) -> int | None:
    """The number of a period given by label or number. Raises UsageError for one that the horizon does not have."""
    if asked is None:
        return None
    labels = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    numbers = {label.lower(): t for t, label in enumerate(labels)} | {str(t): t for t in range(len(labels))}
    if asked.lower() not in numbers:
        allowed = f"{labels[0]} to {labels[-1]}, or 0 to {len(labels) - 1}"
        raise UsageError([{"where": "--period", "found": asked, "allowed": allowed}])
    return numbers[asked.lower()]


def _stage_teller(text: Wording) -> Any:
    from api import console

    told: dict[tuple[str, str], tuple[float, int]] = {}

    def tell(stage: Stage) -> None:
        key, now = (stage.scenario, stage.phase), time.monotonic()
        last, done = told.get(key, (-_TELL_EVERY_S, -1))
        if stage.done != done and (stage.done == stage.total or now - last >= _TELL_EVERY_S):
            told[key] = (now, stage.done)
            phase = text.either(f"compare.phase.{stage.phase}", stage.phase)
            console.say(f"{stage.scenario}: {phase} {stage.done}/{stage.total}")

    return tell


def _day_teller(text: Wording) -> Any:
    from api import console

    last = [time.monotonic()]

    def tell(done: int, total: int) -> None:
        if time.monotonic() - last[0] >= _TELL_EVERY_S:
            last[0] = time.monotonic()
            console.say(text("ask.day", done=done, total=total))

    return tell
