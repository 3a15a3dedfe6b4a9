"""The report of a plan: one self-contained HTML file that opens offline, in English or Chinese.

The answer stands first. Every text that comes from a case is escaped by the template; chart data go into the page as
JSON in which no tag can begin. Plotly's script is taken from the installed wheel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from planner.explain.explanation import Explanation, explained_in_passing
from planner.plan import Plan
from planner.plan.tables import TABLES
from planner.report.answer import answer
from planner.report.figures import (
    Chart,
    View,
    busiest_day,
    capacity,
    carbon,
    costs_by_period,
    costs_by_term,
    day_name,
    energy,
    site_map,
    tide,
    timeline,
    utilisation,
)
from planner.report.limits_used import power_used, supply_used
from planner.report.made_how import made_how
from planner.report.quarters import quarters_foretold
from planner.report.reasons import reasons
from planner.words.wording import Wording

MOST_CHOICES = 48
"""Typical days that the tide offers; with more, each period offers its busiest day only."""
WEAK_MARKS = ("A", "U", "R")


@dataclass(frozen=True)
class Grid:
    """A table as the page shows it: headings, whether each column is numeric, and cells as text."""

    columns: list[dict[str, Any]]
    rows: list[list[str]]
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Drawn:
    """A chart in its place on the page: `slot` is the place, `id` the chart shown first."""

    slot: str
    id: str
    title: str
    note: str
    height: int
    table: Grid


@dataclass(frozen=True)
class Section:
    id: str
    title: str
    texts: list[str] = field(default_factory=list)
    charts: list[Drawn] = field(default_factory=list)
    tables: list[Grid] = field(default_factory=list)
    choices: list[dict[str, str]] = field(default_factory=list)
    chosen: str = ""


def write_report(
    plan: Plan, path: Path, language: str | None = None, *, explanation: Explanation | None = None
) -> Path:
    """Write the report of a plan to `path` and return it; links to tables are relative to its folder."""
    path.write_text(report_html(plan, language, explanation=explanation), encoding="utf-8")
    return path


def report_html(
    plan: Plan, language: str | None = None, *, downloads: bool = True, explanation: Explanation | None = None
) -> str:
    """The report as one HTML document. `downloads`: list the files that `Plan.save` writes beside it.

    explanation: why the plan is as it is; without it, what can be said of that within a few seconds.
    """
    view = View.of(plan, language)
    words = view.words
    charts: dict[str, Any] = {}
    told = answer(plan, language)
    sections = _sections(plan, view, charts, explanation or explained_in_passing(plan))
    fixed = ("answer", "why", "certificate")
    contents = [(id, words(f"report.{id}")) for id in fixed]
    contents += [(section.id, section.title) for section in sections]
    contents += [("assumptions", words("report.assumptions")), ("words", words("report.words"))]
    contents += [("downloads", words("report.downloads"))] if downloads else []
    meta, horizon = plan.case.meta, plan.case.horizon
    sources = [source.model_dump() for source in meta.sources]
    weak = sum(source["mark"] in WEAK_MARKS for source in sources)
    template = _environment().get_template("report.html.j2")
    return template.render(
        w=words,
        language=words.language,
        name=meta.name,
        description=meta.description,
        generated=meta.generated_demand,
        subtitle=words(
            "report.subtitle",
            first=view.periods[0],
            last=view.periods[-1],
            as_of=meta.as_of.isoformat(),
            sites=len(plan.case.sites),
            regions=len(plan.case.regions),
            futures=len(view.probability),
        ),
        contents=contents,
        answer=told.headline,
        answer_lines=told.lines,
        now=grid(told.now, words),
        cash=None if told.cash is None else grid(told.cash, words, words("cash.title")),
        tiles=tiles(plan, words),
        reasons=reasons(view),
        proof=_proof(plan, words),
        verdict=words("report.checks_good" if _checks_ok(plan) else "report.checks_bad", count=len(plan.checks)),
        checks_ok=_checks_ok(plan),
        certificate=_certificate(plan, words),
        made=made_how(plan.provenance, words),
        checks=_checks(plan, words),
        sections=sections,
        warnings=words.noted(text for text in plan.warnings if text not in plan.demand.notes),
        notes=words.noted(plan.demand.notes),
        sources=sources,
        source_summary=words("report.source_summary", count=len(sources), weak=weak),
        no_sources=not sources,
        marks=["F", "E", "C", "R", "U", "A"],
        glossary=[(words(f"word.{key}"), words(f"word.{key}.meaning")) for key in GLOSSARY],
        downloads=_downloads() if downloads else [],
        footer=_footer(plan, words, horizon.start.isoformat()),
        charts=_safe_json(charts),
        plotly=Markup(_plotly_script()),
        style=Markup(_resource("report.css")),
        script=Markup(_resource("report.js")),
    )


GLOSSARY = ("tide", "module", "p50", "build_ahead", "shortfall", "gap")


@cache
def _resource(name: str) -> str:
    return (files("planner") / "report" / "templates" / name).read_text("utf-8")


@cache
def _plotly_script() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")


def _environment() -> Environment:
    names = ("report.html.j2", "grid.html.j2")
    environment = Environment(
        loader=DictLoader({name: _resource(name) for name in names}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    inner = environment.get_template("grid.html.j2")
    environment.globals["grid"] = lambda one: Markup(inner.render(columns=one.columns, rows=one.rows))
    return environment


def _safe_json(value: object) -> Markup:
    """JSON that may stand inside a script element: no tag and no comment can begin in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def grid(table: pd.DataFrame, words: Wording, title: str = "", note: str = "") -> Grid:
    """A table as text: numbers as the language writes them, what is missing as a dash."""
    numbers = [pd.api.types.is_numeric_dtype(table[c]) for c in table.columns]
    rows = [
        [_cell(v, words) if number else str(v) for number, v in zip(numbers, row, strict=True)]
        for row in table.itertuples(index=False)
    ]
    columns = [
        {"name": str(c), "numeric": number or (bool(rows) and all(row[i].endswith("%") for row in rows))}
        for i, (c, number) in enumerate(zip(table.columns, numbers, strict=True))
    ]
    return Grid(columns, rows, title, note)


