"""Read the long table that a history comes in: bytes to columns, with every fault noted and none raised."""

from __future__ import annotations

import gzip
from io import BytesIO
from pathlib import Path
from typing import IO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq

from forecasts.history.faults import HistoryFault
from forecasts.outlook import FloatArray, IntArray


def read_table(
    source: str | Path | bytes | IO[bytes], faults: list[HistoryFault], max_rows: int | None
) -> pd.DataFrame | None:
    """The table of a source, or None with the reason among the faults."""
    where = str(source) if isinstance(source, str | Path) else "history"
    try:
        body = _body(source)
    except (OSError, EOFError) as fault:
        faults.append(HistoryFault(where, str(fault), "a readable CSV, gzipped CSV or Parquet file"))
        return None
    if not body.strip():
        faults.append(HistoryFault(where, "an empty file", "a table with timestamp, value and series columns"))
        return None
    try:
        table = papq.read_table(BytesIO(body)) if body[:4] == b"PAR1" else _read_csv(body)
    except (pa.ArrowException, UnicodeDecodeError) as fault:
        faults.append(HistoryFault(where, str(fault)[:300], "a UTF-8 comma-separated table or a Parquet file"))
        return None
    if max_rows is not None and table.num_rows > max_rows:
        faults.append(HistoryFault(where, f"{table.num_rows} rows", f"at most {max_rows} rows"))
        return None
    return cast(pd.DataFrame, table.to_pandas())


def _body(source: str | Path | bytes | IO[bytes]) -> bytes:
    if isinstance(source, str | Path):
        body = Path(source).read_bytes()
    else:
        body = source if isinstance(source, bytes) else source.read()
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def _read_csv(body: bytes) -> pa.Table:
    head = body[: max(body.find(b"\n"), 0) or len(body)].decode("utf-8-sig")
    names = [name.strip().strip('"') for name in head.strip().split(",")]
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = {name: text for name in names if name.lower() != "value"}
    kinds |= {name: pa.float64() for name in names if name.lower() == "value"}
    read = pacsv.ReadOptions(column_names=names, skip_rows=1)
    try:
        return pacsv.read_csv(BytesIO(body), read, convert_options=pacsv.ConvertOptions(column_types=kinds))
    except pa.ArrowInvalid:
        # Some value is no number: read as text, so that every one of them can be told.
        kinds = dict.fromkeys(names, pa.string())
        return pacsv.read_csv(BytesIO(body), read, convert_options=pacsv.ConvertOptions(column_types=kinds))


def find_columns(table: pd.DataFrame, faults: list[HistoryFault]) -> dict[str, str] | None:
    """Lower-case column name -> its name in the table, or None when a needed one is missing."""
    found = {str(name).strip().lower(): str(name) for name in table.columns}
    missing = [name for name in ("timestamp", "value") if name not in found]
    if "series" not in found and not {"region", "workload"} <= set(found):
        missing.append("series, or region and workload")
    if missing:
        allowed = "columns timestamp, region, workload, value or timestamp, series, value"
        faults.append(
            HistoryFault("header", ", ".join(found) or "nothing", f"{allowed} (missing: {'; '.join(missing)})")
        )
        return None
    if table.empty:
        faults.append(HistoryFault("rows", "a header without rows", "at least one hour of one series"))
        return None
    return found


def read_times(column: pd.Series[str], faults: list[HistoryFault]) -> tuple[IntArray, bool]:
    """Nanoseconds since 1970 (UTC when the times carry an offset, else local) and whether they carry one."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(column).tz_convert("UTC").tz_localize(None).to_numpy("datetime64[ns]").astype(
            np.int64
        ), True
    if pd.api.types.is_datetime64_any_dtype(column):
        return _no_missing(column.to_numpy("datetime64[ns]"), column, faults), False
    # A panel repeats each time once a series: parsing the distinct ones is what makes a thousand series quick.
    codes, distinct = pd.factorize(column)
    text = pd.Series(distinct.astype(str), dtype="str")
    aware = text.str.contains(r"\d[ T]?\d.*(?:Z|[+-]\d{2}:?\d{2})$", regex=True) & text.str.contains(":", regex=False)
    if aware.any() and not aware.all():
        plain, offset = text[~aware].iloc[0], text[aware].iloc[0]
        faults.append(HistoryFault("timestamp", f"both {plain!r} and {offset!r}", "all with an offset, or none"))
        return np.zeros(len(column), dtype=np.int64), False
    parsed = pd.to_datetime(text, errors="coerce", utc=bool(aware.any()), format="ISO8601")
    if aware.any():
        parsed = parsed.dt.tz_localize(None)
    stamps = parsed.to_numpy("datetime64[ns]")
    whole = np.where(codes >= 0, stamps[codes], np.datetime64("NaT"))
    return _no_missing(whole, column, faults), bool(aware.any())


def _no_missing(stamps: np.ndarray, column: pd.Series[str], faults: list[HistoryFault]) -> IntArray:
    bad = np.flatnonzero(np.isnat(stamps))
    if bad.size:
        shown = ", ".join(f"row {row + 1} {column.iloc[row]!r}" for row in bad[:5])
        faults.append(HistoryFault("timestamp", f"{bad.size} unreadable ({shown})", "ISO 8601, as 2026-01-31 13:00"))
    return cast(IntArray, stamps.astype(np.int64))


def read_numbers(column: pd.Series[float], faults: list[HistoryFault]) -> FloatArray:
    """(rows,) values, NaN where empty; text that is no number is a fault."""
    numbers = pd.to_numeric(column, errors="coerce")
    text = column.astype("str").str.strip().str.lower() if not pd.api.types.is_numeric_dtype(column) else None
    if text is not None:
        empty = column.isna() | text.isin(["", "nan", "na", "n/a", "null", "none", "-"])
        bad = np.flatnonzero((numbers.isna() & ~empty).to_numpy())
        if bad.size:
            shown = ", ".join(f"row {row + 1} {column.iloc[row]!r}" for row in bad[:5])
            faults.append(HistoryFault("value", f"{bad.size} that are no numbers ({shown})", "numbers, or empty"))
    return cast(FloatArray, numbers.to_numpy(dtype=np.float64, na_value=np.nan))
