"""Moments as text or numbers, in the forms that monitoring systems, databases and spreadsheets write."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import cast

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.faults import shown_rows
from forecasts.history.panel import BoolArray
from forecasts.outlook import FloatArray, IntArray
from forecasts.words.fault import fault_of

ALLOWED = "ISO 8601 (2026-01-31 13:00, with or without an offset) or seconds, ms, us or ns since 1970"
OFFSET = re.compile(
    r"(?<=[\d.])\s*(?:(?P<zulu>[Zz]|UTC|GMT|utc|gmt)|(?P<sign>[+-])(?P<hour>\d{2}):?(?P<minute>\d{2})?)$"
)
ZONE_NAME = re.compile(r"\d\s+(?P<name>[A-Z]{3,5})$")
ODD_DATE = re.compile(r"^(?P<a>\d{1,2})[/.](?P<b>\d{1,2})[/.](?P<year>\d{4})(?P<rest>\D.*)?$")
EPOCHS = ((1e8, 4e9, 1e9), (1e11, 4e12, 1e6), (1e14, 4e15, 1e3), (1e17, 4e18, 1.0))
"""(from, to, ns) of seconds, ms, us and ns since 1970, for moments from 1973 to 2096."""
EXCEL_1970, EXCEL_DAYS = 25_569, (36_526.0, 73_051.0)
"""Days since 1899-12-30, as workbooks count them: 1970-01-01, and from 2000 to 2099. Local times."""
CALENDAR = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def read_times(column: pd.Series, faults: list[Fault]) -> tuple[IntArray, bool]:
    """Nanoseconds since 1970 (UTC when the moments carry an offset or are epochs, else local), and whether they do.

    Every unreadable moment is a fault with its row; rows that could not be read hold 0.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        stamps = pd.DatetimeIndex(column).tz_convert("UTC").tz_localize(None).to_numpy("datetime64[ns]")
        return _no_missing(stamps, column, faults), True
    if pd.api.types.is_datetime64_any_dtype(column):
        return _no_missing(column.to_numpy("datetime64[ns]"), column, faults), False
    # A panel repeats each moment once a series: parsing the distinct ones is what makes a thousand series quick.
    codes, distinct = pd.factorize(column)
    # An apostrophe in front is how spreadsheets keep text.
    text = pd.Series(distinct).astype("str").str.strip().str.removeprefix("'").reset_index(drop=True)
    stamps, aware, told = _read_distinct(text, faults)
    whole = np.where(codes >= 0, stamps[codes], np.datetime64("NaT", "ns"))
    return (cast(IntArray, whole.astype(np.int64)) if told else _no_missing(whole, column, faults)), aware


def _read_distinct(text: pd.Series, faults: list[Fault]) -> tuple[np.ndarray, bool, bool]:
    """(distinct,) moments, whether they are instants (UTC), and whether a fault was already told of all of them."""
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    if np.isfinite(numbers).any() and np.isfinite(numbers).mean() > 0.5:
        stamps, aware_epochs, told_epochs = _epochs(text, numbers)
        rounded = text.str.fullmatch(r"\d(?:\.\d{1,8})?[eE]\+?\d+").to_numpy(bool)
        # Whole minutes are written so by many programs, exactly: 1.7724096e+18.
        if (stamps[rounded].astype(np.int64) % 60_000_000_000 != 0).any():
            faults.append(fault_of("timestamp", "fault.rounded_moments", text=text[rounded].iloc[0]))
            return np.full(len(text), np.datetime64("NaT", "ns")), False, True
        return stamps, aware_epochs, told_epochs
    nothing = np.full(len(text), np.datetime64("NaT", "ns"))
    offset = text.str.extract(OFFSET)
    aware = offset["zulu"].notna().to_numpy() | offset["sign"].notna().to_numpy()
    # "2026-06-01" ends like an offset of -01: a date alone has none.
    aware &= text.str.contains(":", regex=False).to_numpy() | text.str.contains(r"T\d", regex=True).to_numpy()
    named = text.str.extract(ZONE_NAME)["name"]
    odd = named.notna() & ~named.isin(["UTC", "GMT"])
    odd &= ~text.str.contains(r"\d\s+[AP]M$", regex=True)
    if odd.any():
        faults.append(fault_of("timestamp", "fault.zone_name", text=text[odd].iloc[0]))
        return nothing, False, True
    if aware.any() and not aware.all():
        readable = pd.Series(_plain(text[~aware], [])[0]).notna().to_numpy()
        if readable.any():
            plain, other = text[~aware][readable].iloc[0], text[aware].iloc[0]
            faults.append(fault_of("timestamp", "fault.mixed_offsets", plain=plain, other=other))
            return nothing, False, True
    local = text.where(~aware, text.str.replace(OFFSET, "", regex=True))
    told: list[Fault] = []
    stamps, ambiguous = _plain(local, told)
    faults += told
    minutes = pd.to_numeric(offset["hour"], errors="coerce").fillna(0) * 60
    minutes += pd.to_numeric(offset["minute"], errors="coerce").fillna(0)
    signed = np.where(offset["sign"] == "-", -1, 1) * minutes.to_numpy() * aware
    shifted = stamps - (signed * 60_000_000_000).astype("timedelta64[ns]")
    return shifted, bool(aware.any()), ambiguous


