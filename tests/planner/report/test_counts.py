"""One of a thing is said in the singular: every English template is filled with 1, and what follows it is read."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from string import Formatter

import pytest

from forecasts.words.note import filled, note
from planner.words.wording import wording

ROOT = Path(__file__).parents[3]
CATALOGUES = ("planner/words", "api/pages", "forecasts/words")
PLURAL = re.compile(r"\b1[-\s](?:[a-z]+[-\s])?([a-z]{2,}s)\b")
VERB = re.compile(r"\b1(?: of \w+)?(?: that)? (are|were|have|do|hold|lie|stand|go|say)\b")
SINGULAR = {"series", "its", "times", "is", "as", "was", "has", "less", "this"} | {
    # verbs and what stands after a name or a figure that counts nothing
    "costs", "ends", "plans", "arrives", "depends", "proofs", "besides", "stays", "frees", "skips", "tells", "stands",
    "prices", "sources", "columns", "workloads", "regions", "looks", "comes", "falls", "lies", "lays", "moves",
    "does", "limits", "names", "goes", "holds", "shows",
}  # fmt: skip
"""Words behind a number, name or date that are no plural of it."""
NEVER_ONE = {
    "days.estimated": "years, no number",
    "price.together": "two changes",
    "report.all_checks": "dozens of checks",
    "report.checks_good": "dozens of checks",
    "report.checks_bad": "dozens of checks",
    "cli.checked": "dozens of checks",
    "answer.sites": "said from four on",
    "energy.quality": "a fixed set of rules",
    "information.evpi": "said of several futures only",
    "information.evpi_all": "said of several futures only",
    "information.vss_at_hand": "said of several futures only",
    "information.evpi_at_hand": "said of several futures only",
    **dict.fromkeys(
        ("verdict.clear", "verdict.close", "verdict.single", "verdict.tie", "verdict.exact"), "two at least"
    ),
    "lookback.too_short": "half a year of weeks",
    "size.reason.replicas": "a fixed large number",
    "fault.as_they_are": "names, no number",
    "fault.cells": "a table wide enough to be refused has many columns",
    "fault.unpacked": "a limit of many megabytes",
    "fault.years": "a limit of many years",
    "fault.uneven": "a header has several cells",
    "outlook.event_step": "a signed size",
    "layout.moments_across": "two dozen at least",
    "growth.long": "half-lives of several years",
    "requests.shape": "means of tokens, in the plural as any mean",
}
"""Counts that cannot be one."""


def catalogue(folder: str) -> dict[str, str]:
    return dict(json.loads((ROOT / folder / "i18n" / "en.json").read_text("utf-8")))


def with_all(template: str, value: int) -> str:
    """The template with a number in every place; a date where one is asked for."""
    values = {
        name: date(2027, 1, 1) if str(spec).startswith("%Y") else value
        for _, name, spec, _ in Formatter().parse(template)
        if name
    }
    return filled(template, values)


@pytest.mark.parametrize("folder", CATALOGUES)
def test_one_of_a_thing_is_not_said_in_the_plural(folder: str) -> None:
    wrong = {}
    for key, template in catalogue(folder).items():
        if "{" in template and key not in NEVER_ONE:
            text = with_all(template, 1)
            found = [m[0] for m in PLURAL.finditer(text) if m[1] not in SINGULAR] + [m[0] for m in VERB.finditer(text)]
            if found:
                wrong[key] = found
    assert wrong == {}


def test_what_reads_plurals_finds_them() -> None:
    """The check can fail: templates without forms, and the forms of those that have them."""
    assert PLURAL.search("1 modules (1 cards)")
    assert VERB.search("1 of 4 were ordered")
    counted = [t for folder in CATALOGUES for t in catalogue(folder).values() if re.search(r"\{\w+:[^}]*\|", t)]
    assert len(counted) > 100
    assert [t for t in counted if with_all(t, 1) == with_all(t, 2).replace("2", "1")] == []


def test_forms_follow_the_number_as_it_is_printed() -> None:
    words = wording("en")
    said = {
        n: words("amount_modules", modules=words.number(n), cards=words.number(n)) for n in (0.0, 1.0, 1.004, 1.5, 2)
    }
    assert said[0.0] == "0 modules (0 cards)"
    assert said[1.0] == said[1.004] == "1 module (1 card)"
    assert said[1.5] == "1.5 modules (1.5 cards)"
    assert words("amount_modules", modules=1, cards=32) == "1 module (32 cards)"
    assert note("history.missing", n=1) == "1 hour missing inside the history, masked"
    assert note("history.coarse", n=2, hours=1.0).startswith("2 rows 1 hour apart left out: they say")
