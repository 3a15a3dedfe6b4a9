"""How well a few weighted futures stand for many: ours against plain sampling and k-means; and the peak of the sum.

    python benchmarks/futures.py [--data FOLDER] [--json] [--quick]

Part one reduces the same sample paths to five futures in three ways and prints what each distorts: mean and standard
deviation of every series' weekly peak, the 95th percentile of the total's peak (its mean over each quarter), the mean
correlation between series and the root mean square error of all correlations. Part two (needs the open histories)
asks for 50 to 95 % of the peak of the sum at rolling origins of several panels, joint and with series drawn apart.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from forecasts.forecast import ForecastConfig, make_outlook, weekly_logs
from forecasts.futures import Paths, draw_paths, reduce_paths, weighted_quantile
from forecasts.history import History, read_history
from forecasts.level import forecast_level, weekly_panel
from forecasts.outlook import FloatArray, Futures, SeriesKey
from forecasts.reconcile import coincident_peak


def generated(regions: int = 31, workloads: int = 5, hours: int = 8760, seed: int = 1) -> History:
    """A year of regions x workloads that share a slow movement, a regional one and their own."""
    rng = np.random.default_rng(seed)
    index = pd.date_range("2025-01-01", periods=hours, freq="h")
    weeks = hours // 168 + 1

    def walk(rows: int, size: float) -> FloatArray:
        return np.cumsum(rng.normal(0, size, (rows, weeks)), axis=1)

    n = regions * workloads
    slow = walk(1, 0.02) + np.repeat(walk(regions, 0.02), workloads, axis=0) + walk(n, 0.02)
    level = np.exp(rng.normal(4, 1, (n, 1)) + slow)[:, np.arange(hours) // 168]
    tide = 1 + 0.4 * np.sin(2 * np.pi * (np.arange(hours) % 24 - 14) / 24)
    values = level * tide * np.exp(rng.normal(0, 0.05, (n, hours)))
    keys = tuple(SeriesKey(f"r{i // workloads}", f"w{i % workloads}", "PFLOPS") for i in range(n))
    return History(keys, index, values, np.ones(n))


def sample(history: History, weeks: int, draws: int) -> Paths:
    """Joint paths as make_outlook draws them, before they are reduced."""
    config = ForecastConfig()
    logs, _ = weekly_logs(weekly_panel(history.values, history.index))
    ahead = forecast_level(logs, weeks, config.growth)
    values = np.exp(draw_paths(ahead, draws, config.growth, np.random.default_rng(7)))
    n = len(history.series)
    return Paths(values[:, :n], np.maximum(values[:, n:], values[:, :n]))


def k_means(paths: Paths, count: int, seed: int) -> Futures:
    """Centroids of standardised quarterly peaks' clusters, weighted by their size: the textbook reduction."""
    weeks = paths.peak.shape[2]
    feature = np.stack([paths.peak[:, :, w : w + 13].mean(axis=2) for w in range(0, weeks, 13)], axis=2)
    flat = feature.reshape(len(feature), -1)
    flat = (flat - flat.mean(axis=0)) / np.maximum(flat.std(axis=0), 1e-12)
    _, label = kmeans2(flat, count, minit="++", seed=seed)
    used = np.unique(label)
    share = np.array([(label == k).mean() for k in used])
    level = np.stack([paths.level[label == k].mean(axis=0) for k in used])
    peak = np.stack([paths.peak[label == k].mean(axis=0) for k in used])
    return Futures(share / share.sum(), level, np.maximum(peak, level))


def plain(paths: Paths, count: int, seed: int) -> Futures:
    """`count` of the paths with equal weight."""
    chosen = np.random.default_rng(seed).choice(len(paths.level), count, replace=False)
    return Futures(np.full(count, 1 / count), paths.level[chosen], paths.peak[chosen])


