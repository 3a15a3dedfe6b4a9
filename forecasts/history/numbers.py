"""Numbers as text: decimal points and commas, thousands, and what stands for nothing."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.faults import shown_rows
from forecasts.outlook import FloatArray
from forecasts.words.fault import fault_of

Decimal = Literal["auto", ".", ","]
NOTHING = ("", "nan", "na", "n/a", "null", "none", "-", "--", "undefined", "#n/a", "<na>")


def read_numbers(
    column: pd.Series,
    faults: list[Fault],
    decimal: Decimal = "auto",
    where: str = "value",
) -> FloatArray:
    """(rows,) values, NaN where empty; text that is no number is a fault with its row.

    A comma is read as the decimal sign where that is the only reading: some number has other than three digits after
    its one comma, or a point before it. Where commas could as well part thousands, that is a fault.
    """
    if pd.api.types.is_numeric_dtype(column):
        return cast(FloatArray, column.to_numpy(dtype=np.float64, na_value=np.nan))
    codes, distinct = pd.factorize(column)
    text = pd.Series(distinct).astype("str").str.strip().reset_index(drop=True)
    text = text.str.replace(r"[\s\u00a0\u202f'’_](?=\d{3}(?:\D|$))", "", regex=True).str.replace("−", "-", regex=False)
    empty = text.str.lower().isin(NOTHING).to_numpy()
    numbers = pd.to_numeric(text.where(~empty), errors="coerce")
    comma = text.str.contains(",", regex=False).to_numpy() & ~empty
    if decimal == "," or comma.any():
        sign = _sign(text[comma]) if decimal == "auto" else decimal
        if sign is None:
            faults.append(fault_of(where, "fault.decimal_comma", text=str(text[comma].iloc[0])))
            return np.full(len(column), np.nan)
        plain = text.str.replace("." if sign == "," else ",", "", regex=False)
        numbers = pd.to_numeric(plain.str.replace(",", ".", regex=False).where(~empty), errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.isnan(values) & ~empty
    out = np.where(codes >= 0, values[codes], np.nan) if len(values) else np.full(len(column), np.nan)
    bad = np.flatnonzero(wrong[codes] & (codes >= 0)) if wrong.any() else np.zeros(0, dtype=np.int64)
    if bad.size:
        shown = shown_rows(list(bad[:5]), [column.iloc[row] for row in bad[:5]])
        faults.append(fault_of(where, "fault.no_numbers", n=bad.size, shown=shown))
    return cast(FloatArray, out)


def _sign(text: pd.Series) -> Literal[".", ","] | None:
    """The decimal sign of numbers that hold a comma; None where both readings are possible."""
    both = text[text.str.contains(".", regex=False)]
    if len(both):
        after = both.str.rfind(",") > both.str.rfind(".")
        return "," if after.all() else "." if not after.any() else None
    several = text.str.count(",") > 1
    if several.any():
        return "."
    thousands = text.str.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}")
    return None if thousands.all() else ","
