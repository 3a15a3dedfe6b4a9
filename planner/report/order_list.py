"""The list that is signed: every order by date with what has been signed by then, what is due next, and what is served.

Every figure is read from the tables purchases and unserved.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.report.figures.chart import View
from planner.report.figures.orders import order_list, orders_table


def running_total(orders: pd.DataFrame) -> FloatArray:
    """(rows,) what has been signed when a row is, in the futures that sign it.

    orders: columns branch and capex, earliest first. Rows of all futures count everywhere; where futures have gone
    their own ways before such a row, no one total holds for all of them and it is NaN.
    """
    out = np.zeros(len(orders))
    own: dict[int, float] = {}
    shared = 0.0
    for i, (branch, price) in enumerate(zip(orders["branch"], orders["capex"].to_numpy(float), strict=True)):
        if branch < 0:
            shared += price
            out[i] = np.nan if own else shared
        else:
            own[branch] = own.get(branch, 0.0) + price
            out[i] = shared + own[branch]
    return out


def all_orders(view: View) -> pd.DataFrame:
    """Modules, power phases and openings by date under headings in the reader's language, with the running total."""
    words = view.words
    orders = order_list(view)
    table = orders_table(view, orders)
    total = running_total(orders)
    largest = float(np.nanmax(total)) if np.isfinite(total).any() else 0.0
    divisor, unit = words.money_unit(largest, view.currency)
    place = list(table.columns).index(words("future")) if words("future") in table else len(table.columns)
    table.insert(place, words.labelled(words("running_total"), unit), total / divisor)
    return table


def next_date(view: View) -> str:
    """When something is signed after the first orders, and how much; "" where nothing is.

    Where futures differ by then, the range over those that sign something on that day.
    """
    words, orders = view.words, order_list(view)
    first = orders.loc[orders["branch"] < 0, "order_period"].min()
    later = orders[orders["order_period"] > first] if len(orders) and first == first else orders
    if later.empty:
        return ""
    due = later[later["order_period"] == later["order_period"].min()]
    day = str(due["order_date"].iloc[0])[:10]
    shared = float(due.loc[due["branch"] < 0, "capex"].sum())
    own = due[due["branch"] >= 0].groupby("branch")["capex"].sum() + shared
    if own.empty:
        return words("answer.next", date=day, total=words.money(shared, view.currency))
    likely = float(view.probability[own.index.to_numpy(int)].sum())
    least, most = (words.money(float(v), view.currency) for v in (own.min(), own.max()))
    key = "answer.next.certain" if likely > 1 - 1e-9 else "answer.next.by_future"
    return words(key, date=day, share=words.percent(likely, 0, "down"), least=least, most=most)


def served_share(view: View, share: float) -> str:
    """A share served that is not all is never said to be 100 %, and one that is not nothing never 0 %."""
    digits = next((d for d in (0, 1, 2, 3) if 10 ** -(d + 2) <= min(share, 1 - share)), 4)
    return view.words.percent(share, 0 if share in (0.0, 1.0) else max(digits, 1))


def service(view: View) -> pd.DataFrame:
    """By workload: the share that is served in every period and over all of them, expected over futures; what is not
    served at all and what of it no order could have avoided, in the workload's unit-hours."""
    words, table = view.words, view.tables["unserved"]
    units = {w.id: w.unit for w in view.case.workloads}
    rows = []
    for workload, own in table.groupby("workload", sort=False):
        asked, left = (own[f"{name}_unit_hours"].to_numpy(float) for name in ("asked", "unserved"))
        unit = units[str(workload)]
        by_period = dict(zip(own["period"], 1 - left / asked, strict=True))
        early = float(own["unavoidable_unit_hours"].sum())
        rows.append(
            {
                words("workload"): view.name("workload", str(workload)),
                **{
                    label: served_share(view, float(by_period[t])) if t in by_period else "–"
                    for t, label in enumerate(view.periods)
                },
                words("service.all"): served_share(view, 1 - float(left.sum()) / float(asked.sum())),
                words("service.unserved"): f"{words.number(float(left.sum()))} {unit}·h",
                words("service.unavoidable"): f"{words.number(early)} {unit}·h",
            }
        )
    return pd.DataFrame(rows)
