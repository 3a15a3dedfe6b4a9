"""What is asked beside and after plans, inside the solve child: comparisons, replays, why-not, prices and drivers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING

from api.jobs.task import Json, Task, Tell

if TYPE_CHECKING:
    from planner.compare.comparison import Stage
    from planner.plan import Plan
    from planner.solve.progress import Progress

# The reader of prices waits for them: within `Settings.read_seconds_max`, the start of the child counted in.
_PRICE_SECONDS = 80.0
ANSWER = "answer.json"
"""The file of a question's result that holds its answer."""
PLAN_FILE = "plan/"
"""How the inputs that are files of a plan begin; the rest is the file's path in the plan's folder."""


def comparison(task: Task, out: Path, tell: Tell, stop: Event) -> Json:
    """Scenarios × futures. What is finished is kept by its content in `request["kept"]`, so that another attempt after
    a crash goes on where the first one was; what no comparison asked for in `request["kept_days"]` is removed. Raises
    what `planner.compare.comparison.compare` raises.
    """
    from api.work.demand import case_and_outlook
    from planner.compare.comparison import Comparing, compare
    from planner.compare.store import Store
    from planner.compare.tables import COMPARISON_TABLES
    from planner.plan.tables import schema
    from planner.planning import settle_demand
    from planner.report.comparison import overview
    from planner.scenarios import asked_scenarios
    from planner.solve.limits import Limits

    kept = Path(task.request["kept"]) if task.request.get("kept") else None
    if task.request.get("kept_days") is not None:
        Store(kept).prune(86_400 * task.request["kept_days"])
    case, outlook = case_and_outlook(task, tell)
    wanted = asked_scenarios(task.request["scenarios"], task.request.get("sweep"))
    begun = time.monotonic()

    def on_progress(stage: Stage) -> None:
        said = {name: getattr(stage, name) for name in ("scenario", "phase", "done", "total")}
        tell(said | {"seconds": time.monotonic() - begun})

    found = compare(
        case,
        outlook if outlook is not None else settle_demand(case)[1],
        wanted,
        Comparing(
            limits=Limits(**task.request["limits"]),
            evaluation_futures=task.request["evaluation_futures"] if outlook is not None else None,
            folder=kept,
            budget_seconds=task.request.get("budget_seconds"),
        ),
        on_progress=on_progress,
        stop=stop,
    )
    found.with_origin({"command": "POST /v1/comparisons", "request": task.request}).write(out)
    _without_csv(out)
    described = schema(COMPARISON_TABLES.values())
    (out / "tables" / "schema.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
    return {**found.summary, "scenarios": overview(found).to_dict("records")}


def comparison_report(task: Task, out: Path) -> None:
    """The HTML report of a finished comparison. inputs: "comparison" (its folder) and "case"."""
    from planner.case.file import case_from
    from planner.compare.comparison import Comparison
    from planner.report.comparison import write_comparison_report
    from planner.words.wording import wording

    horizon = case_from(json.loads(task.inputs["case"].read_bytes())).horizon
    periods = [horizon.period_label(t) for t in range(horizon.periods)]
    found = Comparison.load(task.inputs["comparison"])
    write_comparison_report(found, out / "report.html", periods, wording(task.request["language"]))


def replay(task: Task, out: Path, tell: Tell, stop: Event) -> Json:
    """An hourly demand under a plan's orders; tables hour by hour."""
    from api.work.replay import read_table, replay_summary, replayed_future, save_tables
    from forecasts.fault import Fault
    from planner.case.errors import StoppedError
    from planner.replay import from_table
    from planner.replay import replay as run

    begun = time.monotonic()

    def on_day(done: int, total: int) -> None:
        if stop.is_set():
            raise StoppedError([Fault("stop", f"a stop after {done} of {total} days", "letting it finish")])
        tell({"phase": "replay", "done": done, "total": total, "seconds": time.monotonic() - begun})

    plan = _plan_of(task)
    future = replayed_future(plan, task.request["future"])
    course = from_table(plan.case, read_table(task.inputs["demand"]))
    found = run(plan.case, plan.tables, course, future=future, on_progress=on_day)
    save_tables(found.tables, out / "tables")
    _without_csv(out)
    return replay_summary(plan, found, future)


def question(task: Task, out: Path, tell: Tell, stop: Event) -> Json:
    """Another solve of the plan's case, or several: why not, and the kinds of `QuestionRequest`."""
    from api.work.questions import How, answered
    from planner.solve.limits import Limits

    def on_progress(progress: Progress) -> None:
        tell({name: getattr(progress, name) for name in ("objective", "bound", "gap", "phase", "seconds")})

    def on_solved(what: str, done: int, total: int) -> None:
        tell({"phase": what, "done": done, "total": total})

    asked, plan = dict(task.request["question"]), _plan_of(task)
    kind = asked.pop("kind", "why_not")
    if kind == "reconcile":
        return _reconciled(plan, task.inputs["metered"])
    found = answered(plan, kind, asked, How(Limits(**task.request["limits"]), stop, on_progress, on_solved))
    (out / ANSWER).write_text(json.dumps(found, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    return found


def _reconciled(plan: Plan, readings: Path) -> Json:
    """Metered energy against the plan's ledger, split into volume, efficiency, PUE and price."""
    from planner.energy import plan_ledger, read_metered, reconcile

    found = reconcile(plan_ledger(plan), read_metered(plan.case, readings))
    rows = found.table.to_dict("records")
    return {"currency": plan.case.meta.currency, "rows": rows, "unmatched": [list(one) for one in found.unmatched]}


def energy(task: Task, _out: Path, _tell: Tell, _stop: Event) -> Json:
    """The plan's energy ledger by site and period, as rows."""
    from planner.energy import plan_ledger

    return {"rows": plan_ledger(_plan_of(task)).sites.to_dict("records")}


def prices(task: Task, _out: Path, _tell: Tell, stop: Event) -> Json:
    """Confirmed prices as rows, and how they were found, in both languages."""
    from planner.explain.prices import shadow_prices

    found = shadow_prices(_plan_of(task), seconds=_PRICE_SECONDS, stop=stop).to_json()
    return {"rows": found["rows"], "note": found["heading"], "note_zh": found["heading_zh"]}


def drivers(task: Task, _out: Path, _tell: Tell, _stop: Event) -> Json:
    """What drives every order, and after them what every departure frees, as rows."""
    from planner.explain.departures import departure_drivers
    from planner.explain.drivers import order_drivers

    plan = _plan_of(task)
    return {"rows": [row for rows in (order_drivers(plan), departure_drivers(plan)) for row in rows.to_dict("records")]}


def _plan_of(task: Task) -> Plan:
    """The plan whose files are among the inputs."""
    from planner.plan import Plan

    with TemporaryDirectory(prefix="tideplan-plan-") as folder:
        for name, path in task.inputs.items():
            if name.startswith(PLAN_FILE):
                link = Path(folder) / name.removeprefix(PLAN_FILE)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.absolute())
        return Plan.load(Path(folder))


def _without_csv(out: Path) -> None:
    for path in (out / "tables").glob("*.csv"):
        path.unlink()  # the service writes CSV from the Parquet file, with cells that no spreadsheet evaluates
