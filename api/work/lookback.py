"""How good forecasts from a history would have been: what a forecast's result says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from api.jobs.task import Json, Tell

if TYPE_CHECKING:
    from forecasts.forecast import ForecastConfig, OutlookReport
    from forecasts.history import History
    from forecasts.history.quality import QualityReport
    from forecasts.lookback.backtest import Predicted

HOURS, WINDOWS, QUARTERS = 168, 4, 4
"""A week ahead from four origins a week apart, and quarters ahead from four origins a quarter apart."""


def look_back(
    history: History, quality: QualityReport, report: OutlookReport, config: ForecastConfig, out: Path, tell: Tell
) -> Json:
    """Write `backtest.json` and `peaks.parquet` below `out`; the summary comes back.

    backtest.json: `week`, the scores a week ahead by series, workload and day (null if the history is too short);
    `quarters`, those of the weekly peak by weeks ahead, series and workload, and of every quarter's highest week beside
    simple rules, with the orders that would have been short; `courses`, what every series' course ahead was made of;
    `quality`, what the data are worth. peaks.parquet: every week's peak as foretold, with bands and order, beside what
    came.
    """
    from forecasts.lookback.backtest import backtest, foreseen
    from forecasts.lookback.quarters import backtest_quarters
    from forecasts.lookback.tables import by_workload

    def telling(phase: str) -> Callable[[int, int], None]:
        tell({"phase": phase, "seconds": 0.0})
        return lambda done, total: tell({"phase": phase, "done": done, "total": total})

    done, told = count(1), telling("backtest")

    def watched(past: History, ahead: int) -> Predicted:
        made = foreseen(past, ahead)
        number = next(done)
        told(number, max(number, WINDOWS))
        return made

    try:
        scores = backtest(history, hours=HOURS, windows=WINDOWS, forecaster=watched)
    except ValueError as fault:
        week, notes = None, [str(fault)]
    else:
        week, notes = scores.to_json() | {"by_workload": by_workload(scores.series)}, list(scores.notes)
    quarters = backtest_quarters(history, windows=QUARTERS, config=config, on_origin=telling("backtest_quarters"))
    quarters.peaks.to_parquet(out / "peaks.parquet", index=False, compression="zstd")
    courses = [
        {
            "region": key.region,
            "workload": key.workload,
            "method": method,
            "growth_per_year": growth.seen_per_year,
            "growth": asdict(growth),
        }
        for key, method, growth in zip(history.series, report.method, report.growth, strict=True)
    ]
    notes += quarters.sentences()
    ahead = quarters.to_json()
    found = {
        "week": week,
        "quarters": ahead,
        "courses": courses,
        "quality": quality.to_json(),
        "notes": notes,
    }
    (out / "backtest.json").write_text(json.dumps(found, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    names = ("rel", "mase", "coverage80", "coverage95", "pinball", "peak_bias")
    return {
        "week": {name: week[name] for name in names} if week is not None else None,
        "quarters": {name: ahead[name] for name in ("planned", "origins", "by_weeks_ahead", "by_quarter", "shortfall")},
        "notes": notes,
    }