def _epochs(text: pd.Series, numbers: FloatArray) -> tuple[np.ndarray, bool, bool]:
    known = numbers[np.isfinite(numbers)]
    # 2026060113 is an hour of 2026 written without signs, not a second of 2034.
    lengths = text[np.isfinite(numbers)].str.len()
    form = CALENDAR.get(int(lengths.iloc[0])) if (lengths == lengths.iloc[0]).all() else None
    if form is not None and (known == np.floor(known)).all():
        stamps = pd.to_datetime(text, format=form, errors="coerce").to_numpy("datetime64[ns]")
        years = pd.DatetimeIndex(stamps).year
        if (~np.isnat(stamps))[np.isfinite(numbers)].all() and ((years >= 1970) & (years <= 2100)).sum() == len(known):
            return stamps, False, False
    middle = float(np.median(np.abs(known)))
    if EXCEL_DAYS[0] <= middle < EXCEL_DAYS[1]:
        seconds = np.round((numbers - EXCEL_1970) * 86_400)
        fits = np.isfinite(numbers) & (numbers >= EXCEL_DAYS[0]) & (numbers < EXCEL_DAYS[1])
        return np.where(fits, np.where(fits, seconds, 0) * 1e9, np.nan).astype("datetime64[ns]"), False, False
    factor = next((ns for low, high, ns in EPOCHS if low <= middle < high), None)
    if factor is None:
        return np.full(len(text), np.datetime64("NaT", "ns")), False, False
    whole = np.isfinite(numbers)
    digits = text.str.fullmatch(r"\d+").to_numpy(dtype=bool)
    out = np.full(len(text), np.datetime64("NaT", "ns"))
    # Nanoseconds do not fit a float: whole numbers are taken as they are written.
    exact = np.array([int(t) for t in text[digits & whole]], dtype=object) * int(factor)
    fits = np.array([n < 2**63 for n in exact], dtype=bool)
    out[np.flatnonzero(digits & whole)[fits]] = exact[fits].astype(np.int64).astype("datetime64[ns]")
    part = whole & ~digits & (np.abs(numbers) * factor < 2**62)
    out[part] = (np.round(numbers[part] * (factor / 1e6)) * 1e6).astype(np.int64).astype("datetime64[ns]")
    return out, True, False


def _plain(text: pd.Series, faults: list[Fault]) -> tuple[np.ndarray, bool]:
    """(moments,) local moments of texts without an offset, NaT where unreadable; and whether a fault was told."""
    text = text.str.replace(r"[年月](?=\d)|[年月]$", "-", regex=True).str.replace("日", " ", regex=False)
    text = text.str.replace(r"[时点](?=\d)", ":", regex=True).str.replace(r"[时点分]$", "", regex=True)
    text = text.str.replace(r"[时点]$", ":00", regex=True).str.replace(r"[分秒]", "", regex=True).str.strip()
    text = text.str.replace(r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})", r"\1-\2-\3", regex=True)
    text = text.str.replace(r"^(\d{4})-(\d)(?=\D)", r"\1-0\2", regex=True)
    text = text.str.replace(r"^(\d{4}-\d{2})-(\d)(?=\D|$)", r"\1-0\2", regex=True)
    text = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[ T](\d)(?=:|$)", r"\1 0\2", regex=True)
    text = text.str.replace(r"^(\d{4}-\d{2}-\d{2})\s{2,}", r"\1 ", regex=True)
    # A leap second is the end of its minute.
    text = text.str.replace(r"(:\d{2}):60(?=$|\.)", r"\1:59", regex=True)
    half = text.str.extract(r"^(\S+) ?([上下])午 ?(\d{1,2}:\d{2}(?::\d{2})?)$")
    halved = half[1].notna()
    text = text.where(~halved, half[0] + " " + half[2] + " " + half[1].map({"上": "AM", "下": "PM"}))
    midnight = text.str.contains(r"^\d{4}-\d{2}-\d{2}[ T]24:00(?::00)?$", regex=True)
    text = text.where(~midnight, text.str.replace("24:00", "00:00", n=1, regex=False))
    text = text.str.replace(",", ".", regex=False).where(text.str.contains(r"\d,\d+$", regex=True), text)
    # Some write ten millionths of a second and finer: pandas reads nine places.
    text = text.str.replace(r"(\.\d{9})\d+$", r"\1", regex=True)
    stamps = pd.to_datetime(text, errors="coerce", format="ISO8601").to_numpy("datetime64[ns]").copy()
    stamps[midnight.to_numpy()] += np.timedelta64(1, "D")
    missed = np.isnat(stamps)
    if not missed.any():
        return stamps, False
    odd = text[missed].str.extract(ODD_DATE)
    slashed = odd["year"].notna().to_numpy()
    if slashed.any():
        first = pd.to_numeric(odd["a"][slashed]).to_numpy()
        second = pd.to_numeric(odd["b"][slashed]).to_numpy()
        if (first > 12).any() == (second > 12).any():
            faults.append(fault_of("timestamp", "fault.day_or_month", text=text[missed].iloc[0]))
            return stamps, True
        day, month = (first, second) if (first > 12).any() else (second, first)
        built = [
            f"{year}-{m:02d}-{d:02d}{rest if isinstance(rest, str) else ''}"
            for year, m, d, rest in zip(odd["year"][slashed], month, day, odd["rest"][slashed], strict=True)
        ]
        where = np.flatnonzero(missed)[slashed]
        stamps[where] = _clock(pd.Series(built))
    left = np.isnat(stamps) & text.str.contains(r"[A-Za-z]{3}", regex=True).to_numpy()
    left |= np.isnat(stamps) & text.str.contains(r"\d\s?[AaPp][Mm]$", regex=True).to_numpy()
    if left.any():
        stamps[left] = _clock(text[left])
    return stamps, False


