"""What is wrong with a history: the error that carries every fault."""

from __future__ import annotations

from forecasts.fault import FaultsError
from forecasts.words.note import Note, listed, note


class HistoryError(FaultsError):
    """A history that cannot be used."""


def shown_rows(rows: list[int], texts: list[object], first_row: int = 1) -> Note:
    """Up to five bad cells by row number (the first row below the header is 1 unless `first_row` says otherwise)."""
    some = list(zip(rows, texts, strict=True))[:5]
    return listed([note("fault.row_shown", row=row + first_row, text=repr(text)) for row, text in some])
