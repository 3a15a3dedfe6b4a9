"""A comparison in three sentences that a manager can read, each number traceable to a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from planner.words.wording import Wording, wording

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Number:
    """A number in the verdict and where it stands: table, the row's keys, column."""

    value: float
    table: str
    where: Mapping[str, str]
    column: str


_MESSAGES = {
    "en": {
        "one": "{best} costs {cost} on average over {n} futures; there is no other scenario to compare it with.",
        "clear": "Of {k} scenarios, {best} costs least over {n} futures: {cost} on average, {less} less than {second} "
        "(95 % sure: {low} to {high}).",
        "close": "Of {k} scenarios, {best} costs least over {n} futures: {cost} on average; {second} is only {less} "
        "dearer, which noise could explain.",
        "tie": "Of {k} scenarios, {best} costs least over {n} futures: {cost} on average; {second} costs the same.",
        "exact": "Of {k} scenarios, {best} costs least over the {n} given futures: {cost} on average, {less} less than "
        "{second}.",
        "risk": "It leaves {short} unserved and capacity worth {idle} idle; {careful} has the smallest regret in the "
        "worst future ({regret}).",
        "risk_same": "It leaves {short} unserved and capacity worth {idle} idle, and also has the smallest regret in "
        "the worst future ({regret}).",
        "more": "Building further ahead ({more}) pays once an unserved PFLOPS-hour costs more than {price}; "
        "today it costs {today}.",
        "times": "Building further ahead ({more}) pays once unserved demand costs more than {factor} times what it "
        "costs today.",
        "most": "Nothing compared loses less money to unserved demand: {best} is already the most cautious.",
    },
    "zh-CN": {
        "one": "在 {n} 个未来情景下，{best}的平均成本为 {cost}；没有其他方案可比较。",
        "clear": "在 {k} 个方案中，{best}在 {n} 个未来情景下平均成本最低，为 {cost}，"
        "比{second}低 {less}（95% 置信区间：{low} 至 {high}）。",
        "close": "在 {k} 个方案中，{best}在 {n} 个未来情景下平均成本最低，为 {cost}；"
        "{second}仅高 {less}，差异可能只是抽样噪声。",
        "tie": "在 {k} 个方案中，{best}在 {n} 个未来情景下平均成本最低，为 {cost}；{second}成本相同。",
        "exact": "在 {k} 个方案中，{best}在给定的 {n} 个未来情景下平均成本最低，为 {cost}，比{second}低 {less}。",
        "risk": "该方案有 {short} 的需求缺口和价值 {idle} 的闲置算力；最坏情景下后悔值最小的是{careful}（{regret}）。",
        "risk_same": "该方案有 {short} 的需求缺口和价值 {idle} 的闲置算力，在最坏情景下的后悔值也最小（{regret}）。",
        "more": "当每 PFLOPS·小时缺口的成本高于 {price} 时，更超前的{more}才划算；目前为 {today}。",
        "times": "当需求缺口的成本超过目前的 {factor} 倍时，更超前的{more}才划算。",
        "most": "所比较的方案中没有缺口损失更低的方案：{best}已最为谨慎。",
    },
}


def choices(tables: Tables) -> dict[str, str]:
    """best_mean, minimax_regret, least_cvar, knee: ids of the scenarios chosen; without a choice there is no key."""
    out: dict[str, str] = {}
    costs, regret, front = tables["costs"], tables["regret"], tables["frontier"]
    comparable = set(regret["scenario"])
    for name, statistic in (("best_mean", "mean"), ("least_cvar", "cvar")):
        rows = costs[(costs["statistic"] == statistic) & costs["scenario"].isin(comparable)]
        if len(rows):
            out[name] = str(rows.loc[rows["value"].idxmin(), "scenario"])
    if len(regret):
        out["minimax_regret"] = str(regret.loc[regret["largest"].idxmin(), "scenario"])
    knees = front[front["knee"] == 1]
    if len(knees):
        out["knee"] = str(knees["scenario"].iloc[0])
    return out


