"""The highest week of a quarter, as it was foretold: scored quarter by quarter beside three simple rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecasts.outlook import FloatArray
from forecasts.weekly.quarterlaw import QUARTER_WEEKS
from forecasts.weekly.quarterpeaks import RULES, quantiles_of_quarters, simple_rules

COLUMNS = ("region", "workload", "unit", "origin", "start", "quarter", "p50", "p90", "p95", "came", "quarter_before")
JUDGED_QUANTILE = 0.9


@dataclass(frozen=True)
class QuarterScore:
    """Highest weekly peaks so many quarters ahead.

    quarter: quarters ahead, from 1. of: "series", all single series together, or "sum", the totals of a unit. judged:
    how many were. below50, below90, below95: share of quarters that stayed below the quantile. log_error: mean absolute
    logarithm of P50 over what came; log_error_last_year: the same of the quarter a year before. bias: mean of P50 over
    what came, minus 1. pinball: loss of the 90 % quantile over what came, and of the rules (`RULES`) in its place; None
    where a rule has no year to look back on.
    """

    quarter: int
    of: str
    judged: int
    below50: float
    below90: float
    below95: float
    log_error: float
    log_error_last_year: float | None
    bias: float
    pinball: float
    rules: Mapping[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON types, the rules each under `pinball_` and its name."""
        plain = {key: value for key, value in vars(self).items() if key != "rules"}
        return plain | {f"pinball_{name}": loss for name, loss in self.rules.items()}


def quarter_rows(
    name: tuple[str, str, str], start: pd.Timestamp, drawn: FloatArray, came: FloatArray, past: FloatArray
) -> pd.DataFrame:
    """One row a whole quarter that was measured.

    drawn: (futures, weeks), weekly peaks of equally likely futures; came: (weeks,), NaN where not measured; past:
    (weeks known,), weekly peaks before the start.
    """
    rules, drawn_at = simple_rules(past), quantiles_of_quarters(drawn)
    rows = []
    for k in range(min(drawn.shape[1], len(came)) // QUARTER_WEEKS):
        part = slice(k * QUARTER_WEEKS, (k + 1) * QUARTER_WEEKS)
        if not np.isfinite(came[part]).all():
            continue
        rows.append(
            {
                **dict(zip(("region", "workload", "unit"), name, strict=True)),
                "origin": start,
                "start": start + pd.Timedelta(days=7 * part.start),
                "quarter": k + 1,
                **dict(zip(("p50", "p90", "p95"), drawn_at[k].tolist(), strict=True)),
                "came": float(came[part].max()),
                "quarter_before": rules["quarter_before"][k % len(rules["quarter_before"])],
                **{rule: rules[rule][k % len(rules[rule])] for rule in RULES},
            }
        )
    return pd.DataFrame(rows, columns=[*COLUMNS, *RULES])


def quarter_scores(rows: pd.DataFrame, total: str) -> tuple[QuarterScore, ...]:
    """Scores of all rows by quarters ahead, of series and of sums apart. total: the workload's name in rows of sums.

    Quarters in which nothing came are left out: nothing can be set against them.
    """
    out = []
    judged = rows[rows["came"] > 0]
    for of, part in (("series", judged[judged["workload"] != total]), ("sum", judged[judged["workload"] == total])):
        for quarter, group in part.groupby("quarter", sort=True):
            came = group["came"].to_numpy(np.float64)
            p50, p90, p95 = (group[name].to_numpy(np.float64) for name in ("p50", "p90", "p95"))
            out.append(
                QuarterScore(
                    quarter=int(str(quarter)),
                    of=of,
                    judged=len(group),
                    below50=float((came <= p50).mean()),
                    below90=float((came <= p90).mean()),
                    below95=float((came <= p95).mean()),
                    log_error=_log_error(p50, came) or 0.0,
                    log_error_last_year=_log_error(group["quarter_before"].to_numpy(np.float64), came),
                    bias=float((p50 / came - 1).mean()),
                    pinball=_pinball(p90, came) or 0.0,
                    rules={rule: _pinball(group[rule].to_numpy(np.float64), came) for rule in RULES},
                )
            )
    return tuple(out)


def _log_error(said: FloatArray, came: FloatArray) -> float | None:
    good = np.isfinite(said) & (said > 0)
    return float(np.abs(np.log(said[good] / came[good])).mean()) if good.any() else None


def _pinball(said: FloatArray, came: FloatArray) -> float | None:
    """Loss at the judged quantile, as a share of what came."""
    good = np.isfinite(said)
    short = (came[good] - said[good]) / came[good]
    return float(np.maximum(JUDGED_QUANTILE * short, (JUDGED_QUANTILE - 1) * short).mean()) if good.any() else None
