"""The kinds of runs: what each is called in addresses, and what a finished one offers. Every list reads this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """tables: its result has tables below `tables/`; report, workbook: an HTML report, an XLSX can be made of it; page:
    people see it."""

    name: str
    plural: str
    tables: bool = False
    report: bool = False
    workbook: bool = False
    page: bool = True

    @property
    def base(self) -> str:
        """Where the interface has runs of this kind."""
        return f"/v1/{self.plural}"


_ALL = (
    Kind("plan", "plans", tables=True, report=True, workbook=True),
    Kind("comparison", "comparisons", tables=True, report=True),
    Kind("forecast", "forecasts"),
    Kind("replay", "replays", tables=True),
    Kind("question", "questions"),
)
KINDS = {kind.name: kind for kind in _ALL}
