"""What comes out of the printer: Chromium's PDF of the report, read by poppler."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from planner.plan import Plan
from planner.report.figures import View
from planner.report.figures.orders import order_list
from planner.report.report import report_html
from planner.words.standing import quoted

CHROMIUM = Path("/usr/bin/chromium")
FOOT = 0.93
"""Below this share of a page's height stand the hashes and the page number."""


@pytest.mark.browser
@pytest.mark.parametrize(
    ("paper", "width", "scheme", "language"), [("A4", 1280, "light", "en"), ("Letter", 390, "dark", "zh-CN")]
)
def test_the_report_prints_whole(
    charted: Plan, tmp_path: Path, paper: str, width: int, scheme: str, language: str
) -> None:
    if not CHROMIUM.exists() or shutil.which("pdftotext") is None:
        pytest.skip("Chromium or poppler is not installed")
    from playwright.sync_api import sync_playwright

    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(report_html(charted, language), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        tab.goto(page.as_uri())  # nothing is scrolled to
        tab.pdf(path=printed, format=paper)
        browser.close()
    view = View.of(charted, language)
    pages = _pages(printed)
    # in the order in which it was drawn: a cell whose text takes two lines stays together
    drawn = subprocess.run(["pdftotext", "-raw", str(printed), "-"], capture_output=True, check=True).stdout
    text = re.sub(r"\s", "", drawn.decode())

    def on_paper(what: str) -> bool:
        return re.sub(r"\s", "", what) in text

    for order in order_list(view).to_dict("records"):
        for column in ("order_date", "arrival_date", "site", "what", "amount"):
            assert on_paper(str(order[column])), order
    for told in (charted.checks[-1], charted.checks[0]):
        assert on_paper(view.words.either(f"check.{told['id']}", str(told["sentence"])))
    assert on_paper(charted.case.meta.sources[-1].source)
    for number, one in enumerate(pages, 1):
        words = [word for word, *_ in one]
        assert {str(number), str(len(pages))} <= set(words[-3:]), words[-5:]
        assert any(charted.provenance["case"][:12] in word for word in words)
        # no half-empty pages: something stands in the lower half of every one but the last
        assert number == len(pages) or max(bottom for _, _, _, bottom in one if bottom < FOOT) > 0.5
        assert all(left >= 0 and right <= 1 for _, left, right, _ in one)
    # every chart over periods reaches the last one: its tick stands under it, as often as there are such charts
    ticks = [word for one in pages for word, *_ in one if word == view.periods[-1]]
    assert len(ticks) >= 5


def _pages(path: Path) -> list[list[tuple[str, float, float, float]]]:
    """For every page its words with left, right and bottom as shares of the page."""
    found = subprocess.run(["pdftotext", "-bbox", str(path), "-"], capture_output=True, check=True).stdout
    root = ElementTree.fromstring(re.sub(rb"<!DOCTYPE[^>]*>", b"", found))
    out = []
    for page in (node for node in root.iter() if node.tag.endswith("page")):
        wide, tall = float(page.attrib["width"]), float(page.attrib["height"])
        out.append(
            [
                (str(w.text), *(float(w.attrib[k]) / by for k, by in (("xMin", wide), ("xMax", wide), ("yMax", tall))))
                for w in page
            ]
        )
    return out


def test_dates_of_tables_stay_on_one_line(charted: Plan) -> None:
    cells = re.findall(r"<td([^>]*)>\d{4}-\d\d-\d\d</td>", report_html(charted, "en"))
    assert cells
    assert all('class="date"' in cell for cell in cells)


def test_no_name_of_a_case_ends_the_rule_that_prints_it() -> None:
    told = quoted('</style>"}\\ body{x} 沪')
    assert re.fullmatch(r'"(?:[A-Za-z0-9]|\\[0-9a-f]{6})*"', told)
