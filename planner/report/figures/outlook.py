"""A series of an outlook: its weekly peak with the range of its futures, and the tide of its week."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from forecasts.outlook import FloatArray, Outlook
from planner.report.figures.chart import COLOURS, GREY, Chart, figure
from planner.words.wording import Wording


def series_label(outlook: Outlook, series: int) -> str:
    """What a series is called on charts."""
    key = outlook.series[series]
    return key.workload if key.region in ("", "all") else f"{key.region} / {key.workload}"


def weekly_peak(
    outlook: Outlook,
    series: int,
    words: Wording,
    *,
    measured: FloatArray | None = None,
    measured_start: datetime | None = None,
) -> Chart:
    """Weekly peak ahead: the P50 course within the range of the planning futures, after what was measured.

    measured: (weeks,) weekly peaks in the series' unit that end where the outlook begins; measured_start: the first day
    of the first of them (None: counted back from the outlook's start).
    """
    import plotly.graph_objects as go

    unit = outlook.series[series].unit
    ahead = [(outlook.start + timedelta(weeks=w)).date().isoformat() for w in range(outlook.weeks)]
    peaks = outlook.futures.peak[:, series, :]
    low, high = peaks.min(axis=0), peaks.max(axis=0)
    p50 = outlook.central.peak[0, series]
    traces = []
    past = np.zeros(0) if measured is None else np.asarray(measured, float)
    begin = measured_start or outlook.start - timedelta(weeks=len(past))
    behind = [(begin + timedelta(weeks=w)).date().isoformat() for w in range(len(past))]
    if len(past):
        traces.append(
            go.Scatter(
                x=behind,
                y=past,
                mode="lines",
                name=words("measured"),
                line={"color": GREY, "width": 2},
                hovertemplate="%{y:,.4~g} " + unit,
            )
        )
    traces += [
        go.Scatter(x=ahead, y=low, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip"),
        go.Scatter(
            x=ahead,
            y=high,
            mode="lines",
            line={"width": 0},
            fill="tonexty",
            fillcolor="rgba(86,180,233,.3)",
            name=words("range"),
            hoverinfo="skip",
        ),
        go.Scatter(
            x=ahead,
            y=p50,
            mode="lines",
            name=words("p50"),
            line={"color": COLOURS[0], "width": 3},
            hovertemplate="%{y:,.4~g} " + unit,
        ),
    ]
    title = words("chart.history", series=series_label(outlook, series))
    drawn = figure(
        title, traces, y=words.labelled(words("weekly_peak"), unit), xaxis={"type": "date", "tickformat": "%Y-%m"}
    )
    table = pd.DataFrame(
        {
            words("week"): [*behind, *ahead],
            words.labelled(words("measured"), unit): np.concatenate([past, np.full(len(ahead), np.nan)]),
            words.labelled(words("p50"), unit): np.concatenate([np.full(len(past), np.nan), p50]),
            words.labelled(words("low"), unit): np.concatenate([np.full(len(past), np.nan), low]),
            words.labelled(words("high"), unit): np.concatenate([np.full(len(past), np.nan), high]),
        }
    )
    return Chart(f"history-{series}", title, words("chart.history.note"), drawn, table)


def tide_heat(outlook: Outlook, series: int, words: Wording, *, season: int | None = None) -> Chart:
    """Demand of each hour of the week over the week's mean: seven days by 24 hours.

    season: which of the outlook's tides; the mean over the seasons if not given.
    """
    import plotly.graph_objects as go

    tides = outlook.tide[series]
    week = (tides.mean(axis=0) if season is None else tides[season]).reshape(7, 24)
    days = [words(f"weekday.{d}") for d in range(7)]
    title = words("chart.tide_heat", series=series_label(outlook, series))
    drawn = figure(
        title,
        [
            go.Heatmap(
                z=week,
                x=list(range(24)),
                y=days,
                colorscale="Cividis",
                zmin=0,
                colorbar={"title": {"text": words("tide_ratio")}, "thickness": 12},
                hovertemplate="%{y} %{x}:00 – %{z:.2f}<extra></extra>",
            )
        ],
        x=words.labelled(words("hour"), "h"),
        height=320,
        hovermode="closest",
        xaxis={"dtick": 3},
        yaxis={"type": "category", "autorange": "reversed", "rangemode": "normal", "showgrid": False},
    )
    table = pd.DataFrame(week.T, columns=days)
    table.insert(0, words("hour"), [f"{h}–{h + 1}" for h in range(24)])
    return Chart(f"tide-heat-{series}", title, words("chart.tide_heat.note"), drawn, table)
