"""Formats in which people have histories: a small reader each, tried in turn.

A new format is a file here with its reader and a line in one of the lists. What is recognised by fewer signs stands
further down.
"""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as papq

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.delimited import read_delimited
from forecasts.history.formats import (
    cloudwatch,
    dcgm,
    grafana,
    influx,
    long,
    opencost,
    points,
    prometheus,
    requests,
    slurm,
    wide,
    workbook,
)
from forecasts.history.formats.base import JsonFormat, Sheet, TableFormat
from forecasts.history.formats.layout import is_data, is_header, put_right
from forecasts.history.rows import Source
from forecasts.history.source import decoded, name_of, read_bytes
from forecasts.words.fault import fault_of

TABLES: tuple[TableFormat, ...] = (
    slurm.FORMAT,
    opencost.FORMAT,
    requests.FORMAT,
    dcgm.FORMAT,
    grafana.FORMAT,
    long.FORMAT,
    wide.FORMAT,
)
DOCUMENTS: tuple[JsonFormat, ...] = (prometheus.FORMAT, cloudwatch.FORMAT, opencost.JSON, *points.FORMATS)
MOST_CELLS = 120_000_000


def read_source(
    source: str | Path | bytes | IO[bytes] | pd.DataFrame,
    asked: Reading,
    faults: list[Fault],
    max_rows: int | None = None,
) -> Source | None:
    """The rows of a history in any of the formats; None with every reason among the faults."""
    if isinstance(source, pd.DataFrame):
        sheet = Sheet(tuple(map(str, source.columns)), _by_place(source), "data frame")
        return _limited(_table(sheet, asked, faults), faults, max_rows)
    body = read_bytes(source, faults)
    if body is None:
        return None
    return _limited(_unpacked(body, name_of(source), asked, faults, max_rows), faults, max_rows)


def _limited(found: Source | None, faults: list[Fault], max_rows: int | None) -> Source | None:
    if found is not None and max_rows is not None and len(found.table) > max_rows:
        faults.append(fault_of("rows", "fault.rows", n=len(found.table), most=max_rows))
        return None
    return found


def _unpacked(body: bytes, where: str, asked: Reading, faults: list[Fault], max_rows: int | None) -> Source | None:
    if body[:4] == b"PAR1":
        sheet = _parquet(body, where, faults, max_rows)
        return None if sheet is None else _table(sheet, asked, faults)
    if body[:4] == b"PK\x03\x04":
        sheet = workbook.read_sheet(body, where, asked, faults, max_rows)
        return None if sheet is None else _table(sheet, asked, faults)
    if body[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        faults.append(fault_of(where, "fault.old_workbook"))
        return None
    head = body[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] in (b"{", b"["):
        return _document(body, where, asked, faults)
    plain = head.decode("utf-8", errors="replace")
    if b"DCGM_FI_" in head and dcgm.is_text(plain):
        text = decoded(body, where, faults)
        return text and dcgm.read_text(text[0].decode("utf-8"), asked, faults)
    for fits, read in ((influx.is_annotated, influx.read_annotated), (influx.is_lines, influx.read_lines)):
        if fits(plain):
            text = decoded(body, where, faults)
            return text and read(text[0].decode("utf-8"), where, faults)
    found = read_delimited(body, where, faults, max_rows, is_header)
    if found is None:
        return None
    return _table(Sheet(found.names, found.table, f"CSV, {found.how}", where), asked, faults)


def _table(sheet: Sheet, asked: Reading, faults: list[Fault]) -> Source | None:
    """The first format that a table fits; without one, the fault says what a long table is."""
    if not len(sheet.frame):
        faults.append(fault_of("rows", "fault.header_alone"))
        return None
    sheet = put_right(sheet, asked)
    if is_data(sheet.names):
        faults.append(fault_of("header", "fault.no_header", text=", ".join(sheet.names[:6])))
        return None
    moment = asked.columns.get("timestamp", "").strip().lower()
    low = ["timestamp" if name == moment else name for name in sheet.low()]
    named = {role for role in asked.columns if role in ("value", "series", "region", "workload")}
    fit = long.FORMAT if named else next((one for one in TABLES if one.fits(low)), long.FORMAT)
    found = fit.read(sheet, asked, faults)
    return found and replace(found, notes=(*sheet.notes, *found.notes))


def _parquet(body: bytes, where: str, faults: list[Fault], max_rows: int | None) -> Sheet | None:
    try:
        file = papq.ParquetFile(BytesIO(body))
        rows, columns = file.metadata.num_rows, len(file.schema_arrow.names)
        if max_rows is not None and rows > max_rows:
            faults.append(fault_of(where, "fault.rows", n=rows, most=max_rows))
            return None
        if rows * columns > MOST_CELLS:
            faults.append(fault_of(where, "fault.cells", rows=rows, columns=columns, most=MOST_CELLS))
            return None
        frame = file.read().to_pandas()
    except (pa.ArrowException, OSError, ValueError, KeyError) as fault:
        faults.append(fault_of(where, "fault.parquet", text=str(fault)[:300]))
        return None
    if frame.index.names != [None]:
        frame = frame.reset_index()
    names = tuple(map(str, frame.columns))
    return Sheet(names, _by_place(frame), "Parquet", where)


def _by_place(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis(pd.RangeIndex(frame.shape[1]), axis=1).reset_index(drop=True)


def _lines(text: bytes) -> list[Any] | None:
    """Documents of one line each, or None."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(line) for line in lines] if len(lines) > 1 else None
    except (ValueError, RecursionError):
        return None


def _document(body: bytes, where: str, asked: Reading, faults: list[Fault]) -> Source | None:
    text = decoded(body, where, faults)
    if text is None:
        return None
    try:
        document = json.loads(text[0])
    except (ValueError, RecursionError) as fault:
        document = _lines(text[0])
        if document is None:
            faults.append(fault_of(where, "fault.json", text=str(fault)[:200]))
            return None
    if isinstance(document, list) and document and all(isinstance(one, dict) for one in document):
        frame = pd.DataFrame(document)
        nested = frame.select_dtypes("object").map(lambda cell: isinstance(cell, dict | list))
        if len(frame.columns) and not nested.to_numpy().any():
            return _table(Sheet(tuple(map(str, frame.columns)), _by_place(frame), "JSON records", where), asked, faults)
    fit = next((one for one in DOCUMENTS if one.fits(document)), None)
    if fit is None:
        keys = ", ".join(list(document)[:8]) if isinstance(document, dict) else type(document).__name__
        names = ", ".join(one.name for one in DOCUMENTS)
        faults.append(fault_of(where, "fault.json_kind", keys=keys, names=names))
        return None
    return fit.read(document, asked, faults)
