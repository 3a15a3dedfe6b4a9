"""Case files, their tables, hashes and patches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planner.case.file import CaseError, case_from, case_hash, dump_case, merge_patch, read_case

CASE: dict[str, Any] = {
    "meta": {"name": "files", "as_of": "2026-11-22"},
    "horizon": {"start": "2027-01-01", "periods": 2},
    "regions": [{"id": "bj", "names": {"en": "Beijing", "zh": "北京"}}],
    "sites": [
        {"id": "zw", "names": "Zhongwei", "power_mw": [5, 6], "phases": [{"mw": 1, "capex": 2e7, "lead_periods": 1}]},
        {"id": "hl", "names": "Huailai", "power_mw": 4},
    ],
    "module_types": [
        {"id": "1", "names": "One", "domestic": True, "cards": 8, "peak_pflops": 0.3, "power_peak_kw": 5, "capex": 1e6}
    ],
    "workloads": [{"id": "w", "names": "W", "throughput": {"1": 0.1}, "shortfall_cost": 10, "allowed_sites": ["zw"]}],
    "policy": {"budget": [None, 1e7]},
}
TABLES = {
    "regions.csv": "id,names.en,names.zh\nbj,Beijing,北京\n",
    "sites.csv": (
        'id,names,power_mw,phases\nzw,Zhongwei,5;6,"[{""mw"":1,""capex"":2e7,""lead_periods"":1}]"\nhl,Huailai,4,\n'
    ),
    "types.csv": "id,names,domestic,cards,peak_pflops,power_peak_kw,capex\n1,One,true,8,0.3,5,1e6\n",
    "workloads.csv": "id,names,throughput.1,shortfall_cost,allowed_sites\nw,W,0.1,10,zw\n",
}
IN_TABLES = CASE | {
    "regions": {"csv": "regions.csv"},
    "sites": {"csv": "sites.csv"},
    "module_types": {"csv": "types.csv"},
    "workloads": {"csv": "workloads.csv"},
}


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def in_tables(folder: Path, **tables: str) -> Path:
    for name, text in (TABLES | {f"{k}.csv": v for k, v in tables.items()}).items():
        write(folder, name, text)
    return write(folder, "case.yaml", yaml.safe_dump(IN_TABLES, allow_unicode=True))


def faults(path: Path) -> list[str]:
    with pytest.raises(CaseError) as caught:
        read_case(path)
    return [str(fault) for fault in caught.value.faults]


def test_json_yaml_and_tables_give_the_same_case(tmp_path: Path) -> None:
    want = case_from(CASE)
    from_json = read_case(write(tmp_path, "case.json", json.dumps(CASE)))
    from_yaml = read_case(write(tmp_path, "plain.yaml", "﻿" + yaml.safe_dump(CASE)))
    from_tables = read_case(in_tables(tmp_path))
    assert want == from_json == from_yaml == from_tables
    assert len({case_hash(c) for c in (want, from_json, from_yaml, from_tables)}) == 1


def test_a_written_case_holds_every_default_and_reads_back_the_same() -> None:
    case = case_from(CASE)
    document = json.loads(json.dumps(dump_case(case)))
    assert document["horizon"]["discount_rate"] == 0.07
    assert document["network"]["latency_basis"] == "round_trip"
    assert case_from(document) == case
    assert case_hash(case_from(document)) == case_hash(case)


def test_the_hash_follows_the_content() -> None:
    case = case_from(CASE)
    other = case_from(merge_patch(dump_case(case), {"horizon": {"discount_rate": 0.08}}))
    spelt_out = case_from(CASE | {"policy": {"budget": [None, 10000000], "carbon_price_per_tonne": 0}})
    assert case_hash(other) != case_hash(case) == case_hash(spelt_out)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("case.json", "", "/ (case.json): found an empty file; allowed: a case"),
        ("case.txt", "{}", "/ (case.txt): found a file ending in .txt; allowed: a case in .json, .yaml or .yml"),
        (
            "case.json",
            "[1]",
            "/ (case.json): found a list at the top; allowed: a mapping with meta, horizon, regions, sites, …",
        ),
        (
            "case.json",
            '{"meta": 1, "meta": 2}',
            "/ (case.json): found text that cannot be read: the key meta again; "
            "allowed: well-formed JSON, every key once, at most 50 levels",
        ),
    ],
)
def test_files_that_are_no_case(tmp_path: Path, name: str, text: str, expected: str) -> None:
    assert faults(write(tmp_path, name, text)) == [expected]


def test_yaml_is_read_strictly_and_safely(tmp_path: Path) -> None:
    assert "the key b again" in faults(write(tmp_path, "a.yaml", "a: {b: 1, b: 2}"))[0]
    assert "python/object" in faults(write(tmp_path, "b.yaml", "a: !!python/object:os.system {}"))[0]
    assert "no readable file" in faults(tmp_path / "nowhere.yaml")[0]
    (tmp_path / "c.yaml").write_bytes(b"a: \xff")
    assert "not UTF-8" in faults(tmp_path / "c.yaml")[0]


def test_every_table_is_judged_at_once(tmp_path: Path) -> None:
    path = in_tables(tmp_path, sites="id,id\nzw,zw\n", types="id,names\n1\n", workloads="")
    (tmp_path / "regions.csv").unlink()
    found = sorted(faults(path))
    assert len(found) == 4
    assert found[0] == "/module_types (types.csv line 2): found 1 cells; allowed: 2 cells, as in the header"
    assert found[1].startswith("/regions (regions.csv): found a table that cannot be read")
    assert found[2] == "/sites (sites.csv): found the column id twice; allowed: a header with every column named once"
    assert found[3].startswith("/workloads (workloads.csv): found an empty table")


def test_a_fault_names_the_line_of_the_table(tmp_path: Path) -> None:
    path = in_tables(tmp_path, sites="id,names,power_mw\n\nzw,Zhongwei,much\n")
    assert faults(path) == ["/sites/0/power_mw (sites.csv line 3): found 'much'; allowed: a number or a list"]


@pytest.mark.parametrize("name", ["../sites.csv", "/etc/passwd", 3])
def test_tables_stay_in_the_folder_of_the_case(tmp_path: Path, name: object) -> None:
    path = write(tmp_path, "case.json", json.dumps(CASE | {"sites": {"csv": name}}))
    assert faults(path) == [f"/sites: found the table {name}; allowed: a file name in the folder of the case"]


def given_demand(folder: Path, rows: str, futures: tuple[str, ...] = ("low", "high")) -> Path:
    write(folder, "demand.csv", rows)
    demand = {
        "days": [{"id": "work", "weight_days": 60}, {"id": "rest", "weight_days": 30}],
        "step_hours": [12, 12],
        "futures": [{"id": name, "probability": 1 / len(futures), "series": {"csv": "demand.csv"}} for name in futures],
    }
    return write(folder, "case.json", json.dumps(CASE | {"demand": demand}))


def long_table(*, leave_out: int | None = None) -> str:
    lines = ["region,workload,period,day,step,value,future"]
    for future, scale in (("low", 1), ("high", 10)):
        for period in range(2):
            for day in ("work", "rest"):
                lines += [
                    f"bj,w,{period},{day},{h},{scale * (period * 4 + (day == 'rest') * 2 + h)},{future}" for h in (0, 1)
                ]
    if leave_out is not None:
        del lines[leave_out]
    return "\n".join(lines) + "\n"


def test_given_demand_from_a_long_table(tmp_path: Path) -> None:
    demand = read_case(given_demand(tmp_path, long_table())).demand
    assert demand is not None
    assert [f.series[0].values for f in demand.futures] == [
        [[[0, 1], [2, 3]], [[4, 5], [6, 7]]],
        [[[0, 10], [20, 30]], [[40, 50], [60, 70]]],
    ]


def test_given_demand_must_be_complete_and_once(tmp_path: Path) -> None:
    assert faults(given_demand(tmp_path, long_table(leave_out=3))) == [
        "/demand/futures/0/series/0 (demand.csv): found 7 of 8 steps of bj and w; allowed: 2 periods x 2 days x 2 steps"
    ]
    twice = long_table() + "bj,w,0,work,0,1,high\nbj,w,9,fest,0,1,low\nbj,w,0,work,0,x,low\n"
    assert faults(given_demand(tmp_path, twice)) == [
        "/demand/futures/0/series (demand.csv line 19): found period 9, day fest; "
        "allowed: periods 0 to 1, days work, rest, steps 0 to 1",
        "/demand/futures/0/series (demand.csv line 20): found the value x; allowed: a number",
        "/demand/futures/1/series (demand.csv line 18): found period 0, day work, step 0 again; "
        "allowed: every step once",
    ]


# RFC 7396, appendix A
RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_merge_patch_by_the_book(target: Any, patch: Any, result: Any) -> None:
    before = json.dumps(target)
    assert merge_patch(target, patch) == result
    assert json.dumps(target) == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, json_values)
def test_a_patch_twice_is_the_patch_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
