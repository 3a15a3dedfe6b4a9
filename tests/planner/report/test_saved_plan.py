"""A plan comes back from its folder as it was: without a proof, and from a version that knew fewer tables."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from planner.plan import Plan
from planner.report.report import report_html
from planner.report.workbook import workbook
from planner.words.wording import wording


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_a_plan_of_which_nothing_is_proven_is_kept_and_said_so(charted: Plan, tmp_path: Path, language: str) -> None:
    bare = replace(charted, certificate={**charted.certificate, "bound": -math.inf, "gap": math.inf})
    bare.save(tmp_path)
    head = json.loads((tmp_path / "plan.json").read_text())
    assert head["certificate"]["bound"] is None
    assert head["certificate"]["gap"] is None
    again = Plan.load(tmp_path)
    assert again.certificate == bare.certificate
    text = report_html(again, language, downloads=False)
    words = wording(language)
    cost = words.money(bare.certificate["objective"], bare.case.meta.currency)
    assert words("report.proof.none", objective=cost) in text
    assert not re.search(r"\binf\b", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))
    assert workbook(again, language)


def test_a_plan_of_a_version_with_fewer_tables_is_read(charted: Plan, tmp_path: Path) -> None:
    charted.save(tmp_path)
    schema = tmp_path / "tables" / "schema.json"
    described = json.loads(schema.read_text())
    newer = ("pools", "departures", "agreements")
    described["resources"] = [t for t in described["resources"] if t["name"] not in newer]
    schema.write_text(json.dumps(described))
    for name in newer:
        (tmp_path / "tables" / f"{name}.parquet").unlink()
    older = charted.tables["cash"].drop(columns=["departures", "commitments"])
    older.to_parquet(tmp_path / "tables" / "cash.parquet")
    head = json.loads((tmp_path / "plan.json").read_text())
    for term in ("departures", "commitments"):
        del head["summary"]["cost_by_term"][term]
    (tmp_path / "plan.json").write_text(json.dumps(head))
    again = Plan.load(tmp_path)
    pd.testing.assert_frame_equal(again.tables["cash"], charted.tables["cash"])
    assert again.summary["cost_by_term"] == charted.summary["cost_by_term"]
    assert list(again.tables) == list(charted.tables)
    pd.testing.assert_frame_equal(again.tables["pools"], charted.tables["pools"].iloc[:0].reset_index(drop=True))
    charted.save(tmp_path / "renamed")
    deals = tmp_path / "renamed" / "tables" / "agreements.parquet"
    pd.read_parquet(deals).rename(columns={"signs": "signed"}).to_parquet(deals)
    assert list(Plan.load(tmp_path / "renamed").tables["agreements"]) == list(charted.tables["agreements"])
    (tmp_path / "tables" / "orders.parquet").unlink()
    with pytest.raises(ValueError, match=r"is damaged: .*orders\.parquet"):
        Plan.load(tmp_path)
    schema.unlink()
    with pytest.raises(ValueError, match=r"is damaged: .*schema\.json"):
        Plan.load(tmp_path)
