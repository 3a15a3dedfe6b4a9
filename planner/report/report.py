"""The report of a plan: one self-contained HTML file that opens offline, in English or Chinese; the answer first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from planner.explain.explanation import Explanation
from planner.plan import Plan
from planner.plan.tables import TABLES
from planner.report.content import Drawn, PlanContent, Section, plan_content
from planner.report.figures import View
from planner.report.offline import offline_html, resource, safe_json
from planner.words.standing import standing_rule, stands
from planner.words.wording import Wording

_GLOSSARY = ("tide", "module", "p50", "build_ahead", "shortfall", "gap")


def write_report(
    plan: Plan, path: Path, language: str | None = None, *, explanation: Explanation | None = None
) -> Path:
    """Write the report of a plan to `path` and return it; links to tables are relative to its folder."""
    path.write_text(report_html(plan, language, explanation=explanation), encoding="utf-8")
    return path


def report_html(
    plan: Plan,
    language: str | None = None,
    *,
    downloads: bool = True,
    explanation: Explanation | None = None,
    standing: Mapping[str, str] | None = None,
) -> str:
    """The report as one HTML document. `downloads`: list the files that `Plan.save` writes beside it.

    explanation: why the plan is as it is; without it, what can be said of that within a few seconds. standing: where it
    stands in signing (`planner.report.paper.stands`); None where nobody keeps a log of that.
    """
    view = View.of(plan, language)
    words = view.words
    content = plan_content(view, plan, explanation)
    said, mark = stands(standing, words)
    sections = _in_order(content, words)
    contents = [(id, words(f"report.{id}")) for id in ("answer", "why", "certificate")]
    contents += [(section.id, section.title) for section in sections]
    contents += [(id, words(f"report.{id}")) for id in ("assumptions", "words")]
    contents += [("downloads", words("report.downloads"))] if downloads else []
    return offline_html(
        "report.html.j2",
        w=words,
        language=words.language,
        c=content,
        standing=said,
        standing_rule=standing_rule(mark),
        contents=contents,
        sections=sections,
        glossary=[(words(f"word.{key}"), words(f"word.{key}.meaning")) for key in _GLOSSARY],
        downloads=_downloads(words) if downloads else [],
        footer=_footer(plan, words),
        charts=safe_json({one.id: _data(one) for part in sections if part.choices for one in part.charts}),
        script=Markup(resource("report.js")),
    )


def _in_order(content: PlanContent, words: Wording) -> list[Section]:
    """The sections of the file: those with charts, what orders are for after the orders, limits and prices last."""

    def section(id: str, texts: list[str]) -> Section:
        return Section(id, words(f"report.{id}"), tuple(texts))

    out: list[Section] = []
    for one in content.sections:
        out.append(one)
        if one.id == "orders":
            out.append(section("drivers", content.drivers or [words("reason.no_orders")]))
    prices = content.prices
    told = [words("report.prices_later")] if prices is None else [prices.heading, *prices.sentences, prices.more]
    limits = Section("limits", words("report.limits"), tables=tuple(content.limits))
    return [*out, limits, section("prices", [text for text in told if text])]


def _data(one: Drawn) -> dict[str, Any]:
    """A chart that the reader may choose for its slot, in the page's JSON."""
    names = [c["name"] for c in one.table.columns]
    numeric = [bool(c["numeric"]) for c in one.table.columns]
    table = {"columns": names, "numeric": numeric, "rows": one.table.rows}
    return {"title": one.title, "picture": one.picture, "table": table}


def _downloads(words: Wording) -> list[dict[str, str]]:
    paths = {"plan": "plan.json", **{name: f"tables/{name}.csv" for name in TABLES}, "schema": "tables/schema.json"}
    return [{"path": path, "title": words(f"file.{name}")} for name, path in paths.items()]


def _footer(plan: Plan, words: Wording) -> str:
    found = plan.provenance
    versions = ", ".join(f"{name} {number}" for name, number in dict(found.get("versions", {})).items())
    case, demand = str(found.get("case", ""))[:16], str(found.get("demand", ""))[:16]
    start = plan.case.horizon.start.isoformat()
    return words("report.footer", case=case, demand=demand, versions=versions, start=start)