def _clock(text: pd.Series) -> np.ndarray:
    """Moments with a month's name or a twelve-hour clock."""
    spaced = text.str.replace(r"\s+", " ", regex=True)
    out = np.full(len(text), np.datetime64("NaT", "ns"))
    for form in (
        *("ISO8601", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"),
        *("%Y-%m-%d, %I:%M:%S %p", "%Y-%m-%d, %H:%M:%S", "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M", "%d-%b-%Y %H:%M:%S"),
        *("%d-%b-%Y %H:%M", "%b %d, %Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %H:%M:%S", "%d %B %Y %H:%M"),
        *("%b %d, %Y %H:%M", "%B %d, %Y %H:%M", "%a %b %d %Y %H:%M:%S", "%d/%b/%Y:%H:%M:%S", "%a, %d %b %Y %H:%M:%S"),
    ):
        open_ = np.isnat(out)
        if not open_.any():
            break
        out[open_] = pd.to_datetime(spaced[open_], format=form, errors="coerce").to_numpy("datetime64[ns]")
    return out


def _no_missing(stamps: np.ndarray, column: pd.Series, faults: list[Fault]) -> IntArray:
    bad = np.flatnonzero(np.isnat(stamps))
    if bad.size:
        shown = shown_rows(list(bad[:5]), [column.iloc[row] for row in bad[:5]])
        faults.append(fault_of("timestamp", "fault.no_moments", n=bad.size, shown=shown))
    return cast(IntArray, stamps.astype("datetime64[ns]").astype(np.int64))


def far_from_the_rest(times: IntArray, code: IntArray, order: IntArray) -> BoolArray:
    """(rows,) rows at a date so far from all other rows of their series that it must be mistyped.

    A row counts as such when it is one of at most three (and of at most one in a hundred) before or after a gap of two
    weeks and more that is longer than all the others lie apart in all, or twenty times their longest gap. order:
    (rows,) by series and time.
    """
    out = np.zeros(len(times), dtype=bool)
    day = 86_400_000_000_000
    edges: list[int] = np.flatnonzero(np.diff(code[order], prepend=-1, append=-1)).tolist()
    for begin, end in pairwise(edges):
        rows = order[begin:end]
        few = min(3, (end - begin) // 100)
        if few == 0:
            continue
        own = times[rows]
        gaps = np.diff(own)
        inner = gaps[few:-few]
        longest, span = int(inner.max(initial=0)), int(own[-1 - few] - own[few])
        bar = max(14 * day, min(span, 20 * longest))
        early = np.flatnonzero(gaps[:few] > bar)
        late = np.flatnonzero(gaps[-few:] > bar)
        if early.size:
            out[rows[: early[-1] + 1]] = True
        if late.size:
            out[rows[len(gaps) - few + late[0] + 1 :]] = True
    return out


def names_ends(column: pd.Series) -> bool:
    """Whether midnight is 24:00 and never 00:00, as where moments name the end of their hour or quarter hour."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return False
    text = pd.Series(column.unique()).astype("str")
    clock = text.str.extract(r"[ T](\d{2}:\d{2})(?::00)?$")[0]
    return bool((clock == "24:00").any() and not (clock == "00:00").any())
