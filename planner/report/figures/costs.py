"""What the plan costs, by term and by period."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.program.registry import TERMS
from planner.report.figures.chart import COLOURS, GREY, Chart, View, bar, figure, parts_of


def costs_by_term(view: View) -> Chart:
    """Discounted cost of every term, mean over futures, largest first."""
    import plotly.graph_objects as go

    words = view.words
    costs = view.mean("costs", ["term"], ["discounted", "undiscounted"])
    costs = costs[costs["discounted"].abs() + costs["undiscounted"].abs() > 0].sort_values("discounted")
    total = float(costs["discounted"].sum())
    divisor, unit = words.money_unit(float(costs["discounted"].abs().max()) if len(costs) else 0.0, view.currency)
    names = [words.either(f"term.{t}", t) for t in costs["term"]]
    shares = costs["discounted"].to_numpy() / total if total else np.zeros(len(costs))
    text = [
        f"{words.number(v / divisor)} · {words.percent(s)}" for v, s in zip(costs["discounted"], shares, strict=True)
    ]
    ends = [0.0, *costs["discounted"] / divisor]
    low, high = min(ends), max(ends) or 1.0
    title = words("chart.costs")
    drawn = figure(
        title,
        [
            go.Bar(
                x=costs["discounted"] / divisor,
                y=names,
                orientation="h",
                text=text,
                textposition="outside",
                marker_color=COLOURS[0],
                cliponaxis=False,
                hovertemplate="%{y}: %{x:,.4~g} " + unit + "<extra></extra>",
            )
        ],
        x=words.labelled(words("discounted_cost"), unit),
        height=110 + 34 * max(len(costs), 1),
        hovermode="closest",
        showlegend=False,
        xaxis={"range": [1.05 * low, 1.35 * high], "zeroline": low < 0, "zerolinecolor": GREY},
    )
    costs = costs.iloc[::-1]
    table = pd.DataFrame(
        {
            words("term"): names[::-1],
            words.labelled(words("discounted_cost"), unit): costs["discounted"] / divisor,
            words("share"): [words.percent(s) for s in shares[::-1]],
            words.labelled(words("undiscounted_cost"), unit): costs["undiscounted"] / divisor,
        }
    )
    return Chart("costs", title, words("chart.costs.note"), drawn, table)


def costs_by_period(view: View) -> Chart:
    """Cost of every period in its own money, stacked by term, mean over futures."""
    words = view.words
    costs = view.mean("costs", ["term", "period"], ["undiscounted"])
    n = view.case.horizon.periods
    values = {
        str(term): np.bincount(rows["period"].to_numpy(np.int64), weights=rows["undiscounted"], minlength=n).astype(
            float
        )
        for term, rows in costs.groupby("term", sort=False)
    }
    largest = float(np.sum(list(values.values()), axis=0).max()) if values else 0.0
    divisor, unit = words.money_unit(largest, view.currency)
    parts = parts_of(values, {t: words.either(f"term.{t}", t) for t in values}, TERMS, words("others"))
    title = words("chart.costs_by_period")
    drawn = figure(
        title,
        [bar(p, x=view.periods, y=p.values / divisor, hovertemplate="%{y:,.4~g} " + unit) for p in parts],
        y=words.labelled(words("undiscounted_cost"), unit),
        barmode="stack",
        xaxis={"type": "category"},
    )
    table = pd.DataFrame(
        {words("period"): view.periods, **{words.labelled(p.name, unit): p.values / divisor for p in parts}}
    )
    return Chart("costs-by-period", title, words("chart.costs_by_period.note"), drawn, table)
