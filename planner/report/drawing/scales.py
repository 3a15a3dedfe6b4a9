"""An axis: where its values stand on the picture, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from planner.arrays import FloatArray
from planner.report.drawing.values import array, days, is_date, number, text_width

EPOCH = date(1970, 1, 1)
Tick = tuple[float, str]


@dataclass(frozen=True)
class Scale:
    """One axis. first, last: values at its ends (days since 1970 for dates, places for categories)."""

    kind: Literal["linear", "date", "category"]
    first: float
    last: float
    categories: tuple[str, ...]
    layout: dict[str, Any]

    @classmethod
    def of(cls, layout: dict[str, Any], values: Sequence[Sequence[Any]], *, bars: bool, marks: bool) -> Scale:
        """The axis of everything that is drawn along it. values: one sequence a trace; bars: some grow from zero along
        it; marks: some stand as points, which need room at the ends."""
        flat = [v for one in values for v in one if v is not None]
        kind = layout.get("type") or _kind(flat)
        categories: tuple[str, ...] = ()
        if kind == "category":
            categories = tuple(dict.fromkeys([*array(layout.get("categoryarray")), *(str(v) for v in flat)]))
            low, high = -0.5, len(categories) - 0.5
        else:
            placed = np.array([days(v) if kind == "date" else number(v) for v in flat], dtype=np.float64)
            placed = placed[np.isfinite(placed)]
            low, high = (float(placed.min()), float(placed.max())) if len(placed) else (0.0, 1.0)
            from_zero = layout.get("rangemode") == "tozero" or bars
            if from_zero and kind == "linear":
                low, high = min(low, 0.0), max(high, 0.0)
            room = (high - low or abs(high) or 1.0) * 0.06
            if kind == "linear" and (from_zero or marks):
                low, high = low - (room if low != 0 or not from_zero else 0), high + (room if high != 0 else 0)
            if low == high:
                low, high = low - room, high + room
        given = array(layout.get("range"))
        if given:
            low, high = (days(str(v)) if kind == "date" else number(v) for v in given)
        if layout.get("autorange") == "reversed":
            low, high = high, low
        return cls(kind, low, high, categories, layout)

    def places(self, values: Sequence[Any]) -> FloatArray:
        """(n,) 0 at the first end, 1 at the last; NaN where nothing stands."""
        if self.kind == "category":
            index = {name: i for i, name in enumerate(self.categories)}
            found = [math.nan if v is None else float(index[str(v)]) for v in values]
        else:
            found = [math.nan if v is None else days(v) if self.kind == "date" else float(v) for v in values]
        return (np.array(found, dtype=np.float64) - self.first) / (self.last - self.first)

    def ticks(self, pixels: float, *, size: float, across: bool) -> list[Tick]:
        """(place, label) of the values that are written; across: the axis lies, so that labels need their width."""
        if self.kind == "category":
            return self._of_categories(pixels, size, across)
        given = array(self.layout.get("tickvals"))
        if given:
            return [(p, str(t)) for p, t in zip(self.places(given), array(self.layout["ticktext"]), strict=True)]
        if self.kind == "date":
            return self._of_dates(max(2, int(pixels / (size * 5.5))))
        room = max(2, int(pixels / (size * (4.5 if across else 3))))
        low, high = min(self.first, self.last), max(self.first, self.last)
        step = float(self.layout.get("dtick") or _nice((high - low) / room))
        step *= max(1, math.ceil((high - low) / step / room / 2)) if self.layout.get("dtick") else 1
        values = np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        return [(float(p), f"{v:,.{places}f}") for p, v in zip(self.places(list(values)), values, strict=True)]

    def _of_categories(self, pixels: float, size: float, across: bool) -> list[Tick]:
        if not self.categories:
            return []
        need = (max(text_width(c, size) for c in self.categories) + 8) if across else size
        every = max(1, math.ceil(need / (pixels / len(self.categories))))
        # counted from the last, so that the end of the axis is always written
        chosen = list(self.categories)[::-1][::every][::-1]
        return [(float(p), c) for p, c in zip(self.places(chosen), chosen, strict=True)]

    def _of_dates(self, room: int) -> list[Tick]:
        low, high = (EPOCH + timedelta(days=v) for v in (math.ceil(self.first), math.floor(self.last)))
        span = self.last - self.first
        if span < 62:
            step = next((s for s in (1, 2, 7, 14) if span / s <= room), 28)
            chosen = [low + timedelta(days=n) for n in range(0, (high - low).days + 1, step)]
            form = "%m-%d"
        else:
            step = next((s for s in (1, 2, 3, 6, 12, 24) if span / 30.4 / s <= room), 60)
            first = low.year * 12 + low.month - 1 + (low.day > 1)
            months = range(math.ceil(first / step) * step, high.year * 12 + high.month, step)
            chosen = [date(m // 12, m % 12 + 1, 1) for m in months]
            form = "%Y-%m"
        return [
            (((d - EPOCH).days - self.first) / (self.last - self.first), d.strftime(form)) for d in chosen if d <= high
        ]


def _kind(values: Sequence[Any]) -> Literal["linear", "date", "category"]:
    if values and all(is_date(v) for v in values):
        return "date"
    return "category" if any(isinstance(v, str) for v in values) else "linear"


def _nice(step: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below a step."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))