def _cell(value: Any, words: Wording) -> str:
    return words.number(float(value), 4)


def _place(charts: dict[str, Any], words: Wording, chart: Chart, slot: str | None = None) -> Drawn:
    """Put a chart's data into the page's JSON and say where it is shown."""
    shown = grid(chart.table, words)
    body = chart.body()
    charts[chart.id] = {"title": chart.title, "figure": {"data": body["data"], "layout": body["layout"]}}
    if slot is not None:
        names = [c["name"] for c in shown.columns]
        numeric = [bool(c["numeric"]) for c in shown.columns]
        charts[chart.id]["table"] = {"columns": names, "numeric": numeric, "rows": shown.rows}
    return Drawn(slot or chart.id, chart.id, chart.title, chart.note, int(body["layout"]["height"]), shown)


def _sections(plan: Plan, view: View, charts: dict[str, Any], why: Explanation) -> list[Section]:
    words = view.words

    def section(id: str, drawn: Iterable[Chart | None], otherwise: str = "") -> Section:
        placed = [_place(charts, words, chart) for chart in drawn if chart is not None]
        return Section(id, words(f"report.{id}"), texts=[] if placed else [words(otherwise)], charts=placed)

    limits = [
        grid(power_used(view), words, words("limits.power"), words("limits.power.note")),
        grid(supply_used(view), words, words("limits.supply"), words("limits.supply.note")),
    ]
    foretold = quarters_foretold(plan.provenance, words)
    quarters = grid(foretold, words, "", words("quarters.note"))
    return [
        section("capacity", [capacity(view)]),
        *([Section("quarters", words("quarters.title"), tables=[quarters])] if quarters.rows else []),
        _tides(view, charts),
        section("orders", [timeline(view)], "answer.nothing"),
        _drivers(view, why),
        section("use", [site_map(view), utilisation(view)]),
        section("costs", [costs_by_term(view), costs_by_period(view)]),
        section("energy", [energy(view), carbon(view)]),
        Section("limits", words("report.limits"), tables=[table for table in limits if table.rows]),
        _prices(view, why),
    ]


