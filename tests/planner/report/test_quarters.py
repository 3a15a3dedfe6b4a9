"""The quarters foretold stand in report and page with the rules beside them, in both languages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.plan import Plan
from planner.report.quarters import quarters_foretold
from planner.report.report import report_html
from planner.words.wording import wording

ROW = {"unit": "PFLOPS", "quarter": 1, "start": "2026-01-05", "p50": 70.25, "p90": 81.5, "p95": 90.75}
SAID = {"last_year": 66.5, "last_year_grown": None, "year_highest": 77.5}


@pytest.mark.parametrize(("language", "title"), [("en", "it was foretold"), ("zh-CN", "预测的季度峰值")])
def test_the_report_shows_quantiles_and_rules(charted: Plan, language: str, title: str) -> None:
    quarter = {"outlook": {"quarters": [ROW | SAID]}}
    told = report_html(replace(charted, provenance={**charted.provenance, **quarter}), language)
    assert title in told
    cells = told[told.index(title, told.index('id="quarters"')) :][:4000]
    for number in ("2026-01-05", "70.25", "81.5", "90.75", "66.5", "77.5", "–"):
        assert number in cells
    assert 'id="quarters"' not in report_html(charted, language)


def test_a_plan_without_a_forecast_has_none() -> None:
    assert quarters_foretold({}, wording("en")).empty
