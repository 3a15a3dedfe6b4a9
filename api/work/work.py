"""The work itself, inside the solve child: in the only room of the service that calls the planner and the forecasts.

Everything heavy is imported where it is used: a child that reads a history needs no solver.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from api.jobs.task import Json, Task, Tell, WorkError
from api.work import analysis, sizing
from api.work.demand import case_and_outlook, ceilings_of, forecast_config, history_of, told_from
from api.work.faults import errors_of
from api.work.pages import made_at_the_end

_HOURLY_CHECK_S = 120.0  # for the replays; solves have their own limit


def run(task: Task, out: Path, tell: Tell, stop: Event) -> Json:
    """Do one task: files go below `out`, the summary comes back. Raises WorkError for what the user must know."""
    does = _WORK.get(task.kind)
    if does is None:
        raise WorkError("internal", f"work of the kind {task.kind!r} is not known")
    with _planning() if task.kind in _PLANNING else nullcontext():
        summary = does(task, out, tell, stop)
    made_at_the_end(task, out, tell)
    return summary


@contextmanager
def _planning() -> Iterator[None]:
    """Errors of planning become problems of their kind, with every fault."""
    from forecasts.fault import FaultsError
    from forecasts.forecast import ForecastError
    from forecasts.history import HistoryError
    from planner.case.errors import InfeasibleError, PlanError, StoppedError
    from planner.case.file import CaseError
    from planner.sizing.errors import SizingError

    kinds: tuple[tuple[type[FaultsError], str], ...] = (
        (CaseError, "invalid-case"),
        (SizingError, "invalid-request"),
        (HistoryError, "invalid-history"),
        (ForecastError, "forecast-impossible"),
        (InfeasibleError, "infeasible"),
        (StoppedError, "stopped-early"),
        (PlanError, "plan-impossible"),
    )
    try:
        yield
    except FaultsError as fault:
        slug = next((slug for kind, slug in kinds if isinstance(fault, kind)), "plan-impossible")
        raise WorkError(slug, str(fault), errors_of(fault.faults)) from fault


def _read_history(task: Task, _out: Path, _tell: Tell, _stop: Event) -> Json:
    from forecasts.history import HistoryError

    try:
        _history, report = history_of(task)
    except HistoryError as fault:
        raise WorkError("invalid-history", str(fault), errors_of(fault.faults)) from fault
    return dict(report.to_json())


def _forecast(task: Task, out: Path, tell: Tell, _stop: Event) -> Json:
    from api.work.intake import history_for
    from api.work.lookback import look_back
    from forecasts.forecast import ForecastError, make_outlook
    from forecasts.history import HistoryError
    from forecasts.history.ceilings import name_ceilings
    from forecasts.history.mapping import outlook_weeks
    from planner.case.file import CaseError, case_from

    tell({"phase": "forecast", "seconds": 0.0})
    config, ceilings = forecast_config(task.request), ceilings_of(task.request)
    try:
        history, quality = history_of(task)
        if "case" in task.inputs:
            case = case_from(json.loads(task.inputs["case"].read_bytes()))
            history = history_for(case, history, ceilings=ceilings)
            weeks = outlook_weeks(history, case.horizon.end)
        else:
            history, weeks = name_ceilings(history, ceilings), task.request["weeks"]
        outlook, report = make_outlook(history, weeks=weeks, config=config)
    except (HistoryError, ForecastError, CaseError) as fault:
        raise WorkError("forecast-impossible", str(fault), errors_of(fault.faults)) from fault
    outlook = told_from(task, outlook)
    outlook.save(out / "outlook.zip")
    _weeks_table(outlook, report).to_parquet(out / "weeks.parquet", index=False, compression="zstd")
    looked_back = look_back(history, quality, report, config, out, tell) if task.request.get("backtest", True) else None
    return {
        "series": [key.__dict__ for key in outlook.series],
        "start": outlook.start.isoformat(),
        "weeks": outlook.weeks,
        "notes": list(outlook.notes),
        "provenance": dict(outlook.provenance),
        "method": list(report.method),
        "growth_per_year": [float(rate) for rate in report.growth_per_year],
        "growth": [asdict(one) for one in report.growth],
        "backtest": looked_back,
    }


def _weeks_table(outlook: Any, report: Any) -> Any:
    """One row a series and week: P50 level and peak, and what demand stays below with each probability."""
    import numpy as np
    import pandas as pd

    keys, weeks = outlook.series, outlook.weeks
    columns = {
        "region": np.repeat([key.region for key in keys], weeks),
        "workload": np.repeat([key.workload for key in keys], weeks),
        "unit": np.repeat([key.unit for key in keys], weeks),
        "week": np.tile(np.arange(weeks), len(keys)),
        "start": np.tile(pd.date_range(outlook.start, periods=weeks, freq="7D").strftime("%Y-%m-%d"), len(keys)),
        "level_p50": outlook.central.level[0].ravel(),
        "peak_p50": outlook.central.peak[0].ravel(),
    }
    for name, quantiles in (("level", report.level_quantiles), ("peak", report.peak_quantiles)):
        for share, values in quantiles.items():
            columns[f"{name}_below_{100 * share:g}_percent"] = np.asarray(values).ravel()
    return pd.DataFrame(columns)


def _plan(task: Task, out: Path, tell: Tell, stop: Event) -> Json:
    from planner.plan.provenance import with_origin
    from planner.planning import make_plan, settle_demand
    from planner.planning.refine import HourlyCheck
    from planner.scenarios.scenario import DemandChange
    from planner.scenarios.worlds import changed_demand, changed_outlook
    from planner.solve.limits import Limits
    from planner.solve.progress import Progress

    def on_progress(progress: Progress) -> None:
        tell({name: getattr(progress, name) for name in ("objective", "bound", "gap", "phase", "seconds")})

    case, outlook = case_and_outlook(task, tell)
    demand = None
    if task.request.get("demand_change"):
        change = DemandChange(**task.request["demand_change"])
        if outlook is not None:
            outlook = changed_outlook(outlook, change)
        else:
            demand = changed_demand(case, settle_demand(case)[1], change)
    limits = Limits(**task.request["limits"])
    check = HourlyCheck(seconds=_HOURLY_CHECK_S) if task.request.get("every_hour") else None
    plan = make_plan(
        case, outlook=outlook, demand=demand, limits=limits, on_progress=on_progress, stop=stop, every_hour=check
    )
    plan = with_origin(plan, {"command": "POST /v1/plans", "request": task.request})
    plan.write(out)
    for path in (out / "tables").glob("*.csv"):
        path.unlink()  # the service writes CSV from the Parquet file, with cells that no spreadsheet evaluates
    certificate = dict(plan.certificate)
    proof = {name: certificate.get(name) for name in ("objective", "bound", "gap")}
    return {**plan.summary, **proof, "certificate": certificate, "warnings": list(plan.warnings)}


def _report(task: Task, out: Path, _tell: Tell, _stop: Event) -> Json:
    if "comparison" in task.inputs:
        analysis.comparison_report(task, out)
        return {}
    from planner.plan import Plan
    from planner.report.report import report_html
    from planner.report.workbook import workbook

    plan = Plan.load(task.inputs["plan"])
    if task.request["form"] == "xlsx":
        (out / "report.xlsx").write_bytes(workbook(plan, task.request["language"], task.request.get("standing")))
        return {}
    text = report_html(plan, task.request["language"], downloads=False, standing=task.request.get("standing"))
    (out / "report.html").write_text(text, encoding="utf-8")
    return {}


_WORK: dict[str, Callable[[Task, Path, Tell, Event], Json]] = {
    "read-history": _read_history,
    "forecast": _forecast,
    "plan": _plan,
    "report": _report,
    "comparison": analysis.comparison,
    "replay": analysis.replay,
    "question": analysis.question,
    "size": sizing.size,
    "library": sizing.library,
    "energy": analysis.energy,
    "prices": analysis.prices,
    "drivers": analysis.drivers,
}
_PLANNING = ("size", "library", "plan", "comparison", "replay", "question", "energy", "prices", "drivers")
