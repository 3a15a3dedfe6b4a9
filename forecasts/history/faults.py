"""What is wrong with a history: the error that carries every fault."""

from __future__ import annotations

from forecasts.fault import FaultsError


class HistoryError(FaultsError):
    """A history that cannot be used."""


def shown_rows(rows: list[int], texts: list[object], first_row: int = 1) -> str:
    """Up to five bad cells by row number (the first row below the header is 1 unless `first_row` says otherwise)."""
    some = [f"row {row + first_row} {text!r}" for row, text in list(zip(rows, texts, strict=True))[:5]]
    return ", ".join(some)