def distortion(paths: Paths, few: Futures) -> dict[str, float]:
    """What the few futures get wrong, as shares (0.01 is one per cent) and correlation points."""
    w = few.probability[:, None, None]
    mean, sd = paths.peak.mean(axis=0), paths.peak.std(axis=0)
    found = (w * few.peak).sum(axis=0)
    found_sd = np.sqrt((w * (few.peak - found) ** 2).sum(axis=0))
    quarters = range(0, paths.peak.shape[2], 13)
    total = np.stack([paths.peak[:, :, q : q + 13].sum(axis=1).mean(axis=1) for q in quarters], axis=1)
    few_total = np.stack([few.peak[:, :, q : q + 13].sum(axis=1).mean(axis=1) for q in quarters], axis=1)
    high = np.quantile(total, 0.95, axis=0)
    few_high = np.array([weighted_quantile(few_total[:, q], few.probability, 0.95) for q in range(total.shape[1])])
    full = np.corrcoef(paths.peak.mean(axis=2).T)
    loose = (few.peak.mean(axis=2) - few.probability @ few.peak.mean(axis=2)) * np.sqrt(few.probability)[:, None]
    size = np.sqrt((loose**2).sum(axis=0))
    unit = loose / np.maximum(size, 1e-12)
    part = unit.T @ unit
    off = ~np.eye(len(full), dtype=bool)
    return {
        "mean": float(np.abs(found / mean - 1).mean()),
        "sd": float(np.abs(found_sd / sd - 1).mean()),
        "p95_of_total": float(np.abs(few_high / high - 1).mean()),
        "mean_correlation": float(abs(part[off].mean() - full[off].mean())),
        "correlation_rmse": float(np.sqrt(((part[off] - full[off]) ** 2).mean())),
    }


def reductions(name: str, history: History, weeks: int, repeats: int) -> list[dict[str, Any]]:
    """One row a method: mean distortion over repeats with different seeds."""
    paths = sample(history, weeks, 400)
    rows = []
    for method in ("ours", "k-means", "plain sampling"):
        begun = time.process_time()
        seen = []
        for seed in range(repeats):
            if method == "ours":
                few = reduce_paths(paths, 5, np.random.default_rng(seed))
            else:
                few = k_means(paths, 5, seed) if method == "k-means" else plain(paths, 5, seed)
            seen.append(distortion(paths, few))
        row: dict[str, Any] = {key: float(np.mean([s[key] for s in seen])) for key in seen[0]}
        cpu = (time.process_time() - begun) / repeats
        rows.append({"set": name, "method": method, "series": len(history.series), **row, "cpu_s": cpu})
    return rows


ASKED = (0.5, 0.8, 0.9, 0.95)


