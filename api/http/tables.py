"""A plan's tables in the format that was asked for: JSON, CSV, Parquet or XLSX.

Spreadsheets take a cell that begins like a formula for one. In CSV such text gets an apostrophe in front; in XLSX every
text is written as text, which no spreadsheet evaluates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from api.jobs.problems import ProblemError

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["json", "csv", "parquet", "xlsx"]
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
XLSX_ROWS_MAX = 1_048_575
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_BATCH_ROWS = 20_000


def choose(wanted: str | None, accept: str) -> Format:
    """The format of `?format=`, else the best one that the Accept header allows. Raises ProblemError."""
    if wanted is not None:
        for name in MEDIA_TYPES:
            if wanted == name:
                return name
        raise ProblemError("not-acceptable", f"found format {wanted!r}; allowed: {', '.join(MEDIA_TYPES)}")
    ranges = []
    for position, part in enumerate(accept.split(",") if accept.strip() else ["*/*"]):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        ranges.append((-quality, position, kind.lower()))
    for quality, _, kind in sorted(ranges):
        if quality == 0:
            continue
        for name, media_type in MEDIA_TYPES.items():
            if kind in (media_type, "*/*", media_type.split("/")[0] + "/*"):
                return name
    raise ProblemError("not-acceptable", f"found Accept {accept!r}; allowed: {', '.join(MEDIA_TYPES.values())}")


def read(path: Path) -> pa.Table:
    """A stored table, mapped into memory."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path, memory_map=True)


def row_count(path: Path) -> int:
    """Rows of a stored table, from its footer."""
    import pyarrow.parquet

    return int(pyarrow.parquet.read_metadata(path).num_rows)


def json_rows(table: pa.Table, offset: int, limit: int) -> list[list[Any]]:
    """Rows as lists; what JSON cannot say (NaN, infinity) is null, dates are text."""
    part = table.slice(offset, limit)
    columns = [[_plain(value) for value in column.to_pylist()] for column in part.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def neutralised(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, made harmless; anything else as it is."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value


def csv_chunks(table: pa.Table) -> Iterator[bytes]:
    """UTF-8 CSV in pieces."""
    import csv
    from io import StringIO

    for start in range(0, max(table.num_rows, 1), _BATCH_ROWS):
        text = StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        if start == 0:
            writer.writerow([neutralised(name) for name in table.column_names])
        writer.writerows([neutralised(cell) for cell in row] for row in json_rows(table, start, _BATCH_ROWS))
        yield text.getvalue().encode()


def xlsx(table: pa.Table, name: str) -> bytes:
    """One worksheet. Raises ProblemError when there are more rows than a worksheet holds."""
    import xlsxwriter

    if table.num_rows > XLSX_ROWS_MAX:
        detail = f"found {table.num_rows} rows; allowed: {XLSX_ROWS_MAX} in XLSX; take csv or parquet"
        raise ProblemError("not-acceptable", detail)
    out = BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": False, "constant_memory": True})
    sheet = book.add_worksheet(name[:31])
    bold = book.add_format({"bold": True})
    for column, title in enumerate(table.column_names):
        sheet.write_string(0, column, title, bold)
    sheet.freeze_panes(1, 0)
    for start in range(0, table.num_rows, _BATCH_ROWS):
        for row, cells in enumerate(json_rows(table, start, _BATCH_ROWS), start + 1):
            for column, cell in enumerate(cells):
                if isinstance(cell, bool):
                    sheet.write_boolean(row, column, cell)
                elif isinstance(cell, (int, float)):
                    sheet.write_number(row, column, cell)
                elif cell is not None:
                    sheet.write_string(row, column, cell[:32_767])
    book.close()
    return out.getvalue()
