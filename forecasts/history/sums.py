"""Parts added up: each counts as nothing outside its own life, and a hole inside a life stays a hole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasts.history.panel import BoolArray
from forecasts.outlook import FloatArray
from forecasts.words.note import Note, listed, note

ALIKE_HOURS = 24
"""Parts that begin or end this close to the whole begin or end with it: exports rarely end on the same minute."""


@dataclass(frozen=True)
class Sum:
    """values: (hours,) the sum, NaN where a living part has a hole or no part lives.

    marked: (hours,) where any part is. begun, ended: parts (by their place) that came later or went earlier than the
    whole, with the hour's place.
    """

    values: FloatArray
    marked: BoolArray
    begun: tuple[tuple[int, int], ...]
    ended: tuple[tuple[int, int], ...]


def add_up(values: FloatArray, marked: BoolArray, members: Sequence[tuple[int, float]]) -> Sum:
    """The sum of rows of `values` (series, hours) times their scales, with the marks of any of them."""
    hours = values.shape[1]
    known = np.isfinite(values)
    lives = {}
    for i, _scale in members:
        seen = np.flatnonzero(known[i])
        if seen.size:
            lives[i] = (int(seen[0]), int(seen[-1]) + 1)
    if not lives:
        return Sum(np.full(hours, np.nan), np.zeros(hours, dtype=bool), (), ())
    first, last = min(b for b, _ in lives.values()), max(e for _, e in lives.values())
    total = np.zeros(hours)
    living = np.zeros(hours, dtype=bool)
    marks = np.zeros(hours, dtype=bool)
    begun, ended = {}, {}
    for i, scale in members:
        if i not in lives:
            continue
        begin, end = lives[i]
        if begin - first > ALIKE_HOURS:
            begun[i] = begin
        else:
            begin = first
        if last - end > ALIKE_HOURS:
            ended[i] = end
        else:
            end = last
        total[begin:end] += values[i, begin:end] * scale
        marks |= marked[i]
        living[begin:end] = True
    out = np.where(living, total, np.nan)
    return Sum(out, marks & np.isfinite(out), tuple(begun.items()), tuple(ended.items()))


def lives_said(parts: Sequence[Sum], names: Sequence[str], index: pd.DatetimeIndex) -> Note | None:
    """A sentence on parts that live for a part of the time only, or None."""
    begun = {i: at for one in parts for i, at in one.begun}
    ended = {i: at for one in parts for i, at in one.ended}
    told = []
    for i in sorted(set(begun) | set(ended), key=lambda i: names[i]):
        since = f"{index[begun[i]]:%Y-%m-%d}" if i in begun else ""
        until = f"{index[ended[i] - 1]:%Y-%m-%d}" if i in ended else ""
        key = "between" if since and until else "since" if since else "until"
        told.append(note(f"sum.{key}", name=names[i], since=since, until=until))
    if not told:
        return None
    return note("sum.lives", parts=listed(told, 8))
