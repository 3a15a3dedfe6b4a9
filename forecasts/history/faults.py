"""What is wrong with a history: one fault, and the error that carries every one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HistoryFault:
    """One thing that is wrong with a history: where it stands, what was found there, what is allowed."""

    where: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; allowed: {self.allowed}"


class HistoryError(ValueError):
    """A history that cannot be used; `faults` holds every reason at once."""

    def __init__(self, faults: list[HistoryFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in faults))


def shown_rows(rows: list[int], texts: list[object], first_row: int = 1) -> str:
    """Up to five bad cells by row number (the first row below the header is 1 unless `first_row` says otherwise)."""
    some = [f"row {row + first_row} {text!r}" for row, text in list(zip(rows, texts, strict=True))[:5]]
    return ", ".join(some)
