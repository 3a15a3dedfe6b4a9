"""Where capacity stands and how busy it is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.report.figures.chart import COLOURS, GREY, WARN, Chart, View, figure
from planner.words.wording import compute_unit


def utilisation(view: View) -> Chart:
    """For every site: the mean and the largest share of installed modules that is busy, over the horizon."""
    import plotly.graph_objects as go

    words = view.words
    frame = view.tables["utilisation"]
    frame = frame[frame["owned"] > 0]
    pflops = frame["owned"].to_numpy(float) * frame["module_type"].map(view.module_pflops).to_numpy(float)
    work = frame[["site", "peak_busy", "rack_occupancy"]].assign(
        # a site's share is weighted by the compute that stands there; types without PFLOPS count by modules
        size=np.where(pflops > 0, pflops, frame["owned"]),
    )
    work["busy"] = work["size"] * frame["mean_busy"]
    sums = work.groupby("site").agg(
        size=("size", "sum"), busy=("busy", "sum"), peak=("peak_busy", "max"), racks=("rack_occupancy", "max")
    )
    sums["mean"] = sums["busy"] / sums["size"]
    sums = sums.sort_values("size")
    names = [view.name("site", s) for s in sums.index]
    lines_x: list[float | None] = []
    lines_y: list[str | None] = []
    for name, low, high in zip(names, sums["mean"], sums["peak"], strict=True):
        lines_x += [100 * low, 100 * high, None]
        lines_y += [name, name, None]
    hover = "%{y}: %{x:.1f} %<extra></extra>"
    traces = [
        go.Scatter(
            x=lines_x, y=lines_y, mode="lines", line={"color": GREY, "width": 3}, showlegend=False, hoverinfo="skip"
        ),
        go.Scatter(
            x=100 * sums["mean"],
            y=names,
            mode="markers",
            name=words("mean_busy"),
            hovertemplate=hover,
            marker={"size": 12, "color": COLOURS[0]},
        ),
        go.Scatter(
            x=100 * sums["peak"],
            y=names,
            mode="markers",
            name=words("peak_busy"),
            hovertemplate=hover,
            marker={"size": 12, "color": WARN, "symbol": "diamond"},
        ),
    ]
    title = words("chart.utilisation")
    drawn = figure(
        title,
        traces,
        x=words.labelled(words("busy_share"), "%"),
        height=150 + 34 * max(len(names), 1),
        hovermode="closest",
        xaxis={"range": [0, 105], "showgrid": True},
        yaxis={"type": "category", "categoryarray": names, "rangemode": "normal"},
    )
    sums = sums.iloc[::-1]
    table = pd.DataFrame(
        {
            words("site"): names[::-1],
            words("mean_busy"): [words.percent(v) for v in sums["mean"]],
            words("peak_busy"): [words.percent(v) for v in sums["peak"]],
            words("rack_occupancy"): [words.percent(v) for v in sums["racks"]],
        }
    )
    return Chart("utilisation", title, words("chart.utilisation.note"), drawn, table)


def site_map(view: View) -> Chart | None:
    """Sites on a plain longitude and latitude grid, sized by the compute of the last period; None without coordinates.

    No borders are drawn: a public map needs an approval that a plan cannot carry.
    """
    import plotly.graph_objects as go

    words = view.words
    last = view.case.horizon.periods - 1
    stock = view.tables["stock"]
    stock = stock[stock["period"] == last]
    pflops = (stock["pflops"] * view.weight(stock)).groupby(stock["site"]).sum()
    placed = [s for s in view.case.sites if s.lat is not None and s.lon is not None]
    if len(placed) < 2:
        return None
    size = np.array([float(pflops.get(s.id, 0.0)) for s in placed])
    divisor, unit = compute_unit(float(size.max(initial=0.0)))
    names = [words.name(s.names) for s in placed]
    area = np.sqrt(size / size.max()) if size.max() > 0 else np.zeros(len(size))
    regions = [r for r in view.case.regions if r.lat is not None and r.lon is not None]
    traces = [
        go.Scatter(
            x=[r.lon for r in regions],
            y=[r.lat for r in regions],
            mode="markers",
            name=words("regions"),
            marker={"size": 5, "color": GREY, "symbol": "x-thin", "line": {"width": 1.2, "color": GREY}},
            text=[words.name(r.names) for r in regions],
            hovertemplate="%{text}<extra></extra>",
        ),
        go.Scatter(
            x=[s.lon for s in placed],
            y=[s.lat for s in placed],
            mode="markers+text",
            name=words("sites"),
            text=[n if z > 0 else "" for n, z in zip(names, size, strict=True)],
            textposition="top center",
            cliponaxis=False,
            marker={
                "size": 7 + 38 * area,
                "color": np.where(size > 0, COLOURS[0], "rgba(0,0,0,0)").tolist(),
                "opacity": 0.75,
                "line": {"width": 1.5, "color": COLOURS[0]},
            },
            customdata=np.stack([names, [words.number(v / divisor) for v in size]], axis=1),
            hovertemplate="%{customdata[0]}: %{customdata[1]} " + unit + "<extra></extra>",
        ),
    ]
    title = words("chart.map", period=view.periods[last])
    drawn = figure(
        title,
        traces,
        x=words.labelled(words("longitude"), "°E"),
        y=words.labelled(words("latitude"), "°N"),
        height=460,
        hovermode="closest",
        xaxis={"showgrid": True, "constrain": "domain"},
        yaxis={"rangemode": "normal", "scaleanchor": "x", "scaleratio": 1.2, "constrain": "domain"},
    )
    order = np.argsort(-size, kind="stable")
    table = pd.DataFrame(
        {
            words("site"): [names[i] for i in order],
            words.labelled(words("longitude"), "°E"): [placed[i].lon for i in order],
            words.labelled(words("latitude"), "°N"): [placed[i].lat for i in order],
            words.labelled(words("compute"), "PFLOPS"): size[order],
        }
    )
    return Chart("map", title, words("chart.map.note"), drawn, table)
