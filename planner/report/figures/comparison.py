"""Scenarios beside each other: cost, regret, frontier and knee, build-ahead ratio, and what would change the answer.

The figures read the tables of `planner.compare.tables.COMPARISON_TABLES`; money in them is discounted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planner.report.figures.chart import COLOURS, GREY, WARN, Chart, figure
from planner.words.wording import Wording

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "pentagon")


@dataclass(frozen=True)
class ComparisonView:
    """A comparison as the charts see it. periods: labels of the case's periods."""

    tables: Mapping[str, pd.DataFrame]
    periods: Sequence[str]
    currency: str
    words: Wording

    def name(self, scenario: str) -> str:
        """What a scenario is called in the reader's language."""
        rows = self.tables["scenarios"]
        row = rows[rows["scenario"] == scenario]
        if row.empty:
            return scenario
        english, chinese = str(row["name_en"].iloc[0]), str(row["name_zh"].iloc[0])
        return (chinese if self.words.chinese else english) or english or scenario

    def order(self, table: str) -> list[str]:
        """Scenarios of a table in the order of the comparison."""
        there = set(self.tables[table]["scenario"])
        return [s for s in self.tables["scenarios"]["scenario"] if s in there]

    def best(self) -> str | None:
        """The scenario of the base world with the least mean cost that is a plan (perfect information is none)."""
        costs = self.tables["costs"]
        plans = set(self.tables["regret"]["scenario"])
        mean = costs[(costs["statistic"] == "mean") & costs["scenario"].isin(plans)]
        return None if mean.empty else str(mean["scenario"].iloc[int(mean["value"].to_numpy().argmin())])


def scenario_costs(view: ComparisonView) -> Chart:
    """Mean cost of every scenario with its 95 % interval; P10, P90 and CVaR as marks."""
    import plotly.graph_objects as go

    words, order = view.words, view.order("costs")
    wide = view.tables["costs"].pivot_table(
        index="scenario", columns="statistic", values=["value", "low", "high"], dropna=False
    )
    wide = wide.reindex(order)
    divisor, unit = words.money_unit(float(wide["value"].max().max()), view.currency)
    names = [view.name(s) for s in order]
    mean = wide["value"]["mean"].to_numpy(float) / divisor
    above = wide["high"]["mean"].to_numpy(float) / divisor - mean
    below = mean - wide["low"]["mean"].to_numpy(float) / divisor
    hover = "%{y}: %{x:,.4~g} " + unit
    traces = [
        go.Bar(
            x=mean,
            y=names,
            orientation="h",
            name=words("mean_cost"),
            marker_color=COLOURS[4],
            hovertemplate=hover,
            error_x={"type": "data", "array": np.fmax(above, 0), "arrayminus": np.fmax(below, 0), "color": GREY},
        ),
        *(
            go.Scatter(
                x=wide["value"][statistic].to_numpy(float) / divisor,
                y=names,
                mode="markers",
                name=words(statistic),
                marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}},
                hovertemplate=hover,
            )
            for statistic, symbol, colour in (
                ("p10", "line-ns-open", COLOURS[2]),
                ("p90", "line-ns-open", COLOURS[1]),
                ("cvar", "diamond", WARN),
            )
        ),
    ]
    title = words("chart.scenario_costs")
    drawn = figure(
        title,
        traces,
        x=words.labelled(words("discounted_cost"), unit),
        height=180 + 40 * len(names),
        hovermode="closest",
        yaxis={"type": "category", "autorange": "reversed", "rangemode": "normal"},
    )
    table = pd.DataFrame(
        {
            words("scenario"): names,
            **{
                words.labelled(words(key), unit): wide["value"][statistic].to_numpy(float) / divisor
                for key, statistic in (("mean_cost", "mean"), ("p10", "p10"), ("p90", "p90"), ("cvar", "cvar"))
            },
            words("interval"): [
                f"{words.number(m - b, 4)} – {words.number(m + a, 4)}" if np.isfinite(a + b) else "–"
                for m, a, b in zip(mean, above, below, strict=True)
            ],
        }
    )
    return Chart("scenario-costs", title, words("chart.scenario_costs.note"), drawn, table)


