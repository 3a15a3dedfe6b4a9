"""Our hourly forecasts against the seasonal naive, statsmodels and statsforecast on the same series in one run.

    python benchmarks/forecast.py [--data FOLDER] [--json] [--windows 4] [--sets a,b] [--methods tideplan,naive168]

Every method forecasts 168 hours from the same rolling origins of every history in the folder; the M4 hourly file, when
it is there, is judged on its official test (the last 48 values of each series). A method `only:NAME` is one of our
members alone in the same machinery, for example only:profile168. Figures of error are ratios measured in this run;
seconds are processor seconds of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecasts.history import History, read_history
from forecasts.history.asked import Reading
from forecasts.hourly.combine import HourlyConfig, fill, forecast_hourly
from forecasts.hourly.members.members import default_members
from forecasts.lookback.backtest import BacktestReport, Forecaster, PointForecast, backtest, seasonal_naive
from forecasts.outlook import FloatArray

DAY, WEEK, FIT = 24, 168, 8 * 168
COUNTRY = {"vic_electricity": ("AU", "VIC"), "bike_dc": ("US", "DC"), "akl_ped_a": ("NZ", "AUK")}
"""Where a set comes from, when all of its series come from one place: its holidays are known to whoever plans there."""
NAIVE2_SMAPE, NAIVE2_MASE = 18.383, 2.395
"""Scores of the M4 competition's Naive2 on its 414 hourly series, the base of OWA."""
HERE = Path(__file__).resolve().parent
M4 = "m4_hourly"
ONLY = "only:"


def config_of(name: str, method: str = "tideplan") -> HourlyConfig:
    """The default configuration, with the holidays of the place when the set has one; one member for only:NAME."""
    country, subdivision = COUNTRY.get(name, (None, None))
    members = (method.removeprefix(ONLY),) if method.startswith(ONLY) else ()
    return HourlyConfig(country=country, subdivision=subdivision, members=members)


def statsmodels_stl(history: History, hours: int) -> PointForecast:
    """statsmodels STL + ETS (additive damped trend) on the last eight weeks, the naive where it fails."""
    from statsmodels.tsa.forecasting.stl import STLForecast
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    known, safe = fill(history.values)[:, -FIT:], seasonal_naive(history, hours).mean
    period = WEEK if known.shape[1] >= 2 * WEEK + 1 else DAY
    out = safe.copy()
    for row, values in enumerate(known):
        try:
            model = STLForecast(
                values, ExponentialSmoothing, model_kwargs={"trend": "add", "damped_trend": True}, period=period
            )
            path = np.asarray(model.fit().forecast(hours))
        except Exception:  # noqa: BLE001 - a rival that breaks is scored with its fallback
            continue
        if np.isfinite(path).all():
            out[row] = np.maximum(path, 0)
    return PointForecast(out)


def statsforecast_mstl(history: History, hours: int) -> PointForecast:
    """statsforecast MSTL + AutoARIMA with its own intervals, on the last eight weeks."""
    from statsforecast.models import MSTL, AutoARIMA

    known, safe = fill(history.values)[:, -FIT:], seasonal_naive(history, hours).mean
    seasons = [DAY, WEEK] if known.shape[1] >= 2 * WEEK + 1 else [DAY]
    bands = (80, 95)
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    out = safe.copy()
    quantiles = np.repeat(safe[:, None, :], len(levels), axis=1)
    for row, values in enumerate(known):
        try:
            got = MSTL(season_length=seasons, trend_forecaster=AutoARIMA()).forecast(values, hours, level=list(bands))
        except Exception:  # noqa: BLE001 - a rival that breaks is scored with its fallback
            continue
        path = np.asarray(got["mean"])
        if np.isfinite(path).all():
            out[row] = np.maximum(path, 0)
            several = [got["lo-95"], got["lo-80"], got["mean"], got["hi-80"], got["hi-95"]]
            quantiles[row] = np.maximum(np.stack([np.asarray(part) for part in several]), 0)
    return PointForecast(out, levels, quantiles)


PEERS: dict[str, Forecaster] = {
    "naive168": seasonal_naive,
    "statsmodels STL+ETS": statsmodels_stl,
    "statsforecast MSTL+ARIMA": statsforecast_mstl,
}


