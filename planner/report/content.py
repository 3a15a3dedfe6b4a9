"""What a plan's report and its page say: the answer first, why, proof, charts with their tables, limits, sources.

Made once in the reader's language; `planner.report.report` lays it out as a file, `api.work.plan_content` as a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner.explain.explanation import Explanation, explained_in_passing
from planner.plan import Plan
from planner.report.agreements import agreements_table
from planner.report.answer import answer
from planner.report.departures import departures_table
from planner.report.drawing import plot
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
from planner.report.grid import Grid, grid
from planner.report.limits_used import power_used, supply_used
from planner.report.made_how import made_how
from planner.report.order_list import all_orders, service
from planner.report.paper import running_head
from planner.report.proof import certificate, checks_ok, proof, verdict
from planner.report.quarters import quarters_foretold
from planner.report.reasons import reasons
from planner.report.tiles import tiles
from planner.words.wording import Wording

MOST_CHOICES = 24
"""Typical days that the tide offers; with more, each period offers its busiest day only."""
MOST_PRICES = 30
"""Prices that are said, the dearest of each kind of limit first; `tideplan explain` lists all."""
MARKS = ("F", "E", "C", "R", "U", "A")
_WEAK_MARKS = ("A", "U", "R")


@dataclass(frozen=True)
class Drawn:
    """A chart in its place: `slot` names the place, in which several charts may be shown in turn; `first`: this one.

    picture: HTML of the chart as static vectors (`planner.report.drawing`).
    """

    slot: str
    first: bool
    id: str
    title: str
    note: str
    table: Grid
    picture: str


def drawn(chart: Chart, words: Wording, slot: str | None = None, *, first: bool = True) -> Drawn:
    """A chart as a page holds it; without `slot` its place is its own."""
    table = grid(chart.table, words)
    return Drawn(slot or chart.id, first, chart.id, chart.title, chart.note, table, plot(chart, words))


@dataclass(frozen=True)
class Section:
    """Charts under one heading. choices: {"id", "label"} of what the slots can show; `chosen` is shown first."""

    id: str
    title: str
    texts: tuple[str, ...] = ()
    charts: tuple[Drawn, ...] = ()
    tables: tuple[Grid, ...] = ()
    choices: tuple[dict[str, str], ...] = ()
    chosen: str = ""


@dataclass(frozen=True)
class PricesTold:
    """What loosening limits is worth: sentences, and how many more `tideplan explain` has ("" for none)."""

    heading: str
    sentences: list[str]
    more: str


@dataclass(frozen=True)
class PlanContent:
    """All texts are in the reader's language. prices: None where they take too long to be worked out in passing.

    now: the first orders; orders: all of them, None without any; service: by workload and period. running_head: a style
    sheet's rules that write case, date, hashes and page number on every sheet of paper. made, certificate: (label,
    value); marks: mark of a source to its meaning.
    """

    name: str
    description: str
    generated: str
    subtitle: str
    running_head: str
    answer: str
    answer_lines: list[str]
    now: Grid
    orders: Grid | None
    cash: Grid | None
    service: Grid
    tiles: list[dict[str, str]]
    reasons: list[str]
    drivers: list[str]
    prices: PricesTold | None
    proof: str
    checks_ok: bool
    verdict: str
    certificate: list[tuple[str, str]]
    made: list[tuple[str, str]]
    checks: Grid
    sections: list[Section]
    limits: list[Grid]
    warnings: list[str]
    notes: list[str]
    sources: list[dict[str, Any]]
    source_summary: str
    marks: dict[str, str]


def plan_content(view: View, plan: Plan, explanation: Explanation | None = None) -> PlanContent:
    """view: the plan in the reader's language; explanation: why the plan is as it is, else what can be said quickly."""
    words, meta = view.words, plan.case.meta
    why = explanation or explained_in_passing(plan)
    told = answer(plan, words.language)
    sources = [source.model_dump(mode="json") for source in meta.sources]
    weak = sum(source["mark"] in _WEAK_MARKS for source in sources)
    limits = (
        grid(power_used(view), words, words("limits.power"), words("limits.power.note")),
        grid(supply_used(view), words, words("limits.supply"), words("limits.supply.note")),
    )
    return PlanContent(
        name=meta.name,
        description=meta.description,
        generated=words("report.generated_demand") if meta.generated_demand else "",
        subtitle=words(
            "report.subtitle",
            first=view.periods[0],
            last=view.periods[-1],
            as_of=meta.as_of.isoformat(),
            sites=len(plan.case.sites),
            regions=len(plan.case.regions),
            futures=len(view.probability),
        ),
        running_head=running_head(plan, words),
        answer=told.headline,
        answer_lines=told.lines,
        now=grid(told.now, words),
        orders=grid(all_orders(view), words, words("orders.title")) if len(view.tables["purchases"]) else None,
        cash=None if told.cash is None else grid(told.cash, words, words("cash.title")),
        service=grid(service(view), words, words("service.title")),
        tiles=tiles(plan, words),
        reasons=reasons(view),
        drivers=_drivers(view, why),
        prices=_prices(words, why),
        proof=proof(plan, words),
        checks_ok=checks_ok(plan),
        verdict=verdict(plan, words),
        certificate=certificate(plan, words),
        made=made_how(plan.provenance, words),
        checks=_checks(plan, words),
        sections=_sections(view, plan),
        limits=[one for one in limits if one.rows],
        warnings=words.noted(text for text in plan.warnings if text not in plan.demand.notes),
        notes=words.noted(plan.demand.notes),
        sources=sources,
        source_summary=words("report.source_summary", count=len(sources), weak=weak),
        marks={mark: words(f"mark.{mark}") for mark in MARKS},
    )


