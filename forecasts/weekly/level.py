"""Weekly level and weekly peak, up to three years ahead.

The peak is forecast as itself (a high quantile of the week's hours, in logs), never as the peak of a mean forecast,
which comes out 12-17 % too low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from forecasts.history.medians import known_median
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, IntArray
from forecasts.weekly.growth import WEEKS_PER_YEAR, Beliefs, saturation
from forecasts.weekly.quarterlaw import QUARTER_WEEKS, QuarterLaw
from forecasts.weekly.quarterviews import Foretold, quarters_foretold
from forecasts.weekly.shifts import Step, bridge, find_steps, moved, untaught
from forecasts.weekly.structural import BACKTEST_WEEKS, StructuralFit, fit_structural, held_fit
from forecasts.weekly.views import VIEWS, elect, spoken, views_of

# A week with fewer of its hours measured is treated as not measured.
MIN_OBSERVED_SHARE = 0.5
# Eight years hold every yearly pattern several times; older weeks cost time and say little about the next ones.
MAX_WEEKS = 417
YEAR = 52
# Single weeks further than this many robust deviations from their neighbours are pulled in before a model sees them.
SPIKE_DEVIATIONS = 3.0
# Weeks at the end that are judged without any after them.
ONE_SIDED = 2
# Horizons (weeks ahead, first and past the last) whose errors are pooled.
BUCKETS = ((0, 4), (4, 8), (8, 13), (13, 26), (26, 52), (52, BACKTEST_WEEKS))
# Standardised errors that a bucket needs before it counts fully against the normal law.
POOL_HALF = 60
# Before errors were measured, the model's spread is this much too small (chosen leaving out one family of panels at a
# time, docs/decisions/0083).
UNPROVEN_SPREAD = 1.25
OWN_SPREAD_POWER = 0.7
# Origins that a row needs before its own error size counts half against the usual row's.
OWN_HALF = 4.0
POOL_HALF_LIFE_WEEKS = 26.0
# A standardised error counts at most this much: one row's break is no law for the others.
FARTHEST = 4.0
HELD = " (the structural fit failed: the last four weeks held)"
_KNOTS = np.array([0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.995])
_FAR = 8.0
IN_CACHE = 2048
_NORMAL_KNOTS = np.array([-2.5758, -1.96, -1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449, 1.96, 2.5758])


@dataclass(frozen=True)
class WeeklyPanel:
    """Weeks of a history, counted back from the outlook's start.

    start: midnight after the last week, where the outlook begins.
    level: (series, weeks), mean demand over the week's hours; NaN where too little was measured.
    peak: (series, weeks), the peak statistic of the week's hours; NaN likewise.
    """

    start: pd.Timestamp
    level: FloatArray
    peak: FloatArray

    @property
    def weeks(self) -> int:
        """Weeks of history."""
        return int(self.level.shape[1])


def outlook_start(index: pd.DatetimeIndex) -> pd.Timestamp:
    """First midnight at or after the end of the last measured hour."""
    return (index[-1] + pd.Timedelta(hours=1)).ceil("D")


def weekly_panel(values: FloatArray, index: pd.DatetimeIndex, quantile: float = 0.99) -> WeeklyPanel:
    """Cut an hourly panel into whole weeks that end where the outlook starts.

    values: (series, hours), NaN where not measured; index: their hours. quantile: which quantile of a week's hours
    counts as its peak (1 for the single busiest). A level with holes in it is put right for the hours of the week that
    are missing, by the series' own mean hour-of-week profile. A series with no week of enough hours keeps what it has.
    """
    start = outlook_start(index)
    tail = int((start - index[-1]) / pd.Timedelta(hours=1)) - 1
    weeks = min(-(-(values.shape[1] + tail) // HOURS_PER_WEEK), MAX_WEEKS)
    padded = np.full((values.shape[0], weeks * HOURS_PER_WEEK), np.nan)
    kept = min(values.shape[1], padded.shape[1] - tail)
    padded[:, padded.shape[1] - tail - kept : padded.shape[1] - tail] = values[:, values.shape[1] - kept :]
    blocks = padded.reshape(values.shape[0], weeks, HOURS_PER_WEEK)
    seen = np.isfinite(blocks)
    count = seen.sum(axis=2)
    filled = np.where(seen, blocks, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=2) / count
        profile = filled.sum(axis=1) / seen.sum(axis=1)
        expected_all = (
            np.nanmean(np.where(np.isfinite(profile), profile, np.nan), axis=1, keepdims=True) if weeks else 0
        )
        expected_seen = np.einsum("swh,sh->sw", seen, np.nan_to_num(profile)) / count
        level = np.where(
            count == HOURS_PER_WEEK, mean, mean * np.where(expected_seen > 0, expected_all / expected_seen, 1)
        )
    peak = _quantile(blocks, count, quantile)
    enough = count >= MIN_OBSERVED_SHARE * HOURS_PER_WEEK
    enough |= ~enough.any(axis=1, keepdims=True) & (count > 0)
    return WeeklyPanel(start, np.where(enough, level, np.nan), np.where(enough, np.maximum(peak, level), np.nan))


def _quantile(blocks: FloatArray, count: IntArray, quantile: float) -> FloatArray:
    """Quantile over the last axis by linear interpolation, holes left out; NaN where nothing was measured."""
    ordered = np.sort(blocks, axis=2)  # NaN goes last
    position = quantile * np.maximum(count - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below = np.take_along_axis(ordered, low[:, :, None], axis=2)[:, :, 0]
    above = np.take_along_axis(ordered, high[:, :, None], axis=2)[:, :, 0]
    return below + (position - low) * (above - below)


@dataclass(frozen=True)
class LevelForecast:
    """Weekly level and peak ahead, in logs. Rows are the levels of all series and then their peaks.

    mean, spread: (rows, ahead), median course and the model's standard deviation around it; spreads never narrow.
    quantiles: (buckets, knots), how large standardised errors of earlier forecasts really were; see `calibrated`.
    pooled: (buckets,), how many errors stand behind them.
    doubt: (rows,), standard deviation of yearly logarithmic growth that no history takes away.
    structural: the fit behind the mean. method: (rows,), which views went in, or the fallback that stood in.
    steps: the level shifts that the past was cleared of. highest: (rows,), the highest week of the last year at the
    present level. quarter: the law of a quarter's highest week. upper: (rows,), share of a week's errors above the
    course that counts, and upper_quarter: (series,), of a quarter's; below 1 where the guard holds them (guard.py).
    """

    mean: FloatArray
    spread: FloatArray
    quantiles: FloatArray
    pooled: IntArray
    doubt: FloatArray
    structural: StructuralFit
    method: tuple[str, ...]
    steps: tuple[Step, ...]
    highest: FloatArray
    quarter: QuarterLaw
    upper: FloatArray
    upper_quarter: FloatArray

    def calibrated(self, z: FloatArray) -> FloatArray:
        """Standard normal draws (..., ahead) mapped to the pooled law of standardised errors at each horizon."""
        # Beyond the last knots the law goes on as a line through its two outermost ones.
        knots = np.concatenate([[-_FAR], _NORMAL_KNOTS, [_FAR]])
        law = self.law(z.shape[-1])
        low = law[:, 0] - (_FAR + _NORMAL_KNOTS[0]) * (law[:, 1] - law[:, 0]) / (_NORMAL_KNOTS[1] - _NORMAL_KNOTS[0])
        step = (law[:, -1] - law[:, -2]) / (_NORMAL_KNOTS[-1] - _NORMAL_KNOTS[-2])
        ends = np.column_stack([low, law, law[:, -1] + (_FAR - _NORMAL_KNOTS[-1]) * step])
        out = np.empty_like(z)
        rows, into = z.reshape(-1, z.shape[-1]), out.reshape(-1, z.shape[-1])
        # A part at a time stays in the processor's cache: weeks lie side by side.
        for begin in range(0, len(rows), IN_CACHE):
            part = slice(begin, begin + IN_CACHE)
            weekly = np.ascontiguousarray(rows[part].T)
            into[part] = np.stack([np.interp(one, knots, law) for one, law in zip(weekly, ends, strict=True)]).T
        return out

    def law(self, weeks: int) -> FloatArray:
        """(weeks, knots) the law of every week ahead: between the middles of two ranges it passes from one to the next.

        No row's band narrows with the horizon: what is known of nearer weeks bounds what can be known of farther ones.
        And no past takes away what growth may do: the law is at least what it alone leaves of the usual row's spread.
        """
        middle = [(begin + end - 1) / 2 for begin, end in BUCKETS]
        table = np.stack([np.interp(np.arange(weeks), middle, knot) for knot in self.quantiles.T], axis=1)
        centre = len(_KNOTS) // 2
        grown = self.doubt[:, None] * np.arange(1, weeks + 1) / WEEKS_PER_YEAR
        least = np.outer(np.median(grown / self.spread[:, :weeks], axis=0), _NORMAL_KNOTS)
        table = np.where(
            _NORMAL_KNOTS > 0, np.maximum(table, least), np.where(_NORMAL_KNOTS < 0, np.minimum(table, least), table)
        )
        wider = (self.spread[:, : weeks - 1] / self.spread[:, 1:weeks]).max(axis=0)
        for week, least in enumerate(wider, start=1):
            near, here = table[week - 1] * least, table[week]
            table[week, :centre] = np.minimum(here[:centre], near[:centre])
            table[week, centre + 1 :] = np.maximum(here[centre + 1 :], near[centre + 1 :])
        return table

    def quantile(self, probability: float) -> FloatArray:
        """(rows, ahead) logarithm that demand stays below with this probability."""
        z = float(np.interp(probability, ndtr(_NORMAL_KNOTS), _NORMAL_KNOTS))
        return self.mean + self.held(limited(self.spread * self.calibrated(np.full(self.mean.shape, z))))

    def held(self, errors: FloatArray) -> FloatArray:
        """Logarithmic errors (..., rows, ahead) with those above the course as far as the guard lets them."""
        if (self.upper == 1).all():
            return errors
        return np.asarray(np.where(errors > 0, errors * self.upper[:, None], errors))


def common_size(spread: FloatArray) -> FloatArray:
    """(rows, ahead) spreads drawn geometrically to the usual row's: a model only guesses its own error."""
    known = np.isfinite(spread).any(axis=0)
    usual = np.full(spread.shape[1], np.nan)
    usual[known] = np.nanmedian(spread[:, known], axis=0)
    return np.asarray(spread**OWN_SPREAD_POWER * usual ** (1 - OWN_SPREAD_POWER))


