"""One gradient-boosted model for all series together; an extra (`pip install tideplan[boost]`)."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from forecasts.hourly.members.base import DAY, WEEK, require
from forecasts.outlook import FloatArray, IntArray

FEWEST_SERIES = 20
"""Below this one model has too little to learn from (facts: it lifts the ensemble where there are twenty or more)."""
MOST_ROWS = 120_000
FARTHEST = WEEK


def boost_available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("lightgbm") is not None


@dataclass
class GlobalBoost:
    """Direct gradient boosting over all series (LightGBM, absolute error): what to add to the seasonal naive.

    A row is one series, one past origin and one hour ahead (a week at most; beyond, the naive of the corrected week).
    Features know only what the origin knew: the same hour of the last weeks and days with its neighbours, the last
    hours and days against a season before, lead, hour and weekday; all in units of the series' own last-week spread, so
    that series of any size teach each other. Deterministic for a seed.
    """

    seed: int = 0
    trees: int = 160
    origins: int = 21
    _model: Any = field(default=None, repr=False)
    _tail: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    _end: pd.Timestamp = field(default_factory=lambda: pd.Timestamp(0), repr=False)
    _season: int = 0

    @property
    def name(self) -> str:
        """Its name among members."""
        return "boost"

    @property
    def needs_hours(self) -> int:
        """Hours of history that it needs at least."""
        return 10 * DAY

    def fit(self, values: FloatArray, index: pd.DatetimeIndex) -> Self:
        """Learn from values (series, hours) at the hours of the index."""
        import lightgbm

        require(values, self.needs_hours, self.name)
        if values.shape[0] < FEWEST_SERIES:
            raise ValueError(f"{self.name} needs {FEWEST_SERIES} series, found {values.shape[0]}")
        n, length = values.shape
        self._season = WEEK if length >= 2 * WEEK + 5 * DAY else DAY
        least = 2 * self._season if self._season == WEEK else WEEK
        rng = np.random.default_rng(self.seed)
        cuts = [length - DAY * k for k in range(1, self.origins + 1) if length - DAY * k >= least]
        X, y = [], []
        rows_each = max(1, MOST_ROWS // (n * len(cuts)))
        for cut in cuts:
            reach = min(FARTHEST, length - cut)
            leads = np.sort(rng.choice(reach, min(reach, rows_each), replace=False))
            features, base, spread = self._features(values[:, :cut], index[cut - 1], leads)
            X.append(features)
            y.append(((values[:, cut + leads] - base) / spread).reshape(-1))
        settings = {
            "objective": "regression_l1",
            "learning_rate": 0.08,
            "num_leaves": 31,
            "min_data_in_leaf": 60,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "feature_fraction": 0.7,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(np.concatenate(X), np.clip(np.concatenate(y), -20, 20))
        self._model = lightgbm.train(settings, rows, num_boost_round=self.trees)
        self._tail, self._end = values[:, -(4 * WEEK + 1) :], index[-1]
        return self

    def _features(
        self, past: FloatArray, end: pd.Timestamp, leads: IntArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(series x leads, features), (series, leads) seasonal naive, (series, 1) spread of the last week."""
        n, known = past.shape
        week = past[:, -WEEK:]
        centre = week.mean(axis=1, keepdims=True)
        spread = np.maximum(week.std(axis=1, keepdims=True), 1e-3 * np.abs(centre) + 1e-12)

        def beside(season: int, back: int, shift: int = 0) -> FloatArray:
            at = known + leads + shift - season * (leads // season + 1 + back)
            ok = (at >= 0) & (at < known)
            return np.where(ok, (past[:, np.where(ok, at, 0)] - centre) / spread, np.nan)

        def mean(first: int, last: int) -> FloatArray:
            part = past[:, max(known - first, 0) : known - last]
            return (part.mean(axis=1, keepdims=True) - centre) / spread if part.shape[1] else np.full((n, 1), np.nan)

        s = self._season
        base = beside(s, 0)
        ahead = pd.DatetimeIndex([end + pd.Timedelta(hours=int(lead) + 1) for lead in leads])
        last = (past[:, -1:] - centre) / spread
        single = [
            last - (past[:, -s - 1 : known - s] - centre) / spread,
            last - (past[:, -DAY - 1 : known - DAY] - centre) / spread,
            last,
            mean(DAY, 0) - mean(s + DAY, s),
            mean(DAY, 0) - mean(2 * DAY, DAY),
            mean(3, 0) - mean(DAY + 3, DAY),
            mean(DAY, 0),
            mean(2 * WEEK, WEEK),
            centre / spread,
            (past[:, -DAY:].std(axis=1, keepdims=True)) / spread,
        ]
        columns = [
            base,
            beside(s, 1),
            beside(s, 2),
            beside(DAY, 0),
            beside(DAY, 1),
            beside(DAY, 6),
            beside(s, 0, 1),
            beside(s, 0, -1),
            *[np.broadcast_to(one, base.shape) for one in single],
            np.broadcast_to(leads.astype(np.float64), base.shape),
            np.broadcast_to(np.asarray(ahead.hour, dtype=np.float64), base.shape),
            np.broadcast_to(np.asarray(ahead.dayofweek, dtype=np.float64), base.shape),
        ]
        flat = np.stack(columns, axis=2).reshape(n * len(leads), len(columns))
        return flat, base * spread + centre, spread

    def predict(self, hours: int) -> FloatArray:
        """(series, hours) demand after the last hour that was learnt from."""
        if self._model is None:
            raise RuntimeError(f"{self.name} is not fitted")
        leads = np.arange(min(hours, FARTHEST))
        features, base, spread = self._features(self._tail, self._end, leads)
        change = np.asarray(self._model.predict(features)).reshape(base.shape)
        path = np.maximum(base + change * spread, 0.0)
        if hours > FARTHEST:
            path = np.tile(path, (1, -(-hours // FARTHEST)))[:, :hours]
        return path
