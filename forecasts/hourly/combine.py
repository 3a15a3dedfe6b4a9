"""The short-range forecast: members weighted by what they got wrong at rolling origins.

Every series is forecast from a few past origins with the same members that forecast the future. Their errors there
give the weights (each member's share falls with the seventh power of its mean absolute error), and what the weighted
combination got wrong gives the intervals and is, for the most part, put right in the mean. Source of the idea:
validation-weighted combinations, facts sheet and docs/decisions/0020, 0086; inverse-power weights go back to Bates and
Granger (1969).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasts.calendar.calendar import HolidayEffects, SpecialDays, learn_effects, special_days
from forecasts.history import History
from forecasts.hourly.intervals import conformal
from forecasts.hourly.members.base import DAY, WEEK, Member
from forecasts.hourly.members.boost import FEWEST_SERIES, GlobalBoost, boost_available
from forecasts.hourly.members.members import default_members
from forecasts.hourly.members.state import StlSmoothing
from forecasts.hourly.tide import tide_strength
from forecasts.outlook import FloatArray, IntArray, SeriesKey
from forecasts.words.note import note

LONGEST_FIT = 17 * WEEK
SAFE_MEMBER = "naive168"
UNSEEN_RATIO = 0.78
"""With one week of history nobody can be checked against a week ago; the weekly naive is then trusted as if its error
were this share of the best checked member's (weekday effects are the rule, and missing them costs most)."""
KIND_MEMBER = "daykind28"
KIND_SHARE = 0.4
"""Of the trust that the weekly naive then has, the part that goes to the median day of each kind: one week's noise."""
USUAL_ERROR_SHARE = 0.8
"""How much of the combination's usual error (the median of the conformal law) is put right in the mean."""

ORIGIN_DECAY = 0.65
"""What an origin counts against the next nearer one: who did well last week matters more than who did a month ago."""


@dataclass(frozen=True)
class HourlyConfig:
    """How to forecast hourly demand.

    levels: probabilities of the quantiles, ascending. power: how sharply weights fall with error. origins: how many
    past origins are checked, at most. seed: for members that draw at random.
    country, subdivision: whose holidays count, as the `holidays` package names them (CN, or AU and VIC); None for none.
    members: names of those that may stand for election, () for all; all where none of the named can be fitted.
    boost: the global boosted model stands for election too where there are twenty series or more (needs the extra
    `boost`; some 25 times the seconds). statsmodels: decomposition with exponential smoothing stands too (about a
    second a series).
    """

    levels: tuple[float, ...] = (0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975)
    power: float = 7.0
    origins: int = 4
    seed: int = 0
    country: str | None = None
    subdivision: str | None = None
    members: tuple[str, ...] = ()
    boost: bool = False
    statsmodels: bool = False

    def __post_init__(self) -> None:
        if list(self.levels) != sorted(set(self.levels)) or not all(0 < level < 1 for level in self.levels):
            raise ValueError(f"levels must ascend strictly within 0 and 1, found {self.levels}")
        if self.power < 0 or self.origins < 1:
            raise ValueError(f"power must be at least 0 and origins at least 1, found {self.power} and {self.origins}")


@dataclass(frozen=True)
class HourlyForecast:
    """Hourly demand ahead, with what it rests on.

    start: first hour (naive local time). mean: (series, hours). levels: (quantiles,). quantiles: (series, quantiles,
    hours). members: names; weights: (series, members), rows add up to 1. fallbacks: per series what stood in for
    members that failed, "" if none did. residuals: (series, origins, hours) measured minus the combination (before its
    usual error is put right), nearest origin first, NaN where nothing was measured; origin_hours: (series, origins) how
    many hours before `start` the origin lies, 0 where there was none. tidal: (series,). notes: what was assumed.
    """

    series: tuple[SeriesKey, ...]
    start: pd.Timestamp
    mean: FloatArray
    levels: tuple[float, ...]
    quantiles: FloatArray
    members: tuple[str, ...]
    weights: FloatArray
    fallbacks: tuple[str, ...]
    residuals: FloatArray
    origin_hours: IntArray
    tidal: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def index(self) -> pd.DatetimeIndex:
        """The hours of the forecast."""
        return pd.date_range(self.start, periods=self.mean.shape[1], freq="h")


