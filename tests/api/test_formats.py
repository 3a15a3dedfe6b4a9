"""Content negotiation, languages, spreadsheets: pure functions."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http import tables
from api.http.language import preferred
from api.http.routes.common import wait_seconds
from api.jobs.problems import ProblemError


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("text/csv;q=0.5, application/vnd.apache.parquet", "parquet"),
        ("image/png, application/json;q=0.1", "json"),
        ("text/csv;q=0, */*;q=0.1", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
    ],
)
def test_the_best_format_that_is_accepted(accept: str, chosen: str) -> None:
    assert tables.choose(None, accept) == chosen


def test_what_cannot_be_given_is_said() -> None:
    for format, accept in ((None, "image/png"), (None, "text/csv;q=0"), ("pickle", "*/*")):
        with pytest.raises(ProblemError) as raised:
            tables.choose(format, accept)
        assert raised.value.kind == "not-acceptable"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr, zh;q=0.2", "zh"),
        ("zh;q=0, fr", "en"),
        ("zh;q=x", "en"),
    ],
)
def test_the_readers_language(header: str, language: str) -> None:
    assert preferred(header) == language


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("wait=10", 10), ("respond-async, wait=5", 5), ("wait=9999", 60), ("await=10", 0), ("wait=-1", 0)],
)
def test_prefer_wait(header: str | None, seconds: int) -> None:
    assert wait_seconds(header) == seconds


_CELLS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12), min_size=1, max_size=8)


@given(_CELLS)
def test_no_csv_cell_begins_like_a_formula_and_no_text_is_lost(cells: list[str]) -> None:
    body = b"".join(tables.csv_chunks(pa.table({"a": cells}))).decode()
    read = [row[0] if row else "" for row in csv.reader(io.StringIO(body, newline=""))][1:]
    assert [
        cell[1:] if cell[:1] == "'" and cell != original else cell for cell, original in zip(read, cells, strict=True)
    ] == cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in read)


def test_numbers_are_not_touched() -> None:
    body = b"".join(tables.csv_chunks(pa.table({"a": [-1.5, 2.0], "b": [-3, 4]}))).decode()
    assert body.splitlines() == ["a,b", "-1.5,-3", "2.0,4"]
