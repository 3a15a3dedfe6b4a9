"""No English sentence in a Chinese report: names and sources are the case's own, everything else has its words."""

from __future__ import annotations

import re
from html import unescape
from io import BytesIO

import pytest
from openpyxl import load_workbook

from planner.plan import Plan
from planner.report.report import report_html
from planner.report.workbook import workbook

SENTENCE = re.compile(r"[A-Za-z][A-Za-z'’-]+(?:[ ,]+[A-Za-z'’-]{2,}){2,}")
"""Three Latin words in a row; two may be a name."""


def english(text: str) -> list[str]:
    return SENTENCE.findall(text)


def shown(html: str) -> str:
    """The texts of a page, each on a line; scripts, styles and code are none."""
    bare = re.sub(r"<(script|style|code)\b.*?</\1>", "\n", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", "\n", bare))


def own(plan: Plan) -> list[str]:
    """What the case itself says in whatever language: names, description, sources, and what was measured with."""
    meta = plan.case.meta
    texts = [meta.name, meta.description, *(s.source for s in meta.sources), *plan.provenance.get("versions", {})]
    return [text for text in texts if text]


def test_a_chinese_report_says_everything_in_chinese(charted: Plan) -> None:
    text = shown(report_html(charted, "zh-CN"))
    for theirs in sorted(own(charted), key=len, reverse=True):
        text = text.replace(theirs, "")
    assert english(text) == []


def test_a_chinese_workbook_says_everything_in_chinese(charted: Plan) -> None:
    book = load_workbook(BytesIO(workbook(charted, "zh-CN")))
    cells = [str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    text = "\n".join(cells)
    for theirs in sorted(own(charted), key=len, reverse=True):
        text = text.replace(theirs, "")
    assert english(text) == []


@pytest.mark.parametrize("found", ["the plan costs more", "rows of tables"])
def test_the_search_finds_what_it_looks_for(found: str) -> None:
    assert english(f"成本 {found}。")
    assert not english("Ascend 910C x 384 的 P50 峰值为 12 EFLOPS")


def test_every_table_has_its_name_in_both_languages() -> None:
    from planner.plan.tables import TABLES
    from planner.words.wording import wording

    for name in TABLES:
        assert wording("en")(f"file.{name}")
        assert not english(wording("zh")(f"file.{name}"))
