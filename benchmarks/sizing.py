"""The fitted facts of the roofline: fit, errors on models left out, and errors with anchors.

    python benchmarks/sizing.py DATA.csv.gz [--write]

DATA is a table of measured points (see planner/sizing/points.py); the shipped facts were fitted on
ai-dynamo/aiconfigurator @095f58a51, systems/silicon_sample.csv. --write puts planner/sizing/data/facts.yaml in place.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import least_squares

from planner.sizing.anchors import calibrated
from planner.sizing.facts import NAMES, Facts
from planner.sizing.library import open_library
from planner.sizing.memory import most_requests
from planner.sizing.points import Point, distinct, read_points
from planner.sizing.roofline import FIT, Scale
from planner.sizing.serving import benchmark_times
from planner.sizing.work import Work, stacked, work_of

TARGET = Path(__file__).parents[1] / "planner" / "sizing" / "data" / "facts.yaml"
START = {
    "dense": 0.85, "expert": 0.75, "kv": 0.6, "dense_compute": 0.7, "expert_compute": 0.3, "link": 0.4,
    "layer": 0.03, "routed": 0.03, "latent": 0.02, "indexed": 0.06, "message": 0.008,
    "base_trtllm": 0.3, "base_vllm": 0.5, "base_sglang": 0.5,
    "request_trtllm": 0.008, "request_vllm": 0.015, "request_sglang": 0.02,
    "prefill_dense": 0.7, "prefill_expert": 0.3, "prefill_attention": 0.4, "prefill_link": 0.5,
    "first_trtllm": 8.0, "first_vllm": 8.0, "first_sglang": 30.0,
    "first_layer_trtllm": 0.8, "first_layer_vllm": 0.8, "first_layer_sglang": 0.8, "first_routed": 0.5,
    "queue": 0.3, "burst": 0.05, "gain": 0.25,
}  # fmt: skip
LINEAR = ("gain",)
EFFICIENCIES = ("dense", "expert", "kv", "dense_compute", "expert_compute", "link", "prefill_dense", "prefill_expert",
                "prefill_attention", "prefill_link")  # fmt: skip
PRIOR = 0.6
"""Standard deviation of the log of a fact round its start: wide, it only holds what the data do not tell."""
SCALE = 0.12
FIRST_WEIGHT = 0.5
FEWEST = 30
"""Points of a card below which its own error is not stated."""


@dataclass(frozen=True)
class Table:
    """Points as arrays."""

    points: tuple[Point, ...]
    work: Work
    room: np.ndarray
    wanted: np.ndarray
    ttft: np.ndarray
    tpot: np.ndarray
    speculative: np.ndarray

    def of(self, keep: np.ndarray) -> Table:
        chosen = np.flatnonzero(keep)
        work = Work(**{f.name: getattr(self.work, f.name)[chosen] for f in fields(Work)})
        rest = (getattr(self, n)[chosen] for n in ("room", "wanted", "ttft", "tpot", "speculative"))
        return Table(tuple(self.points[i] for i in chosen), work, *rest)

    def group(self, *names: str) -> list[tuple[str, ...]]:
        return [tuple(_name(p, n) for n in names) for p in self.points]


def _name(point: Point, what: str) -> str:
    stack = point.stack
    return {
        "model": stack.model.id, "card": stack.card.id, "engine": stack.engine.name or "",
        "precision": stack.precision.weights, "version": point.version,
    }[what]  # fmt: skip


def table_of(points: Sequence[Point]) -> Table:
    works, room, wanted = [], [], []
    for p in points:
        s = p.stack
        most = max(most_requests(s.model, s.card, s.layout, s.precision, p.load), 1.0)
        works.append(
            work_of(s.model, s.card, s.layout, s.precision, s.engine, p.load.at(min(p.load.concurrency, most)))
        )
        room.append(most)
        wanted.append(p.load.concurrency)
    times = [(p.ttft_ms or np.nan, p.tpot_ms or np.nan) for p in points]
    ttft, tpot = np.array(times, dtype=float).T
    return Table(tuple(points), stacked(works), np.array(room), np.array(wanted), ttft, tpot, _speculative(points))


def _speculative(points: Sequence[Point]) -> np.ndarray:
    """Rows that must have drafted tokens, from the data alone: a draft-capable model's row that is a quarter faster
    than another of the same model, card, engine, precision, layout, lengths and concurrency."""
    drafts = ("deepseek-v3", "qwen3.5-397b-a17b", "glm-5", "kimi-k2")
    key = [
        (p.stack.model.id, p.stack.card.id, p.stack.engine.name, p.stack.precision, p.stack.layout.cards, p.load)
        for p in points
    ]
    slowest: dict[Any, float] = defaultdict(float)
    for k, p in zip(key, points, strict=True):
        slowest[k] = max(slowest[k], p.tpot_ms or 0)
    return np.array([k[0] in drafts and slowest[k] / (p.tpot_ms or 1) > 1.25 for k, p in zip(key, points, strict=True)])


def facts_of(v: np.ndarray) -> Facts:
    return Facts(**{n: float(x if n in LINEAR else np.exp(x)) for n, x in zip(NAMES, v, strict=True)})


def fit(table: Table, start: Facts | None = None) -> tuple[Facts, np.ndarray]:
    """Robust least squares (soft L1) of log TPOT and log TTFT; each model × card × engine × precision weighs alike."""
    first = np.array([START[n] if n in LINEAR else np.log(START[n]) for n in NAMES])
    begin = (
        first
        if start is None
        else np.array([getattr(start, n) if n in LINEAR else np.log(getattr(start, n)) for n in NAMES])
    )
    groups = table.group("model", "card", "engine", "precision")
    count = Counter(groups)
    weight = np.clip(np.sqrt(30 / np.array([max(count[g], 10) for g in groups])), 0.3, 1.3)
    early = np.where(table.wanted <= 8, 1.0, 0.35)  # at high load a benchmark's own start says most
    pull = SCALE / PRIOR * np.sqrt(len(groups) / 100)

    def residuals(v: np.ndarray) -> np.ndarray:
        ttft, tpot = benchmark_times(table.work, table.wanted, facts_of(v))
        return np.concatenate(
            [
                np.log(tpot / table.tpot) * weight,
                np.log(ttft / table.ttft) * weight * early,
                pull * (v - first),
            ]
        )

    upper = np.array([0.0 if n in EFFICIENCIES else np.inf for n in NAMES])  # nothing is above its peak
    found = least_squares(
        residuals, np.minimum(begin, upper - 1e-3), bounds=(-np.inf, upper), loss="soft_l1", f_scale=SCALE, max_nfev=80
    )
    spread = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac))) * SCALE
    return facts_of(found.x), spread


def fit_twice(table: Table) -> tuple[Facts, np.ndarray]:
    """Without rows that drafted tokens: those the data show, then those of TensorRT-LLM that stay far too fast."""
    plain = table.of(~table.speculative)
    facts, _ = fit(plain)
    _, tpot = benchmark_times(plain.work, plain.wanted, facts)
    drafted = np.array([p.stack.model.id == "deepseek-v3" and p.stack.engine.name == "trtllm" for p in plain.points])
    return fit(plain.of(~(drafted & (tpot / plain.tpot > 1.3))), facts)


def ratios(table: Table, facts: Facts, scale: Scale = FIT) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate ÷ measured: tokens/s and card, TTFT, TPOT."""
    ttft, tpot = benchmark_times(table.work, table.wanted, facts, scale)
    out = np.array([p.load.output_tokens for p in table.points])
    tokens = (table.tpot + table.ttft / out) / (tpot + ttft / out)
    return tokens, ttft / table.ttft, tpot / table.tpot


