"""A picture of a history: every series' days, its gaps, and the hours that were cut off, as one SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecasts.history import History
    from planner.words.wording import Wording

MOST = 60
"""Series that are drawn, the largest ones."""
WIDTH, LEFT, RIGHT, HIGH, APART = 960, 200, 20, 84, 26
BLUE, LIGHT, GREY, RED = "#0072B2", "#9ecae1", "#d9d9d9", "#D55E00"


def draw(history: History, words: Wording) -> str:
    """The SVG. Each day is a bar from its lowest to its highest hour with its mean; grey where nothing was measured."""
    mean = np.array([np.nanmean(v) if np.isfinite(v).any() else 0.0 for v in history.values])
    rows = np.sort(np.argsort(-mean, kind="stable")[:MOST])
    height = 46 + len(rows) * (HIGH + APART)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11" fill="#333">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="13">{escape(words("cli.history_picture"))}</text>',
    ]
    offset = int(history.index[0].hour)
    days = -(-(len(history.index) + offset) // 24)
    wide = (WIDTH - LEFT - RIGHT) / days
    for place, row in enumerate(rows):
        parts.append(_series(history, int(row), offset, days, wide, 34 + place * (HIGH + APART)))
    first, last = history.index[0], history.index[-1]
    parts.append(f'<text x="{LEFT}" y="{height - 6}">{first:%Y-%m-%d}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{height - 6}" text-anchor="end">{last:%Y-%m-%d}</text></svg>')
    return "\n".join(parts)


def _series(history: History, row: int, offset: int, days: int, wide: float, top: int) -> str:
    key, values, cut = history.series[row], history.values[row], history.censored[row]
    name, unit = key.workload if key.region == "all" else f"{key.region}/{key.workload}", key.unit
    grid = np.full(days * 24, np.nan)
    grid[offset : offset + len(values)] = values
    marked = np.zeros(days * 24, dtype=bool)
    marked[offset : offset + len(values)] = cut
    by_day = grid.reshape(days, 24)
    known = np.isfinite(by_day)
    low = np.where(known, by_day, np.inf).min(axis=1)
    high = np.where(known, by_day, -np.inf).max(axis=1)
    middle = np.where(known, by_day, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    most = float(np.nanmax(grid)) if known.any() else 1.0
    scale = HIGH / most if most > 0 else 0.0
    foot = top + HIGH
    bars: list[str] = []
    gaps: list[str] = []
    red: list[str] = []
    course: list[str] = []
    for day in range(days):
        x = LEFT + day * wide
        if not known[day].any():
            gaps.append(f"M{x:.1f} {top}h{wide:.2f}v{HIGH}h{-wide:.2f}z")
            continue
        tall = max((high[day] - low[day]) * scale, 0.5)
        path = f"M{x:.1f} {foot - high[day] * scale:.1f}h{wide:.2f}v{tall:.1f}h{-wide:.2f}z"
        (red if marked[day * 24 : day * 24 + 24].any() else bars).append(path)
        begins = not course or not known[day - 1].any()
        course.append(f"{'M' if begins else 'L'}{x + wide / 2:.1f} {foot - middle[day] * scale:.1f}")
    label = escape(name if len(name) <= 28 else name[:27] + "…")
    return (
        f'<path d="{"".join(gaps)}" fill="{GREY}"/><path d="{"".join(bars)}" fill="{LIGHT}"/>'
        f'<path d="{"".join(red)}" fill="{RED}" fill-opacity=".5"/>'
        f'<path d="{"".join(course)}" fill="none" stroke="{BLUE}" stroke-width="1.2"/>'
        f'<path d="M{LEFT} {foot}H{WIDTH - RIGHT}" stroke="#999"/>'
        f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{label}</text>'
        f'<text x="{LEFT - 8}" y="{top + 28}" text-anchor="end">{most:.4g} {escape(unit)}</text>'
    )
