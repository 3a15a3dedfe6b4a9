"""Delimited text to a table: which sign parts the cells, where the header stands, what it is called."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from forecasts.fault import Fault
from forecasts.history.source import decoded
from forecasts.words.fault import fault_of

SIGNS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MOST_BAD_ROWS = 5
MOST_TITLES = 30
_PREAMBLE = re.compile(r"""^\s*"?sep=(?P<sign>.)"?\s*$""")
# A header may stand behind the sign itself: "#time,value".
_COMMENT = re.compile(r"""#(?!\s*"?(?:time|date|ts\b))""", re.IGNORECASE)
_NUMERIC = ("value",)


@dataclass(frozen=True)
class Delimited:
    """A table of text. names: as the header has them, one a column of `table`, whose own names are their positions.

    how: encoding and sign, in words. lines: lines above the first row; empty ones and comments (#) are passed over.
    """

    names: tuple[str, ...]
    table: pd.DataFrame
    how: str
    lines: int


def read_delimited(
    body: bytes,
    where: str,
    faults: list[Fault],
    max_rows: int | None,
    is_header: Callable[[Sequence[str]], bool],
) -> Delimited | None:
    """The table of a delimited text with one header line; None with every reason among the faults.

    is_header: whether cells name the columns of a history: consoles write lines of their own above such a line.
    """
    text = decoded(body, where, faults)
    if text is None:
        return None
    plain, encoding = text
    head = plain[: 1 << 20].decode("utf-8", errors="ignore")
    skipped, sign = 0, None
    lines = head.splitlines(keepends=True)
    while skipped < len(lines) and (
        not lines[skipped].strip() or _COMMENT.match(lines[skipped]) or _PREAMBLE.match(lines[skipped])
    ):
        found = _PREAMBLE.match(lines[skipped])
        sign = found["sign"] if found else sign
        skipped += 1
    rest = "".join(lines[skipped:])
    if not rest:
        faults.append(fault_of(where, "fault.empty_file"))
        return None
    titles = _titles(lines[skipped:], sign, is_header)
    skipped += titles
    rest = "".join(lines[skipped:])
    sign = sign if sign in SIGNS else sniffed(rest.splitlines()[0])
    reader = csv.reader(StringIO(rest), delimiter=sign)
    try:
        names = tuple(name.strip().lstrip("\ufeff#").strip() for name in next(reader))
    except csv.Error as fault:
        faults.append(fault_of(where, "fault.no_header", text=str(fault)))
        return None
    above = skipped + reader.line_num
    table = _table(plain, names, sign, above, where, faults)
    if table is None:
        return None
    if max_rows is not None and table.num_rows > max_rows:
        faults.append(fault_of(where, "fault.rows", n=table.num_rows, most=max_rows))
        return None
    frame = table.to_pandas()
    frame.columns = pd.RangeIndex(len(names))
    title = f", lines above the header: {titles}" if titles else ""
    return Delimited(names, frame, f"{encoding}, parted by {SIGNS[sign]}{title}", above)


def _titles(lines: list[str], sign: str | None, is_header: Callable[[Sequence[str]], bool]) -> int:
    """How many lines stand above the header: none, unless one of the next lines is one and the first is not."""
    for number, line in enumerate(lines[: MOST_TITLES + 1]):
        cells = next(csv.reader([line.rstrip("\r\n")], delimiter=sign if sign in SIGNS else sniffed(line)), [])
        if is_header(cells):
            return number
    return 0


def sniffed(line: str) -> str:
    """The sign that parts a header line: the one outside quotes that parts it most often."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", line)
    counts = {sign: bare.count(sign) for sign in SIGNS}
    best = max(counts, key=lambda sign: counts[sign])
    return best if counts[best] else ","


def _table(
    plain: bytes, names: tuple[str, ...], sign: str, above: int, where: str, faults: list[Fault]
) -> pa.Table | None:
    bad: list[str] = []

    def on_bad(row: pacsv.InvalidRow) -> str:
        if len(bad) < MOST_BAD_ROWS:
            number = "" if row.number is None else f"row {row.number - above} "
            bad.append(f"{number}with {row.actual_columns} cells {row.text[:80]!r}")
        return "skip"

    columns = [str(i) for i in range(len(names))]
    read = pacsv.ReadOptions(column_names=columns, skip_rows=above, use_threads=False, block_size=1 << 24)
    text = pa.dictionary(pa.int32(), pa.string())
    numeric = [name.strip().lower() in _NUMERIC for name in names]
    parse = pacsv.ParseOptions(delimiter=sign, newlines_in_values=False, invalid_row_handler=on_bad)
    nothing = ["", "NaN", "nan", "NA", "N/A", "n/a", "NULL", "null", "None", "none", "-"]
    for kinds in ([pa.float64() if n else text for n in numeric], [text] * len(names)):
        convert = pacsv.ConvertOptions(
            column_types=dict(zip(columns, kinds, strict=True)),
            null_values=nothing,
            strings_can_be_null=False,
            check_utf8=False,  # it was decoded as such
        )
        bad.clear()
        try:
            table = pacsv.read_csv(pa.BufferReader(plain), read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as fault:
            # Some value is no plain number: read as text, so that every one of them can be told or understood.
            last = fault
            continue
        if bad:
            faults.append(fault_of(where, "fault.uneven", rows="; ".join(bad), n=len(names)))
            return None
        return table
    faults.append(fault_of(where, "fault.no_table", text=str(last)[:300]))
    return None
