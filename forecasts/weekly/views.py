"""Views of a weekly course, and how much each is believed: by what it got wrong at earlier origins.

A series that goes back a year and eight weeks is seen in six ways. Each stands for election by range of horizons, as
the members of the short range do; how the views and the rules of election were chosen is in docs/decisions/0081.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasts.outlook import FloatArray, IntArray
from forecasts.weekly.growth import WEEKS_PER_YEAR, damped_years, fading

YEAR = 52
# A year-on-year view needs a year and eight weeks before it says anything about this year against the last.
MIN_WEEKS_YEARLY = 60
# Fewer series than this have no usual year to speak of.
FEWEST_FOR_PANEL = 4
# Weeks whose mean counts as a row's present level when its year is compared with the panel's.
PRESENT_WEEKS = 8
# Share of the last weeks' gain on the year before that lasts so many weeks; then it fades.
GAINED_KEPT = 0.5
GAINED_WEEKS = 26
# A gain of this size (in logs) is as likely growth that goes on as luck that does not.
GROWTH_GAIN = 0.6

VIEWS = ("structural", "year on year", "Fourier", "median", "panel", "last year")
# What the views' errors are taken to be before any was measured, against the structural model's.
BELIEVED_ERROR = np.array([1.0, 1.0, 1.15, 0.87, 0.85, 0.85])
POWER = 3.0
# Origins after which measured errors count as much as the belief, and a row's own as much as those of all rows.
OWN_ORIGINS = 2.0
HALF_LIFE_WEEKS = 13.0
# A week's logarithmic error counts at most this much: a closed street decides nothing.
WORST = 1.0


@dataclass(frozen=True)
class Views:
    """paths: (views, rows, ahead), logs. yearly: (rows,), which rows have more than the structural view."""

    paths: FloatArray
    yearly: NDArray[np.bool_]


def views_of(clean: FloatArray, structural: FloatArray) -> Views:
    """Every view of the weeks after a history.

    clean: (rows, weeks), logs of the levels of all series and then of their peaks, NaN where not measured; structural:
    (rows, ahead). Rows without a whole year and eight weeks behind them have the structural view six times over.

    median: of structural, year on year and Fourier. panel: the median view with the series' own way from its present
    level (season and growth) replaced by the usual series'; the median view again below four series. last year: last
    year's weeks as they were, with what the last eight lie above theirs.
    """
    ahead = structural.shape[1]
    recent = clean[:, -MIN_WEEKS_YEARLY:]
    yearly: NDArray[np.bool_] = np.asarray(np.isfinite(recent).sum(axis=1) == MIN_WEEKS_YEARLY, dtype=np.bool_)
    paths = np.repeat(structural[None], len(VIEWS), axis=0)
    if yearly.any():
        paths[1, yearly] = year_on_year(clean[yearly], ahead)
        paths[2, yearly] = fourier_held(clean[yearly], ahead)
        # A view that breaks down on a row stands aside for the structural one.
        paths[1:3] = np.where(np.isfinite(paths[1:3]), paths[1:3], structural)
        paths[3] = np.median(paths[:3], axis=0)
        paths[4] = _panel_view(clean, paths[3], yearly)
        paths[5, yearly] = last_year(clean[yearly], ahead)
    return Views(paths, yearly)


def _panel_view(clean: FloatArray, median: FloatArray, yearly: NDArray[np.bool_]) -> FloatArray:
    out = median.copy()
    half = len(clean) // 2
    for part in (np.arange(half), np.arange(half, len(clean))):
        rows = part[yearly[part]]
        if len(rows) >= FEWEST_FOR_PANEL:
            present = clean[rows, -PRESENT_WEEKS:].mean(axis=1, keepdims=True)
            out[rows] = present + np.median(median[rows] - present, axis=0)
    return out


@dataclass(frozen=True)
class Election:
    """Shares of the views.

    now: (views, rows, ahead), for the forecast; then: (origins, views, rows, reach), for each earlier origin, from the
    errors at the other ones. They add up to 1 over the views.
    """

    now: FloatArray
    then: FloatArray


def elect(
    errors: FloatArray,
    age_weeks: FloatArray,
    ranges: tuple[tuple[int, int], ...],
    ahead: int,
    believed_error: FloatArray = BELIEVED_ERROR,
    half_life_weeks: float = HALF_LIFE_WEEKS,
) -> Election:
    """How far each view is believed at each horizon.

    errors: (origins, views, rows, reach), absolute logarithmic errors at earlier origins, NaN where nothing came or a
    row had no yearly views yet. A view's share falls with the third power of its mean error in a range of horizons;
    between the middles of two ranges it passes from one to the next. A row's own errors count half against those of
    all rows after two origins, and these half against the belief. An origin's own errors stay out of its shares.
    """
    origins, views, rows, reach = errors.shape
    size = np.full((origins, views, rows, len(ranges)), np.nan)
    for b, (begin, end) in enumerate(ranges):
        part = np.minimum(errors[..., begin:end], WORST)
        seen = np.isfinite(part).sum(axis=3)
        size[..., b] = np.where(seen > 0, np.nansum(part, axis=3) / np.maximum(seen, 1), np.nan)
    known = np.isfinite(size).all(axis=1)
    size = np.where(known[:, None], size, 0.0)
    fresh = 0.5 ** (age_weeks / half_life_weeks)
    middle = np.array([(begin + end - 1) / 2 for begin, end in ranges])

    def shares(counted: FloatArray, weeks: int) -> FloatArray:
        mass = counted[:, None, None] * known  # (origins, rows, ranges)
        total = np.einsum("ovrb,orb->vrb", size, mass)
        per = total / np.maximum(mass.sum(axis=0), 1e-300)
        usual = per.mean(axis=0)
        ratio = np.where(usual > 0, per / np.where(usual > 0, usual, 1.0), 1.0)
        weigh = (mass.sum(axis=0) > 0).astype(np.float64)
        believed = (believed_error / believed_error.mean())[:, None]
        everyone = np.einsum("vrb,rb->vb", ratio, weigh) / np.maximum(weigh.sum(axis=0), 1.0)
        firm = _effective(counted * known.any(axis=(1, 2)))
        firm = firm / (firm + OWN_ORIGINS)
        everyone = np.where(weigh.sum(axis=0) > 0, firm * everyone + (1 - firm) * believed, believed)
        own = mass.sum(axis=0) ** 2 / np.maximum((mass**2).sum(axis=0), 1e-300)
        own = own / (own + OWN_ORIGINS)
        mixed = np.maximum(own * ratio + (1 - own) * everyone[:, None], 1e-3)
        # A range that nothing was measured at is judged as the one before it.
        for b in np.flatnonzero(weigh.sum(axis=0) == 0).tolist():
            mixed[:, :, b] = mixed[:, :, max(b - 1, 0)]
        share = mixed**-POWER
        share /= share.sum(axis=0)
        week = np.arange(weeks, dtype=np.float64)
        at = np.stack([np.interp(week, middle, np.eye(len(ranges))[b]) for b in range(len(ranges))])
        return np.asarray(np.einsum("vrb,bh->vrh", share, at))

    others = [np.where(np.arange(origins) == o, 0.0, fresh) for o in range(origins)]
    then = np.stack([shares(counted, reach) for counted in others]) if origins else np.zeros((0, views, rows, reach))
    return Election(shares(fresh, ahead), then)


def _effective(weight: FloatArray) -> float:
    """How many origins of equal weight these amount to (Kish)."""
    return float(weight.sum() ** 2 / max(float((weight**2).sum()), 1e-300))


def year_on_year(logs: FloatArray, ahead: int) -> FloatArray:
    """(rows, ahead): last year's weeks, smoothed over three, moved by the growth of the last quarter over its own.

    logs: (rows, weeks) with at least a year and eight weeks and no hole in them.
    """
    quarter = min(13, logs.shape[1] - YEAR)
    gained = (logs[:, -quarter:] - logs[:, -quarter - YEAR : logs.shape[1] - YEAR]).mean(axis=1)
    frame = pd.DataFrame(logs[:, -YEAR - 1 :].T)
    smooth = frame.rolling(3, center=True, min_periods=1).mean().to_numpy().T[:, 1:]
    return _carried(smooth, gained, np.full(ahead, GAINED_KEPT))


def last_year(logs: FloatArray, ahead: int, year: FloatArray | None = None) -> FloatArray:
    """(rows, ahead): last year's weeks as they were (a quarter's highest as high), moved by the last weeks' gain.

    logs: (rows, weeks) with at least a year and eight weeks and no hole in them. year: (rows, 52), other values for the
    last year's weeks.
    """
    gained = (logs[:, -PRESENT_WEEKS:] - logs[:, -PRESENT_WEEKS - YEAR : logs.shape[1] - YEAR]).mean(axis=1)
    fades = np.clip(1 - (np.arange(ahead) - GAINED_WEEKS) / (2 * YEAR), 0.3, 1.0)
    return _carried(logs[:, -YEAR:] if year is None else year, gained, GAINED_KEPT * fades)


def _carried(year: FloatArray, gained: FloatArray, kept: FloatArray) -> FloatArray:
    """(rows, ahead) a year's weeks (rows, 52) again, with what has been gained on the year before (rows,).

    A small gain is as much luck as growth: kept (ahead,) of it lasts. A large one is growth: the year is then a pattern
    around a line of that slope, and goes on from the present level with growth that fades (half-life of a year).
    """
    week = np.arange(len(kept), dtype=np.int64)
    again = year[:, week % YEAR]
    luck = again + np.outer(gained, kept)
    turn = week // YEAR + 1
    rate: FloatArray = gained * (WEEKS_PER_YEAR / YEAR)
    horizon: FloatArray = np.arange(1, len(kept) + 1, dtype=np.float64)
    grown = rate[:, None] * damped_years(horizon, fading(rate, np.ones(len(rate))))
    line = again + np.outer(gained, turn - horizon / YEAR) + grown
    sure = (gained**2 / (gained**2 + GROWTH_GAIN**2))[:, None]
    return np.asarray((1 - sure) * luck + sure * line)


def fourier_held(logs: FloatArray, ahead: int, harmonics: int = 3, ridge: float = 3.0) -> FloatArray:
    """(rows, ahead): yearly Fourier terms over a line, the line held at the last quarter's level.

    logs: (rows, weeks); holes must be the same in every row's last 60 weeks (none). Ridge keeps a pattern that was
    seen only once or twice small.
    """
    rows, weeks = logs.shape
    t = np.arange(weeks + ahead) / WEEKS_PER_YEAR
    k = np.arange(1, harmonics + 1)
    angle = 2 * np.pi * np.outer(t, k)
    X = np.column_stack([np.ones_like(t), t - (weeks - 1) / WEEKS_PER_YEAR, np.sin(angle), np.cos(angle)])
    penalty = ridge * np.eye(X.shape[1])
    penalty[0, 0] = 0
    seen = np.isfinite(logs)
    past = X[:weeks]
    gram = np.einsum("rw,wi,wj->rij", seen, past, past, optimize=True) + penalty
    moment = np.where(seen, logs, 0.0) @ past
    beta = np.linalg.solve(gram, moment[..., None])[..., 0]
    quarter = min(13, weeks)
    held = np.nanmean(logs[:, -quarter:] - beta @ past[-quarter:].T, axis=1)
    season = beta[:, [0, *range(2, X.shape[1])]] @ X[weeks:][:, [0, *range(2, X.shape[1])]].T
    return np.asarray(season + held[:, None]).reshape(rows, ahead)


def spoken(share: FloatArray, yearly: NDArray[np.bool_]) -> tuple[str, ...]:
    """What made each row's course: its views with their shares over all horizons, the largest first.

    share: (views, rows, ahead); yearly: (rows,).
    """
    mean = share.mean(axis=2)
    order: IntArray = np.argsort(-mean, axis=0, kind="stable")
    names = []
    for row in range(share.shape[1]):
        if yearly[row]:
            names.append(", ".join(f"{VIEWS[v]} {100 * mean[v, row]:.0f} %" for v in order[:, row]))
        else:
            names.append(VIEWS[0])
    return tuple(names)
