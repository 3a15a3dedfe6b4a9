"""YAML as version 1.2 has it, and texts that would cost more than they are worth, refused before they do."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from planner.case import Case
from planner.case.document import DEEPEST, DocumentError, read_document, read_json, read_yaml
from planner.case.file import CaseError, read_case


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e7", 2e7),
        ("2E+7", 2e7),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("5.", 5.0),
        ("+3", 3),
        ("0", 0),
        ("-0.0", 0.0),
        ("0200", "0200"),
        ("00.5", "00.5"),
        ("1:30", "1:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("0b101", "0b101"),
        ("1_000", "1_000"),
        ("1_000.5", "1_000.5"),
        ("1,000", "1,000"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("n", "n"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("2027-01-01", "2027-01-01"),
        ("2027-01-01T08:00:00Z", "2027-01-01T08:00:00Z"),
        ("", None),
        ("~", None),
        ("Null", None),
        ("nil", "nil"),
        ("'7'", "7"),
        ('"true"', "true"),
        ("!!str 7", "7"),
        ("=", "="),
    ],
)
def test_a_plain_value_is_what_yaml_1_2_says_and_ambiguous_numbers_are_text(text: str, value: Any) -> None:
    found = read_yaml(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_numbers_without_end_stay_numbers_that_a_case_refuses() -> None:
    found = read_yaml("[.inf, -.Inf, .nan, 1e999, 99999999999999999999]")
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])
    assert found[3] == math.inf
    assert found[4] == 1e20


def test_keys_are_text_and_merges_fill_what_a_mapping_leaves_out() -> None:
    assert read_yaml("{2027: a, on: b, ~: c}") == {"2027": "a", "on": "b", "~": "c"}
    text = "one: &one {p: 1, q: 2}\ntwo: {<<: *one, q: 3}\nthree: {<<: [{p: 7}, *one], r: 4}\nfour: {'<<': 5}"
    found = read_yaml(text)
    assert found["two"] == {"p": 1, "q": 3}
    assert found["three"] == {"p": 7, "q": 2, "r": 4}
    assert found["four"] == {"<<": 5}


def bomb(levels: int, width: int = 9) -> str:
    lines = ["a0: &a0 [" + ",".join("x" * width) + "]"]
    lines += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * width) + "]" for n in range(1, levels)]
    return "\n".join(lines)


def merging_bomb(levels: int) -> str:
    lines = ["a0: &a0 {" + ",".join(f"k{i}: 1" for i in range(9)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [" + ",".join([f"*a{n - 1}"] * 9) + "]}" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(7), "aliases that stand for"),
        (bomb(40), "aliases that stand for"),
        (bomb(20, 2), "aliases that stand for"),
        (merging_bomb(30), "aliases that stand for"),
        ("a: &a [1, *a]", "inside what it stands for"),
        ("a: &a {b: {c: *a}}", "inside what it stands for"),
        ("a: *b", "which nothing is named"),
        ("[" * 100_000, f"more than {DEEPEST} levels"),
        ("{a: " * 10_000, f"more than {DEEPEST} levels"),
        ("- " * 5_000 + "1", f"more than {DEEPEST} levels"),
        ("a: 1\n---\nb: 2", "a second document"),
        ("a: !!python/object/apply:os.system [x]", "the tag !!python/object/apply:os.system"),
        ("a: !!timestamp 2027-01-01", "the tag !!timestamp"),
        ("a: !mine {b: 1}", "the tag !mine"),
        ("? [1, 2]\n: 3", "as a key"),
        ("{<<: 3}", "<<"),
        ("a: [1, 2", "cannot be read"),
        ("a: b: c", "cannot be read"),
        ("\ta: 1", "cannot be read"),
        ("a: \x07", "cannot be read"),
    ],
)
def test_yaml_that_is_refused_costs_nothing_and_says_why(text: str, words: str) -> None:
    begun = time.process_time()
    with pytest.raises(DocumentError) as error:
        read_yaml(text, "case.yaml")
    assert time.process_time() - begun < 1
    (fault,) = error.value.faults
    assert words in fault.found
    assert fault.allowed
    assert fault.note.startswith("case.yaml")


def test_every_key_that_stands_twice_is_named_with_both_lines() -> None:
    with pytest.raises(DocumentError) as error:
        read_yaml("meta: {name: x}\nsites:\n  - id: a\n    id: b\nmeta: 3", "case.yaml")
    assert [(f.where, f.note, f.found) for f in error.value.faults] == [
        ("/sites/0/id", "case.yaml line 4", "the key id again (first in line 3)"),
        ("/meta", "case.yaml line 5", "the key meta again (first in line 1)"),
    ]


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[" * 60 + "]" * 60, '{"a": ' * 60 + "1" + "}" * 60, '{"a": 1, "a": 2}', "{} {}", "{'a': 1}"],
)
def test_json_is_held_to_the_same(text: str) -> None:
    with pytest.raises(DocumentError):
        read_json(text)


def test_json_numbers_of_any_length_are_numbers() -> None:
    assert read_json('{"a": ' + "9" * 6000 + ', "b": 2e7}') == {"a": math.inf, "b": 2e7}


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    with pytest.raises(DocumentError, match="200 MB; allowed: at most 64 MB"):
        read_document(path)


CASE = """
meta: {{name: one site, as_of: 2026-11-01}}
horizon: {{start: 2027-01-01, periods: 2}}
regions: [{{id: east, names: East}}]
sites: [{{id: hub, names: Hub, power_mw: {power}, tariff: flat}}]
module_types:
- {{id: m, names: M, cards: {cards}, peak_pflops: 0.5, power_peak_kw: 100, capex: {capex}, domestic: {flag}}}
workloads: [{{id: chat, names: Chat, throughput: {{m: 0.4}}, shortfall_cost: 3000}}]
tariffs: [{{id: flat, prices_per_kwh: {{flat: 0.5}}, valid_to: {day}}}]
"""
GOOD = {"power": "2.0", "cards": "128", "capex": "2e7", "flag": "true", "day": "2030-12-31"}


def test_a_case_may_write_its_numbers_as_powers_of_ten(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text(CASE.format(**GOOD | {"cards": "1.28e2"}))
    case = read_case(tmp_path / "case.yaml")
    assert isinstance(case, Case)
    assert (case.module_types[0].capex, case.module_types[0].cards) == (2e7, 128)


@pytest.mark.parametrize(
    ("field", "text", "place"),
    [
        ("power", "1:30", "/sites/0/power_mw"),
        ("power", "0200", "/sites/0/power_mw"),
        ("power", "0o17", "/sites/0/power_mw"),
        ("power", "1_000", "/sites/0/power_mw"),
        ("power", ".inf", "/sites/0/power_mw"),
        ("power", ".nan", "/sites/0/power_mw"),
        ("power", "1e999", "/sites/0/power_mw"),
        ("power", "yes", "/sites/0/power_mw"),
        ("power", "2027-01-01", "/sites/0/power_mw"),
        ("power", "'2'", "/sites/0/power_mw"),
        ("cards", "0128", "/module_types/0/cards"),
        ("cards", "128.5", "/module_types/0/cards"),
        ("cards", "'128'", "/module_types/0/cards"),
        ("cards", "true", "/module_types/0/cards"),
        ("capex", "2_000_000", "/module_types/0/capex"),
        ("capex", "[1e7, 0x10]", "/module_types/0/capex/1"),
        ("flag", "yes", "/module_types/0/domestic"),
        ("flag", "1", "/module_types/0/domestic"),
        ("day", "20301231", "/tariffs/0/valid_to"),
        ("day", "0", "/tariffs/0/valid_to"),
        ("day", "2030-13-01", "/tariffs/0/valid_to"),
        ("day", "2030-12-31T08:00:00", "/tariffs/0/valid_to"),
        ("day", "31.12.2030", "/tariffs/0/valid_to"),
    ],
)
def test_what_is_no_number_is_a_fault_with_its_place_and_what_is_allowed(
    tmp_path: Path, field: str, text: str, place: str
) -> None:
    (tmp_path / "case.yaml").write_text(CASE.format(**GOOD | {field: text}))
    with pytest.raises(CaseError) as error:
        read_case(tmp_path / "case.yaml")
    (fault,) = error.value.faults
    assert fault.where == place
    assert text.strip("'[]").split(", ")[-1][:4] in fault.found or fault.found in ("nan", "inf", "16", "True")
    assert fault.allowed
