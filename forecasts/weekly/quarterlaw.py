"""The law of a quarter's highest week: measured at earlier origins as itself, and put on sample paths.

Planners order for a quarter's peak. Weekly laws and residual weeks give it only through how thirteen weeks hang
together, and came out too wide from the third quarter on (docs/decisions/0131).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from forecasts.outlook import FloatArray, IntArray

QUARTER_WEEKS = 13
# Quarters a law is kept for; later ones follow the last.
QUARTERS = 8
KNOTS = np.array([0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
NORMAL = np.array([-2.3263, -1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449, 2.3263])
# What is believed before any quarter was measured: the highest of thirteen weeks lies above the course by so much of
# a week's spread, and a quarter's highest is this much surer than one week is.
BELIEVED_PLACE = 0.0
BELIEVED_WIDTH = 1.2
# Independent origins after which what was measured counts half.
HALF = 6.0
PLACE_HALF = 12.0
PLACES = (-0.2, 0.6)
HALF_LIFE_WEEKS = 52.0
FARTHEST = 4.0
# How far errors of one quarter ahead tell of the next (their weight halves with each quarter between).
NEIGHBOUR = 0.5
FEWEST = 8
_MIDDLE = 4


@dataclass(frozen=True)
class QuarterLaw:
    """How a quarter's highest week lies around the weekly course.

    table: (quarters, knots), quantiles of the standardised error of a quarter's highest week at KNOTS. counts:
    (quarters,), errors measured that many quarters ahead. above: (series, quarters ahead), how far the highest week is
    foretold above the highest of the course, in logs. wider: (series, quarters ahead), its doubt over the spread of the
    quarter's middle week. doubt: (series, quarters ahead), standard deviation that unknown growth alone leaves.
    """

    table: FloatArray
    counts: IntArray
    above: FloatArray
    wider: FloatArray
    doubt: FloatArray

    def errors(self, quarter: int, probability: FloatArray | float, size: FloatArray) -> FloatArray:
        """Errors `quarter` quarters ahead (0: the first), before their far ends are drawn in.

        probability: (..., series), or one for all; size: (series,). No past takes away what growth may do: errors are
        at least the doubt's. Normal tails.
        """
        law = self.table[min(quarter, len(self.table) - 1)]
        measured = np.interp(probability, ndtr(NORMAL), law) * size
        least = np.clip(ndtri(probability), NORMAL[0], NORMAL[-1]) * self.doubt[:, quarter]
        return np.asarray(np.where(least > 0, np.maximum(measured, least), np.minimum(measured, least)))

    def highest(self, mean: FloatArray, spread: FloatArray, quarter: int) -> tuple[FloatArray, FloatArray]:
        """(series,) the highest week foretold, in logs, and the size of its errors. mean, spread: (series, weeks)."""
        part = quarters_of(mean.shape[1])[quarter]
        centre = mean[:, part].max(axis=1) + self.above[:, quarter]
        return centre, spread[:, middle_of(part)] * self.wider[:, quarter]


def quarters_of(weeks: int) -> list[slice]:
    """The quarters that so many weeks hold; what is left at the end is a shorter one."""
    return [slice(w, min(w + QUARTER_WEEKS, weeks)) for w in range(0, weeks, QUARTER_WEEKS)]


def middle_of(part: slice) -> int:
    """The week whose spread stands for a quarter's."""
    return int((part.start + part.stop - 1) // 2)


def quarter_table(
    came: FloatArray, centre: FloatArray, size: FloatArray, age_weeks: FloatArray
) -> tuple[FloatArray, IntArray]:
    """What earlier outlooks got wrong about the highest week of each quarter ahead: table and counts of QuarterLaw.

    came, centre, size: (origins, rows, quarters), logs of the highest week that came, of the one foretold and the size
    of its errors; came is NaN where it says nothing. age_weeks: (origins,); old origins count less.
    """
    origins, rows, whole = came.shape
    z = np.full((QUARTERS, origins, rows), np.nan)
    z[:whole] = np.moveaxis(np.sinh(came - centre) / size, 2, 0)
    z = np.clip(z, -FARTHEST, FARTHEST)
    seen = np.isfinite(z)
    fresh = (0.5 ** (age_weeks / HALF_LIFE_WEEKS))[None, :, None] * seen
    believed = BELIEVED_PLACE + BELIEVED_WIDTH * NORMAL
    table = np.tile(believed, (QUARTERS, 1))
    counts = seen.sum(axis=(1, 2)).astype(np.int64)
    values = np.where(seen, z, 0.0).ravel()
    order = np.argsort(values, kind="stable")
    for k in range(QUARTERS):
        mass = fresh * (NEIGHBOUR ** np.abs(np.arange(QUARTERS) - k))[:, None, None]
        if counts.sum() < FEWEST or mass.sum() <= 0:
            continue
        # Origins less than a quarter apart see the same weeks, and rows of one origin err together.
        per_origin = mass.max(axis=(0, 2))
        apart = float(np.median(-np.diff(age_weeks))) / QUARTER_WEEKS if len(age_weeks) > 1 else 1.0
        firm = float(per_origin.sum() ** 2 / (per_origin**2).sum()) * min(apart, 1.0)
        firm *= np.sqrt(max(float(mass.sum() / per_origin.sum()), 1.0))
        weight = firm / (firm + HALF)
        sorted_mass = mass.ravel()[order]
        share = (np.cumsum(sorted_mass) - 0.5 * sorted_mass) / sorted_mass.sum()
        level = 0.5 + np.clip((KNOTS - 0.5) * (1 + 0.5 / max(np.sqrt(firm), 1.0)), -0.5, 0.5)
        rank = np.where(np.abs(KNOTS - 0.5) > 0.35, level, KNOTS)
        measured = np.interp(rank, share, values[order])
        table[k] = weight * measured + (1 - weight) * believed
        # Where errors lay is a matter of luck (a recovery, a dry year) much longer than how far they lay apart.
        trust = firm / (firm + PLACE_HALF)
        place = trust * np.clip(measured[_MIDDLE], *PLACES) + (1 - trust) * BELIEVED_PLACE
        table[k] += place - table[k, _MIDDLE]
    return np.maximum.accumulate(table, axis=1), counts


def imposed(paths: FloatArray, mean: FloatArray, spread: FloatArray, law: QuarterLaw, upper: FloatArray) -> FloatArray:
    """Paths (draws, rows, weeks) of which every row's highest peak of a quarter follows the law.

    Rows are the levels of all series and then their peaks; mean, spread: (rows, weeks); upper: (series,), share of the
    errors above the course that counts. Every draw keeps its rank among the others; its weeks of the quarter are moved
    together, level and peak alike.
    """
    draws, rows, weeks = paths.shape
    series = rows // 2
    out = paths.copy()
    for k, part in enumerate(quarters_of(weeks)):
        highest = paths[:, series:, part].max(axis=2)
        rank = np.argsort(np.argsort(highest, axis=0, kind="stable"), axis=0, kind="stable")
        centre, size = law.highest(mean[series:], spread[series:], k)
        off = np.arcsinh(law.errors(k, (rank + 0.5) / draws, size))
        wanted = centre + np.where(off > 0, off * upper, off)
        move = (wanted - highest)[:, :, None]
        out[:, :series, part] += move
        out[:, series:, part] += move
    return out
