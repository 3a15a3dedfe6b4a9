"""Young series go on from their present level, as others in the panel went on after their launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from forecasts.outlook import FloatArray, SeriesKey
from forecasts.weekly.growth import PRESENT_WEEKS, GrowthPrior, analogue
from forecasts.weekly.level import LevelForecast
from forecasts.words.note import Note, note

# A series younger than this is compared with the launches of others.
YOUNG_WEEKS = 26


def with_analogues(
    ahead: LevelForecast, logs: FloatArray, keys: Sequence[SeriesKey], priors: Sequence[GrowthPrior]
) -> tuple[LevelForecast, list[Note]]:
    """Young series from their present level on as others went on after their launch, where the panel knows launches.

    logs: (2 series, weeks), levels and then peaks, NaN before a launch. priors: of every series.
    """
    series, weeks = len(keys), logs.shape[1]
    level = logs[:series]
    first = np.isfinite(level).argmax(axis=1)
    launched = [i for i in range(series) if first[i] >= 4]
    young = [i for i in launched if weeks - first[i] < YOUNG_WEEKS and weeks - first[i] >= 2]
    if not young or len(launched) < 3:
        return ahead, []
    mean, spread, method, notes = ahead.mean.copy(), ahead.spread.copy(), list(ahead.method), []
    bridged = pd.DataFrame(logs.T).interpolate(limit_area="inside")
    lived, present = bridged.to_numpy().T, bridged.ffill().to_numpy().T
    for i in young:
        others = [j for j in launched if j != i and keys[j].workload == keys[i].workload]
        others = others if len(others) >= 2 else [j for j in launched if j != i]
        aligned = np.full((len(others), weeks), np.nan)
        for row, j in enumerate(others):
            aligned[row, : weeks - first[j]] = lived[j, first[j] :]
        found = analogue(present[i, first[i] :], aligned, ahead.mean.shape[1], priors[i])
        if found is None:
            continue
        for row in (i, i + series):
            mean[row] = present[row, -PRESENT_WEEKS:].mean() + found.growth
            spread[row] = np.maximum.accumulate(np.hypot(spread[row], found.sigma))
            method[row] = f"{method[row]}, growth of {found.launches} earlier launches"
        notes.append(
            note(
                "launch.young",
                name=f"{keys[i].region}/{keys[i].workload}",
                weeks=weeks - first[i],
                launches=found.launches,
                trust=found.trust,
            )
        )
    return replace(ahead, mean=mean, spread=spread, method=tuple(method)), notes