MOST_PRICES = 30
"""Prices that the report lists, the dearest of each kind of limit first; `tideplan explain` lists all."""


def _drivers(view: View, why: Explanation) -> Section:
    """What every order is there for, and what filling the valleys avoids."""
    words = view.words
    currency = view.case.meta.currency
    texts = [str(one) for one in why.drivers["sentence_zh" if words.chinese else "sentence"]]
    if why.filling is not None:
        texts.append(why.filling.sentence(words, currency))
    if why.resilience is not None and not why.resilience.change.impossible:
        found = why.resilience
        names = {w.id: words.name(w.names) for w in view.case.workloads}
        least, most = (words.money(value, currency) for value in (found.least, found.most))
        served = words.joined([names[w] for w in found.workloads])
        money = words.money(found.cost, currency)
        texts.append(words("ask.resilience", workloads=served, cost=money, least=least, most=most))
    return Section("drivers", words("report.drivers"), texts=texts or [words("answer.nothing")])


def _prices(view: View, why: Explanation) -> Section:
    """What loosening a limit by a little is worth."""
    words = view.words
    if why.prices is None:
        texts = [words("report.prices_later")]
    else:
        rows = why.prices.rows
        rank = rows.assign(rank=rows.groupby("family").cumcount()).sort_values("rank", kind="stable")
        shown = rank.head(MOST_PRICES).sort_values(["family", "rank"])
        texts = [
            why.prices.heading(words),
            *(str(one) for one in shown["sentence_zh" if words.chinese else "sentence"]),
        ]
        if len(rows) > len(shown):
            texts.append(words("report.more_prices", count=len(rows) - len(shown)))
    return Section("prices", words("report.prices"), texts=texts)


def _tides(view: View, charts: dict[str, Any]) -> Section:
    """The tide of every typical day, by workload and by site, with the last period's busiest day shown first."""
    words = view.words
    pairs = view.days.used()
    if len(pairs) > MOST_CHOICES:
        pairs = [(t, busiest_day(view, t)) for t in range(view.case.horizon.periods)]
    last = view.case.horizon.periods - 1
    shown = (last, busiest_day(view, last))
    placed: list[Drawn] = []
    for period, day in pairs:
        for by in ("workload", "site"):
            drawn = _place(charts, words, tide(view, period, day, by), f"tide-{by}")
            if (period, day) == shown:
                placed.append(drawn)
    choices = [{"id": f"{t}-{d}", "label": f"{view.periods[t]} · {day_name(view, d)}"} for t, d in pairs]
    return Section("tide", words("report.tide"), charts=placed, choices=choices, chosen=f"{shown[0]}-{shown[1]}")


