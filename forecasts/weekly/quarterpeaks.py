"""The highest week of every quarter ahead, of the sum of each unit, beside three simple rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from forecasts.history import History
from forecasts.history.sums import add_up
from forecasts.outlook import FloatArray, Outlook
from forecasts.weekly.level import weekly_panel
from forecasts.weekly.quarterlaw import QUARTER_WEEKS
from forecasts.weekly.reconcile import coincident_peak

YEAR_WEEKS = 52
LEVELS = (0.5, 0.9, 0.95)
RULES = ("last_year", "last_year_grown", "year_highest")
"""The same quarter of the year before x 1.2; the same x what the last quarter grew on its year before; the highest week
of the year before x 1.1."""
LAST_YEAR_MARGIN, HIGHEST_MARGIN = 1.2, 1.1


def simple_rules(past: FloatArray) -> dict[str, list[float]]:
    """What the simple rules say of the next four quarters; NaN where the year before is not known.

    past: (weeks known,), weekly peaks. `quarter_before` is the same quarter of the year before as it was.
    """
    year = past[-YEAR_WEEKS:] if len(past) >= YEAR_WEEKS else np.full(YEAR_WEEKS, np.nan)
    before = [_highest(year[w : w + QUARTER_WEEKS]) for w in range(0, YEAR_WEEKS, QUARTER_WEEKS)]
    growth = float("nan")
    if len(past) >= YEAR_WEEKS + QUARTER_WEEKS:
        then = past[-YEAR_WEEKS - QUARTER_WEEKS : len(past) - YEAR_WEEKS]
        if np.isfinite(then).any() and np.isfinite(past[-QUARTER_WEEKS:]).any() and np.nanmean(then) > 0:
            growth = float(np.nanmean(past[-QUARTER_WEEKS:]) / np.nanmean(then))
    return {
        "quarter_before": before,
        "last_year": [LAST_YEAR_MARGIN * value for value in before],
        "last_year_grown": [LAST_YEAR_MARGIN * growth * value for value in before],
        "year_highest": [HIGHEST_MARGIN * _highest(year)] * len(before),
    }


def _highest(weeks: FloatArray) -> float:
    seen = weeks[np.isfinite(weeks)]
    return float(seen.max()) if 2 * len(seen) >= len(weeks) else float("nan")


def quantiles_of_quarters(drawn: FloatArray) -> FloatArray:
    """(quarters, LEVELS) quantiles of the highest week of every whole quarter. drawn: (futures, weeks) weekly peaks."""
    whole = drawn.shape[1] // QUARTER_WEEKS
    highest = drawn[:, : whole * QUARTER_WEEKS].reshape(len(drawn), whole, QUARTER_WEEKS).max(axis=2)
    return np.asarray(np.quantile(highest, LEVELS, axis=0).T)


def quarters_ahead(outlook: Outlook, history: History, peak_quantile: float) -> list[dict[str, Any]]:
    """A row a unit and whole quarter ahead: the sum's peak at P50, P90 and P95 over the evaluation futures, and what
    the simple rules say of its past; None where they have no year to look back on.

    history: what the outlook was made from. A quarter is thirteen weeks from the outlook's start.
    """
    rows = []
    for unit in dict.fromkeys(key.unit for key in outlook.series):
        members = [i for i, key in enumerate(outlook.series) if key.unit == unit]
        drawn = quantiles_of_quarters(coincident_peak(outlook, outlook.evaluation, members))
        before = add_up(history.values, history.censored, [(i, 1.0) for i in members]).values
        rules = simple_rules(weekly_panel(before[None], history.index, peak_quantile).peak[0])
        for k, (p50, p90, p95) in enumerate(drawn.tolist()):
            said = {rule: _plain(rules[rule], k) for rule in RULES}
            start = (outlook.start + timedelta(weeks=QUARTER_WEEKS * k)).date().isoformat()
            rows.append({"unit": unit, "quarter": k + 1, "start": start, "p50": p50, "p90": p90, "p95": p95, **said})
    return rows


def _plain(rule: Sequence[float], quarter: int) -> float | None:
    value = rule[quarter % len(rule)]
    return value if np.isfinite(value) else None
