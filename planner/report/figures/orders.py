"""What is ordered when, for where, and when it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from planner.report.figures.chart import COLOURS, GREY, Chart, View, figure


def order_list(view: View, *, first_only: bool = False) -> pd.DataFrame:
    """Everything that is to be signed in one list, earliest first, with names and dates (table purchases).

    Columns: branch, order_period, arrival_period, order_date, arrival_date, site, what, amount (text), modules, cards,
    pflops, mw, capex (the price, with the order charge), kind ("module", "phase" or "opening"), key (module type, or
    the kind). first_only: what has to be ordered in the first period that orders anything, in every future.
    """
    words = view.words
    rows: list[dict[str, Any]] = []
    same = ("branch", "order_period", "arrival_period", "order_date", "arrival_date", "cards", "pflops", "mw", "kind")
    for row in view.tables["purchases"].to_dict("records"):
        kind = row["kind"]
        key = row["item"] if kind == "module" else kind
        what, amount = view.name("module_type", key) if kind == "module" else words(kind), ""
        if kind == "module":
            amount = words("amount_modules", modules=f"{row['count']:,}", cards=f"{row['cards']:,}")
        elif kind == "phase":
            amount = f"{words.number(row['mw'])} MW"
        rows.append(
            {
                **{c: row[c] for c in same},
                "site": view.name("site", row["site"]),
                "what": what,
                "amount": amount,
                "modules": row["count"] if kind == "module" else 0,
                "capex": row["price"],
                "key": key,
            }
        )
    columns = ["branch", "order_period", "arrival_period", "order_date", "arrival_date", "site", "what", "amount",
               "modules", "cards", "pflops", "mw", "capex", "kind", "key"]  # fmt: skip
    out = pd.DataFrame(rows, columns=columns)
    if first_only and len(out):
        shared = out[out["branch"] < 0]
        out = shared[shared["order_period"] == shared["order_period"].min()]
    return out.reset_index(drop=True)


def orders_table(view: View, orders: pd.DataFrame) -> pd.DataFrame:
    """An order list under headings in the reader's language."""
    words = view.words
    divisor, unit = words.money_unit(float(orders["capex"].max()) if len(orders) else 0.0, view.currency)
    table = pd.DataFrame(
        {
            words("order_date"): [_day(d) for d in orders["order_date"]],
            words("in_service"): [_day(d) for d in orders["arrival_date"]],
            words("site"): orders["site"],
            words("what"): orders["what"],
            words("amount"): orders["amount"],
            words.labelled(words("compute"), "PFLOPS"): orders["pflops"],
            words.labelled(words("capex"), unit): orders["capex"].to_numpy(float) / divisor,
        }
    )
    if (orders["branch"] >= 0).any():
        table[words("future")] = [words("all_futures") if b < 0 else str(b + 1) for b in orders["branch"]]
    return table


def timeline(view: View) -> Chart | None:
    """A line from order to arrival for every order, by site; its colour tells the module type. None without orders."""
    import plotly.graph_objects as go

    words, orders = view.words, order_list(view)
    if orders.empty:
        return None
    late = orders["branch"] >= 0
    # An order that only some futures need would hide the others at its place; the table still names every one.
    shown = orders[~late | (orders["branch"] == orders.loc[late, "branch"].min())] if late.any() else orders
    lanes = list(dict.fromkeys(shown.sort_values("order_period", kind="stable")["site"]))
    traces = []
    kinds: Sequence[str] = [k.id for k in view.case.module_types if k.id in set(shown["key"])]
    kinds = [*kinds, *(k for k in ("phase", "opening") if k in set(shown["key"]))]
    offsets = dict(zip(kinds, np.linspace(-0.3, 0.3, len(kinds)) if len(kinds) > 1 else [0.0], strict=True))
    lane = {site: i for i, site in enumerate(reversed(lanes))}
    types = [k.id for k in view.case.module_types]
    for kind in kinds:
        rows = shown[shown["key"] == kind]
        place = types.index(kind) % len(COLOURS) if kind in types else 0
        colour = COLOURS[place] if kind in types else GREY
        name = view.name("module_type", kind) if kind in types else words(kind)
        xs: list[Any] = []
        ys: list[Any] = []
        for site, ordered, arrives in zip(rows["site"], rows["order_date"], rows["arrival_date"], strict=True):
            xs += [_day(ordered), _day(arrives), None]
            ys += [lane[site] + offsets[kind]] * 2 + [None]
        traces.append(
            go.Scatter(
                x=xs,
                y=ys,
                mode="lines",
                line={"color": colour, "width": 5},
                opacity=0.45,
                name=name,
                showlegend=False,
                legendgroup=kind,
                hoverinfo="skip",
            )
        )
        symbol = (
            "square"
            if kind == "phase"
            else "star"
            if kind == "opening"
            else ("circle", "diamond", "cross", "triangle-up")[place % 4]
        )
        text = [f"{m}×" if m else a for m, a in zip(rows["modules"], rows["amount"], strict=True)]
        traces.append(
            go.Scatter(
                x=[_day(d) for d in rows["arrival_date"]],
                y=[lane[s] + offsets[kind] for s in rows["site"]],
                mode="markers+text",
                text=text,
                textposition="middle right",
                textfont={"size": 11},
                name=name,
                legendgroup=kind,
                marker={"color": colour, "size": 11, "symbol": symbol},
                cliponaxis=False,
                customdata=np.stack([rows["site"], rows["amount"], [_day(d) for d in rows["order_date"]]], axis=1),
                hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]} → %{x}<extra>"
                + name
                + "</extra>",
            )
        )
    title = words("chart.timeline")
    drawn = figure(
        title,
        traces,
        height=150 + 46 * max(len(lanes), 1),
        hovermode="closest",
        xaxis={"type": "date", "tickformat": "%Y-%m", "showgrid": True, "range": _range(view)},
        yaxis={
            "tickmode": "array",
            "tickvals": list(lane.values()),
            "ticktext": list(lane),
            "showgrid": False,
            "range": [-0.6, max(len(lanes), 1) - 0.4],
            "rangemode": "normal",
        },
    )
    return Chart("timeline", title, words("chart.timeline.note"), drawn, orders_table(view, orders))


def _day(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)[:10]


def _range(view: View) -> list[str]:
    horizon = view.case.horizon
    return [horizon.start.isoformat(), horizon.period_start(horizon.periods + 1).isoformat()]
