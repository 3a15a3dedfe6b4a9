"""The quarter's peak as it was foretold, beside simple rules: what an order for a quarter rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from planner.words.wording import Wording

COLUMNS = {
    "quarters.p50": "p50",
    "quarters.p90": "p90",
    "quarters.p95": "p95",
    "lookback.pinball_last_year": "last_year",
    "lookback.pinball_last_year_grown": "last_year_grown",
    "lookback.pinball_year_highest": "year_highest",
}


def quarters_foretold(provenance: Mapping[str, Any], words: Wording) -> pd.DataFrame:
    """A row a unit and quarter of thirteen weeks; none where the plan's demand came from no forecast.

    provenance: the plan's; its outlook says `quarters` (`forecasts.weekly.quarterpeaks.quarters_ahead`).
    """
    rows = provenance.get("outlook", {}).get("quarters", [])
    table: dict[str, Any] = {
        words("quarters.begins"): [row["start"] for row in rows],
        words("cli.unit"): [row["unit"] for row in rows],
    }
    for heading, name in COLUMNS.items():
        table[words(heading)] = [float("nan") if row[name] is None else float(row[name]) for row in rows]
    return pd.DataFrame(table)