def peak_of_the_sum(
    name: str, history: History, origins: int, ahead: int = 26, apart_weeks: int = 13, draws: int = 300
) -> list[dict[str, Any]]:
    """Share of weeks whose summed P99 lay below each quantile asked for: joint, with series drawn apart, and single.

    One row a way of drawing: `joint`, `apart`, and `single`, the series' own peaks (means over series).
    """
    hit: dict[str, list[FloatArray]] = {"joint": [], "apart": [], "single": []}
    weeks_judged = 0
    for j in range(origins):
        end = len(history.index) - 168 * (ahead + apart_weeks * j)
        if end < 3 * 168:
            break
        past = history.values[:, :end]
        live = np.isfinite(past[:, -4 * 168 :]).mean(axis=1) > 0.9
        live &= np.isfinite(past[:, -60 * 168 :]).mean(axis=1) > 0.5
        if live.sum() < 2:
            break
        keys = tuple(k for k, ok in zip(history.series, live, strict=True) if ok)
        known = History(keys, history.index[:end], past[live], history.burst[live])
        config = ForecastConfig(futures=1, evaluation=draws, short_range=False, country=None)
        outlook, _ = make_outlook(known, weeks=ahead, config=config)
        begin = end + int((pd.Timestamp(outlook.start) - known.index[-1]) / pd.Timedelta(hours=1)) - 1
        future = history.values[live][:, begin : begin + ahead * 168]
        weeks = future.shape[1] // 168
        cube = future[:, : weeks * 168].reshape(len(keys), weeks, 168)
        whole = np.isfinite(cube).mean(axis=2) > 0.98
        every = whole.all(axis=0)
        came = np.where(every, np.quantile(np.nan_to_num(cube).sum(axis=0), 0.99, axis=1), np.nan)
        own = np.where(whole, np.quantile(np.nan_to_num(cube), 0.99, axis=2), np.nan)
        rng = np.random.default_rng(j)
        mixed = np.stack([rng.permutation(draws) for _ in keys], axis=1), np.arange(len(keys))[None]
        joint = outlook.evaluation
        apart = replace(joint, level=joint.level[mixed], peak=joint.peak[mixed])
        weeks_judged += int(every.sum())
        for way, part in (("joint", joint), ("apart", apart)):
            asked = np.quantile(coincident_peak(outlook, part), ASKED, axis=0)[:, :weeks]
            hit[way].append(np.where(every, came <= asked, np.nan))
        asked = np.quantile(joint.peak, ASKED, axis=0)[:, :, :weeks]
        hit["single"].append(np.where(whole, own <= asked, np.nan).reshape(len(ASKED), -1))
    rows = []
    for way, parts in hit.items():
        if parts:
            share = np.nanmean(np.concatenate(parts, axis=1), axis=1)
            shares = {f"asked_{100 * q:g}": float(s) for q, s in zip(ASKED, share, strict=True)}
            rows.append({"set": name, "drawn": way, "series": len(history.series), "weeks": weeks_judged, **shares})
    return rows


def mixed_panel(data: Path) -> History:
    """Two years of bikes, electricity and traffic, each in units of its own mean, laid over one another."""
    parts = []
    for name in ("bike_dc", "vic_electricity", "monash_elec_sftraffic_agg"):
        for values in read_history(data / f"{name}.csv.gz")[0].values:
            last = len(values) - int(np.isfinite(values)[::-1].argmax())
            parts.append(values[max(last - 104 * 168, 0) : last])
    hours = min(map(len, parts)) // 168 * 168
    values = np.stack([part[-hours:] / np.nanmean(part[-hours:]) for part in parts])
    index = pd.date_range("2024-01-01", periods=hours, freq="h")
    return History(tuple(SeriesKey("x", f"s{i}") for i in range(len(values))), index, values, np.ones(len(values)))


def sums(data: Path, quick: bool) -> list[dict[str, Any]]:
    """Part two: the panels of the open histories that are there."""
    rows = []
    if (data / "akl_ped_a.csv.gz").exists():
        history, _ = read_history(data / "akl_ped_a.csv.gz")
        rows += peak_of_the_sum("akl_ped_a", history, 3 if quick else 12)
        rows += peak_of_the_sum("bike, vic, monash", mixed_panel(data), 3, ahead=13, apart_weeks=7)
        for name in ("nab_tweets", "ms_purchase_counts"):
            rows += peak_of_the_sum(name, read_history(data / f"{name}.csv.gz")[0], 3, ahead=2, apart_weeks=1)
    return rows


def main() -> None:
    """Print both tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="fewer repeats and origins")
    options = parser.parse_args()
    repeats = 3 if options.quick else 10
    rows = reductions("generated 31 x 5, 1 year", generated(), 104, repeats)
    if (options.data / "akl_ped_a.csv.gz").exists():
        history, _ = read_history(options.data / "akl_ped_a.csv.gz")
        rows += reductions("akl_ped_a, 7 years", history, 104, repeats)
    joint = sums(options.data, options.quick)
    if options.json:
        print(json.dumps({"reduction": rows, "peak_of_the_sum": joint}))
        return
    print(pd.DataFrame(rows).round(4).to_string(index=False))
    print("Peak of the sum: share of weeks below the quantile asked for")
    print(pd.DataFrame(joint).round(3).to_string(index=False) if joint else "open histories not found")


if __name__ == "__main__":
    main()
