"""Tables put right before their format is asked: what spreadsheets and consoles add around, beside and across them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from forecasts.fault import Fault
from forecasts.history.asked import Reading
from forecasts.history.formats.base import REGION, SERIES, TIME, UNIT, WORKLOAD, ZONED, Sheet
from forecasts.history.moments import read_times
from forecasts.outlook import IntArray
from forecasts.words.note import listed, note

DATE = ("date", "day", "日期", "datum", "fecha")
CLOCK = ("time", "hour", "hours", "hr", "hour of day", "时间", "时刻", "小时", "时", "uhrzeit", "stunde", "hora")
_TOTAL = re.compile(
    r"(?:grand\s+)?(?:totals?|sum|average|avg|mean|max|min|gesamt|summe)\b|合计|总计|小计|总和|平均", re.I
)
_HOUR = re.compile(r"(?:h|hr|hour|he)?[\s_]*(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::00)?)?(?:时|点|h)?$", re.I)
_MOMENT = re.compile(r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
_MINUTE = 60_000_000_000
LEAST_ACROSS = 24
MOST_FOOTER = 3


def put_right(sheet: Sheet, asked: Reading) -> Sheet:
    """The table without its footer, with the zone that a header names in its moments, one column of moments, and one
    row a moment; with a note on each of these that was done."""
    for step in (_without_footer, _zoned, _joined, _without_hours, _across):
        sheet = step(sheet, asked)
    return sheet


def is_header(cells: Sequence[str]) -> bool:
    """Whether a line of cells names columns, one of them a moment, and holds no data."""
    low = [cell.strip().lower() for cell in cells]
    named = any(base_of(cell) in TIME for cell in low)
    return named and len(low) > 1 and not any(_is_number(cell) or _MOMENT.match(cell) for cell in low)


def is_data(names: Sequence[str]) -> bool:
    """Whether what stands in a header's place is a row of data."""
    named = any(name.strip().lower() in TIME for name in names)
    return not named and any(_MOMENT.match(name) for name in names) and any(_is_number(name) for name in names)


def base_of(name: str) -> str:
    """A column's name without the zone in it: "time (utc)" is "time"."""
    found = ZONED.match(name)
    return found["base"] if found else name


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?", text.strip(), re.I) is not None


def _moment_place(sheet: Sheet, asked: Reading) -> int | None:
    wanted = asked.columns.get("timestamp")
    return sheet.place(wanted.strip().lower()) if wanted else sheet.place(*TIME)


def _without_footer(sheet: Sheet, asked: Reading) -> Sheet:
    """Totals and remarks below the last row are no data."""
    at = _moment_place(sheet, asked)
    rows = len(sheet.frame)
    if at is None or sheet.frame.shape[1] < 2 or not rows:
        return sheet
    gone: list[str] = []
    for row in range(rows - 1, max(rows - 1 - MOST_FOOTER, 0), -1):
        cells = ["" if pd.isna(cell) else str(cell).strip() for cell in sheet.frame.iloc[row]]
        alone = [cell for cell in cells if cell]
        if _TOTAL.match(cells[at]) or (len(alone) == 1 and _is_remark(alone[0])):
            gone.append(cells[at] or alone[0])
        elif alone:
            break
    if not gone:
        return sheet
    told = note("layout.footer", n=len(gone), names=listed([text[:40] for text in gone[::-1]]))
    return replace(sheet, frame=sheet.frame.iloc[: rows - len(gone)], notes=(*sheet.notes, told))


def _is_remark(text: str) -> bool:
    """Whether a cell is words, and no moment."""
    faults: list[Fault] = []
    read_times(pd.Series([text]), faults)
    return bool(faults) and re.search(r"[^\W\d_]{2}", text) is not None