def left_out(table: Table, by: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Facts]]:
    """Every point estimated by a fit that has not seen its model (or card)."""
    names = np.array([g[0] for g in table.group(by)])
    out = np.full((3, len(names)), np.nan)
    kept = {}
    for name in sorted(set(names)):
        facts, _ = fit_twice(table.of(names != name))
        out[:, names == name] = ratios(table.of(names == name), facts)
        kept[str(name)] = facts
    return out[0], out[1], out[2], kept


def told(name: str, tokens: np.ndarray, ttft: np.ndarray | None = None, low: np.ndarray | None = None) -> str:
    off = np.abs(tokens - 1)
    text = f"{name:24} {len(tokens):5} points: tokens/s and card median {np.median(off):.3f}, "
    text += f"P90 {np.quantile(off, 0.9):.2f}, bias {np.median(tokens) - 1:+.3f}"
    if ttft is not None and low is not None:
        late = np.abs(ttft - 1)
        text += f"; TTFT median {np.median(late):.3f}" + (f", low load {np.median(late[low]):.3f}" if low.any() else "")
    return text


def anchored(
    table: Table,
    kept: dict[str, Facts],
    spread: dict[str, float],
    names: Sequence[str],
    pick: Callable[[np.ndarray], list[int]],
) -> np.ndarray:
    """|estimate ÷ measured − 1| of tokens/s, each group's other points moved by the anchors that `pick` chooses."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, g in enumerate(table.group("model", *names)):
        groups[g].append(i)
    out = []
    for group, rows in groups.items():
        if len(rows) < 5:
            continue
        order = np.array(sorted(rows, key=lambda i: table.wanted[i]))
        chosen = [int(order[i]) for i in pick(order)]
        facts = kept[group[0]]
        scale = calibrated([table.points[i] for i in chosen], facts, spread)
        rest = np.isin(np.arange(len(table.points)), [i for i in rows if i not in chosen])
        out.append(np.abs(ratios(table.of(rest), facts, scale)[0] - 1))
    return np.concatenate(out)


def spread_between(table: Table, facts: Facts) -> dict[str, float]:
    """How much the parts differ from model to model (log): each group's own best multipliers, all points known."""
    wide = {f.name: 0.4 for f in fields(Scale)}
    groups: dict[tuple[str, ...], list[Point]] = defaultdict(list)
    for g, p, s in zip(
        table.group("model", "card", "engine", "precision"), table.points, table.speculative, strict=True
    ):
        if not s:
            groups[g].append(p)
    found = [calibrated(points, facts, wide) for points in groups.values() if len(points) >= 8]
    logs = {f.name: np.log([getattr(s, f.name) for s in found]) for f in fields(Scale)}
    return {name: float(np.clip(1.4826 * np.median(np.abs(v - np.median(v))), 0.1, 0.6)) for name, v in logs.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    points, refused = read_points(asked.data, open_library())
    table = table_of(distinct(points))
    print(
        f"{len(points)} rows read, {len(refused)} refused, {len(table.points)} distinct, "
        f"{table.speculative.sum()} drafted"
    )
    for reason, count in Counter(p.found[:60] for p in refused).most_common(12):
        print(f"  refused {count}: {reason}")
    facts, spread = fit_twice(table)
    for name, error in zip(NAMES, spread, strict=True):
        print(f"  {name:20} {getattr(facts, name):8.4f} ± {error:.3f}")
    low = table.wanted <= 4
    tokens, ttft, _ = ratios(table, facts)
    print(told("in the fit", tokens, ttft, low))
    tokens, ttft, _, kept = left_out(table, "model")
    plain = ~table.speculative
    print(told("models left out", tokens, ttft, low))
    print(told("... without drafted rows", tokens[plain], ttft[plain], low[plain]))
    for by in ("model", "card", "engine"):
        names = np.array([g[0] for g in table.group(by)])
        for name in sorted(set(names)):
            print("  " + told(name, tokens[names == name], ttft[names == name], low[names == name]))
    cards, _, _, _ = left_out(table, "card")
    print(told("cards left out", cards))
    apart = spread_between(table, facts)
    print("spread between models:", {k: round(v, 2) for k, v in apart.items()})
    alone = table.of(plain)
    middle = lambda order: [len(order) // 2]  # noqa: E731
    ends = lambda order: [len(order) // 8, len(order) - 1 - len(order) // 8]  # noqa: E731
    for names in (("card",), ("card", "engine", "precision"), ("card", "engine", "precision", "version")):
        for what, pick in (("one anchor", middle), ("two anchors", ends)):
            off = anchored(alone, kept, apart, names, pick)
            print(f"{what} per model, {', '.join(names)}: median {np.median(off):.3f}, P90 {np.quantile(off, 0.9):.2f}")
            if names[-1] == "version" and what == "one anchor":
                with_anchor = off
    if asked.write:
        _write(facts, spread, apart, table, tokens, ttft, low, cards, with_anchor)


def _write(
    facts: Facts,
    spread: np.ndarray,
    apart: dict[str, float],
    table: Table,
    tokens: np.ndarray,
    ttft: np.ndarray,
    low: np.ndarray,
    cards: np.ndarray,
    with_anchor: np.ndarray,
) -> None:
    def errors(v: np.ndarray) -> tuple[float, float]:
        off = np.abs(v - 1)
        return round(float(np.median(off)), 3), round(float(np.quantile(off, 0.9)), 3)

    names = np.array([g[0] for g in table.group("card")])
    late = np.abs(ttft - 1)
    document = {
        "source": "fitted by benchmarks/sizing.py on measured points of ai-dynamo/aiconfigurator @095f58a51, "
        f"systems/silicon_sample.csv (Apache-2.0): {len(table.points)} distinct aggregated points",
        "date": "2026-11-28",
        "mark": "C",
        "facts": {
            n: [float(f"{getattr(facts, n):.4g}"), round(float(e), 3)] for n, e in zip(NAMES, spread, strict=True)
        },
        "spread": {k: round(v, 3) for k, v in apart.items()},
        "errors": {
            "tokens": errors(tokens)[0],
            "tokens_p90": errors(tokens)[1],
            "ttft_low_load": round(float(np.median(late[low])), 3),
            "ttft": round(float(np.median(late)), 3),
            "other_card": errors(cards)[0],
            "other_card_p90": errors(cards)[1],
            "anchored": errors(1 + with_anchor)[0],
            "anchored_p90": errors(1 + with_anchor)[1],
            "system": {
                str(c): [errors(tokens[names == c])[0], round(float(np.median(tokens[names == c]) - 1), 3)]
                for c in sorted(set(names))
                if (names == c).sum() >= FEWEST
            },
        },
    }
    text = "# Written by benchmarks/sizing.py; each fact with its standard error (relative; of `gain` absolute).\n"
    TARGET.write_text(
        text + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=118)
    )


if __name__ == "__main__":
    main()
