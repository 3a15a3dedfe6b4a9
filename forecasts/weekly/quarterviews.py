"""A quarter's highest week, as three views see it, and what each is worth: measured at earlier origins as itself.

The highest of a smooth course lies below the highest week that comes, and the simple rules that planners use (the same
quarter last year, the highest week of the year) know single weeks that a course does not. So they stand for election
beside it (docs/decisions/0173).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecasts.outlook import BoolArray, FloatArray
from forecasts.weekly.growth import WEEKS_PER_YEAR
from forecasts.weekly.quarterlaw import QUARTER_WEEKS, QUARTERS, QuarterLaw, middle_of, quarter_table, quarters_of
from forecasts.weekly.views import YEAR, elect, last_year

VIEWS = ("course", "same quarter grown", "same quarter")
BELIEVED_ERROR = np.array([1.0, 1.1, 1.3])
HALF_LIFE_WEEKS = 52.0
RANGES = ((0, 1), (1, 2), (2, 4), (4, QUARTERS))
FEWEST_QUARTERS = 2
"""A launch's or a single quarter's odd weeks are no habit."""
LEAST_APART = 0.25
"""Views that agree are taken to lie this share of a week's spread apart."""


def views_of_quarters(course: FloatArray, measured: FloatArray, clean: FloatArray, yearly: BoolArray) -> FloatArray:
    """(views, rows, quarters ahead) logs of the highest week.

    course: (rows, ahead), what was foretold week by week. measured, clean: (rows, weeks known), logs with and without
    single weeks that stand out. yearly: (rows,), which rows have a year to look back on; the others have the first view
    three times.

    course: its highest, and what the highest measured week of a quarter lay above that of the clean ones in the last
    year. same quarter grown: last year's highest, with what was gained since (views.last_year). same quarter: last
    year's highest as it was.
    """
    ahead = course.shape[1]
    parts = quarters_of(ahead)
    own = np.stack([course[:, part].max(axis=1) for part in parts], axis=1) + _standing_out(measured, clean)[:, None]
    out = np.repeat(own[None], len(VIEWS), axis=0)
    if yearly.any():
        known, past = measured[yearly, -YEAR:], clean[yearly]
        year = np.where(np.isfinite(known), known, past[:, -YEAR:])
        for view, path in ((1, last_year(past, ahead, year)), (2, year[:, np.arange(ahead) % YEAR])):
            out[view, yearly] = np.stack([path[:, part].max(axis=1) for part in parts], axis=1)
    return out


def _standing_out(measured: FloatArray, clean: FloatArray) -> FloatArray:
    """(rows,) how far the highest measured week of a quarter lay above that of the clean ones, mean of last year's."""
    quarters = min(measured.shape[1] // QUARTER_WEEKS, YEAR // QUARTER_WEEKS)
    if quarters < FEWEST_QUARTERS:
        return np.zeros(len(measured))
    last = slice(measured.shape[1] - quarters * QUARTER_WEEKS, None)
    shape = (len(measured), quarters, QUARTER_WEEKS)
    high, plain = (
        np.where(np.isfinite(one[:, last]), one[:, last], -np.inf).reshape(shape).max(axis=2)
        for one in (measured, clean)
    )
    known = np.isfinite(high) & np.isfinite(plain)
    more = np.where(known, np.where(known, high, 0.0) - np.where(known, plain, 0.0), 0.0)
    return np.asarray(np.maximum(more, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


@dataclass(frozen=True)
class Foretold:
    """What was foretold at one moment.

    course, size: (rows, ahead), the weeks ahead in logs, and the spread of their errors. measured, clean: (rows, weeks
    known). yearly: (rows,), as in `views_of_quarters`.
    """

    course: FloatArray
    size: FloatArray
    measured: FloatArray
    clean: FloatArray
    yearly: BoolArray

    def views(self) -> FloatArray:
        """(views, rows, quarters ahead) the highest weeks, as `views_of_quarters` has them."""
        return views_of_quarters(self.course, self.measured, self.clean, self.yearly)


def quarters_foretold(
    now: Foretold, then: Sequence[Foretold], came: FloatArray, age_weeks: FloatArray, doubt: FloatArray
) -> QuarterLaw:
    """How the highest weeks of the quarters ahead of now lie around the course.

    then: what was foretold at each earlier origin; came: (origins, rows, reach), what came after it, in logs, NaN where
    it says nothing. age_weeks: (origins,). doubt: (rows,), of yearly logarithmic growth.
    """
    origins, rows, reach = came.shape
    whole = min(reach // QUARTER_WEEKS, QUARTERS)
    weeks = whole * QUARTER_WEEKS
    high = came[:, :, :weeks].reshape(origins, rows, whole, QUARTER_WEEKS).max(axis=3)
    seen = np.stack([one.views()[:, :, :whole] for one in then]) if origins else np.zeros((0, len(VIEWS), rows, whole))
    yearly = np.stack([one.yearly for one in then]) if origins else np.zeros((0, rows), dtype=bool)
    off = np.where(yearly[:, None, :, None], np.abs(high[:, None] - seen), np.nan)
    here = now.views()
    ranges = tuple((begin, end) for begin, end in RANGES if begin < max(whole, 1))
    share = elect(off, age_weeks, ranges, here.shape[2], BELIEVED_ERROR, HALF_LIFE_WEEKS)
    middle = [middle_of(part) for part in quarters_of(weeks)]
    sizes = np.stack([one.size[:, middle] for one in then]) if origins else np.zeros((0, rows, whole))
    centre, apart = _elected(share.then, seen)
    table, counts = quarter_table(high, centre, _doubt(sizes, apart), age_weeks)
    parts = quarters_of(now.course.shape[1])
    centre, apart = _elected(share.now, here)
    spread = np.stack([now.size[:, middle_of(part)] for part in parts], axis=1)
    above = centre - np.stack([now.course[:, part].max(axis=1) for part in parts], axis=1)
    years = np.array([middle_of(part) + 1 for part in parts]) / WEEKS_PER_YEAR
    return QuarterLaw(table, counts, above, _doubt(spread, apart) / spread, np.outer(doubt, years))


def _elected(share: FloatArray, views: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The views' mean, and how far they lie from it. Arguments (..., views, rows, quarters)."""
    centre = (share * views).sum(axis=-3)
    return centre, np.sqrt((share * (views - centre[..., None, :, :]) ** 2).sum(axis=-3))


def _doubt(spread: FloatArray, apart: FloatArray) -> FloatArray:
    """Size of a quarter's errors: the geometric mean of a week's spread and of how far the views lie apart.

    Each tells what the other does not: a highest week that every view foretells comes near it however much weeks move,
    and a level that last year knew otherwise may turn.
    """
    return np.asarray(np.sqrt(spread * np.hypot(apart, LEAST_APART * spread)))
