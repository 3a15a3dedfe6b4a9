"""Demand above a ceiling: what would have been asked for in hours of which only what was served is known.

A served hour at the ceiling says that demand was at least that. With the shape of the tide and the hours below the
ceiling, the likelihood of both kinds together gives each week's level (Tobin 1958, a censored regression in logs,
fitted by expectation and maximisation as Dempster, Laird and Rubin 1977 have it).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from forecasts.calendar.hours import hour_of_week
from forecasts.history import History
from forecasts.outlook import HOURS_PER_WEEK, BoolArray, FloatArray

ROUNDS = 400
ENOUGH = 1e-6
# Belief about an hour's scatter around level and tide (standard deviation in logs), worth so many hours.
SCATTER, SCATTER_HOURS = 0.08, 24.0
# What lies above a ceiling that hours of the week never fall below is unknown by this much (logs), if all of them do.
UNSEEN_DOUBT = 0.6
# A week's level is believed to follow the weeks beside it this closely (standard deviation of a step in logs).
STEP = 0.05
# How close an hour of the week is believed to be to the same hour of the day on other days.
TIDE_HOURS = 2.0


@dataclass(frozen=True)
class Unserved:
    """One series with its demand estimated where it was cut off.

    values: (hours,), the expected demand there, what was measured elsewhere. drawn: (hours,), one course of demand as
    likely as any other there, whose peaks are not smoothed away. doubt: standard deviation in logs of the level of the
    last weeks that comes from not knowing. share: of the measured hours that were cut off.
    """

    values: FloatArray
    drawn: FloatArray
    doubt: float
    share: float
    unseen: float = 0.0


def estimate_demand(values: FloatArray, censored: BoolArray, phase: int, rng: np.random.Generator) -> Unserved:
    """Demand of one series. values: (hours,), NaN where not measured; censored: (hours,), where they are lower bounds.

    phase: hour of the week of the first hour. Model: log demand = level of its week + tide of its hour of the week +
    scatter, levels a random walk with steps of STEP. A series without an hour below its ceiling stays as it is, with
    infinite doubt: nothing can be said of how much more was wanted.
    """
    seen = np.isfinite(values) & (values > 0)
    cut = censored & seen
    share = float(cut.sum() / max(int(seen.sum()), 1))
    if not cut.any():
        return Unserved(values, values, 0.0, share)
    if not (seen & ~cut).any():
        return Unserved(values, values, float("inf"), share)
    bound = np.log(np.where(seen, values, 1.0))
    slot = (np.arange(len(values)) + phase) % HOURS_PER_WEEK
    week = np.arange(len(values)) // HOURS_PER_WEEK
    weeks = int(week[-1]) + 1
    asked = bound.copy()
    second = np.zeros(len(values))  # variance of what is imputed
    level = np.zeros(weeks)
    tide = np.zeros(HOURS_PER_WEEK)
    scatter = 0.2
    for _ in range(ROUNDS):
        before = level[-1] + tide.max()
        tide = _tide(asked - level[week], seen, slot)
        level = _levels(asked - tide[slot], seen, week, weeks, scatter)
        off = asked - level[week] - tide[slot]
        total = float(np.where(seen, off**2 + second, 0.0).sum())
        scatter = float(np.sqrt((total + SCATTER_HOURS * SCATTER**2) / (seen.sum() + SCATTER_HOURS)))
        mean, variance = _above(level[week] + tide[slot], bound, scatter)
        asked = np.where(cut, mean, bound)
        second = np.where(cut, variance, 0.0)
        if abs(level[-1] + tide.max() - before) < ENOUGH:
            break
    centre = level[week] + tide[slot]
    drawn = np.where(cut, _draw_above(centre, bound, scatter, rng), bound)
    # What a cut hour tells of the level is what the truncated law leaves out of its variance.
    told = np.where(cut, np.clip(1 - second / scatter**2, 0.0, 1.0), 1.0) * seen
    recent = week >= weeks - 4
    information = float(told[recent].sum()) / scatter**2
    known = np.bincount(slot, told, HOURS_PER_WEEK)
    unseen = float((known < 1).mean())
    # The top of the tide is known from the tenth of its hours that were least often seen below the ceiling.
    top = scatter / np.sqrt(max(float(np.sort(known)[: HOURS_PER_WEEK // 10].mean()), 1.0))
    doubt = float(np.sqrt(1 / max(information, 1e-9) + top**2 + (UNSEEN_DOUBT * unseen) ** 2))
    with np.errstate(over="ignore"):
        expected, course = np.exp(asked + 0.5 * second), np.exp(drawn)
    return Unserved(np.where(cut, expected, values), np.where(cut, course, values), doubt, share, unseen)


def with_unserved(history: History, rng: np.random.Generator) -> tuple[History, tuple[Unserved, ...]]:
    """The history with one likely course of demand in the hours that were cut off, and what was found of every series.

    Marks stay. Series without marks are as they were.
    """
    if not history.censored.any():
        return history, tuple(Unserved(row, row, 0.0, 0.0) for row in history.values)
    phase = int(hour_of_week(history.index[:1])[0])
    found = tuple(
        estimate_demand(row, marks, phase, rng) for row, marks in zip(history.values, history.censored, strict=True)
    )
    return replace(history, values=np.stack([one.drawn for one in found])), found


def _tide(loose: FloatArray, seen: BoolArray, slot: np.ndarray) -> FloatArray:
    """(168,) shape in logs, mean 0; hours of the week seldom seen lean on the same hour of all days."""
    count = np.bincount(slot, seen, HOURS_PER_WEEK)
    total = np.bincount(slot, np.where(seen, loose, 0.0), HOURS_PER_WEEK)
    by_day_count, by_day = count.reshape(7, 24).sum(axis=0), total.reshape(7, 24).sum(axis=0)
    daily = np.tile(by_day / np.maximum(by_day_count, 1e-9), 7)
    shape = (total + TIDE_HOURS * daily) / (count + TIDE_HOURS)
    return np.asarray(shape - shape.mean())


def _levels(loose: FloatArray, seen: BoolArray, week: np.ndarray, weeks: int, scatter: float) -> FloatArray:
    """(weeks,) levels: the posterior mean of a random walk seen through the hours of each week."""
    count = np.bincount(week, seen, weeks) / scatter**2
    total = np.bincount(week, np.where(seen, loose, 0.0), weeks) / scatter**2
    link = 1 / STEP**2
    matrix = np.diag(count + 1e-9)
    i = np.arange(weeks - 1)
    matrix[i, i] += link
    matrix[i + 1, i + 1] += link
    matrix[i, i + 1] -= link
    matrix[i + 1, i] -= link
    return np.asarray(np.linalg.solve(matrix, total))


def _above(mean: FloatArray, bound: FloatArray, scatter: float) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of a normal known to lie above a bound (inverse Mills ratio, stable far out)."""
    z = (bound - mean) / scatter
    mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-z))
    variance = np.clip(1 + z * mills - mills**2, 1e-6, 1.0)
    return mean + scatter * mills, scatter**2 * variance


def _draw_above(mean: FloatArray, bound: FloatArray, scatter: float, rng: np.random.Generator) -> FloatArray:
    """One draw each of a normal known to lie above a bound."""
    z = (bound - mean) / scatter
    return np.asarray(mean - scatter * ndtri_exp(log_ndtr(-z) + np.log(rng.uniform(1e-12, 1.0, len(z)))))
