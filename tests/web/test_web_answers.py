"""Comparisons, forecasts and questions in a real browser: asked by form, followed, shown with every chart and table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Json = dict[str, Any]
Visit = Callable[..., "Page"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 480_000


def draw_all(tab: Page) -> list[str]:
    """Wait for the content, in which every chart is drawn; their names."""
    tab.locator("[data-load]").wait_for(state="detached", timeout=LONG)
    boxes = tab.locator("figure.chart .place").all()
    assert tab.locator("figure.chart .picture svg:visible").count() == len(boxes)
    assert tab.locator("figure.chart").count() == tab.locator("figure.chart details .as-table table").count()
    return [str(box.get_attribute("data-chart")) for box in boxes]


def test_scenarios_are_compared_by_form_and_shared_by_address(visit: Visit, planned: Json) -> None:
    tab = visit(f"/comparisons/new?plan={planned['id']}")
    for box in tab.locator('[name="scenario"]').all():
        box.set_checked(box.get_attribute("value") == "just-in-time")
    tab.get_by_text("More scenarios").click()
    tab.get_by_label("Scenarios of your own").fill("[{")
    tab.get_by_role("button", name="Compare").click()
    tab.get_by_role("heading", name="The request is not valid.").wait_for()
    tab.get_by_label("Scenarios of your own").fill("")
    tab.get_by_label("Further ratios").fill("1.1")
    tab.get_by_role("button", name="Compare").click()
    tab.wait_for_url(re.compile(r"/comparisons/comparison_"))
    tab.locator(".answer").wait_for(timeout=LONG)
    assert {"scenario-costs", "frontier", "ahead"} <= set(draw_all(tab))
    assert tab.locator("#scenarios tbody tr").count() == 2
    shared = visit("/comparisons/" + tab.url.rsplit("/", 1)[1], width=390, scheme="dark", locale="zh-CN")
    draw_all(shared)
    assert "方案" in shared.locator(".answer").inner_text()
    assert shared.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_history_is_judged_forecast_and_scored(visit: Visit, service: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "four-weeks.csv"
    rows = [
        f"2026-09-{1 + h // 24:02d}T{h % 24:02d}:00:00,{place},chat,{scale * (100 + 5 * (h % 24)) + h % 7}"
        for h in range(24 * 28)
        for place, scale in (("east", 1), ("west", 2))
        if not (place == "west" and 100 <= h < 110)
    ]
    path.write_text("\n".join(["timestamp,region,workload,value", *rows]))
    tab = visit("/forecasts/new")
    tab.get_by_label("History file").set_input_files(path)
    tab.get_by_label("Weeks ahead").fill("20")
    tab.get_by_role("button", name="Forecast").click()
    tab.wait_for_url(re.compile(r"/forecasts/forecast_"))
    tab.locator("#course").wait_for(timeout=LONG)
    assert draw_all(tab) == ["history-1", "tide-heat-1", "backtest"]
    tab.locator("[data-choice]").select_option("0")
    tab.get_by_role("heading", name="Tide of the week, east / chat").wait_for()
    assert "10" in tab.locator("#quality tbody tr", has_text="west").inner_text()
    assert "too short to look back over quarters" in tab.locator("#lookback .answer").inner_text()
    assert tab.locator("#lookback .as-table tbody tr").count() == 2
    id = str(tab.locator("#quality a").first.get_attribute("href"))
    known = visit(id, width=390)
    known.get_by_role("button", name="Run the back-test").click()
    known.locator("#backtest svg:visible").first.wait_for(timeout=LONG)
    assert known.locator("#backtest .as-table tbody tr").count() == 2
    known.locator("#backtest svg:visible").first.wait_for()
    assert known.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("locale", "width"), [("en-US", 1280), ("zh-CN", 390)])
def test_an_hourly_demand_is_replayed_on_the_plans_page(
    visit: Visit, planned: Json, service: httpx.Client, tmp_path: Path, locale: str, width: int
) -> None:
    case = service.get(f"/v1/cases/{planned['request']['case_id']}").json()
    path = tmp_path / "hours.csv"
    rows = [f"{case['horizon']['start']}T{h:02d}:00:00,{case['regions'][0]['id']},chat,{40 + h}" for h in range(24)]
    path.write_text("\n".join(["timestamp,region,workload,value", *rows]))
    tab = visit(f"/plans/{planned['id']}", width=width, locale=locale)
    tab.locator("[data-load]").wait_for(state="detached", timeout=LONG)
    form = tab.locator("[data-replay]")
    form.locator("button").click()  # without a file nothing is asked
    assert tab.locator("#replay .answer").count() == 0
    form.locator("input[type=file]").set_input_files(path)
    form.locator("button").click()
    answer = tab.locator("#replay .answer")
    answer.wait_for(timeout=LONG)
    assert "1" in answer.inner_text()
    assert ("天" in answer.inner_text()) == (locale == "zh-CN")
    tab.locator("#replay .picture svg:visible").wait_for()
    assert tab.locator("#replay .as-table tbody tr").count() == 24
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    path.write_text("timestamp,region,workload,value\nnonsense,nowhere,chat,1")
    form.locator("input[type=file]").set_input_files(path)
    form.locator("button").click()
    tab.locator("#replay .trouble").wait_for(timeout=LONG)


def test_why_not_is_answered_in_words_and_tables(visit: Visit, planned: Json) -> None:
    tab = visit(f"/plans/{planned['id']}")
    tab.locator("[data-load]").wait_for(state="detached", timeout=LONG)
    form = tab.locator('[data-question="why_not"]')
    form.get_by_label("Why not").select_option("at_least")
    form.get_by_label("Modules").fill("1")
    form.get_by_label("At the site").select_option("near")
    form.get_by_role("button", name="Ask").click()
    answer = tab.locator("[data-answer] .answer")
    answer.wait_for(timeout=LONG)
    assert "CNY" in answer.inner_text() or "Impossible" in answer.inner_text()
