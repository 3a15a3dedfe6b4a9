"""Every number of every option is held against its range before a command does anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from api.cli import app
from api.cli.demand import parse_rules
from api.cli.exits import UsageError
from api.cli.ranges import Within


def numeric_options() -> Iterator[tuple[list[str], str, bool]]:
    """(command, option, whether it is whole) of every option and argument that takes a number."""

    def below(command: Any, names: list[str]) -> Iterator[tuple[list[str], str, bool]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from below(inner, [*names, name])
            return
        for param in command.params:
            kind = param.type_descriptor.annotation
            if kind in (int, float):
                yield names, param.opts[0], kind is int

    yield from below(typer.main.get_command(app), [])


OPTIONS = list(numeric_options())


def test_the_options_are_found() -> None:
    found = {option for _, option, _ in OPTIONS}
    assert {"--gap", "--time-limit", "--seed", "--threads", "--futures", "--budget", "--quantile", "--weeks"} <= found
    assert {"--hours", "--windows", "--quarters", "--port", "--modules", "--epsilon", "--tries", "--demand"} <= found


@pytest.mark.parametrize(("command", "option", "whole"), OPTIONS, ids=[f"{' '.join(c)} {o}" for c, o, _ in OPTIONS])
def test_what_no_range_holds_is_refused_with_what_is_allowed(command: list[str], option: str, whole: bool) -> None:
    positional = {"replay": ["a", "b"], "serve": [], "audit": [], "walk": ["a", "--history", "b"], "demo": []}.get(
        command[0], ["a"]
    )
    values = ["-999999", "9999999999", "x"] if whole else ["nan", "inf", "-inf", "-999999", "1e300", "x"]
    for value in values:
        done = CliRunner().invoke(app, [*command, *positional, f"{option}={value}"])
        assert done.exit_code == 2, f"{value}: {done.output}"
        assert option in done.output
        words = ("allowed", "Invalid value", "should be")
        assert any(word in done.output for word in words), done.output


def test_every_number_is_told_at_once_and_as_json() -> None:
    wrong = ["--gap", "-1", "--time-limit", "0", "--seed", "-3", "--threads", "0"]
    done = CliRunner().invoke(app, ["plan", "nowhere.yaml", *wrong, "--json"])
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["exit"] == 2
    assert [(f["where"], f["found"], f["allowed"]) for f in error["faults"]] == [
        ("--gap", "-1.0", "a number of at least 0 and below 1"),
        ("--time-limit", "0.0", "a number above 0 and at most 604800"),
        ("--seed", "-3", "a whole number of at least 0 and at most 2147483647"),
        ("--threads", "0", "a whole number of at least 1 and at most 1024"),
    ]
    text = CliRunner().invoke(app, ["plan", "nowhere.yaml", "--gap", "x", "--json"])
    assert text.exit_code == 2
    assert json.loads(text.stdout)["error"]["faults"][0]["where"] == "--gap"


def test_ranges_in_words() -> None:
    assert Within().words(whole=False) == "a number"
    assert Within(0, above=True).words(whole=True) == "a whole number above 0"
    assert Within(high=3).words(whole=False) == "a number at most 3"
    assert not Within().holds(float("nan"))


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("web=chat@east", "*1 when they are one"),
        ("web=chat@east:0.5,west:0.4*1", "shares that add up to 1 (these: 0.9)"),
        ("web=chat@east,west*1", "shares that add up to 1 (these: 2)"),
        ("web=chat@east:0.9*1", "shares that add up to 1 (these: 0.9)"),
        ("web=chat@east:nan,west:0.5*1", "a number above 0 as the share of east"),
        ("web=chat@east:0,west:1*1", "a number above 0 as the share of east"),
        ("web=chat@east*nan", "a number above 0 as the scale"),
        ("web=chat@east*-1", "a number above 0 as the scale"),
        ("web=chat@east*0", "a number above 0 as the scale"),
        ("web=chat@east*1_0", "a number above 0 as the scale"),
        ("web=chat@east:0.5,east:0.5*1", "every region once"),
    ],
)
def test_a_rule_says_what_its_numbers_are(rule: str, allowed: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_rules([rule, "good=chat@east*2"])
    (fault,) = error.value.faults
    assert fault.found == rule
    assert allowed in fault.allowed


def test_shares_add_up_or_are_said_to_be_weights() -> None:
    one, many, weights = parse_rules(["a=chat@east*1", "a=chat@east:0.25,west:0.75*0.5", "a=chat@~east:3,west:1*2"])
    assert (one.region, one.share, one.scale) == ("east", {}, 1)
    assert (many.region, many.share, many.weights) == (None, {"east": 0.25, "west": 0.75}, False)
    assert (weights.share, weights.weights) == ({"east": 3, "west": 1}, True)
