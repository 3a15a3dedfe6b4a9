"""The answer to a question about a plan, as its page shows it: tables beside the sentences, from the answer's JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from planner.case import Case
from planner.report.grid import Grid, grid
from planner.words.wording import Rounded, Wording

Json = Mapping[str, Any]
_LEAST = 1e-6
"""Terms that change by less, as a share of what changes most, are left out."""


def answer_tables(kind: str, answer: Json, case: Case, words: Wording) -> list[Grid]:
    """kind: as it was asked ("why_not", "what_if", "alternatives", "sensitivity", "filling", "resilience", "headroom").

    A resilience that no work of the case asks for has none.
    """
    if kind in ("why_not", "what_if"):
        return _change(answer, case, words)
    if kind in ("filling", "resilience"):
        return _change(answer["change"], case, words) if "change" in answer else []
    made = {"alternatives": _alternatives, "sensitivity": _sensitivity, "headroom": _headroom}.get(kind)
    return [] if made is None else made(answer, case, words)


def _change(found: Json, case: Case, words: Wording) -> list[Grid]:
    terms = {term: float(value) for term, value in found["by_term"].items()}
    largest = max(map(abs, terms.values()), default=0.0)
    moved = sorted(((t, v) for t, v in terms.items() if abs(v) > _LEAST * largest), key=lambda one: -abs(one[1]))
    out = []
    if moved:
        rows = [(words.either(f"term.{t}", t), words.money(v, case.meta.currency)) for t, v in moved]
        out.append(_table(rows, (words("term"), words("cost_change")), words, words("ask.by_term")))
    if found["orders"]:
        title = words("ask.orders_alike" if found["interchangeable"] else "ask.orders_moved")
        out.append(_orders(found["orders"], ("before", "after"), case, words, title))
    if found.get("departures"):
        out.append(_departures(found["departures"], case, words))
    return out


def _departures(rows: Sequence[Json], case: Case, words: Wording) -> Grid:
    """What leaves early in one of two plans and not in the other."""
    names = {s.id: words.name(s.names) for s in case.sites} | {k.id: words.name(k.names) for k in case.module_types}
    told = [
        (
            names[row["site"]],
            names[row["module_type"]],
            names.get(row["to_site"], "–"),
            case.horizon.period_label(int(row["period"])),
            int(row["before"]),
            int(row["after"]),
        )
        for row in rows
    ]
    headings = ("site", "module_type", "to_site", "period", "before", "after")
    return _table(
        told, [words.either(f"ask.column.{h}", words.either(h, h)) for h in headings], words, words("ask.leaving")
    )


def _orders(rows: Sequence[Json], counts: tuple[str, ...], case: Case, words: Wording, title: str) -> Grid:
    names = {s.id: words.name(s.names) for s in case.sites} | {k.id: words.name(k.names) for k in case.module_types}
    told = [
        (
            names[row["site"]],
            names[row["module_type"]],
            case.horizon.period_label(int(row["arrival_period"])),
            *(int(row[name]) for name in counts),
        )
        for row in rows
    ]
    headings = ("site", "module_type", "arrival_period", *counts)
    return _table(told, [words.either(f"ask.column.{h}", words.either(h, h)) for h in headings], words, title)


def _alternatives(found: Json, case: Case, words: Wording) -> list[Grid]:
    def measured(quality: str, value: float) -> str:
        if quality == "most_domestic":
            return words.percent(value)
        return words.number(value) + (" t" if quality == "least_carbon" else "")

    rows = [
        (
            words(f"quality.{one['quality']}"),
            measured(one["quality"], one["before"]),
            measured(one["quality"], one["after"]),
            words.percent(one["extra_cost_share"], 2),
            f"{words.percent(one['extra_least'], 2, 'down')} … {words.percent(one['extra_most'], 2, 'up')}",
            int(one["modules_moved"]),
        )
        for one in found["rows"]
    ]
    headings = [words(f"ask.column.{h}") for h in ("quality", "before", "after", "extra", "range", "moved")]
    out = [_table(rows, headings, words, words("ask.alternatives", epsilon=words.percent(found["epsilon"], 1)))]
    for one in found["rows"]:
        if one["orders"]:
            title = words("ask.alternative_orders", quality=words(f"quality.{one['quality']}"))
            out.append(_orders(one["orders"], ("modules",), case, words, title))
    return out


def _sensitivity(found: Json, case: Case, words: Wording) -> list[Grid]:
    def money(value: float | None, rounded: Rounded = "near") -> str:
        return "–" if value is None else words.money(value, case.meta.currency, rounded=rounded)

    rows = [
        (
            row["change_zh" if words.chinese else "change"],
            money(row["difference"]),
            f"{money(row['least'], 'down')} … {money(row['most'], 'up')}"
            if row["difference"] is not None
            else row["note"],
            int(row["modules"]),
            words("ask.same" if row["same_first_orders"] else "ask.other") if row["difference"] is not None else "–",
        )
        for row in found["rows"]
    ]
    headings = (words("assumption"), words("cost_change"), words("ask.column.range"), words("modules"))
    return [_table(rows, (*headings, words("ask.column.first")), words, words("ask.sensitivity"))]


def _headroom(found: Json, case: Case, words: Wording) -> list[Grid]:
    names = {w.id: words.name(w.names) for w in case.workloads} | {r.id: words.name(r.names) for r in case.regions}
    when = ("earliest", "middle", "latest")
    rows = [
        (
            names[row["workload"]],
            names[row["region"]] if row["region"] else words("headroom.everywhere"),
            *(row[name] or words("headroom.lasts") for name in when),
        )
        for row in found["lasts_until"]
    ]
    headings = (words("workload"), words("headroom.region"), *(words(f"headroom.{name}") for name in when))
    return [_table(rows, headings, words, words("headroom.title"))]


def _table(rows: Sequence[Sequence[Any]], headings: Sequence[str], words: Wording, title: str) -> Grid:
    return grid(pd.DataFrame(list(rows), columns=list(headings)), words, title)
