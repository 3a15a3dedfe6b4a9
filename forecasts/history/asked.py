"""What the reader is told about a history, where its file leaves something open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from forecasts.fault import Fault
from forecasts.history.faults import HistoryError
from forecasts.words.fault import fault_of

ROLES = ("timestamp", "value", "series", "region", "workload", "unit")
ALLOWED = {
    "no-row": ("unknown", "zero"),
    "same-moment": ("ask", "sum", "mean"),
    "decimal": ("auto", ".", ","),
    "suspect": ("mask", "keep"),
}
KEYS = (*ALLOWED, *ROLES, "rate", "amount", "gauge", "began", "sheet")


@dataclass(frozen=True)
class Reading:
    """How a file is to be read.

    no_row: an hour without a row is "unknown" (masked) or "zero" (no demand). same_moment: rows of one series at one
    moment that differ are asked about ("ask"), added up or averaged. rate: patterns of series that are counters, turned
    into their increase a second. amount: patterns of series that hold amounts for the time up to the next row, turned
    into amounts a second. gauge: patterns of series that have only risen and are no counters. decimal: the sign before
    decimals. columns: role -> name of the column that has it. began: when a log began whose times are counted from its
    start. sheet: of a workbook. suspect: hours of a stuck sensor or an outage are masked or kept. named: patterns of
    series whose ceiling is named: what looks like one needs no remark.
    """

    no_row: Literal["unknown", "zero"] = "unknown"
    same_moment: Literal["ask", "sum", "mean"] = "ask"
    decimal: Literal["auto", ".", ","] = "auto"
    suspect: Literal["mask", "keep"] = "mask"
    rate: tuple[str, ...] = ()
    amount: tuple[str, ...] = ()
    gauge: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    began: date | None = None
    sheet: str | None = None
    named: tuple[str, ...] = ()


def reading_of(pairs: Iterable[tuple[str, str]]) -> Reading:
    """What was asked as (key, value) pairs; "rate", "amount" and "gauge" may come several times.

    Raises HistoryError with every fault.
    """
    faults: list[Fault] = []
    single: dict[str, str] = {}
    several: dict[str, list[str]] = {"rate": [], "amount": [], "gauge": []}
    for key, value in pairs:
        key, value = key.strip().lower().replace("_", "-"), value.strip()
        if key not in KEYS:
            faults.append(fault_of("reading", "fault.one_of", value=key, names=", ".join(KEYS)))
        elif key in ALLOWED and value not in ALLOWED[key]:
            faults.append(fault_of(f"reading {key}", "fault.one_of", value=value, names=", ".join(ALLOWED[key])))
        elif not value:
            faults.append(fault_of(f"reading {key}", "fault.no_value"))
        elif key in several:
            several[key].append(value)
        else:
            single[key] = value
    began = None
    if "began" in single:
        try:
            began = datetime.fromisoformat(single["began"]).date()
        except ValueError:
            faults.append(fault_of("reading began", "fault.a_date", text=single["began"]))
    if faults:
        raise HistoryError(faults)
    return Reading(
        no_row=single.get("no-row", "unknown"),  # type: ignore[arg-type]  # checked above
        same_moment=single.get("same-moment", "ask"),  # type: ignore[arg-type]
        decimal=single.get("decimal", "auto"),  # type: ignore[arg-type]
        suspect=single.get("suspect", "mask"),  # type: ignore[arg-type]
        rate=tuple(several["rate"]),
        amount=tuple(several["amount"]),
        gauge=tuple(several["gauge"]),
        columns={role: single[role] for role in ROLES if role in single},
        began=began,
        sheet=single.get("sheet"),
    )


def reading_of_texts(texts: Iterable[str], named: Iterable[str] = ()) -> Reading:
    """What was asked as texts KEY=VALUE; named: patterns of series whose ceiling the owner names.

    Raises HistoryError with every fault.
    """
    pairs, faults = [], []
    for text in texts:
        key, sign, value = text.partition("=")
        pairs.append((key, value))
        if not sign:
            faults.append(fault_of("reading", "fault.key_value", text=text))
    if faults:
        raise HistoryError(faults)
    return replace(reading_of(pairs), named=tuple(named))
