"""One self-contained HTML file that opens offline: template, style and scripts.

Every text that comes from a case is escaped by the template; chart data go into the page as JSON in which no tag can
begin.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def offline_html(template: str, **values: Any) -> str:
    """A template of `planner/report/templates` filled in; it finds `style`, `pictures` and `grid` beside `values`."""
    return _environment().get_template(template).render(values)


def safe_json(value: object) -> Markup:
    """JSON that may stand inside a script element: no tag and no comment can begin in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@cache
def resource(name: str) -> str:
    """The text of a file of `planner/report/templates`."""
    return (files("planner") / "report" / "templates" / name).read_text("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    inner = environment.get_template("grid.html.j2")
    environment.globals["grid"] = lambda one, cards=False: Markup(
        inner.render(columns=one.columns, rows=one.rows, cards=cards)
    )
    environment.globals["style"] = Markup(resource("report.css") + resource("pictures.css"))
    environment.globals["pictures"] = Markup(resource("pictures.js"))
    return environment
