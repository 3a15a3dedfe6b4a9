"""The catalogues agree with each other and with the code; numbers and money as each language writes them."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest

from planner.plan import Plan
from planner.report.proof import certificate
from planner.report.side_by_side import side_by_side
from planner.report.tiles import tiles
from planner.words.wording import LANGUAGES, compute_unit, language_of, wording

ROOT = Path(__file__).parents[3]
CATALOGUES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in (ROOT / "planner" / "words" / "i18n").glob("*.json")
}
USED = re.compile(r"""(?:(?<![.\w])(?:w|words|text)|\b(?:view|self)\.words)\(\s*["']([a-z0-9_.]*[a-z0-9_])["']""")


def placeholders(message: str) -> set[str]:
    return {name for _, name, spec, _ in Formatter().parse(message) if name and "|" not in str(spec)}


def test_both_languages_say_the_same_things() -> None:
    english, chinese = CATALOGUES["en"], CATALOGUES["zh-CN"]
    assert set(english) == set(chinese)
    assert {k for k in english if placeholders(english[k]) != placeholders(chinese[k])} == set()
    assert [k for k, v in {**english, **chinese}.items() if not v.strip()] == []


def test_every_key_in_the_code_is_in_the_catalogue() -> None:
    files = [
        *(ROOT / "planner").rglob("*.py"),
        *(ROOT / "planner" / "report" / "templates").glob("*.j2"),
        *(ROOT / "api").glob("*.py"),
    ]
    files += (ROOT / "api" / "cli").glob("*.py")
    found = {key for path in files for key in USED.findall(path.read_text("utf-8"))}
    assert len(found) > 100
    assert found - set(CATALOGUES["en"]) == set()


def test_terms_of_the_objective_and_tariff_bands_have_words() -> None:
    from planner.case import BANDS
    from planner.program.registry import TERMS

    assert {f"term.{t}" for t in TERMS} | {f"band.{b}" for b in (*BANDS, "mean")} <= set(CATALOGUES["en"])


def test_every_check_is_said_in_both_languages() -> None:
    from planner.verify.catalogue import FORMULA_OF

    assert all(CATALOGUES["en"][f"check.{id}"].endswith(".") for id in FORMULA_OF)
    assert all(re.search("[\u4e00-\u9fff]", CATALOGUES["zh-CN"][f"check.{id}"]) for id in FORMULA_OF)


@pytest.mark.parametrize(
    ("tag", "language"),
    [("zh", "zh-CN"), ("zh_CN.UTF-8", "zh-CN"), ("zh-Hans", "zh-CN"), ("en-GB", "en"), ("C.UTF-8", "en"), (None, "en")],
)
def test_languages(tag: str | None, language: str) -> None:
    assert language_of(tag) == language


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1234567.8, "1,234,568"), (999.6, "1,000"), (12.345, "12.3"), (0.012345, "0.0123"), (-5.0, "-5"),
        (100.0, "100"), (float("nan"), "–"), (float("inf"), "–"),
    ],
)  # fmt: skip
def test_numbers(value: float, text: str) -> None:
    assert wording("en").number(value) == text


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (3_100_000.0, "3.1 M CNY", "310万元"),
        (2_500_000_000.0, "2.5 bn CNY", "25亿元"),
        (500.0, "500 CNY", "500元"),
        (45_000.0, "45 k CNY", "4.5万元"),
        (-3_100_000.0, "-3.1 M CNY", "-310万元"),
    ],
)
def test_money(value: float, english: str, chinese: str) -> None:
    assert wording("en").money(value, "CNY") == english
    assert wording("zh").money(value, "CNY") == chinese


def test_other_currencies_keep_their_code() -> None:
    assert wording("zh").money(25_000.0, "USD") == "2.5万USD"


def test_compute_changes_to_exaflops_when_it_is_large() -> None:
    assert compute_unit(9_999.0) == (1.0, "PFLOPS")
    assert wording("en").pflops(21_000.0) == "21 EFLOPS"


def test_every_phase_of_a_search_has_words() -> None:
    """`control.phase = "…"` and `phase="…"` in the solver, whatever the language of the page."""
    named = {"start", "nothing ordered", "orders of one future in all", "what the plan comes to"}
    for path in (ROOT / "planner" / "solve").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and any(
                isinstance(t, ast.Attribute) and t.attr == "phase" for t in node.targets
            ):
                named |= {node.value.value} if isinstance(node.value, ast.Constant) else set()
                assert isinstance(node.value, ast.Constant | ast.Name), (
                    f"{path}:{node.lineno} has a phase without words"
                )
            if isinstance(node, ast.keyword) and node.arg == "phase" and isinstance(node.value, ast.Constant):
                named.add(node.value.value)
    assert len(named) > 15
    for language in LANGUAGES:
        words = wording(language)
        assert [n for n in sorted(named) if f"phase.{n.replace(' ', '_')}" not in words.messages] == []
        assert "14" in words.phase("every hour: day 14 of 731")
        assert words.phase("every hour: day 14 of 731") != "every hour: day 14 of 731"


def test_a_gap_is_the_same_figure_wherever_it_is_told(charted: Plan) -> None:
    plan = replace(charted, certificate=charted.certificate | {"gap": 0.0057201})
    words = wording("en")
    told = [value for label, value in certificate(plan, words) if label == words("certificate.gap")]
    told += [str(tile["value"]) for tile in tiles(plan, words) if tile["label"] == words("tile.gap")]
    rows = side_by_side(plan, plan, words).measures
    told += rows.loc[rows[words("apart.measure")] == words("certificate.gap"), words("apart.first")].tolist()
    assert told == ["0.58 %"] * 3