def m4_row(path: Path, method: str, forecaster: Callable[[History, int], Any]) -> dict[str, Any]:
    """sMAPE, MASE and OWA on the official test of the M4 hourly series."""
    history, _ = read_history(path, asked=Reading(suspect="keep"))
    last = np.array([np.flatnonzero(np.isfinite(values))[-1] + 1 for values in history.values])
    smape, mase = [], []
    began = time.process_time()
    spent = 0.0
    for stop in np.unique(last):
        rows = np.flatnonzero(last == stop)
        keys = tuple(history.series[row] for row in rows)
        past = History(keys, history.index[: stop - 48], history.values[rows, : stop - 48], history.burst[rows])
        truth = history.values[rows, stop - 48 : stop]
        began = time.process_time()
        mean: FloatArray = forecaster(past, 48).mean
        spent += time.process_time() - began
        scale = np.nanmean(np.abs(past.values[:, DAY:] - past.values[:, :-DAY]), axis=1)
        smape.append((200 * np.abs(truth - mean) / (np.abs(truth) + np.abs(mean))).mean(axis=1))
        mase.append(np.abs(truth - mean).mean(axis=1) / scale)
    s, m = float(np.mean(np.concatenate(smape))), float(np.mean(np.concatenate(mase)))
    owa = (s / NAIVE2_SMAPE + m / NAIVE2_MASE) / 2
    return {
        "set": M4,
        "method": method,
        "series": len(last),
        "smape": s,
        "mase": m,
        "owa": owa,
        "cpu_s": round(spent, 2),
    }


def together(rows: list[BacktestReport], method: str) -> dict[str, Any]:
    """One row for all sets: every series counts the same."""
    scores = tuple(score for report in rows for score in report.series)
    return BacktestReport("all", method, WEEK, sum(report.cpu_s for report in rows), scores, (), ()).row()


def run(data: Path, windows: int, sets: set[str], methods: list[str]) -> list[dict[str, Any]]:
    """All rows of the benchmark."""
    files = {path.name.split(".")[0]: path for path in sorted(data.glob("*.csv.gz"))}
    rows: list[dict[str, Any]] = []
    reports: dict[str, list[BacktestReport]] = {method: [] for method in methods}
    for name, path in files.items():
        if (sets and name not in sets) or name == M4:
            continue
        history, _ = read_history(path)
        for method in methods:
            report = backtest(
                history,
                windows=windows,
                config=config_of(name, method),
                forecaster=PEERS.get(method),
                name=name,
            )
            report = replace(report, method=method)
            reports[method].append(report)
            rows.append(report.row())
            print(f"{name} {method}", file=sys.stderr)
    rows += [together(reports[method], method) for method in methods if reports[method]]
    if M4 in files and (not sets or M4 in sets):
        for method in methods:
            ours = partial(forecast_hourly, config=config_of(M4, method))
            rows.append(m4_row(files[M4], method, PEERS.get(method, ours)))
            print(f"{M4} {method}", file=sys.stderr)
    return rows


def main() -> None:
    """Print the table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of histories; TIDEPLAN_DATA or ../shared/data without")
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--sets", default="")
    parser.add_argument("--methods", default=",".join(["tideplan", *PEERS]))
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    methods = [method.strip() for method in wanted.methods.split(",")]
    known = {"tideplan", *PEERS, *(ONLY + make().name for make in default_members())}
    unknown = [method for method in methods if method not in known]
    data = wanted.data or Path(os.environ.get("TIDEPLAN_DATA", HERE.parent.parent / "shared" / "data"))
    if unknown or (wanted.data and not data.is_dir()):
        parser.error(f"unknown methods {unknown}" if unknown else f"{data} is not a folder")
    if not data.is_dir():
        print(f"nothing to measure: no histories in {data}; name a folder with --data", file=sys.stderr)
        return
    warnings.filterwarnings("ignore")
    rows = run(data, wanted.windows, set(filter(None, wanted.sets.split(","))), methods)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    if wanted.json:
        print(json.dumps({"benchmark": "forecast", "machine": machine, "rows": rows}, allow_nan=False))
        return
    table = pd.DataFrame(rows).drop(columns=["peak_rel"], errors="ignore").round(3)
    print(table.to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