def regret_map(view: ComparisonView) -> Chart | None:
    """Regret of every scenario in every future, futures from the least to the most demanding; None without futures."""
    import plotly.graph_objects as go

    words, futures = view.words, view.tables["futures"]
    futures = futures[futures["regret"].notna()]
    if futures.empty:
        return None
    order = [s for s in view.order("futures") if s in set(futures["scenario"])]
    driver = futures.drop_duplicates("future").set_index("future")["driver"]
    ranked = driver.sort_values(kind="stable").index
    grid = futures.pivot_table(index="scenario", columns="future", values="regret").reindex(order)[ranked]
    divisor, unit = words.money_unit(float(grid.max().max()), view.currency)
    names = [view.name(s) for s in order]
    z = grid.to_numpy(float) / divisor
    title = words("chart.regret")
    drawn = figure(
        title,
        [
            go.Heatmap(
                z=z,
                y=names,
                x=np.arange(1, z.shape[1] + 1),
                colorscale="Cividis",
                reversescale=True,
                zmin=0,
                colorbar={"title": {"text": unit}, "thickness": 12},
                customdata=np.broadcast_to(driver[ranked].to_numpy(float), z.shape),
                hovertemplate="%{y}<br>"
                + words("future")
                + " %{x} (%{customdata:.3g})<br>%{z:,.4~g} "
                + unit
                + "<extra></extra>",
            )
        ],
        x=words("futures_ranked"),
        height=160 + 40 * len(names),
        hovermode="closest",
        yaxis={"type": "category", "autorange": "reversed", "rangemode": "normal", "showgrid": False},
    )
    sums = view.tables["regret"].set_index("scenario").reindex(order)
    table = pd.DataFrame(
        {
            words("scenario"): names,
            words.labelled(words("regret_mean"), unit): sums["mean"].to_numpy(float) / divisor,
            words.labelled(words("regret_largest"), unit): sums["largest"].to_numpy(float) / divisor,
            words("best_in"): [words.percent(v, 0) for v in sums["best_in"]],
        }
    )
    return Chart("regret", title, words("chart.regret.note"), drawn, table)


def frontier_chart(view: ComparisonView) -> Chart:
    """Idle cost against shortfall cost; the frontier as a line, its knee ringed."""
    import plotly.graph_objects as go

    words = view.words
    data = view.tables["frontier"]
    divisor, unit = words.money_unit(float(data[["idle_cost", "shortfall_cost"]].max().max()), view.currency)
    line = data[data["on_frontier"] == 1].sort_values("idle_cost")
    knee = data[data["knee"] == 1]
    names = [view.name(s) for s in data["scenario"]]
    traces = [
        go.Scatter(
            x=line["idle_cost"] / divisor,
            y=line["shortfall_cost"] / divisor,
            mode="lines",
            name=words("frontier"),
            line={"color": GREY, "width": 2},
            hoverinfo="skip",
        )
    ]
    if len(knee):
        traces.append(
            go.Scatter(
                x=knee["idle_cost"] / divisor,
                y=knee["shortfall_cost"] / divisor,
                mode="markers",
                name=words("knee"),
                marker={"size": 26, "color": "rgba(0,0,0,0)", "line": {"width": 3, "color": WARN}},
                hoverinfo="skip",
            )
        )
    for i, (name, row) in enumerate(zip(names, data.to_dict("records"), strict=True)):
        traces.append(
            go.Scatter(
                x=[row["idle_cost"] / divisor],
                y=[row["shortfall_cost"] / divisor],
                mode="markers",
                name=name,
                marker={"size": 13, "color": COLOURS[i % len(COLOURS)], "symbol": SYMBOLS[i % len(SYMBOLS)]},
                hovertemplate=f"%{{x:,.4~g}} · %{{y:,.4~g}} {unit}",
            )
        )
    title = words("chart.frontier")
    drawn = figure(
        title,
        traces,
        x=words.labelled(words("idle_cost"), unit),
        y=words.labelled(words("shortfall_cost"), unit),
        height=460,
        hovermode="closest",
        xaxis={"showgrid": True, "rangemode": "tozero"},
    )
    table = pd.DataFrame(
        {
            words("scenario"): names,
            words.labelled(words("idle_cost"), unit): data["idle_cost"].to_numpy(float) / divisor,
            words.labelled(words("shortfall_cost"), unit): data["shortfall_cost"].to_numpy(float) / divisor,
            words("on_frontier"): ["✓" if v else "" for v in data["on_frontier"]],
            words("knee"): ["✓" if v else "" for v in data["knee"]],
        }
    )
    return Chart("frontier", title, words("chart.frontier.note"), drawn, table)


