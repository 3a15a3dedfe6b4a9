"""Agreements with suppliers: what is called off in them, what this saves, and what is missing (table agreements)."""

from __future__ import annotations

import pandas as pd

from planner.report.figures.chart import View

_SHOWN = ("agreement", "called_off", "to_date", "discount", "saved", "missing", "paid")


def agreements_table(view: View) -> pd.DataFrame:
    """By agreement and order period, under headings in the reader's language; by future where they differ."""
    words, table = view.words, view.tables["agreements"].sort_values(["agreement", "period", "branch"], kind="stable")
    divisor, unit = words.money_unit(float(table[["saved", "paid"]].to_numpy(float).max(initial=0.0)), view.currency)
    out = pd.DataFrame({words("period"): [view.periods[t] for t in table["period"]]})
    for column in _SHOWN:
        heading, cells = words(f"agree.{column}"), table[column].to_numpy()
        if column in ("saved", "paid"):
            heading, cells = words.labelled(heading, unit), cells / divisor
        out[heading] = [words.percent(v) for v in cells] if column == "discount" else cells
    if (table["branch"] >= 0).any():
        out[words("future")] = [str(b + 1) for b in table["branch"]]
    return out


def agreements_lines(view: View) -> list[str]:
    """By agreement: whether it is signed, what is called off in it and saved, what is missing and paid for."""
    words, table = view.words, view.tables["agreements"]
    late, out = ".by_future" if (table["branch"] >= 0).any() else "", []
    for one in view.case.agreements:
        own = table[table["agreement"] == one.id]
        if own.empty:
            out.append(words("answer.unsigned", name=one.id))
            continue
        weight = view.weight(own)
        sums = {c: float((own[c].to_numpy(float) * weight).sum()) for c in ("called_off", "saved", "missing", "paid")}
        off, saved = words.number(sums["called_off"]), words.money(sums["saved"], view.currency)
        out.append(words(f"answer.agreement{late}", modules=off, name=one.id, saved=saved))
        if sums["missing"] > 0:
            lacking, paid = words.number(sums["missing"]), words.money(sums["paid"], view.currency)
            out.append(words(f"answer.commitment{late}", modules=lacking, name=one.id, paid=paid))
    return out
