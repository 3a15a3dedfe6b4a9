"""A comparison for readers: one table that lays the scenarios side by side, and an HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from planner.compare.comparison import Comparison
    from planner.report.figures import Chart
    from planner.words.wording import Wording

_PAGE = """<!doctype html>
<html lang="{{ language }}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{{ title }}</title><style>{{ style }}</style><script>{{ plotly }}</script></head><body>
<header><p class="kicker">tideplan</p><h1>{{ title }}</h1>{% if case_line %}<p class="sub">{{ case_line }}</p>{% endif %}
{% if generated %}<p class="notice">{{ generated }}</p>{% endif %}</header><main>
<section><h2>{{ heading }}</h2>{% for one in verdict %}<p class="answer">{{ one }}</p>{% endfor %}{{ grid(overview) }}{% for one in information %}<p>{{ one }}</p>{% endfor %}</section>
{% for chart, drawn, table in charts %}
<section><figure><h3>{{ chart.title }}</h3><figcaption>{{ chart.note }}</figcaption>{{ drawn }}
<details><summary>{{ as_table }}</summary>{{ grid(table) }}</details></figure></section>
{% endfor %}
{% if made %}<section><h2>{{ made_heading }}</h2><dl class="facts">{% for label, value in made %}<div><dt>{{ label }}</dt><dd class="wrap">{{ value }}</dd></div>{% endfor %}</dl></section>{% endif %}
</main></body></html>
"""  # noqa: E501


def overview(found: Comparison, text: Wording | None = None) -> pd.DataFrame:
    """One row a scenario, discounted money and PFLOPS-hours: the numbers that the verdict rests on.

    With `text`, headings and names are in its language; without, they are the columns of the tables.
    """
    import pandas as pd

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
        values = {name: text.money(float(row[name]), currency) for name in ("value", "low", "high")}
        known = row["value"] == row["value"]
        kind = f"compare.{row['measure']}" if known else f"compare.{row['measure']}_unknown"
        out.append(text(kind, **values, note=row["note_zh" if text.chinese else "note"]))
    return out


def _money_unit(found: Comparison, text: Wording) -> tuple[float, str]:
    costs = found.tables["costs"]
    largest = float(costs["value"].max()) if len(costs) else 0.0
    return text.money_unit(largest, str(found.summary["currency"]))


def write_comparison_report(found: Comparison, path: Path, periods: Sequence[str], text: Wording) -> Path:
    """Verdict, table and every chart with its table, in the language of `text`. periods: labels of the case's periods.

    A comparison in which no scenario could be planned has no charts.
    """
    from jinja2 import DictLoader, Environment
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    from planner.report.figures import ComparisonView, comparison_charts
    from planner.report.made_how import made_how
    from planner.report.report import grid

    origin = found.summary.get("provenance", {})
    named = {name: origin[name] for name in ("name", "as_of", "currency") if name in origin}
    view = ComparisonView(found.tables, periods, str(found.summary["currency"]), text)
    charts = comparison_charts(view) if len(found.tables["costs"]) else {}
    templates = files("planner") / "report" / "templates"
    pieces = {"page": _PAGE, "grid": (templates / "grid.html.j2").read_text("utf-8")}
    environment = Environment(loader=DictLoader(pieces), autoescape=True)

    def drawn(table: Any) -> Markup:
        return Markup(environment.get_template("grid").render(columns=table.columns, rows=table.rows))

    environment.globals["grid"] = drawn
    page = environment.get_template("page").render(
        language=text.language,
        title=text("compare.title"),
        heading=overview_title(found, text),
        verdict=found.summary["verdict"][text.language],
        overview=grid(overview(found, text), text),
        information=information_sentences(found, text),
        as_table=text("compare.as_table"),
        case_line=text("compare.for_case", **named) if named else "",
        generated=text("report.generated_demand") if origin.get("generated_demand") else "",
        made_heading=text("report.made"),
        made=made_how(origin, text),
        charts=[(one, Markup(_drawing(one)), grid(one.table, text)) for one in charts.values()],
        style=Markup((templates / "report.css").read_text("utf-8")),
        plotly=Markup(str(get_plotlyjs()).replace("</script", "<\\/script")),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _drawing(chart: Chart) -> str:
    """The figure as HTML; its title stands above it as a heading."""
    import plotly.graph_objects as go

    # Plotly writes < and > inside its JSON as escapes, so that no tag can begin in a scenario's name.
    return str(go.Figure(chart.body()).to_html(full_html=False, include_plotlyjs=False))
