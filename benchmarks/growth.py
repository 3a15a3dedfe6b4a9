"""Growth after a launch and after a level shift, on real histories: analogues and outlooks against plain rules.

    python benchmarks/growth.py [--data FOLDER] [--json]

Part one: no open history here holds launches of new services, but akl_ped_a holds three reopenings after closures, at
which ten counters came back from a tenth of their level. Each is taken for a launch at its deepest week; a counter at
the second and third reopening is told what counters did at the earlier ones, and foretold a quarter ahead 3 to 12 weeks
later. Printed: absolute logarithmic errors of the weekly level over those of the last week held, for `analogue`, for
the structural model on the young weeks alone (what stands in without analogues), and for the own trend carried on.

Part two: weeks after which a series' level lay for eight weeks 40 % above or below the eight before; at origins 2
and 8 weeks later the outlook's weekly peaks, 1 to 13 weeks ahead, against the mean of the last four, with coverage
(three years of history at most).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from forecasts.forecast import weekly_logs
from forecasts.history import read_history
from forecasts.outlook import FloatArray
from forecasts.weekly.futures import daily_movement, unproven
from forecasts.weekly.growth import PRESENT_WEEKS, Beliefs, GrowthPrior, analogue
from forecasts.weekly.level import forecast_level, weekly_panel

REOPENINGS = ("2020-04-16", "2020-08-13", "2021-08-26")
"""Weeks in which the counters of akl_ped_a stood deepest before they came back."""
AGES = (3, 4, 6, 8, 12)
AHEAD = 13
BEFORE, SHIFT = 8, np.log(1.4)
SINCE = (2, 8)
"""Weeks after a shift from which it is foretold on."""
THREE_YEARS = 156


def young_forecasts(young: FloatArray, launches: FloatArray, prior: GrowthPrior) -> dict[str, FloatArray]:
    """(AHEAD,) weekly logs after a launch as each way foretells them. young: (age,); launches: (others, weeks)."""
    logs = np.stack([young, young + 0.4])
    fitted = forecast_level(logs, AHEAD, Beliefs.alike(prior, len(logs) // 2))
    structural = fitted.mean[0]
    half = len(young) // 2
    step = (young[-half:].mean() - young[:half].mean()) / (len(young) - half)
    out = {
        "held": np.full(AHEAD, young[-1]),
        "own trend": young[-1] + step * np.arange(1, AHEAD + 1),
        "structural": structural,
    }
    found = analogue(young, launches, AHEAD, prior)
    if found is not None:
        out["analogue"] = young[-PRESENT_WEEKS:].mean() + found.growth
        out["sigma"] = np.hypot(found.sigma, fitted.spread[0])
    return out


def launches(data: Path) -> list[dict[str, Any]]:
    """Part one: a row a reopening, age and range of weeks ahead."""
    history, _ = read_history(data / "akl_ped_a.csv.gz")
    panel = weekly_panel(history.values, history.index)
    logs = weekly_logs(panel)[0][: len(history.series)]
    logs = pd.DataFrame(logs.T).interpolate(limit=2, limit_area="inside").to_numpy().T
    first = panel.start - pd.Timedelta(weeks=logs.shape[1])
    starts = [int(np.ceil((pd.Timestamp(day) - first) / pd.Timedelta(weeks=1))) for day in REOPENINGS]
    rows = []
    for event in range(1, len(starts)):
        ends = [*starts[1 : event + 1]]
        for age in AGES:
            errors: dict[str, list[FloatArray]] = {}
            inside = []
            for series in range(len(logs)):
                young = logs[series, starts[event] : starts[event] + age]
                came = logs[series, starts[event] + age : starts[event] + age + AHEAD]
                if not (np.isfinite(young).all() and np.isfinite(came).all()):
                    continue
                # What was known: the earlier reopenings of all counters, each up to the next closure.
                past = [
                    logs[other, begin : min(end, begin + 60)]
                    for begin, end in zip(starts[:event], ends, strict=True)
                    for other in range(len(logs))
                ]
                past = [one for one in past if np.isfinite(one).all()]
                aligned = np.full((len(past), max(map(len, past))), np.nan)
                for row, one in enumerate(past):
                    aligned[row, : len(one)] = one
                told = young_forecasts(young, aligned, GrowthPrior())
                sigma = told.pop("sigma")
                inside.append(np.abs(came - told["analogue"]) <= 1.2816 * sigma)
                for name, path in told.items():
                    errors.setdefault(name, []).append(np.abs(came - path))
            for begin, end in ((0, 4), (4, 8), (8, 13)):
                size = {name: np.stack(part)[:, begin:end].mean() for name, part in errors.items()}
                score: dict[str, Any] = {
                    "reopening": REOPENINGS[event],
                    "age": age,
                    "weeks": f"{begin + 1}-{end}",
                    "series": len(inside),
                }
                score |= {name: float(value / size["held"]) for name, value in size.items() if name != "held"}
                rows.append(score | {"held": float(size["held"]), "in80": float(np.stack(inside)[:, begin:end].mean())})
    return rows


def shifts(logs: FloatArray) -> list[tuple[int, int]]:
    """(series, week) of the levels that changed and stayed: the largest change within eight weeks either way."""
    found = []
    for series, row in enumerate(logs):
        change = np.zeros(len(row))
        for week in range(60, len(row) - BEFORE):
            before, after = row[week - BEFORE : week], row[week : week + BEFORE]
            if np.isfinite(before).all() and np.isfinite(after).all():
                far = np.median(after) - np.median(before)
                steady = (
                    np.ptp(np.median(before.reshape(2, -1), axis=1)),
                    np.ptp(np.median(after.reshape(2, -1), axis=1)),
                )
                change[week] = abs(far) if max(steady) < 0.5 * abs(far) else 0.0
        for week in np.flatnonzero(change > SHIFT).tolist():
            around = change[max(week - BEFORE, 0) : week + BEFORE + 1]
            if change[week] == around.max():
                found.append((series, week))
    return found


def after_shifts(data: Path, name: str) -> list[dict[str, Any]]:
    """Part two for one set: a row an age and range of weeks ahead, means over the series that shifted."""
    history, _ = read_history(data / f"{name}.csv.gz")
    panel = weekly_panel(history.values, history.index)
    logs, _ = weekly_logs(panel)
    series = len(history.series)
    found = shifts(logs[:series])
    rows = []
    for age in SINCE:
        seen: list[FloatArray] = []
        for week in sorted({week for _, week in found}):
            end = week + age
            known = logs[:, max(end - THREE_YEARS, 0) : end]
            rich = np.isfinite(known[:, -4:]).any(axis=1) & (np.isfinite(known).sum(axis=1) > 8)
            live = np.flatnonzero(rich[:series] & rich[series:])
            ahead = forecast_level(
                known[np.concatenate([live, live + series])], AHEAD, Beliefs.alike(GrowthPrior(), len(live))
            )
            hours = history.values[live, : history.values.shape[1] - 168 * (logs.shape[1] - end)]
            ahead = unproven(ahead, daily_movement(hours))
            band = [ahead.quantile(p)[len(live) :] for p in (0.025, 0.1, 0.9, 0.975)]
            for own in [i for i, at in found if at == week and i in live]:
                row = int(np.flatnonzero(live == own)[0])
                came = logs[series + own, end : end + AHEAD]
                there = np.arange(AHEAD)[: len(came)][np.isfinite(came)]
                came, now = came[there], np.nanmean(logs[series + own, end - 4 : end])
                low95, low80, high80, high95 = (part[row, there] for part in band)
                off = np.abs(came - ahead.mean[len(live) + row, there])
                columns = [there, off, np.abs(came - now), (came >= low80) & (came <= high80)]
                seen.append(np.column_stack([*columns, (came >= low95) & (came <= high95)]).astype(np.float64))
        if not seen:
            continue
        table = np.concatenate(seen)
        for begin, end in ((0, 4), (4, 8), (8, 13)):
            part = table[(table[:, 0] >= begin) & (table[:, 0] < end)]
            error, naive, in80, in95 = part[:, 1:].mean(axis=0)
            score = {"set": name, "shifts": len(seen), "age": age, "weeks": f"{begin + 1}-{end}"}
            rows.append(score | {"rel": error / naive, "error": error, "in80": in80, "in95": in95})
    return rows


def main() -> None:
    """Print both tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not (options.data / "akl_ped_a.csv.gz").exists():
        raise SystemExit("open histories not found")
    young = launches(options.data)
    sets = ("akl_ped_a", "bike_dc", "vic_electricity", "monash_elec_sftraffic_agg")
    shifted = [row for name in sets for row in after_shifts(options.data, name)]
    if options.json:
        print(json.dumps({"launches": young, "shifts": shifted}))
        return
    print(pd.DataFrame(young).round(3).to_string(index=False))
    print(pd.DataFrame(shifted).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
