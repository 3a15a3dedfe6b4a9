"""The outlook: what the forecasts hand to the planner.

An outlook is compact. Per series it keeps a weekly level and a weekly peak for every future, an hour-of-week tide for
every season, and a burst factor; hourly paths are drawn from these when somebody needs them. This module holds value
types only: it imports neither the models that make an outlook nor the planner that reads one.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasts.words.note import packed, unpacked

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

HOURS_PER_WEEK = 168
FORMAT_VERSION = 1


class OutlookError(ValueError):
    """An outlook whose parts do not fit together; the message names the part."""


@dataclass(frozen=True)
class SeriesKey:
    """What one demand series is: where it comes from, what kind of work, and in which unit."""

    region: str
    workload: str
    unit: str = ""


@dataclass(frozen=True)
class Futures:
    """Weighted courses of demand.

    probability: (futures,), adds up to 1.
    level: (futures, series, weeks), mean demand of the week in the series' unit.
    peak: (futures, series, weeks), demand in the busiest hour of the week, same unit; never below the level.
    """

    probability: FloatArray
    level: FloatArray
    peak: FloatArray

    def __post_init__(self) -> None:
        if self.level.ndim != 3 or self.level.shape != self.peak.shape:
            raise OutlookError(f"level {self.level.shape} and peak {self.peak.shape} must be (futures, series, weeks)")
        if self.probability.shape != self.level.shape[:1]:
            raise OutlookError(f"{self.probability.shape[0]} probabilities for {self.level.shape[0]} futures")
        if abs(float(self.probability.sum()) - 1.0) > 1e-9 or (self.probability < 0).any():
            raise OutlookError("probabilities must be at least 0 and add up to 1")
        if not (np.isfinite(self.level).all() and np.isfinite(self.peak).all()):
            raise OutlookError("level and peak must be finite")
        if (self.level < 0).any() or (self.peak < self.level * (1 - 1e-9)).any():
            raise OutlookError("level must not be negative and peak not below level")

    def __len__(self) -> int:
        return int(self.probability.shape[0])


@dataclass(frozen=True)
class Outlook:
    """Level, tide and futures of every demand series over the weeks ahead.

    series: what each row is.
    start: local midnight on which week 0 begins (naive, in `timezone`); any weekday.
    central: one future, the P50 course of level and peak (probability 1).
    futures: a few weighted futures, for planning.
    evaluation: many futures of equal weight drawn apart from `futures`, for judging plans; may be empty of difference
        (one future) when history gives no ground for a spread.
    tide: (series, seasons, 168), hour-of-week shape from Monday 00:00, mean 1 over the week.
    season_of_week: (weeks,), which season's tide holds in each week.
    residual: (series, 168), relative standard deviation of an hour around level x tide, for hourly paths.
    burst: (series,), peak inside the hour over the hour's mean, at least 1.
    notes: what was assumed, in plain sentences in both languages (growth priors, cold starts, fallbacks, units).
    provenance: hash of the history, method versions, seed.
    """

    series: tuple[SeriesKey, ...]
    start: datetime
    timezone: str
    central: Futures
    futures: Futures
    evaluation: Futures
    tide: FloatArray
    season_of_week: IntArray
    residual: FloatArray
    burst: FloatArray
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, weeks = len(self.series), self.weeks
        for name, part in (("central", self.central), ("futures", self.futures), ("evaluation", self.evaluation)):
            if part.level.shape[1:] != (n, weeks):
                raise OutlookError(f"{name} holds {part.level.shape[1:]} (series, weeks), expected {(n, weeks)}")
        if len(self.central) != 1:
            raise OutlookError(f"central must be one future, found {len(self.central)}")
        if self.tide.ndim != 3 or self.tide.shape[0] != n or self.tide.shape[2] != HOURS_PER_WEEK:
            raise OutlookError(f"tide is {self.tide.shape}, expected ({n}, seasons, {HOURS_PER_WEEK})")
        if (self.tide < 0).any() or (np.abs(self.tide.mean(axis=2) - 1) > 1e-6).any():
            raise OutlookError("every tide must be at least 0 with mean 1")
        if self.season_of_week.shape != (weeks,):
            raise OutlookError(f"season_of_week is {self.season_of_week.shape}, expected ({weeks},)")
        if weeks and not (self.season_of_week.min() >= 0 and self.season_of_week.max() < self.tide.shape[1]):
            raise OutlookError("season_of_week points outside the tide's seasons")
        if self.residual.shape != (n, HOURS_PER_WEEK) or self.burst.shape != (n,) or (self.burst < 1).any():
            raise OutlookError("residual must be (series, 168) and burst (series,) of at least 1")
        if len(set(self.series)) != n:
            raise OutlookError("every series (region, workload) may stand once")

    @property
    def weeks(self) -> int:
        """Weeks ahead."""
        return int(self.central.level.shape[2])

    def shape(self, week: int, futures: Futures, future: int) -> FloatArray:
        """(series, 168) hour-of-week shape of one week, from Monday 00:00, stretched so that its top meets the peak.

        shape = 1 + g (tide - 1) with g = (peak / level - 1) / (max tide - 1); hours that would fall below zero are cut
        to zero and the rest scaled so that the mean stays 1. A series without a tide gets one busy hour a day instead.
        """
        tide = self.tide[:, int(self.season_of_week[week]), :]
        level = futures.level[future, :, week]
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = np.where(level > 0, futures.peak[future, :, week] / np.where(level > 0, level, 1.0), 1.0)
        wanted = np.maximum(wanted, 1.0)[:, None]
        top = tide.max(axis=1, keepdims=True)
        flat = top < 1.02
        busy = np.minimum(wanted, 24.0)
        pulse = np.repeat((24 - busy) / 23, HOURS_PER_WEEK, axis=1)
        pulse[:, 14::24] = busy
        gain = (wanted - 1) / np.where(flat, 1.0, top - 1)
        stretched = np.maximum(1 + gain * (tide - 1), 0.0)
        # Cutting at zero lifts the mean: take the surplus from the hours below the top, never from the top itself.
        # An hour gives what it has or what parts it from the top, whichever is less, so a few rounds may be needed.
        for _ in range(8):
            surplus = stretched.mean(axis=1, keepdims=True) - 1
            give = np.minimum(np.maximum(wanted - stretched, 0.0), stretched)
            room = give.mean(axis=1, keepdims=True)
            share = np.clip(np.where(room > 1e-15, surplus / np.where(room > 1e-15, room, 1.0), 0.0), 0.0, 1.0)
            stretched = stretched - share * give
        return np.where(flat, pulse, stretched)

    def hourly(self, week: int, futures: Futures, future: int, noise: FloatArray | None = None) -> FloatArray:
        """(series, 168) demand of one week in the series' units, from the outlook's own first weekday.

        The week starts on `start`'s weekday, so the Monday-based shape is rolled to it. `noise`, (series, 168) standard
        normal draws, adds the usual scatter of single hours (never below zero).
        """
        roll = -24 * self.start.weekday()
        values = futures.level[future, :, week][:, None] * self.shape(week, futures, future)
        if noise is not None:
            values = np.maximum(values * (1 + self.residual * noise), 0.0)
        rolled: FloatArray = np.roll(values, roll, axis=1)
        return rolled

    def save(self, path: Path) -> None:
        """Write one file (zip of a JSON head and plain arrays; no pickle)."""
        arrays = {
            "tide": self.tide,
            "season_of_week": self.season_of_week,
            "residual": self.residual,
            "burst": self.burst,
        }
        for name in ("central", "futures", "evaluation"):
            part: Futures = getattr(self, name)
            arrays |= {f"{name}_probability": part.probability, f"{name}_level": part.level, f"{name}_peak": part.peak}
        head = {
            "format": FORMAT_VERSION,
            "series": [[k.region, k.workload, k.unit] for k in self.series],
            "start": self.start.isoformat(),
            "timezone": self.timezone,
            "notes": packed(self.notes),
            "provenance": dict(self.provenance),
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            # A fixed date keeps the same outlook the same bytes, so that it can be stored by its hash.
            out.writestr(zipfile.ZipInfo("outlook.json", (2020, 1, 1, 0, 0, 0)), json.dumps(head, ensure_ascii=False))
            for name, array in sorted(arrays.items()):
                body = BytesIO()
                np.lib.format.write_array(body, np.ascontiguousarray(array), allow_pickle=False)
                info = zipfile.ZipInfo(f"{name}.npy", (2020, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                out.writestr(info, body.getvalue())

    @classmethod
    def load(cls, path: Path) -> Outlook:
        """Read what `save` wrote. Raises OutlookError when the file is no outlook."""
        try:
            with zipfile.ZipFile(path) as packed:
                head = json.loads(packed.read("outlook.json"))
                arrays = {
                    name[:-4]: np.lib.format.read_array(BytesIO(packed.read(name)), allow_pickle=False)
                    for name in packed.namelist()
                    if name.endswith(".npy")
                }
        except (zipfile.BadZipFile, KeyError, ValueError, OSError) as fault:
            raise OutlookError(f"{path} is not an outlook file: {fault}") from fault
        if head.get("format") != FORMAT_VERSION:
            raise OutlookError(f"{path} has outlook format {head.get('format')}, this version reads {FORMAT_VERSION}")
        parts = {
            name: Futures(arrays[f"{name}_probability"], arrays[f"{name}_level"], arrays[f"{name}_peak"])
            for name in ("central", "futures", "evaluation")
        }
        return cls(
            series=tuple(SeriesKey(*key) for key in head["series"]),
            start=datetime.fromisoformat(head["start"]),
            timezone=head["timezone"],
            tide=arrays["tide"],
            season_of_week=arrays["season_of_week"],
            residual=arrays["residual"],
            burst=arrays["burst"],
            notes=unpacked(head["notes"]),
            provenance=head["provenance"],
            **parts,
        )
