"""A comparison for readers: one table that lays the scenarios side by side, and an HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from planner.compare.comparison import Comparison
from planner.report.content import Drawn, drawn
from planner.report.figures import ComparisonView, comparison_charts
from planner.report.grid import Grid, grid
from planner.report.made_how import made_how
from planner.report.offline import offline_html
from planner.words.wording import Rounded, Wording

_CHOICES = ("best_mean", "minimax_regret", "least_cvar", "knee")


def overview(found: Comparison, text: Wording | None = None) -> pd.DataFrame:
    """One row a scenario, discounted money and PFLOPS-hours: the numbers that the verdict rests on.

    With `text`, headings and names are in its language; without, they are the columns of the tables.
    """
    tables = found.tables
    costs = tables["costs"].pivot_table(index="scenario", columns="statistic", values="value")
    bounds = tables["costs"][tables["costs"]["statistic"] == "mean"].set_index("scenario")
    measured = tables["measures"].pivot_table(index="scenario", columns="measure", values="value")
    regret = tables["regret"].set_index("scenario")
    scenarios = tables["scenarios"].set_index("scenario")

    def of(table: pd.DataFrame, column: str) -> pd.Series:
        if column not in table:
            return pd.Series(float("nan"), index=scenarios.index)
        return table[column].reindex(scenarios.index).astype(float)

    chinese = text is not None and text.chinese
    out = pd.DataFrame(
        {
            "scenario": scenarios["name_zh" if chinese else "name_en"] if text is not None else scenarios.index,
            "mean_cost": of(costs, "mean"),
            "low": of(bounds, "low"),
            "high": of(bounds, "high"),
            "p90": of(costs, "p90"),
            "cvar": of(costs, "cvar"),
            "shortfall_pflops_hours": of(measured, "shortfall"),
            "idle_cost": of(measured, "idle_cost"),
            "largest_regret": of(regret, "largest"),
        },
        index=scenarios.index,
    ).reset_index(drop=True)
    if text is None:
        return out
    money = [name for name in out.columns if name not in ("scenario", "shortfall_pflops_hours")]
    out[money] /= _money_unit(found, text)[0]
    names = {name: text(f"compare.{name}") for name in out.columns if name != "scenario"}
    return out.rename(columns=names | {"scenario": text("scenario")})


def overview_title(found: Comparison, text: Wording) -> str:
    """The table's title, with the unit of its money."""
    return text.labelled(text("compare.table"), _money_unit(found, text)[1])


def information_sentences(found: Comparison, text: Wording) -> list[str]:
    """VSS and EVPI in words, each with its bracket and what that rests on; none without a stochastic plan."""
    currency = str(found.summary["currency"])
    out = []
    for row in found.tables["value_of_information"].to_dict("records"):
        rounded: dict[str, Rounded] = {"value": "near", "low": "down", "high": "up"}
        values = {name: text.money(float(row[name]), currency, rounded=how) for name, how in rounded.items()}
        known = row["value"] == row["value"]
        kind = f"compare.{row['measure']}" if known else f"compare.{row['measure']}_unknown"
        out.append(text(kind, **values, note=row["note_zh" if text.chinese else "note"]))
    return out


def _money_unit(found: Comparison, text: Wording) -> tuple[float, str]:
    costs = found.tables["costs"]
    largest = float(costs["value"].max()) if len(costs) else 0.0
    return text.money_unit(largest, str(found.summary["currency"]))


@dataclass(frozen=True)
class ComparisonContent:
    """What report and page of a comparison say. overview: None where no scenario could be planned.

    choices: kind of choice to the name of the scenario; futures: those that scenarios were judged on, `apart` from
    those that they were planned on; notes: {"name", "status", "note"} of what a rule could not do.
    """

    title: str
    case_line: str
    generated: str
    verdict: list[str]
    choices: dict[str, str]
    futures: int
    apart: bool
    overview: Grid | None
    information: list[str]
    notes: list[dict[str, Any]]
    charts: list[Drawn]
    made: list[tuple[str, str]]


def comparison_content(found: Comparison, periods: Sequence[str], text: Wording) -> ComparisonContent:
    """periods: labels of the case's periods. A comparison in which no scenario could be planned has no charts."""
    origin = found.summary.get("provenance", {})
    named = {name: origin[name] for name in ("name", "as_of", "currency") if name in origin}
    view = ComparisonView(found.tables, periods, str(found.summary["currency"]), text)
    some = len(found.tables["costs"]) > 0
    chosen = {name: found.summary["choices"].get(name) for name in _CHOICES}
    charts = comparison_charts(view) if some else {}
    return ComparisonContent(
        title=text("compare.title"),
        case_line=text("compare.for_case", **named) if named else "",
        generated=text("report.generated_demand") if origin.get("generated_demand") else "",
        verdict=list(found.summary["verdict"][text.language]),
        choices={name: view.name(str(id)) for name, id in chosen.items() if id},
        futures=int(found.summary["evaluation_futures"]),
        apart=bool(found.summary.get("apart", True)),
        overview=grid(overview(found, text), text, overview_title(found, text)) if some else None,
        information=information_sentences(found, text),
        notes=_notes(found.tables["scenarios"], view),
        charts=[drawn(chart, text) for chart in charts.values()],
        made=made_how(origin, text),
    )


def _notes(scenarios: pd.DataFrame, view: ComparisonView) -> list[dict[str, Any]]:
    """What a rule could not do, or why a scenario has no plan."""
    noted = scenarios[scenarios["note"].fillna("") != ""]
    key = "note_zh" if view.words.chinese and "note_zh" in scenarios else "note"
    return [
        {"name": view.name(str(row["scenario"])), "status": str(row["status"]), "note": str(row[key])}
        for row in noted.to_dict("records")
    ]


def write_comparison_report(found: Comparison, path: Path, periods: Sequence[str], text: Wording) -> Path:
    """Verdict, table and charts, in the language of `text`. periods: labels of the case's periods."""
    content = comparison_content(found, periods, text)
    heading = overview_title(found, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(offline_html("comparison.html.j2", w=text, c=content, heading=heading), "utf-8")
    return path
