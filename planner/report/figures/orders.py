"""What is ordered when, for where, and when it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from planner.report.figures.chart import COLOURS, GREY, Chart, View, figure


def order_list(view: View, *, first_only: bool = False) -> pd.DataFrame:
    """Orders and phases in one list, earliest and largest first, with names and dates.

    Columns: branch, order_period, arrival_period, order_date, arrival_date, site, what, amount (text), modules, cards,
    pflops, mw, capex (with the order charge), kind ("module" or "phase"), key (module type, or "phase").
    first_only: what has to be ordered in the first period that orders anything, in every future.
    """
    words = view.words
    orders, phases = view.tables["orders"], view.tables["phases"]
    rows: list[dict[str, Any]] = []
    for row in orders.to_dict("records"):
        amount = words("amount_modules", modules=f"{row['modules']:,}", cards=f"{row['cards']:,}")
        rows.append(
            {
                **{c: row[c] for c in ("branch", "order_period", "arrival_period", "order_date", "arrival_date")},
                "site": view.name("site", row["site"]),
                "what": view.name("module_type", row["module_type"]),
                "amount": amount,
                "modules": row["modules"],
                "cards": row["cards"],
                "pflops": row["pflops"],
                "mw": 0.0,
                "capex": row["capex"] + row["order_cost"],
                "kind": "module",
                "key": row["module_type"],
            }
        )
    rows += [
        {
            **{c: row[c] for c in ("branch", "order_period", "arrival_period", "order_date", "arrival_date")},
            "site": view.name("site", row["site"]),
            "what": words("phase"),
            "amount": f"{words.number(row['mw'])} MW",
            "modules": 0,
            "cards": 0,
            "pflops": 0.0,
            "mw": row["mw"],
            "capex": row["capex"],
            "kind": "phase",
            "key": "phase",
        }
        for row in phases.to_dict("records")
    ]
    columns = [
        "branch",
        "order_period",
        "arrival_period",
        "order_date",
        "arrival_date",
        "site",
        "what",
        "amount",
        "modules",
        "cards",
        "pflops",
        "mw",
        "capex",
        "kind",
        "key",
    ]
    out = pd.DataFrame(rows, columns=columns)
    out = out.sort_values(["order_period", "kind", "capex"], ascending=[True, True, False], kind="stable")
    if first_only and len(out):
        out = out[(out["order_period"] == out["order_period"].min()) & (out["branch"] < 0)]
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
    kinds = [*kinds, *(["phase"] if "phase" in set(shown["key"]) else [])]
    offsets = dict(zip(kinds, np.linspace(-0.3, 0.3, len(kinds)) if len(kinds) > 1 else [0.0], strict=True))
    lane = {site: i for i, site in enumerate(reversed(lanes))}
    types = [k.id for k in view.case.module_types]
    for kind in kinds:
        rows = shown[shown["key"] == kind]
        place = types.index(kind) % len(COLOURS) if kind != "phase" else 0
        colour = GREY if kind == "phase" else COLOURS[place]
        name = words("phase") if kind == "phase" else view.name("module_type", kind)
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
        symbol = "square" if kind == "phase" else ("circle", "diamond", "cross", "triangle-up")[place % 4]
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