def ahead_chart(view: ComparisonView) -> Chart:
    """Build-ahead ratio of every scenario by period, with the line where capacity meets the P50 peak."""
    import plotly.graph_objects as go

    words, order = view.words, view.order("ahead")
    wide = view.tables["ahead"].pivot_table(index="period", columns="scenario", values="build_ahead_ratio")[order]
    labels = [view.periods[int(t)] for t in wide.index]
    traces = [
        go.Scatter(
            x=labels,
            y=wide[s],
            mode="lines+markers",
            name=view.name(s),
            hovertemplate="%{y:.2f}",
            line={
                "color": COLOURS[i % len(COLOURS)],
                "width": 2,
                "dash": ("solid", "dash", "dot")[i // len(COLOURS) % 3],
            },
            marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8},
        )
        for i, s in enumerate(order)
    ]
    title = words("chart.ahead")
    one = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 1, "y1": 1, "line": {"color": GREY}}
    drawn = figure(title, traces, y=words("build_ahead_ratio"), xaxis={"type": "category"}, shapes=[one])
    table = pd.DataFrame({words("period"): labels, **{view.name(s): wide[s].to_numpy(float) for s in order}})
    return Chart("ahead", title, words("chart.ahead.note"), drawn, table)


def tornado(view: ComparisonView, scenario: str | None = None) -> Chart | None:
    """How one scenario's mean cost moves with one assumption at a time; None when nothing was varied.

    scenario: the one with the least mean cost unless given.
    """
    import plotly.graph_objects as go

    words = view.words
    chosen = scenario or view.best()
    data = view.tables["sensitivity"]
    data = data[data["scenario"] == chosen]
    if data.empty:
        return None
    wide = data.pivot_table(index="factor", columns="setting", values="change", aggfunc="first")
    wide = wide.reindex(columns=["low", "high"])  # a third of the futures may hold none: nothing is known of it
    wide = wide.loc[wide.abs().max(axis=1).sort_values(kind="stable").index]
    divisor, unit = words.money_unit(float(wide.abs().max().max()), view.currency)
    names = [words.either(f"factor.{f}", str(f)) for f in wide.index]
    traces = [
        go.Bar(
            x=wide[setting].fillna(0.0) / divisor,
            y=names,
            orientation="h",
            name=words(setting),
            marker_color=colour,
            hovertemplate="%{y}: %{x:+,.4~g} " + unit,
        )
        for setting, colour in (("low", COLOURS[0]), ("high", COLOURS[1]))
    ]
    title = words("chart.tornado", scenario=view.name(str(chosen)))
    drawn = figure(
        title,
        traces,
        x=words.labelled(words("cost_change"), unit),
        barmode="overlay",
        height=170 + 40 * len(names),
        hovermode="closest",
        xaxis={"zeroline": True, "zerolinecolor": GREY, "showgrid": True},
    )
    best = data.pivot_table(index="factor", columns="setting", values="best", aggfunc="first").reindex(wide.index)
    table = pd.DataFrame({words("assumption"): names})
    for setting in ("low", "high"):
        table[words.labelled(f"{words('cost_change')}, {words(setting)}", unit)] = (
            wide[setting].to_numpy(float) / divisor
        )
        table[f"{words('best_then')}, {words(setting)}"] = [
            view.name(str(s)) if isinstance(s, str) else "–" for s in best.get(setting, pd.Series(index=wide.index))
        ]
    return Chart("tornado", title, words("chart.tornado.note"), drawn, table.iloc[::-1])


def comparison_charts(view: ComparisonView) -> dict[str, Chart]:
    """Every chart of a comparison by stable name; those without data are left out."""
    charts = {
        "scenario_costs": scenario_costs(view),
        "regret": regret_map(view),
        "frontier": frontier_chart(view),
        "ahead": ahead_chart(view),
        "tornado": tornado(view),
    }
    return {name: chart for name, chart in charts.items() if chart is not None}
