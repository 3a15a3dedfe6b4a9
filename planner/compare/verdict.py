"""A comparison in a few sentences that a manager can read, each number traceable to a table.

What is said rests on the plans that were made and on how they were dispatched on the futures they are judged on; no
more than that is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from planner.words.wording import LANGUAGES, Wording, wording

Tables = Mapping[str, pd.DataFrame]
_NOTHING = 1e-9
"""Differences below this part of what is compared are none."""


@dataclass(frozen=True)
class Number:
    """A number in the verdict and where it stands: table, the row's keys, column."""

    value: float
    table: str
    where: Mapping[str, str]
    column: str


def choices(tables: Tables) -> dict[str, str]:
    """best_mean, minimax_regret, least_cvar, knee: ids of the scenarios chosen; without a choice there is no key.

    Where several are equally good, the one with the least mean cost is named, if it is among them.
    """
    out: dict[str, str] = {}
    costs, regret, front = tables["costs"], tables["regret"], tables["frontier"]
    if len(regret):
        by = {name: costs[costs["statistic"] == name].set_index("scenario")["value"] for name in ("mean", "cvar")}
        mean, cvar = (by[name].reindex(regret["scenario"]) for name in ("mean", "cvar"))
        out["best_mean"] = best = str(mean.idxmin())
        out["least_cvar"] = _least(cvar, best)
        out["minimax_regret"] = _least(regret.set_index("scenario")["largest"], best)
    knees = front[front["knee"] == 1]
    if len(knees):
        out["knee"] = str(knees["scenario"].iloc[0])
    return out


def _least(values: pd.Series, first: str) -> str:
    least = float(values.min())
    return first if values[first] <= least + _NOTHING * abs(least) else str(values.idxmin())


def verdict(tables: Tables, currency: str, futures: int, sampled: bool) -> dict[str, Any]:
    """{"en": [...], "zh-CN": [...], "numbers": [...]}: sentences in each language, and where each number stands.

    What costs least, what it leaves undone, what is better where shortage is dearer; a fourth where it breaks limits.
    """
    chosen = choices(tables)
    if "best_mean" not in chosen:
        return {"en": [], "zh-CN": [], "numbers": []}
    numbers: list[Number] = []

    def look(table: str, column: str, **where: str) -> float:
        rows = tables[table]
        for key, wanted in where.items():
            rows = rows[rows[key] == wanted]
        value = float(rows[column].iloc[0])
        numbers.append(Number(value, table, where, column))
        return value

    best = chosen["best_mean"]
    found: dict[str, float] = {
        "cost": look("costs", "value", scenario=best, statistic="mean"),
        "short": look("measures", "value", scenario=best, measure="shortfall"),
        "idle": look("measures", "value", scenario=best, measure="idle_cost"),
        "broken": look("measures", "value", scenario=best, measure="broken_limits"),
        "regret": look("regret", "largest", scenario=chosen["minimax_regret"]),
    }
    second = None
    others = tables["costs"]
    others = others[
        (others["statistic"] == "mean") & others["scenario"].isin(set(tables["regret"]["scenario"]) - {best})
    ]
    if len(others):
        second = str(others.loc[others["value"].idxmin(), "scenario"])
        pair = {"scenario": second, "against": best}
        found |= {name: look("differences", column, **pair) for name, column in
                  (("less", "difference"), ("low", "low"), ("high", "high"))}  # fmt: skip
    more = None
    pairs = _more_cautious(tables, best)
    if len(pairs):
        less, more = (str(pairs[side].iloc[0]) for side in ("less", "more"))
        found |= {name: look("break_even", column, less=less, more=more) for name, column in
                  (("factor", "shortage_factor"), ("price", "shortage_per_pflops_hour"),
                   ("today", "today_per_pflops_hour"))}  # fmt: skip
    told = _Told(tables, chosen, found, second, more, futures, sampled)
    out: dict[str, Any] = {language: _sentences(told, wording(language), currency) for language in LANGUAGES}
    out["numbers"] = [
        {"value": n.value, "table": n.table, "where": dict(n.where), "column": n.column}
        for n in numbers
        if np.isfinite(n.value)
    ]
    return out


def _more_cautious(tables: Tables, best: str) -> pd.DataFrame:
    """Break-evens towards scenarios that lose less to shortage than `best`, the nearest first; none where it loses
    least of all. `best` itself need not be in one: another one may pay and lose the same."""
    short = tables["frontier"].set_index("scenario")["shortfall_cost"]
    pairs = tables["break_even"]
    lower = short.reindex(pairs["more"]).to_numpy(float) < float(short[best]) * (1 - _NOTHING)
    return pairs.loc[lower]


@dataclass(frozen=True)
class _Told:
    """What the verdict speaks of. second: the next best; more: what is cheaper when shortage costs more."""

    tables: Tables
    chosen: Mapping[str, str]
    found: Mapping[str, float]
    second: str | None
    more: str | None
    futures: int
    sampled: bool


def _kind(told: _Told) -> str:
    """How sure the first sentence may be."""
    found = told.found
    if told.second is None:
        return "one"
    if abs(found["less"]) <= _NOTHING * abs(found["cost"]):
        return "tie"
    if not told.sampled:
        return "exact"
    if not np.isfinite(found["low"]):
        return "single"
    return "clear" if found["low"] > 0 else "close"


def _sentences(told: _Told, words: Wording, currency: str) -> list[str]:
    chosen, found, second, more = told.chosen, told.found, told.second, told.more
    names = told.tables["scenarios"].set_index("scenario")["name_zh" if words.chinese else "name_en"]

    def name(scenario: str | None) -> str:
        text = "" if scenario is None else str(names[scenario])
        return f"“{text}”" if words.chinese else text

    def money(key: str, **how: Any) -> str:
        return words.money(found.get(key, np.nan), currency, **how)

    best = chosen["best_mean"]
    first = words(
        f"verdict.{_kind(told)}",
        best=name(best), second=name(second), cost=money("cost"), n=told.futures, k=len(told.tables["regret"]),
        less=money("less"), low=money("low", rounded="down"), high=money("high", rounded="up"),
    )  # fmt: skip
    careful = chosen["minimax_regret"]
    middle = words(
        "verdict.risk_same" if careful == best else "verdict.risk",
        short=words.number(found["short"]), idle=money("idle"), careful=name(careful), regret=money("regret"),
    )  # fmt: skip
    out = [first, middle]
    if more is None:
        out.append(words("verdict.most", best=name(best)))
    elif not np.isfinite(found["price"]):
        # less money is lost, but not fewer PFLOPS-hours: other workloads go unserved
        out.append(words("verdict.times", more=name(more), factor=words.number(found["factor"], rounded="up")))
    else:
        price = money("price", rounded="up")
        out.append(words("verdict.more", more=name(more), price=price, today=money("today")))
    if found["broken"] > 0:
        share = words.percent(found["broken"], rounded="up")
        out.append(words("verdict.broken", best=name(best), share=share))
    return out
