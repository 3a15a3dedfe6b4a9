"""The answer to a question about a plan, as its page shows it: tables beside the sentences, from the answer's JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from planner.case import Case
from planner.explain.asking import proven_range
from planner.report.grid import Grid, grid
from planner.words.wording import Rounded, Wording

Json = Mapping[str, Any]
_OUTWARDS: tuple[tuple[str, Rounded], ...] = (("least", "down"), ("most", "up"))
_ORDERS = ("site", "module_type", "arrival_period")
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
        out.append(_modules(found["orders"], (*_ORDERS, "before", "after"), case, words, title))
    if found.get("departures"):
        headings = ("site", "module_type", "to_site", "period", "before", "after")
        out.append(_modules(found["departures"], headings, case, words, words("ask.leaving")))
    return out


def _modules(rows: Sequence[Json], headings: Sequence[str], case: Case, words: Wording, title: str) -> Grid:
    """Rows about modules: ids as names, periods by their labels, "–" for no site (what is retired), counts."""
    names = {s.id: words.name(s.names) for s in case.sites} | {k.id: words.name(k.names) for k in case.module_types}

    def shown(heading: str, value: Any) -> Any:
        if heading in ("site", "module_type", "to_site"):
            return names.get(value, "–")
        return case.horizon.period_label(int(value)) if heading in ("arrival_period", "period") else int(value)

    told = [[shown(heading, row[heading]) for heading in headings] for row in rows]
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
            " … ".join(words.percent(_number(one[f"extra_{end}"]), 2, way) for end, way in _OUTWARDS),
            int(one["modules_moved"]),
        )
        for one in found["rows"]
    ]
    headings = [words(f"ask.column.{h}") for h in ("quality", "before", "after", "extra", "range", "moved")]
    out = [_table(rows, headings, words, words("ask.alternatives", epsilon=words.percent(found["epsilon"], 1)))]
    for one in found["rows"]:
        if one["orders"]:
            title = words("ask.alternative_orders", quality=words(f"quality.{one['quality']}"))
            out.append(_modules(one["orders"], (*_ORDERS, "modules"), case, words, title))
    return out


def _sensitivity(found: Json, case: Case, words: Wording) -> list[Grid]:
    own, currency = "_zh" if words.chinese else "", case.meta.currency
    rows = []
    for row in found["rows"]:
        told: tuple[Any, ...] = ("–", row.get(f"note{own}") or row["note"], "–", "–")  # no plan was found in this world
        if row["difference"] is not None:
            ends = proven_range(words, currency, _number(row["least"]), _number(row["most"]))
            first = words("ask.same" if row["same_first_orders"] else "ask.other")
            change = words.money(row["difference"], currency)
            told = (change, f"{ends['least']} … {ends['most']}", int(row["modules"]), first)
        rows.append((row[f"change{own}"], *told))
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


def _number(value: float | None) -> float:
    """NaN for null, which is how JSON has what is not known."""
    return math.nan if value is None else value


def _table(rows: Sequence[Sequence[Any]], headings: Sequence[str], words: Wording, title: str) -> Grid:
    return grid(pd.DataFrame(list(rows), columns=list(headings)), words, title)
