"""What a terminal is told while a plan is made: one clock, the phase in words, and the best plan that is known."""

from __future__ import annotations

import re
import time

import pytest

from api.cli import console
from planner.words.wording import wording

FIRST = {"objective": 10.1e6, "bound": 10e6, "gap": 0.01188, "phase": "first plans", "seconds": 140.0}
LATER = [
    {"objective": None, "bound": None, "gap": None, "phase": "merged steps, in one piece", "seconds": 0.0},
    {"phase": "page"},
]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_clock_cost_and_words_stay_through_phases(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "QUIET_EVERY_S", 0.0)
    solving = console.Solving(wording(language), "CNY", 60.0)
    solving._begun -= 200.0
    for progress in (FIRST, *LATER):
        solving.told(progress)
    lines = capsys.readouterr().err.splitlines()
    clock = [int(line.split()[0]) for line in lines]
    assert clock == sorted(clock)
    assert clock[0] >= 200
    cost, gap = wording(language).money(10.1e6, "CNY"), wording(language).gap(0.01188)
    assert all(cost in line and gap in line for line in lines)
    assert gap.startswith("1.19")
    assert wording(language)("phase.page") in lines[2]
    assert not re.search(r"\bpage\b", lines[2])


def test_a_phase_that_says_nothing_is_told_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "QUIET_EVERY_S", 0.05)
    with console.Solving(wording("en"), "CNY", 60.0).shown() as solving:
        solving.told(FIRST | {"phase": "what the plan comes to"})
        time.sleep(0.4)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 2
    assert all("measuring and checking the plan" in line for line in lines)
