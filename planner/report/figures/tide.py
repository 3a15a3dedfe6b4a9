"""The tide of a typical day: busy compute by workload and by site, with what could not be served."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case.compute import pflops_per_unit
from planner.report.figures.capacity import capacity_by_period
from planner.report.figures.chart import WARN, Chart, View, bar, figure, parts_of
from planner.words.wording import compute_unit


def busiest_day(view: View, period: int) -> int:
    """The typical day of a period that holds the busiest step (mean over futures); the first one where nothing runs."""
    load = view.tables["load"]
    load = load[load["period"] == period]
    used = [d for t, d in view.days.used() if t == period]
    if load.empty:
        return used[0] if used else 0
    busy = load["busy"].to_numpy() * load["module_type"].map(view.module_pflops).to_numpy(float) * view.weight(load)
    place = load["day"].to_numpy(np.int64) * view.days.steps + load["step"].to_numpy(np.int64)
    return int(np.bincount(place, weights=busy).argmax()) // view.days.steps


def _stack(view: View, key: str, value: FloatArray, rows: pd.DataFrame) -> dict[str, FloatArray]:
    """For every key (steps,) sums of value."""
    out: dict[str, FloatArray] = {}
    steps = rows["step"].to_numpy(np.int64)
    for name, index in rows.groupby(key, sort=False).indices.items():
        out[str(name)] = np.bincount(steps[index], weights=value[index], minlength=view.days.steps).astype(float)
    return out


def tide(view: View, period: int, day: int, by: Literal["workload", "site"] = "workload") -> Chart:
    """Busy PFLOPS of every step, stacked; shortfall on top as installed-PFLOPS equivalent; usable compute as a line."""
    import plotly.graph_objects as go

    words, days = view.words, view.days
    load = view.tables["load"]
    load = load[(load["period"] == period) & (load["day"] == day)]
    busy = load["busy"].to_numpy() * load["module_type"].map(view.module_pflops).to_numpy(float) * view.weight(load)
    values = _stack(view, by, busy, load)
    for row, pflops in _campaigns(view, period):
        key = str(row["campaign" if by == "workload" else "site"])
        values[key] = values.get(key, np.zeros(days.steps)) + pflops
    order = (
        [w.id for w in view.case.workloads] + [c.id for c in view.case.campaigns]
        if by == "workload"
        else [s.id for s in view.case.sites]
    )
    missing = _missing(view, period, day)
    usable = capacity_by_period(view).set_index("period")["usable_pflops"].get(period, np.nan)
    total = np.sum(list(values.values()), axis=0) if values else np.zeros(days.steps)
    divisor, unit = compute_unit(float(np.nanmax([usable, (total + missing).max(initial=0.0)])))
    edges = np.concatenate([[0.0], np.cumsum(days.step_hours)])
    middle = (edges[:-1] + edges[1:]) / 2
    parts = parts_of(values, view.names[by], order, words("others"))
    hover = "%{y:,.3~g} " + unit
    traces = [
        bar(part, x=middle, y=part.values / divisor, width=days.step_hours, hovertemplate=hover) for part in parts
    ]
    if missing.any():
        traces.append(
            go.Bar(
                x=middle,
                y=missing / divisor,
                width=days.step_hours,
                name=words("shortfall"),
                hovertemplate=hover,
                marker={"color": "rgba(0,0,0,0)", "line": {"color": WARN, "width": 1.5}},
            )
        )
    if np.isfinite(usable):
        traces.append(
            go.Scatter(
                x=[0, float(edges[-1])],
                y=[usable / divisor] * 2,
                mode="lines",
                name=words("usable"),
                line={"color": WARN, "dash": "dash", "width": 2},
                hovertemplate=hover,
            )
        )
    where = words.joined([view.periods[period], day_name(view, day)])
    title = words(f"chart.tide_{by}", where=where)
    drawn = figure(
        title,
        traces,
        x=words.labelled(words("hour"), "h"),
        y=words.labelled(words("busy_compute"), unit),
        barmode="stack",
        bargap=0,
        xaxis={"range": [0, float(edges[-1])], "dtick": 3 if edges[-1] <= 24 else None},
    )
    table = pd.DataFrame(
        {
            words.labelled(words("hour"), "h"): [f"{a:g}–{b:g}" for a, b in pairwise(edges)],
            **{words.labelled(part.name, "PFLOPS"): part.values for part in parts},
            words.labelled(words("shortfall"), "PFLOPS"): missing,
        }
    )
    return Chart(f"tide-{by}-{period}-{day}", title, words(f"chart.tide_{by}.note"), drawn, table)


def day_name(view: View, day: int) -> str:
    """A typical day in the reader's language; a label of the case's own stays as it is."""
    label = view.days.labels[day]
    head, _, number = label.rpartition(" ")
    if number.isdigit():
        return f"{view.words.either('day.' + head.replace(' ', '_'), head)} {number}"
    return view.words.either("day." + label.replace(" ", "_"), label)


def _campaigns(view: View, period: int) -> list[tuple[dict[str, Any], float]]:
    """Rows of the campaigns that run in a period, each with its busy PFLOPS (its gang, for its share of the period)."""
    frame = view.tables["campaigns"]
    frame = frame[frame["period"] == period]
    busy = frame["modules"] * frame["share"] * frame["module_type"].map(view.module_pflops) * view.weight(frame)
    return [
        ({str(k): v for k, v in row.items()}, float(b)) for row, b in zip(frame.to_dict("records"), busy, strict=True)
    ]


def _missing(view: View, period: int, day: int) -> FloatArray:
    """(steps,) shortfall of online and deferrable work, as installed-PFLOPS equivalent, mean over futures."""
    frame = view.tables["shortfall"]
    frame = frame[(frame["period"] == period) & (frame["day"] == day)]
    need = dict(zip((w.id for w in view.case.workloads), pflops_per_unit(view.case), strict=True))
    value = frame["shortfall"].to_numpy() * frame["workload"].map(need).to_numpy(float) * view.weight(frame)
    return np.bincount(frame["step"].to_numpy(np.int64), weights=value, minlength=view.days.steps).astype(float)
