"""The report: one file, offline, strictly escaped, the answer first; looked at in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from planner.plan import Plan
from planner.report.report import report_html, write_report
from planner.words.wording import wording

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session", params=["en", "zh-CN"])
def page(request: pytest.FixtureRequest, charted: Plan) -> tuple[str, str]:
    return request.param, report_html(charted, request.param)


def outside_scripts(html: str) -> str:
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_nothing_is_loaded_from_elsewhere(page: tuple[str, str]) -> None:
    text = outside_scripts(page[1])
    assert re.findall(r"<link\b|@import|url\((?!#)", text) == []
    assert [tag for tag in re.findall(r"<(?:script|img|iframe|source)\b[^>]*>", page[1]) if " src" in tag] == []
    assert [href for href in re.findall(r'href="([^"]*)"', text) if not re.match(r"#|tables/|plan\.json", href)] == []
    assert "default-src 'none'" in text


def test_text_of_the_case_is_escaped_everywhere(page: tuple[str, str]) -> None:
    assert "<script>alert" not in page[1]
    assert "<b>" not in outside_scripts(page[1])
    assert "&lt;b&gt;" in outside_scripts(page[1])
    # the days to choose from (JSON), what pictures tell, and our own script: an element more would be an injected one
    assert len(re.findall(r"<script\b", page[1])) == 3


def test_pictures_are_whole_and_the_days_to_choose_from_hold_no_tag(page: tuple[str, str]) -> None:
    data = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page[1], re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    charts = json.loads(data[1])
    offered = re.findall(r'<option value="([^"]+)"', page[1])
    assert offered
    assert {f"tide-{by}-{one}" for by in ("workload", "site") for one in offered} == set(charts)
    drawn = outside_scripts(page[1])
    pictures = re.findall(r"<svg.*?</svg>", drawn, re.DOTALL) + [c["picture"] for c in charts.values()]
    for picture in pictures:
        ElementTree.fromstring(picture)  # well-formed: nothing in it ends an element early
        assert "<path" in picture
        assert "nan" not in picture.lower().replace("nanning", "")
    assert drawn.count('class="wide"') == drawn.count('class="narrow"') >= 8


def test_the_answer_stands_first_and_every_section_follows(page: tuple[str, str]) -> None:
    ids = re.findall(r'<section id="([^"]+)"', page[1])
    assert ids == [
        "answer", "why", "certificate", "capacity", "tide", "orders", "drivers", "use", "costs", "energy", "limits",
        "prices", "assumptions", "words", "downloads",
    ]  # fmt: skip
    assert f'lang="{page[0]}"' in page[1]
    assert ("现在" if page[0] == "zh-CN" else "Order now") in page[1]


def test_weak_sources_are_marked(page: tuple[str, str]) -> None:
    assert page[1].count('<td><span class="mark mark-A">A</span></td>') == 1
    assert page[1].count('<td><span class="mark mark-F">F</span></td>') == 1


def test_the_same_plan_gives_the_same_bytes(charted: Plan) -> None:
    assert report_html(charted, "en") == report_html(charted, "en")


def test_broken_checks_are_not_hidden(charted: Plan) -> None:
    from dataclasses import replace

    broken = [{**charted.checks[0], "ok": False}, *charted.checks[1:]]
    html = report_html(replace(charted, checks=tuple(broken)), "en")
    assert "Do not use this plan" in html
    assert 'class="verdict bad"' in html


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "zh-CN")])
def test_it_works_offline_in_a_real_browser(
    charted: Plan, tmp_path: Path, width: int, scheme: str, language: str
) -> None:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    charted.save(tmp_path)
    path = write_report(charted, tmp_path / "report.html", language)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            offline=True,  # type: ignore[arg-type]
        )
        tab = context.new_page()
        said: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(path.as_uri())
        shown = tab.locator(".picture svg:visible")
        assert shown.count() == tab.locator(".picture").count() >= 8
        assert {one.get_attribute("class") for one in shown.all()} == {"wide" if width > 640 else "narrow"}
        shown.first.scroll_into_view_if_needed()
        first = shown.first.bounding_box()
        assert first is not None
        tab.mouse.move(first["x"] + first["width"] / 2, first["y"] + 120)
        assert tab.locator(".tip:visible").inner_text().startswith("2027Q2")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        title = tab.locator('[data-title="tide-workload"]')
        before = title.inner_text()
        tab.locator("[data-choice]").focus()
        tab.keyboard.press("ArrowUp")
        tab.keyboard.press("Tab")
        assert title.inner_text() != before
        assert tab.locator("#downloads a").count() > 5
        for link in tab.locator("#downloads a").all():
            assert (tmp_path / str(link.get_attribute("href"))).is_file()
        assert said == []
        browser.close()


def test_one_module_is_said_in_the_singular() -> None:
    english = wording("en")
    assert english("amount_modules", modules="1", cards="32") == "1 module (32 cards)"
    assert english("amount_modules", modules="11", cards="352") == "11 modules (352 cards)"
