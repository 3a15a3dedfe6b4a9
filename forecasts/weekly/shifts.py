"""Level shifts as dated steps: the weeks before one are moved to the level after it.

A shift that stays in a history as it was measured spoils three things at once: the centre drifts back to the old level,
the variance takes the jump for ordinary movement, and errors of forecasts across it teach every series what happened to
one. The rule that finds shifts is the quality report's (docs/decisions/0130), on weeks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecasts.outlook import BoolArray, FloatArray, IntArray

# Lowest size in logs, and in usual steps from week to week, of a change that counts as a shift: the quality report's.
SHIFT_LOG = 0.4
SHIFT_DEVIATIONS = 6.0
# Weeks before and after over which levels are compared, and from which the size is taken where there are so many.
SIDE = 4
SIZE_WEEKS = 8
MOST = 8
YEAR = 52
# A change that came at this time of another year too, at half its size or more, is the season.
SEASON_SLACK = 2
SEASON_SHARE = 0.5
# Weeks whose level lies this far inside the two plateaus (share of the jump) belong to the way between them.
BETWEEN = 0.12
# A shift of which less than half is left within half a year was a closure; a drop to less than a quarter may be one.
CLOSURE_WEEKS = 26
UNDONE = 0.5
CLOSED = -1.4
# Weeks after a shift that a forecaster needs to know that it has come.
NOTICED = 4


@dataclass(frozen=True)
class Step:
    """One shift of one series.

    before: last week at the old level; after: first week at the new one; log_size, log_size_peak: logarithm of new over
    old, of the weekly level and of the weekly peak. until: None for a shift that stays; for a closure that ended, the
    first week back. lasting: False for a deep and recent drop of which nobody knows whether it stays.
    """

    series: int
    before: int
    after: int
    log_size: float
    log_size_peak: float
    until: int | None = None
    lasting: bool = True


def bridge(logs: FloatArray, longest: int = 3) -> FloatArray:
    """(rows, weeks) the logs with holes of a few weeks filled along a line: series keep sharing their factorisation."""
    out = logs.copy()
    seen = np.isfinite(logs)
    begun = np.maximum.accumulate(seen, axis=1)
    lasts = np.maximum.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
    holes = (begun & lasts & ~seen).any(axis=1)
    if holes.any():
        frame = pd.DataFrame(logs[holes].T)
        out[holes] = frame.interpolate(limit=longest, limit_area="inside").to_numpy().T
    return out


def find_steps(logs: FloatArray) -> tuple[Step, ...]:
    """Lasting changes of level. logs: (2 series, weeks), levels of all series and then their peaks, NaN where unknown.

    A change is a shift when the median log level of the four weeks after it and of the four before differ by more than
    0.4 and by six times the usual step from week to week; the largest first, at least four weeks apart, and four weeks
    at the new level must be known. A change of the same sign at the same time of the year before or after is the
    season's and no shift. A change that is mostly undone within half a year was a closure (or a surge): only its own
    weeks are unlike the others.
    """
    series, weeks = len(logs) // 2, logs.shape[1]
    if weeks < 2 * SIDE:
        return ()
    bridged = bridge(logs)
    level = bridged[:series]
    middle = np.median(np.lib.stride_tricks.sliding_window_view(level, SIDE, axis=1), axis=2)
    jump = middle[:, SIDE:] - middle[:, :-SIDE]  # jump[:, t] lies between weeks t + 3 and t + 4
    change = np.abs(np.diff(level, axis=1))
    usual = np.nanmedian(np.where(np.isfinite(change).any(axis=1, keepdims=True), change, 0.0), axis=1)
    bound = np.maximum(SHIFT_LOG, SHIFT_DEVIATIONS * usual)
    size = np.where(np.isfinite(jump), np.abs(jump), 0.0)
    found: list[Step] = []
    for i in np.flatnonzero((size > bound[:, None]).any(axis=1)).tolist():
        taken: list[int] = []
        for t in np.argsort(-size[i], kind="stable").tolist():
            if size[i, t] <= bound[i] or len(taken) == MOST:
                break
            if all(abs(t - other) >= SIDE for other in taken) and not _seasonal(jump[i], t):
                taken.append(t)
        edges = [_edge(level[i], t + SIDE, float(jump[i, t])) for t in sorted(taken)]
        edges = [edge for edge in edges if edge[1] + SIDE <= weeks]
        found += _sized(level[i], bridged[series + i], i, edges, weeks)
    return tuple(found)


def _edge(level: FloatArray, at: int, jump: float) -> tuple[int, int]:
    """Last week at the old level and first at the new one, of a jump whose middle lies before week `at`."""
    old = float(np.median(level[at - SIDE : at]))
    way = (level - old) / jump
    before, after = at - 1, at
    # The way between is the run of weeks around the middle that lie at neither plateau.
    while before > max(at - SIDE, 0) and not way[before] <= BETWEEN:
        before -= 1
    while after < min(at + SIDE - 1, len(level) - 1) and not way[after] >= 1 - BETWEEN:
        after += 1
    return before, after


def _sized(level: FloatArray, peak: FloatArray, series: int, edges: list[tuple[int, int]], weeks: int) -> list[Step]:
    """Steps with their sizes, each judged on the weeks up to its neighbours; what was undone becomes a closure."""
    steps: list[Step] = []
    for n, (before, after) in enumerate(edges):
        first = max(before - SIZE_WEEKS + 1, edges[n - 1][1] if n else 0)
        last = min(after + SIZE_WEEKS, edges[n + 1][0] + 1 if n + 1 < len(edges) else weeks)
        sizes = [_apart(row, first, before, after, last) for row in (level, peak)]
        if all(np.isfinite(sizes)) and abs(sizes[0]) > SHIFT_LOG / 2:
            steps.append(Step(series, before, after, sizes[0], sizes[1]))
    out: list[Step] = []
    for step in steps:
        if out and out[-1].until is not None and step.before < out[-1].until + SIDE:
            continue  # the way back from a closure is no shift of its own
        left = _came_from(level, step)
        if left is not None:
            # The way back from a closure that was not seen to begin (it was short, or came by degrees).
            out.append(replace(step, before=left, until=step.after))
            continue
        back = _undone(level, step)
        # A deep and recent drop is as likely a closure as a shift: it is not known to last.
        lasts = back is not None or step.log_size > CLOSED or weeks - step.after > CLOSURE_WEEKS
        out.append(replace(step, until=back, lasting=lasts))
    return out


def _undone(level: FloatArray, step: Step) -> int | None:
    """First week within half a year from which, for four weeks, half of a step is undone; None where it stays."""
    end = step.after + CLOSURE_WEEKS + SIDE
    later = level[step.after : end]
    if len(later) < 2 * SIDE:
        return None
    new = float(np.median(later[:SIDE]))
    left = (np.median(np.lib.stride_tricks.sliding_window_view(later, SIDE), axis=1) - new) / -step.log_size
    back = np.flatnonzero(left >= UNDONE)
    # The window's first week, though it may still be closed: with the exact end, bands no longer knew that closures
    # come (docs/decisions/0130).
    return step.after + int(back[0]) if len(back) else None


def _came_from(level: FloatArray, step: Step) -> int | None:
    """Last week within half a year before a step at which four weeks lay nearer the new level than the old one."""
    begin = max(step.before + 1 - CLOSURE_WEEKS - SIDE, 0)
    earlier = level[begin : step.before + 1]
    if len(earlier) < 2 * SIDE:
        return None
    old = float(np.median(earlier[-SIDE:]))
    there = (np.median(np.lib.stride_tricks.sliding_window_view(earlier, SIDE), axis=1) - old) / step.log_size
    at = np.flatnonzero(there >= UNDONE)
    return begin + int(at[-1]) + SIDE - 1 if len(at) else None


def _apart(row: FloatArray, first: int, before: int, after: int, last: int) -> float:
    """How far weeks [after, last) lie above weeks [first, before], less what the same weeks did a year before."""
    later, earlier = row[after:last], row[first : before + 1]
    if not (np.isfinite(later).any() and np.isfinite(earlier).any()):
        return float("nan")
    change = float(np.nanmedian(later) - np.nanmedian(earlier))
    if first >= YEAR:
        then = row[after - YEAR : last - YEAR], row[first - YEAR : before + 1 - YEAR]
        if all(np.isfinite(part).all() for part in then):
            season = float(np.median(then[0]) - np.median(then[1]))
            # A jump a year ago was another shift, not the season.
            change -= season if abs(season) < SHIFT_LOG else 0.0
    return change


def _seasonal(jump: FloatArray, at: int) -> bool:
    """Whether a jump of the same sign came a year before or after. jump: (weeks,) of one series."""
    for year in (-2 * YEAR, -YEAR, YEAR, 2 * YEAR):
        near = jump[max(at + year - SEASON_SLACK, 0) : max(at + year + SEASON_SLACK + 1, 0)]
        near = near[np.isfinite(near)]
        if near.size and float((near * np.sign(jump[at])).max()) >= SEASON_SHARE * abs(jump[at]):
            return True
    return False


def moved(logs: FloatArray, steps: tuple[Step, ...]) -> FloatArray:
    """(2 series, weeks) the logs with the weeks before every step at the level after it, those between on a line."""
    out = logs.copy()
    series = len(logs) // 2
    for step in steps:
        if not step.lasting:
            continue
        for row, size in ((step.series, step.log_size), (series + step.series, step.log_size_peak)):
            if step.until is None:
                out[row, : step.before + 1] += size
                between = np.arange(step.before + 1, step.after)
                ends = [step.before, step.after]
                out[row, between] = np.interp(between, ends, out[row, ends])
            else:
                # The closure's weeks are put on the line between the weeks around it.
                inside = np.arange(step.before + 1, step.until)
                ends = [step.before, step.until]
                out[row, inside] = np.interp(inside, ends, out[row, ends])
    return out


def untaught(steps: tuple[Step, ...], origins: IntArray, rows: int, reach: int) -> BoolArray:
    """(origins, rows, reach) errors that say nothing of the usual: across a step, or made before it was noticed.

    origins: weeks known at each; rows: levels of all series and then their peaks.
    """
    out = np.zeros((len(origins), rows, reach), dtype=bool)
    target = np.asarray(origins)[:, None] + np.arange(reach)
    for step in steps:
        end = step.after if step.until is None else step.until
        across = (np.asarray(origins)[:, None] < end + NOTICED) & (target > step.before)
        for row in (step.series, rows // 2 + step.series):
            out[:, row] |= across
    return out