def verdict(tables: Tables, currency: str, futures: int, sampled: bool) -> dict[str, Any]:
    """{"en": [...], "zh-CN": [...], "numbers": [...]}: three sentences a language, and where each number stands."""
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
    regret = tables["regret"]
    found: dict[str, Any] = {
        "cost": look("costs", "value", scenario=best, statistic="mean"),
        "short": look("measures", "value", scenario=best, measure="shortfall"),
        "idle": look("measures", "value", scenario=best, measure="idle_cost"),
        "regret": look("regret", "largest", scenario=chosen["minimax_regret"]),
    }
    second = None
    others = tables["costs"]
    others = others[(others["statistic"] == "mean") & others["scenario"].isin(set(regret["scenario"]) - {best})]
    if len(others):
        second = str(others.loc[others["value"].idxmin(), "scenario"])
        pair = {"scenario": second, "against": best}
        found |= {name: look("differences", column, **pair) for name, column in
                  (("less", "difference"), ("low", "low"), ("high", "high"))}  # fmt: skip
    more = None
    pairs = tables["break_even"]
    pairs = pairs[pairs["less"] == best]
    if len(pairs):
        more = str(pairs["more"].iloc[0])
        found["factor"] = look("break_even", "shortage_factor", less=best, more=more)
        found["price"] = look("break_even", "shortage_per_pflops_hour", less=best, more=more)
        found["today"] = look("break_even", "today_per_pflops_hour", less=best, more=more)
    out: dict[str, Any] = {}
    for language in ("en", "zh-CN"):
        out[language] = _sentences(
            _Told(tables, chosen, found, second, more, futures, sampled), wording(language), currency
        )
    out["numbers"] = [
        {"value": n.value, "table": n.table, "where": dict(n.where), "column": n.column}
        for n in numbers
        if np.isfinite(n.value)
    ]
    return out


@dataclass(frozen=True)
class _Told:
    """What the verdict speaks of. second: the next best; more: what is cheaper when shortage costs more."""

    tables: Tables
    chosen: Mapping[str, str]
    found: Mapping[str, Any]
    second: str | None
    more: str | None
    futures: int
    sampled: bool


def _sentences(told: _Told, words: Wording, currency: str) -> list[str]:
    tables, chosen, found, second, more = told.tables, told.chosen, told.found, told.second, told.more
    said = _MESSAGES[words.language]
    names = tables["scenarios"].set_index("scenario")["name_zh" if words.chinese else "name_en"]

    def name(scenario: str) -> str:
        text = str(names[scenario])
        return f"“{text}”" if words.chinese else text

    def money(value: float) -> str:
        return words.money(value, currency)

    best = chosen["best_mean"]
    common = {"best": name(best), "cost": money(found["cost"]), "n": told.futures, "k": len(tables["regret"])}
    if second is None:
        first = said["one"].format(**common)
    else:
        same = abs(found["less"]) <= 1e-9 * abs(found["cost"])
        kind = "tie" if same else "exact" if not told.sampled else "clear" if found["low"] > 0 else "close"
        first = said[kind].format(
            **common,
            second=name(second),
            less=money(found["less"]),
            low=money(found["low"]),
            high=money(found["high"]),
        )
    careful = chosen["minimax_regret"]
    short = f"{words.number(found['short'])} PFLOPS{'·小时' if words.chinese else '-hours'}"
    risk = {"short": short, "idle": money(found["idle"]), "careful": name(careful), "regret": money(found["regret"])}
    middle = said["risk_same" if careful == best else "risk"].format(**risk)
    if more is None:
        last = said["most"].format(best=name(best))
    elif not np.isfinite(found["price"]):
        # less money is lost, but not fewer PFLOPS-hours: other workloads go unserved
        last = said["times"].format(more=name(more), factor=words.number(found["factor"]))
    else:
        last = said["more"].format(more=name(more), price=money(found["price"]), today=money(found["today"]))
    return [first, middle, last]
