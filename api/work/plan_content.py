"""What the page of a plan shows: the answer first, why, proof, charts with their tables, limits, sources."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from api.jobs.task import Task
from api.work.drawing import Json, draw, write_json
from planner.explain.explanation import Explanation, explained_in_passing
from planner.plan import Plan
from planner.program.registry import TERMS
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
from planner.report.quarters import quarters_foretold
from planner.report.reasons import reasons
from planner.report.report import MOST_CHOICES, WEAK_MARKS, grid, tiles
from planner.words.wording import Wording


def write(task: Task, out: Path) -> None:
    """The content and the charts of a plan's page. inputs["result"]: the plan's folder."""
    plan = Plan.load(task.inputs["result"])
    view = View.of(plan, task.request["language"])
    write_json(out / "content.json", content(plan, view, out))


def content(plan: Plan, view: View, out: Path) -> Json:
    """Everything that the template needs; figures go into files below `out`."""
    words, meta, why = view.words, plan.case.meta, explained_in_passing(plan)
    told, foretold = answer(plan, words.language), quarters_foretold(plan.provenance, words)
    sources = [source.model_dump(mode="json") for source in meta.sources]
    weak = sum(source["mark"] in WEAK_MARKS for source in sources)
    return {
        "name": meta.name,
        "description": meta.description,
        "generated": words("report.generated_demand") if meta.generated_demand else "",
        "subtitle": words(
            "report.subtitle",
            first=view.periods[0],
            last=view.periods[-1],
            as_of=meta.as_of.isoformat(),
            sites=len(plan.case.sites),
            regions=len(plan.case.regions),
            futures=len(view.probability),
        ),
        "answer": told.headline,
        "answer_lines": told.lines,
        "now": _shown(told.now, words),
        "cash": None if told.cash is None else _shown(told.cash, words, words("cash.title")),
        "tiles": tiles(plan, words),
        "reasons": reasons(view),
        "drivers": [str(text) for text in why.drivers["sentence_zh" if words.chinese else "sentence"]],
        "prices": _prices(why, words),
        "proof": _proof(plan, words),
        "checks_ok": bool(plan.checks) and all(check["ok"] for check in plan.checks),
        "verdict": _verdict(plan, words),
        "certificate": _certificate(plan, words),
        "checks": _shown(_checks(plan, words), words),
        "sections": _sections(view, out),
        "quarters": _shown(foretold, words, words("quarters.title"), words("quarters.note")),
        "limits": [
            _shown(power_used(view), words, words("limits.power"), words("limits.power.note")),
            _shown(supply_used(view), words, words("limits.supply"), words("limits.supply.note")),
        ],
        "names": {kind: view.names[kind] for kind in ("site", "module_type")},
        "periods": view.periods,
        "terms": {term: words(f"term.{term}") for term in TERMS},
        "currency": view.currency,
        "warnings": words.noted(text for text in plan.warnings if text not in plan.demand.notes),
        "notes": words.noted(plan.demand.notes),
        "sources": sources,
        "source_summary": words("report.source_summary", count=len(sources), weak=weak),
        "marks": {mark: words(f"mark.{mark}") for mark in ("F", "E", "C", "R", "U", "A")},
        "headings": {key: words(f"report.{key}") for key in _HEADINGS},
    }


_HEADINGS = ("mark", "field", "source", "date", "warnings", "no_warnings", "notes", "sources", "no_sources")


def _shown(table: pd.DataFrame, words: Wording, title: str = "", note: str = "") -> Json:
    return asdict(grid(table, words, title, note))


def _sections(view: View, out: Path) -> list[Json]:
    words = view.words

    def section(id: str, charts: list[Chart | None]) -> Json:
        drawn = [draw(out, chart, words) for chart in charts if chart is not None]
        return {"id": id, "title": words(f"report.{id}"), "charts": drawn, "choices": [], "chosen": ""}

    found = [
        section("capacity", [capacity(view)]),
        _tides(view, out),
        section("orders", [timeline(view)]),
        section("use", [site_map(view), utilisation(view)]),
        section("costs", [costs_by_term(view), costs_by_period(view)]),
        section("energy", [energy(view), carbon(view)]),
    ]
    return [one for one in found if one["charts"]]


def _tides(view: View, out: Path) -> Json:
    """The tide of every typical day, by workload and by site; the last period's busiest day is shown first."""
    words = view.words
    pairs = view.days.used()
    if len(pairs) > MOST_CHOICES:
        pairs = [(t, busiest_day(view, t)) for t in range(view.case.horizon.periods)]
    last = view.case.horizon.periods - 1
    shown = (last, busiest_day(view, last))
    drawn: list[Json] = []
    for period, day in pairs:
        for by in ("workload", "site"):
            place = draw(out, tide(view, period, day, by), words, f"tide-{by}")
            if (period, day) == shown:
                drawn.append(place)
    choices = [{"id": f"{t}-{d}", "label": f"{view.periods[t]} · {day_name(view, d)}"} for t, d in pairs]
    chosen = f"{shown[0]}-{shown[1]}"
    return {"id": "tide", "title": words("report.tide"), "charts": drawn, "choices": choices, "chosen": chosen}


def _prices(why: Explanation, words: Wording) -> Json | None:
    """What limits are worth, dearest first; None where that takes too long to be worked out in passing."""
    if why.prices is None:
        return None
    ranked = why.prices.rows.sort_values("price", ascending=False, kind="stable")
    sentences = [str(text) for text in ranked["sentence_zh" if words.chinese else "sentence"]]
    return {"heading": why.prices.heading(words), "sentences": sentences}


def _proof(plan: Plan, words: Wording) -> str:
    currency, c = plan.case.meta.currency, plan.certificate
    return words(
        "report.proof",
        objective=words.money(c["objective"], currency),
        bound=words.money(c["bound"], currency),
        gap=words.percent(c["gap"], 2),
        difference=words.money(max(c["objective"] - c["bound"], 0.0), currency),
    )


def _verdict(plan: Plan, words: Wording) -> str:
    good = bool(plan.checks) and all(check["ok"] for check in plan.checks)
    return words("report.checks_good" if good else "report.checks_bad", count=len(plan.checks))


def _certificate(plan: Plan, words: Wording) -> list[tuple[str, str]]:
    currency, c = plan.case.meta.currency, plan.certificate
    return [
        (words("certificate.objective"), words.money(c["objective"], currency)),
        (words("certificate.bound"), words.money(c["bound"], currency)),
        (words("certificate.gap"), words.percent(c["gap"], 3)),
        (words("certificate.seconds"), f"{words.number(c['seconds'])} s"),
        *((words(f"certificate.{k}"), words.either(f"{k}.{c[k]}", str(c[k]))) for k in ("route", "status") if k in c),
    ]


def _checks(plan: Plan, words: Wording) -> pd.DataFrame:
    return pd.DataFrame(
        {
            words("check.verdict"): [words("check.ok" if c["ok"] else "check.broken") for c in plan.checks],
            words("check.sentence"): [words.either(f"check.{c['id']}", c["sentence"]) for c in plan.checks],
            words("check.rows"): [f"{c['rows']:,}" for c in plan.checks],
            words("check.largest"): [f"{float(c['relative']):.1e}" for c in plan.checks],
        }
    )