def _zoned(sheet: Sheet, asked: Reading) -> Sheet:
    """Moments under a header that names their zone carry it, where no other column is the one that is read."""
    wanted = asked.columns.get("timestamp", "").strip().lower()
    if not wanted and sheet.place(*TIME) is not None:
        return sheet
    for at, name in enumerate(sheet.low()):
        found = ZONED.match(name)
        if found is None or (found["base"] not in TIME and name != wanted):
            continue
        faults: list[Fault] = []
        stamps, aware = read_times(sheet.frame[at], faults)
        frame, notes = sheet.frame, sheet.notes
        if not aware and not faults:
            hours, minutes = (int(found[part] or 0) for part in ("hour", "minute"))
            offset = (-1 if found["sign"] == "-" else 1) * (60 * hours + minutes) * _MINUTE
            instants = pd.Series(pd.DatetimeIndex(stamps - offset).tz_localize("UTC"), index=frame.index)
            frame = pd.concat([frame.drop(columns=at), instants.rename(at)], axis=1)[list(frame.columns)]
            notes = (*notes, note("layout.zone", name=sheet.names[at]))
        names = sheet.names if name == wanted else _with(sheet.names, at, found["base"])
        return replace(sheet, names=names, frame=frame, notes=notes)
    return sheet


def _with(names: tuple[str, ...], at: int, name: str) -> tuple[str, ...]:
    return (*names[:at], name, *names[at + 1 :])


def _joined(sheet: Sheet, asked: Reading) -> Sheet:
    """A column of days and one of hours make one of moments."""
    day, clock = sheet.place(*DATE), sheet.place(*CLOCK)
    moments = {at for at, name in enumerate(sheet.low()) if name in TIME}
    if day is None or clock is None or moments - {day, clock} or "timestamp" in asked.columns:
        return sheet
    hours = sheet.frame[clock].astype("object").map(lambda cell: "" if pd.isna(cell) else str(cell).strip())
    plain = hours.str.fullmatch(r"\d{1,2}(?:\.0)?")
    if not (plain | hours.str.fullmatch(r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp][Mm])?")).all():
        return sheet
    days = sheet.frame[day]
    if pd.api.types.is_datetime64_any_dtype(days):
        days = pd.Series(pd.DatetimeIndex(days).strftime("%Y-%m-%d"), index=sheet.frame.index)
    days = days.astype("str").str.strip()
    if days.str.contains(":", regex=False).any():
        return sheet
    notes = [note("layout.joined", date=sheet.names[day], clock=sheet.names[clock])]
    if plain.all():
        number = pd.to_numeric(hours).astype(int)
        if number.max() > 24:
            return sheet
        if number.min() > 0 and number.max() == 24:
            number -= 1
            notes.append(note("layout.counted", last="24"))
        hours = number.map("{:02d}:00".format)
    kept = [at for at in range(len(sheet.names)) if at not in (day, clock)]
    columns = [days + " " + hours, *(sheet.frame[at] for at in kept)]
    return _rebuilt(sheet, ["timestamp", *(sheet.names[at] for at in kept)], columns, notes)


