"""Build-ahead rules as they would really have behaved, on a real history.

    python benchmarks/adaptive.py ../shared/data/bike_dc.csv.gz --periods 4 [--json]

The last `periods` quarters of the history are walked through: at the start of each, the forecast is made from what had
been measured by then and from nothing else. One site and one module type whose capacity is a twentieth of the median
week's peak; a missing unit-hour costs what owning that capacity costs in `--shortage` hours. Prices are invented: the
ratios between rules are the result.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import read_history
from forecasts.outlook import Outlook, SeriesKey
from planner.case import Case
from planner.demand.horizon import outlook_demand
from planner.scenarios import Averse, JustInTime, QuantileOf, Ratio, Rule, Stochastic, WaitAndSee
from planner.solve import Limits
from planner.walk.adaptive import compare_walks
from planner.walk.hindsight import measured

RULES: dict[str, Rule] = {
    "just_in_time": JustInTime(),
    "ratio 1.2": Ratio(kind="ratio", ratio=1.2),
    "ratio 1.5": Ratio(kind="ratio", ratio=1.5),
    "quantile 0.9": QuantileOf(kind="quantile", q=0.9),
    "stochastic": Stochastic(kind="stochastic"),
    "cvar": Averse(kind="cvar", alpha=0.9, weight=0.5),
    "wait_and_see": WaitAndSee(kind="wait_and_see"),
}
MODULE_PRICE = 1000.0


def total_history(path: Path) -> pd.Series[float]:
    """The sum of all series of a history by local hour, gaps filled along the hour of the week."""
    history, _ = read_history(path, timezone="UTC")
    values = pd.DataFrame(history.values.T, index=history.index).sum(axis=1, min_count=1)
    hour = values.index.dayofweek * 24 + values.index.hour
    return values.fillna(values.groupby(hour).transform("median"))


def walk_case(hours: pd.Series[float], start: date, periods: int, shortage: float) -> Case:
    peak = float(hours.resample("7D").max().median())
    size = peak / 20
    before = hours[hours.index < pd.Timestamp(start)]
    standing = int(np.ceil(float(before.iloc[-8 * 168 :].max()) / size))
    period_hours = 2190.0
    owning = MODULE_PRICE / 4 / period_hours / size  # a year's life: a quarter of the price a period
    return Case.model_validate(
        {
            "meta": {"name": "walk", "as_of": start.isoformat(), "timezone": "UTC", "currency": "unit"},
            "horizon": {"start": start.isoformat(), "periods": periods, "discount_rate": 0.0},
            "regions": [{"id": "all", "names": "all"}],
            "sites": [{"id": "site", "names": "site", "power_mw": 1.0, "tariff": "flat"}],
            # energy costs next to nothing, but something, so that no module is busy for nothing
            "tariffs": [{"id": "flat", "prices_per_kwh": {"flat": 0.001}}],
            "module_types": [
                {
                    "id": "module",
                    "names": "module",
                    "cards": 1,
                    "peak_pflops": size,
                    "power_idle_kw": 0.0,
                    "power_peak_kw": 0.1,
                    "capex": MODULE_PRICE,
                    "lead_periods": 1,
                    "life_periods": 4,
                }
            ],
            "fleet": [{"site": "site", "module_type": "module", "modules": standing}],
            "workloads": [
                {
                    "id": "demand",
                    "names": "demand",
                    "throughput": {"module": size},
                    "shortfall_cost": shortage * owning,
                }
            ],
            "network": {"latency_ms": {"all": {"site": 0.0}}},
        }
    )


def run(path: Path, periods: int, shortage: float, seconds: float) -> list[dict[str, Any]]:
    hours = total_history(path)
    last = hours.index[-1].date()
    end = date(last.year, 3 * ((last.month - 1) // 3) + 1, 1)  # the quarter that is under way is left out
    if last + timedelta(days=1) == date(last.year + last.month // 12, last.month % 12 + 1, 1) and last.month % 3 == 0:
        end = last + timedelta(days=1)
    months = end.year * 12 + end.month - 1 - 3 * periods
    start = date(months // 12, months % 12 + 1, 1)
    case = walk_case(hours, start, periods, shortage)
    series = [SeriesKey("all", "demand")]
    monday = start - timedelta(days=start.weekday())
    came = hours[hours.index >= pd.Timestamp(monday)]
    padded = np.concatenate([came.to_numpy(), np.full(168, float(came.iloc[-168:].mean()))])
    truth = outlook_demand(case, measured(series, padded[None], pd.Timestamp(monday).to_pydatetime(), "UTC"))
    made: dict[int, Outlook] = {}

    def forecast(period: int) -> Outlook:
        if period not in made:
            now = pd.Timestamp(case.horizon.period_start(period))
            past = hours[hours.index < now]
            table = pd.DataFrame(
                {"timestamp": past.index, "region": "all", "workload": "demand", "value": past.to_numpy()}
            )
            history, _ = read_history(table, timezone="UTC")
            weeks = (case.horizon.end - now.date()).days // 7 + 2
            made[period] = make_outlook(history, weeks=weeks, config=ForecastConfig(evaluation=40, short_range=False))[
                0
            ]
        return made[period]

    limits = Limits(seconds=seconds, gap=0.002, threads=1)
    table, _ = compare_walks(case, forecast, truth, RULES, limits=limits)
    best = float(table.loc[table["rule"] == "wait_and_see", "cost"].iloc[0])
    table["relative"] = table["cost"] / best
    rows: list[dict[str, Any]] = table.to_dict("records")
    return [{"set": path.name.split(".")[0], "start": start.isoformat(), **row} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path, nargs="+")
    parser.add_argument("--periods", type=int, default=4)
    parser.add_argument("--shortage", type=float, default=20.0, help="cost of a missing unit-hour, in owned unit-hours")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each plan")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = [row for path in chosen.history for row in run(path, chosen.periods, chosen.shortage, chosen.seconds)]
    if chosen.json:
        print(
            json.dumps({"benchmark": "adaptive", "machine": platform.processor() or platform.machine(), "rows": rows})
        )
    else:
        print(pd.DataFrame(rows).to_string(index=False, float_format=lambda v: f"{v:,.3f}"))


if __name__ == "__main__":
    main()
