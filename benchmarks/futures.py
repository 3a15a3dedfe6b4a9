"""How well a few weighted futures stand for many: ours against plain sampling and k-means; and the peak of the sum.

    python benchmarks/futures.py [--data FOLDER] [--json] [--quick]

Part one reduces the same sample paths to five futures in three ways and prints what each distorts: mean and standard
deviation of every series' weekly peak, the 95th percentile of the total's peak (its mean over each quarter), the mean
correlation between series and the root mean square error of all correlations. Part two (needs the open histories)
asks for 50 to 95 % of the peak of the sum at rolling origins of several panels with years, months and weeks of history,
joint and with series drawn apart (three CPU minutes; --quick takes a third of the origins).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from forecasts.forecast import ForecastConfig, make_outlook, weekly_logs
from forecasts.history import History, read_history
from forecasts.outlook import FloatArray, Futures, SeriesKey
from forecasts.weekly.futures import Paths, draw_paths, reduce_paths, weighted_quantile
from forecasts.weekly.growth import Beliefs
from forecasts.weekly.level import forecast_level, weekly_panel
from forecasts.weekly.reconcile import coincident_peak


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
    ahead = forecast_level(logs, weeks, Beliefs.alike(config.growth, len(logs) // 2))
    values = np.exp(draw_paths(ahead, draws, config.growth.common, np.random.default_rng(7)))
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


ASKED = (0.025, 0.1, 0.5, 0.8, 0.9, 0.95, 0.975)


@dataclass(frozen=True)
class Trial:
    """A panel, and the origins from which its sum is foretold.

    ahead, apart: weeks ahead, and weeks between origins; the last origin lies `ahead` weeks before the panel's end.
    window: weeks of history that are shown (None: all).
    """

    name: str
    history: History
    origins: int
    ahead: int
    apart: int
    window: int | None = None


def peak_of_the_sum(trial: Trial, draws: int = 300) -> list[dict[str, Any]]:
    """Share of weeks whose summed P99 lay below each quantile asked for: joint, with series drawn apart, and single.

    One row a way of drawing: `joint`, `apart`, and `single`, the series' own peaks (means over series). inside80 and
    inside95 are two-sided; pinball is the mean over the quantiles of the logarithm.
    """
    name, history, ahead = trial.name, trial.history, trial.ahead
    hit: dict[str, list[FloatArray]] = {"joint": [], "apart": [], "single": []}
    lost: dict[str, list[float]] = {"joint": [], "apart": [], "single": []}
    origins = weeks_judged = 0
    began = time.process_time()
    for j in range(trial.origins):
        end = len(history.index) - 168 * (ahead + trial.apart * j)
        begin = 0 if trial.window is None else end - 168 * trial.window
        if end - begin < 6 * 24 or begin < 0:
            break
        past = history.values[:, begin:end]
        live = np.isfinite(past[:, -4 * 168 :]).mean(axis=1) > 0.9
        live &= np.isfinite(past[:, -60 * 168 :]).mean(axis=1) > 0.5
        live &= np.nanmax(np.where(np.isfinite(past), past, 0.0), axis=1) > 0
        if live.sum() < 2:
            continue
        keys = tuple(k for k, ok in zip(history.series, live, strict=True) if ok)
        known = History(keys, history.index[begin:end], past[live], history.burst[live])
        config = ForecastConfig(futures=1, evaluation=draws, short_range=False, country=None)
        outlook, _ = make_outlook(known, weeks=ahead, config=config)
        first = end + int((pd.Timestamp(outlook.start) - known.index[-1]) / pd.Timedelta(hours=1)) - 1
        future = history.values[live][:, first : first + ahead * 168]
        weeks = future.shape[1] // 168
        if weeks == 0:
            continue
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
        origins += 1
        asked = {
            "joint": np.quantile(coincident_peak(outlook, joint), ASKED, axis=0)[:, :weeks],
            "apart": np.quantile(coincident_peak(outlook, apart), ASKED, axis=0)[:, :weeks],
            "single": np.quantile(joint.peak, ASKED, axis=0)[:, :, :weeks].reshape(len(ASKED), -1),
        }
        for way, truth in (("joint", came), ("apart", came), ("single", own.ravel())):
            there = np.isfinite(truth) & (truth > 0) & (asked[way] > 0).all(axis=0)
            hit[way].append((truth <= asked[way])[:, there].astype(np.float64))
            off = np.log(truth[there]) - np.log(asked[way][:, there])
            share = np.array(ASKED)[:, None]
            if there.any():
                lost[way].append(float(np.maximum(share * off, (share - 1) * off).mean()))
    rows = []
    for way, parts in hit.items():
        found = np.concatenate(parts, axis=1) if parts else np.zeros((len(ASKED), 0))
        if found.shape[1]:
            share = found.mean(axis=1)
            row = {"set": name, "drawn": way, "series": len(history.series), "origins": origins, "weeks": weeks_judged}
            row |= {
                f"asked_{100 * q:g}": float(s) for q, s in zip(ASKED, share, strict=True) if q in (0.5, 0.8, 0.9, 0.95)
            }
            row |= {"inside80": float(share[4] - share[1]), "inside95": float(share[6] - share[0])}
            rows.append(row | {"pinball": float(np.mean(lost[way])), "cpu_s": time.process_time() - began})
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


def alike(data: Path, hours: int, first: int, size: int = 25) -> History:
    """M4 hourly series of one length, side by side in the order of their numbers, in units of their own mean."""
    history, _ = read_history(data / "m4_hourly.csv.gz")
    rows = []
    for i in np.argsort([int(key.workload.lstrip("H")) for key in history.series]):
        measured = history.values[i][np.isfinite(history.values[i])]
        if len(measured) == hours:
            rows.append(measured[-(hours // 168 * 168) :])
    values = np.stack(rows[first : first + size])
    values = values / values.mean(axis=1, keepdims=True)
    index = pd.date_range("2024-01-01", periods=values.shape[1], freq="h")
    return History(tuple(SeriesKey("x", f"s{i}") for i in range(len(values))), index, values, np.ones(len(values)))


def parts_only(history: History) -> History:
    """Without the series that are totals of others."""
    rows = [i for i, key in enumerate(history.series) if "total" not in f"{key.region} {key.workload}".lower()]
    keys = tuple(history.series[i] for i in rows)
    return History(keys, history.index, history.values[rows], history.burst[rows])


def trials(data: Path, quick: bool) -> list[Trial]:
    """The panels of the open histories that are there: years, months and weeks of history."""
    read = {path.name.removesuffix(".csv.gz"): path for path in sorted(data.glob("*.csv.gz"))}
    out = []
    fewer = 3 if quick else 1
    if "akl_ped_a" in read:
        akl, _ = read_history(read["akl_ped_a"])
        mixed = mixed_panel(data)
        out += [
            Trial("akl_ped_a, all", akl, 18 // fewer, 26, 13),
            Trial("akl_ped_a, 104 weeks", akl, 20 // fewer, 26, 13, 104),
            Trial("akl_ped_a, 60 weeks", akl, 20 // fewer, 26, 13, 60),
            Trial("akl_ped_a, 30 weeks", akl, 22 // fewer, 13, 13, 30),
            Trial("akl_ped_a, 16 weeks", akl, 18 // fewer, 13, 17, 16),
            Trial("akl_ped_a, 6 weeks", akl, 34 // fewer, 4, 9, 6),
            Trial("bike, vic, monash, all", mixed, 12 // fewer, 13, 5),
            Trial("bike, vic, monash, 30 weeks", mixed, 9 // fewer, 13, 8, 30),
            Trial("bike, vic, monash, 16 weeks", mixed, 9 // fewer, 13, 8, 16),
            Trial("bike, vic, monash, 6 weeks", mixed, 10 // fewer, 4, 9, 6),
        ]
    for name, origins, ahead in (
        *(("nab_tweets", 5, 2), ("ms_purchase_counts", 4, 2), ("alibaba_dlrm_2025", 2, 1)),
        ("servegen_llm_mid_small", 1, 1),
    ):
        if name in read:
            out.append(Trial(name, parts_only(read_history(read[name])[0]), origins, ahead, 1))
    if "m4_hourly" in read:
        for hours, most in ((748, 150), (1008, 225)):
            for first in range(0, most, 75 if quick else 25):
                panel = alike(data, hours, first)
                out.append(Trial(f"m4 {hours} h, {first}-", panel, 3 if hours > 900 else 1, 2 if hours > 900 else 1, 1))
    return out


def sums(data: Path, quick: bool) -> list[dict[str, Any]]:
    """Part two: every trial's rows."""
    return [row for trial in trials(data, quick) for row in peak_of_the_sum(trial)]


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
