"""A table as readers see it: headings, which columns are numeric, and cells as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from planner.words.wording import Wording

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|–?")


@dataclass(frozen=True)
class Grid:
    """columns: {"name", "numeric"} each, and "date" where every cell is one. rows: cells as text."""

    columns: list[dict[str, Any]]
    rows: list[list[str]]
    title: str = ""
    note: str = ""


def grid(table: pd.DataFrame, words: Wording, title: str = "", note: str = "") -> Grid:
    """A table as text: numbers as the language writes them, what is missing as a dash."""
    numbers = [pd.api.types.is_numeric_dtype(table[c]) for c in table.columns]
    rows = [
        [words.number(float(v), 4) if number else str(v) for number, v in zip(numbers, row, strict=True)]
        for row in table.itertuples(index=False)
    ]
    columns = [
        {
            "name": str(c),
            "numeric": number or (bool(rows) and all(row[i].endswith("%") for row in rows)),
            "date": bool(rows) and all(_DATE.fullmatch(row[i]) for row in rows),
        }
        for i, (c, number) in enumerate(zip(table.columns, numbers, strict=True))
    ]
    return Grid(columns, rows, title, note)
