"""Energy by tariff band, and emissions counted both ways."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.case import BANDS
from planner.report.figures.chart import COLOURS, Chart, Part, View, bar, figure, hatched

BAND_COLOURS = {
    "super_peak": "#B23A00",
    "peak": "#E69F00",
    "flat": "#8A8F98",
    "valley": "#56B4E9",
    "deep_valley": "#0072B2",
    "mean": "#009E73",
}
"""Warm where power is dear, cool where it is cheap."""
BAND_PATTERNS = {"super_peak": "x", "peak": "/", "flat": "", "valley": "\\", "deep_valley": ".", "mean": ""}


def energy(view: View) -> Chart:
    """Facility energy of every period, stacked by tariff band."""
    words, n = view.words, view.case.horizon.periods
    sums = view.tables["energy"].groupby(["band", "period"], as_index=False)[["facility_mwh", "cost"]].sum()
    parts, cost = [], np.zeros(n)
    for band in (*BANDS, "mean"):
        rows = sums[sums["band"] == band]
        if len(rows):
            index = rows["period"].to_numpy(np.int64)
            values = np.bincount(index, weights=rows["facility_mwh"], minlength=n) / 1000
            cost += np.bincount(index, weights=rows["cost"], minlength=n)
            parts.append(Part(words(f"band.{band}"), BAND_COLOURS[band], BAND_PATTERNS[band], values))
    title = words("chart.energy")
    drawn = figure(
        title,
        [bar(p, x=view.periods, y=p.values, hovertemplate="%{y:,.4~g} GWh") for p in parts],
        y=words.labelled(words("facility_energy"), "GWh"),
        barmode="stack",
        xaxis={"type": "category"},
    )
    divisor, unit = words.money_unit(float(cost.max(initial=0.0)), view.currency)
    table = pd.DataFrame(
        {
            words("period"): view.periods,
            **{words.labelled(p.name, "GWh"): p.values for p in parts},
            words.labelled(words("term.energy"), unit): cost / divisor,
        }
    )
    return Chart("energy", title, words("chart.energy.note"), drawn, table)


def carbon(view: View) -> Chart:
    """Emissions of every period, location-based and market-based."""
    import plotly.graph_objects as go

    words, n = view.words, view.case.horizon.periods
    sums = view.tables["carbon"].groupby("period")[["location_tonnes", "market_tonnes", "facility_mwh"]].sum()
    sums = sums.reindex(range(n), fill_value=0.0)
    traces = [
        go.Bar(
            x=view.periods,
            y=sums[column] / 1000,
            name=words(column),
            hovertemplate="%{y:,.4~g} kt",
            marker=hatched(colour, pattern),
        )
        for column, colour, pattern in (
            ("location_tonnes", COLOURS[1], ""),
            ("market_tonnes", COLOURS[2], "/"),
        )
    ]
    title = words("chart.carbon")
    drawn = figure(
        title, traces, y=words.labelled(words("emissions"), "kt CO₂"), barmode="group", xaxis={"type": "category"}
    )
    energy_mwh = sums["facility_mwh"].to_numpy(float)
    table = pd.DataFrame(
        {
            words("period"): view.periods,
            words.labelled(words("location_tonnes"), "t CO₂"): sums["location_tonnes"].to_numpy(),
            words.labelled(words("market_tonnes"), "t CO₂"): sums["market_tonnes"].to_numpy(),
            words.labelled(words("carbon_intensity"), "kg/kWh"): np.divide(
                sums["location_tonnes"].to_numpy(float), energy_mwh, out=np.full(n, np.nan), where=energy_mwh > 0
            ),
        }
    )
    return Chart("carbon", title, words("chart.carbon.note"), drawn, table)