def limited(errors: FloatArray) -> FloatArray:
    """Logarithmic errors with their far ends drawn in: near 0 unchanged, 1 becomes 0.9, 4 becomes 2.1.

    Demand does not multiply by fifty within a quarter; a log-normal law with a wide spread says that it does now and
    then, and one such path would rule the total. Of any shape, (...,).
    """
    return np.asarray(np.arcsinh(errors))


def stretched(errors: FloatArray) -> FloatArray:
    """The inverse of `limited`, for errors that were seen. Of any shape, (...,)."""
    return np.asarray(np.sinh(errors))


def forecast_level(logs: FloatArray, ahead: int, beliefs: Beliefs, *, max_origins: int = 20) -> LevelForecast:
    """Weekly logs of level and peak `ahead` weeks on, with intervals from rolling origins.

    logs: (rows, weeks), levels of all series and then their peaks, NaN where not measured, one value at least a row.
    beliefs: of every series. Level shifts are found and the weeks before them moved to the level after (shifts.py).
    Where a row goes back a year and a quarter the course is put together from six views, each believed by what it got
    wrong at earlier origins (views.py). Shorter rows follow the structural model, whose growth is then mostly the
    belief's, or a curve towards a ceiling where the level bends. Growth belief fades out between one and two years of
    history. Errors are measured at earlier origins with the same rules, not across shifts, divided by the spread
    foretold at that origin, cut at four, and pooled over rows by horizon.
    """
    rows, weeks = logs.shape
    steps = find_steps(logs)
    level = moved(logs, steps)
    bridged = bridge(level)
    middle = _around(bridged)
    farthest = _farthest(bridged - middle)
    clean = _pulled(bridged, middle, farthest)
    first = np.isfinite(clean).argmax(axis=1)
    years = (weeks - first) / WEEKS_PER_YEAR
    beliefs = beliefs.twice()
    prior_rate = beliefs.log_rate * np.clip(2 - years, 0.0, 1.0)
    origins = _origins(weeks, max_origins)
    cleaned = [_as_known(clean, bridged, farthest, int(end)) for end in origins]
    last = np.stack([known[:, -ONE_SIDED:] for known in cleaned]) if cleaned else None
    fallback = ""
    try:
        fit = fit_structural(clean, ahead, beliefs, prior_rate, origins=origins, last=last)
        broken = not np.isfinite(fit.mean).all()
    except np.linalg.LinAlgError:
        broken = True
    if broken:
        fit, fallback = held_fit(clean, ahead, beliefs, prior_rate, origins), HELD
    structural, curve = _bent(clean, fit.mean, fit.growth)
    here = views_of(clean, structural)
    age = (weeks - origins).astype(np.float64)
    reach = fit.origin_mean.shape[2]
    seen = np.full((len(origins), len(VIEWS), rows, reach), np.nan)
    came = np.full((len(origins), rows, reach), np.nan)
    yearly = np.zeros((len(origins), rows), dtype=bool)
    for o, known in enumerate(cleaned):
        end = known.shape[1]
        past = views_of(known, _bent(known, fit.origin_mean[o], fit.origin_growth[o])[0])
        seen[o], yearly[o] = past.paths, past.yearly
        truth = level[:, end : end + reach]
        came[o, :, : truth.shape[1]] = truth
    came[untaught(steps, origins, rows, reach)] = np.nan
    off = np.where(yearly[:, None, :, None], np.abs(came[:, None] - seen), np.nan)
    share = elect(off, age, BUCKETS, ahead)
    mean = (share.now * here.paths).sum(axis=0)
    course = (share.then * seen).sum(axis=1)
    then = [_size(fit.origin_spread[o], yearly[o], beliefs.doubt) for o in range(len(origins))]
    size = np.stack(then) if then else came
    # What a row without a yearly pattern got wrong says nothing of what it gets wrong with one.
    like = yearly == here.yearly
    errors = np.where(like[:, :, None], stretched(came - course) / size, np.nan)
    own = _own_scale(errors, age)
    quantiles, pooled = _pool(np.clip(errors / own[:, None], -FARTHEST, FARTHEST), age)
    spread = _size(fit.spread, here.yearly, beliefs.doubt) * own[:, None]
    method = tuple(
        f"{name}{f', {kind} growth' if kind else ''}{fallback}"
        for name, kind in zip(spoken(share.now, here.yearly), curve, strict=True)
    )
    peaks = slice(rows // 2, rows)
    then_sizes = size * own[:, None]
    quarter = quarters_foretold(
        Foretold(mean[peaks], spread[peaks], level[peaks], clean[peaks], here.yearly[peaks]),
        [
            Foretold(course[o, peaks], then_sizes[o, peaks], level[peaks, :end], cleaned[o][peaks], yearly[o, peaks])
            for o, end in enumerate(origins)
        ],
        np.where(like[:, peaks, None], came[:, peaks], np.nan),
        age,
        beliefs.doubt[peaks],
    )
    highest = np.nanmax(np.where(np.isfinite(level[:, -YEAR:]), level[:, -YEAR:], -np.inf), axis=1)
    free = np.ones(rows)
    return LevelForecast(
        *(mean, spread, quantiles, pooled, beliefs.doubt, fit, method, steps, highest, quarter),
        upper=free,
        upper_quarter=free[peaks],
    )


def _size(spread: FloatArray, yearly: NDArray[np.bool_], doubt: FloatArray) -> FloatArray:
    """(rows, ahead) spreads as they are used: drawn to the usual row's, and never narrower than nearer ones.

    A row that knows last year's weeks does not drift away as a random walk does: past a quarter only what growth may
    be widens its band (docs/decisions/0131).
    """
    usual = common_size(spread)
    ahead = spread.shape[1]
    at = min(QUARTER_WEEKS, ahead) - 1
    years = np.arange(1, ahead + 1) / WEEKS_PER_YEAR
    more = np.maximum(years**2 - years[at] ** 2, 0.0)
    steady = np.sqrt(usual[:, at : at + 1] ** 2 + doubt[:, None] ** 2 * more)
    held = np.where(np.arange(ahead) <= at, usual, np.minimum(usual, steady))
    return np.asarray(np.maximum.accumulate(np.where(yearly[:, None], held, usual), axis=1))


def _origins(weeks: int, most: int) -> IntArray:
    """Earlier numbers of known weeks to forecast from: from a third of the history (two years at most) on."""
    first = max(8, min(2 * YEAR, weeks // 2))
    if weeks - first < 3:
        return np.zeros(0, dtype=np.int64)
    step = max(1, -(-(min(weeks - first, 2 * YEAR + BACKTEST_WEEKS)) // most))
    return np.arange(weeks - 2, first - 1, -step, dtype=np.int64)[:most][::-1].copy()


def despike(logs: FloatArray) -> FloatArray:
    """Weeks that stand alone, pulled in to SPIKE_DEVIATIONS robust deviations from the median of the five around.

    The last two weeks have none after them: where the last four steps all lead one way they are set against where those
    steps lead, for growth is no spike. logs: (rows, weeks).
    """
    middle = _around(logs)
    return _pulled(logs, middle, _farthest(logs - middle))


def _as_known(clean: FloatArray, logs: FloatArray, farthest: FloatArray, end: int) -> FloatArray:
    """(rows, end) the clean weeks as they were at an origin: its last weeks knew none after them."""
    out = clean[:, :end].copy()
    near = logs[:, max(end - 7, 0) : end]
    out[:, -ONE_SIDED:] = _pulled(near, _around(near), farthest)[:, -ONE_SIDED:]
    return out


def _around(logs: FloatArray) -> FloatArray:
    """(rows, weeks) where each week should lie by those around it."""
    padded = np.pad(logs, ((0, 0), (2, 2)), constant_values=np.nan)
    middle = known_median([padded[:, k : k + logs.shape[1]] for k in range(5)], least=3)
    if logs.shape[1] >= 5:
        step = np.diff(logs[:, -5:], axis=1)
        leads = (step > 0).all(axis=1) | (step < 0).all(axis=1)
        way = np.median(step[leads], axis=1)[:, None] * np.arange(1, ONE_SIDED + 1)
        middle[leads, -ONE_SIDED:] = middle[leads, -ONE_SIDED - 1 : -ONE_SIDED] + way
    return np.where(np.isfinite(middle), middle, logs)


def _farthest(off: FloatArray) -> FloatArray:
    """(rows, 1) how far a week may lie from where it should."""
    spread = 1.4826 * np.median(np.where(np.isfinite(off), np.abs(off), 0.0), axis=1, keepdims=True)
    return np.asarray(np.where(spread > 0, SPIKE_DEVIATIONS * spread, np.inf))


def _pulled(logs: FloatArray, middle: FloatArray, farthest: FloatArray) -> FloatArray:
    return np.asarray(middle + np.clip(logs - middle, -farthest, farthest))


def _bent(clean: FloatArray, fit_mean: FloatArray, growth: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    """The structural course (rows, ahead), on a curve where a level bends towards a ceiling, and the curves' names."""
    bend = saturation(clean, fit_mean.shape[1])
    return np.where(bend.found[:, None], fit_mean - growth + bend.growth, fit_mean), bend.curve


def _own_scale(errors: FloatArray, age_weeks: FloatArray) -> FloatArray:
    """(rows,) how large a row's standardised errors have lately been against the usual row's; drawn to 1 where few."""
    fresh = (0.5 ** (age_weeks / POOL_HALF_LIFE_WEEKS))[:, None, None] * np.isfinite(errors)
    total = (fresh * np.minimum(np.nan_to_num(errors) ** 2, 16.0)).sum(axis=(0, 2))
    mass = fresh.sum(axis=(0, 2))
    if mass.sum() <= 0:
        return np.ones(errors.shape[1])
    usual = max(float(total.sum() / mass.sum()), 1e-6)
    per_origin = fresh.max(axis=2)
    own = per_origin.sum(axis=0) ** 2 / np.maximum((per_origin**2).sum(axis=0), 1e-300)
    share = own / (own + OWN_HALF)
    mean = np.where(mass > 0, total / np.maximum(mass, 1e-300), usual)
    return np.asarray(np.sqrt(share * mean / usual + 1 - share))


def _pool(errors: FloatArray, age_weeks: FloatArray) -> tuple[FloatArray, IntArray]:
    """(buckets, knots) quantiles of standardised errors and how many they rest on.

    Where few, they are drawn to the range before; the first one to the normal law, as wide as where none was measured.

    errors: (origins, rows, weeks ahead); age_weeks: (origins,), how long ago; old errors count less.
    """
    table, believed = np.empty((len(BUCKETS), len(_KNOTS))), _NORMAL_KNOTS
    count = np.zeros(len(BUCKETS), dtype=np.int64)
    fresh = 0.5 ** (age_weeks / POOL_HALF_LIFE_WEEKS)
    for b, (begin, end) in enumerate(BUCKETS):
        z = errors[:, :, begin:end]
        known = np.isfinite(z)
        count[b] = known.sum()
        if count[b] >= 8:
            mass = np.broadcast_to(fresh[:, None, None], z.shape)[known]
            # Neighbouring weeks of one forecast err together: they count once.
            own = float(mass.sum() ** 2 / (mass**2).sum()) / (end - begin)
            weight = own / (own + POOL_HALF)
            # Outer quantiles move out by what few independent errors leave unknown (split conformal's n + 1 over n).
            level = 0.5 + np.clip((_KNOTS - 0.5) * (1 + 0.5 / max(np.sqrt(own), 1.0)), -0.5, 0.5)
            rank = np.where(np.abs(_KNOTS - 0.5) > 0.4001, level, _KNOTS)
            order = np.argsort(z[known], kind="stable")
            share = (np.cumsum(mass[order]) - 0.5 * mass[order]) / mass.sum()
            measured = np.interp(rank, share, z[known][order])
            table[b] = weight * measured + (1 - weight) * (1.0 if b else UNPROVEN_SPREAD) * believed
            believed = weight * measured + (1 - weight) * believed
        else:
            table[b] = believed
    table = np.maximum.accumulate(table, axis=1)
    return table, count
