"""A table as readers see it: headings, which columns are numeric, and cells as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from planner.words.wording import Wording


@dataclass(frozen=True)
class Grid:
    """columns: {"name", "numeric"} each; rows: cells as text, as many as there are columns."""

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
        {"name": str(c), "numeric": number or (bool(rows) and all(row[i].endswith("%") for row in rows))}
        for i, (c, number) in enumerate(zip(table.columns, numbers, strict=True))
    ]
    return Grid(columns, rows, title, note)