def tiles(plan: Plan, words: Wording) -> list[dict[str, str]]:
    """The plan in a few figures, each with a hint of what it means."""
    summary, currency = plan.summary, plan.case.meta.currency
    ratios = [r for r in summary["build_ahead_ratio"] if r is not None]
    worst, short = largest_shortfall(plan)
    names = {w.id: words.name(w.names) for w in plan.case.workloads}
    bound = words.money(plan.certificate["bound"], currency)
    spread = f"{min(ratios):.2f} – {max(ratios):.2f}" if ratios else "–"
    hint = words("tile.shortfall.none") if short <= 1e-9 else words("tile.shortfall.hint", name=names[worst])

    def tile(key: str, value: str, hint: str) -> dict[str, str]:
        return {"label": words(f"tile.{key}"), "value": value, "hint": hint}

    return [
        tile(
            "cost", words.money(summary["cost"], currency), words("tile.cost.hint", periods=plan.case.horizon.periods)
        ),
        tile("gap", words.percent(plan.certificate["gap"], 2), words("tile.gap.hint", bound=bound)),
        tile("ratio", spread, words("tile.ratio.hint")),
        tile(
            "busy",
            words.percent(summary["mean_busy"]),
            words("tile.busy.hint", peak=words.percent(summary["peak_busy"])),
        ),
        tile("shortfall", words.percent(short, 2), hint),
        tile(
            "energy",
            f"{words.number(summary['energy_mwh'] / 1000)} GWh",
            words("tile.energy.hint", pue=words.number(summary["pue"])),
        ),
        tile(
            "carbon",
            f"{words.number(summary['carbon_location_tonnes'] / 1000)} kt CO₂",
            words("tile.carbon.hint", market=words.number(summary["carbon_market_tonnes"] / 1000)),
        ),
    ]


def largest_shortfall(plan: Plan) -> tuple[str, float]:
    """The workload of which the largest expected share is not served, and that share."""
    missing = plan.summary["shortfall_unit_hours"]
    worst = max(missing, key=lambda w: missing[w]["share"])
    return worst, float(missing[worst]["share"])


def _proof(plan: Plan, words: Wording) -> str:
    currency, c = plan.case.meta.currency, plan.certificate
    return words(
        "report.proof",
        objective=words.money(c["objective"], currency),
        bound=words.money(c["bound"], currency),
        gap=words.percent(c["gap"], 2),
        difference=words.money(max(c["objective"] - c["bound"], 0.0), currency),
    )


def _certificate(plan: Plan, words: Wording) -> list[tuple[str, str]]:
    currency, c = plan.case.meta.currency, plan.certificate
    out = [
        (words("certificate.objective"), words.money(c["objective"], currency)),
        (words("certificate.bound"), words.money(c["bound"], currency)),
        (words("certificate.gap"), words.percent(c["gap"], 3)),
        (words("certificate.seconds"), f"{words.number(c['seconds'])} s"),
    ]
    out += [
        (words(f"certificate.{key}"), words.either(f"{key}.{c[key]}", str(c[key])))
        for key in ("route", "status")
        if key in c
    ]
    largest = max((float(check["relative"]) for check in plan.checks), default=0.0)
    return [*out, (words("certificate.largest"), f"{largest:.1e}")]


def _checks_ok(plan: Plan) -> bool:
    return bool(plan.checks) and all(check["ok"] for check in plan.checks)


def _checks(plan: Plan, words: Wording) -> Grid:
    rows = [
        [
            words("check.ok") if check["ok"] else words("check.broken"),
            words.either(f"check.{check['id']}", check["sentence"]),
            f"{check['rows']:,}",
            f"{float(check['relative']):.1e}",
        ]
        for check in plan.checks
    ]
    names = [(words("check.verdict"), False), (words("check.sentence"), False), (words("check.rows"), True)]
    names.append((words("check.largest"), True))
    return Grid([{"name": name, "numeric": numeric} for name, numeric in names], rows)


def _downloads() -> list[dict[str, str]]:
    out = [{"path": "plan.json", "title": "case, summary, certificate, checks"}]
    out += [{"path": f"tables/{name}.csv", "title": table.title} for name, table in TABLES.items()]
    return [*out, {"path": "tables/schema.json", "title": "columns, types, units"}]


def _footer(plan: Plan, words: Wording, start: str) -> str:
    found = plan.provenance
    versions = ", ".join(f"{name} {number}" for name, number in dict(found.get("versions", {})).items())
    case, demand = str(found.get("case", ""))[:16], str(found.get("demand", ""))[:16]
    return words("report.footer", case=case, demand=demand, versions=versions, start=start)