def _sections(view: View, plan: Plan) -> list[Section]:
    words = view.words
    foretold = grid(quarters_foretold(plan.provenance, words), words, "", words("quarters.note"))

    def section(id: str, charts: Iterable[Chart | None], otherwise: str = "") -> Section:
        shown = tuple(drawn(chart, words) for chart in charts if chart is not None)
        return Section(id, words(f"report.{id}"), () if shown else (words(otherwise),), shown)

    return [
        section("capacity", [capacity(view)]),
        *([Section("quarters", words("quarters.title"), tables=(foretold,))] if foretold.rows else []),
        _tides(view),
        section("orders", [timeline(view)], "answer.nothing.none"),
        *_leaving(view),
        *_called_off(view),
        section("use", [site_map(view), utilisation(view)]),
        section("costs", [costs_by_term(view), costs_by_period(view)]),
        section("energy", [energy(view), carbon(view)]),
    ]


def _leaving(view: View) -> list[Section]:
    """What leaves early, where anything does."""
    words = view.words
    if view.tables["departures"].empty:
        return []
    table = grid(departures_table(view), words, "", words("leave.note"))
    return [Section("departures", words("leave.title"), tables=(table,))]


def _called_off(view: View) -> list[Section]:
    """What is called off in agreements, where any holds."""
    words = view.words
    if view.tables["agreements"].empty:
        return []
    return [Section("agreements", words("agree.title"), tables=(grid(agreements_table(view), words),))]


def _tides(view: View) -> Section:
    """The tide of every typical day, by workload and by site, with the last period's busiest day shown first."""
    words = view.words
    pairs = view.days.used()
    if len(pairs) > MOST_CHOICES:
        pairs = [(t, busiest_day(view, t)) for t in range(view.case.horizon.periods)]
    last = view.case.horizon.periods - 1
    shown = (last, busiest_day(view, last))
    charts = tuple(
        drawn(tide(view, t, d, by), words, f"tide-{by}", first=(t, d) == shown)
        for t, d in pairs
        for by in ("workload", "site")
    )
    choices = tuple({"id": f"{t}-{d}", "label": f"{view.periods[t]} · {day_name(view, d)}"} for t, d in pairs)
    return Section("tide", words("report.tide"), charts=charts, choices=choices, chosen=f"{shown[0]}-{shown[1]}")


def _drivers(view: View, why: Explanation) -> list[str]:
    """What orders are for, what departures free, what filling the valleys avoids, and what surviving a loss costs."""
    words, currency = view.words, view.currency
    said = "sentence_zh" if words.chinese else "sentence"
    texts = [str(one) for rows in (why.drivers, why.departures) for one in rows[said]]
    if why.filling is not None:
        texts.append(why.filling.sentence(words, currency))
    if why.resilience is not None and not why.resilience.change.impossible:
        texts.append(why.resilience.sentence(words, view.case))
    return texts


def _prices(words: Wording, why: Explanation) -> PricesTold | None:
    if why.prices is None:
        return None
    rows = why.prices.rows
    rank = rows.assign(rank=rows.groupby("family").cumcount()).sort_values("rank", kind="stable")
    shown = rank.head(MOST_PRICES).sort_values(["family", "rank"])
    more = len(rows) - len(shown)
    return PricesTold(
        why.prices.heading(words),
        [str(one) for one in shown["sentence_zh" if words.chinese else "sentence"]],
        words("report.more_prices", count=more) if more else "",
    )


def _checks(plan: Plan, words: Wording) -> Grid:
    rows = [
        [
            words("check.ok" if check["ok"] else "check.broken"),
            words.either(f"check.{check['id']}", check["sentence"]),
            f"{check['rows']:,}",
            f"{float(check['relative']):.1e}",
        ]
        for check in plan.checks
    ]
    named = (("verdict", False), ("sentence", False), ("rows", True), ("largest", True))
    return Grid([{"name": words(f"check.{name}"), "numeric": numeric} for name, numeric in named], rows)
