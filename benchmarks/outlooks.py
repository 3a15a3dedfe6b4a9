"""Outlooks against what came: the highest week of a quarter, weekly peaks, and level shifts put into real histories.

    python benchmarks/outlooks.py [--data FOLDER] [--parts quarters,weeks,sums,shifts] [--quick] [--json]

quarters: origins half a year apart in every open history of two years and more, eight quarters each, of single series
and of their sum, beside three simple rules. weeks: weekly peaks at 14 origins seven weeks apart against the mean of the
last four, with the share inside the 80 % and 95 % bands. sums: the peak of sums of series asked at 95 %, of single
weeks and of quarters, of all series and of every second one: counters of one town, and the smooth histories laid side
by side, each by its mean (their company is made up). shifts: x2.5 and x0.4 put in 4 to 30 weeks ago on the smooth
histories: the centre five to twelve weeks on, and the P95 of the next quarters over the present peak (the mean of the
last four weekly peaks). A shift must be as if it had not been: the same quarters without it stand beside. The whole
outlook is made each time, about fifteen CPU minutes in all; --quick takes every third origin.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import History, read_history
from forecasts.lookback.quarters import TOTAL, backtest_quarters
from forecasts.lookback.quarterscores import quarter_scores
from forecasts.outlook import HOURS_PER_WEEK, FloatArray, SeriesKey
from forecasts.weekly.level import weekly_panel
from forecasts.weekly.quarterlaw import QUARTER_WEEKS
from forecasts.weekly.reconcile import coincident_peak

ZONES = {
    "akl_ped_a": "Pacific/Auckland",
    "vic_electricity": "Australia/Melbourne",
    "bike_dc": "America/New_York",
    "monash_elec_sftraffic_agg": "America/Los_Angeles",
}
"""The open histories of two years and more, and where they come from."""
RUGGED = "akl_ped_a"
"""Eleven counters with lockdowns in their past: judged apart from the smooth histories."""
HALF_YEAR = 26
FEWEST_WEEKS = 60
SHIFTS = tuple((factor, ago) for factor in (2.5, 0.4) for ago in (4, 8, 13, 20, 30))
SHIFT_ORIGINS = (26, 52)
"""Weeks before the end of a history at which it is cut off."""


def histories(data: Path) -> Iterator[tuple[str, History]]:
    """Every history by its name; series of one file that were not measured together stand apart."""
    for name, zone in ZONES.items():
        history, _ = read_history(data / f"{name}.csv.gz", timezone=zone)
        if name == RUGGED:
            yield name, history
            continue
        for i, values in enumerate(history.values):
            known = np.flatnonzero(np.isfinite(values))
            yield f"{name} {i}" if len(history.values) > 1 else name, history.part([i], slice(known[0], known[-1] + 1))


def _origins(history: History, last: int, apart: int) -> int:
    """How many origins so far apart have more than a year before them, the last one `last` weeks before the end."""
    return (len(history.index) // HOURS_PER_WEEK - last - FEWEST_WEEKS) // apart + 1


def quarters(data: Path, every: int) -> list[dict[str, Any]]:
    """A row a group of histories, of single series or sums, and quarter ahead (0: all)."""
    found: dict[str, list[pd.DataFrame]] = {}
    for name, history in histories(data):
        report = backtest_quarters(
            history, windows=_origins(history, 13, HALF_YEAR * every), spaced=(HALF_YEAR * every, 13)
        )
        judged = report.highest if len(history.series) > 1 else report.highest[report.highest["workload"] != TOTAL]
        found.setdefault(RUGGED if name == RUGGED else "smooth", []).append(judged)
    rows = []
    for group, parts in found.items():
        table = pd.concat(parts, ignore_index=True)
        for whole, part in ((True, table.assign(quarter=0)), (False, table)):
            scores = [score for score in quarter_scores(part, TOTAL) if whole or score.of == "series"]
            rows += [{"histories": group, **_against_rules(score.to_json())} for score in scores]
    return rows


def _against_rules(score: dict[str, Any]) -> dict[str, Any]:
    best = min(score[key] for key in score if key.startswith("pinball_") and score[key] is not None)
    told = {key: score[key] for key in ("of", "quarter", "judged", "below50", "below90", "below95", "bias", "pinball")}
    return told | {
        "pinball_over_best_rule": score["pinball"] / best,
        "log_error": score["log_error"],
        "over_last_year": score["log_error"] / score["log_error_last_year"],
    }


def weeks(data: Path, every: int) -> list[dict[str, Any]]:
    """A row a range of weeks ahead, all histories together."""
    seen = []
    for name, history in histories(data):
        windows = min(-(-14 // every), _origins(history, HALF_YEAR, 7 * every))
        report = backtest_quarters(history, windows=windows, weeks=HALF_YEAR, spaced=(7 * every, HALF_YEAR))
        single = report.peaks[(report.peaks["workload"] != TOTAL) & report.peaks["came"].notna()]
        seen.append(single.assign(name=name))
    table = pd.concat(seen, ignore_index=True)
    rows = []
    for first, last in ((1, 4), (5, 8), (9, 13), (14, 26)):
        part = table[table["week_ahead"].between(first, last)]
        keys = [part["name"], part["region"], part["workload"]]
        off, held = ((part[column] - part["came"]).abs().groupby(keys).sum() for column in ("p50", "four_weeks"))
        row: dict[str, Any] = {"weeks": f"{first}-{last}", "rel": float(np.exp(np.log(off / held).mean()))}
        for band in (80, 95):
            inside = (part["came"] >= part[f"low{band}"]) & (part["came"] <= part[f"high{band}"])
            row[f"inside{band}"] = float(inside.mean())
        rows.append(row | {"judged": len(part)})
    return rows


def _side_by_side(parts: list[History]) -> History:
    """One panel of histories of other places and years: each ends with a Sunday and is divided by its mean."""
    rows = []
    for part in parts:
        stop = int(np.flatnonzero((part.index.dayofweek == 6) & (part.index.hour == 23))[-1]) + 1
        rows.append(part.values[0, :stop] / np.nanmean(part.values[0, :stop]))
    hours = min(len(row) for row in rows) // HOURS_PER_WEEK * HOURS_PER_WEEK
    index = pd.date_range(end="2025-12-28 23:00", periods=hours, freq="h")
    keys = tuple(SeriesKey(f"r{i}", "smooth", "means") for i in range(len(rows)))
    return History(keys, index, np.stack([row[-hours:] for row in rows]), np.ones(len(rows)))


def sums(data: Path, every: int) -> list[dict[str, Any]]:
    """A row a panel and sum: the share of weekly peaks, and of quarters' highest, that stayed below their P95."""
    every_one = list(histories(data))
    panels = [(name, history, ForecastConfig(futures=1)) for name, history in every_one if name == RUGGED]
    smooth = _side_by_side([history for name, history in every_one if name != RUGGED])
    panels.append(("smooth", smooth, ForecastConfig(futures=1, country=None)))
    rows = []
    for name, history, config in panels:
        seen: dict[str, list[tuple[FloatArray, FloatArray]]] = {"all": [], "second": [], "others": []}
        # Two years hold few origins half a year apart.
        apart = every * (HALF_YEAR if name == RUGGED else 7)
        for turn in range(_origins(history, QUARTER_WEEKS, apart)):
            left = QUARTER_WEEKS + turn * apart
            cut = len(history.index) - left * HOURS_PER_WEEK
            recent = np.isfinite(history.values[:, cut - 4 * HOURS_PER_WEEK : cut]).mean(axis=1) > 0.5
            here = history.part(np.flatnonzero(recent))
            outlook, _ = make_outlook(here.part(hours=slice(cut)), weeks=min(left, 104), config=config)
            first = int((pd.Timestamp(outlook.start) - here.index[0]) / pd.Timedelta(hours=1))
            whole = min(outlook.weeks, (len(here.index) - first) // HOURS_PER_WEEK)
            span = slice(first, first + whole * HOURS_PER_WEEK)
            known = np.arange(len(here.series))
            for of, members in (("all", known), ("second", known[::2]), ("others", known[1::2])):
                total = here.values[members, span].sum(axis=0, keepdims=True)
                came = weekly_panel(total, here.index[span], config.peak_quantile).peak[0]
                drawn = coincident_peak(outlook, outlook.evaluation, members.tolist())[:, : len(came)]
                seen[of].append((drawn, came))
        rows += [{"histories": name, "of": of, **_below95(found)} for of, found in seen.items()]
    return rows


def _below95(found: list[tuple[FloatArray, FloatArray]]) -> dict[str, Any]:
    weekly, quarterly = [], []
    for drawn, came in found:
        weekly.append((came <= np.quantile(drawn, 0.95, axis=0))[np.isfinite(came)])
        whole = len(came) // QUARTER_WEEKS * QUARTER_WEEKS
        high = came[:whole].reshape(-1, QUARTER_WEEKS).max(axis=1)
        asked = np.quantile(drawn[:, :whole].reshape(len(drawn), -1, QUARTER_WEEKS).max(axis=2), 0.95, axis=0)
        quarterly.append((high <= asked)[np.isfinite(high)])
    weeks, parts = np.concatenate(weekly), np.concatenate(quarterly)
    return {
        "origins": len(found),
        "weeks": len(weeks),
        "weeks_below95": float(weeks.mean()),
        "quarters": len(parts),
        "quarters_below95": float(parts.mean()),
    }


def shifts(data: Path, every: int) -> list[dict[str, Any]]:
    """A row a smooth history, origin and shift (factor 1: none)."""
    rows = []
    for name, history in histories(data):
        if name == RUGGED:
            continue
        for cut in SHIFT_ORIGINS:
            at = len(history.index) - cut * HOURS_PER_WEEK
            if at < 70 * HOURS_PER_WEEK:
                continue
            for factor, ago in ((1.0, 0), *SHIFTS[::every]):
                values = history.values.copy()
                values[:, at - ago * HOURS_PER_WEEK :] *= factor
                report = backtest_quarters(replace(history, values=values), windows=1, spaced=(1, cut), weeks=52)
                peaks = report.peaks[report.peaks["workload"] != TOTAL]
                near = peaks[peaks["week_ahead"].between(5, 12)]
                row: dict[str, Any] = {"history": name, "cut": cut, "factor": factor, "weeks_ago": ago}
                row["centre"] = float(np.exp(np.log(near["p50"]).mean() - np.log(near["came"]).mean()) - 1)
                now = float(peaks["four_weeks"].iloc[0])
                for one in report.highest[report.highest["workload"] != TOTAL].to_dict("records"):
                    row |= {f"p95_{one['quarter']}": one["p95"] / now, f"came_{one['quarter']}": one["came"] / now}
                rows.append(row)
    return rows


PARTS = {"quarters": quarters, "weeks": weeks, "sums": sums, "shifts": shifts}


def main() -> None:
    """Print the tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="every third origin and shift")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if set(parts) - set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    if not (options.data / f"{RUGGED}.csv.gz").exists():
        print(f"nothing to measure: no histories in {options.data}; name a folder with --data", file=sys.stderr)
        return
    found = {part: PARTS[part](options.data, 3 if options.quick else 1) for part in parts}
    if options.json:
        print(json.dumps(found))
        return
    for part, rows in found.items():
        print(f"{part}\n{pd.DataFrame(rows).round(3).to_string(index=False)}")


if __name__ == "__main__":
    main()
