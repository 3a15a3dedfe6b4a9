"""Capacity against the forecast peak, with the build-ahead ratio below it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.case import by_period
from planner.report.figures.chart import COLOURS, GREY, WARN, Chart, View, figure
from planner.words.wording import compute_unit


def capacity_by_period(view: View) -> pd.DataFrame:
    """period, the columns of `capacity` averaged over branches, and the least and most build-ahead ratio of any.

    build_ahead_ratio and months_ahead are the least of any branch: what holds whatever comes.
    """
    frame = view.tables["capacity"]
    values = ["installed_pflops", "usable_pflops", "p50_peak_pflops", "p90_peak_pflops"]
    weight = np.maximum(view.weight(frame), 1e-12)
    out = frame[["period"]].copy()
    out["weight"] = weight
    for column in values:
        out[column] = frame[column].to_numpy(float) * weight
    out = out.groupby("period", as_index=False).sum()
    for column in values:
        out[column] = out[column] / out["weight"]
    ratio = frame.groupby("period")["build_ahead_ratio"]
    out["ratio_least"], out["ratio_most"] = ratio.min().to_numpy(), ratio.max().to_numpy()
    out["build_ahead_ratio"] = out["ratio_least"]
    for column in ("months_ahead", "capacity_to_peak"):
        out[column] = frame.groupby("period")[column].min().to_numpy()
    return out


def capacity(view: View) -> Chart:
    """Usable and installed compute, P50 and P90 peak by period; below them the ratio with its range."""
    import plotly.graph_objects as go

    words, data = view.words, capacity_by_period(view)
    labels = [view.periods[t] for t in data["period"]]
    columns = ["installed_pflops", "usable_pflops", "p50_peak_pflops", "p90_peak_pflops"]
    divisor, unit = compute_unit(float(np.nanmax(data[columns].to_numpy())) if len(data) else 0.0)
    hover = "%{y:,.4~g} " + unit
    traces = [
        go.Bar(
            x=labels,
            y=data["usable_pflops"] / divisor,
            name=words("usable"),
            marker_color=COLOURS[4],
            hovertemplate=hover,
        ),
        go.Scatter(
            x=labels,
            y=data["installed_pflops"] / divisor,
            name=words("installed"),
            mode="markers",
            hovertemplate=hover,
            marker={"symbol": "line-ew", "size": 26, "line": {"width": 2, "color": GREY}},
        ),
        go.Scatter(
            x=labels,
            y=data["p50_peak_pflops"] / divisor,
            name=words("p50_peak"),
            mode="lines+markers",
            line={"color": COLOURS[0], "width": 3},
            hovertemplate=hover,
        ),
        go.Scatter(
            x=labels,
            y=data["p90_peak_pflops"] / divisor,
            name=words("p90_peak"),
            mode="lines+markers",
            line={"color": WARN, "width": 2, "dash": "dash"},
            marker={"symbol": "diamond"},
            hovertemplate=hover,
        ),
    ]
    if float((data["ratio_most"] - data["ratio_least"]).max()) > 1e-6:
        traces += [
            go.Scatter(
                x=labels,
                y=data[column],
                yaxis="y2",
                mode="lines",
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                fill=fill,
                fillcolor="rgba(0,158,115,.25)",
            )
            for column, fill in (("ratio_least", None), ("ratio_most", "tonexty"))
        ]
    traces.append(
        go.Scatter(
            x=labels,
            y=data["build_ahead_ratio"],
            yaxis="y2",
            name=words("build_ahead_ratio"),
            mode="lines+markers+text",
            text=[f"{r:.2f}" if np.isfinite(r) else "" for r in data["build_ahead_ratio"]],
            textposition="top center",
            line={"color": COLOURS[2], "width": 2},
            hovertemplate="%{y:.2f}",
            cliponaxis=False,
        )
    )
    policy, n = view.case.policy.build_ahead, view.case.horizon.periods
    # the ceiling is one on capacity to peak, another measure than the ratio that is drawn
    for bound, label in ((policy.minimum, "least_allowed"),):
        line = by_period(bound, n, np.nan)[data["period"]]
        if np.isfinite(line).any():
            traces.append(
                go.Scatter(
                    x=labels, y=line, yaxis="y2", name=words(label), mode="lines", line={"color": GREY, "dash": "dot"}
                )
            )
    top = float(np.nanmax([1.0, *data["ratio_most"]])) * 1.25
    drawn = figure(
        words("chart.capacity"),
        traces,
        height=520,
        yaxis={"title": {"text": words.labelled(words("compute"), unit)}, "domain": [0.38, 1]},
        yaxis2={"title": {"text": words("build_ahead_ratio")}, "domain": [0, 0.28], "range": [0, top], "anchor": "x"},
        xaxis={"anchor": "y2", "type": "category"},
        shapes=[
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y2", "y0": 1, "y1": 1, "line": {"color": GREY}}
        ],
    )
    table = pd.DataFrame(
        {
            words("period"): labels,
            **{words.labelled(words(column), "PFLOPS"): data[column] for column in columns},
            words("build_ahead_ratio"): data["build_ahead_ratio"],
            words("capacity_to_peak"): data["capacity_to_peak"],
            words.labelled(words("months_ahead"), words("months")): data["months_ahead"],
        }
    )
    return Chart("capacity", words("chart.capacity"), words("chart.capacity.note"), drawn, table)
