"""Weekly peaks as outlooks a quarter apart foretold them, beside what came."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from planner.report.figures.chart import COLOURS, WARN, Chart, figure
from planner.words.wording import Wording

QUARTER_WEEKS = 13


def peaks_against(peaks: pd.DataFrame, id: str, series: str, words: Wording) -> Chart:
    """The P50 course with its 80 % band and the order, beside what came; each week as the last outlook before it said.

    peaks: the rows of one series or total with columns origin, start, week_ahead, p50, low80, high80, planned, came,
    unit, as `forecasts.lookback.quarters` makes them. series: what the chart is of, in the reader's words.
    """
    import plotly.graph_objects as go

    shown = peaks[peaks["week_ahead"] <= QUARTER_WEEKS].sort_values(["origin", "week_ahead"])
    unit = str(shown["unit"].iloc[0])
    days = [str(pd.Timestamp(day).date()) for day in shown["start"]]
    # A gap in the line where the next outlook begins: no line joins what two outlooks say.
    breaks = np.flatnonzero(np.diff(shown["week_ahead"].to_numpy(np.int64), prepend=0) < 0)
    gapped = [None if i is None else days[i] for i in _with_gaps(len(days), breaks)]

    def values(name: str) -> list[float | None]:
        column = shown[name].to_numpy(np.float64)
        numbers = [None if i is None else float(column[i]) for i in _with_gaps(len(days), breaks)]
        return [None if number is None or not np.isfinite(number) else number for number in numbers]

    hover = "%{y:,.4~g} " + unit
    plain = {"mode": "lines", "connectgaps": False}
    traces: list[Any] = []
    # A band each outlook: a filled one does not know gaps.
    for number, (_, part) in enumerate(shown.groupby("origin", sort=False)):
        x = [str(pd.Timestamp(day).date()) for day in part["start"]]
        edge = {"x": x, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": "band"}
        traces += [
            go.Scatter(y=part["low80"], showlegend=False, **edge),
            go.Scatter(
                y=part["high80"],
                fill="tonexty",
                fillcolor="rgba(86,180,233,.3)",
                name=words("lookback.band"),
                showlegend=number == 0,
                **edge,
            ),
        ]
    traces += [
        go.Scatter(
            x=gapped, y=values("p50"), name=words("p50"), line={"color": COLOURS[0]}, hovertemplate=hover, **plain
        ),
        go.Scatter(
            x=gapped,
            y=values("planned"),
            name=words("lookback.ordered"),
            line={"color": COLOURS[2], "dash": "dash"},
            hovertemplate=hover,
            **plain,
        ),
        go.Scatter(
            x=days,
            y=[None if not np.isfinite(v) else float(v) for v in shown["came"].to_numpy(np.float64)],
            mode="lines+markers",
            name=words("lookback.came"),
            line={"color": WARN, "width": 2},
            marker={"size": 5},
            hovertemplate=hover,
        ),
    ]
    title = words("chart.lookback", series=series)
    drawn = figure(
        title, traces, y=words.labelled(words("weekly_peak"), unit), xaxis={"type": "date", "tickformat": "%Y-%m"}
    )
    table = pd.DataFrame({words("week"): days})
    for name in ("came", "p50", "low80", "high80", "planned"):
        heading = {"came": "lookback.came", "p50": "p50", "low80": "low", "high80": "high"}.get(
            name, "lookback.ordered"
        )
        table[words.labelled(words(heading), unit)] = shown[name].to_numpy(np.float64)
    return Chart(id, title, words("chart.lookback.note"), drawn, table)


def _with_gaps(count: int, breaks: np.ndarray) -> list[int | None]:
    """0..count-1 with a None before every break."""
    at = set(breaks.tolist())
    return [place for i in range(count) for place in ((None, i) if i in at else (i,))]