def _without_hours(sheet: Sheet, asked: Reading) -> Sheet:
    """A column of hours beside moments that hold them is no series."""
    at = _moment_place(sheet, asked)
    clock = next((i for i, name in enumerate(sheet.low()) if name in CLOCK and i != at), None)
    if at is None or clock is None or len(sheet.names) < 3:
        return sheet
    faults: list[Fault] = []
    stamps, _ = read_times(sheet.frame[at], faults)
    told = pd.to_numeric(sheet.frame[clock], errors="coerce").to_numpy(np.float64)
    apart = (told - stamps // (60 * _MINUTE)) % 24  # the same everywhere; not 0 where one of them is UTC
    if faults or not (apart == apart[0]).all() or (stamps == stamps[0]).all():
        return sheet
    kept = [i for i in range(len(sheet.names)) if i != clock]
    notes = [note("layout.hours_beside", name=sheet.names[clock])]
    return _rebuilt(sheet, [sheet.names[i] for i in kept], [sheet.frame[i] for i in kept], notes)


def _rebuilt(sheet: Sheet, names: list[str], columns: Sequence[Any], notes: Sequence[str]) -> Sheet:
    frame = pd.DataFrame({at: np.asarray(column) for at, column in enumerate(columns)})
    return replace(sheet, names=tuple(names), frame=frame, notes=(*sheet.notes, *notes))


def _across(sheet: Sheet, asked: Reading) -> Sheet:
    """Hours of the day, or moments, that stand side by side in the header become rows."""
    names = sheet.low()
    moments = [at for at, name in enumerate(names) if _MOMENT.match(name)]
    hours = [at for at, name in enumerate(names) if _HOUR.match(name)]
    day = sheet.place(*(name for name in (asked.columns.get("timestamp", "").strip().lower(), *DATE, *TIME) if name))
    notes: list[str] = []
    faults: list[Fault] = []
    if len(moments) >= LEAST_ACROSS and 2 * len(moments) > len(names):
        across = moments
        stamps, aware = read_times(pd.Series([sheet.names[at] for at in moments]), faults)
        if aware or faults:
            return sheet
        when = np.tile(stamps, len(sheet.frame))
        rest = [at for at in range(len(names)) if at not in across]
        notes.append(note("layout.moments_across", n=len(across)))
    elif len(hours) >= LEAST_ACROSS and day is not None and day not in hours:
        across = hours
        minutes = _minutes([names[at] for at in hours], notes)
        begun, aware = read_times(sheet.frame[day], faults)
        if minutes is None or aware or faults or (begun % (1440 * _MINUTE)).any():
            return sheet
        when = (begun[:, None] + minutes * _MINUTE).ravel()
        rest = [at for at in range(len(names)) if at not in across and at != day]
        notes.append(note("layout.hours_across", n=len(across)))
    else:
        return sheet
    wide = sheet.frame[across].astype("object").to_numpy().ravel()
    known = {*SERIES, *REGION, *WORKLOAD, *UNIT}
    kept = [(at, names[at] if names[at] in known else sheet.names[at]) for at in rest]
    if across is hours and day is not None and not sheet.frame[day].duplicated().any():
        # One row a day is one series: a total, or the day of the week, tells no two apart.
        beside = [name for _, name in kept if name not in known]
        kept = [(at, name) for at, name in kept if name in known]
        notes += [note("layout.beside", names=listed(beside, 10))] if beside else []
    elif kept and not any(name in known for _, name in kept):
        one = _telling(sheet, [] if across is moments or day is None else [day], [at for at, _ in kept])
        kept = [(at, "series" if at == one else name) for at, name in kept]
    columns = [pd.to_datetime(when), *(np.repeat(sheet.frame[at].astype("object"), len(across)) for at, _ in kept)]
    return _rebuilt(sheet, ["timestamp", *(name for _, name in kept), "value"], [*columns, wide], notes)


def _telling(sheet: Sheet, by: list[int], places: list[int]) -> int:
    """Of columns the one that names series: words before numbers, one that tells rows apart before others."""

    def rank(at: int) -> tuple[bool, bool]:
        numbers = pd.to_numeric(sheet.frame[at], errors="coerce").notna().all()
        return bool(numbers), bool(sheet.frame[[*by, at]].duplicated().any())

    return min(places, key=rank)


def _minutes(names: list[str], notes: list[str]) -> IntArray | None:
    """(columns,) minutes of the day at which the columns' time begins; None where they are no hours of one day."""
    found = [_HOUR.match(name) for name in names]
    each = np.array([60 * int(one["hour"]) + int(one["minute"] or 0) for one in found if one], dtype=np.int64)
    step = np.diff(each)
    if not (step == step[0]).all() or each[0] not in (0, step[0]) or len(each) * step[0] != 1440:
        return None
    if each[0]:
        notes.append(note("layout.counted", last=names[-1]))
    return np.asarray(each - each[0])