def fill(values: FloatArray) -> FloatArray:
    """(series, hours) without NaN: the same hour of the weeks beside, then of the days beside, then a straight line."""
    out = values.copy()
    for lag in (WEEK, -WEEK, 2 * WEEK, -2 * WEEK, DAY, -DAY, 3 * WEEK, -3 * WEEK):
        gap = np.isnan(out)
        if not gap.any():
            return out
        if abs(lag) >= out.shape[1]:
            continue
        beside = np.full_like(out, np.nan)
        if lag > 0:
            beside[:, lag:] = out[:, :-lag]
        else:
            beside[:, :lag] = out[:, -lag:]
        out = np.where(gap, beside, out)
    if np.isnan(out).any():
        out = pd.DataFrame(out.T).interpolate(limit_direction="both").fillna(0.0).to_numpy().T
    return np.ascontiguousarray(out)


def origins_before(length: int, hours: int, most: int) -> list[int]:
    """Past origins, nearest first, as the hours of history that each may see.

    Steps are as long as the forecast (a week at most), shorter where the history is: half of it at least stays to
    learn from, in whole days so that every origin starts at the forecast's hour of day.
    """
    days = max(1, min(7, -(-hours // DAY), -(-length // (2 * DAY * most))))
    if length >= 6 * WEEK and hours >= WEEK:
        days = 7
    step = days * DAY
    least = max(DAY, int(0.4 * length))
    return [length - step * k for k in range(1, most + 1) if length - step * k >= least]


@dataclass(frozen=True)
class _Group:
    """Series that share a length of history: rows, and (rows, length) values with NaN."""

    rows: IntArray
    values: FloatArray


def _groups(values: FloatArray) -> tuple[list[_Group], IntArray]:
    """Series by how much history they have, and (series,) hours that stale ones were moved forward by (whole weeks)."""
    hours = values.shape[1]
    seen = np.isfinite(values)
    any_seen = seen.any(axis=1)
    last = hours - np.argmax(seen[:, ::-1], axis=1)
    shift = np.where(any_seen, (hours - last) // WEEK * WEEK, 0)
    first = np.where(any_seen, np.argmax(seen, axis=1), hours - 1)
    length = hours - shift - first
    # Whole weeks of a long history, whole days of a short one: few groups, and the oldest hours matter least.
    usable = np.where(
        length >= 6 * WEEK,
        np.minimum(length // WEEK * WEEK, LONGEST_FIT),
        np.where(length >= DAY, length // DAY * DAY, length),
    )
    groups = []
    for size in np.unique(usable):
        rows = np.flatnonzero(usable == size)
        stops = hours - shift[rows]
        part = np.stack([values[row, stop - size : stop] for row, stop in zip(rows, stops, strict=True)])
        groups.append(_Group(rows, part))
    return groups, shift.astype(np.int64)


Makers = tuple[Callable[[], Member], ...]


def _makers(config: HourlyConfig, series: int, hours: int) -> Makers:
    """The members that stand for election for a group of so many series that are never shorter than `hours`."""
    makers: Makers = default_members()
    if config.statsmodels:
        makers = (*makers, StlSmoothing)
    if config.boost and boost_available() and series >= FEWEST_SERIES:
        makers = (*makers, lambda: GlobalBoost(seed=config.seed))
    if config.members:
        named = tuple(make for make in makers if make().name in config.members and make().needs_hours <= hours)
        return named or makers
    return makers


def _run(
    makers: Makers, history: FloatArray, index: pd.DatetimeIndex, hours: int, failed: dict[str, IntArray]
) -> dict[str, FloatArray]:
    """Forecasts of every member that the history suffices for. Rows that failed hold NaN and are noted in `failed`."""
    out: dict[str, FloatArray] = {}
    top = 3 * history[:, -8 * WEEK :].max(axis=1, keepdims=True)
    for make in makers:
        member = make()
        if history.shape[1] < member.needs_hours:
            continue
        try:
            path = member.fit(history, index).predict(hours)
        except (ValueError, np.linalg.LinAlgError):
            path = np.full((history.shape[0], hours), np.nan)
        bad = ~np.isfinite(path).all(axis=1) | (path > top).any(axis=1)
        if bad.any():
            path = np.where(bad[:, None], np.nan, path)
            failed[member.name] = np.union1d(failed.get(member.name, np.zeros(0, dtype=np.int64)), np.flatnonzero(bad))
        out[member.name] = path
    return out


def _stand_in(paths: dict[str, FloatArray]) -> tuple[str, FloatArray]:
    """The simplest sound member there is: it replaces rows of members that failed."""
    for name in (SAFE_MEMBER, "naive24", "flat168", *paths):
        if name in paths:
            return name, paths[name]
    raise RuntimeError("no member can be fitted on a history of less than an hour")


def _weights(errors: FloatArray, counts: FloatArray, names: Sequence[str], power: float) -> FloatArray:
    """(series, members) shares. errors, counts: (members, series) sums of absolute errors and of hours checked.

    A member that could not be checked gets no weight, but for the weekly naive (see UNSEEN_RATIO), which shares with
    the median day of a kind (KIND_SHARE); where nobody could be checked, all are equal.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(counts > 0, errors / counts, np.inf)
        best = mean.min(axis=0)
        ratio = np.maximum(mean / np.where(np.isfinite(best) & (best > 0), best, 1.0), 1e-6)
    perfect = (best == 0) & np.isfinite(best)
    ratio = np.where(perfect, np.where(mean == 0, 1.0, np.inf), ratio)
    trusted = np.zeros(len(best), dtype=bool)
    if SAFE_MEMBER in names:
        at = list(names).index(SAFE_MEMBER)
        trusted = (counts[at] == 0) & ~perfect & np.isfinite(best)
        ratio[at] = np.where(trusted, UNSEEN_RATIO, ratio[at])
    share = np.where(np.isfinite(ratio), ratio**-power, 0.0)
    if trusted.any() and KIND_MEMBER in names:
        kind = list(names).index(KIND_MEMBER)
        moved = np.where(trusted & (counts[kind] == 0), KIND_SHARE * share[at], 0.0)
        share[at], share[kind] = share[at] - moved, share[kind] + moved
    share = np.where(np.isfinite(best), share, 1.0)
    return np.asarray((share / share.sum(axis=0)).T)


@dataclass(frozen=True)
class _Part:
    """What one group of series gives; arrays as in HourlyForecast."""

    mean: FloatArray
    names: tuple[str, ...]
    weights: FloatArray
    residuals: FloatArray
    fitted: FloatArray
    origin_hours: tuple[int, ...]
    failed: dict[str, IntArray]
    stand_in: str


@dataclass(frozen=True)
class _Specials:
    """Holiday factors for rows of a history, each learnt only from what was known at an origin."""

    days: SpecialDays
    values: FloatArray
    index: pd.DatetimeIndex

    def factors(self, rows: IntArray, length: int, known: int, ahead: int) -> tuple[FloatArray, FloatArray]:
        """Factors of the last `length` hours before hour `known` of the history, and of the `ahead` hours after it."""
        effects: HolidayEffects = learn_effects(self.values[rows, :known], self.index[:known], self.days)
        lead = self.index[0].hour
        day = (lead + known - length) // DAY
        skip = lead + known - length - day * DAY
        days = -(-(skip + length + ahead) // DAY)
        whole = effects.factors(day, days)[:, skip : skip + length + ahead]
        return whole[:, :length], whole[:, length:]


def _paths(
    group: _Group,
    cut: int,
    ahead: int,
    index: pd.DatetimeIndex,
    specials: _Specials | None,
    makers: Makers,
    failed: dict[str, IntArray],
) -> dict[str, FloatArray]:
    """Every member's forecast `ahead` hours from hour `cut` of the group, on demand freed of its holidays."""
    seen = group.values[:, :cut]
    if specials is None:
        return _run(makers, fill(seen), index[:cut], ahead, failed)
    known = len(specials.index) - (group.values.shape[1] - cut)
    past, future = specials.factors(group.rows, cut, known, ahead)
    paths = _run(makers, fill(seen / past), index[:cut], ahead, failed)
    return {name: path * future for name, path in paths.items()}


def _forecast_group(
    group: _Group, end: pd.Timestamp, hours: int, config: HourlyConfig, specials: _Specials | None
) -> _Part:
    n, length = group.values.shape
    cuts = origins_before(length, hours, config.origins)
    span = min(hours, max((length - cut for cut in cuts), default=0))
    index = pd.date_range(end - pd.Timedelta(hours=length - 1), periods=length, freq="h")
    failed: dict[str, IntArray] = {}
    makers = _makers(config, n, min(cuts, default=length))
    final = _paths(group, length, hours, index, specials, makers, failed)
    stand_in, simple = _stand_in(final)
    names = list(final)
    past: list[dict[str, FloatArray]] = []
    for cut in cuts:
        trouble: dict[str, IntArray] = {}
        ahead = min(hours, length - cut)
        paths = _paths(group, cut, ahead, index, specials, makers, trouble)
        for name, rows in trouble.items():
            paths[name][rows] = _stand_in(paths)[1][rows]
        past.append(paths)
    for name, rows in failed.items():
        final[name][rows] = simple[rows]
    truth = np.full((n, len(cuts), span), np.nan)
    for o, cut in enumerate(cuts):
        ahead = min(hours, length - cut)
        truth[:, o, :ahead] = group.values[:, cut : cut + ahead]
    errors = np.zeros((len(names), n, len(cuts)))
    counts = np.zeros((len(names), n, len(cuts)))
    for o, paths in enumerate(past):
        for m, name in enumerate(names):
            if name in paths:
                # A week ahead decides: farther out the members hardly differ, and few origins reach there.
                reach = min(paths[name].shape[1], WEEK)
                off = np.abs(truth[:, o, :reach] - paths[name][:, :reach])
                good = np.isfinite(off)
                errors[m, :, o] = np.where(good, off, 0.0).sum(axis=1)
                counts[m, :, o] = good.sum(axis=1)
    # A member is weighed only when all origins could be forecast with it: the others saw harder or easier weeks.
    whole = np.array([all(name in paths for paths in past) for name in names]) if past else np.zeros(len(names), bool)
    recent = ORIGIN_DECAY ** np.arange(len(cuts))
    errors, counts = errors * whole[:, None, None] * recent, counts * whole[:, None, None] * recent
    weights = _weights(errors.sum(axis=2), counts.sum(axis=2), names, config.power)
    mean = np.einsum("nm,mnh->nh", weights, np.stack([final[name] for name in names]))
    fitted = np.full((n, len(cuts), span), np.nan)
    for o, paths in enumerate(past):
        # The origin's own errors stay out of its weights, or the intervals would be too narrow.
        others = np.arange(len(cuts)) != o if len(cuts) > 1 else np.ones(1, dtype=bool)
        have = np.array([m for m, name in enumerate(names) if name in paths], dtype=np.int64)
        part = _weights(
            errors[have][:, :, others].sum(axis=2),
            counts[have][:, :, others].sum(axis=2),
            [names[m] for m in have],
            config.power,
        )
        stack = np.stack([paths[names[m]] for m in have])
        fitted[:, o, : stack.shape[2]] = np.einsum("nm,mnh->nh", part, stack)
    lengths = tuple(length - cut for cut in cuts)
    return _Part(mean, tuple(names), weights, truth - fitted, fitted, lengths, failed, stand_in)


def _roughness(values: FloatArray) -> FloatArray:
    """(series,) mean absolute change against a week before, a day or an hour where history is shorter; 0 if unknown."""
    out = np.zeros(values.shape[0])
    for lag in (1, DAY, WEEK):
        if values.shape[1] > lag:
            change = np.abs(values[:, lag:] - values[:, :-lag])
            seen = np.isfinite(change).sum(axis=1)
            mean = np.where(np.isfinite(change), change, 0.0).sum(axis=1) / np.maximum(seen, 1)
            out = np.where(seen >= min(lag, 24), mean, out)
    return out


def forecast_hourly(history: History, hours: int, config: HourlyConfig | None = None) -> HourlyForecast:
    """Forecast every series of a history `hours` ahead, with quantiles.

    Works on any history from one hour on; what is too short for a member is forecast by simpler ones. Raises
    ValueError when `hours` is below 1 or no series has a value.
    """
    config = config or HourlyConfig()
    if hours < 1:
        raise ValueError(f"hours must be at least 1, found {hours}")
    if not np.isfinite(history.values).any():
        raise ValueError("not one series of the history has a value")
    n = len(history.series)
    groups, shift = _groups(history.values)
    specials = None
    if config.country is not None:
        first, last = history.index[0], history.index[-1] + pd.Timedelta(hours=hours)
        days = special_days(first.date(), (last.date() - first.date()).days + 1, config.country, config.subdivision)
        specials = _Specials(days, history.values, history.index)
    parts = [
        # Series moved forward by whole weeks no longer stand on their own dates.
        _forecast_group(group, history.index[-1], hours, config, None if (shift[group.rows] > 0).any() else specials)
        for group in groups
    ]
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    most = max(len(part.origin_hours) for part in parts)
    span = max(part.residuals.shape[2] for part in parts)
    mean = np.zeros((n, hours))
    weights = np.zeros((n, len(names)))
    residuals = np.full((n, most, span), np.nan)
    fitted = np.full((n, most, span), np.nan)
    origin_hours = np.zeros((n, most), dtype=np.int64)
    fallbacks = [""] * n
    for group, part in zip(groups, parts, strict=True):
        rows = group.rows
        mean[rows] = part.mean
        columns = np.array([names.index(name) for name in part.names], dtype=np.int64)
        weights[np.ix_(rows, columns)] = part.weights
        reach = part.residuals.shape[1:]
        residuals[rows[:, None, None], np.arange(reach[0])[:, None], np.arange(reach[1])] = part.residuals
        fitted[rows[:, None, None], np.arange(reach[0])[:, None], np.arange(reach[1])] = part.fitted
        origin_hours[np.ix_(rows, np.arange(reach[0]))] = part.origin_hours
        for name, bad in part.failed.items():
            for row in rows[bad]:
                fallbacks[row] += f"{', ' if fallbacks[row] else ''}{name} failed: {part.stand_in}"
    bands = conformal(residuals, fitted, mean, config.levels, _roughness(history.values))
    mean = mean + USUAL_ERROR_SHARE * (bands.middle - mean)
    strength = tide_strength(history.values[:, -LONGEST_FIT:], history.index[-LONGEST_FIT:])
    notes = list(specials.days.notes()) if specials is not None else []
    if config.boost and not boost_available():
        notes.append(note("hourly.no_boost"))
    if bands.unknown.any():
        notes.append(note("hourly.unknown", n=int(bands.unknown.sum())))
    if (shift > 0).any():
        notes.append(note("hourly.ended", n=int((shift > 0).sum())))
    flat = int((~strength.tidal).sum())
    if flat:
        notes.append(note("hourly.no_tide", n=flat, series=n))
    failures = sum(1 for text in fallbacks if text)
    if failures:
        notes.append(note("hourly.fallback", n=failures))
    return HourlyForecast(
        history.series,
        history.index[-1] + pd.Timedelta(hours=1),
        mean,
        config.levels,
        bands.quantiles,
        tuple(names),
        weights,
        tuple(fallbacks),
        residuals,
        origin_hours,
        strength.tidal,
        tuple(notes),
    )
