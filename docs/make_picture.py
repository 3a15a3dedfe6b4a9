"""Draws the README's picture from a plan: python docs/make_picture.py PLAN_FOLDER [docs/plan.svg]. Needs Chromium."""

from __future__ import annotations

import json
import re
import sys
import urllib.parse
from pathlib import Path

from playwright.sync_api import sync_playwright
from plotly.offline import get_plotlyjs

from planner.plan import Plan
from planner.report.figures import View, busiest_day, tide


def main(arguments: list[str]) -> None:
    plan = Plan.load(Path(arguments[0]))
    target = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).parent / "plan.svg"
    view = View.of(plan, "en")
    last = view.case.horizon.periods - 1
    chart = tide(view, last, busiest_day(view, last), "workload")
    chart.figure.update_layout(
        paper_bgcolor="white", plot_bgcolor="white", font_color="#1c2430", margin_t=90, title_x=0.02, title_y=0.97,
        title_text=f"{plan.case.meta.name}: {chart.title}",
    )  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content("<div id=p></div>")
        page.add_script_tag(content=get_plotlyjs())
        found = page.evaluate(
            "f => Plotly.toImage(f, {format: 'svg', width: 960, height: 440})", json.loads(chart.figure.to_json())
        )
        browser.close()
    svg = urllib.parse.unquote(str(found).split(",", 1)[1])
    # The same plan gives the same bytes: Plotly numbers its clip paths at random.
    for i, name in enumerate(dict.fromkeys(re.findall(r"(?:clip|defs-|topdefs-|legend|g)([0-9a-f]{6})", svg))):
        svg = svg.replace(name, f"{i:06d}")
    target.write_text(svg + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
