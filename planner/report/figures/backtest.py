"""Back-test scores: the error of every series against taking the same hour of last week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from planner.report.figures.chart import COLOURS, GREY, WARN, Chart, figure
from planner.words.wording import Wording

MOST_BARS = 30


def backtest_scores(found: Mapping[str, Any], words: Wording) -> Chart:
    """A bar a series: its error ÷ the seasonal naive's; left of 1 the forecast is the better of the two.

    found: a back-test as plain JSON (`BacktestReport.to_json`). The largest errors stand on top.
    """
    import plotly.graph_objects as go

    rows = sorted(found["by_series"], key=lambda row: -(row["rel"] or 0.0))
    names = [
        row["workload"] if row["region"] in ("", "all") else f"{row['region']} / {row['workload']}" for row in rows
    ]
    shown = slice(0, MOST_BARS)
    rel = np.array([_number(row["rel"]) for row in rows])
    title = words("cli.backtest", hours=found["hours"])
    total = words("cli.backtest_total", rel=words.number(_number(found["rel"])), series=found["series"])
    drawn = figure(
        title,
        [
            go.Bar(
                x=rel[shown],
                y=names[shown],
                orientation="h",
                marker_color=[COLOURS[0] if value <= 1 else WARN for value in rel[shown]],
                text=[words.number(float(value)) for value in rel[shown]],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{y}: %{x:.3~g}<extra></extra>",
            )
        ],
        x=words("cli.rel"),
        height=140 + 30 * max(len(names[shown]), 1),
        hovermode="closest",
        showlegend=False,
        xaxis={"showgrid": True, "range": [0, 1.15 * max(1.0, float(np.nanmax([1.0, *rel])))]},
        yaxis={"type": "category", "autorange": "reversed", "rangemode": "normal", "showgrid": False},
        shapes=[
            {"type": "line", "yref": "paper", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "line": {"color": GREY, "width": 2}}
        ],
    )
    table = pd.DataFrame(
        {
            words("cli.region"): [row["region"] for row in rows],
            words("cli.workload"): [row["workload"] for row in rows],
            words("cli.mase"): [_number(row["mase"]) for row in rows],
            words("cli.rel"): rel,
            words("cli.coverage80"): [words.percent(_number(row["coverage80"])) for row in rows],
            words("cli.coverage95"): [words.percent(_number(row["coverage95"])) for row in rows],
            words("cli.peak_bias"): [words.percent(_number(row["peak_bias"])) for row in rows],
        }
    )
    return Chart("backtest", title, total, drawn, table)


def _label(region: str, workload: str) -> str:
    return workload if region in ("", "all") else f"{region} / {workload}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
