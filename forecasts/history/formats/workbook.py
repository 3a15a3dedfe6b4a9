"""XLSX workbooks: one sheet with a header in its first row that is not empty."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.delimited import MOST_TITLES
from forecasts.history.formats.base import Sheet
from forecasts.history.formats.layout import is_header
from forecasts.words.fault import fault_of

MOST_BYTES = 400 << 20
"""Unpacked size of all parts that is read at most: Excel's million rows of ten columns take about half of it."""
MOST_ROWS = 1_048_576


def read_sheet(body: bytes, where: str, asked: Reading, faults: list[Fault], max_rows: int | None) -> Sheet | None:
    """The sheet that was asked for, or the only one that has rows; None with the reason among the faults."""
    try:
        with zipfile.ZipFile(BytesIO(body)) as packed:
            size = sum(one.file_size for one in packed.infolist())
            if "xl/workbook.xml" not in packed.namelist():
                faults.append(fault_of(where, "fault.zip"))
                return None
            if size > MOST_BYTES:
                faults.append(fault_of(where, "fault.unpacked", n=size, most=MOST_BYTES))
                return None
        return _sheet(body, where, asked, faults, max_rows)
    except Exception as fault:  # noqa: BLE001 - a file from anywhere may break its reader in any way
        faults.append(fault_of(where, "fault.workbook", text=f"{type(fault).__name__}: {str(fault)[:200]}"))
        return None


def _sheet(body: bytes, where: str, asked: Reading, faults: list[Fault], max_rows: int | None) -> Sheet | None:
    from openpyxl import load_workbook

    book = load_workbook(BytesIO(body), read_only=True, data_only=True, keep_links=False)
    try:
        titles = [sheet.title for sheet in book.worksheets]
        if asked.sheet is not None and asked.sheet not in titles:
            faults.append(fault_of("reading sheet", "fault.one_of", value=asked.sheet, names=", ".join(titles)))
            return None
        found = []
        for title in [asked.sheet] if asked.sheet is not None else titles:
            rows = _rows(book[title], where, faults, max_rows)
            if rows is None:
                return None
            if len(rows) > 1:
                found.append((title, rows))
    finally:
        book.close()
    if len(found) > 1:
        several = ", ".join(title for title, _ in found)
        faults.append(fault_of(where, "fault.sheets", n=len(found), names=several))
        return None
    if not found:
        faults.append(fault_of(where, "fault.no_sheet"))
        return None
    title, rows = found[0]
    head = [["" if cell is None else str(cell) for cell in row] for row in rows[: MOST_TITLES + 1]]
    passed = next((at for at, cells in enumerate(head) if is_header(cells)), 0)
    rows = rows[passed:]
    names = tuple("" if cell is None else str(cell).strip() for cell in rows[0])
    width = max((i + 1 for i, name in enumerate(names) if name), default=0)
    frame = pd.DataFrame([row[:width] + (None,) * (width - len(row)) for row in rows[1:]])
    frame = frame.apply(_typed)
    above = f", lines above the header: {passed}" if passed else ""
    return Sheet(names[:width], frame, f"XLSX, sheet {title}{above}", where)


def _rows(sheet: Any, where: str, faults: list[Fault], max_rows: int | None) -> list[tuple[Any, ...]] | None:
    """Rows that hold anything, the header first; None when there are too many."""
    limit = min(max_rows or MOST_ROWS, MOST_ROWS)
    out: list[tuple[Any, ...]] = []
    for row in sheet.iter_rows(values_only=True):
        if any(cell is not None and cell != "" for cell in row):
            out.append(tuple(row))
            if len(out) > limit + 1:
                faults.append(fault_of(where, "fault.more_rows", most=limit))
                return None
    return out


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Cells of dates as moments, of numbers as numbers; mixed ones as text."""
    kinds = {type(cell).__name__ for cell in column if cell is not None}
    if kinds and kinds <= {"datetime", "date"}:
        # Excel keeps days and their fractions: a full second may come out a microsecond early.
        return pd.to_datetime(column).dt.round("s")
    if kinds and kinds <= {"int", "float"}:
        return column.astype("float64") if "float" in kinds or column.isna().any() else column.astype("int64")
    return column.map(lambda cell: None if cell is None else str(cell))
