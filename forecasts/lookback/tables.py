"""An outlook and its back-test as tables: history with band, the tide of the week, scores by workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecasts.forecast import OutlookReport
from forecasts.lookback.backtest import SeriesScore
from forecasts.outlook import HOURS_PER_WEEK, Outlook

BAND_COLUMNS = ("region", "workload", "unit", "start", "what", "measured", "p50", "low80", "high80", "low95", "high95")
TIDE_COLUMNS = ("region", "workload", "season", "weekday", "hour", "ratio")


def history_with_band(outlook: Outlook, report: OutlookReport) -> pd.DataFrame:
    """A row a series, week and `what` (level or peak): measured before the outlook's start, forecast with bands after.

    measured is NaN ahead and in weeks that were not measured; p50 and bands are NaN before the start. The bands are
    those of the forecast itself: events widen the futures, not the bands.
    """
    known, weeks = report.history.weeks, outlook.weeks
    start = pd.Timestamp(outlook.start)
    dates = pd.date_range(start - pd.Timedelta(days=7 * known), periods=known + weeks, freq="7D")
    nothing = np.full(known, np.nan)
    bands = {"low80": 0.1, "high80": 0.9, "low95": 0.025, "high95": 0.975}
    frames = []
    for i, key in enumerate(outlook.series):
        for what, past, ahead, quantiles in (
            ("level", report.history.level, outlook.central.level, report.level_quantiles),
            ("peak", report.history.peak, outlook.central.peak, report.peak_quantiles),
        ):
            columns = {
                "region": key.region,
                "workload": key.workload,
                "unit": key.unit,
                "start": dates,
                "what": what,
                "measured": np.concatenate([past[i], np.full(weeks, np.nan)]),
                "p50": np.concatenate([nothing, ahead[0, i]]),
                **{name: np.concatenate([nothing, quantiles[p][i]]) for name, p in bands.items()},
            }
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def tide_table(outlook: Outlook) -> pd.DataFrame:
    """A row a series, season, weekday (0 is Monday) and hour: demand over the week's mean."""
    series, seasons = outlook.tide.shape[:2]
    hours = np.arange(HOURS_PER_WEEK)
    return pd.DataFrame(
        {
            "region": np.repeat([key.region for key in outlook.series], seasons * HOURS_PER_WEEK),
            "workload": np.repeat([key.workload for key in outlook.series], seasons * HOURS_PER_WEEK),
            "season": np.tile(np.repeat(np.arange(seasons), HOURS_PER_WEEK), series),
            "weekday": np.tile(hours // 24, series * seasons),
            "hour": np.tile(hours % 24, series * seasons),
            "ratio": outlook.tide.ravel(),
        }
    )


def by_workload(scores: Sequence[SeriesScore]) -> list[dict[str, Any]]:
    """Scores of a back-test by workload, in the order of the series: rel is a geometric mean, the others are means.

    Keys as in SeriesScore, with `series`, how many there are; None where nothing could be measured.
    """
    means = ("mase", "coverage80", "coverage95", "pinball", "peak_bias", "tide_day", "tide_week")
    rows = []
    for workload in dict.fromkeys(score.workload for score in scores):
        own = [score for score in scores if score.workload == workload]
        rel = np.array([score.rel for score in own])
        rel = rel[np.isfinite(rel) & (rel > 0)]
        row: dict[str, Any] = {"workload": workload, "series": len(own)}
        row["rel"] = float(np.exp(np.log(rel).mean())) if rel.size else None
        for name in means:
            values = np.array([getattr(score, name) for score in own])
            values = values[np.isfinite(values)]
            row[name] = float(values.mean()) if values.size else None
        rows.append(row)
    return rows
